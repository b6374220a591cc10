#include "loadtest/conn.h"

#include "engine/io/clock.h"
#include "loadtest/limits.h"

#include <stdlib.h>

enum { BUFFER_FIRST = 1024, REQUEST_MAX = 1024, FRAME_OVERHEAD = NX_WS_HEADER_SIZE_MAX };

static const struct nx_ws_config WS_CONFIG = {
    .role = NX_WS_ROLE_CLIENT, .message_size_max = LOAD_CONN_MESSAGE_MAX, .fragments_max = 1 << 16};

/* ---- out ---- */

static struct nx_bytes unsent(const struct load_conn *conn)
{
    if (conn->tls != NULL) {
        return nx_tls_output(conn->tls);
    }
    return conn->out != NULL ? nx_bytes_of(conn->out + conn->out_start, conn->out_size - conn->out_start)
                             : nx_bytes_of(NULL, 0);
}

static void flush(struct load_conn *conn)
{
    const struct nx_bytes bytes = unsent(conn);
    if (bytes.size == 0 || conn->state < LOAD_CONN_TLS) {
        return;
    }
    const size_t size = bytes.size < NX_STREAM_RESERVE_MAX ? bytes.size : NX_STREAM_RESERVE_MAX;
    uint8_t *at = nx_stream_reserve(&conn->stream, size);
    if (at != NULL) {
        memcpy(at, bytes.at, size);
        nx_stream_commit(&conn->stream, size);
        return;
    }
    /* Blocked: writable follows; committed: sent follows; else the slice was full. */
    if (!nx_stream_is_blocked(&conn->stream) && conn->stream.committed_size == 0 &&
        !nx_list_is_linked(&conn->unflushed)) {
        nx_list_push_back(&conn->net->unflushed, &conn->unflushed);
        nx_loop_task_wake(conn->net->loop, &conn->net->flush);
    }
}

static bool flush_task(void *context)
{
    struct load_conn_net *net = context;
    while (nx_loop_slice_left(net->loop) != 0) {
        struct nx_list_link *link = nx_list_pop_front(&net->unflushed);
        if (link == NULL) {
            return false;
        }
        flush(NX_LIST_ITEM(link, struct load_conn, unflushed));
        if (nx_list_is_linked(link)) {
            break; /* sends were left, but not the room for them: the next slice has it */
        }
    }
    return !nx_list_is_empty(&net->unflushed);
}

static enum nx_err out_make_room(struct load_conn *conn, size_t size)
{
    if (conn->out_start != 0 && conn->out_size + size > conn->out_room) {
        memmove(conn->out, conn->out + conn->out_start, conn->out_size - conn->out_start);
        conn->out_size -= conn->out_start;
        conn->out_start = 0;
    }
    const size_t needed = conn->out_size + size;
    if (needed <= conn->out_room) {
        return NX_OK;
    }
    if (needed > LOAD_CONN_OUT_MAX) {
        return NX_E_FULL;
    }
    uint32_t room = conn->out_room != 0 ? conn->out_room : BUFFER_FIRST;
    while (room < needed) {
        room *= 2;
    }
    uint8_t *out = realloc(conn->out, room);
    if (out == NULL) {
        return NX_E_NO_MEMORY;
    }
    conn->out = out;
    conn->out_room = room;
    return NX_OK;
}

/* Without TLS bytes wait in `out`; with it they pass through and wait encrypted. */
static enum nx_err put(struct load_conn *conn, struct nx_bytes head, struct nx_bytes payload,
                       const uint8_t *mask)
{
    enum nx_err err = out_make_room(conn, head.size + payload.size);
    if (err != NX_OK) {
        return err;
    }
    uint8_t *at = conn->out + conn->out_size;
    if (head.size != 0) {
        memcpy(at, head.at, head.size);
    }
    if (mask != NULL) {
        nx_ws_frame_mask_copy(at + head.size, payload.at, payload.size, mask, 0);
    } else if (payload.size != 0) {
        memcpy(at + head.size, payload.at, payload.size);
    }
    conn->out_size += (uint32_t)(head.size + payload.size);
    if (conn->tls != NULL) {
        err = nx_tls_write(conn->tls, nx_bytes_of(conn->out, conn->out_size));
        conn->out_size = 0;
    }
    flush(conn);
    return err;
}

static enum nx_err frame_send(struct load_conn *conn, enum nx_ws_opcode opcode, struct nx_bytes payload)
{
    uint8_t head[FRAME_OVERHEAD];
    uint8_t mask[4];
    nx_prng_fill(&conn->net->prng, mask, sizeof(mask));
    const size_t size = nx_ws_frame_header(head, opcode, true, false, payload.size, mask);
    return put(conn, nx_bytes_of(head, size), payload, mask);
}

