#include "gatewayd/node/rest_entry.h"

#include "engine/base/assert.h"
#include "engine/wire/http1_response.h"

#include <string.h>

/* A request's number: its connection's index below, a count above. */
enum { REQUEST_INDEX_BITS = 24, FORWARDED_MAX = 8 * 1024 };

static const struct {
    const char *name;
    enum nx_bus_header header;
} forwarded[] = {
    {"authorization", NX_BUS_HEADER_AUTHORIZATION},
    {"content-type", NX_BUS_HEADER_CONTENT_TYPE},
    {"accept", NX_BUS_HEADER_ACCEPT},
    {"if-match", NX_BUS_HEADER_IF_MATCH},
    {"if-none-match", NX_BUS_HEADER_IF_NONE_MATCH},
    {"x-audit-log-reason", NX_BUS_HEADER_AUDIT_REASON},
    {"idempotency-key", NX_BUS_HEADER_IDEMPOTENCY_KEY},
    {"user-agent", NX_BUS_HEADER_USER_AGENT},
    {"origin", NX_BUS_HEADER_ORIGIN},
};

static bool is_under(struct nx_bytes path, const char *prefix)
{
    return nx_bytes_is(nx_bytes_slice(path, 0, strlen(prefix)), prefix);
}

bool gw_rest_entry_is_path(struct nx_bytes path)
{
    return is_under(path, "/api/") || nx_bytes_is(path, "/api") || is_under(path, "/v1/") ||
           is_under(path, "/.well-known/nexus/") || is_under(path, "/_nexus/");
}

static void keep_one(struct nx_writer *w, enum nx_bus_header header, struct nx_bytes value)
{
    if (value.size != 0 && value.size <= FORWARDED_MAX && w->room - w->size >= value.size + 3) {
        nx_writer_u8(w, (uint8_t)header);
        nx_writer_u16(w, (uint16_t)value.size);
        nx_writer_bytes_put(w, value);
    }
}

enum nx_err gw_rest_entry_keep(struct gw_conn *conn, const struct nx_http1_request *request)
{
    struct gw_http *http = conn->http;
    struct nx_writer w = nx_writer_init(conn->shard->scratch, FORWARDED_MAX);
    for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++) {
        const struct nx_http1_header *header = nx_http1_header_find(&request->headers, forwarded[i].name);
        if (header != NULL) {
            keep_one(&w, forwarded[i].header, header->value);
        }
    }
    keep_one(&w, NX_BUS_HEADER_REQUEST_ID, nx_bytes_text(http->request_id));
    gw_heap_give(&conn->shard->heap, http->forwarded, http->forwarded_size);
    http->forwarded_size = 0;
    http->forwarded = gw_heap_take(&conn->shard->heap, w.size);
    if (http->forwarded == NULL) {
        return NX_E_NO_MEMORY;
    }
    memcpy(http->forwarded, conn->shard->scratch, w.size);
    http->forwarded_size = (uint32_t)w.size;
    return NX_OK;
}

static void unavailable(struct gw_conn *conn)
{
    gw_conn_http_answer(
        conn, 503, "application/json",
        nx_bytes_text(
            "{\"code\":130000,\"message\":\"The service is overloaded, try again a little later\"}"),
        "Retry-After: 1\r\n");
}

void gw_rest_entry_send(struct gw_conn *conn)
{
    struct gw_shard *shard = conn->shard;
    struct gw_http *http = conn->http;
    if (!shard->bus.is_bulk_up || !gw_hub_is_ready(&shard->hub, nx_loop_now(shard->loop))) {
        unavailable(conn);
        return;
    }
    const uint64_t number = ++shard->requests_count << REQUEST_INDEX_BITS | conn->index;
    const struct nx_bytes body = nx_bytes_of(http->buffer + http->head_size, http->body_size);
    struct nx_bus_rest_request message = {.request = number,
                                          .method = (uint8_t)http->method,
                                          .is_last = body.size <= NX_BUS_CHUNK_MAX,
                                          .address_key = conn->addr_key,
                                          .target =
                                              nx_bytes_of(http->buffer + http->target_at, http->target_size),
                                          .headers = nx_bytes_of(http->forwarded, http->forwarded_size),
                                          .body = nx_bytes_slice(body, 0, NX_BUS_CHUNK_MAX)};
    enum nx_err err = NX_LINK_PUT(&shard->bus.bulk, rest_request, &message);
    for (size_t at = NX_BUS_CHUNK_MAX; err == NX_OK && at < body.size; at += NX_BUS_CHUNK_MAX) {
        const struct nx_bus_rest_body more = {.request = number,
                                              .is_last = body.size - at <= NX_BUS_CHUNK_MAX,
                                              .body = nx_bytes_slice(body, at, NX_BUS_CHUNK_MAX)};
        err = NX_LINK_PUT(&shard->bus.bulk, rest_body, &more);
        if (err != NX_OK) {
            const struct nx_bus_rest_cancel cancel = {.request = number};
            (void)!NX_LINK_PUT(&shard->bus.bulk, rest_cancel, &cancel);
        }
    }
    if (err != NX_OK) {
        unavailable(conn);
        return;
    }
    http->request = number;
    http->response_left = 0;
    http->phase = GW_HTTP_WAITING;
    shard->requests_pending++;
    gw_conn_deadline(conn, GW_REST_MS);
}

