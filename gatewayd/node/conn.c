/* A connection's phases:
 *   PROXY -> HANDSHAKE -> HTTP -> WS -> LINGER -> CLOSED -> FREE
 * PROXY only for trusted peers, HANDSHAKE only with TLS. Every phase has a deadline but WS, whose session has one. */
#include "gatewayd/node/conn.h"

#include "engine/base/assert.h"
#include "gatewayd/core/close_code.h"
#include "gatewayd/core/proxy.h"
#include "gatewayd/node/bus_link.h"

enum { STASH_MAX = 16 * 1024, PLAIN_PIECE = 16 * 1024 };

void gw_conn_deadline(struct gw_conn *conn, int64_t ms)
{
    nx_timer_set_ms(conn->shard->loop, &conn->timer, ms);
}

void gw_conn_pause(struct gw_conn *conn, bool is_paused)
{
    if (conn->is_paused != is_paused && conn->phase != GW_CONN_CLOSED) {
        conn->is_paused = is_paused;
        nx_stream_pause(&conn->stream, is_paused);
    }
}

void gw_conn_close(struct gw_conn *conn)
{
    if (conn->phase != GW_CONN_CLOSED && conn->phase != GW_CONN_FREE) {
        conn->phase = GW_CONN_CLOSED;
        nx_list_remove(&conn->flush);
        nx_timer_cancel(conn->shard->loop, &conn->timer);
        nx_stream_close(&conn->stream);
    }
}

void gw_conn_feed(struct gw_conn *conn, uint8_t *bytes, size_t size)
{
    switch ((enum gw_conn_phase)conn->phase) {
    case GW_CONN_HTTP:
        gw_conn_http_data(conn, bytes, size);
        break;
    case GW_CONN_WS:
        gw_conn_ws_data(conn, bytes, size);
        break;
    case GW_CONN_PROXY:
    case GW_CONN_HANDSHAKE:
    case GW_CONN_LINGER:
    case GW_CONN_CLOSED:
    case GW_CONN_FREE:
        break; /* Nobody listens any more. */
    }
}

/* ---- TLS ---- */

void gw_conn_tls_read(struct gw_conn *conn)
{
    uint8_t plain[PLAIN_PIECE];
    while (conn->phase != GW_CONN_CLOSED) {
        size_t size;
        const enum nx_err err = nx_tls_read(conn->tls, plain, sizeof(plain), &size);
        if (err == NX_E_TRUNCATED) {
            break;
        }
        if (err != NX_OK) {
            if (conn->phase == GW_CONN_LINGER || conn->is_closing_after || conn->http == NULL) {
                gw_conn_close(conn);
            }
            break;
        }
        gw_conn_feed(conn, plain, size);
    }
    if (conn->phase != GW_CONN_CLOSED && nx_tls_output(conn->tls).size != 0) {
        gw_conn_out_mark(conn);
    }
}

static void handshake_drop(struct gw_conn *conn)
{
    struct gw_heap *heap = &conn->shard->heap;
    gw_heap_give(heap, conn->handshake->stash, conn->handshake->stash_room);
    gw_heap_give(heap, conn->handshake, sizeof(*conn->handshake));
    conn->handshake = NULL;
}

static void free_slot(struct gw_conn *conn)
{
    if (conn->handshake != NULL) {
        handshake_drop(conn);
    }
    if (conn->tls != NULL) {
        nx_tls_close(conn->tls);
        conn->tls = NULL;
    }
    gw_shard_conn_give(conn->shard, conn);
}

static void handshake_run(struct nx_job *job)
{
    struct gw_conn_handshake *handshake = NX_LIST_ITEM(job, struct gw_conn_handshake, job);
    handshake->result = nx_tls_handshake(handshake->conn->tls);
}

static void handshake_done(struct nx_job *job);

static void handshake_step(struct gw_conn *conn)
{
    conn->handshake->is_running = true;
    if (nx_worker_submit(conn->shard->handshakes, &conn->handshake->job) != NX_OK) {
        conn->handshake->is_running = false;
        conn->shard->refused_count++;
        gw_conn_close(conn);
    }
}

static void handshake_over(struct gw_conn *conn)
{
    handshake_drop(conn);
    conn->phase = GW_CONN_HTTP;
    gw_conn_deadline(conn, GW_HEAD_MS);
    gw_conn_tls_read(conn);
}

