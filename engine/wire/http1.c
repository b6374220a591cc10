#include "engine/wire/http1.h"

/* Sets of ASCII characters as two 64-bit maps; nothing above 0x7F is in any of them. */
static const uint64_t token_set[2] = {0x03ff6cfa00000000U, 0x57ffffffc7fffffeU};  /* RFC 9110 section 5.6.2 */
static const uint64_t target_set[2] = {0xaffffff200000000U, 0x7fffffffffffffffU}; /* VCHAR but "#<> */
static const uint64_t host_set[2] = {0x03ff600000000000U, 0x47fffffe87fffffeU}; /* unreserved, RFC 3986 2.3 */

typedef uint8_t vector __attribute__((vector_size(16)));

enum {
    METHOD_SIZE_MAX = 32,
    LINE_DECIDED = NX_HTTP1_REQUEST_LINE_MAX + 4, /* with this many bytes the request line has its verdict */
};

static const char *const methods[NX_HTTP1_METHODS_COUNT] = {
    [NX_HTTP1_METHOD_GET] = "GET",         [NX_HTTP1_METHOD_HEAD] = "HEAD",
    [NX_HTTP1_METHOD_POST] = "POST",       [NX_HTTP1_METHOD_PUT] = "PUT",
    [NX_HTTP1_METHOD_PATCH] = "PATCH",     [NX_HTTP1_METHOD_DELETE] = "DELETE",
    [NX_HTTP1_METHOD_OPTIONS] = "OPTIONS",
};

static bool is_in(const uint64_t set[2], uint8_t c)
{
    return c < 128 && (set[c >> 6] >> (c & 63) & 1) != 0;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* Returns where the first control character other than tab is, or `end`. */
static const uint8_t *field_end(const uint8_t *at, const uint8_t *end)
{
    for (; (size_t)(end - at) >= sizeof(vector); at += sizeof(vector)) {
        vector c;
        memcpy(&c, at, sizeof(c));
        const vector bad = ((vector)(c < 0x20) & (vector)(c != '\t')) | (vector)(c == 0x7f);
        uint64_t halves[2];
        memcpy(halves, &bad, sizeof(halves));
        if ((halves[0] | halves[1]) != 0) {
            break;
        }
    }
    while (at < end && (*at >= 0x20 ? *at != 0x7f : *at == '\t')) {
        at++;
    }
    return at;
}

bool nx_http1_text_is(struct nx_bytes a, const char *text)
{
    size_t i = 0;
    for (; i < a.size; i++) {
        if (text[i] == '\0' || lower(a.at[i]) != lower((uint8_t)text[i])) {
            return false;
        }
    }
    return text[i] == '\0';
}

bool nx_http1_token_is_valid(struct nx_bytes a)
{
    for (size_t i = 0; i < a.size; i++) {
        if (!is_in(token_set, a.at[i])) {
            return false;
        }
    }
    return a.size != 0;
}

const char *nx_http1_method_text(enum nx_http1_method method)
{
    return methods[method];
}

uint16_t nx_http1_status_of(enum nx_err err)
{
    switch (err) {
    case NX_OK:
        return 200;
    case NX_E_TRUNCATED:
    case NX_E_MALFORMED:
    case NX_E_UNSUPPORTED:
        return 400;
    case NX_E_AUTH:
    case NX_E_EXPIRED:
        return 401;
    case NX_E_NOT_FOUND:
        return 404;
    case NX_E_TIMEOUT:
        return 408;
    case NX_E_CONFLICT:
        return 409;
    case NX_E_HTTP_BODY_LARGE:
        return 413;
    case NX_E_HTTP_TARGET_LONG:
        return 414;
    case NX_E_HTTP_EXPECT:
        return 417;
    case NX_E_HTTP_UPGRADE:
        return 426;
    case NX_E_HTTP_HEAD_LARGE:
        return 431;
    case NX_E_HTTP_METHOD:
        return 501;
    case NX_E_UNAVAILABLE:
        return 503;
    case NX_E_HTTP_VERSION:
        return 505;
    default:
        return 500;
    }
}

bool nx_http1_is_partial(struct nx_bytes input, size_t seen_size)
{
    if (seen_size == 0 || seen_size > input.size || input.size >= NX_HTTP1_HEAD_MAX ||
        (seen_size < LINE_DECIDED && input.size >= LINE_DECIDED)) {
        return false; /* the parser decides; past a cap it always has a verdict */
    }
    const uint8_t *end = input.at + input.size;
    const uint8_t *at = input.at + (seen_size > 2 ? seen_size - 2 : 0);
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        at++;
        if ((at < end && *at == '\n') || (end - at >= 2 && at[0] == '\r' && at[1] == '\n')) {
            return false;
        }
    }
    return true;
}

