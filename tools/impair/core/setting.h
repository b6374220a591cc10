/* setting.h - what is done to one direction of one route, and how it is written: key=value.
 *
 * Layer:   tools/impair/core (no I/O, no clock, no allocation)
 * Threads: own thread
 * Idiom:   setting.def is the list; a change is a setting and a mask of the keys that it has.
 */
#ifndef TOOLS_IMPAIR_CORE_SETTING_H
#define TOOLS_IMPAIR_CORE_SETTING_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/base/time.h"
#include "tools/impair/core/dice.h"

/** Which way a packet goes. */
enum impair_setting_direction {
    IMPAIR_SETTING_UP,   /**< from who came to us to the target */
    IMPAIR_SETTING_DOWN, /**< back */
    IMPAIR_SETTING_DIRECTIONS
};

/** Protocols, as bits. */
enum impair_setting_protocol { IMPAIR_SETTING_UDP = 1, IMPAIR_SETTING_TCP = 2, IMPAIR_SETTING_BOTH = 3 };

/** How jitter is spread around the delay. */
enum impair_setting_curve {
    IMPAIR_SETTING_UNIFORM,    /**< -jitter..jitter */
    IMPAIR_SETTING_NORMAL,     /**< a bell, jitter its standard deviation */
    IMPAIR_SETTING_EXPONENTIAL /**< only later, jitter the mean */
};

/** The keys; a mask has bit 1 << key. */
enum impair_setting_key {
#define IMPAIR_SETTING(NAME, text, kind, field, protocols) IMPAIR_SETTING_KEY_##NAME,
#include "tools/impair/core/setting.def"
#undef IMPAIR_SETTING
    IMPAIR_SETTING_KEYS
};

/** The four chances of the Gilbert-Elliott model, parts per billion. */
struct impair_setting_burst {
    uint32_t enter;     /**< good to bad, per packet */
    uint32_t leave;     /**< bad to good, per packet */
    uint32_t bad_loss;  /**< while bad */
    uint32_t good_loss; /**< while good */
};

/** What may wait at a rate limit; both 0 is IMPAIR_QUEUE_SIZE_DEFAULT. */
struct impair_setting_queue {
    uint64_t size;   /**< bytes, 0 when not limited so */
    int64_t wait_ns; /**< 0 when not limited so */
};

/** Sizes of pieces, each equally likely; both 0 is not cut. */
struct impair_setting_range {
    uint32_t min; /**< bytes */
    uint32_t max; /**< bytes */
};

/** Everything; chances in parts per billion, 0 is off. */
struct impair_setting {
    uint32_t loss; /**< chance that a packet is lost */
    struct impair_setting_burst burst;
    int64_t delay_ns;
    int64_t jitter_ns;
    enum impair_setting_curve curve;
    bool is_unordered;    /**< jitter may let packets overtake each other */
    uint32_t reorder;     /**< chance that a packet is held until others have overtaken it */
    uint32_t gap;         /**< how many overtake it */
    int64_t hold_ns;      /**< and how long it is held when they do not come */
    uint32_t duplicate;   /**< chance that a packet comes twice */
    uint32_t flip;        /**< chance that bits of a packet, or of a block of a stream, are flipped */
    uint32_t bits;        /**< how many, all different, 1..IMPAIR_BITS_MAX */
    uint64_t rate_bps;    /**< bits per second, 0 for no limit */
    uint64_t bucket_size; /**< bytes that may go at once at a rate limit */
    struct impair_setting_queue queue;
    struct impair_setting_range chunk; /**< sizes that a stream is written in */
    int64_t pause_ns;                  /**< after each of them */
    uint32_t reset;                    /**< chance per block of a stream that the connection is reset in it */
    uint64_t reset_after;              /**< bytes after which it is, 0 for never */
    nx_time dark_from;                 /**< start of a blackout */
    nx_time dark_until;                /**< and its end; not after the start when there is none */
};

/** Makes a setting that changes nothing. */
void impair_setting_init(struct impair_setting *setting);

/**
 * Parses "key=value" into `setting` and adds the key's bit to `mask`; `protocols` (bits) must have a meaning for it.
 *
 * Returns NX_E_NOT_FOUND for an unknown key, NX_E_UNSUPPORTED for one without a meaning, NX_E_MALFORMED for a value
 * that is none; nothing is changed then.
 */
NX_MUST_USE enum nx_err impair_setting_parse(struct nx_bytes word, unsigned protocols,
                                             struct impair_setting *setting, uint32_t *mask);

/** Copies the keys of `mask` from `from` to `into`; blackouts stay as they are. */
void impair_setting_merge(struct impair_setting *into, const struct impair_setting *from, uint32_t mask);

/** Parses a duration: digits, a fraction if need be, and ns us ms s min h; "0" alone too. At most a day.
 * Returns NX_E_MALFORMED for anything else. */
NX_MUST_USE enum nx_err impair_setting_duration(struct nx_bytes text, int64_t *out_ns);

/** Parses a size in bytes: digits, then nothing, B, KiB, MiB or GiB. Returns NX_E_MALFORMED for anything else. */
NX_MUST_USE enum nx_err impair_setting_size(struct nx_bytes text, uint64_t *out);

/** Returns the delay of a packet with its jitter drawn from `dice`; never negative. */
int64_t impair_setting_draw_delay_ns(const struct impair_setting *setting, struct impair_dice *dice);

/** Returns whether a blackout is on at `now`. */
static inline bool impair_setting_is_dark(const struct impair_setting *setting, nx_time now)
{
    return !nx_time_before(now, setting->dark_from) && nx_time_before(now, setting->dark_until);
}

#endif
