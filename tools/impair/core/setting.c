#include "tools/impair/core/setting.h"

#include "tools/impair/core/limits.h"

#include <stddef.h>

enum kind { CHANCE, DURATION, SIZE, RATE, COUNT, BURST, CURVE, ORDER, QUEUE, RANGE };
enum { BILLION = 1000000000, FRACTION_DIGITS_MAX = 9, WHOLE_MAX = 1000000000 };

struct key {
    const char *name;
    enum kind kind;
    size_t offset;
    size_t size;
    unsigned protocols;
};

static const struct key KEYS[IMPAIR_SETTING_KEYS] = {
#define IMPAIR_SETTING(NAME, text, kind, field, protocols)                                                   \
    {text, kind, offsetof(struct impair_setting, field), sizeof(((struct impair_setting *)0)->field),        \
     IMPAIR_SETTING_##protocols},
#include "tools/impair/core/setting.def"
#undef IMPAIR_SETTING
};

/* A unit and what one of it is worth. */
struct unit {
    const char *name;
    int64_t worth;
};

static const struct unit CHANCES[] = {{"%", BILLION / 100}, {"", BILLION}, {NULL, 0}};
static const struct unit DURATIONS[] = {{"ns", 1},
                                        {"us", NX_TIME_NS_PER_US},
                                        {"ms", NX_TIME_NS_PER_MS},
                                        {"s", NX_TIME_NS_PER_S},
                                        {"min", 60LL * NX_TIME_NS_PER_S},
                                        {"h", 3600LL * NX_TIME_NS_PER_S},
                                        {NULL, 0}};
static const struct unit SIZES[] = {{"", 1},          {"B", 1},         {"KiB", 1024},
                                    {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0}};
static const struct unit RATES[] = {
    {"bit", 1}, {"kbit", 1000}, {"mbit", 1000000}, {"gbit", BILLION}, {NULL, 0}};
static const struct unit COUNTS[] = {{"", 1}, {NULL, 0}};

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Parses "12.5unit" as a whole number of the smallest unit, rounded down, at most `max`. */
static bool quantity(struct nx_bytes text, const struct unit *units, int64_t max, int64_t *out)
{
    int64_t whole = 0;
    int64_t fraction = 0;
    int64_t worth = BILLION;
    size_t at = 0;
    for (; at < text.size && is_digit(text.at[at]); at++) {
        whole = whole * 10 + (text.at[at] - '0');
        if (whole > WHOLE_MAX) {
            return false;
        }
    }
    if (at == 0) {
        return false;
    }
    if (at < text.size && text.at[at] == '.') {
        const size_t start = ++at;
        for (; at < text.size && is_digit(text.at[at]) && at - start < FRACTION_DIGITS_MAX; at++) {
            worth /= 10;
            fraction += (text.at[at] - '0') * worth;
        }
        if (at == start) {
            return false;
        }
    }
    const struct nx_bytes name = nx_bytes_slice(text, at, SIZE_MAX);
    for (; units->name != NULL; units++) {
        if (nx_bytes_is(name, units->name)) {
            int64_t value;
            /* Parts of a unit: split, so that the product stays below 2^63 for units above a billion. */
            const int64_t part =
                units->worth / BILLION * fraction + units->worth % BILLION * fraction / BILLION;
            if (__builtin_mul_overflow(whole, units->worth, &value) ||
                __builtin_add_overflow(value, part, &value) || value > max) {
                return false;
            }
            *out = value;
            return true;
        }
    }
    return false;
}

static bool chance(struct nx_bytes text, uint32_t *out)
{
    int64_t value;
    if (!quantity(text, CHANCES, BILLION, &value)) {
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

enum nx_err impair_setting_duration(struct nx_bytes text, int64_t *out_ns)
{
    if (nx_bytes_is(text, "0")) {
        *out_ns = 0;
        return NX_OK;
    }
    return quantity(text, DURATIONS, (int64_t)IMPAIR_DURATION_S_MAX * NX_TIME_NS_PER_S, out_ns)
               ? NX_OK
               : NX_E_MALFORMED;
}

enum nx_err impair_setting_size(struct nx_bytes text, uint64_t *out)
{
    int64_t value;
    if (!quantity(text, SIZES, (int64_t)1 << 50, &value)) {
        return NX_E_MALFORMED;
    }
    *out = (uint64_t)value;
    return NX_OK;
}

/* Takes what stands before `mark` off the front of `text`, all of it when there is none. */
static struct nx_bytes take_until(struct nx_bytes *text, uint8_t mark)
{
    const uint8_t *at = text->size == 0 ? NULL : memchr(text->at, mark, text->size);
    const size_t size = at != NULL ? (size_t)(at - text->at) : text->size;
    const struct nx_bytes part = nx_bytes_slice(*text, 0, size);
    *text = nx_bytes_slice(*text, size + 1, SIZE_MAX);
    return part;
}

static bool burst(struct nx_bytes text, struct impair_setting_burst *out)
{
    struct impair_setting_burst b = {.bad_loss = BILLION};
    uint32_t *const parts[] = {&b.enter, &b.leave, &b.bad_loss, &b.good_loss};
    size_t count = 0;
    if (text.size == 0 || text.at[text.size - 1] == ',') {
        return false;
    }
    for (; text.size > 0; count++) {
        if (count == sizeof(parts) / sizeof(parts[0]) || !chance(take_until(&text, ','), parts[count])) {
            return false;
        }
    }
    *out = b;
    return count >= 2;
}

static bool range(struct nx_bytes text, struct impair_setting_range *out)
{
    int64_t min;
    int64_t max;
    if (text.at[text.size - 1] == '-') {
        return false;
    }
    const struct nx_bytes first = take_until(&text, '-');
    if (!quantity(first, SIZES, UINT32_MAX, &min)) {
        return false;
    }
    max = min;
    if (text.size > 0 && !quantity(text, SIZES, UINT32_MAX, &max)) {
        return false;
    }
    if (min < 1 || max < min) {
        return false;
    }
    *out = (struct impair_setting_range){(uint32_t)min, (uint32_t)max};
    return true;
}

static bool word_of(struct nx_bytes text, const char *const *names, uint32_t *out)
{
    for (uint32_t i = 0; names[i] != NULL; i++) {
        if (nx_bytes_is(text, names[i])) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool queue(struct nx_bytes text, struct impair_setting_queue *out)
{
    struct impair_setting_queue q = {0};
    if (impair_setting_size(text, &q.size) != NX_OK && impair_setting_duration(text, &q.wait_ns) != NX_OK) {
        return false;
    }
    *out = q;
    return true;
}

static bool count_parse(enum impair_setting_key key, struct nx_bytes text, uint32_t *out)
{
    int64_t value;
    const int64_t max = key == IMPAIR_SETTING_KEY_BITS ? IMPAIR_BITS_MAX : IMPAIR_GAP_MAX;
    if (memchr(text.at, '.', text.size) != NULL || !quantity(text, COUNTS, max, &value) || value < 1) {
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

static bool value_parse(enum impair_setting_key key, struct nx_bytes text, void *field)
{
    static const char *const curves[] = {"uniform", "normal", "exponential", NULL};
    static const char *const orders[] = {"keep", "free", NULL};
    uint32_t which;
    int64_t rate;
    switch (KEYS[key].kind) {
    case CHANCE:
        return chance(text, field);
    case DURATION:
        return impair_setting_duration(text, field) == NX_OK;
    case SIZE:
        return impair_setting_size(text, field) == NX_OK;
    case RATE:
        if (!quantity(text, RATES, 1000LL * BILLION, &rate)) {
            return false;
        }
        *(uint64_t *)field = (uint64_t)rate;
        return true;
    case COUNT:
        return count_parse(key, text, field);
    case BURST:
        return burst(text, field);
    case CURVE:
        if (!word_of(text, curves, &which)) {
            return false;
        }
        *(enum impair_setting_curve *)field = (enum impair_setting_curve)which;
        return true;
    case ORDER:
        if (!word_of(text, orders, &which)) {
            return false;
        }
        *(bool *)field = which == 1;
        return true;
    case QUEUE:
        return queue(text, field);
    case RANGE:
        return range(text, field);
    }
    return false;
}

void impair_setting_init(struct impair_setting *setting)
{
    *setting = (struct impair_setting){
        .burst = {.bad_loss = BILLION},
        .gap = 3,
        .hold_ns = 100LL * NX_TIME_NS_PER_MS,
        .bits = 1,
        .bucket_size = 3000,
    };
}

enum nx_err impair_setting_parse(struct nx_bytes word, unsigned protocols, struct impair_setting *setting,
                                 uint32_t *mask)
{
    struct nx_bytes value = word;
    const struct nx_bytes name = take_until(&value, '=');
    for (enum impair_setting_key key = 0; key < IMPAIR_SETTING_KEYS; key++) {
        if (!nx_bytes_is(name, KEYS[key].name)) {
            continue;
        }
        if ((KEYS[key].protocols & protocols) == 0) {
            return NX_E_UNSUPPORTED;
        }
        struct impair_setting changed = *setting;
        if (nx_bytes_is(value, "off")) {
            struct impair_setting before;
            impair_setting_init(&before);
            impair_setting_merge(&changed, &before, 1U << key);
        } else if (value.size == 0 || !value_parse(key, value, (uint8_t *)&changed + KEYS[key].offset)) {
            return NX_E_MALFORMED;
        }
        *setting = changed;
        *mask |= 1U << key;
        return NX_OK;
    }
    return NX_E_NOT_FOUND;
}

void impair_setting_merge(struct impair_setting *into, const struct impair_setting *from, uint32_t mask)
{
    for (enum impair_setting_key key = 0; key < IMPAIR_SETTING_KEYS; key++) {
        if ((mask >> key & 1) != 0) {
            memcpy((uint8_t *)into + KEYS[key].offset, (const uint8_t *)from + KEYS[key].offset,
                   KEYS[key].size);
        }
    }
}

int64_t impair_setting_draw_delay_ns(const struct impair_setting *setting, struct impair_dice *dice)
{
    int64_t delay_ns = setting->delay_ns;
    if (setting->jitter_ns != 0) {
        switch (setting->curve) {
        case IMPAIR_SETTING_UNIFORM:
            delay_ns += impair_dice_uniform(dice, setting->jitter_ns);
            break;
        case IMPAIR_SETTING_NORMAL:
            delay_ns += impair_dice_normal(dice, setting->jitter_ns);
            break;
        case IMPAIR_SETTING_EXPONENTIAL:
            delay_ns += impair_dice_exponential(dice, setting->jitter_ns);
            break;
        }
    }
    return delay_ns > 0 ? delay_ns : 0;
}
