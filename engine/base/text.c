#include "engine/base/text.h"

/* UTF-8 (RFC 3629 section 4): what may follow a lead byte. Only the first continuation byte has narrower
 * bounds: lead      left  first continuation C2..DF    1     80..BF E0        2     A0..BF   (no overlong
 * forms) ED        2     80..9F   (no surrogates) E1..EF    2     80..BF F0        3     90..BF   (no
 * overlong forms) F4        3     80..8F   (nothing above U+10FFFF) F1..F3    3     80..BF */
static bool lead(struct nx_text_utf8 *state, uint8_t c)
{
    state->low = 0x80;
    state->high = 0xbf;
    if (c >= 0xc2 && c <= 0xdf) {
        state->left = 1;
    } else if (c >= 0xe0 && c <= 0xef) {
        state->left = 2;
        state->low = c == 0xe0 ? 0xa0 : 0x80;
        state->high = c == 0xed ? 0x9f : 0xbf;
    } else if (c >= 0xf0 && c <= 0xf4) {
        state->left = 3;
        state->low = c == 0xf0 ? 0x90 : 0x80;
        state->high = c == 0xf4 ? 0x8f : 0xbf;
    } else {
        return false;
    }
    return true;
}

bool nx_text_utf8_feed(struct nx_text_utf8 *state, struct nx_bytes piece)
{
    if (state->is_broken) {
        return false;
    }
    size_t i = 0;
    while (i < piece.size) {
        uint64_t eight;
        while (state->left == 0 && piece.size - i >= sizeof(eight)) {
            memcpy(&eight, piece.at + i, sizeof(eight));
            if ((eight & 0x8080808080808080ULL) != 0) {
                break;
            }
            i += sizeof(eight);
        }
        if (i == piece.size) {
            break;
        }
        const uint8_t c = piece.at[i++];
        if (state->left > 0) {
            if (c < state->low || c > state->high) {
                state->is_broken = true;
                return false;
            }
            state->left--;
            state->low = 0x80;
            state->high = 0xbf;
        } else if (c >= 0x80 && !lead(state, c)) {
            state->is_broken = true;
            return false;
        }
    }
    return true;
}

bool nx_text_utf8_done(const struct nx_text_utf8 *state)
{
    return !state->is_broken && state->left == 0;
}

bool nx_text_is_utf8(struct nx_bytes text)
{
    struct nx_text_utf8 state = {0};
    return nx_text_utf8_feed(&state, text) && nx_text_utf8_done(&state);
}

