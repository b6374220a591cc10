/* words.h - cuts a line of text into words and numbers, for the descriptions of sdp.h and candidate.h.
 *
 * Layer:   sfu/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Idiom:   views stay in the line; what is missing is an empty word.
 */
#ifndef SFU_WIRE_WORDS_H
#define SFU_WIRE_WORDS_H

#include "engine/base/bytes.h"

/** Takes everything up to the first `stop`, which is dropped, off `rest`; all of it when there is none. */
static inline struct nx_bytes sfu_words_until(struct nx_bytes *rest, char stop)
{
    const uint8_t *end = rest->size != 0 ? memchr(rest->at, stop, rest->size) : NULL;
    const size_t size = end != NULL ? (size_t)(end - rest->at) : rest->size;
    const struct nx_bytes word = nx_bytes_slice(*rest, 0, size);
    *rest = nx_bytes_slice(*rest, size + 1, SIZE_MAX);
    return word;
}

/** Takes the next word off `rest`, skipping spaces before it. */
static inline struct nx_bytes sfu_words_next(struct nx_bytes *rest)
{
    struct nx_bytes word = {0};
    while (word.size == 0 && rest->size != 0) {
        word = sfu_words_until(rest, ' ');
    }
    return word;
}

/** Reads `word` as decimal digits. Returns false when it is empty, has another character, or is more than `max`. */
static inline bool sfu_words_number(struct nx_bytes word, uint64_t max, uint64_t *out)
{
    uint64_t number = 0;
    for (size_t i = 0; i < word.size; i++) {
        const unsigned digit = (unsigned)word.at[i] - '0';
        if (digit > 9 || number > (UINT64_MAX - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    if (word.size == 0 || number > max) {
        return false;
    }
    *out = number;
    return true;
}

/** Returns the small letter of an ASCII capital, every other byte as it is. */
static inline uint8_t sfu_words_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/** Returns whether `word` is `text` but for the case of ASCII letters. */
static inline bool sfu_words_is(struct nx_bytes word, const char *text)
{
    const struct nx_bytes other = nx_bytes_text(text);
    if (word.size != other.size) {
        return false;
    }
    for (size_t i = 0; i < other.size; i++) {
        if (sfu_words_lower(word.at[i]) != sfu_words_lower(other.at[i])) {
            return false;
        }
    }
    return true;
}

#endif