/* The input up to a cap. Running into its end means "more please" while the cap is not reached, and the cap's
 * own error after that; so the verdict is the same however the bytes were split. */
struct window {
    const uint8_t *end;
    enum nx_err at_end;
};

static struct window window_of(struct nx_bytes input, size_t size_max, enum nx_err past_cap)
{
    const bool is_capped = input.size >= size_max;
    return (struct window){.end = input.at + (is_capped ? size_max : input.size),
                           .at_end = is_capped ? past_cap : NX_E_TRUNCATED};
}

/* Steps over CRLF at `*at`. */
static enum nx_err crlf(const uint8_t **at, struct window window)
{
    for (int i = 0; i < 2; i++) {
        if (*at + i == window.end) {
            return window.at_end;
        }
        if ((*at)[i] != "\r\n"[i]) {
            return NX_E_MALFORMED;
        }
    }
    *at += 2;
    return NX_OK;
}

/* Reads one header line, whose first byte is there. */
static enum nx_err header_line(const uint8_t **at, struct window window, struct nx_http1_header *out)
{
    const uint8_t *name = *at;
    const uint8_t *colon = name;
    while (colon < window.end && is_in(token_set, *colon)) {
        colon++;
    }
    if (colon == window.end) {
        return window.at_end;
    }
    if (*colon != ':' || colon == name) {
        return NX_E_MALFORMED; /* also a space before the colon, and a folded line */
    }
    const uint8_t *start = colon + 1;
    const uint8_t *stop = field_end(start, window.end);
    *at = stop;
    const enum nx_err err = crlf(at, window);
    if (err != NX_OK) {
        return err;
    }
    while (start < stop && is_space(*start)) {
        start++;
    }
    while (stop > start && is_space(stop[-1])) {
        stop--;
    }
    out->name = nx_bytes_of(name, (size_t)(colon - name));
    out->value = nx_bytes_of(start, (size_t)(stop - start));
    return NX_OK;
}

enum nx_err nx_http1_headers_parse(struct nx_bytes input, size_t offset, struct nx_http1_headers *out,
                                   size_t *size)
{
    const struct window window = window_of(input, NX_HTTP1_HEAD_MAX, NX_E_HTTP_HEAD_LARGE);
    const uint8_t *at = input.at + offset;
    out->count = 0;
    while (at < window.end) {
        enum nx_err err;
        if (*at == '\r') {
            err = crlf(&at, window);
            if (err == NX_OK) {
                *size = (size_t)(at - input.at);
            }
            return err;
        }
        if (out->count == NX_HTTP1_HEADERS_MAX) {
            return NX_E_HTTP_HEAD_LARGE;
        }
        err = header_line(&at, window, &out->at[out->count]);
        if (err != NX_OK) {
            return err;
        }
        out->count++;
    }
    return window.at_end;
}

const struct nx_http1_header *nx_http1_header_find(const struct nx_http1_headers *headers, const char *name)
{
    for (size_t i = 0; i < headers->count; i++) {
        if (nx_http1_text_is(headers->at[i].name, name)) {
            return &headers->at[i];
        }
    }
    return NULL;
}

size_t nx_http1_header_count(const struct nx_http1_headers *headers, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < headers->count; i++) {
        count += nx_http1_text_is(headers->at[i].name, name);
    }
    return count;
}

