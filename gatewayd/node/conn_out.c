#include "gatewayd/node/conn.h"

#include "engine/base/assert.h"
#include "gatewayd/core/close_code.h"

enum { OUT_ROOM_FIRST = 1024, SESSION_WRITE_MAX = 60 * 1024, TLS_PLAIN_MAX = 32 * 1024 };

static struct gw_out *out_of(struct gw_conn *conn)
{
    if (conn->out == NULL) {
        conn->out = gw_heap_take(&conn->shard->heap, sizeof(*conn->out));
    }
    return conn->out;
}

static void out_empty(struct gw_conn *conn)
{
    struct gw_out *out = conn->out;
    gw_heap_give(&conn->shard->heap, out->bytes, out->room);
    gw_heap_give(&conn->shard->heap, out, sizeof(*out));
    conn->out = NULL;
}

void gw_conn_out_drop(struct gw_conn *conn)
{
    if (conn->out != NULL) {
        out_empty(conn);
    }
    nx_list_remove(&conn->flush);
}

size_t gw_conn_out_pending(const struct gw_conn *conn)
{
    return conn->out == NULL ? 0 : conn->out->size - conn->out->start + conn->out->fixed.size;
}

bool gw_conn_out_put(struct gw_conn *conn, struct nx_bytes bytes)
{
    struct gw_out *out = out_of(conn);
    if (out == NULL || out->fixed.size != 0) {
        return false;
    }
    const size_t pending = out->size - out->start;
    if (pending + bytes.size > GW_RESPONSE_MAX * 2) {
        return false;
    }
    if (out->size + bytes.size > out->room) {
        if (pending + bytes.size <= out->room && conn->out_committed == 0) {
            memmove(out->bytes, out->bytes + out->start, pending);
        } else {
            size_t room = out->room == 0 ? OUT_ROOM_FIRST : out->room;
            while (room < pending + bytes.size) {
                room *= 2;
            }
            uint8_t *grown = gw_heap_take(&conn->shard->heap, room);
            if (grown == NULL) {
                return false;
            }
            if (pending != 0) {
                memcpy(grown, out->bytes + out->start, pending);
            }
            gw_heap_give(&conn->shard->heap, out->bytes, out->room);
            out->bytes = grown;
            out->room = room;
        }
        out->start = 0;
        out->size = pending;
    }
    if (bytes.size != 0) {
        memcpy(out->bytes + out->size, bytes.at, bytes.size);
        out->size += bytes.size;
    }
    gw_conn_out_mark(conn);
    return true;
}

bool gw_conn_out_fixed(struct gw_conn *conn, struct nx_bytes bytes)
{
    struct gw_out *out = out_of(conn);
    if (out == NULL) {
        return false;
    }
    NX_ASSERT(out->fixed.size == 0);
    out->fixed = bytes;
    gw_conn_out_mark(conn);
    return true;
}

void gw_conn_out_mark(struct gw_conn *conn)
{
    if (!nx_list_is_linked(&conn->flush) && conn->phase != GW_CONN_CLOSED) {
        nx_list_push_back(&conn->shard->flushes, &conn->flush);
        nx_loop_task_wake(conn->shard->loop, &conn->shard->urgent);
    }
}

/* Drops `size` bytes that left. */
static void out_taken(struct gw_conn *conn, size_t size)
{
    struct gw_out *out = conn->out;
    const size_t buffered = out->size - out->start;
    const size_t first = size < buffered ? size : buffered;
    out->start += first;
    out->fixed = nx_bytes_slice(out->fixed, size - first, out->fixed.size);
    if (out->start == out->size && out->fixed.size == 0) {
        out_empty(conn);
    }
}