enum nx_err load_conn_send(struct load_conn *conn, struct nx_bytes payload)
{
    if (conn->state != LOAD_CONN_OPEN) {
        return NX_E_CLOSED;
    }
    if (load_conn_unsent(conn) + payload.size > LOAD_CONN_OUT_MAX - FRAME_OVERHEAD) {
        return NX_E_FULL;
    }
    return conn->kind == LOAD_CONN_WS ? frame_send(conn, NX_WS_OPCODE_TEXT, payload)
                                      : put(conn, nx_bytes_of(NULL, 0), payload, NULL);
}

size_t load_conn_unsent(const struct load_conn *conn)
{
    return conn->state < LOAD_CONN_TLS ? 0 : unsent(conn).size;
}

static void on_sent(void *context, size_t size)
{
    struct load_conn *conn = context;
    if (conn->tls != NULL) {
        nx_tls_output_taken(conn->tls, size);
    } else {
        conn->out_start += (uint32_t)size;
        if (conn->out_start == conn->out_size) {
            conn->out_start = 0;
            conn->out_size = 0;
        }
    }
    if (!nx_stream_is_blocked(&conn->stream)) {
        flush(conn);
    }
}

static void on_writable(void *context)
{
    flush(context);
}

/* ---- in ---- */

static void fail(struct load_conn *conn)
{
    conn->net->protocol_errors++;
    load_conn_close(conn, 0);
}

/* Grows `in` to `size` bytes, keeping the first `used`. */
static bool in_make_room(struct load_conn *conn, size_t size)
{
    if (size <= conn->in_room) {
        return true;
    }
    uint32_t room = conn->in_room != 0 ? conn->in_room : BUFFER_FIRST;
    while (room < size) {
        room *= 2;
    }
    uint8_t *in = size <= LOAD_CONN_MESSAGE_MAX + FRAME_OVERHEAD ? realloc(conn->in, room) : NULL;
    if (in == NULL) {
        return false;
    }
    conn->in = in;
    conn->in_room = room;
    return true;
}

static void message_deliver(struct load_conn *conn, const struct nx_ws_event *event)
{
    struct load_conn_net *net = conn->net;
    if (!event->is_compressed) {
        conn->on->message(conn->context, event->payload);
        return;
    }
    size_t size = 0;
    /* The lower part of the scratch may hold decrypted bytes that this message is borrowed from. */
    uint8_t *inflated = net->scratch + LOAD_CONN_INFLATED_MAX;
    nx_deflate_inflate_start(net->inflater, event->payload);
    if (nx_deflate_inflate_step(net->inflater, inflated, LOAD_CONN_INFLATED_MAX, &size) != NX_OK) {
        fail(conn);
        return;
    }
    conn->on->message(conn->context, nx_bytes_of(inflated, size));
}

static void close_received(struct load_conn *conn, const struct nx_ws_event *event)
{
    uint8_t payload[NX_WS_CONTROL_SIZE_MAX];
    conn->close_code = event->code;
    const size_t size = nx_ws_frame_close(payload, event->code, nx_bytes_of(NULL, 0));
    (void)!frame_send(conn, NX_WS_OPCODE_CLOSE, nx_bytes_of(payload, size));
    load_conn_close(conn, 0);
}

static void ws_feed(struct load_conn *conn, uint8_t *bytes, size_t size)
{
    struct nx_ws_feed feed = {.at = bytes, .end = bytes + size};
    struct nx_ws_event event;
    while (conn->state == LOAD_CONN_OPEN && nx_ws_next(&conn->ws, &feed, &event)) {
        switch (event.kind) {
        case NX_WS_EVENT_TEXT:
        case NX_WS_EVENT_BINARY:
            message_deliver(conn, &event);
            break;
        case NX_WS_EVENT_PING:
            if (frame_send(conn, NX_WS_OPCODE_PONG, event.payload) != NX_OK) {
                fail(conn);
            }
            break;
        case NX_WS_EVENT_PONG:
            break;
        case NX_WS_EVENT_CLOSE:
            close_received(conn, &event);
            break;
        case NX_WS_EVENT_FAILED:
            fail(conn);
            break;
        case NX_WS_EVENT_WANT_BUFFER:
            if (!in_make_room(conn, event.size_wanted)) {
                fail(conn);
                break;
            }
            nx_ws_attach(&conn->ws, conn->in, conn->in_room);
            break;
        }
    }
}