/* Returns the offset of the next comma outside quotes, or the size. */
static size_t list_comma(struct nx_bytes list)
{
    bool is_quoted = false;
    for (size_t i = 0; i < list.size; i++) {
        if (is_quoted && list.at[i] == '\\') {
            i++;
        } else if (list.at[i] == '"') {
            is_quoted = !is_quoted;
        } else if (list.at[i] == ',' && !is_quoted) {
            return i;
        }
    }
    return list.size;
}

bool nx_http1_list_next(struct nx_bytes *rest, struct nx_bytes *element)
{
    while (rest->size != 0) {
        const size_t comma = list_comma(*rest);
        struct nx_bytes part = nx_bytes_slice(*rest, 0, comma);
        *rest = nx_bytes_slice(*rest, comma + 1, rest->size);
        while (part.size != 0 && is_space(part.at[0])) {
            part = nx_bytes_slice(part, 1, part.size);
        }
        while (part.size != 0 && is_space(part.at[part.size - 1])) {
            part.size--;
        }
        if (part.size != 0) {
            *element = part;
            return true;
        }
    }
    return false;
}

static bool value_has_token(struct nx_bytes value, const char *token)
{
    struct nx_bytes element;
    while (nx_http1_list_next(&value, &element)) {
        if (nx_http1_text_is(element, token)) {
            return true;
        }
    }
    return false;
}

bool nx_http1_header_has_token(const struct nx_http1_headers *headers, const char *name, const char *token)
{
    for (size_t i = 0; i < headers->count; i++) {
        if (nx_http1_text_is(headers->at[i].name, name) && value_has_token(headers->at[i].value, token)) {
            return true;
        }
    }
    return false;
}

/* Framing headers are where two readers must not differ, so not even optional white space is left to taste:
 * nothing or one space before the value, nothing after it. The line is a checked one, so its colon and CR can
 * be looked at. */
static bool is_plain(const struct nx_http1_header *header)
{
    const uint8_t *colon = header->name.at + header->name.size;
    const uint8_t *value = header->value.at;
    return header->value.size != 0 && (value == colon + 1 || (value == colon + 2 && colon[1] == ' ')) &&
           value[header->value.size] == '\r';
}

static enum nx_err length_read(const struct nx_http1_header *header, uint64_t *out)
{
    if (!is_plain(header) || header->value.size > 19) { /* 19 digits cannot overflow */
        return NX_E_MALFORMED;
    }
    uint64_t length = 0;
    for (size_t i = 0; i < header->value.size; i++) {
        const uint8_t digit = (uint8_t)(header->value.at[i] - '0');
        if (digit > 9) {
            return NX_E_MALFORMED;
        }
        length = length * 10 + digit;
    }
    *out = length;
    return NX_OK;
}

enum nx_err nx_http1_framing_read(const struct nx_http1_headers *headers, uint8_t version_minor,
                                  struct nx_http1_framing *out)
{
    struct nx_http1_framing framing = {0};
    bool has_upgrade_header = false;
    for (size_t i = 0; i < headers->count; i++) {
        const struct nx_http1_header *header = &headers->at[i];
        switch (header->name.size) { /* most headers leave here without a comparison */
        case 7:
            has_upgrade_header |= nx_http1_text_is(header->name, "upgrade");
            break;
        case 10:
            if (nx_http1_text_is(header->name, "connection")) {
                framing.has_close |= value_has_token(header->value, "close");
                framing.has_keep_alive |= value_has_token(header->value, "keep-alive");
                framing.has_upgrade |= value_has_token(header->value, "upgrade");
            }
            break;
        case 14:
            if (nx_http1_text_is(header->name, "content-length")) {
                if (framing.has_length || length_read(header, &framing.content_length) != NX_OK) {
                    return NX_E_MALFORMED;
                }
                framing.has_length = true;
            }
            break;
        case 17:
            if (nx_http1_text_is(header->name, "transfer-encoding")) {
                if (framing.is_chunked || version_minor == 0 || !is_plain(header) ||
                    !nx_http1_text_is(header->value, "chunked")) {
                    return NX_E_MALFORMED;
                }
                framing.is_chunked = true;
            }
            break;
        default:
            break;
        }
    }
    if (framing.has_length && framing.is_chunked) {
        return NX_E_MALFORMED;
    }
    framing.has_upgrade &= has_upgrade_header;
    *out = framing;
    return NX_OK;
}

