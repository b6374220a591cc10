#include "gatewayd/node/conn.h"

#include "engine/base/assert.h"
#include "engine/base/text.h"
#include "gatewayd/core/close_code.h"
#include "gatewayd/node/bus_link.h"
#include "gatewayd/node/echo.h"

void gw_conn_ws_drop(struct gw_conn *conn)
{
    if (conn->ws.buffer != NULL) {
        gw_heap_give(&conn->shard->heap, conn->ws.buffer, conn->ws.buffer_room);
        conn->ws.buffer = NULL;
        conn->ws.buffer_room = 0;
    }
}

static bool want_buffer(struct gw_conn *conn, const struct nx_ws_event *event)
{
    /* What a frame declares is believed up to what a small message takes; beyond, room follows the bytes. */
    const size_t likely = event->size_wanted < 4096 ? event->size_wanted : 4096;
    const size_t doubled = (size_t)conn->ws.buffer_room * 2;
    size_t room = event->size_needed > likely ? event->size_needed : likely;
    room = room < doubled ? doubled : room;
    uint8_t *buffer = gw_heap_take(&conn->shard->heap, room);
    if (buffer == NULL) {
        return false;
    }
    const size_t used = nx_ws_used(&conn->ws);
    if (used != 0) {
        memcpy(buffer, conn->ws.buffer, used);
    }
    gw_conn_ws_drop(conn);
    nx_ws_attach(&conn->ws, buffer, room);
    return true;
}

/* Decompresses and checks a message; false when the connection was failed with `*code`. */
static bool open_message(struct gw_conn *conn, const struct nx_ws_event *event, struct nx_bytes *out,
                         uint16_t *code)
{
    *out = event->payload;
    if (!event->is_compressed) {
        return true;
    }
    const enum nx_err err =
        gw_shard_inflate(conn->shard, event->payload, conn->shard->ws_config.message_size_max, out);
    if (err != NX_OK) {
        *code = err == NX_E_FULL        ? NX_WS_CLOSE_TOO_BIG
                : err == NX_E_NO_MEMORY ? NX_WS_CLOSE_INTERNAL
                                        : NX_WS_CLOSE_INVALID_DATA;
        return false;
    }
    if (event->kind == NX_WS_EVENT_TEXT && !nx_text_is_utf8(*out)) {
        *code = NX_WS_CLOSE_INVALID_DATA;
        return false;
    }
    return true;
}

static void fail(struct gw_conn *conn, uint16_t code)
{
    if (conn->session != NULL) {
        gw_fanout_doom(&conn->shard->hub.fanout, conn->session, code, NULL);
    } else {
        gw_echo_close(conn, code, (struct nx_bytes){0});
    }
}

/* A session's resume may give the connection another session; the other one may get this connection's old session. */
static void take_verdict(struct gw_conn *conn, const struct gw_verdict *verdict)
{
    if (verdict->session != conn->session) {
        conn->session = verdict->session;
        if (verdict->ousted != NULL) {
            gw_shard_conn(conn->shard, verdict->ousted->conn)->session = verdict->ousted;
        }
    }
    gw_bus_link_verdict(conn->shard, verdict);
}

static void message(struct gw_conn *conn, const struct nx_ws_event *event)
{
    struct nx_bytes payload;
    uint16_t code = 0;
    if (!open_message(conn, event, &payload, &code)) {
        fail(conn, code);
    } else if (conn->session == NULL) {
        gw_echo_message(conn, event->kind == NX_WS_EVENT_TEXT, payload);
    } else {
        struct gw_verdict verdict;
        gw_hub_input(&conn->shard->hub, nx_loop_now(conn->shard->loop), nx_loop_wall_ms(conn->shard->loop),
                     conn->session, payload, &verdict);
        take_verdict(conn, &verdict);
    }
}

static void closed_by_peer(struct gw_conn *conn, const struct nx_ws_event *event)
{
    conn->close_code = event->code;
    if (conn->session != NULL) {
        gw_fanout_doom(&conn->shard->hub.fanout, conn->session, event->code, NULL);
    } else {
        gw_echo_close(conn, event->code, event->payload);
    }
}

static void take_event(struct gw_conn *conn, const struct nx_ws_event *event)
{
    switch (event->kind) {
    case NX_WS_EVENT_TEXT:
    case NX_WS_EVENT_BINARY:
        message(conn, event);
        break;
    case NX_WS_EVENT_PING:
        if (conn->session != NULL) {
            gw_hub_ping(&conn->shard->hub, nx_loop_now(conn->shard->loop), conn->session, event->payload);
        } else {
            gw_echo_pong(conn, event->payload);
        }
        break;
    case NX_WS_EVENT_PONG:
        break;
    case NX_WS_EVENT_CLOSE:
        closed_by_peer(conn, event);
        break;
    case NX_WS_EVENT_FAILED:
        fail(conn, event->code);
        break;
    case NX_WS_EVENT_WANT_BUFFER:
        if (!want_buffer(conn, event)) {
            gw_conn_close(conn);
        }
        break;
    }
}

void gw_conn_ws_data(struct gw_conn *conn, uint8_t *bytes, size_t size)
{
    struct nx_ws_feed feed = {.at = bytes, .end = bytes + size};
    struct nx_ws_event event;
    while (conn->phase == GW_CONN_WS && nx_ws_next(&conn->ws, &feed, &event)) {
        take_event(conn, &event);
        if (conn->phase == GW_CONN_WS && nx_ws_is_done(&conn->ws)) {
            break;
        }
    }
    if (conn->ws.buffer != NULL && nx_ws_is_idle(&conn->ws)) {
        const size_t room = conn->ws.buffer_room;
        uint8_t *buffer = nx_ws_detach(&conn->ws);
        gw_heap_give(&conn->shard->heap, buffer, room);
    }
}

void gw_conn_ws_start(struct gw_conn *conn, const struct nx_deflate_terms *terms)
{
    struct gw_shard *shard = conn->shard;
    struct gw_http *http = conn->http;
    nx_ws_init(&conn->ws, &shard->ws_config, terms->is_agreed);
    conn->phase = GW_CONN_WS;
    conn->is_closing_after = false;
    nx_timer_cancel(shard->loop, &conn->timer);
    if (conn->kind == GW_CONN_ECHO) {
        conn->window_bits = terms->is_agreed ? terms->server_window_bits : 0;
    } else {
        /* Shared blocks refer back further than some clients ask for: those get everything uncompressed. */
        const bool is_compressed = terms->is_agreed && terms->server_window_bits >= GW_FRAMELOG_WINDOW_BITS;
        conn->session = gw_hub_connect(&shard->hub, nx_loop_now(shard->loop), conn->index, is_compressed,
                                       conn->is_loopback);
        if (conn->session == NULL) {
            gw_conn_close(conn);
            return;
        }
        conn->session->addr_key = conn->addr_key;
        conn->session->is_guarded = conn->is_guarded;
        conn->is_guarded = false;
    }
    /* What the client sent behind its request is frames already. */
    const size_t left = http->size - http->head_size;
    conn->http = NULL;
    if (left != 0) {
        gw_conn_ws_data(conn, http->buffer + http->head_size, left);
    }
    gw_conn_http_free(conn, http);
    gw_shard_kick(shard);
}
