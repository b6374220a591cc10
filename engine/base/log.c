#include "engine/base/log.h"

#include "engine/base/assert.h"
#include "engine/base/text.h"

size_t nx_log_size_needed(uint32_t records)
{
    return nx_spsc_size_needed(sizeof(struct nx_log_record), records);
}

void nx_log_init(struct nx_log *log, void *memory, uint32_t records, enum nx_log_level level)
{
    nx_spsc_init(&log->ring, memory, sizeof(struct nx_log_record), records);
    atomic_init(&log->dropped, 0);
    atomic_init(&log->suppressed, 0);
    log->now = (nx_time){0};
    log->wall_ms = 0;
    log->level = level;
    memset(log->rates, 0, sizeof(log->rates));
}

void nx_log_now(struct nx_log *log, nx_time now, int64_t wall_ms)
{
    log->now = now;
    log->wall_ms = wall_ms;
}

/* Only the shard writes these counters, so a load and a store are enough; atomics let others read them. */
static void count_one(atomic_ullong *counter)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* Finds the rate of `event` by content, as one name may be several literals; takes the last place probed when
 * all are in use by others. Names are ours, so a plain hash will do. */
static struct nx_log_rate *rate_of(struct nx_log *log, const char *event)
{
    uint32_t hash = 2166136261U;
    for (const char *c = event; *c != '\0'; c++) {
        hash = (hash ^ (uint8_t)*c) * 16777619U;
    }
    struct nx_log_rate *rate = NULL;
    for (uint32_t i = 0; i < NX_LOG_EVENTS_MAX; i++) {
        rate = &log->rates[(hash + i) % NX_LOG_EVENTS_MAX];
        if (rate->event == NULL || rate->event == event || strcmp(rate->event, event) == 0) {
            break;
        }
    }
    rate->event = event;
    return rate;
}

/* Counts one more of `event`; false when it is one too many, else tells how many were kept back before it. */
static bool may_record(struct nx_log *log, const char *event, uint32_t *suppressed)
{
    struct nx_log_rate *rate = rate_of(log, event);
    const int64_t second = log->now.ns / NX_TIME_NS_PER_S;
    if (rate->second != second) {
        rate->second = second;
        rate->count = 0;
    }
    if (rate->count == NX_LOG_RATE_PER_S_MAX) {
        rate->suppressed++;
        count_one(&log->suppressed);
        return false;
    }
    rate->count++;
    *suppressed = rate->suppressed;
    rate->suppressed = 0;
    return true;
}

void nx_log_event(struct nx_log *log, enum nx_log_level level, const char *event,
                  const struct nx_log_field *fields)
{
    uint32_t suppressed;
    if (log == NULL || level < log->level || !may_record(log, event, &suppressed)) {
        return;
    }
    struct nx_log_record *record = nx_spsc_claim(&log->ring);
    if (record == NULL) {
        count_one(&log->dropped);
        return;
    }
    record->wall_ms = log->wall_ms;
    record->event = event;
    record->suppressed = suppressed;
    record->level = (uint8_t)level;
    uint8_t count = 0;
    while (count < NX_LOG_FIELDS_MAX && fields[count].kind != NX_LOG_KIND_END) {
        record->fields[count] = fields[count];
        count++;
    }
    record->fields_count = count;
    nx_spsc_publish(&log->ring);
}

struct nx_log_field nx_log_addr(const char *key, const struct nx_addr *addr)
{
    const struct nx_addr plain = nx_addr_canonical(*addr);
    uint64_t shown = (uint64_t)plain.family << 32;
    const int bytes = plain.family == NX_ADDR_FAMILY_IPV4 ? 2 : plain.family == NX_ADDR_FAMILY_IPV6 ? 4 : 0;
    for (int i = 0; i < bytes; i++) {
        shown |= (uint64_t)plain.ip[i] << (24 - 8 * i);
    }
    return (struct nx_log_field){.key = key, .kind = NX_LOG_KIND_ADDR, .value.number = shown};
}

bool nx_log_take(struct nx_log *log, struct nx_log_record *out)
{
    return nx_spsc_pop(&log->ring, out);
}

