/* log.h - event records that a shard writes into its own ring and the logger thread prints.
 *
 * Layer:   engine/base (C11 atomics; no I/O, no clock, no allocation)
 * Threads: one writer (the shard that owns the log), one reader (the logger thread)
 * Limits:  NX_LOG_FIELDS_MAX fields; NX_LOG_RATE_PER_S_MAX records per event name and second, more are
 *          counted and told with the next one; a full ring drops and counts; a line is at most
 *          NX_LOG_LINE_SIZE_MAX bytes; the struct is
 *          cache-line aligned
 * Idiom:   NX_LOG(log, INFO, "conn.closed", NX_LOG_U64("session", id), NX_LOG_TEXT("reason", "timeout"));
 *          Names, tokens and message bodies have no field kind, and an address is cut to its redacted form
 *          before it enters the record: what is not in a record cannot leak. Event, keys and texts live for
 *          ever (literals).
 */
#ifndef NX_BASE_LOG_H
#define NX_BASE_LOG_H

#include "engine/base/addr.h"
#include "engine/base/err.h"
#include "engine/base/limits.h"
#include "engine/base/spsc.h"
#include "engine/base/time.h"
#include "engine/base/writer.h"

enum nx_log_level { NX_LOG_LEVEL_DEBUG, NX_LOG_LEVEL_INFO, NX_LOG_LEVEL_WARN, NX_LOG_LEVEL_ERROR };

enum nx_log_kind {
    NX_LOG_KIND_END, /**< ends a list of fields */
    NX_LOG_KIND_U64,
    NX_LOG_KIND_I64,
    NX_LOG_KIND_TEXT,     /**< static text of ours, never of a user */
    NX_LOG_KIND_ERR,      /**< enum nx_err, printed as its text */
    NX_LOG_KIND_DURATION, /**< nanoseconds, printed as milliseconds with three decimals */
    NX_LOG_KIND_ADDR      /**< redacted: family << 32 | first 16 (IPv4) or 32 (IPv6) bits */
};

/** One key and value; made by the NX_LOG_* macros below. */
struct nx_log_field {
    const char *key; /**< literal */
    enum nx_log_kind kind;
    union {
        uint64_t number;
        int64_t integer;
        const char *text; /**< static */
    } value;
};

#define NX_LOG_U64(name, n)                                                                                  \
    ((struct nx_log_field){.key = "" name, .kind = NX_LOG_KIND_U64, .value.number = (n)})
#define NX_LOG_I64(name, n)                                                                                  \
    ((struct nx_log_field){.key = "" name, .kind = NX_LOG_KIND_I64, .value.integer = (n)})
#define NX_LOG_TEXT(name, s)                                                                                 \
    ((struct nx_log_field){.key = "" name, .kind = NX_LOG_KIND_TEXT, .value.text = (s)})
#define NX_LOG_ERR(name, e)                                                                                  \
    ((struct nx_log_field){.key = "" name, .kind = NX_LOG_KIND_ERR, .value.integer = (e)})
#define NX_LOG_DURATION(name, ns)                                                                            \
    ((struct nx_log_field){.key = "" name, .kind = NX_LOG_KIND_DURATION, .value.integer = (ns)})
#define NX_LOG_ADDR(name, addr) nx_log_addr("" name, (addr))

/** Records an event: a log (may be NULL: nothing happens), DEBUG|INFO|WARN|ERROR, a literal name, fields or
 * none. */
#define NX_LOG(log, LEVEL, ...)                                                                              \
    NX_LOG_CALL((log), NX_LOG_LEVEL_##LEVEL, __VA_ARGS__, (struct nx_log_field){.kind = NX_LOG_KIND_END})
#define NX_LOG_CALL(log, level, event, ...)                                                                  \
    nx_log_event((log), (level), "" event, (const struct nx_log_field[]){__VA_ARGS__})

/** One event as it lies in the ring. */
struct nx_log_record {
    int64_t wall_ms;     /**< Unix milliseconds */
    const char *event;   /**< literal */
    uint32_t suppressed; /**< records of this event that the rate limit kept back since the last one */
    uint8_t level;       /**< enum nx_log_level */
    uint8_t fields_count;
    struct nx_log_field fields[NX_LOG_FIELDS_MAX];
};

/** How often one event name came in the current second. */
struct nx_log_rate {
    const char *event;
    int64_t second;      /**< which second `count` is of */
    uint32_t count;      /**< records in that second */
    uint32_t suppressed; /**< not told yet */
};

/** The log of one shard. */
struct nx_log {
    struct nx_spsc ring;                         /**< of struct nx_log_record */
    atomic_ullong dropped;                       /**< records lost to a full ring, ever */
    atomic_ullong suppressed;                    /**< records kept back by the rate limit, ever */
    nx_time now;                                 /**< given by nx_log_now() */
    int64_t wall_ms;                             /**< given by nx_log_now() */
    enum nx_log_level level;                     /**< given: lower levels are not recorded */
    struct nx_log_rate rates[NX_LOG_EVENTS_MAX]; /**< found by the event's hash */
};

/** Returns the bytes a ring of `records` (a power of two) needs. */
size_t nx_log_size_needed(uint32_t records);

/** Makes an empty log with a ring of `records` (a power of two) in `memory` (8-byte aligned, borrowed for its
 * life). */
void nx_log_init(struct nx_log *log, void *memory, uint32_t records, enum nx_log_level level);

/** Writer: sets the time of the records to come, `now` and Unix `wall_ms`; called once per turn of the loop.
 */
void nx_log_now(struct nx_log *log, nx_time now, int64_t wall_ms);

/** Writer: records `event` with the fields up to the one of kind END; use NX_LOG(). `log` may be NULL. */
void nx_log_event(struct nx_log *log, enum nx_log_level level, const char *event,
                  const struct nx_log_field *fields);

/** Returns the redacted field for `addr`; use NX_LOG_ADDR(). */
struct nx_log_field nx_log_addr(const char *key, const struct nx_addr *addr);

/** Reader: copies the oldest record out; false when there is none. */
bool nx_log_take(struct nx_log *log, struct nx_log_record *out);

/** Any thread: returns the records lost to a full ring so far. */
uint64_t nx_log_dropped(const struct nx_log *log);

/** Any thread: returns the records kept back by the rate limit so far. */
uint64_t nx_log_suppressed(const struct nx_log *log);

/**
 * Writes one line without line feed: time, level, event, then key=value, values with spaces or quotes in
 * double quotes, control characters as \xHH. When the writer is too small it fails as writers do;
 * NX_LOG_LINE_SIZE_MAX fits all but absurd texts.
 */
void nx_log_format(const struct nx_log_record *record, struct nx_writer *out);

#endif
