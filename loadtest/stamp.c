#include "loadtest/stamp.h"

enum { RUN_AT = 2, STREAM_AT = 6, NUMBER_AT = 12, NS_AT = 20, CHECK_AT = 36 };

static const char DIGITS[] = "0123456789abcdef";

static void hex_put(uint8_t *at, size_t digits, uint64_t value)
{
    for (size_t i = digits; i-- > 0; value >>= 4) {
        at[i] = (uint8_t)DIGITS[value & 15];
    }
}

/* 0..15, or 16 for a character that is no lower-case hex digit. */
static uint32_t digit_of(uint8_t c)
{
    return c >= '0' && c <= '9' ? (uint32_t)(c - '0') : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10) : 16;
}

static bool hex_get(const uint8_t *at, size_t digits, uint64_t *out)
{
    uint64_t value = 0;
    uint32_t bad = 0;
    for (size_t i = 0; i < digits; i++) {
        const uint32_t digit = digit_of(at[i]);
        bad |= digit;
        value = value << 4 | (digit & 15);
    }
    *out = value;
    return (bad & 16) == 0;
}

/* Spreads the fields over 16 bits: enough to tell a damaged or foreign text from a mark. */
static uint64_t check_of(uint64_t run, uint64_t stream, uint64_t number, uint64_t ns)
{
    uint64_t mixed = (ns ^ number << 24 ^ stream << 40 ^ run) * UINT64_C(0x9E3779B97F4A7C15);
    mixed ^= mixed >> 29;
    mixed = (mixed + number) * UINT64_C(0xBF58476D1CE4E5B9);
    return mixed >> 48;
}

void load_stamp_put(uint8_t out[LOAD_STAMP_SIZE], const struct load_stamp *stamp)
{
    out[0] = '~';
    out[1] = '~';
    hex_put(out + RUN_AT, 4, stamp->run);
    hex_put(out + STREAM_AT, 6, stamp->stream);
    hex_put(out + NUMBER_AT, 8, stamp->number);
    hex_put(out + NS_AT, 16, (uint64_t)stamp->ns);
    hex_put(out + CHECK_AT, 4, check_of(stamp->run, stamp->stream, stamp->number, (uint64_t)stamp->ns));
}

static bool stamp_get(const uint8_t *at, struct load_stamp *out)
{
    uint64_t run;
    uint64_t stream;
    uint64_t number;
    uint64_t ns;
    uint64_t check;
    if (at[0] != '~' || at[1] != '~' || !hex_get(at + RUN_AT, 4, &run) ||
        !hex_get(at + STREAM_AT, 6, &stream) || !hex_get(at + NUMBER_AT, 8, &number) ||
        !hex_get(at + NS_AT, 16, &ns) || !hex_get(at + CHECK_AT, 4, &check) ||
        check != check_of(run, stream, number, ns) || ns > INT64_MAX) {
        return false;
    }
    *out = (struct load_stamp){
        .run = (uint16_t)run, .stream = (uint32_t)stream, .number = (uint32_t)number, .ns = (int64_t)ns};
    return true;
}

bool load_stamp_find(struct nx_bytes text, size_t *hint, struct load_stamp *out)
{
    if (text.size < LOAD_STAMP_SIZE) {
        return false;
    }
    const size_t last = text.size - LOAD_STAMP_SIZE;
    if (*hint <= last && stamp_get(text.at + *hint, out)) {
        return true;
    }
    for (size_t at = 0; at <= last; at++) {
        const uint8_t *found = memchr(text.at + at, '~', last - at + 1);
        if (found == NULL) {
            return false;
        }
        at = (size_t)(found - text.at);
        if (stamp_get(found, out)) {
            *hint = at;
            return true;
        }
    }
    return false;
}
