#include "engine/crypto/base64url.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

enum { BAD = 0xff };

/* Value of each character, BAD for the others: 256 entries, so that a lookup needs no range check. */
static const uint8_t values[256] = {
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, 62,  BAD, BAD, 52,  53,  54,  55,  56,  57,  58,  59,  60,  61,  BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, 0,   1,   2,   3,   4,   5,   6,   7,   8,   9,   10,  11,  12,  13,  14,
    15,  16,  17,  18,  19,  20,  21,  22,  23,  24,  25,  BAD, BAD, BAD, BAD, 63,  BAD, 26,  27,  28,
    29,  30,  31,  32,  33,  34,  35,  36,  37,  38,  39,  40,  41,  42,  43,  44,  45,  46,  47,  48,
    49,  50,  51,  BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
};

void nx_base64url_encode(struct nx_bytes bytes, uint8_t *text)
{
    uint32_t bits = 0;
    unsigned count = 0; /* bits waiting, below 6 after each byte */
    for (size_t i = 0; i < bytes.size; i++) {
        bits = bits << 8 | bytes.at[i];
        for (count += 8; count >= 6; count -= 6) {
            *text++ = (uint8_t)alphabet[bits >> (count - 6) & 63];
        }
    }
    if (count != 0) {
        *text = (uint8_t)alphabet[bits << (6 - count) & 63];
    }
}

enum nx_err nx_base64url_decode(struct nx_bytes text, uint8_t *out)
{
    if (text.size % 4 == 1) {
        return NX_E_MALFORMED;
    }
    uint8_t bad = 0; /* collects bit 7 of BAD; values have none, so one test at the end is enough */
    const uint8_t *at = text.at;
    size_t left = text.size;
    for (; left >= 4; left -= 4, at += 4) {
        const uint8_t a = values[at[0]];
        const uint8_t b = values[at[1]];
        const uint8_t c = values[at[2]];
        const uint8_t d = values[at[3]];
        bad |= a | b | c | d;
        *out++ = (uint8_t)(a << 2 | b >> 4);
        *out++ = (uint8_t)(b << 4 | c >> 2);
        *out++ = (uint8_t)(c << 6 | d);
    }
    if (left >= 2) {
        const uint8_t a = values[at[0]];
        const uint8_t b = values[at[1]];
        const uint8_t c = left == 3 ? values[at[2]] : 0;
        bad |= a | b | c;
        *out++ = (uint8_t)(a << 2 | b >> 4);
        if (left == 3) {
            *out = (uint8_t)(b << 4 | c >> 2);
        }
        if (((left == 3 ? c & 3 : b & 15)) != 0) {
            return NX_E_MALFORMED;
        }
    }
    return bad < 64 ? NX_OK : NX_E_MALFORMED;
}
