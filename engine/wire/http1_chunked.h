/* http1_chunked.h - decodes a chunked body in place, as it arrives.
 *
 * Spec:    RFC 9112 section 7.1; extensions and trailers are checked and dropped
 * Layer:   engine/wire (no I/O, no clock, no allocation)
 * Threads: any; the decoder belongs to its caller
 * Limits:  16 hexadecimal digits and 2^63 - 1 bytes per chunk, 1 KiB of extensions and 8 KiB of trailers
 *          per body. The size of the whole body is the caller's to limit.
 * Idiom:   init, then feed every piece read; the body bytes of the piece are at its start afterwards.
 */
#ifndef NX_WIRE_HTTP1_CHUNKED_H
#define NX_WIRE_HTTP1_CHUNKED_H

#include "engine/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The decoder of one body; initialise with nx_http1_chunked_init(). */
struct nx_http1_chunked {
    uint64_t left;            /**< state: bytes of the current chunk not seen yet, or the size being read */
    uint16_t extensions_size; /**< state: bytes of extensions so far */
    uint16_t trailers_size;   /**< state: bytes of trailers so far */
    uint8_t state;            /**< state: where in the grammar the next byte is */
    uint8_t digits_count;     /**< state: digits of the size being read */
};

/** What became of one piece. */
struct nx_http1_chunked_piece {
    size_t body_size;     /**< body bytes, now at the start of the piece */
    size_t consumed_size; /**< bytes of the piece that belonged to the body; the rest is the next request, not
                             moved */
    bool is_done;         /**< the body is complete */
};

/** Starts a body. */
void nx_http1_chunked_init(struct nx_http1_chunked *c);

/**
 * Decodes the `size` bytes at `bytes`, moving the body bytes to their start. After is_done nothing more may
 * be fed.
 *
 * Returns NX_OK; NX_E_MALFORMED for a size that is empty, too long or too large, a missing CRLF, a control
 * character, a trailer that is no header line, or too many extension or trailer bytes (answer 400 and close).
 */
NX_MUST_USE enum nx_err nx_http1_chunked_feed(struct nx_http1_chunked *c, uint8_t *bytes, size_t size,
                                              struct nx_http1_chunked_piece *out);

#endif