static void handshake_done(struct nx_job *job)
{
    struct gw_conn_handshake *handshake = NX_LIST_ITEM(job, struct gw_conn_handshake, job);
    struct gw_conn *conn = handshake->conn;
    handshake->is_running = false;
    if (conn->phase == GW_CONN_FREE) { /* The stream went while the worker had the session. */
        free_slot(conn);
        return;
    }
    if (conn->phase == GW_CONN_CLOSED) {
        return;
    }
    if (nx_tls_output(conn->tls).size != 0) {
        gw_conn_out_mark(conn);
    }
    if (handshake->result != NX_OK && handshake->result != NX_E_TRUNCATED) {
        /* An alert may be waiting; it leaves with this slice if it can. */
        conn->phase = GW_CONN_LINGER;
        gw_conn_deadline(conn, 100);
        return;
    }
    const bool is_ready = handshake->result == NX_OK;
    const size_t size = handshake->stash_size;
    handshake->stash_size = 0;
    if (size != 0 && nx_tls_feed(conn->tls, handshake->stash, size) != NX_OK) {
        gw_conn_close(conn);
    } else if (is_ready) {
        handshake_over(conn);
    } else if (size != 0) {
        handshake_step(conn);
    }
}

static void handshake_data(struct gw_conn *conn, const uint8_t *bytes, size_t size)
{
    struct gw_conn_handshake *handshake = conn->handshake;
    /* While the fate of a write is unknown the output must not change, which a step on the worker may do. */
    if (!handshake->is_running && conn->stream.committed_size == 0) {
        if (nx_tls_feed(conn->tls, bytes, size) != NX_OK) {
            gw_conn_close(conn);
            return;
        }
        handshake_step(conn);
        return;
    }
    if (handshake->stash_size + size > STASH_MAX) {
        gw_conn_close(conn);
        return;
    }
    if (handshake->stash == NULL) {
        handshake->stash = gw_heap_take(&conn->shard->heap, STASH_MAX);
        handshake->stash_room = handshake->stash != NULL ? STASH_MAX : 0;
    }
    if (handshake->stash == NULL) {
        gw_conn_close(conn);
        return;
    }
    memcpy(handshake->stash + handshake->stash_size, bytes, size);
    handshake->stash_size += size;
}

void gw_conn_handshake_more(struct gw_conn *conn)
{
    struct gw_conn_handshake *handshake = conn->handshake;
    if (conn->phase != GW_CONN_HANDSHAKE || handshake->is_running || handshake->stash_size == 0) {
        return;
    }
    const size_t size = handshake->stash_size;
    handshake->stash_size = 0;
    if (nx_tls_feed(conn->tls, handshake->stash, size) != NX_OK) {
        gw_conn_close(conn);
    } else {
        handshake_step(conn);
    }
}

static bool tls_start(struct gw_conn *conn)
{
    conn->handshake = gw_heap_take(&conn->shard->heap, sizeof(*conn->handshake));
    if (conn->handshake == NULL || nx_tls_open(&conn->tls, conn->shard->node->tls, NULL) != NX_OK) {
        return false;
    }
    conn->handshake->conn = conn;
    conn->handshake->job.run = handshake_run;
    conn->handshake->job.done = handshake_done;
    conn->phase = GW_CONN_HANDSHAKE;
    gw_conn_deadline(conn, GW_TLS_MS);
    return true;
}

/* ---- the first bytes ---- */

static bool begin(struct gw_conn *conn)
{
    if (conn->kind == GW_CONN_PUBLIC && conn->shard->node->tls != NULL) {
        return tls_start(conn);
    }
    conn->phase = GW_CONN_HTTP;
    gw_conn_deadline(conn, GW_HEAD_MS);
    return true;
}

bool gw_conn_enter_guard(struct gw_conn *conn)
{
    conn->is_guarded =
        gw_addr_guard_enter(&conn->shard->hub.guard, conn->addr_key, nx_loop_now(conn->shard->loop));
    conn->shard->refused_count += !conn->is_guarded;
    return conn->is_guarded;
}

static bool enter_guard(struct gw_conn *conn, const struct nx_addr *peer)
{
    conn->addr_key = nx_addr_limit_key(peer);
    conn->is_loopback = nx_addr_is_loopback(peer);
    return gw_conn_enter_guard(conn);
}

static void proxy_drop(struct gw_conn *conn)
{
    gw_heap_give(&conn->shard->heap, conn->proxy, GW_PROXY_HEADER_MAX);
    conn->proxy = NULL;
    conn->proxy_size = 0;
}