/* Copies up to `room` bytes of the output without dropping them. */
static size_t out_copy(const struct gw_conn *conn, uint8_t *at, size_t room)
{
    const struct gw_out *out = conn->out;
    const size_t buffered = out->size - out->start;
    const size_t first = buffered < room ? buffered : room;
    if (first != 0) {
        memcpy(at, out->bytes + out->start, first);
    }
    const size_t second = out->fixed.size < room - first ? out->fixed.size : room - first;
    if (second != 0) {
        memcpy(at + first, out->fixed.at, second);
    }
    return first + second;
}

/* What is to be done once nothing waits any more. */
static void all_sent(struct gw_conn *conn)
{
    if (conn->phase == GW_CONN_HTTP) {
        gw_conn_http_sent(conn);
    } else if (conn->phase == GW_CONN_WS && conn->session == NULL) {
        if (conn->is_closing_after) {
            conn->phase = GW_CONN_LINGER;
            nx_stream_finish(&conn->stream);
            gw_conn_deadline(conn, GW_LINGER_MS);
        } else if (conn->is_paused) {
            gw_conn_pause(conn, false);
        }
    } else if (conn->phase == GW_CONN_WS && gw_output_is_closed(conn->session) && !conn->is_closing_after) {
        conn->is_closing_after = true;
        if (conn->has_ended) {
            gw_conn_close(conn);
        } else {
            nx_stream_finish(&conn->stream);
            gw_conn_deadline(conn, GW_LINGER_MS);
        }
    }
}

static bool session_has_more(const struct gw_conn *conn)
{
    return conn->session != NULL && (conn->session->flags & GW_SESSION_COMMITTED) == 0 &&
           gw_output_bound(conn->session) != 0;
}

/* ---- TLS ---- */

/* Turns plaintext into records until enough ciphertext waits. */
static void tls_fill(struct gw_conn *conn)
{
    struct gw_shard *shard = conn->shard;
    while (nx_tls_output(conn->tls).size == 0 && conn->phase != GW_CONN_HANDSHAKE) {
        size_t size = 0;
        if (gw_conn_out_pending(conn) != 0) {
            size = out_copy(conn, shard->scratch, TLS_PLAIN_MAX);
        } else if (session_has_more(conn)) {
            size = gw_output_write(&shard->hub.output, conn->session, shard->scratch, TLS_PLAIN_MAX);
        }
        if (size == 0) {
            return;
        }
        if (nx_tls_write(conn->tls, nx_bytes_of(shard->scratch, size)) != NX_OK) {
            gw_conn_close(conn);
            return;
        }
        if (gw_conn_out_pending(conn) != 0) {
            out_taken(conn, size);
        } else {
            gw_output_sent(&shard->hub.output, conn->session, size);
        }
    }
}

static bool tls_flush(struct gw_conn *conn)
{
    tls_fill(conn);
    const struct nx_bytes output = nx_tls_output(conn->tls);
    if (output.size == 0 || conn->phase == GW_CONN_CLOSED) {
        if (conn->phase != GW_CONN_CLOSED) {
            all_sent(conn);
        }
        return true;
    }
    const size_t size = output.size < NX_STREAM_RESERVE_MAX ? output.size : NX_STREAM_RESERVE_MAX;
    uint8_t *room = nx_stream_reserve(&conn->stream, size);
    if (room == NULL) {
        return false;
    }
    memcpy(room, output.at, size);
    nx_stream_commit(&conn->stream, size);
    conn->out_committed = (uint32_t)size;
    return true;
}

/* ---- plain ---- */

static bool out_flush(struct gw_conn *conn)
{
    const size_t pending = gw_conn_out_pending(conn);
    const size_t size = pending < NX_STREAM_RESERVE_MAX ? pending : NX_STREAM_RESERVE_MAX;
    uint8_t *room = nx_stream_reserve(&conn->stream, size);
    if (room == NULL) {
        return false;
    }
    conn->out_committed = (uint32_t)out_copy(conn, room, size);
    nx_stream_commit(&conn->stream, conn->out_committed);
    return true;
}