size_t nx_text_points(struct nx_bytes text)
{
    size_t points = 0;
    for (size_t i = 0; i < text.size; i++) {
        points += (text.at[i] & 0xc0) != 0x80;
    }
    return points;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct nx_bytes nx_text_trim(struct nx_bytes text)
{
    while (text.size > 0 && is_space(text.at[text.size - 1])) {
        text.size--;
    }
    while (text.size > 0 && is_space(text.at[0])) {
        text.at++;
        text.size--;
    }
    return text;
}

static void base64_encode(struct nx_bytes bytes, char c62, char c63, bool is_padded, struct nx_writer *out)
{
    static const char common[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (size_t i = 0; i < bytes.size; i += 3) {
        const size_t left = bytes.size - i;
        const uint32_t group = (uint32_t)bytes.at[i] << 16 | (left > 1 ? (uint32_t)bytes.at[i + 1] << 8 : 0) |
                               (left > 2 ? bytes.at[i + 2] : 0U);
        uint8_t four[4];
        for (unsigned k = 0; k < 4; k++) {
            const uint32_t six = group >> (18 - 6 * k) & 0x3f;
            four[k] = (uint8_t)(k > left ? '=' : six == 62 ? c62 : six == 63 ? c63 : common[six]);
        }
        nx_writer_put(out, four, left >= 3 || is_padded ? 4 : left + 1);
    }
}

static int base64_digit(uint8_t c, char c62, char c63)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == (uint8_t)c62 ? 62 : c == (uint8_t)c63 ? 63 : -1;
}

/* Decodes `text`, its padding already cut off. Writes at most the bytes there is room for, and sets the size
 * only when all is well. */
static enum nx_err base64_decode(struct nx_bytes text, char c62, char c63, struct nx_writer *out)
{
    if (text.size % 4 == 1) {
        return NX_E_MALFORMED;
    }
    const size_t size = text.size / 4 * 3 + text.size % 4 * 3 / 4;
    const bool fits = nx_writer_ok(out) && out->room - out->size >= size;
    size_t decoded = 0;
    uint32_t bits = 0;
    unsigned bits_count = 0;
    for (size_t i = 0; i < text.size; i++) {
        const int digit = base64_digit(text.at[i], c62, c63);
        if (digit < 0) {
            return NX_E_MALFORMED;
        }
        bits = bits << 6 | (uint32_t)digit;
        bits_count += 6;
        if (bits_count >= 8) {
            bits_count -= 8;
            if (fits) {
                out->start[out->size + decoded++] = (uint8_t)(bits >> bits_count);
            }
            bits &= (1U << bits_count) - 1;
        }
    }
    if (bits != 0) {
        return NX_E_MALFORMED;
    }
    if (!fits) {
        return NX_E_FULL;
    }
    out->size += size;
    return NX_OK;
}

void nx_text_base64_encode(struct nx_bytes bytes, struct nx_writer *out)
{
    base64_encode(bytes, '+', '/', true, out);
}

void nx_text_base64url_encode(struct nx_bytes bytes, struct nx_writer *out)
{
    base64_encode(bytes, '-', '_', false, out);
}

enum nx_err nx_text_base64_decode(struct nx_bytes text, struct nx_writer *out)
{
    if (text.size % 4 != 0) {
        return NX_E_MALFORMED;
    }
    for (int i = 0; i < 2 && text.size > 0 && text.at[text.size - 1] == '='; i++) {
        text.size--;
    }
    return base64_decode(text, '+', '/', out);
}

enum nx_err nx_text_base64url_decode(struct nx_bytes text, struct nx_writer *out)
{
    return base64_decode(text, '-', '_', out);
}

void nx_text_hex_encode(struct nx_bytes bytes, struct nx_writer *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.size; i++) {
        const uint8_t two[2] = {(uint8_t)digits[bytes.at[i] >> 4], (uint8_t)digits[bytes.at[i] & 0xf]};
        nx_writer_put(out, two, 2);
    }
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum nx_err nx_text_hex_decode(struct nx_bytes text, struct nx_writer *out)
{
    if (text.size % 2 != 0) {
        return NX_E_MALFORMED;
    }
    const size_t size = text.size / 2;
    const bool fits = nx_writer_ok(out) && out->room - out->size >= size;
    for (size_t i = 0; i < size; i++) {
        const int high = hex_digit(text.at[2 * i]);
        const int low = hex_digit(text.at[2 * i + 1]);
        if (high < 0 || low < 0) {
            return NX_E_MALFORMED;
        }
        if (fits) {
            out->start[out->size + i] = (uint8_t)(high << 4 | low);
        }
    }
    if (!fits) {
        return NX_E_FULL;
    }
    out->size += size;
    return NX_OK;
}

enum { MS_PER_S = 1000, S_PER_DAY = 86400, YEAR_MAX = 9999, DAYS_PER_ERA = 146097 };

static const int64_t TIME_MS_MIN = -62167219200000LL; /* 0000-01-01T00:00:00.000Z */
static const int64_t TIME_MS_MAX = 253402300799999LL; /* 9999-12-31T23:59:59.999Z */

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar. Years run from March, so that the leap
 * day is the last of its year and the lengths of the months before it follow one line. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    const int64_t y = year - (month <= 2);
    const int64_t era = (y >= 0 ? y : y - 399) / 400;
    const int64_t year_of_era = y - era * 400;
    const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static void date_of(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    days += 719468;
    const int64_t era = (days >= 0 ? days : days - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
    const int64_t day_of_era = days - era * DAYS_PER_ERA;
    const int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / (DAYS_PER_ERA - 1)) / 365;
    const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t march_month = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * march_month + 2) / 5 + 1;
    *month = march_month < 10 ? march_month + 3 : march_month - 9;
    *year = year_of_era + era * 400 + (*month <= 2);
}

static void write_padded(int64_t value, int digits, const char *behind, struct nx_writer *out)
{
    uint8_t text[4];
    for (int i = digits; i-- > 0; value /= 10) {
        text[i] = (uint8_t)('0' + value % 10);
    }
    nx_writer_put(out, text, (size_t)digits);
    nx_writer_text(out, behind);
}