/* RFC 3986 section 3.2.2 without what no real host has (escapes, sub-delimiters, zones): name or [address],
 * then :port. */
static bool host_is_valid(struct nx_bytes host)
{
    size_t i = 0;
    if (host.size != 0 && host.at[0] == '[') {
        for (i = 1; i < host.size && host.at[i] != ']'; i++) {
            const uint8_t c = lower(host.at[i]);
            if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == ':' || c == '.')) {
                return false;
            }
        }
        if (i == host.size || i < 3) {
            return false;
        }
        i++;
    } else {
        while (i < host.size && is_in(host_set, host.at[i])) {
            i++;
        }
    }
    if (i == 0 || i == host.size) {
        return i != 0;
    }
    if (host.at[i] != ':' || host.size - i > 6) {
        return false;
    }
    uint32_t port = 0;
    for (i++; i < host.size; i++) {
        if (host.at[i] < '0' || host.at[i] > '9') {
            return false;
        }
        port = port * 10 + (uint32_t)(host.at[i] - '0');
    }
    return port <= 65535;
}

static enum nx_err method_read(const uint8_t **at, struct window window, enum nx_http1_method *out)
{
    const uint8_t *start = *at;
    const uint8_t *stop = start;
    while (stop < window.end && stop - start <= METHOD_SIZE_MAX && is_in(token_set, *stop)) {
        stop++;
    }
    if (stop == window.end) {
        return window.at_end;
    }
    if (*stop != ' ' || stop == start) {
        return NX_E_MALFORMED;
    }
    const struct nx_bytes name = nx_bytes_of(start, (size_t)(stop - start));
    for (int i = 0; i < NX_HTTP1_METHODS_COUNT; i++) {
        if (nx_bytes_is(name, methods[i])) { /* methods are case-sensitive, RFC 9110 section 9.1 */
            *out = (enum nx_http1_method)i;
            *at = stop + 1;
            return NX_OK;
        }
    }
    return NX_E_HTTP_METHOD;
}

/* Reads "HTTP/1.0" or "HTTP/1.1". */
static enum nx_err version_read(const uint8_t **at, struct window window, uint8_t *minor)
{
    static const char pattern[] = "HTTP/d.d";
    for (size_t i = 0; i < sizeof(pattern) - 1; i++) {
        if (*at + i == window.end) {
            return window.at_end;
        }
        const uint8_t c = (*at)[i];
        if (pattern[i] == 'd' ? c < '0' || c > '9' : c != pattern[i]) {
            return NX_E_MALFORMED;
        }
    }
    if ((*at)[5] != '1' || (*at)[7] > '1') {
        return NX_E_HTTP_VERSION;
    }
    *minor = (uint8_t)((*at)[7] - '0');
    *at += sizeof(pattern) - 1;
    return NX_OK;
}

static enum nx_err request_line(const uint8_t **at, struct window window, struct nx_http1_request *out)
{
    enum nx_err err = method_read(at, window, &out->method);
    if (err != NX_OK) {
        return err;
    }
    const uint8_t *start = *at;
    const uint8_t *stop = start;
    while (stop < window.end && is_in(target_set, *stop)) {
        stop++;
    }
    if (stop == window.end) {
        return window.at_end;
    }
    if (*stop != ' ' || stop == start) {
        return NX_E_MALFORMED;
    }
    out->target = nx_bytes_of(start, (size_t)(stop - start));
    *at = stop + 1;
    err = version_read(at, window, &out->version_minor);
    return err == NX_OK ? crlf(at, window) : err;
}

