/* Properties: what a client asks for is what the server reads, its answer verifies with that key and with no other, and the
 * compression agreed on is the same on both sides; a request of any bytes passes the check exactly when a reader of the header
 * lines says so. The first byte chooses: parts of a request to write, or header lines as they come. */
#include "engine/base/text.h"
#include "engine/wire/deflate.h"
#include "engine/wire/ws_handshake.h"
#include "tests/fuzz/fuzz.h"

enum { ROOM = 8192 };

static struct nx_http1_request request;
static struct nx_http1_response response;

/* What may stand in a request target. */
static bool is_plain(struct nx_bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] <= 0x20 || text.at[i] >= 0x7f || strchr("\"#<>", text.at[i]) != NULL) {
            return false;
        }
    }
    return true;
}

static void check_answer(const struct nx_ws_handshake *handshake, struct nx_bytes protocol, uint8_t flip)
{
    uint8_t text[1024];
    uint8_t terms_text[NX_DEFLATE_ANSWER_SIZE_MAX];
    struct nx_deflate_terms agreed = {.is_agreed = true};
    const struct nx_deflate_terms terms = nx_deflate_choose(&request.headers);
    struct nx_writer extensions = nx_writer_init(terms_text, sizeof(terms_text));
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    if (terms.is_agreed) {
        fuzz_check(terms.server_window_bits >= 8 && terms.server_window_bits <= 15, "window");
        nx_deflate_answer(&extensions, &terms);
        fuzz_check(nx_writer_ok(&extensions), "terms fit");
    }
    const enum nx_err err =
        nx_ws_handshake_answer(&w, handshake->key, protocol, nx_writer_bytes(&extensions));
    if (err != NX_OK) {
        fuzz_check(err == NX_E_FULL && protocol.size != 0, "answer");
        return;
    }
    fuzz_check(nx_http1_response_parse(nx_writer_bytes(&w), 0, false, &response) == NX_OK &&
                   response.status == 101 && response.head_size == w.size,
               "the answer is a head");
    fuzz_check(nx_ws_handshake_verify(&response, handshake->key) == NX_OK, "it verifies");
    fuzz_check(nx_deflate_answer_read(&response.headers, &agreed) == NX_OK &&
                   agreed.is_agreed == terms.is_agreed &&
                   (!terms.is_agreed || agreed.server_window_bits == terms.server_window_bits),
               "both ends agree");
    uint8_t other[NX_WS_HANDSHAKE_KEY_SIZE];
    memcpy(other, handshake->key.at, sizeof(other));
    other[flip % 21] = other[flip % 21] == 'A' ? 'B' : 'A';
    fuzz_check(nx_ws_handshake_verify(&response, nx_bytes_of(other, sizeof(other))) == NX_E_MALFORMED,
               "not with another key");
}

static void check_asked(struct nx_bytes input)
{
    uint8_t text[ROOM];
    uint8_t offer[NX_DEFLATE_ANSWER_SIZE_MAX];
    char key[NX_WS_HANDSHAKE_KEY_SIZE];
    uint8_t random[16];
    struct nx_ws_handshake handshake;
    struct nx_writer offers = nx_writer_init(offer, sizeof(offer));
    const uint8_t choice = fuzz_u8(&input);
    for (size_t i = 0; i < sizeof(random); i++) {
        random[i] = fuzz_u8(&input);
    }
    if ((choice & 1) != 0) {
        nx_deflate_offer(&offers);
    }
    nx_ws_handshake_key(random, key);
    const struct nx_bytes target = fuzz_until(&input, '\n');
    const struct nx_bytes origin = fuzz_until(&input, '\n');
    const struct nx_bytes protocol = fuzz_until(&input, '\n');
    const struct nx_ws_handshake_request ask = {
        .target = target,
        .host = nx_bytes_text("example.org"),
        .key = nx_bytes_of(key, sizeof(key)),
        .protocols = protocol,
        .extensions = nx_writer_bytes(&offers),
        .origin = origin,
    };
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    nx_ws_handshake_ask(&w, &ask);
    if (!is_plain(target) || target.size == 0 || target.at[0] != '/' || !is_plain(origin) ||
        !is_plain(protocol) || memchr(target.at, '#', target.size) != NULL || !nx_writer_ok(&w)) {
        return; /* not for a request line */
    }
    fuzz_check(nx_http1_request_parse(nx_writer_bytes(&w), 0, &request) == NX_OK &&
                   request.head_size == w.size,
               "the request is a head");
    fuzz_check(nx_ws_handshake_check(&request, &handshake) == NX_OK, "it is a handshake");
    fuzz_check(nx_bytes_equal(request.target, target) && nx_bytes_equal(handshake.key, ask.key),
               "target and key");
    fuzz_check(handshake.has_origin == (origin.size != 0) && nx_bytes_equal(handshake.origin, origin),
               "origin");
    fuzz_check(nx_deflate_choose(&request.headers).is_agreed == ((choice & 1) != 0), "offer");
    check_answer(&handshake, nx_bytes_of(NULL, 0), choice);
}

/* Value of the only header `name`; NULL at when there is none or more than one. */
static struct nx_bytes only(const char *name, size_t *count)
{
    struct nx_bytes value = {.at = NULL, .size = 0};
    *count = 0;
    for (size_t i = 0; i < request.headers.count; i++) {
        if (nx_http1_text_is(request.headers.at[i].name, name)) {
            value = request.headers.at[i].value;
            (*count)++;
        }
    }
    return value;
}

static bool reference(void)
{
    uint8_t room[32];
    size_t keys;
    size_t versions;
    size_t origins;
    size_t upgrades;
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    const struct nx_bytes key = only("Sec-WebSocket-Key", &keys);
    const struct nx_bytes version = only("Sec-WebSocket-Version", &versions);
    (void)only("Origin", &origins);
    (void)only("Upgrade", &upgrades);
    return request.method == NX_HTTP1_METHOD_GET && request.version_minor == 1 && !request.is_chunked &&
           request.content_length == 0 && upgrades == 1 && request.is_upgrade &&
           nx_http1_header_has_token(&request.headers, "Upgrade", "websocket") && keys == 1 &&
           key.size == 24 && nx_text_base64_decode(key, &w) == NX_OK && w.size == 16 && versions == 1 &&
           nx_bytes_is(version, "13") && origins <= 1;
}

static void check_lines(struct nx_bytes lines)
{
    uint8_t text[ROOM];
    struct nx_ws_handshake handshake;
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    nx_writer_text(&w, "GET / HTTP/1.1\r\nHost: a\r\n");
    nx_writer_bytes_put(&w, lines);
    nx_writer_text(&w, "\r\n\r\n");
    if (!nx_writer_ok(&w) || nx_http1_request_parse(nx_writer_bytes(&w), 0, &request) != NX_OK) {
        return;
    }
    const enum nx_err err = nx_ws_handshake_check(&request, &handshake);
    fuzz_check((err == NX_OK) == reference(), "verdict");
    fuzz_check(err == NX_OK || err == NX_E_MALFORMED || err == NX_E_HTTP_UPGRADE, "which verdict");
    (void)nx_ws_handshake_offers(&request, "nexus.v1");
    if (err == NX_OK) {
        check_answer(&handshake, nx_bytes_of(NULL, 0), lines.size != 0 ? lines.at[0] : 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct nx_bytes input = nx_bytes_of(bytes, size);
    if (size > ROOM / 2) {
        return 0;
    }
    if (fuzz_u8(&input) % 2 == 0) {
        check_lines(input);
    } else {
        check_asked(input);
    }
    return 0;
}
