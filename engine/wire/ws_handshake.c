#include "engine/wire/ws_handshake.h"

#include "engine/base/assert.h"
#include "engine/base/text.h"
#include "engine/crypto/digest.h"

static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 section 1.3 */

enum { GUID_SIZE = sizeof(guid) - 1, KEY_BYTES = 16 };

static bool key_is_valid(struct nx_bytes key)
{
    uint8_t bytes[KEY_BYTES];
    struct nx_writer w = nx_writer_init(bytes, sizeof(bytes));
    return key.size == NX_WS_HANDSHAKE_KEY_SIZE && nx_text_base64_decode(key, &w) == NX_OK &&
           w.size == KEY_BYTES;
}

enum nx_err nx_ws_handshake_check(const struct nx_http1_request *request, struct nx_ws_handshake *out)
{
    const struct nx_http1_headers *headers = &request->headers;
    if (!request->is_upgrade || !nx_http1_header_has_token(headers, "upgrade", "websocket")) {
        return NX_E_HTTP_UPGRADE;
    }
    /* More than a plain "websocket" is an attempt to make two readers disagree, so one header with one token it is. */
    if (request->method != NX_HTTP1_METHOD_GET || request->is_chunked || request->content_length != 0 ||
        nx_http1_header_count(headers, "upgrade") != 1 ||
        nx_http1_header_count(headers, "sec-websocket-version") != 1 ||
        nx_http1_header_count(headers, "sec-websocket-key") != 1 ||
        nx_http1_header_count(headers, "origin") > 1) {
        return NX_E_MALFORMED;
    }
    if (!nx_bytes_is(nx_http1_header_find(headers, "sec-websocket-version")->value, "13")) {
        return NX_E_HTTP_UPGRADE;
    }
    const struct nx_bytes key = nx_http1_header_find(headers, "sec-websocket-key")->value;
    if (!key_is_valid(key)) {
        return NX_E_MALFORMED;
    }
    const struct nx_http1_header *origin = nx_http1_header_find(headers, "origin");
    *out = (struct nx_ws_handshake){.key = key, .has_origin = origin != NULL};
    if (origin != NULL) {
        out->origin = origin->value;
    }
    return NX_OK;
}

enum nx_err nx_ws_handshake_accept(struct nx_bytes key, char out[NX_WS_HANDSHAKE_ACCEPT_SIZE])
{
    NX_ASSERT(key.size == NX_WS_HANDSHAKE_KEY_SIZE);
    uint8_t text[NX_WS_HANDSHAKE_KEY_SIZE + GUID_SIZE];
    memcpy(text, key.at, key.size);
    memcpy(text + key.size, guid, GUID_SIZE);
    uint8_t digest[NX_DIGEST_SHA1_SIZE];
    const enum nx_err err = nx_digest_sha1(text, sizeof(text), digest);
    if (err == NX_OK) {
        struct nx_writer w = nx_writer_init(out, NX_WS_HANDSHAKE_ACCEPT_SIZE);
        nx_text_base64_encode(nx_bytes_of(digest, sizeof(digest)), &w);
    }
    return err;
}

enum nx_err nx_ws_handshake_answer(struct nx_writer *w, struct nx_bytes key, struct nx_bytes protocol,
                                   struct nx_bytes extensions)
{
    char accept[NX_WS_HANDSHAKE_ACCEPT_SIZE];
    const enum nx_err err = nx_ws_handshake_accept(key, accept);
    if (err != NX_OK) {
        return err;
    }
    nx_http1_response_begin(w, 101);
    nx_http1_response_header_text(w, "Upgrade", "websocket");
    nx_http1_response_header_text(w, "Connection", "Upgrade");
    nx_http1_response_header(w, "Sec-WebSocket-Accept", nx_bytes_of(accept, sizeof(accept)));
    if (protocol.size != 0) {
        nx_http1_response_header(w, "Sec-WebSocket-Protocol", protocol);
    }
    if (extensions.size != 0) {
        nx_http1_response_header(w, "Sec-WebSocket-Extensions", extensions);
    }
    nx_http1_response_end(w);
    return nx_writer_ok(w) ? NX_OK : NX_E_FULL;
}

bool nx_ws_handshake_offers(const struct nx_http1_request *request, const char *protocol)
{
    for (size_t i = 0; i < request->headers.count; i++) {
        const struct nx_http1_header *header = &request->headers.at[i];
        if (!nx_http1_text_is(header->name, "sec-websocket-protocol")) {
            continue;
        }
        struct nx_bytes rest = header->value;
        struct nx_bytes element;
        while (nx_http1_list_next(&rest, &element)) {
            if (nx_bytes_is(element, protocol)) {
                return true;
            }
        }
    }
    return false;
}

void nx_ws_handshake_key(const uint8_t random[16], char out[NX_WS_HANDSHAKE_KEY_SIZE])
{
    struct nx_writer w = nx_writer_init(out, NX_WS_HANDSHAKE_KEY_SIZE);
    nx_text_base64_encode(nx_bytes_of(random, KEY_BYTES), &w);
}

static void optional_header(struct nx_writer *w, const char *name, struct nx_bytes value)
{
    if (value.size != 0) {
        nx_http1_response_header(w, name, value); /* a header line is the same in both directions */
    }
}

void nx_ws_handshake_ask(struct nx_writer *w, const struct nx_ws_handshake_request *request)
{
    nx_writer_text(w, "GET ");
    nx_writer_bytes_put(w, request->target);
    nx_writer_text(w, " HTTP/1.1\r\n");
    nx_http1_response_header(w, "Host", request->host);
    nx_http1_response_header_text(w, "Upgrade", "websocket");
    nx_http1_response_header_text(w, "Connection", "Upgrade");
    nx_http1_response_header(w, "Sec-WebSocket-Key", request->key);
    nx_http1_response_header_text(w, "Sec-WebSocket-Version", "13");
    optional_header(w, "Sec-WebSocket-Protocol", request->protocols);
    optional_header(w, "Sec-WebSocket-Extensions", request->extensions);
    optional_header(w, "Origin", request->origin);
    optional_header(w, "Authorization", request->authorization);
    nx_writer_text(w, "\r\n");
}

enum nx_err nx_ws_handshake_verify(const struct nx_http1_response *response, struct nx_bytes key)
{
    const struct nx_http1_headers *headers = &response->headers;
    if (response->status != 101) {
        return NX_E_HTTP_UPGRADE;
    }
    const struct nx_http1_header *accept = nx_http1_header_find(headers, "sec-websocket-accept");
    char expected[NX_WS_HANDSHAKE_ACCEPT_SIZE];
    const enum nx_err err = nx_ws_handshake_accept(key, expected);
    if (err != NX_OK) {
        return err;
    }
    if (!nx_http1_header_has_token(headers, "upgrade", "websocket") ||
        !nx_http1_header_has_token(headers, "connection", "upgrade") ||
        nx_http1_header_count(headers, "sec-websocket-accept") != 1 ||
        !nx_bytes_equal(accept->value, nx_bytes_of(expected, sizeof(expected)))) {
        return NX_E_MALFORMED;
    }
    return NX_OK;
}
