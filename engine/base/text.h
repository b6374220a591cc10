/* text.h - is it UTF-8, and the textual forms of bytes and times: base64, base64url, hex, ISO 8601.
 *
 * Spec:    RFC 3629 (UTF-8), RFC 4648 sections 4, 5, 8 (strict: canonical bits, padding as said below), RFC
 *          3339 (times)
 * Layer:   engine/base (no I/O, no clock, no allocation)
 * Threads: any; no state but the caller's
 * Limits:  years 0000..9999
 * Idiom:   encoders write through an nx_writer that is asked once at the end; decoders return an error and
 *          then have written nothing. Not for comparing secrets (engine/crypto).
 */
#ifndef NX_BASE_TEXT_H
#define NX_BASE_TEXT_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/base/writer.h"

/** Where a check of UTF-8 stands between two pieces; all zero at the start. */
struct nx_text_utf8 {
    uint8_t left;   /**< continuation bytes still missing, 0..3 */
    uint8_t low;    /**< smallest value of the next one, when left is not 0 */
    uint8_t high;   /**< largest value of the next one */
    bool is_broken; /**< a byte was found that no continuation can mend */
};

/**
 * Feeds the next piece of a text, cut anywhere. Returns whether everything so far can be the start of valid
 * UTF-8; after the first false it stays false. ASCII goes 8 bytes at a time.
 */
bool nx_text_utf8_feed(struct nx_text_utf8 *state, struct nx_bytes piece);

/** Returns whether what was fed is valid UTF-8 and ends on a whole code point. */
bool nx_text_utf8_done(const struct nx_text_utf8 *state);

/** Returns whether `text` is valid UTF-8 as a whole. */
bool nx_text_is_utf8(struct nx_bytes text);

/** Returns the number of code points of `text`, which is valid UTF-8. */
size_t nx_text_points(struct nx_bytes text);

/** Returns `text` without the spaces, tabs, line feeds, carriage returns, form feeds and vertical tabs around
 * it. */
struct nx_bytes nx_text_trim(struct nx_bytes text);

/** Writes `bytes` as base64 with padding: 4 characters for every 3 bytes begun. */
void nx_text_base64_encode(struct nx_bytes bytes, struct nx_writer *out);

/** Writes `bytes` as base64url without padding. */
void nx_text_base64url_encode(struct nx_bytes bytes, struct nx_writer *out);

/**
 * Writes the bytes that padded base64 `text` stands for.
 *
 * Returns NX_E_MALFORMED for a foreign character, missing or superfluous padding, or unused bits that are not
 * 0; NX_E_FULL when the bytes do not fit into `out`, which is then as before.
 */
NX_MUST_USE enum nx_err nx_text_base64_decode(struct nx_bytes text, struct nx_writer *out);

/** As nx_text_base64_decode() for base64url, where padding is an error. */
NX_MUST_USE enum nx_err nx_text_base64url_decode(struct nx_bytes text, struct nx_writer *out);

/** Writes `bytes` as lower-case hex, two characters each. */
void nx_text_hex_encode(struct nx_bytes bytes, struct nx_writer *out);

/**
 * Writes the bytes that hex `text`, either case, stands for.
 *
 * Returns NX_E_MALFORMED for an odd length or a foreign character; NX_E_FULL as nx_text_base64_decode().
 */
NX_MUST_USE enum nx_err nx_text_hex_decode(struct nx_bytes text, struct nx_writer *out);

/** Writes Unix milliseconds as "2026-01-02T03:04:05.678Z", 24 characters; clamped to the years 0000..9999. */
void nx_text_time_format(int64_t wall_ms, struct nx_writer *out);

/**
 * Parses "YYYY-MM-DDTHH:MM:SS", a fraction of 1..9 digits or none (cut to milliseconds), then "Z" or "+HH:MM"
 * or
 * "-HH:MM", into Unix milliseconds.
 *
 * Returns NX_E_MALFORMED for anything else, days that the month does not have and leap seconds included.
 */
NX_MUST_USE enum nx_err nx_text_time_parse(struct nx_bytes text, int64_t *wall_ms);

#endif
