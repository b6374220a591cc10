/* deflate.h - permessage-deflate: negotiation, inflating with a cap, and compressing once for all
 * receivers.
 *
 * Spec:    RFC 7692, RFC 1951. Always without context takeover in both directions, so that one inflater
 *          and one deflater per shard serve all connections and the bytes compressed for one receiver are
 *          right for every other.
 * Layer:   engine/wire (no I/O, no clock; zlib works inside the block its owner gives)
 * Threads: an inflater or deflater belongs to one shard
 * Limits:  NX_DEFLATE_INFLATER_SIZE and NX_DEFLATE_DEFLATER_SIZE bytes of memory whatever the input;
 *          output by the caller's room
 * Idiom:   receive: gather a compressed message (ws.h), start, step into one buffer per shard: NX_E_FULL
 *          is a bomb. send: nx_deflate_tail() once per event; per receiver nx_deflate_prefix() + the
 *          shared tail in one frame with RSV1. Blocks concatenate: prefix stored, tail compressed without
 *          reference to it.
 */
#ifndef NX_WIRE_DEFLATE_H
#define NX_WIRE_DEFLATE_H

#include "engine/base/writer.h"
#include "engine/wire/http1.h"

enum {
    NX_DEFLATE_WINDOW_BITS_MIN = 8, /* RFC 7692 section 7.1.2 */
    NX_DEFLATE_WINDOW_BITS_MAX = 15,
    NX_DEFLATE_ANSWER_SIZE_MAX = 120, /* bytes of the longest Sec-WebSocket-Extensions value we write */
    NX_DEFLATE_PREFIX_OVERHEAD = 5,   /* bytes before the text of a stored block, RFC 1951 section 3.2.4 */
};

/** What was agreed. */
struct nx_deflate_terms {
    bool is_agreed;              /**< false: no compression on this connection, the rest means nothing */
    uint8_t server_window_bits;  /**< 8..15: the server's messages must not refer further back */
    bool has_server_window_bits; /**< the limit was named and must be repeated in the answer */
};

/**
 * Chooses the first acceptable permessage-deflate offer among the Sec-WebSocket-Extensions headers of a request. An offer
 * with an unknown, repeated or ill-formed parameter is declined, as is everything after the first
 * NX_WS_EXTENSION_OFFERS_MAX offers. Never an error: without agreement there is no compression.
 */
struct nx_deflate_terms nx_deflate_choose(const struct nx_http1_headers *headers);

/** Writes the Sec-WebSocket-Extensions value that accepts `terms` (is_agreed), at most
 * NX_DEFLATE_ANSWER_SIZE_MAX bytes. */
void nx_deflate_answer(struct nx_writer *w, const struct nx_deflate_terms *terms);

/** Writes the offer of a client. */
void nx_deflate_offer(struct nx_writer *w);

/**
 * Reads a server's answer to nx_deflate_offer(); no extension in `headers` gives terms with is_agreed false.
 *
 * Returns NX_OK; NX_E_MALFORMED when the answer holds another extension, two, an ill-formed or repeated parameter,
 * client_max_window_bits (which was not offered), or not server_no_context_takeover.
 */
NX_MUST_USE enum nx_err nx_deflate_answer_read(const struct nx_http1_headers *headers,
                                               struct nx_deflate_terms *out);

struct nx_deflate_inflater;
struct nx_deflate_deflater;

/**
 * Makes an inflater inside `block` (`size` >= NX_DEFLATE_INFLATER_SIZE bytes, aligned for any type), which it
 * uses until its owner frees the block. Nothing else is allocated, ever.
 *
 * Returns NX_OK; NX_E_NO_MEMORY when the block is too small.
 */
NX_MUST_USE enum nx_err nx_deflate_inflater_init(void *block, size_t size, struct nx_deflate_inflater **out);

/** Starts inflating `message`: the payload of all its frames, without the four bytes that RFC 7692 cuts off.
 * Kept until the end. */
void nx_deflate_inflate_start(struct nx_deflate_inflater *i, struct nx_bytes message);

/**
 * Inflates on into the `room` bytes at `buffer`; `*size` is what was written. Memory and time are bounded by
 * `room` and the message, whatever the ratio.
 *
 * Returns NX_OK when the message is complete; NX_E_FULL when `room` bytes were written (`*size` is set too)
 * and there is more: step again with another buffer, or close with 1009; NX_E_MALFORMED when the bytes are
 * corrupt or end inside a block (1007).
 */
NX_MUST_USE enum nx_err nx_deflate_inflate_step(struct nx_deflate_inflater *i, uint8_t *buffer, size_t room,
                                                size_t *size);

/**
 * Makes a deflater inside `block` (`size` >= NX_DEFLATE_DEFLATER_SIZE bytes, aligned for any type) whose
 * output never refers back further than 2^`window_bits` bytes (8..15); `level` is zlib's 1..9.
 *
 * Returns NX_OK; NX_E_NO_MEMORY when the block is too small.
 */
NX_MUST_USE enum nx_err nx_deflate_deflater_init(void *block, size_t size, int window_bits, int level,
                                                 struct nx_deflate_deflater **out);

/**
 * Compresses `tail` without any context into `w`, ending at a byte boundary with the last 00 00 FF FF cut
 * off. Appended to any number of stored prefixes it is a complete message payload; alone as well.
 *
 * Returns NX_OK; NX_E_FULL when `w` has no room for it (nothing useful is written then).
 */
NX_MUST_USE enum nx_err nx_deflate_tail(struct nx_deflate_deflater *d, struct nx_bytes tail,
                                        struct nx_writer *w);

/** Returns the most bytes nx_deflate_tail() writes for `size` bytes. */
size_t nx_deflate_tail_size_max(size_t size);

/** Writes `prefix` (at most NX_DEFLATE_PREFIX_MAX bytes) as one stored block: NX_DEFLATE_PREFIX_OVERHEAD
 * bytes, then the text. */
void nx_deflate_prefix(struct nx_writer *w, struct nx_bytes prefix);

#endif
