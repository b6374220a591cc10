/* Goal: chunked bodies come out whole however they are cut, and everything doubtful is refused.
 * Method: a table of bodies, each fed whole, byte by byte and in all two-way splits. */
#include "engine/wire/http1_chunked.h"

#include "engine/wire/limits.h"
#include "tests/lib/check.h"

#include <string.h>

static uint8_t body[128 * 1024];
static size_t body_size;
static size_t consumed_size;
static bool is_done;

/* Feeds pieces of the given sizes in turn; 0 means everything that is left. */
static enum nx_err feed(const char *text, size_t size, size_t first, size_t step)
{
    static uint8_t piece[128 * 1024];
    struct nx_http1_chunked c;
    nx_http1_chunked_init(&c);
    body_size = consumed_size = 0;
    is_done = false;
    for (size_t at = 0; at < size && !is_done;) {
        size_t part = at == 0 ? first : step;
        part = part == 0 || part > size - at ? size - at : part;
        memcpy(piece, text + at, part);
        struct nx_http1_chunked_piece out;
        const enum nx_err err = nx_http1_chunked_feed(&c, piece, part, &out);
        if (err != NX_OK) {
            return err;
        }
        memcpy(body + body_size, piece, out.body_size);
        body_size += out.body_size;
        consumed_size += out.consumed_size;
        is_done = out.is_done;
        CHECK(is_done || out.consumed_size == part, "an unfinished body takes everything");
        at += part;
    }
    return is_done ? NX_OK : NX_E_TRUNCATED;
}

#define ROW(err, text, body)                                                                                 \
    {                                                                                                        \
        err, text, sizeof(text) - 1, body                                                                    \
    }

static const struct {
    enum nx_err err;
    const char *text;
    size_t size;
    const char *body;
} rows[] = {
    ROW(NX_OK, "0\r\n\r\n", ""),
    ROW(NX_OK, "5\r\nhello\r\n0\r\n\r\nGET", "hello"),
    ROW(NX_OK, "5;a=b;c=\"d;e\"\r\nhello\r\n1;\r\n!\r\n000\r\n\r\n", "hello!"),
    ROW(NX_OK, "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n", "01234567890123456789"),
    ROW(NX_OK, "00001\r\na\r\n00001\r\nb\r\n00001\r\nc\r\n00001\r\nd\r\n0\r\n\r\n", "abcd"),
    ROW(NX_E_TRUNCATED, "5\r\nhel", ""),
    ROW(NX_E_TRUNCATED, "0\r\n", ""),
    ROW(NX_E_TRUNCATED, "7fffffffffffffff\r\nx", ""),
    ROW(NX_E_MALFORMED, "8000000000000000\r\n", ""),
    ROW(NX_E_MALFORMED, "ffffffffffffffff\r\n", ""),
    ROW(NX_E_MALFORMED, "00000000000000005\r\n", ""),
    ROW(NX_E_MALFORMED, "10000000000000005\r\n", ""),
    ROW(NX_E_MALFORMED, "\r\n", ""),
    ROW(NX_E_MALFORMED, ";a\r\n", ""),
    ROW(NX_E_MALFORMED, "g\r\n", ""),
    ROW(NX_E_MALFORMED, "-1\r\n", ""),
    ROW(NX_E_MALFORMED, "+1\r\n", ""),
    ROW(NX_E_MALFORMED, "0x1\r\n", ""),
    ROW(NX_E_MALFORMED, " 1\r\n", ""),
    ROW(NX_E_MALFORMED, "1 \r\nx", ""),
    ROW(NX_E_MALFORMED, "1 ;a\r\nx", ""),
    ROW(NX_E_MALFORMED, "1\nx\r\n", ""),
    ROW(NX_E_MALFORMED, "1\rx", ""),
    ROW(NX_E_MALFORMED, "1;a\nx", ""),
    ROW(NX_E_MALFORMED, "1;a\0\r\nx", ""),
    ROW(NX_E_MALFORMED, "1;a\x7f\r\nx", ""),
    ROW(NX_E_MALFORMED, "1\r\nxy\r\n", ""),
    ROW(NX_E_MALFORMED, "1\r\nx\n0\r\n\r\n", ""),
    ROW(NX_E_MALFORMED, "1\r\nx\rx", ""),
    ROW(NX_E_MALFORMED, "0\r\n X: y\r\n\r\n", ""),
    ROW(NX_E_MALFORMED, "0\r\nX : y\r\n\r\n", ""),
    ROW(NX_E_MALFORMED, "0\r\n: y\r\n\r\n", ""),
    ROW(NX_E_MALFORMED, "0\r\nX: y\n\r\n", ""),
    ROW(NX_E_MALFORMED, "0\r\nX: y\r\n z\r\n\r\n", ""),
    ROW(NX_E_MALFORMED, "0\r\nX: \x01\r\n\r\n", ""),
    ROW(NX_E_MALFORMED, "0\r\n\n", ""),
    ROW(NX_E_MALFORMED, "0\r\n\rx", ""),
};

static void verify(size_t row, enum nx_err err, size_t first)
{
    CHECK(err == rows[row].err, "row %zu cut at %zu: %d", row, first, err);
    if (err == NX_OK) {
        CHECK(body_size == strlen(rows[row].body) && memcmp(body, rows[row].body, body_size) == 0,
              "row %zu: body", row);
        const bool has_rest = strstr(rows[row].text, "GET") != NULL;
        CHECK(consumed_size == rows[row].size - (has_rest ? 3 : 0) || first != 0, "row %zu: %zu", row,
              consumed_size);
    }
}

TEST(http1_chunked, every_body_of_the_table_gets_its_verdict_however_it_arrives)
{
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        verify(row, feed(rows[row].text, rows[row].size, 0, 0), 0);
        for (size_t first = 1; first < rows[row].size; first++) {
            verify(row, feed(rows[row].text, rows[row].size, first, 0), first);
        }
        verify(row, feed(rows[row].text, rows[row].size, 1, 1), 1);
    }
}

static char big[128 * 1024];

TEST(http1_chunked, extensions_are_capped_per_body)
{
    memset(big, 'x', sizeof(big));
    memcpy(big, "1;", 2);
    memcpy(big + 2 + NX_HTTP1_CHUNK_EXTENSIONS_MAX, "\r\ny\r\n0\r\n\r\n", 10);
    CHECK(feed(big, 2 + NX_HTTP1_CHUNK_EXTENSIONS_MAX + 10, 0, 0) == NX_OK, "at the cap");
    memset(big + 2, 'x', sizeof(big) - 2);
    CHECK(feed(big, 64 * 1024, 0, 0) == NX_E_MALFORMED, "64 KiB");
    size_t size = 0;
    while (size + 16 < sizeof(big)) { /* many small ones count together */
        memcpy(big + size, "1;12345678\r\nx\r\n", 15);
        size += 15;
    }
    CHECK(feed(big, size, 0, 0) == NX_E_MALFORMED, "many");
}

TEST(http1_chunked, trailers_are_capped)
{
    memset(big, 'x', sizeof(big));
    memcpy(big, "0\r\nA: ", 6);
    CHECK(feed(big, NX_HTTP1_TRAILERS_MAX, 0, 0) == NX_E_TRUNCATED, "below");
    CHECK(feed(big, 6 + NX_HTTP1_TRAILERS_MAX, 0, 0) == NX_E_MALFORMED, "above");
    CHECK(feed(big, 6 + NX_HTTP1_TRAILERS_MAX, 1, 1) == NX_E_MALFORMED, "byte by byte");
}
