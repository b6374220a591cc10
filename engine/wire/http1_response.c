#include "engine/wire/http1_response.h"

static const struct {
    uint16_t status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

enum {
    REASONS_COUNT = sizeof(reasons) / sizeof(reasons[0]),
    STATUS_LINE_SIZE_MIN = 13 /* "HTTP/1.1 200 " */
};

const char *nx_http1_response_reason(uint16_t status)
{
    for (size_t i = 0; i < REASONS_COUNT; i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "Unknown";
}

void nx_http1_response_begin(struct nx_writer *w, uint16_t status)
{
    if (status < 100 || status > 599) {
        w->failed = true;
        return;
    }
    nx_writer_text(w, "HTTP/1.1 ");
    nx_writer_decimal(w, status);
    nx_writer_u8(w, ' ');
    nx_writer_text(w, nx_http1_response_reason(status));
    nx_writer_text(w, "\r\n");
}

static bool is_text(struct nx_bytes value)
{
    for (size_t i = 0; i < value.size; i++) {
        if ((value.at[i] < 0x20 && value.at[i] != '\t') || value.at[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

void nx_http1_response_header(struct nx_writer *w, const char *name, struct nx_bytes value)
{
    if (!nx_http1_token_is_valid(nx_bytes_text(name)) || !is_text(value)) {
        w->failed = true;
        return;
    }
    nx_writer_text(w, name);
    nx_writer_text(w, ": ");
    nx_writer_bytes_put(w, value);
    nx_writer_text(w, "\r\n");
}

void nx_http1_response_header_text(struct nx_writer *w, const char *name, const char *value)
{
    nx_http1_response_header(w, name, nx_bytes_text(value));
}

void nx_http1_response_header_u64(struct nx_writer *w, const char *name, uint64_t value)
{
    uint8_t digits[20];
    struct nx_writer text = nx_writer_init(digits, sizeof(digits));
    nx_writer_decimal(&text, value);
    nx_http1_response_header(w, name, nx_writer_bytes(&text));
}

void nx_http1_response_length(struct nx_writer *w, uint64_t size)
{
    nx_http1_response_header_u64(w, "Content-Length", size);
}

void nx_http1_response_end(struct nx_writer *w)
{
    nx_writer_text(w, "\r\n");
}

/* Reads "HTTP/1.x NNN reason CRLF"; the line's end is looked for first, as answers come whole. */
static enum nx_err status_line(struct nx_bytes input, struct nx_http1_response *out, size_t *size)
{
    const size_t seen = input.size < NX_HTTP1_REQUEST_LINE_MAX ? input.size : NX_HTTP1_REQUEST_LINE_MAX;
    const uint8_t *end = seen != 0 ? memchr(input.at, '\n', seen) : NULL;
    if (end == NULL) {
        return seen == NX_HTTP1_REQUEST_LINE_MAX ? NX_E_HTTP_HEAD_LARGE : NX_E_TRUNCATED;
    }
    const size_t line_size = (size_t)(end - input.at) + 1;
    /* The space after the status must be there even without a reason, RFC 9112 section 4; many leave it out.
     */
    if (line_size < STATUS_LINE_SIZE_MIN + 1 || memcmp(input.at, "HTTP/", 5) != 0 || end[-1] != '\r') {
        return NX_E_MALFORMED;
    }
    const uint8_t *at = input.at + 5;
    if (at[0] < '0' || at[0] > '9' || at[1] != '.' || at[2] < '0' || at[2] > '9' || at[3] != ' ') {
        return NX_E_MALFORMED;
    }
    if (at[0] != '1' || at[2] > '1') {
        return NX_E_HTTP_VERSION;
    }
    uint16_t status = 0;
    for (int i = 4; i < 7; i++) {
        if (at[i] < '0' || at[i] > '9') {
            return NX_E_MALFORMED;
        }
        status = (uint16_t)(status * 10 + (at[i] - '0'));
    }
    const bool has_reason = line_size > STATUS_LINE_SIZE_MIN + 1;
    if (status < 100 || status > 599 || (has_reason && at[7] != ' ')) {
        return NX_E_MALFORMED;
    }
    out->reason =
        has_reason ? nx_bytes_of(at + 8, line_size - STATUS_LINE_SIZE_MIN - 2) : (struct nx_bytes){0};
    if (!is_text(out->reason)) {
        return NX_E_MALFORMED;
    }
    out->status = status;
    out->version_minor = (uint8_t)(at[2] - '0');
    *size = line_size;
    return NX_OK;
}

enum nx_err nx_http1_response_parse(struct nx_bytes input, size_t seen_size, bool is_head_answer,
                                    struct nx_http1_response *out)
{
    if (nx_http1_is_partial(input, seen_size)) {
        return NX_E_TRUNCATED;
    }
    size_t line_size;
    enum nx_err err = status_line(input, out, &line_size);
    if (err == NX_OK) {
        err = nx_http1_headers_parse(input, line_size, &out->headers, &out->head_size);
    }
    struct nx_http1_framing framing;
    if (err == NX_OK) {
        err = nx_http1_framing_read(&out->headers, out->version_minor, &framing);
    }
    if (err != NX_OK) {
        return err;
    }
    /* RFC 9112 section 6.3, points 1, 4, 6 and 8. */
    const bool is_bodyless = is_head_answer || out->status < 200 || out->status == 204 || out->status == 304;
    out->is_chunked = !is_bodyless && framing.is_chunked;
    out->content_length = is_bodyless ? 0 : framing.content_length;
    out->is_until_close = !is_bodyless && !framing.is_chunked && !framing.has_length;
    out->has_body = out->is_chunked || out->is_until_close || out->content_length != 0;
    out->is_keep_alive =
        !framing.has_close && !out->is_until_close && (out->version_minor == 1 || framing.has_keep_alive);
    return NX_OK;
}
