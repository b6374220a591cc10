/* bytes.h - a borrowed run of bytes: pointer and size, nothing owned.
 *
 * Layer:   engine/base (no I/O, no clock, no allocation)
 * Threads: any; a value
 * Idiom:   pass by value; the bytes are borrowed until the callee returns unless its doc says otherwise.
 */
#ifndef NX_BASE_BYTES_H
#define NX_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Borrowed bytes; `at` may be NULL only when `size` is 0. Not NUL-terminated. */
struct nx_bytes {
    const uint8_t *at;
    size_t size; /**< bytes */
};

/** Borrows `size` bytes at `at`. */
static inline struct nx_bytes nx_bytes_of(const void *at, size_t size)
{
    return (struct nx_bytes){.at = at, .size = size};
}

/** Borrows the characters of the NUL-terminated `text`, without the NUL. */
static inline struct nx_bytes nx_bytes_text(const char *text)
{
    return (struct nx_bytes){.at = (const uint8_t *)text, .size = strlen(text)};
}

/** Returns whether both runs have the same size and content. */
static inline bool nx_bytes_equal(struct nx_bytes a, struct nx_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

/** Returns whether `a` is exactly the characters of `text`. */
static inline bool nx_bytes_is(struct nx_bytes a, const char *text)
{
    return nx_bytes_equal(a, nx_bytes_text(text));
}

/** Returns the part of `a` from `offset` on, at most `size` bytes; offsets past the end give an empty run. */
static inline struct nx_bytes nx_bytes_slice(struct nx_bytes a, size_t offset, size_t size)
{
    if (offset >= a.size) {
        return (struct nx_bytes){.at = NULL, .size = 0};
    }
    const size_t left = a.size - offset;
    return (struct nx_bytes){.at = a.at + offset, .size = size < left ? size : left};
}

#endif
