/* http1.h - takes one HTTP/1.1 request head apart, in place, and refuses everything two readers could
 * understand differently.
 *
 * Spec:    RFC 9112 sections 2 to 6, RFC 9110 sections 5, 7.2, 10.1.1. Left out on purpose: line folding
 *          (400), bare LF or CR (400), transfer codings other than a lone "chunked" (400), CONNECT and
 *          TRACE (501), HTTP/0.9 and 2 (505). Stricter than the RFC: Content-Length and Transfer-Encoding
 *          at most once, never both, with at most one space after their colon and nothing after their
 *          value.
 * Layer:   engine/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Limits:  request line 8 KiB (414), head 16 KiB and 100 headers (431); see limits.h
 * Idiom:   gather bytes from the start of the head; after each read call nx_http1_request_parse() with
 *          all of them and the size the previous call saw; on an error answer nx_http1_status_of() and
 *          close.
 */
#ifndef NX_WIRE_HTTP1_H
#define NX_WIRE_HTTP1_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/wire/limits.h"

/** The methods we serve; every other one is answered 501. */
enum nx_http1_method {
    NX_HTTP1_METHOD_GET,
    NX_HTTP1_METHOD_HEAD,
    NX_HTTP1_METHOD_POST,
    NX_HTTP1_METHOD_PUT,
    NX_HTTP1_METHOD_PATCH,
    NX_HTTP1_METHOD_DELETE,
    NX_HTTP1_METHOD_OPTIONS,
    NX_HTTP1_METHODS_COUNT,
};

/** One header line; both parts borrow from the head. */
struct nx_http1_header {
    struct nx_bytes name; /**< as sent; compare without case */
    struct nx_bytes
        value; /**< without surrounding spaces and tabs; no control characters but tab, may hold 0x80..0xFF */
};

/** The header lines of a head, in the order sent. */
struct nx_http1_headers {
    uint16_t count; /**< 0..NX_HTTP1_HEADERS_MAX */
    struct nx_http1_header at[NX_HTTP1_HEADERS_MAX];
};

/** One request head, taken apart. Every view borrows from the bytes given to nx_http1_request_parse(). */
struct nx_http1_request {
    enum nx_http1_method method;
    uint8_t version_minor;   /**< 0 or 1 */
    bool is_keep_alive;      /**< the connection may serve another request after this one */
    bool is_chunked;         /**< the body is chunked; content_length is then 0 */
    bool has_length;         /**< a Content-Length was sent */
    bool expects_continue;   /**< the client waits for "100 Continue" before its body */
    bool is_upgrade;         /**< Connection names "upgrade" and an Upgrade header is there (HTTP/1.1 only) */
    uint64_t content_length; /**< bytes of the body; 0 when none or chunked */
    struct nx_bytes
        target; /**< origin form "/path?query", or "*" (OPTIONS only); an absolute form is cut down to it */
    struct nx_bytes host; /**< Host value, "name[:port]"; empty only for HTTP/1.0 without Host */
    size_t head_size;     /**< bytes of the head with its final CRLF; the body or the next head follows */
    struct nx_http1_headers headers;
};

/**
 * Takes apart the request head at the start of `input`. `seen_size` is the size of `input` at the previous
 * call for the same head (0 at the first), which keeps byte-by-byte arrival cheap; the verdict does not
 * depend on it, nor on how the bytes were split, only the moment of an error does. `out` is working space:
 * meaningful only after NX_OK, and valid as long as the bytes are. One empty line before the request line is
 * skipped. Cost: linear in the head.
 *
 * Returns NX_OK; NX_E_TRUNCATED when more bytes are needed; NX_E_MALFORMED (400); NX_E_HTTP_TARGET_LONG
 * (414); NX_E_HTTP_HEAD_LARGE (431) for too many or too large headers; NX_E_HTTP_METHOD (501) for a method
 * that is not served; NX_E_HTTP_VERSION (505) for a version other than 1.0 and 1.1; NX_E_HTTP_EXPECT (417).
 * After any error but NX_E_TRUNCATED the connection must be closed: where the next request starts is unknown.
 */
NX_MUST_USE enum nx_err nx_http1_request_parse(struct nx_bytes input, size_t seen_size,
                                               struct nx_http1_request *out);

/**
 * Takes apart header lines from `offset` of `input` to the empty line that ends the head; shared by requests
 * and responses. Writes into `out` as it goes; `*size` (all bytes up to and with the empty line, counted from
 * the start of `input`) only on success.
 *
 * Returns NX_OK; NX_E_TRUNCATED; NX_E_MALFORMED for a bare CR or LF, folding, a name that is no token, a
 * space before the colon or a control character; NX_E_HTTP_HEAD_LARGE past NX_HTTP1_HEADERS_MAX lines or
 * NX_HTTP1_HEAD_MAX bytes.
 */
NX_MUST_USE enum nx_err nx_http1_headers_parse(struct nx_bytes input, size_t offset,
                                               struct nx_http1_headers *out, size_t *size);

/** The body framing that header lines declare. */
struct nx_http1_framing {
    uint64_t content_length; /**< bytes; 0 when absent or chunked */
    bool has_length;
    bool is_chunked;
    bool has_close;      /**< Connection names "close" */
    bool has_keep_alive; /**< Connection names "keep-alive" */
    bool has_upgrade;    /**< Connection names "upgrade" and there is an Upgrade header */
};

/**
 * Reads Content-Length, Transfer-Encoding and Connection strictly; `version_minor` is that of the message
 * (chunked needs 1).
 *
 * Returns NX_OK; NX_E_MALFORMED when a length is not 1 to 19 plain digits, when one of the two framing
 * headers comes twice, when both come, when a coding is not exactly "chunked", or when they have unusual
 * spacing.
 */
NX_MUST_USE enum nx_err nx_http1_framing_read(const struct nx_http1_headers *headers, uint8_t version_minor,
                                              struct nx_http1_framing *out);

/** Returns whether the first head in `input` cannot be complete: no empty line in it beyond `seen_size`. */
bool nx_http1_is_partial(struct nx_bytes input, size_t seen_size);

/** Returns the HTTP status that answers `err`: 400 for anything ill-formed, 500 for what is our own fault. */
uint16_t nx_http1_status_of(enum nx_err err);

/** Returns the method's name as sent on the wire. */
const char *nx_http1_method_text(enum nx_http1_method method);

/** Returns the first header called `name` (any case), or NULL; borrowed from `headers`. Cost: linear in the
 * headers. */
const struct nx_http1_header *nx_http1_header_find(const struct nx_http1_headers *headers, const char *name);

/** Returns how many headers are called `name` (any case). */
size_t nx_http1_header_count(const struct nx_http1_headers *headers, const char *name);

/** Returns whether any header `name` holds the comma-separated token `token` (both compared without case). */
bool nx_http1_header_has_token(const struct nx_http1_headers *headers, const char *name, const char *token);

/**
 * Cuts the next element off the comma-separated list in `*rest`; surrounding spaces and tabs are dropped,
 * empty elements skipped (RFC 9110 section 5.6.1.2), commas in quoted strings kept. Returns false when the
 * list is used up.
 */
bool nx_http1_list_next(struct nx_bytes *rest, struct nx_bytes *element);

/** Returns whether `a` is `text` when ASCII case is ignored. */
bool nx_http1_text_is(struct nx_bytes a, const char *text);

/** Returns whether `a` is a token of RFC 9110 section 5.6.2 (not empty). */
bool nx_http1_token_is_valid(struct nx_bytes a);

#endif
