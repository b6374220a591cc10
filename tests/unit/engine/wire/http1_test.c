/* Goal: every rule of http1.h answers with its own error, and how the bytes arrive never changes the verdict.
 * Method: a table of heads, each fed whole, byte by byte and in all two-way splits. */
#include "engine/wire/http1.h"

#include "tests/lib/check.h"

#include <string.h>

#define GET  "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"

static struct nx_http1_request request;

/* Feeds `size` bytes whole after having shown the first `first` of them; returns the first verdict that is not
 * TRUNCATED. */
static enum nx_err feed_split(const char *text, size_t size, size_t first)
{
    enum nx_err err = nx_http1_request_parse(nx_bytes_of(text, first), 0, &request);
    return err != NX_E_TRUNCATED ? err : nx_http1_request_parse(nx_bytes_of(text, size), first, &request);
}

static enum nx_err feed_bytes(const char *text, size_t size)
{
    enum nx_err err = NX_E_TRUNCATED;
    for (size_t i = 1; i <= size && err == NX_E_TRUNCATED; i++) {
        err = nx_http1_request_parse(nx_bytes_of(text, i), i - 1, &request);
    }
    return err;
}

static enum nx_err feed_all_ways(const char *text, size_t size)
{
    const enum nx_err whole = nx_http1_request_parse(nx_bytes_of(text, size), 0, &request);
    const enum nx_err bytes = feed_bytes(text, size);
    CHECK(bytes == whole, "byte by byte %d, whole %d: %.60s", bytes, whole, text);
    for (size_t first = 1; first < size; first++) {
        const enum nx_err split = feed_split(text, size, first);
        CHECK(split == whole, "split at %zu gives %d, whole %d: %.60s", first, split, whole, text);
    }
    if (whole == NX_OK) {
        const size_t head_size = request.head_size;
        for (size_t prefix = 0; prefix < head_size; prefix++) {
            const enum nx_err err = nx_http1_request_parse(nx_bytes_of(text, prefix), 0, &request);
            CHECK(err == NX_E_TRUNCATED, "prefix %zu of %zu gives %d: %.60s", prefix, head_size, err, text);
        }
    }
    return nx_http1_request_parse(nx_bytes_of(text, size), 0, &request);
}

#define ROW(status, text)                                                                                    \
    {                                                                                                        \
        status, text, sizeof(text) - 1                                                                       \
    }

