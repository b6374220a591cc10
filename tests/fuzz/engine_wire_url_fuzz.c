/* Property: what comes out of a path is safe to route, decoding never grows, and encoding is its inverse. */
#include "engine/base/text.h"
#include "engine/wire/url.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static uint8_t room[8192];
static uint8_t encoded[3 * sizeof(room)];

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check_text(struct nx_bytes text)
{
    require(nx_text_is_utf8(text) && (text.size == 0 || memchr(text.at, '\0', text.size) == NULL));
    struct nx_writer w = nx_writer_init(encoded, sizeof(encoded));
    nx_url_encode(&w, text);
    static uint8_t again[sizeof(room)];
    struct nx_writer scratch = nx_writer_init(again, sizeof(again));
    scratch.room = sizeof(again);
    struct nx_bytes back;
    require(nx_writer_ok(&w));
    if (w.size <= sizeof(again)) {
        require(nx_url_decode(nx_writer_bytes(&w), true, &scratch, &back) == NX_OK &&
                nx_bytes_equal(back, text));
    }
}

static void check_path(struct nx_bytes path)
{
    struct nx_url_path out;
    struct nx_writer scratch = nx_writer_init(room, path.size);
    const enum nx_err err = nx_url_path_decode(path, &scratch, &out);
    require(err == NX_OK || err == NX_E_MALFORMED || err == NX_E_FULL);
    for (size_t i = 0; err == NX_OK && i < out.count; i++) {
        const struct nx_bytes segment = out.segments[i];
        require(segment.size != 0 && !nx_bytes_is(segment, ".") && !nx_bytes_is(segment, ".."));
        require(memchr(segment.at, '/', segment.size) == NULL &&
                memchr(segment.at, '\\', segment.size) == NULL);
        check_text(segment);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct nx_url url;
    if (size > sizeof(room) || nx_url_split(nx_bytes_of(bytes, size), &url) != NX_OK) {
        return 0;
    }
    require(url.path.size + url.query.size <= size);
    check_path(url.path);
    struct nx_writer scratch = nx_writer_init(room, url.query.size);
    struct nx_url_query q = nx_url_query(url.query);
    struct nx_url_pair pair;
    bool has_pair = true;
    for (size_t count = 0; has_pair; count++) {
        if (nx_url_query_next(&q, &scratch, &pair, &has_pair) != NX_OK) {
            break;
        }
        require(count <= NX_URL_PAIRS_MAX);
        if (has_pair) {
            check_text(pair.key);
            check_text(pair.value);
        }
    }
    return 0;
}
