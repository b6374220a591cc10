/* Goal: only a handshake of RFC 6455 section 4 passes, and both ends agree.
 * Method: a table of requests, the RFC's own example, and a round trip. */
#include "engine/wire/ws_handshake.h"

#include "tests/lib/check.h"

#define START "GET /gateway?v=1 HTTP/1.1\r\nHost: a\r\n"
#define UP    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define V13   "Sec-WebSocket-Version: 13\r\n"

static struct nx_http1_request request;

static enum nx_err check(const char *text, struct nx_ws_handshake *out)
{
    const enum nx_err err = nx_http1_request_parse(nx_bytes_text(text), 0, &request);
    return err != NX_OK ? err : nx_ws_handshake_check(&request, out);
}

TEST(ws_handshake, every_request_of_the_table_gets_its_status)
{
    static const struct {
        uint16_t status;
        const char *text;
    } rows[] = {
        {200, START UP KEY V13 "\r\n"},
        {200, START UP KEY V13 "Origin: https://a\r\n\r\n"},
        {200, START "upgrade: WebSocket\r\nconnection: keep-alive, upgrade\r\n" KEY V13 "\r\n"},
        {426, START KEY V13 "\r\n"},
        {426, START "Upgrade: websocket\r\n" KEY V13 "\r\n"},
        {426, START "Connection: Upgrade\r\n" KEY V13 "\r\n"},
        {426, START "Upgrade: h2c\r\nConnection: Upgrade\r\n" KEY V13 "\r\n"},
        {426, "GET / HTTP/1.0\r\nHost: a\r\n" UP KEY V13 "\r\n"},
        {400, START "Upgrade: websocket\r\n" UP KEY V13 "\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\n" UP KEY V13 "\r\n"},
        {400, START UP KEY V13 "Content-Length: 5\r\n\r\n"},
        {200, START UP KEY V13 "Content-Length: 0\r\n\r\n"},
        {400, START UP KEY V13 "Transfer-Encoding: chunked\r\n\r\n"},
        {400, START UP V13 "\r\n"},
        {400, START UP KEY KEY V13 "\r\n"},
        {400, START UP V13 "Sec-WebSocket-Key:\r\n\r\n"},
        {400, START UP V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n\r\n"},
        {400, START UP V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQA=\r\n\r\n"},
        {400, START UP V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==A\r\n\r\n"},
        {400, START UP V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j-_==\r\n\r\n"},
        {400, START UP V13 "Sec-WebSocket-Key: ========================\r\n\r\n"},
        {426, START UP KEY "Sec-WebSocket-Version: 12\r\n\r\n"},
        {426, START UP KEY "Sec-WebSocket-Version: 8, 13\r\n\r\n"},
        {426, START UP KEY "Sec-WebSocket-Version: 013\r\n\r\n"},
        {400, START UP KEY "\r\n"},
        {400, START UP KEY V13 V13 "\r\n"},
        {400, START UP KEY V13 "Origin: a\r\nOrigin: b\r\n\r\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct nx_ws_handshake out;
        const enum nx_err err = check(rows[i].text, &out);
        CHECK(nx_http1_status_of(err) == rows[i].status, "row %zu: %d: %s", i, err, rows[i].text);
    }
}

TEST(ws_handshake, origin_is_told_apart_from_none)
{
    struct nx_ws_handshake out;
    CHECK(check(START UP KEY V13 "\r\n", &out) == NX_OK && !out.has_origin, "absent");
    CHECK(check(START UP KEY V13 "Origin: null\r\n\r\n", &out) == NX_OK && out.has_origin, "null");
    CHECK(nx_bytes_is(out.origin, "null"), "as sent");
}

TEST(ws_handshake, accept_value_is_that_of_the_rfc)
{
    char accept[NX_WS_HANDSHAKE_ACCEPT_SIZE];
    CHECK(nx_ws_handshake_accept(nx_bytes_text("dGhlIHNhbXBsZSBub25jZQ=="), accept) == NX_OK, "computes");
    CHECK(memcmp(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sizeof(accept)) == 0, "RFC 6455 section 1.3");
}

TEST(ws_handshake, subprotocols_are_compared_exactly)
{
    struct nx_ws_handshake out;
    CHECK(check(START UP KEY V13 "Sec-WebSocket-Protocol: a, nexus\r\nSec-WebSocket-Protocol: b\r\n\r\n",
                &out) == NX_OK,
          "ok");
    CHECK(nx_ws_handshake_offers(&request, "nexus") && nx_ws_handshake_offers(&request, "b"), "offered");
    CHECK(!nx_ws_handshake_offers(&request, "NEXUS") && !nx_ws_handshake_offers(&request, "nex"),
          "not offered");
}

TEST(ws_handshake, client_and_server_agree)
{
    static const uint8_t random[16] = {1, 2, 3, 250};
    char key[NX_WS_HANDSHAKE_KEY_SIZE];
    nx_ws_handshake_key(random, key);
    const struct nx_ws_handshake_request ask = {.target = nx_bytes_text("/gateway"),
                                                .host = nx_bytes_text("a:1"),
                                                .key = nx_bytes_of(key, sizeof(key)),
                                                .origin = nx_bytes_text("http://a")};
    char text[512];
    struct nx_writer w = nx_writer_init(text, sizeof(text) - 1);
    nx_ws_handshake_ask(&w, &ask);
    text[w.size] = '\0';
    struct nx_ws_handshake out;
    CHECK(check(text, &out) == NX_OK && nx_bytes_is(out.origin, "http://a"), "request");
    char answer[512];
    w = nx_writer_init(answer, sizeof(answer));
    CHECK(nx_ws_handshake_answer(&w, out.key, nx_bytes_text("p"), (struct nx_bytes){0}) == NX_OK, "answer");
    struct nx_http1_response response;
    CHECK(nx_http1_response_parse(nx_writer_bytes(&w), 0, false, &response) == NX_OK, "parses");
    CHECK(response.head_size == w.size && !response.has_body, "no body");
    CHECK(nx_ws_handshake_verify(&response, ask.key) == NX_OK, "verifies");
    CHECK(nx_ws_handshake_verify(&response, nx_bytes_text("dGhlIHNhbXBsZSBub25jZQ==")) == NX_E_MALFORMED,
          "another key");
    w = nx_writer_init(answer, 20);
    CHECK(nx_ws_handshake_answer(&w, out.key, (struct nx_bytes){0}, (struct nx_bytes){0}) == NX_E_FULL,
          "too small");
}