/* Keeps what may be the start of a header; no header is longer than there is room. */
static void proxy_keep(struct gw_conn *conn, struct nx_bytes bytes)
{
    if (conn->proxy == NULL) {
        conn->proxy = gw_heap_take(&conn->shard->heap, GW_PROXY_HEADER_MAX);
    }
    if (conn->proxy == NULL || bytes.size > (size_t)(GW_PROXY_HEADER_MAX - conn->proxy_size)) {
        gw_conn_close(conn);
        return;
    }
    if (bytes.at != NULL) {
        memcpy(conn->proxy + conn->proxy_size, bytes.at, bytes.size);
    }
    conn->proxy_size = (uint16_t)(conn->proxy_size + bytes.size);
}

/* Looks for a header in `bytes`; `*size` receives its length. NX_E_TRUNCATED when more is needed to tell. */
static enum nx_err proxy_header(struct gw_conn *conn, struct nx_bytes bytes, size_t *size)
{
    struct nx_addr source = {0};
    *size = 0;
    if (!gw_proxy_is_likely(bytes)) {
        return NX_OK;
    }
    const enum nx_err err = gw_proxy_parse(bytes, &source, size);
    if (err != NX_OK) {
        return err;
    }
    conn->is_trusted = false; /* It has said who it speaks for. */
    return source.family == NX_ADDR_FAMILY_NONE || enter_guard(conn, &source) ? NX_OK : NX_E_FULL;
}

static void first_data(struct gw_conn *conn, uint8_t *bytes, size_t size)
{
    if (size == 0) {
        return;
    }
    if (conn->phase == GW_CONN_HANDSHAKE) {
        handshake_data(conn, bytes, size);
    } else {
        gw_conn_feed(conn, bytes, size);
    }
}

/* A trusted proxy's first bytes. */
static void proxy_data(struct gw_conn *conn, uint8_t *bytes, size_t size)
{
    const size_t kept = conn->proxy_size;
    const size_t room = GW_PROXY_HEADER_MAX - kept;
    struct nx_bytes begun = nx_bytes_of(bytes, size);
    if (kept != 0) {
        proxy_keep(conn, nx_bytes_slice(begun, 0, room));
        begun = nx_bytes_of(conn->proxy, conn->proxy_size);
    }
    size_t head = 0;
    const enum nx_err err = proxy_header(conn, begun, &head);
    if (err == NX_E_TRUNCATED && kept == 0) {
        proxy_keep(conn, begun);
        return;
    }
    if (err == NX_E_TRUNCATED && size < room) {
        return;
    }
    if (err != NX_OK || !begin(conn)) {
        gw_conn_close(conn);
        return;
    }
    /* What was kept is part of the header, or without one the client's own. */
    if (head == 0) {
        first_data(conn, conn->proxy, kept);
    }
    const size_t used = head > kept ? head - kept : 0;
    first_data(conn, bytes + used, size - used);
    proxy_drop(conn);
}

/* ---- the stream's events ---- */

static void on_connected(void *context)
{
    (void)context;
}

static void on_data(void *context, uint8_t *bytes, size_t size)
{
    struct gw_conn *conn = context;
    if (conn->phase == GW_CONN_PROXY) {
        proxy_data(conn, bytes, size);
    } else if (conn->phase == GW_CONN_HANDSHAKE) {
        handshake_data(conn, bytes, size);
    } else if (conn->tls != NULL && conn->phase != GW_CONN_CLOSED) {
        if (conn->handshake != NULL || nx_tls_feed(conn->tls, bytes, size) != NX_OK) {
            gw_conn_close(conn);
        } else {
            gw_conn_tls_read(conn);
        }
    } else {
        gw_conn_feed(conn, bytes, size);
    }
    gw_shard_kick(conn->shard);
}

static void on_ended(void *context)
{
    struct gw_conn *conn = context;
    conn->has_ended = true;
    /* A client that still waits for an answer gets it; a WebSocket without its client is over. */
    if (conn->phase != GW_CONN_HTTP || conn->http == NULL || conn->http->phase < GW_HTTP_WAITING) {
        gw_conn_close(conn);
    }
}

static void on_sent(void *context, size_t size)
{
    gw_conn_out_sent(context, size);
}

