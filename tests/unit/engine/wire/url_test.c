/* Goal: a router never sees a segment that could mean something else to a file system. Method: tables. */
#include "engine/wire/url.h"

#include "tests/lib/check.h"

static uint8_t room[512];

/* Decodes `target` and writes its segments joined by '|', with a final '/' for a trailing slash. */
static enum nx_err path_of(const char *target, char *text, size_t text_size)
{
    struct nx_url url;
    struct nx_url_path path;
    struct nx_writer scratch = nx_writer_init(room, sizeof(room));
    enum nx_err err = nx_url_split(nx_bytes_text(target), &url);
    err = err == NX_OK ? nx_url_path_decode(url.path, &scratch, &path) : err;
    if (err != NX_OK) {
        return err;
    }
    struct nx_writer w = nx_writer_init(text, text_size - 1);
    for (size_t i = 0; i < path.count; i++) {
        nx_writer_text(&w, i == 0 ? "" : "|");
        nx_writer_bytes_put(&w, path.segments[i]);
    }
    nx_writer_text(&w, path.has_slash_end ? "/" : "");
    text[w.size] = '\0';
    return NX_OK;
}

TEST(url, paths_decode_or_are_refused)
{
    static const struct {
        const char *target;
        const char *path; /* NULL: refused */
    } rows[] = {
        {"/", ""},
        {"/a", "a"},
        {"/a/", "a/"},
        {"/api/v1/channels/12/messages?limit=5", "api|v1|channels|12|messages"},
        {"/%F0%9F%98%80%3a1/%41+b", "\xf0\x9f\x98\x80:1|A+b"},
        {"/...", "..."},
        {"/.well-known", ".well-known"},
        {"//", NULL},
        {"/a//b", NULL},
        {"/.", NULL},
        {"/..", NULL},
        {"/a/../b", NULL},
        {"/%2e%2e/etc", NULL},
        {"/%2E", NULL},
        {"/.%2e", NULL},
        {"/a%2fb", NULL},
        {"/a%5Cb", NULL},
        {"/a\\b", NULL},
        {"/%00", NULL},
        {"/a%0a", NULL},
        {"/%7f", NULL},
        {"/%c0%ae%c0%ae", NULL},
        {"/%e0%80%af", NULL},
        {"/%ed%a0%80", NULL},
        {"/%ff", NULL},
        {"/%", NULL},
        {"/%4", NULL},
        {"/%4g", NULL},
        {"/%g4", NULL},
        {"/a b", NULL},
        {"/\x80", NULL},
        {"/#", NULL},
        {"a", NULL},
        {"", NULL},
        {"*", NULL},
        {"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/33", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[256];
        const enum nx_err err = path_of(rows[i].target, text, sizeof(text));
        CHECK((err == NX_OK) == (rows[i].path != NULL), "%s: %d", rows[i].target, err);
        CHECK(err != NX_OK || strcmp(text, rows[i].path) == 0, "%s: %s", rows[i].target, text);
    }
}

TEST(url, query_pairs_come_one_by_one)
{
    struct nx_writer scratch = nx_writer_init(room, sizeof(room));
    struct nx_url_query q = nx_url_query(nx_bytes_text("&a=1&&b=%2B+x&c&=d&e=f=g&"));
    static const char *const expected[][2] = {{"a", "1"}, {"b", "+ x"}, {"c", ""}, {"", "d"}, {"e", "f=g"}};
    struct nx_url_pair pair;
    bool has_pair;
    for (size_t i = 0; i < 5; i++) {
        CHECK(nx_url_query_next(&q, &scratch, &pair, &has_pair) == NX_OK && has_pair, "%zu", i);
        CHECK(nx_bytes_is(pair.key, expected[i][0]) && nx_bytes_is(pair.value, expected[i][1]), "%zu", i);
    }
    CHECK(nx_url_query_next(&q, &scratch, &pair, &has_pair) == NX_OK && !has_pair, "end");
}

TEST(url, find_takes_one_value_and_refuses_two)
{
    struct nx_writer scratch = nx_writer_init(room, sizeof(room));
    struct nx_bytes value;
    bool has_value;
    CHECK(nx_url_query_find(nx_bytes_text("a=1&%62=2"), "b", &scratch, &value, &has_value) == NX_OK, "ok");
    CHECK(has_value && nx_bytes_is(value, "2"), "escaped key");
    CHECK(nx_url_query_find(nx_bytes_text("a=1"), "b", &scratch, &value, &has_value) == NX_OK && !has_value,
          "none");
    CHECK(nx_url_query_find(nx_bytes_text("b=1&b=1"), "b", &scratch, &value, &has_value) == NX_E_MALFORMED,
          "two");
    CHECK(nx_url_query_find(nx_bytes_text("b=1&c=%zz"), "b", &scratch, &value, &has_value) == NX_E_MALFORMED,
          "all checked");
    CHECK(nx_url_query_find(nx_bytes_text("b=%00"), "b", &scratch, &value, &has_value) == NX_E_MALFORMED,
          "NUL");
    CHECK(nx_url_query_find(nx_bytes_text("b=%ff"), "b", &scratch, &value, &has_value) == NX_E_MALFORMED,
          "UTF-8");
    struct nx_writer small = nx_writer_init(room, 2);
    CHECK(nx_url_query_find(nx_bytes_text("b=%41"), "b", &small, &value, &has_value) == NX_E_FULL, "scratch");
}

TEST(url, an_escape_never_reaches_past_its_part)
{
    struct nx_writer scratch = nx_writer_init(room, sizeof(room));
    struct nx_bytes out;
    CHECK(nx_url_decode(nx_bytes_of("%41", 2), false, &scratch, &out) == NX_E_MALFORMED, "two of three");
    CHECK(nx_url_decode(nx_bytes_of("%41", 1), false, &scratch, &out) == NX_E_MALFORMED, "one of three");
    CHECK(nx_url_decode(nx_bytes_of("%41", 3), false, &scratch, &out) == NX_OK && nx_bytes_is(out, "A"),
          "whole");
}

TEST(url, pairs_are_capped)
{
    char text[2 * (NX_URL_PAIRS_MAX + 1) + 1];
    for (size_t i = 0; i <= NX_URL_PAIRS_MAX; i++) {
        memcpy(text + 2 * i, "a&", 2);
    }
    struct nx_writer scratch = nx_writer_init(room, sizeof(room));
    struct nx_bytes value;
    bool has_value;
    CHECK(nx_url_query_find(nx_bytes_of(text, 2 * NX_URL_PAIRS_MAX), "x", &scratch, &value, &has_value) ==
              NX_OK,
          "at");
    CHECK(nx_url_query_find(nx_bytes_of(text, 2 * NX_URL_PAIRS_MAX + 2), "x", &scratch, &value, &has_value) ==
              NX_E_FULL,
          "above");
}

TEST(url, what_is_encoded_decodes_again)
{
    uint8_t text[254];
    uint8_t encoded[3 * sizeof(text)];
    size_t size = 0;
    for (unsigned c = 1; c < 128; c++) {
        text[size++] = (uint8_t)c;
    }
    memcpy(text + size, "\xc3\xa9\xf0\x9f\x98\x80", 6);
    size += 6;
    struct nx_writer w = nx_writer_init(encoded, sizeof(encoded));
    nx_url_encode(&w, nx_bytes_of(text, size));
    struct nx_writer scratch = nx_writer_init(room, sizeof(room));
    struct nx_bytes decoded;
    CHECK(nx_url_decode(nx_writer_bytes(&w), true, &scratch, &decoded) == NX_OK, "decodes");
    CHECK(nx_bytes_equal(decoded, nx_bytes_of(text, size)), "the same");
}