/* Checks a complete response head; false: not complete, or the connection was closed. */
static bool head_take(struct load_conn *conn, struct nx_bytes head, size_t seen_size, size_t *head_size)
{
    struct nx_http1_response response;
    struct nx_deflate_terms terms = {.is_agreed = false};
    const enum nx_err err = nx_http1_response_parse(head, seen_size, false, &response);
    if (err == NX_E_TRUNCATED) {
        return false;
    }
    if (err != NX_OK ||
        nx_ws_handshake_verify(&response, nx_bytes_of(conn->key, sizeof(conn->key))) != NX_OK ||
        nx_deflate_answer_read(&response.headers, &terms) != NX_OK) {
        fail(conn);
        return false;
    }
    *head_size = response.head_size;
    nx_ws_init(&conn->ws, &WS_CONFIG, terms.is_agreed);
    conn->state = LOAD_CONN_OPEN;
    conn->on->open(conn->context);
    return true;
}

static void head_feed(struct load_conn *conn, uint8_t *bytes, size_t size)
{
    size_t head_size = 0;
    if (conn->head_size == 0 && head_take(conn, nx_bytes_of(bytes, size), 0, &head_size)) {
        ws_feed(conn, bytes + head_size, size - head_size);
        return;
    }
    if (conn->state != LOAD_CONN_HANDSHAKE) {
        return;
    }
    const uint32_t seen = conn->head_size;
    if (seen + size > NX_HTTP1_HEAD_MAX || !in_make_room(conn, seen + size)) {
        fail(conn);
        return;
    }
    memcpy(conn->in + seen, bytes, size);
    conn->head_size += (uint32_t)size;
    if (seen != 0 && head_take(conn, nx_bytes_of(conn->in, conn->head_size), seen, &head_size)) {
        const size_t left = conn->head_size - head_size;
        ws_feed(conn, bytes + size - left, left);
    }
}

static void bytes_feed(struct load_conn *conn, uint8_t *bytes, size_t size)
{
    if (conn->state == LOAD_CONN_HANDSHAKE) {
        head_feed(conn, bytes, size);
    } else if (conn->state == LOAD_CONN_OPEN && conn->kind == LOAD_CONN_WS) {
        ws_feed(conn, bytes, size);
    } else if (conn->state == LOAD_CONN_OPEN) {
        conn->on->message(conn->context, nx_bytes_of(bytes, size));
    }
}

static void handshake_begin(struct load_conn *conn)
{
    if (conn->kind == LOAD_CONN_PLAIN) {
        conn->state = LOAD_CONN_OPEN;
        conn->on->open(conn->context);
        return;
    }
    uint8_t random[16];
    uint8_t request[REQUEST_MAX];
    uint8_t offer[NX_DEFLATE_ANSWER_SIZE_MAX];
    struct nx_writer w = nx_writer_init(request, sizeof(request));
    struct nx_writer extensions = nx_writer_init(offer, sizeof(offer));
    if (conn->net->wants_deflate) {
        nx_deflate_offer(&extensions);
    }
    nx_prng_fill(&conn->net->prng, random, sizeof(random));
    nx_ws_handshake_key(random, conn->key);
    const struct nx_ws_handshake_request ask = {
        .target = nx_bytes_text(conn->target),
        .host = nx_bytes_text(conn->net->host),
        .key = nx_bytes_of(conn->key, sizeof(conn->key)),
        .extensions = nx_writer_bytes(&extensions),
    };
    nx_ws_handshake_ask(&w, &ask);
    conn->state = LOAD_CONN_HANDSHAKE;
    if (!nx_writer_ok(&w) || put(conn, nx_bytes_of(NULL, 0), nx_writer_bytes(&w), NULL) != NX_OK) {
        fail(conn);
    }
}

static void tls_step(struct load_conn *conn)
{
    const enum nx_err err = nx_tls_handshake(conn->tls);
    flush(conn);
    if (err == NX_OK) {
        handshake_begin(conn);
    } else if (err != NX_E_TRUNCATED) {
        fail(conn);
    }
}

static void tls_feed(struct load_conn *conn, const uint8_t *bytes, size_t size)
{
    if (nx_tls_feed(conn->tls, bytes, size) != NX_OK) {
        fail(conn);
        return;
    }
    if (conn->state == LOAD_CONN_TLS) {
        tls_step(conn);
    }
    while (conn->state == LOAD_CONN_HANDSHAKE || conn->state == LOAD_CONN_OPEN) {
        size_t plain = 0;
        const enum nx_err err = nx_tls_read(conn->tls, conn->net->scratch, LOAD_CONN_INFLATED_MAX, &plain);
        if (err != NX_OK) {
            if (err != NX_E_TRUNCATED) {
                load_conn_close(conn, 0);
            }
            return;
        }
        bytes_feed(conn, conn->net->scratch, plain);
    }
}