static void on_writable(void *context)
{
    struct gw_conn *conn = context;
    if (conn->session != NULL) {
        conn->session->flags &= (uint8_t)~GW_SESSION_BLOCKED;
        if ((conn->session->flags & GW_SESSION_DOOMED) == 0) {
            nx_timer_cancel(conn->shard->loop, &conn->timer);
        }
        gw_fanout_mark_urgent(&conn->shard->hub.fanout, conn->session);
        gw_shard_kick(conn->shard);
    } else if (conn->phase == GW_CONN_HTTP || conn->phase == GW_CONN_WS) {
        gw_conn_deadline(conn, GW_SEND_MS);
    }
    gw_conn_out_mark(conn);
}

static void leave_guard(struct gw_conn *conn)
{
    if (conn->is_guarded) {
        gw_addr_guard_left(&conn->shard->hub.guard, conn->addr_key);
        conn->is_guarded = false;
    }
}

static void on_closed(void *context, enum nx_err why)
{
    struct gw_conn *conn = context;
    struct gw_shard *shard = conn->shard;
    (void)why;
    conn->phase = GW_CONN_CLOSED;
    nx_timer_cancel(shard->loop, &conn->timer);
    if (conn->session != NULL) {
        struct gw_verdict verdict;
        gw_hub_disconnect(&shard->hub, nx_loop_now(shard->loop), conn->session, conn->close_code, &verdict);
        conn->session = NULL;
        gw_bus_link_verdict(shard, &verdict);
    }
    gw_conn_http_drop(conn);
    gw_conn_ws_drop(conn);
    gw_conn_out_drop(conn);
    proxy_drop(conn);
    leave_guard(conn);
    conn->phase = GW_CONN_FREE;
    if (conn->handshake == NULL || !conn->handshake->is_running) {
        free_slot(conn);
    }
}

static const struct nx_stream_events stream_events = {.connected = on_connected,
                                                      .data = on_data,
                                                      .ended = on_ended,
                                                      .sent = on_sent,
                                                      .writable = on_writable,
                                                      .closed = on_closed};

static void on_due(void *context)
{
    struct gw_conn *conn = context;
    struct gw_session *session = conn->session;
    if (session != NULL &&
        (session->flags & (GW_SESSION_BLOCKED | GW_SESSION_DOOMED)) == GW_SESSION_BLOCKED) {
        conn->shard->hub.fanout.slow_count++;
        gw_fanout_doom(&conn->shard->hub.fanout, session, GW_CLOSE_SLOW, "slow consumer");
        gw_conn_close(conn); /* It takes nothing, so it will not take a close frame either. */
    } else if (conn->phase == GW_CONN_HTTP) {
        gw_conn_http_timeout(conn);
    } else if (conn->phase != GW_CONN_WS || session == NULL || (session->flags & GW_SESSION_DOOMED) != 0) {
        gw_conn_close(conn);
    }
}

static void accept_as(struct gw_shard *shard, struct nx_accepted *accepted, enum gw_conn_kind kind)
{
    struct gw_conn *conn = gw_shard_conn_take(shard);
    if (conn == NULL) {
        shard->refused_count++;
        return;
    }
    conn->kind = (uint8_t)kind;
    nx_timer_init(&conn->timer, on_due, conn);
    const struct nx_addr peer = nx_addr_canonical(accepted->peer);
    conn->is_trusted = kind == GW_CONN_PUBLIC && gw_config_is_proxy(shard->node->config, &peer);
    conn->addr_key = nx_addr_limit_key(&peer);
    conn->peer_key = conn->addr_key;
    conn->is_loopback = nx_addr_is_loopback(&peer);
    conn->is_peer_loopback = conn->is_loopback;
    const bool is_let_in = conn->is_trusted || kind != GW_CONN_PUBLIC || enter_guard(conn, &peer);
    if (!is_let_in || nx_stream_accept(&conn->stream, shard->loop, accepted, &stream_events, conn) != NX_OK) {
        leave_guard(conn);
        gw_shard_conn_give(shard, conn);
        return;
    }
    conn->phase = GW_CONN_PROXY;
    if (conn->is_trusted) {
        gw_conn_deadline(conn, GW_HEAD_MS);
    } else if (!begin(conn)) {
        gw_conn_close(conn);
    }
}

void gw_conn_accept(void *shard, struct nx_accepted *accepted)
{
    accept_as(shard, accepted, ((struct gw_shard *)shard)->node->is_echo ? GW_CONN_ECHO : GW_CONN_PUBLIC);
}

void gw_conn_accept_admin(void *shard, struct nx_accepted *accepted)
{
    accept_as(shard, accepted, GW_CONN_ADMIN);
}