static bool session_flush(struct gw_conn *conn)
{
    struct gw_session *session = conn->session;
    const size_t bound = gw_output_bound(session);
    if (bound == 0) {
        return true;
    }
    const size_t size = bound < SESSION_WRITE_MAX ? bound : SESSION_WRITE_MAX;
    uint8_t *room = nx_stream_reserve(&conn->stream, size);
    if (room == NULL) {
        return false;
    }
    const size_t written = gw_output_write(&conn->shard->hub.output, session, room, size);
    if (written != 0) {
        nx_stream_commit(&conn->stream, written);
    }
    return true;
}

bool gw_conn_out_flush(struct gw_conn *conn)
{
    if (conn->phase == GW_CONN_CLOSED || conn->phase == GW_CONN_FREE) {
        return true;
    }
    if (conn->session != NULL && (conn->session->flags & GW_SESSION_ABORT) != 0) {
        gw_conn_close(conn);
        return true;
    }
    if (conn->session != NULL && (conn->session->flags & GW_SESSION_DOOMED) != 0 && !conn->is_closing_after &&
        !conn->has_close_deadline) {
        conn->has_close_deadline = true; /* Also of one that is blocked: it has stalled long enough. */
        gw_conn_deadline(conn,
                         conn->session->close_code == GW_CLOSE_SLOW ? GW_SLOW_CLOSE_MS : GW_WS_CLOSE_MS);
    }
    if (nx_stream_is_blocked(&conn->stream) || conn->stream.committed_size != 0) {
        return true; /* `writable` or `sent` comes back here. */
    }
    bool is_done;
    if (conn->tls != NULL) {
        if (conn->handshake != NULL && conn->handshake->is_running) {
            return true;
        }
        is_done = tls_flush(conn);
    } else if (gw_conn_out_pending(conn) != 0) {
        is_done = out_flush(conn);
    } else if (conn->session != NULL) {
        is_done = session_flush(conn);
    } else {
        return true;
    }
    if (conn->session != NULL && (conn->session->flags & GW_SESSION_ABORT) != 0) {
        gw_conn_close(conn);
    }
    return is_done;
}

static void handshake_sent(struct gw_conn *conn, size_t size)
{
    nx_tls_output_taken(conn->tls, size);
    conn->out_committed = 0;
    if (nx_tls_output(conn->tls).size != 0 && !nx_stream_is_blocked(&conn->stream)) {
        gw_conn_out_mark(conn);
    }
    gw_conn_handshake_more(conn); /* From here on the session may be the worker's. */
}

void gw_conn_out_sent(struct gw_conn *conn, size_t size)
{
    if (conn->handshake != NULL) {
        handshake_sent(conn, size);
        return;
    }
    struct gw_session *session = conn->session;
    const bool is_blocked = nx_stream_is_blocked(&conn->stream);
    if (conn->tls != NULL) {
        nx_tls_output_taken(conn->tls, size);
        conn->out_committed = 0;
    } else if (conn->out_committed != 0) {
        out_taken(conn, size);
        conn->out_committed = 0;
    } else if (session != NULL && (session->flags & GW_SESSION_COMMITTED) != 0) {
        gw_output_sent(&conn->shard->hub.output, session, size);
    }
    if (conn->phase == GW_CONN_CLOSED) {
        return;
    }
    if (is_blocked) {
        if (session != NULL) {
            session->flags |= GW_SESSION_BLOCKED;
        }
        if (!nx_timer_is_set(&conn->timer)) {
            gw_conn_deadline(conn, session != NULL ? GW_STALL_MS : GW_SEND_MS);
        }
        return;
    }
    const bool has_cipher = conn->tls != NULL && nx_tls_output(conn->tls).size != 0;
    if (has_cipher || gw_conn_out_pending(conn) != 0) {
        gw_conn_out_mark(conn);
    } else if (session != NULL && session_has_more(conn)) {
        gw_fanout_mark(&conn->shard->hub.fanout, session);
        nx_loop_task_wake(conn->shard->loop, &conn->shard->bulk);
    } else {
        all_sent(conn);
    }
}