static const struct {
    uint16_t status; /* 200 for a good head */
    const char *text;
    size_t size;
} heads[] = {
    ROW(200, GET "\r\n"),
    ROW(200, "\r\n" GET "\r\n"),
    ROW(400, "\r\n\r\n" GET "\r\n"),
    ROW(200, "GET / HTTP/1.0\r\n\r\n"),
    ROW(400, "GET / HTTP/1.1\r\n\r\n"),
    ROW(400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    ROW(400, "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n"),
    ROW(400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    ROW(400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    ROW(400, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"),
    ROW(400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    ROW(400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    ROW(400, "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"),
    ROW(400, "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n"),
    ROW(400, "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"),
    ROW(400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    ROW(400, "GET / HTTP/1.1\r\nHost: []\r\n\r\n"),
    ROW(400, "GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n"),
    ROW(200, "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"),
    ROW(200, "GET / HTTP/1.1\r\nHost: xn--bcher-kva.example:65535\r\n\r\n"),
    ROW(400, POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ROW(400, POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
    ROW(400, POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
    ROW(400, POST "Content-Length: 5\r\ncontent-length: 5\r\n\r\n"),
    ROW(400, POST "Content-Length: 5, 5\r\n\r\n"),
    ROW(200, POST "Content-Length: 5\r\n\r\n"),
    ROW(200, POST "Content-Length:5\r\n\r\n"),
    ROW(200, POST "Content-Length: 9223372036854775807\r\n\r\n"),
    ROW(400, POST "Content-Length: 12345678901234567890\r\n\r\n"),
    ROW(400, POST "Content-Length: +5\r\n\r\n"),
    ROW(400, POST "Content-Length: -5\r\n\r\n"),
    ROW(400, POST "Content-Length: 0x5\r\n\r\n"),
    ROW(400, POST "Content-Length:  5\r\n\r\n"),
    ROW(400, POST "Content-Length: 5 \r\n\r\n"),
    ROW(400, POST "Content-Length:\t5\r\n\r\n"),
    ROW(400, POST "Content-Length:\r\n\r\n"),
    ROW(400, POST "Content-Length: 5 5\r\n\r\n"),
    ROW(200, POST "Transfer-Encoding: chunked\r\n\r\n"),
    ROW(200, POST "transfer-encoding:CHUNKED\r\n\r\n"),
    ROW(400, POST "Transfer-Encoding: chunked, identity\r\n\r\n"),
    ROW(400, POST "Transfer-Encoding: identity, chunked\r\n\r\n"),
    ROW(400, POST "Transfer-Encoding: gzip\r\n\r\n"),
    ROW(400, POST "Transfer-Encoding: xchunked\r\n\r\n"),
    ROW(400, POST "Transfer-Encoding: chunked\t\r\n\r\n"),
    ROW(400, POST "Transfer-Encoding: \tchunked\r\n\r\n"),
    ROW(400, POST "Transfer-Encoding: \"chunked\"\r\n\r\n"),
    ROW(400, POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ROW(400, POST "Transfer-Encoding:\r\n\r\n"),
    ROW(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ROW(400, "GET / HTTP/1.1\nHost: a\r\n\r\n"),
    ROW(400, GET "A: b\nC: d\r\n\r\n"),
    ROW(400, GET "A: b\n\n"),
    ROW(400, GET "A: b\rC: d\r\n\r\n"),
    ROW(400, GET "A: b\r\r\n\r\n"),
    ROW(400, GET "A: b\r\n c\r\n\r\n"),
    ROW(400, GET "A: b\r\n\tc\r\n\r\n"),
    ROW(400, GET " A: b\r\n\r\n"),
    ROW(400, GET "A : b\r\n\r\n"),
    ROW(400, GET "A\t: b\r\n\r\n"),
    ROW(400, GET ": b\r\n\r\n"),
    ROW(400, GET "A\r\n\r\n"),
    ROW(400, GET "A\0B: c\r\n\r\n"),
    ROW(400, GET "A\x80: c\r\n\r\n"),
    ROW(400, GET "A(: c\r\n\r\n"),
    ROW(400, GET "A: c\0d\r\n\r\n"),
    ROW(400, GET "A: c\x01\r\n\r\n"),
    ROW(400, GET "A: a long value that fills more than one vector before it has a \x7f in it\r\n\r\n"),
    ROW(200, GET "A: tab\tinside and \xc3\xa9 above, a long value that fills more than one vector\r\n\r\n"),
    ROW(200, GET "A:\r\n\r\n"),
    ROW(200, GET "A: \t \r\n\r\n"),
    ROW(400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(400, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    ROW(400, "GET /\r\n\r\n"),
    ROW(400, "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(400, "GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(400, "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(400, "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(400, "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(400, "GET /\"x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(200, "GET /a?b=%20|{}^`\\ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(400, "GET / http/1.1\r\nHost: a\r\n\r\n"),
    ROW(400, "GET / HTTP/11\r\nHost: a\r\n\r\n"),
    ROW(505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    ROW(505, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    ROW(505, "GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
    ROW(501, "get / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(501, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ROW(501, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
    ROW(501, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(400, "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(400, "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJ / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    ROW(200, "GET http://A.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    ROW(200, "GET HTTPS://a:8080 HTTP/1.1\r\nHost: A:8080\r\n\r\n"),
    ROW(400, "GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(400, "GET http://a:80/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(400, "GET http://u@a/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(400, "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(400, "GET http://a?x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(400, "GET ftp://a/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(400, "GET http://a/ HTTP/1.0\r\n\r\n"),
    ROW(200, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW(200, POST "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n"),
    ROW(417, POST "Content-Length: 1\r\nExpect: 200-ok\r\n\r\n"),
};

TEST(http1, every_head_of_the_table_gets_its_status_however_it_arrives)
{
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        const enum nx_err err = feed_all_ways(heads[i].text, heads[i].size);
        CHECK(nx_http1_status_of(err) == heads[i].status, "row %zu: %d, not %d: %s", i,
              nx_http1_status_of(err), heads[i].status, heads[i].text);
    }
}

TEST(http1, parts_of_a_request_are_views_into_it)
{
    const char text[] =
        "PATCH /api?x=1 HTTP/1.1\r\nHost: nexus.example:8443\r\nX-Empty:\r\nX-Two:  a b \t\r\n"
        "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nContent-Length: 42\r\n\r\nbody";
    CHECK(feed_all_ways(text, sizeof(text) - 1) == NX_OK, "parses");
    CHECK(request.method == NX_HTTP1_METHOD_PATCH && request.version_minor == 1, "line");
    CHECK(nx_bytes_is(request.target, "/api?x=1") && nx_bytes_is(request.host, "nexus.example:8443"),
          "target");
    CHECK(request.has_length && request.content_length == 42 && !request.is_chunked, "framing");
    CHECK(request.is_upgrade && request.is_keep_alive && !request.expects_continue, "connection");
    CHECK(request.head_size == sizeof(text) - 1 - 4, "size %zu", request.head_size);
    CHECK(request.headers.count == 6, "count %d", request.headers.count);
    CHECK(nx_bytes_is(nx_http1_header_find(&request.headers, "x-two")->value, "a b"), "trimmed");
    CHECK(nx_http1_header_find(&request.headers, "X-EMPTY")->value.size == 0, "empty");
    CHECK(nx_http1_header_find(&request.headers, "x-tw") == NULL, "no prefix match");
    CHECK(nx_http1_header_count(&request.headers, "host") == 1, "count of one name");
    CHECK(nx_http1_header_has_token(&request.headers, "connection", "upgrade"), "token");
    CHECK(!nx_http1_header_has_token(&request.headers, "connection", "up"), "no part of a token");
}

TEST(http1, absolute_form_is_cut_down_to_the_path)
{
    const char text[] = "GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n";
    CHECK(feed_all_ways(text, sizeof(text) - 1) == NX_OK && nx_bytes_is(request.target, "/x?y"), "cut");
    const char bare[] = "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n";
    CHECK(feed_all_ways(bare, sizeof(bare) - 1) == NX_OK && nx_bytes_is(request.target, "/"), "empty path");
}

TEST(http1, keep_alive_follows_version_and_connection)
{
    static const struct {
        const char *text;
        bool is_keep_alive;
    } rows[] = {
        {GET "\r\n", true},
        {GET "Connection: close\r\n\r\n", false},
        {GET "Connection: foo, CLOSE\r\n\r\n", false},
        {GET "Connection: keep-alive\r\nConnection: close\r\n\r\n", false},
        {GET "Connection: \"close\"\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK(feed_all_ways(rows[i].text, strlen(rows[i].text)) == NX_OK, "row %zu", i);
        CHECK(request.is_keep_alive == rows[i].is_keep_alive, "row %zu", i);
    }
}

TEST(http1, upgrade_needs_both_headers_and_version_1_1)
{
    CHECK(feed_all_ways(GET "Upgrade: x\r\n\r\n", sizeof(GET "Upgrade: x\r\n\r\n") - 1) == NX_OK, "ok");
    CHECK(!request.is_upgrade, "no Connection");
    const char old[] = "GET / HTTP/1.0\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
    CHECK(feed_all_ways(old, sizeof(old) - 1) == NX_OK && !request.is_upgrade, "1.0");
}

TEST(http1, pipelined_requests_come_out_in_order)
{
    const char one[] = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
    char text[(sizeof(one) - 1) * 1000];
    for (size_t i = 0; i < 1000; i++) {
        memcpy(text + i * (sizeof(one) - 1), one, sizeof(one) - 1);
    }
    struct nx_bytes rest = nx_bytes_of(text, sizeof(text));
    size_t count = 0;
    while (nx_http1_request_parse(rest, 0, &request) == NX_OK) {
        CHECK(nx_bytes_is(request.target, "/1"), "request %zu", count);
        rest = nx_bytes_slice(rest, request.head_size, rest.size);
        count++;
    }
    CHECK(count == 1000 && rest.size == 0, "%zu", count);
}

static char big[64 * 1024];

/* Fills `big` with a request whose target is `target_size` characters; returns its size. */
static size_t long_target(size_t target_size)
{
    memcpy(big, "GET ", 4);
    memset(big + 4, 'a', target_size);
    big[4] = '/';
    memcpy(big + 4 + target_size, " HTTP/1.1\r\nHost: a\r\n\r\n", 22);
    return 4 + target_size + 22;
}

TEST(http1, request_line_cap_is_exact)
{
    const size_t largest = NX_HTTP1_REQUEST_LINE_MAX - 13;
    CHECK(feed_all_ways(big, long_target(largest)) == NX_OK, "at the cap");
    CHECK(feed_all_ways(big, long_target(largest + 1)) == NX_E_HTTP_TARGET_LONG, "one more");
    CHECK(feed_bytes(big, long_target(40000)) == NX_E_HTTP_TARGET_LONG, "far more");
    size_t seen = 1;
    while (nx_http1_request_parse(nx_bytes_of(big, seen), seen - 1, &request) == NX_E_TRUNCATED) {
        seen++;
    }
    CHECK(seen <= NX_HTTP1_REQUEST_LINE_MAX + 4, "no more is waited for than needed: %zu", seen);
    memset(big, 'A', sizeof(big));
    CHECK(feed_bytes(big, sizeof(big)) == NX_E_MALFORMED, "endless method");
}

/* Fills `big` with a head of exactly `size` bytes. */
static void head_of(size_t size)
{
    memset(big, 'x', sizeof(big));
    memcpy(big, GET "A: ", sizeof(GET "A: ") - 1);
    memcpy(big + size - 4, "\r\n\r\n", 4);
}

TEST(http1, head_cap_is_exact)
{
    head_of(NX_HTTP1_HEAD_MAX);
    CHECK(feed_all_ways(big, NX_HTTP1_HEAD_MAX) == NX_OK, "at the cap");
    head_of(NX_HTTP1_HEAD_MAX + 1);
    CHECK(nx_http1_request_parse(nx_bytes_of(big, NX_HTTP1_HEAD_MAX + 1), 0, &request) ==
              NX_E_HTTP_HEAD_LARGE,
          "one more");
    CHECK(feed_bytes(big, NX_HTTP1_HEAD_MAX + 1) == NX_E_HTTP_HEAD_LARGE, "one more, byte by byte");
    size_t seen = 1;
    while (nx_http1_request_parse(nx_bytes_of(big, seen), seen - 1, &request) == NX_E_TRUNCATED) {
        seen++;
    }
    CHECK(seen == NX_HTTP1_HEAD_MAX, "no more is waited for than needed: %zu", seen);
    head_of(sizeof(big));
    CHECK(feed_split(big, sizeof(big), 20000) == NX_E_HTTP_HEAD_LARGE, "far more");
}

TEST(http1, a_hundred_headers_are_the_most)
{
    for (size_t count = NX_HTTP1_HEADERS_MAX; count <= NX_HTTP1_HEADERS_MAX + 1; count++) {
        size_t size = 0;
        memcpy(big, GET, sizeof(GET) - 1);
        size += sizeof(GET) - 1;
        for (size_t i = 1; i < count; i++) {
            memcpy(big + size, "A: b\r\n", 6);
            size += 6;
        }
        memcpy(big + size, "\r\n", 2);
        size += 2;
        const enum nx_err err = feed_all_ways(big, size);
        CHECK(err == (count <= NX_HTTP1_HEADERS_MAX ? NX_OK : NX_E_HTTP_HEAD_LARGE), "%zu headers: %d", count,
              err);
    }
}

TEST(http1, lists_are_cut_at_commas_outside_quotes)
{
    struct nx_bytes rest = nx_bytes_text(" , a;b=\"x,\\\"y\" ,\t,c , ");
    struct nx_bytes element;
    CHECK(nx_http1_list_next(&rest, &element) && nx_bytes_is(element, "a;b=\"x,\\\"y\""), "first");
    CHECK(nx_http1_list_next(&rest, &element) && nx_bytes_is(element, "c"), "second");
    CHECK(!nx_http1_list_next(&rest, &element), "end");
    rest = nx_bytes_text("\"never closed, a");
    CHECK(nx_http1_list_next(&rest, &element) && !nx_http1_list_next(&rest, &element),
          "an open quote takes all");
}
