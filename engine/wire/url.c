#include "engine/wire/url.h"

#include "engine/base/text.h"

/* Sets of ASCII characters as two 64-bit maps; nothing above 0x7F is in any of them. */
static const uint64_t target_set[2] = {0xaffffff200000000U, 0x7fffffffffffffffU}; /* VCHAR but "#<> */
static const uint64_t unreserved_set[2] = {0x03ff600000000000U,
                                           0x47fffffe87fffffeU}; /* RFC 3986 section 2.3 */

static bool is_in(const uint64_t set[2], uint8_t c)
{
    return c < 128 && (set[c >> 6] >> (c & 63) & 1) != 0;
}

enum nx_err nx_url_split(struct nx_bytes target, struct nx_url *out)
{
    if (target.size == 0 || target.at[0] != '/') {
        return NX_E_MALFORMED;
    }
    for (size_t i = 0; i < target.size; i++) {
        if (!is_in(target_set, target.at[i])) {
            return NX_E_MALFORMED;
        }
    }
    const uint8_t *mark = memchr(target.at, '?', target.size);
    const size_t path_size = mark != NULL ? (size_t)(mark - target.at) : target.size;
    out->path = nx_bytes_slice(target, 0, path_size);
    out->query = nx_bytes_slice(target, path_size + 1, target.size);
    return NX_OK;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes into `target`, which has room for `raw.size` bytes; returns false for an escape without two digits.
 */
static bool unescape(struct nx_bytes raw, bool plus_is_space, uint8_t *target, size_t *size)
{
    size_t n = 0;
    for (size_t i = 0; i < raw.size; i++) {
        uint8_t c = raw.at[i];
        if (c == '%') {
            const int high = raw.size - i > 2 ? hex_digit(raw.at[i + 1]) : -1;
            const int low = raw.size - i > 2 ? hex_digit(raw.at[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        target[n++] = c;
    }
    *size = n;
    return true;
}

enum nx_err nx_url_decode(struct nx_bytes raw, bool plus_is_space, struct nx_writer *scratch,
                          struct nx_bytes *out)
{
    struct nx_bytes text = raw;
    const bool has_escapes = raw.size != 0 && (memchr(raw.at, '%', raw.size) != NULL ||
                                               (plus_is_space && memchr(raw.at, '+', raw.size) != NULL));
    if (has_escapes) {
        if (!nx_writer_ok(scratch) || scratch->room - scratch->size < raw.size) {
            return NX_E_FULL;
        }
        uint8_t *target = scratch->start + scratch->size;
        size_t size;
        if (!unescape(raw, plus_is_space, target, &size)) {
            return NX_E_MALFORMED;
        }
        text = nx_bytes_of(target, size);
    }
    if ((text.size != 0 && memchr(text.at, '\0', text.size) != NULL) || !nx_text_is_utf8(text)) {
        return NX_E_MALFORMED;
    }
    if (has_escapes) {
        scratch->size += text.size;
    }
    *out = text;
    return NX_OK;
}

/* Whether a decoded segment may be handed to a router: nothing that a file system or a terminal would take as
 * more than a name. */
static bool segment_is_safe(struct nx_bytes segment)
{
    if (nx_bytes_is(segment, ".") || nx_bytes_is(segment, "..")) {
        return false;
    }
    for (size_t i = 0; i < segment.size; i++) {
        const uint8_t c = segment.at[i];
        if (c < 0x20 || c == 0x7f || c == '/' || c == '\\') {
            return false;
        }
    }
    return true;
}

enum nx_err nx_url_path_decode(struct nx_bytes path, struct nx_writer *scratch, struct nx_url_path *out)
{
    struct nx_url_path result = {.count = 0};
    if (path.size == 0 || path.at[0] != '/') {
        return NX_E_MALFORMED;
    }
    struct nx_bytes rest = nx_bytes_slice(path, 1, path.size);
    while (rest.size != 0) {
        const uint8_t *slash = memchr(rest.at, '/', rest.size);
        const size_t size = slash != NULL ? (size_t)(slash - rest.at) : rest.size;
        if (size == 0) {
            return NX_E_MALFORMED;
        }
        if (result.count == NX_URL_SEGMENTS_MAX) {
            return NX_E_FULL;
        }
        struct nx_bytes *segment = &result.segments[result.count];
        const enum nx_err err = nx_url_decode(nx_bytes_slice(rest, 0, size), false, scratch, segment);
        if (err != NX_OK) {
            return err;
        }
        if (!segment_is_safe(*segment)) {
            return NX_E_MALFORMED;
        }
        result.count++;
        rest = nx_bytes_slice(rest, size + 1, rest.size);
        result.has_slash_end = slash != NULL && rest.size == 0;
    }
    *out = result;
    return NX_OK;
}

struct nx_url_query nx_url_query(struct nx_bytes query)
{
    return (struct nx_url_query){.rest = query, .count = 0};
}

enum nx_err nx_url_query_next(struct nx_url_query *q, struct nx_writer *scratch, struct nx_url_pair *out,
                              bool *has_pair)
{
    struct nx_bytes part = {0};
    while (q->rest.size != 0 && part.size == 0) {
        const uint8_t *mark = memchr(q->rest.at, '&', q->rest.size);
        part = nx_bytes_slice(q->rest, 0, mark != NULL ? (size_t)(mark - q->rest.at) : q->rest.size);
        q->rest = nx_bytes_slice(q->rest, part.size + 1, q->rest.size);
    }
    if (part.size == 0) {
        *has_pair = false;
        return NX_OK;
    }
    if (q->count == NX_URL_PAIRS_MAX) {
        return NX_E_FULL;
    }
    q->count++;
    const uint8_t *equals = memchr(part.at, '=', part.size);
    const size_t key_size = equals != NULL ? (size_t)(equals - part.at) : part.size;
    struct nx_url_pair pair;
    enum nx_err err = nx_url_decode(nx_bytes_slice(part, 0, key_size), true, scratch, &pair.key);
    if (err == NX_OK) {
        err = nx_url_decode(nx_bytes_slice(part, key_size + 1, part.size), true, scratch, &pair.value);
    }
    if (err != NX_OK) {
        return err;
    }
    *out = pair;
    *has_pair = true;
    return NX_OK;
}

enum nx_err nx_url_query_find(struct nx_bytes query, const char *key, struct nx_writer *scratch,
                              struct nx_bytes *out, bool *has_value)
{
    struct nx_url_query q = nx_url_query(query);
    struct nx_bytes found = {0};
    bool is_found = false;
    for (;;) {
        struct nx_url_pair pair;
        bool has_pair;
        const enum nx_err err = nx_url_query_next(&q, scratch, &pair, &has_pair);
        if (err != NX_OK) {
            return err;
        }
        if (!has_pair) {
            break;
        }
        if (nx_bytes_is(pair.key, key)) {
            if (is_found) {
                return NX_E_MALFORMED;
            }
            found = pair.value;
            is_found = true;
        }
    }
    if (is_found) {
        *out = found;
    }
    *has_value = is_found;
    return NX_OK;
}

void nx_url_encode(struct nx_writer *w, struct nx_bytes text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.at[i];
        if (is_in(unreserved_set, c)) {
            nx_writer_u8(w, c);
        } else {
            const uint8_t escape[3] = {'%', (uint8_t)hex[c >> 4], (uint8_t)hex[c & 15]};
            nx_writer_put(w, escape, sizeof(escape));
        }
    }
}
