/* conn.h - one client connection of the load tool: plain bytes or WebSocket, with or without TLS.
 *
 * Spec:    RFC 6455 and RFC 7692 by engine/wire
 * Layer:   loadtest
 * Threads: the loop's own
 * Limits:  LOAD_CONN_OUT_MAX bytes unsent, LOAD_CONN_MESSAGE_MAX bytes a message
 * Idiom:   messages are lent from where they arrived; only one that came in several pieces is gathered, in a buffer that the
 *          connection keeps. So a delivery allocates nothing.
 */
#ifndef LOAD_CONN_H
#define LOAD_CONN_H

#include "engine/base/prng.h"
#include "engine/io/stream.h"
#include "engine/io/tls.h"
#include "engine/wire/deflate.h"
#include "engine/wire/ws.h"
#include "engine/wire/ws_handshake.h"

/** What all connections of a run share. */
struct load_conn_net {
    struct nx_loop *loop;       /**< given */
    struct nx_endpoint where;   /**< given: the server */
    const char *host;           /**< given: for the Host header and TLS */
    struct nx_tls_context *tls; /**< given, or NULL for plain */
    bool wants_deflate;         /**< given */
    struct nx_prng prng;        /**< given: masks, keys, jitter */
    struct nx_deflate_inflater *inflater;
    void *inflater_block;     /**< owned */
    uint8_t *scratch;         /**< owned: inflated and decrypted bytes */
    struct nx_list unflushed; /**< connections that found no room in the slice */
    struct nx_loop_task flush;
    int64_t now_ns; /**< when the bytes being handled arrived */
    uint64_t received_bytes;
    uint64_t protocol_errors; /**< connections that broke a rule of WebSocket or TLS */
};

enum load_conn_kind { LOAD_CONN_PLAIN, LOAD_CONN_WS };

enum load_conn_state {
    LOAD_CONN_CLOSED, /**< may be opened */
    LOAD_CONN_CONNECTING,
    LOAD_CONN_TLS,
    LOAD_CONN_HANDSHAKE,
    LOAD_CONN_OPEN,
    LOAD_CONN_CLOSING
};

/** What a connection tells its owner. */
struct load_conn_events {
    void (*open)(void *context); /**< connected, and for WS: the handshake is complete */
    /** PLAIN: bytes; WS: one message. Borrowed. The owner may close inside. */
    void (*message)(void *context, struct nx_bytes payload);
    /** Gone; may be opened again. `code` is the WebSocket close code that the server gave, 0 for none. */
    void (*closed)(void *context, enum nx_err why, uint16_t code);
};

/** One connection; embedded in its owner, zero-initialised. */
struct load_conn {
    struct nx_stream stream;
    struct nx_ws ws;
    struct load_conn_net *net;         /**< given */
    const struct load_conn_events *on; /**< given */
    void *context;                     /**< given */
    struct nx_list_link unflushed;
    struct nx_tls *tls; /**< owned */
    uint8_t *in;        /**< owned: an unfinished message or response head */
    uint8_t *out;       /**< owned: what is unsent, without TLS */
    const char *target; /**< given: request target, kept until open */
    uint32_t in_room;
    uint32_t head_size; /**< bytes of an unfinished response head in `in` */
    uint32_t out_room;
    uint32_t out_start;
    uint32_t out_size;
    uint16_t close_code;
    uint8_t kind;  /**< enum load_conn_kind */
    uint8_t state; /**< enum load_conn_state */
    char key[NX_WS_HANDSHAKE_KEY_SIZE];
};

/** Prepares `net`, whose given fields are set. Returns NX_OK; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err load_conn_net_init(struct load_conn_net *net);

/** Frees what the connections shared; none may be open. */
void load_conn_net_fini(struct load_conn_net *net);

/**
 * Connects from `source` (NULL: any address). `target` is kept.
 * Returns NX_OK (open or closed follows); NX_E_FULL, NX_E_IO, NX_E_NO_MEMORY.
 */
NX_MUST_USE enum nx_err load_conn_open(struct load_conn *conn, struct load_conn_net *net,
                                       enum load_conn_kind kind, const char *target,
                                       const struct nx_addr *source, const struct load_conn_events *on,
                                       void *context);

/**
 * Sends one text message (WS) or bytes (PLAIN).
 * Returns NX_OK; NX_E_CLOSED when it is not open; NX_E_FULL when too much is unsent; NX_E_NO_MEMORY.
 */
NX_MUST_USE enum nx_err load_conn_send(struct load_conn *conn, struct nx_bytes payload);

/** Returns the bytes waiting to be sent. */
size_t load_conn_unsent(const struct load_conn *conn);

/** Closes; a WebSocket says `code` first (0: nothing, as a broken network does). `closed` follows. */
void load_conn_close(struct load_conn *conn, uint16_t code);

/** Frees the buffers of a closed connection. */
void load_conn_fini(struct load_conn *conn);

#endif