uint64_t nx_log_dropped(const struct nx_log *log)
{
    return atomic_load_explicit(&log->dropped, memory_order_relaxed);
}

uint64_t nx_log_suppressed(const struct nx_log *log)
{
    return atomic_load_explicit(&log->suppressed, memory_order_relaxed);
}

static void write_integer(int64_t value, struct nx_writer *out)
{
    if (value < 0) {
        nx_writer_text(out, "-");
    }
    nx_writer_decimal(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static void write_text(const char *text, struct nx_writer *out)
{
    static const char digits[] = "0123456789abcdef";
    bool is_plain = text[0] != '\0';
    for (const char *c = text; *c != '\0'; c++) {
        is_plain = is_plain && (uint8_t)*c > ' ' && *c != '"' && *c != '=' && *c != '\\' && *c != 0x7f;
    }
    nx_writer_text(out, is_plain ? "" : "\"");
    for (const char *c = text; *c != '\0'; c++) {
        const uint8_t byte = (uint8_t)*c;
        if (byte < ' ' || byte == 0x7f) {
            nx_writer_text(out, "\\x");
            nx_writer_u8(out, (uint8_t)digits[byte >> 4]);
            nx_writer_u8(out, (uint8_t)digits[byte & 0xf]);
            continue;
        }
        nx_writer_text(out, byte == '"' || byte == '\\' ? "\\" : "");
        nx_writer_u8(out, byte);
    }
    nx_writer_text(out, is_plain ? "" : "\"");
}

static void write_duration(int64_t ns, struct nx_writer *out)
{
    const uint64_t us = (ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns) / NX_TIME_NS_PER_US;
    const uint8_t fraction[3] = {(uint8_t)('0' + us / 100 % 10), (uint8_t)('0' + us / 10 % 10),
                                 (uint8_t)('0' + us % 10)};
    nx_writer_text(out, ns < 0 ? "-" : "");
    nx_writer_decimal(out, us / 1000);
    nx_writer_text(out, ".");
    nx_writer_put(out, fraction, sizeof(fraction));
    nx_writer_text(out, "ms");
}

static void write_addr(uint64_t shown, struct nx_writer *out)
{
    struct nx_addr addr = {.family = (uint8_t)(shown >> 32)};
    for (int i = 0; i < 4; i++) {
        addr.ip[i] = (uint8_t)(shown >> (24 - 8 * i));
    }
    nx_addr_redacted(&addr, out);
}

static void write_value(const struct nx_log_field *field, struct nx_writer *out)
{
    switch (field->kind) {
    case NX_LOG_KIND_U64:
        nx_writer_decimal(out, field->value.number);
        break;
    case NX_LOG_KIND_I64:
        write_integer(field->value.integer, out);
        break;
    case NX_LOG_KIND_TEXT:
        write_text(field->value.text, out);
        break;
    case NX_LOG_KIND_ERR:
        write_text(nx_err_text((enum nx_err)field->value.integer), out);
        break;
    case NX_LOG_KIND_DURATION:
        write_duration(field->value.integer, out);
        break;
    case NX_LOG_KIND_ADDR:
        write_addr(field->value.number, out);
        break;
    case NX_LOG_KIND_END:
        NX_UNREACHABLE();
    }
}

void nx_log_format(const struct nx_log_record *record, struct nx_writer *out)
{
    static const char *const levels[] = {[NX_LOG_LEVEL_DEBUG] = "DEBUG",
                                         [NX_LOG_LEVEL_INFO] = "INFO",
                                         [NX_LOG_LEVEL_WARN] = "WARN",
                                         [NX_LOG_LEVEL_ERROR] = "ERROR"};
    nx_text_time_format(record->wall_ms, out);
    nx_writer_text(out, " ");
    nx_writer_text(out, levels[record->level]);
    nx_writer_text(out, " ");
    nx_writer_text(out, record->event);
    for (uint8_t i = 0; i < record->fields_count; i++) {
        nx_writer_text(out, " ");
        nx_writer_text(out, record->fields[i].key);
        nx_writer_text(out, "=");
        write_value(&record->fields[i], out);
    }
    if (record->suppressed != 0) {
        nx_writer_text(out, " suppressed=");
        nx_writer_decimal(out, record->suppressed);
    }
}