/* Cuts an absolute form down to its origin form and gives its authority. */
static enum nx_err target_read(struct nx_http1_request *request, struct nx_bytes *authority)
{
    const struct nx_bytes target = request->target;
    *authority = (struct nx_bytes){0};
    if (target.at[0] == '/') {
        return NX_OK;
    }
    if (nx_bytes_is(target, "*")) {
        return request->method == NX_HTTP1_METHOD_OPTIONS ? NX_OK : NX_E_MALFORMED;
    }
    const size_t scheme = nx_http1_text_is(nx_bytes_slice(target, 0, 7), "http://")    ? 7
                          : nx_http1_text_is(nx_bytes_slice(target, 0, 8), "https://") ? 8
                                                                                       : 0;
    if (scheme == 0) {
        return NX_E_MALFORMED;
    }
    const struct nx_bytes rest = nx_bytes_slice(target, scheme, target.size);
    const uint8_t *slash = rest.size != 0 ? memchr(rest.at, '/', rest.size) : NULL;
    *authority = slash != NULL ? nx_bytes_of(rest.at, (size_t)(slash - rest.at)) : rest;
    request->target =
        slash != NULL ? nx_bytes_of(slash, rest.size - (size_t)(slash - rest.at)) : nx_bytes_text("/");
    return authority->size != 0 ? NX_OK : NX_E_MALFORMED;
}

static enum nx_err host_read(struct nx_http1_request *request)
{
    struct nx_bytes authority;
    const enum nx_err err = target_read(request, &authority);
    if (err != NX_OK) {
        return err;
    }
    const size_t count = nx_http1_header_count(&request->headers, "host");
    request->host = (struct nx_bytes){0};
    if (count == 0) {
        return request->version_minor == 0 && authority.size == 0 ? NX_OK : NX_E_MALFORMED;
    }
    request->host = nx_http1_header_find(&request->headers, "host")->value;
    if (count != 1 || !host_is_valid(request->host)) {
        return NX_E_MALFORMED;
    }
    if (authority.size != 0) {
        if (authority.size != request->host.size) {
            return NX_E_MALFORMED;
        }
        for (size_t i = 0; i < authority.size; i++) {
            if (lower(authority.at[i]) != lower(request->host.at[i])) {
                return NX_E_MALFORMED;
            }
        }
    }
    return NX_OK;
}

static enum nx_err expect_read(struct nx_http1_request *request)
{
    const struct nx_http1_header *expect = nx_http1_header_find(&request->headers, "expect");
    request->expects_continue = false;
    if (expect == NULL || request->version_minor == 0) {
        return NX_OK; /* RFC 9110 section 10.1.1: ignored from HTTP/1.0 */
    }
    if (!nx_http1_text_is(expect->value, "100-continue")) {
        return NX_E_HTTP_EXPECT;
    }
    request->expects_continue = request->is_chunked || request->content_length != 0;
    return NX_OK;
}

enum nx_err nx_http1_request_parse(struct nx_bytes input, size_t seen_size, struct nx_http1_request *out)
{
    if (input.size == 0 || nx_http1_is_partial(input, seen_size)) {
        return NX_E_TRUNCATED;
    }
    const uint8_t *at = input.at;
    if (*at == '\r') { /* one empty line is forgiven, RFC 9112 section 2.2 */
        const enum nx_err err = crlf(&at, window_of(input, NX_HTTP1_HEAD_MAX, NX_E_HTTP_HEAD_LARGE));
        if (err != NX_OK) {
            return err;
        }
    }
    const struct nx_bytes line = nx_bytes_of(at, input.size - (size_t)(at - input.at));
    enum nx_err err =
        request_line(&at, window_of(line, NX_HTTP1_REQUEST_LINE_MAX + 2, NX_E_HTTP_TARGET_LONG), out);
    if (err == NX_OK) {
        err = nx_http1_headers_parse(input, (size_t)(at - input.at), &out->headers, &out->head_size);
    }
    struct nx_http1_framing framing;
    if (err == NX_OK) {
        err = nx_http1_framing_read(&out->headers, out->version_minor, &framing);
    }
    if (err != NX_OK) {
        return err;
    }
    out->is_chunked = framing.is_chunked;
    out->has_length = framing.has_length;
    out->content_length = framing.content_length;
    out->is_upgrade = framing.has_upgrade && out->version_minor == 1;
    out->is_keep_alive = !framing.has_close && (out->version_minor == 1 || framing.has_keep_alive);
    err = host_read(out);
    return err == NX_OK ? expect_read(out) : err;
}
