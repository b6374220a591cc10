/* url.h - splits a request target into path segments and query pairs and decodes them safely.
 *
 * Spec:    RFC 3986 sections 2.1 and 3.3; query pairs as application/x-www-form-urlencoded
 * Layer:   engine/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Limits:  32 segments, 128 pairs; decoded text never grows
 * Idiom:   split, then segments into a table the router walks; query pairs by iteration or by name. A
 *          part without escapes is borrowed from the target, others are decoded into the caller's writer.
 */
#ifndef NX_WIRE_URL_H
#define NX_WIRE_URL_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/base/writer.h"
#include "engine/wire/limits.h"

/** A target cut at its question mark; both views borrow from it. */
struct nx_url {
    struct nx_bytes path;  /**< begins with '/', still encoded */
    struct nx_bytes query; /**< without the '?', still encoded; empty when there is none */
};

/** The decoded segments of a path. */
struct nx_url_path {
    struct nx_bytes segments[NX_URL_SEGMENTS_MAX]; /**< valid UTF-8 without control characters, '/', '\',
                                                      never "." or ".." */
    size_t count;                                  /**< 0 for "/" */
    bool has_slash_end;                            /**< the path ended with '/' after a segment */
};

/** One decoded pair of a query. */
struct nx_url_pair {
    struct nx_bytes key;   /**< valid UTF-8 without NUL */
    struct nx_bytes value; /**< valid UTF-8 without NUL; empty when there was no '=' */
};

/** An iteration over a query; start with nx_url_query(). */
struct nx_url_query {
    struct nx_bytes rest; /**< what was not looked at yet */
    uint16_t count;       /**< pairs so far */
};

/**
 * Cuts `target` (origin form) at its first '?'.
 *
 * Returns NX_OK; NX_E_MALFORMED when it does not begin with '/' or holds a space, a control character, '#' or
 * a byte above 0x7E.
 */
NX_MUST_USE enum nx_err nx_url_split(struct nx_bytes target, struct nx_url *out);

/**
 * Decodes `path` into segments; escaped ones are written to `scratch` and live as long as its buffer.
 *
 * Returns NX_OK; NX_E_MALFORMED for a bad escape, a control character (also %00), invalid UTF-8, an escaped
 * or plain '\', an escaped '/', an empty inner segment, or "." or ".." after decoding; NX_E_FULL past
 * NX_URL_SEGMENTS_MAX segments or when `scratch` is too small (the size of `path` is always enough).
 */
NX_MUST_USE enum nx_err nx_url_path_decode(struct nx_bytes path, struct nx_writer *scratch,
                                           struct nx_url_path *out);

/** Starts iterating over `query` (without '?'). */
struct nx_url_query nx_url_query(struct nx_bytes query);

/**
 * Decodes the next pair ('+' is a space); empty pairs ("&&") are skipped. At the end of the query `*has_pair`
 * is false.
 *
 * Returns NX_OK; NX_E_MALFORMED for a bad escape, %00 or invalid UTF-8; NX_E_FULL past NX_URL_PAIRS_MAX pairs
 * or when `scratch` is too small (the size of the query is always enough for all pairs).
 */
NX_MUST_USE enum nx_err nx_url_query_next(struct nx_url_query *q, struct nx_writer *scratch,
                                          struct nx_url_pair *out, bool *has_pair);

/**
 * Decodes the value of the only pair of `query` whose key is `key`; `*has_value` is false when there is none.
 * The whole query is checked. Cost: linear in the query.
 *
 * Returns NX_OK; NX_E_MALFORMED as nx_url_query_next(), or when the key comes twice; NX_E_FULL as there.
 */
NX_MUST_USE enum nx_err nx_url_query_find(struct nx_bytes query, const char *key, struct nx_writer *scratch,
                                          struct nx_bytes *out, bool *has_value);

/**
 * Decodes %XX in `raw`, and '+' to a space when `plus_is_space`. Borrows `raw` when there is nothing to
 * decode.
 *
 * Returns NX_OK; NX_E_MALFORMED for a bad escape, NUL or invalid UTF-8; NX_E_FULL when `scratch` is too
 * small.
 */
NX_MUST_USE enum nx_err nx_url_decode(struct nx_bytes raw, bool plus_is_space, struct nx_writer *scratch,
                                      struct nx_bytes *out);

/** Writes `text` with everything but unreserved characters (RFC 3986 section 2.3) escaped: right in a
 * segment, key or value. */
void nx_url_encode(struct nx_writer *w, struct nx_bytes text);

#endif
