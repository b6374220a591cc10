/* conn.h - one connection from outside: a stream, TLS perhaps, and HTTP until it becomes a WebSocket.
 *
 * Layer:   gatewayd/node
 * Threads: own shard; `tls` belongs to a worker while a handshake step runs there
 * Limits:  an idle WebSocket holds this struct alone: no buffer, no queue
 * Idiom:   conn.c owns the life cycle and bytes in; conn_http.c requests; conn_ws.c messages; conn_out.c bytes out.
 */
#ifndef GW_NODE_CONN_H
#define GW_NODE_CONN_H

#include "engine/wire/http1.h"
#include "engine/wire/http1_chunked.h"
#include "gatewayd/node/shard.h"

enum gw_conn_kind { GW_CONN_PUBLIC, GW_CONN_ADMIN, GW_CONN_ECHO };

enum gw_conn_phase {
    GW_CONN_FREE,
    GW_CONN_PROXY,     /**< waits for a PROXY header, or for the certainty that there is none */
    GW_CONN_HANDSHAKE, /**< TLS */
    GW_CONN_HTTP,
    GW_CONN_WS,
    GW_CONN_LINGER, /**< our last bytes are on their way, or are gone; waits for the client's FIN */
    GW_CONN_CLOSED, /**< nx_stream_close() was called */
};

enum gw_http_phase { GW_HTTP_IDLE, GW_HTTP_HEAD, GW_HTTP_BODY, GW_HTTP_WAITING, GW_HTTP_SENDING };

/** Bytes waiting to leave, and behind them one run of static bytes. */
struct gw_out {
    uint8_t *bytes; /**< owned */
    size_t room;
    size_t start;
    size_t size;
    struct nx_bytes fixed; /**< borrowed for ever: an embedded asset */
};

/** What a connection needs while it speaks HTTP; taken at the first byte of a request, given back when idle. */
struct gw_http {
    uint8_t *buffer; /**< owned: bytes received and not used up */
    size_t room;
    size_t size;
    size_t seen; /**< bytes of an incomplete head that were looked at */
    enum gw_http_phase phase;
    enum nx_http1_method method;
    size_t head_size;
    size_t target_at; /**< of the request under way, in `buffer` */
    size_t target_size;
    size_t body_size; /**< bytes of the body, behind the head in `buffer` */
    uint64_t body_left;
    struct nx_http1_chunked chunked;
    bool is_chunked;
    bool is_keep_alive;
    bool is_head;            /**< answer without a body */
    uint64_t request;        /**< number at control, 0: none */
    uint64_t response_left;  /**< bytes of the answer's body still to come from control */
    uint32_t forwarded_size; /**< bytes of `forwarded` */
    uint8_t *forwarded;      /**< owned: the headers for control, encoded */
    nx_time began_at;        /**< of the head or body */
    char request_id[GW_REQUEST_ID_MAX + 1];
};

/** A handshake step on a worker. */
struct gw_conn_handshake {
    struct nx_job job;
    struct gw_conn *conn;
    enum nx_err result;
    uint8_t *stash; /**< owned: ciphertext that arrived meanwhile */
    size_t stash_size;
    size_t stash_room;
    bool is_running;
};

/** One connection. */
struct gw_conn {
    struct nx_stream stream;
    struct gw_shard *shard;
    struct gw_session *session;          /**< WS, not in echo mode */
    struct nx_tls *tls;                  /**< owned; NULL: plain */
    struct gw_conn_handshake *handshake; /**< owned until TLS is ready */
    struct gw_http *http;                /**< owned; NULL when idle */
    struct gw_out *out;                  /**< owned; NULL when empty */
    struct nx_timer timer;
    struct nx_list_link flush;
    struct nx_ws ws;
    uint64_t addr_key; /**< of the client, for limits */
    uint64_t peer_key; /**< of the peer, which may be a proxy */
    uint8_t *proxy;    /**< owned: GW_PROXY_HEADER_MAX bytes, the start of a PROXY header; NULL: none */
    uint32_t index;
    uint32_t next_free;
    uint32_t generation;    /**< of the slot */
    uint32_t out_committed; /**< bytes of `out` (or of TLS output) in the commit of this slice */
    uint16_t proxy_size;    /**< bytes in `proxy` */
    uint16_t close_code;    /**< of the client's close frame; 0: none */
    uint8_t kind;           /**< enum gw_conn_kind */
    uint8_t phase;          /**< enum gw_conn_phase */
    uint8_t window_bits;    /**< echo mode: of permessage-deflate; 0: not agreed */
    bool is_guarded;        /**< counted by addr_guard */
    bool is_loopback;
    bool is_peer_loopback;
    bool is_trusted;         /**< the peer is a trusted proxy */
    bool is_forwarded;       /**< it said for whom the request under way is */
    bool has_ended;          /**< the client sent FIN */
    bool is_paused;          /**< not reading */
    bool is_closing_after;   /**< close once everything is sent */
    bool has_close_deadline; /**< its session is doomed: GW_WS_CLOSE_MS run since then */
};

