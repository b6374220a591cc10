/* http1_response.h - writes response heads, and reads them again for the load tool, the tests and
 * outgoing calls.
 *
 * Spec:    RFC 9112 sections 4 and 6.3, RFC 9110 section 15
 * Layer:   engine/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Limits:  those of http1.h for a head that is read; a head that is written is limited by its writer
 * Idiom:   begin, header..., length, end; then ask nx_writer_ok() once. The caller writes Date. A name or
 *          value that would break the head (control characters) fails the writer instead of being sent.
 */
#ifndef NX_WIRE_HTTP1_RESPONSE_H
#define NX_WIRE_HTTP1_RESPONSE_H

#include "engine/base/writer.h"
#include "engine/wire/http1.h"

/** One response head, taken apart. Every view borrows from the bytes given to nx_http1_response_parse(). */
struct nx_http1_response {
    uint16_t status;       /**< 100..599 */
    uint8_t version_minor; /**< 0 or 1 */
    bool is_keep_alive;    /**< the connection may carry another request after the body */
    bool has_body;         /**< a body follows: chunked, content_length bytes, or until the connection ends */
    bool is_chunked;       /**< the body is chunked */
    bool is_until_close;   /**< the body ends with the connection */
    uint64_t content_length; /**< bytes of the body when neither chunked nor until close */
    struct nx_bytes reason;  /**< may be empty */
    size_t head_size;        /**< bytes of the head with its final CRLF */
    struct nx_http1_headers headers;
};

/**
 * Takes apart the response head at the start of `input`; `seen_size` as in nx_http1_request_parse().
 * `is_head_answer` tells that the request was HEAD, whose answer has no body. `out` is working space:
 * meaningful only after NX_OK.
 *
 * Returns NX_OK; NX_E_TRUNCATED when more bytes are needed; NX_E_MALFORMED; NX_E_HTTP_HEAD_LARGE;
 * NX_E_HTTP_VERSION.
 */
NX_MUST_USE enum nx_err nx_http1_response_parse(struct nx_bytes input, size_t seen_size, bool is_head_answer,
                                                struct nx_http1_response *out);

/** Writes the status line with the registered reason; `status` is 100..599. */
void nx_http1_response_begin(struct nx_writer *w, uint16_t status);

/** Writes one header line; fails the writer when `name` is no token or `value` holds a control character
 * other than tab. */
void nx_http1_response_header(struct nx_writer *w, const char *name, struct nx_bytes value);

/** Writes one header line with a NUL-terminated value; as nx_http1_response_header(). */
void nx_http1_response_header_text(struct nx_writer *w, const char *name, const char *value);

/** Writes one header line with a decimal value. */
void nx_http1_response_header_u64(struct nx_writer *w, const char *name, uint64_t value);

/** Writes Content-Length: `size` bytes of body follow. */
void nx_http1_response_length(struct nx_writer *w, uint64_t size);

/** Writes the empty line that ends the head. */
void nx_http1_response_end(struct nx_writer *w);

/** Returns the registered reason of `status`; "Unknown" when there is none. */
const char *nx_http1_response_reason(uint16_t status);

#endif