void nx_text_time_format(int64_t wall_ms, struct nx_writer *out)
{
    wall_ms = wall_ms < TIME_MS_MIN ? TIME_MS_MIN : wall_ms > TIME_MS_MAX ? TIME_MS_MAX : wall_ms;
    const int64_t ms_per_day = (int64_t)S_PER_DAY * MS_PER_S;
    const int64_t days = (wall_ms - TIME_MS_MIN) / ms_per_day + TIME_MS_MIN / ms_per_day;
    const int64_t ms = wall_ms - days * ms_per_day;
    int64_t year;
    int64_t month;
    int64_t day;
    date_of(days, &year, &month, &day);
    write_padded(year, 4, "-", out);
    write_padded(month, 2, "-", out);
    write_padded(day, 2, "T", out);
    write_padded(ms / (3600 * MS_PER_S), 2, ":", out);
    write_padded(ms / (60 * MS_PER_S) % 60, 2, ":", out);
    write_padded(ms / MS_PER_S % 60, 2, ".", out);
    write_padded(ms % MS_PER_S, 3, "Z", out);
}

/* Takes exactly `digits` digits off the front; -1 when they are not there. */
static int64_t take_digits(struct nx_bytes *text, size_t digits)
{
    int64_t value = 0;
    if (text->size < digits) {
        return -1;
    }
    for (size_t i = 0; i < digits; i++) {
        if (text->at[i] < '0' || text->at[i] > '9') {
            return -1;
        }
        value = value * 10 + (text->at[i] - '0');
    }
    *text = nx_bytes_slice(*text, digits, SIZE_MAX);
    return value;
}

static bool take_char(struct nx_bytes *text, char c)
{
    if (text->size == 0 || text->at[0] != (uint8_t)c) {
        return false;
    }
    *text = nx_bytes_slice(*text, 1, SIZE_MAX);
    return true;
}

/* Takes ".d" to ".ddddddddd", or nothing, and cuts it to milliseconds; -1 when it is neither. */
static int64_t take_fraction_ms(struct nx_bytes *text)
{
    if (!take_char(text, '.')) {
        return 0;
    }
    int64_t ms = 0;
    int digits = 0;
    for (; digits < 9 && text->size > 0 && text->at[0] >= '0' && text->at[0] <= '9'; digits++) {
        ms = digits < 3 ? ms * 10 + (text->at[0] - '0') : ms;
        *text = nx_bytes_slice(*text, 1, SIZE_MAX);
    }
    return digits == 0 ? -1 : digits == 1 ? ms * 100 : digits == 2 ? ms * 10 : ms;
}

/* Takes "Z", "+HH:MM" or "-HH:MM"; false when it is none. */
static bool take_offset_s(struct nx_bytes *text, int64_t *offset_s)
{
    *offset_s = 0;
    if (take_char(text, 'Z')) {
        return true;
    }
    const bool is_behind = text->size > 0 && text->at[0] == '-';
    if (!take_char(text, '-') && !take_char(text, '+')) {
        return false;
    }
    const int64_t hours = take_digits(text, 2);
    const bool has_colon = take_char(text, ':');
    const int64_t minutes = take_digits(text, 2);
    if (!has_colon || hours < 0 || hours > 23 || minutes < 0 || minutes > 59) {
        return false;
    }
    *offset_s = (hours * 60 + minutes) * (is_behind ? -60 : 60);
    return true;
}

enum nx_err nx_text_time_parse(struct nx_bytes text, int64_t *wall_ms)
{
    static const char separators[] = "--T::";
    static const uint8_t month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    static const int64_t highest[] = {YEAR_MAX, 12, 31, 23, 59, 59};
    int64_t part[6];
    for (size_t i = 0; i < 6; i++) {
        part[i] = take_digits(&text, i == 0 ? 4 : 2);
        if (part[i] < 0 || part[i] > highest[i] || (i < 5 && !take_char(&text, separators[i]))) {
            return NX_E_MALFORMED;
        }
    }
    const int64_t year = part[0];
    const bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (part[1] == 0 || part[2] == 0 || part[2] > month_days[part[1] - 1] + (part[1] == 2 && is_leap)) {
        return NX_E_MALFORMED;
    }
    const int64_t ms = take_fraction_ms(&text);
    int64_t offset_s;
    if (ms < 0 || !take_offset_s(&text, &offset_s) || text.size != 0) {
        return NX_E_MALFORMED;
    }
    const int64_t seconds = part[3] * 3600 + part[4] * 60 + part[5] - offset_s;
    *wall_ms = (days_of(year, part[1], part[2]) * S_PER_DAY + seconds) * MS_PER_S + ms;
    return NX_OK;
}