static void on_data(void *context, uint8_t *bytes, size_t size)
{
    struct load_conn *conn = context;
    conn->net->now_ns = nx_clock_now().ns;
    conn->net->received_bytes += size;
    if (conn->tls != NULL) {
        if (conn->state != LOAD_CONN_CLOSING) {
            tls_feed(conn, bytes, size);
        }
    } else {
        bytes_feed(conn, bytes, size);
    }
}

/* ---- life ---- */

static void on_connected(void *context)
{
    struct load_conn *conn = context;
    if (conn->state != LOAD_CONN_CONNECTING) {
        return;
    }
    if (conn->net->tls != NULL) {
        conn->state = LOAD_CONN_TLS;
        if (nx_tls_open(&conn->tls, conn->net->tls, NULL) != NX_OK) {
            fail(conn);
            return;
        }
        tls_step(conn);
        return;
    }
    handshake_begin(conn);
}

static void on_ended(void *context)
{
    load_conn_close(context, 0);
}

static void on_closed(void *context, enum nx_err why)
{
    struct load_conn *conn = context;
    nx_list_remove(&conn->unflushed);
    if (conn->tls != NULL) {
        nx_tls_close(conn->tls);
        conn->tls = NULL;
    }
    conn->out_start = 0;
    conn->out_size = 0;
    conn->head_size = 0;
    conn->state = LOAD_CONN_CLOSED;
    conn->on->closed(conn->context, why, conn->close_code);
}

static const struct nx_stream_events STREAM_EVENTS = {
    .connected = on_connected,
    .data = on_data,
    .ended = on_ended,
    .sent = on_sent,
    .writable = on_writable,
    .closed = on_closed,
};

enum nx_err load_conn_open(struct load_conn *conn, struct load_conn_net *net, enum load_conn_kind kind,
                           const char *target, const struct nx_addr *source,
                           const struct load_conn_events *on, void *context)
{
    conn->net = net;
    conn->on = on;
    conn->context = context;
    conn->target = target;
    conn->kind = (uint8_t)kind;
    conn->close_code = 0;
    const enum nx_err err =
        nx_stream_connect(&conn->stream, net->loop, &net->where, source, &STREAM_EVENTS, conn);
    if (err == NX_OK) {
        conn->state = LOAD_CONN_CONNECTING;
    }
    return err;
}

void load_conn_close(struct load_conn *conn, uint16_t code)
{
    if (conn->state == LOAD_CONN_CLOSED || conn->state == LOAD_CONN_CLOSING) {
        return;
    }
    if (code != 0 && conn->state == LOAD_CONN_OPEN && conn->kind == LOAD_CONN_WS) {
        uint8_t payload[NX_WS_CONTROL_SIZE_MAX];
        const size_t size = nx_ws_frame_close(payload, code, nx_bytes_of(NULL, 0));
        (void)!frame_send(conn, NX_WS_OPCODE_CLOSE, nx_bytes_of(payload, size));
    }
    conn->state = LOAD_CONN_CLOSING;
    nx_stream_close(&conn->stream);
}

void load_conn_fini(struct load_conn *conn)
{
    free(conn->in);
    free(conn->out);
    conn->in = NULL;
    conn->out = NULL;
    conn->in_room = 0;
    conn->out_room = 0;
}

enum nx_err load_conn_net_init(struct load_conn_net *net)
{
    nx_list_init(&net->unflushed);
    nx_loop_task_init(&net->flush, NX_LOOP_PRIORITY, flush_task, net);
    net->scratch = malloc((size_t)2 * LOAD_CONN_INFLATED_MAX);
    net->inflater_block = malloc(NX_DEFLATE_INFLATER_SIZE);
    if (net->scratch == NULL || net->inflater_block == NULL ||
        nx_deflate_inflater_init(net->inflater_block, NX_DEFLATE_INFLATER_SIZE, &net->inflater) != NX_OK) {
        load_conn_net_fini(net);
        return NX_E_NO_MEMORY;
    }
    return NX_OK;
}

void load_conn_net_fini(struct load_conn_net *net)
{
    free(net->scratch);
    free(net->inflater_block);
    net->scratch = NULL;
    net->inflater_block = NULL;
}