static void forget(struct gw_conn *conn)
{
    if (conn->http->request != 0) {
        conn->http->request = 0;
        conn->shard->requests_pending--;
    }
}

void gw_rest_entry_cancel(struct gw_conn *conn)
{
    struct gw_shard *shard = conn->shard;
    if (conn->http == NULL || conn->http->request == 0) {
        return;
    }
    const struct nx_bus_rest_cancel cancel = {.request = conn->http->request};
    forget(conn);
    if (shard->bus.is_bulk_up) {
        (void)!NX_LINK_PUT(&shard->bus.bulk, rest_cancel, &cancel); /* Full: control answers into the void. */
    }
}

static struct gw_conn *conn_of(struct gw_shard *shard, uint64_t number)
{
    const uint32_t index = (uint32_t)number & ((1U << REQUEST_INDEX_BITS) - 1);
    if (index >= shard->conn_slabs_count * GW_CONN_SLAB) {
        return NULL;
    }
    struct gw_conn *conn = gw_shard_conn(shard, index);
    return conn->phase == GW_CONN_HTTP && conn->http != NULL && conn->http->request == number ? conn : NULL;
}

static void body_more(struct gw_conn *conn, struct nx_bytes body, bool is_last)
{
    struct gw_http *http = conn->http;
    const bool fits = body.size <= http->response_left;
    http->response_left -= fits ? body.size : 0;
    if (!fits || (is_last && http->response_left != 0) ||
        (!http->is_head && body.size != 0 && !gw_conn_out_put(conn, body))) {
        gw_conn_close(conn); /* The length was promised already. */
        return;
    }
    gw_conn_deadline(conn, GW_REST_MS);
    if (is_last) {
        forget(conn);
        gw_conn_http_done(conn);
    }
}

static void response(struct gw_conn *conn, const struct nx_bus_rest_response *message)
{
    struct gw_http *http = conn->http;
    struct nx_writer w = nx_writer_init(conn->shard->scratch, GW_SCRATCH_SIZE);
    if (message->status < 100 || message->status > 599 || message->body_size > GW_RESPONSE_MAX) {
        forget(conn);
        gw_conn_http_error(conn, 502, 0, "Bad gateway");
        return;
    }
    nx_http1_response_begin(&w, message->status);
    gw_conn_http_common(conn, &w);
    nx_writer_bytes_put(&w, message->headers);
    const bool is_empty = message->status == 204 || message->status == 304 || message->status < 200;
    if (!is_empty) {
        nx_http1_response_length(&w, message->body_size);
    }
    nx_http1_response_end(&w);
    if (!nx_writer_ok(&w) || !gw_conn_out_put(conn, nx_writer_bytes(&w))) {
        forget(conn);
        gw_conn_close(conn);
        return;
    }
    http->response_left = message->body_size;
    body_more(conn, message->body, message->is_last != 0);
}

void gw_rest_entry_frame(struct gw_shard *shard, const struct nx_bus_frame *frame)
{
    if (frame->number == NX_BUS_MSG_REST_RESPONSE) {
        struct nx_bus_rest_response message;
        if (nx_bus_rest_response_get(frame->payload, &message) != NX_OK) {
            shard->hub.metrics.bus_malformed_total++;
            return;
        }
        struct gw_conn *conn = conn_of(shard, message.request);
        if (conn != NULL && conn->http->phase == GW_HTTP_WAITING) {
            conn->http->phase = GW_HTTP_SENDING;
            response(conn, &message);
        }
    } else {
        struct nx_bus_rest_body message;
        if (nx_bus_rest_body_get(frame->payload, &message) != NX_OK) {
            shard->hub.metrics.bus_malformed_total++;
            return;
        }
        struct gw_conn *conn = conn_of(shard, message.request);
        if (conn != NULL && conn->http->phase == GW_HTTP_SENDING) {
            body_more(conn, message.body, message.is_last != 0);
        }
    }
}

void gw_rest_entry_fail_all(struct gw_shard *shard)
{
    for (uint32_t i = 0; i < shard->conn_slabs_count * GW_CONN_SLAB && shard->requests_pending != 0; i++) {
        struct gw_conn *conn = gw_shard_conn(shard, i);
        if (conn->phase != GW_CONN_HTTP || conn->http == NULL || conn->http->request == 0) {
            continue;
        }
        const bool has_begun = conn->http->phase == GW_HTTP_SENDING;
        forget(conn);
        if (has_begun) {
            gw_conn_close(conn);
        } else {
            unavailable(conn);
        }
    }
}