/** A connection arrived. */
void gw_conn_accept(void *shard, struct nx_accepted *accepted);

/** As gw_conn_accept(), on the admin address. */
void gw_conn_accept_admin(void *shard, struct nx_accepted *accepted);

/** Closes at once. */
void gw_conn_close(struct gw_conn *conn);

/** Counts an unauthenticated connection of conn->addr_key. Returns whether there may be one more. */
bool gw_conn_enter_guard(struct gw_conn *conn);

/** Sets the deadline of whatever the connection waits for. */
void gw_conn_deadline(struct gw_conn *conn, int64_t ms);

/** Stops or restarts reading. */
void gw_conn_pause(struct gw_conn *conn, bool is_paused);

/** Gives decrypted bytes to whatever the connection speaks. */
void gw_conn_feed(struct gw_conn *conn, uint8_t *bytes, size_t size);

/** A write of a TLS handshake is over: goes on with what arrived meanwhile. */
void gw_conn_handshake_more(struct gw_conn *conn);

/** Takes one step of TLS reading: hands plaintext on until there is no more. */
void gw_conn_tls_read(struct gw_conn *conn);

/** Bytes of HTTP arrived. */
void gw_conn_http_data(struct gw_conn *conn, const uint8_t *bytes, size_t size);

/** Answers with a whole small body and goes on with the next request. `headers` are complete lines or NULL. */
void gw_conn_http_answer(struct gw_conn *conn, uint16_t status, const char *type, struct nx_bytes body,
                         const char *headers);

/** Answers an error in the API's shape. */
void gw_conn_http_error(struct gw_conn *conn, uint16_t status, uint32_t code, const char *message);

/** Writes what every response carries: Date, X-Request-Id, Connection, nosniff. */
void gw_conn_http_common(struct gw_conn *conn, struct nx_writer *w);

/** Everything of the response was handed to conn_out; when it is sent the next request is served. */
void gw_conn_http_done(struct gw_conn *conn);

/** The output is empty: goes on. */
void gw_conn_http_sent(struct gw_conn *conn);

/** A deadline passed while speaking HTTP. */
void gw_conn_http_timeout(struct gw_conn *conn);

/** Gives the memory of `http` back, which the connection does not hold any more. */
void gw_conn_http_free(struct gw_conn *conn, struct gw_http *http);

/** Frees the HTTP state. */
void gw_conn_http_drop(struct gw_conn *conn);

/** Turns the connection into a WebSocket; the 101 is in the output already. */
void gw_conn_ws_start(struct gw_conn *conn, const struct nx_deflate_terms *terms);

/** Bytes of WebSocket frames arrived. */
void gw_conn_ws_data(struct gw_conn *conn, uint8_t *bytes, size_t size);

/** Frees the message buffer. */
void gw_conn_ws_drop(struct gw_conn *conn);

/** Appends bytes to the output. Returns whether they fitted. */
bool gw_conn_out_put(struct gw_conn *conn, struct nx_bytes bytes);

/** Appends static bytes behind everything else; at most one run at a time. Returns whether there is memory. */
bool gw_conn_out_fixed(struct gw_conn *conn, struct nx_bytes bytes);

/** Returns the bytes waiting. */
size_t gw_conn_out_pending(const struct gw_conn *conn);

/** Asks for a flush in this slice. */
void gw_conn_out_mark(struct gw_conn *conn);

/** Writes what there is. Returns false when the slice is full: try again in the next one. */
bool gw_conn_out_flush(struct gw_conn *conn);

/** The kernel took `size` bytes of the last write. */
void gw_conn_out_sent(struct gw_conn *conn, size_t size);

/** Frees the output. */
void gw_conn_out_drop(struct gw_conn *conn);

#endif
