/* ws_handshake.h - the WebSocket opening handshake, both ends.
 *
 * Spec:    RFC 6455 section 4; extensions are negotiated by deflate.h
 * Layer:   engine/wire (no I/O, no clock, no allocation; SHA-1 from engine/crypto)
 * Threads: any; no state
 * Limits:  those of http1.h
 * Idiom:   server: parse the request, check, decide origin and path, answer. Client: request, parse the
 *          response, verify.
 */
#ifndef NX_WIRE_WS_HANDSHAKE_H
#define NX_WIRE_WS_HANDSHAKE_H

#include "engine/base/writer.h"
#include "engine/wire/http1.h"
#include "engine/wire/http1_response.h"

enum {
    NX_WS_HANDSHAKE_KEY_SIZE = 24,    /* base64 of 16 bytes, RFC 6455 section 4.1 */
    NX_WS_HANDSHAKE_ACCEPT_SIZE = 28, /* base64 of a SHA-1, RFC 6455 section 4.2.2 */
};

/** A checked upgrade request; views borrow from the request. */
struct nx_ws_handshake {
    struct nx_bytes key;    /**< Sec-WebSocket-Key, NX_WS_HANDSHAKE_KEY_SIZE characters */
    struct nx_bytes origin; /**< Origin as sent; empty when absent (not a browser). Who may come is the
                               caller's decision. */
    bool has_origin;
};

/**
 * Checks that `request` is a WebSocket handshake: GET, HTTP/1.1, no body, one Upgrade header that names
 * "websocket", Connection with "upgrade", one key of 16 bytes, one version that is 13, at most one Origin.
 *
 * Returns NX_OK; NX_E_MALFORMED (400); NX_E_HTTP_UPGRADE (426; answer with "Upgrade: websocket" and
 * "Sec-WebSocket-Version: 13") when the version is another or the request asks for no upgrade.
 */
NX_MUST_USE enum nx_err nx_ws_handshake_check(const struct nx_http1_request *request,
                                              struct nx_ws_handshake *out);

/**
 * Computes Sec-WebSocket-Accept for `key` (as sent, checked).
 * Returns NX_OK; NX_E_NO_MEMORY when the digest cannot be computed.
 */
NX_MUST_USE enum nx_err nx_ws_handshake_accept(struct nx_bytes key, char out[NX_WS_HANDSHAKE_ACCEPT_SIZE]);

/**
 * Writes the whole 101 response; `protocol` and `extensions` are left out when empty.
 * Returns NX_OK; NX_E_NO_MEMORY when the digest cannot be computed; NX_E_FULL when `w` is too small.
 */
NX_MUST_USE enum nx_err nx_ws_handshake_answer(struct nx_writer *w, struct nx_bytes key,
                                               struct nx_bytes protocol, struct nx_bytes extensions);

/** Returns whether the client offers subprotocol `protocol` (compared exactly). */
bool nx_ws_handshake_offers(const struct nx_http1_request *request, const char *protocol);

/** Writes the base64 form of 16 random bytes, the client's key. */
void nx_ws_handshake_key(const uint8_t random[16], char out[NX_WS_HANDSHAKE_KEY_SIZE]);

/** What a client asks for. Texts are borrowed; empty ones are left out. */
struct nx_ws_handshake_request {
    struct nx_bytes target;     /**< origin form */
    struct nx_bytes host;       /**< name[:port] */
    struct nx_bytes key;        /**< from nx_ws_handshake_key() */
    struct nx_bytes protocols;  /**< comma-separated */
    struct nx_bytes extensions; /**< as in the header */
    struct nx_bytes origin;
    struct nx_bytes authorization;
};

/** Writes a client's whole handshake request. */
void nx_ws_handshake_ask(struct nx_writer *w, const struct nx_ws_handshake_request *request);

/**
 * Checks a server's answer to the handshake with `key`: 101, Upgrade, Connection, the right accept value.
 *
 * Returns NX_OK; NX_E_NO_MEMORY; NX_E_HTTP_UPGRADE when the status is not 101 (read it from `response`); NX_E_MALFORMED
 * otherwise.
 */
NX_MUST_USE enum nx_err nx_ws_handshake_verify(const struct nx_http1_response *response, struct nx_bytes key);

#endif
