/* writer.h - writes big-endian fields and text into a caller's buffer; running out is remembered, not fatal.
 *
 * Layer:   engine/base (no I/O, no clock, no allocation)
 * Threads: any; the writer belongs to its caller
 * Idiom:   write everything without checking, then ask nx_writer_ok() once. After the first write that does
 *          not fit nothing more is written and the size stays where it was.
 */
#ifndef NX_BASE_WRITER_H
#define NX_BASE_WRITER_H

#include "engine/base/bytes.h"

/** A write position in a buffer that somebody else owns. */
struct nx_writer {
    uint8_t *start; /**< first byte of the buffer */
    size_t size;    /**< bytes written so far */
    size_t room;    /**< bytes the buffer holds in all */
    bool failed;    /**< a write did not fit */
};

/** Starts writing into the `room` bytes at `buffer`. */
static inline struct nx_writer nx_writer_init(void *buffer, size_t room)
{
    return (struct nx_writer){.start = buffer, .size = 0, .room = room, .failed = false};
}

/** Returns whether every write so far fitted. */
static inline bool nx_writer_ok(const struct nx_writer *w)
{
    return !w->failed;
}

/** Returns what was written so far (borrowed from the buffer). */
static inline struct nx_bytes nx_writer_bytes(const struct nx_writer *w)
{
    return (struct nx_bytes){.at = w->start, .size = w->size};
}

/** Advances by `size` bytes and returns where they start (to be filled by the caller), or NULL when they do
 * not fit. */
static inline uint8_t *nx_writer_skip(struct nx_writer *w, size_t size)
{
    if (w->failed || w->room - w->size < size) {
        w->failed = true;
        return NULL;
    }
    uint8_t *at = w->start + w->size;
    w->size += size;
    return at;
}

/** Copies `size` bytes; `bytes` may be NULL only when `size` is 0. */
static inline void nx_writer_put(struct nx_writer *w, const void *bytes, size_t size)
{
    uint8_t *at = nx_writer_skip(w, size);
    if (at != NULL && bytes != NULL && size != 0) {
        memcpy(at, bytes, size);
    }
}

/** Copies borrowed bytes. */
static inline void nx_writer_bytes_put(struct nx_writer *w, struct nx_bytes bytes)
{
    nx_writer_put(w, bytes.at, bytes.size);
}

/** Copies the characters of `text` without its NUL. */
static inline void nx_writer_text(struct nx_writer *w, const char *text)
{
    nx_writer_put(w, text, strlen(text));
}

/** Writes an 8-bit field. */
static inline void nx_writer_u8(struct nx_writer *w, uint8_t value)
{
    nx_writer_put(w, &value, 1);
}

/** Writes a 16-bit big-endian field. */
static inline void nx_writer_u16(struct nx_writer *w, uint16_t value)
{
    const uint8_t field[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    nx_writer_put(w, field, sizeof(field));
}

/** Writes a 32-bit big-endian field. */
static inline void nx_writer_u32(struct nx_writer *w, uint32_t value)
{
    const uint8_t field[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                              (uint8_t)value};
    nx_writer_put(w, field, sizeof(field));
}

/** Writes a 64-bit big-endian field. */
static inline void nx_writer_u64(struct nx_writer *w, uint64_t value)
{
    nx_writer_u32(w, (uint32_t)(value >> 32));
    nx_writer_u32(w, (uint32_t)value);
}

/** Writes `value` as decimal digits without leading zeros. */
static inline void nx_writer_decimal(struct nx_writer *w, uint64_t value)
{
    uint8_t digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    nx_writer_put(w, digits + at, sizeof(digits) - at);
}

#endif
