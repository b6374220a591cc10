/* Goal: what the writer writes the parser reads, nothing can be smuggled into a head, and answers are framed as RFC 9112 6.3 says.
 * Method: round trips and a table of heads, each also in every two-way split. */
#include "engine/wire/http1_response.h"

#include "tests/lib/check.h"

static struct nx_http1_response response;

static enum nx_err feed(const char *text, bool is_head_answer)
{
    const size_t size = strlen(text);
    const enum nx_err whole = nx_http1_response_parse(nx_bytes_of(text, size), 0, is_head_answer, &response);
    for (size_t first = 0; first < size; first++) {
        enum nx_err err = nx_http1_response_parse(nx_bytes_of(text, first), 0, is_head_answer, &response);
        if (err == NX_E_TRUNCATED) {
            err = nx_http1_response_parse(nx_bytes_of(text, size), first, is_head_answer, &response);
        }
        CHECK(err == whole, "split at %zu: %d, whole %d: %s", first, err, whole, text);
    }
    return nx_http1_response_parse(nx_bytes_of(text, size), 0, is_head_answer, &response);
}

TEST(http1_response, written_heads_read_back)
{
    char text[512];
    struct nx_writer w = nx_writer_init(text, sizeof(text) - 1);
    nx_http1_response_begin(&w, 431);
    nx_http1_response_header_text(&w, "Content-Type", "application/json");
    nx_http1_response_header_u64(&w, "X-Big", UINT64_MAX);
    nx_http1_response_length(&w, 12);
    nx_http1_response_end(&w);
    CHECK(nx_writer_ok(&w), "fits");
    text[w.size] = '\0';
    CHECK(feed(text, false) == NX_OK && response.head_size == w.size, "reads");
    CHECK(response.status == 431 && nx_bytes_is(response.reason, "Request Header Fields Too Large"), "line");
    CHECK(response.content_length == 12 && response.has_body && response.is_keep_alive, "framing");
    CHECK(nx_bytes_is(nx_http1_header_find(&response.headers, "x-big")->value, "18446744073709551615"),
          "number");
}

TEST(http1_response, what_would_break_the_head_fails_the_writer)
{
    static const char *const values[] = {"a\r\nSet-Cookie: x", "a\n", "\x7f", "a\x01"};
    char text[256];
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct nx_writer w = nx_writer_init(text, sizeof(text));
        nx_http1_response_header_text(&w, "Location", values[i]);
        CHECK(!nx_writer_ok(&w) && w.size == 0, "value %zu", i);
    }
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    nx_http1_response_header(&w, "Location", nx_bytes_of("a\0b", 3));
    CHECK(!nx_writer_ok(&w), "NUL");
    w = nx_writer_init(text, sizeof(text));
    nx_http1_response_header_text(&w, "Bad name", "x");
    CHECK(!nx_writer_ok(&w), "name");
    w = nx_writer_init(text, sizeof(text));
    nx_http1_response_begin(&w, 99);
    CHECK(!nx_writer_ok(&w), "status");
}

TEST(http1_response, framing_follows_the_status_and_the_headers)
{
    static const struct {
        const char *text;
        enum nx_err err;
        bool is_head, has_body, is_chunked, is_until_close, is_keep_alive;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", NX_OK, false, true, false, false, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", NX_OK, true, false, false, false, true},
        {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", NX_OK, false, false, false, false, true},
        {"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n", NX_OK, false, true, true, false, true},
        {"HTTP/1.1 200 OK\r\n\r\n", NX_OK, false, true, false, true, false},
        {"HTTP/1.1 204 No Content\r\n\r\n", NX_OK, false, false, false, false, true},
        {"HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n", NX_OK, false, false, false, false, true},
        {"HTTP/1.1 101 Switching Protocols\r\n\r\n", NX_OK, false, false, false, false, true},
        {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", NX_OK, false, false, false, false, false},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", NX_OK, false, false, false,
         false, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", NX_E_MALFORMED, 0, 0,
         0, 0, 0},
        {"HTTP/2.0 200 OK\r\n\r\n", NX_E_HTTP_VERSION, 0, 0, 0, 0, 0},
        {"HTTP/1.1 099 OK\r\n\r\n", NX_E_MALFORMED, 0, 0, 0, 0, 0},
        {"HTTP/1.1 600 OK\r\n\r\n", NX_E_MALFORMED, 0, 0, 0, 0, 0},
        {"HTTP/1.1 20 OK\r\n\r\n", NX_E_MALFORMED, 0, 0, 0, 0, 0},
        {"HTTP/1.1 2000 OK\r\n\r\n", NX_E_MALFORMED, 0, 0, 0, 0, 0},
        {"HTTP/1.1 200 O\rK\r\n\r\n", NX_E_MALFORMED, 0, 0, 0, 0, 0},
        {"HTTP/1.1 200 OK\n\r\n", NX_E_MALFORMED, 0, 0, 0, 0, 0},
        {"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", NX_E_MALFORMED, 0, 0, 0, 0, 0},
        {"ICY 200 OK but long enough\r\n\r\n", NX_E_MALFORMED, 0, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const enum nx_err err = feed(rows[i].text, rows[i].is_head);
        CHECK(err == rows[i].err, "row %zu: %d", i, err);
        CHECK(err != NX_OK ||
                  (response.has_body == rows[i].has_body && response.is_chunked == rows[i].is_chunked &&
                   response.is_until_close == rows[i].is_until_close &&
                   response.is_keep_alive == rows[i].is_keep_alive),
              "row %zu", i);
    }
}
