#include "gatewayd/node/conn.h"

#include "engine/base/assert.h"
#include "engine/base/text.h"
#include "engine/crypto/random.h"
#include "engine/wire/http1_response.h"
#include "engine/wire/json_out.h"
#include "engine/wire/url.h"
#include "engine/wire/ws_handshake.h"
#include "gatewayd/core/proxy.h"
#include "gatewayd/node/assets.h"
#include "gatewayd/node/rest_entry.h"
#include "gatewayd/node/stats.h"

#include <string.h>

enum { BUFFER_FIRST = 2048, BUFFER_MAX = NX_HTTP1_HEAD_MAX + GW_BODY_MAX + GW_PIPELINE_MAX };

_Static_assert((int)NX_HTTP1_METHOD_OPTIONS == (int)NX_BUS_OPTIONS &&
                   (int)NX_HTTP1_METHOD_PATCH == (int)NX_BUS_PATCH,
               "the bus names methods as http1.h does");

static void buffer_give(struct gw_shard *shard, struct gw_http *http)
{
    shard->requests_size -= http->room;
    gw_heap_give(&shard->heap, http->buffer, http->room);
    http->buffer = NULL;
    http->room = 0;
}

void gw_conn_http_free(struct gw_conn *conn, struct gw_http *http)
{
    struct gw_heap *heap = &conn->shard->heap;
    gw_heap_give(heap, http->forwarded, http->forwarded_size);
    buffer_give(conn->shard, http);
    gw_heap_give(heap, http, sizeof(*http));
}

void gw_conn_http_drop(struct gw_conn *conn)
{
    struct gw_http *http = conn->http;
    if (http != NULL) {
        gw_rest_entry_cancel(conn);
        gw_conn_http_free(conn, http);
        conn->http = NULL;
    }
}

/* ---- responses ---- */

void gw_conn_http_common(struct gw_conn *conn, struct nx_writer *w)
{
    static const char days[] = "ThuFriSatSunMonTueWed";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const int64_t seconds = nx_loop_wall_ms(conn->shard->loop) / 1000;
    const int64_t days_count = seconds / 86400;
    /* Civil date from days since 1970 (proleptic Gregorian, years from March). */
    const int64_t z = days_count + 719468;
    const int64_t era = z / 146097;
    const int64_t doe = z - era * 146097;
    const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    const int64_t mp = (5 * doy + 2) / 153;
    const int64_t day = doy - (153 * mp + 2) / 5 + 1;
    const int64_t month = mp < 10 ? mp + 3 : mp - 9;
    const int64_t year = yoe + era * 400 + (month <= 2 ? 1 : 0);
    const int64_t parts[3] = {seconds / 3600 % 24, seconds / 60 % 60, seconds % 60};
    nx_writer_text(w, "Date: ");
    nx_writer_put(w, days + days_count % 7 * 3, 3);
    const char text[5] = {',', ' ', (char)('0' + day / 10), (char)('0' + day % 10), ' '};
    nx_writer_put(w, text, sizeof(text));
    nx_writer_put(w, months + (month - 1) * 3, 3);
    nx_writer_u8(w, ' ');
    nx_writer_decimal(w, (uint64_t)year);
    for (int i = 0; i < 3; i++) {
        const char two[3] = {i == 0 ? ' ' : ':', (char)('0' + parts[i] / 10), (char)('0' + parts[i] % 10)};
        nx_writer_put(w, two, sizeof(two));
    }
    nx_writer_text(w, " GMT\r\nX-Content-Type-Options: nosniff\r\n");
    if (conn->http->request_id[0] != '\0') {
        nx_http1_response_header_text(w, "X-Request-Id", conn->http->request_id);
    }
    if (conn->shard->is_draining) {
        conn->http->is_keep_alive = false;
    }
    nx_http1_response_header_text(w, "Connection", conn->http->is_keep_alive ? "keep-alive" : "close");
    const char *cors = conn->shard->node->config->cors_origin;
    if (cors != NULL) {
        nx_http1_response_header_text(w, "Access-Control-Allow-Origin", cors);
    }
}

void gw_conn_http_answer(struct gw_conn *conn, uint16_t status, const char *type, struct nx_bytes body,
                         const char *headers)
{
    uint8_t head[2048];
    struct nx_writer w = nx_writer_init(head, sizeof(head));
    nx_http1_response_begin(&w, status);
    gw_conn_http_common(conn, &w);
    if (headers != NULL) {
        nx_writer_text(&w, headers);
    }
    if (status != 204) {
        nx_http1_response_header_text(&w, "Content-Type", type);
        nx_http1_response_length(&w, body.size);
    }
    nx_http1_response_end(&w);
    NX_ASSERT(nx_writer_ok(&w));
    conn->http->phase = GW_HTTP_SENDING;
    if (!gw_conn_out_put(conn, nx_writer_bytes(&w)) ||
        (!conn->http->is_head && body.size != 0 && !gw_conn_out_put(conn, body))) {
        gw_conn_close(conn);
        return;
    }
    gw_conn_http_done(conn);
}

void gw_conn_http_error(struct gw_conn *conn, uint16_t status, uint32_t code, const char *message)
{
    uint8_t text[512];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    struct nx_json_out json = nx_json_out_init(&w);
    nx_json_out_object(&json);
    nx_json_out_key(&json, "code");
    nx_json_out_u64(&json, code);
    nx_json_out_key(&json, "message");
    nx_json_out_text(&json, message);
    nx_json_out_key(&json, "request_id");
    nx_json_out_text(&json, conn->http->request_id);
    nx_json_out_object_end(&json);
    NX_ASSERT(nx_writer_ok(&w));
    gw_conn_http_answer(conn, status, "application/json", nx_writer_bytes(&w),
                        status == 503 ? "Retry-After: 1\r\n" : NULL);
}

/* The request cannot be understood: where the next one begins is unknown, so this is the last answer. */
static void refuse(struct gw_conn *conn, uint16_t status)
{
    conn->http->is_keep_alive = false;
    conn->http->is_head = false;
    conn->http->size = 0;
    conn->http->head_size = 0;
    conn->http->body_size = 0;
    gw_conn_http_error(conn, status, 0, nx_http1_response_reason(status));
}

void gw_conn_http_done(struct gw_conn *conn)
{
    conn->http->phase = GW_HTTP_SENDING;
    conn->http->request = 0;
    conn->shard->http_count++;
    gw_conn_deadline(conn, GW_SEND_MS);
    gw_conn_out_mark(conn);
    conn->is_closing_after = true; /* Nothing more comes into this response: sent() may go on. */
}

/* ---- requests ---- */

static void make_request_id(struct gw_conn *conn, const struct nx_http1_request *request)
{
    struct gw_http *http = conn->http;
    const struct nx_http1_header *given = nx_http1_header_find(&request->headers, "x-request-id");
    bool is_good = given != NULL && given->value.size > 0 && given->value.size <= GW_REQUEST_ID_MAX;
    for (size_t i = 0; is_good && i < given->value.size; i++) {
        const uint8_t c = given->value.at[i];
        is_good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                  c == '_';
    }
    struct nx_writer w = nx_writer_init(http->request_id, GW_REQUEST_ID_MAX);
    if (is_good) {
        nx_writer_bytes_put(&w, given->value);
    } else {
        uint8_t number[16] = {0};
        struct nx_writer raw = nx_writer_init(number, sizeof(number));
        nx_writer_u64(&raw, conn->shard->node->boot ^ conn->shard->index);
        nx_writer_u64(&raw, conn->shard->http_count << 20 | conn->index);
        nx_text_hex_encode(nx_bytes_of(number, sizeof(number)), &w);
    }
    http->request_id[w.size] = '\0';
}

static bool is_proxy(const void *config, const struct nx_addr *addr)
{
    return gw_config_is_proxy(config, addr);
}

/* The client's address as a trusted proxy tells it. One connection of a proxy carries requests of many clients. */
static void take_forwarded(struct gw_conn *conn, const struct nx_http1_request *request)
{
    struct nx_addr client;
    if (!conn->is_trusted) {
        return;
    }
    conn->is_forwarded = gw_proxy_forwarded(&request->headers, is_proxy, conn->shard->node->config, &client);
    conn->addr_key = conn->is_forwarded ? nx_addr_limit_key(&client) : conn->peer_key;
    conn->is_loopback = conn->is_forwarded ? nx_addr_is_loopback(&client) : conn->is_peer_loopback;
}

static bool query_has(struct nx_bytes query, const char *key, struct nx_bytes *value, enum nx_err *err)
{
    static _Thread_local uint8_t scratch[NX_HTTP1_REQUEST_LINE_MAX];
    struct nx_writer w = nx_writer_init(scratch, sizeof(scratch));
    bool has_value = false;
    *err = nx_url_query_find(query, key, &w, value, &has_value);
    return *err == NX_OK && has_value;
}

/* A page of another site must not use cookies of ours. */
static bool origin_is_foreign(const struct nx_http1_request *request, const struct nx_ws_handshake *handshake)
{
    if (nx_http1_header_find(&request->headers, "cookie") == NULL) {
        return false;
    }
    struct nx_bytes host = handshake->origin;
    for (size_t i = 0; i + 2 < host.size; i++) {
        if (memcmp(host.at + i, "://", 3) == 0) {
            host = nx_bytes_slice(host, i + 3, host.size);
            break;
        }
    }
    return !handshake->has_origin || !nx_bytes_equal(host, request->host);
}

static bool version_is_known(struct nx_bytes version)
{
    return nx_bytes_is(version, "1") || nx_bytes_is(version, "9") || nx_bytes_is(version, "10");
}

/* Checks the query of a gateway URL; answers and returns false when it is not to be served. */
static bool gateway_query(struct gw_conn *conn, struct nx_bytes query)
{
    enum nx_err err;
    struct nx_bytes value;
    if (query_has(query, "token", &value, &err) || query_has(query, "access_token", &value, &err) ||
        err != NX_OK || (query_has(query, "encoding", &value, &err) && !nx_bytes_is(value, "json"))) {
        refuse(conn, 400);
        return false;
    }
    if (query_has(query, "v", &value, &err) && !version_is_known(value)) {
        refuse(conn, 400);
        return false;
    }
    return true;
}

static void upgrade(struct gw_conn *conn, const struct nx_http1_request *request, struct nx_bytes query)
{
    struct nx_ws_handshake handshake;
    const enum nx_err err = nx_ws_handshake_check(request, &handshake);
    if (err == NX_E_HTTP_UPGRADE) {
        conn->http->is_keep_alive = false;
        gw_conn_http_answer(conn, 426, "text/plain", nx_bytes_text("upgrade required\n"),
                            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
        return;
    }
    if (err != NX_OK) {
        refuse(conn, 400);
        return;
    }
    if (conn->kind == GW_CONN_PUBLIC && !gateway_query(conn, query)) {
        return;
    }
    if (origin_is_foreign(request, &handshake)) {
        refuse(conn, 403);
        return;
    }
    const struct gw_sessions *sessions = &conn->shard->hub.sessions;
    const uint32_t live = sessions->count - sessions->counts[GW_SESSION_DETACHED];
    if (conn->shard->is_draining ||
        (conn->kind == GW_CONN_PUBLIC && live >= conn->shard->hub.config.sessions_max)) {
        refuse(conn, 503);
        return;
    }
    /* Behind a proxy that only tells whom it speaks for in its requests, a client is counted here. */
    if (conn->is_forwarded && !gw_conn_enter_guard(conn)) {
        refuse(conn, 503);
        return;
    }
    const struct nx_deflate_terms terms = nx_deflate_choose(&request->headers);
    uint8_t text[512];
    uint8_t extension[NX_DEFLATE_ANSWER_SIZE_MAX];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    struct nx_writer e = nx_writer_init(extension, sizeof(extension));
    if (terms.is_agreed) {
        nx_deflate_answer(&e, &terms);
    }
    if (nx_ws_handshake_answer(&w, handshake.key, (struct nx_bytes){0}, nx_writer_bytes(&e)) != NX_OK ||
        !nx_writer_ok(&w) || !gw_conn_out_put(conn, nx_writer_bytes(&w))) {
        gw_conn_close(conn);
        return;
    }
    gw_conn_ws_start(conn, &terms);
}

static void route_admin(struct gw_conn *conn, struct nx_bytes path)
{
    if (nx_bytes_is(path, "/metrics") || nx_bytes_is(path, "/stats")) {
        gw_stats_answer(conn, nx_bytes_is(path, "/stats"));
    } else if (nx_bytes_is(path, "/healthz")) {
        gw_conn_http_answer(conn, 200, "text/plain", nx_bytes_text("ok\n"), NULL);
    } else {
        gw_conn_http_error(conn, 404, 0, "404: Not Found");
    }
}

/* Answers what needs no control; false when the request is one of the API. */
static bool route(struct gw_conn *conn, const struct nx_http1_request *request, const struct nx_url *url)
{
    struct gw_shard *shard = conn->shard;
    const bool is_read = request->method == NX_HTTP1_METHOD_GET || request->method == NX_HTTP1_METHOD_HEAD;
    if (conn->kind == GW_CONN_ADMIN) {
        route_admin(conn, url->path);
    } else if (conn->kind == GW_CONN_ECHO || nx_bytes_is(url->path, "/gateway") ||
               nx_bytes_is(url->path, "/gateway/")) {
        upgrade(conn, request, url->query);
    } else if (nx_bytes_is(url->path, "/healthz")) {
        gw_conn_http_answer(conn, 200, "text/plain", nx_bytes_text("ok\n"), NULL);
    } else if (nx_bytes_is(url->path, "/readyz")) {
        const bool is_ready = !shard->is_draining && gw_hub_is_ready(&shard->hub, nx_loop_now(shard->loop));
        gw_conn_http_answer(conn, is_ready ? 200 : 503, "text/plain",
                            nx_bytes_text(is_ready ? "ready\n" : "not ready\n"), NULL);
    } else if (gw_rest_entry_is_path(url->path)) {
        if (request->method != NX_HTTP1_METHOD_OPTIONS) {
            return false;
        }
        gw_conn_http_answer(conn, 204, "", (struct nx_bytes){0},
                            shard->node->config->cors_origin != NULL
                                ? "Access-Control-Allow-Methods: GET, HEAD, POST, PUT, PATCH, DELETE\r\n"
                                  "Access-Control-Allow-Headers: Authorization, Content-Type\r\n"
                                : "Allow: GET, HEAD, POST, PUT, PATCH, DELETE\r\n");
    } else if (is_read) {
        gw_assets_answer(conn, request, url->path);
    } else {
        gw_conn_http_error(conn, 404, 0, "404: Not Found");
    }
    return true;
}

static void take_head(struct gw_conn *conn, const struct nx_http1_request *request)
{
    struct gw_http *http = conn->http;
    struct nx_url url;
    http->method = request->method;
    http->head_size = request->head_size;
    http->body_size = 0;
    http->is_keep_alive = request->is_keep_alive;
    http->is_head = request->method == NX_HTTP1_METHOD_HEAD;
    http->is_chunked = request->is_chunked;
    http->body_left = request->content_length;
    http->target_at = (size_t)(request->target.at - http->buffer);
    http->target_size = request->target.size;
    http->seen = 0;
    conn->is_closing_after = false;
    make_request_id(conn, request);
    take_forwarded(conn, request);
    const bool has_body = request->is_chunked || request->content_length != 0;
    /* "*" and what does not decode never reaches a handler. */
    struct nx_url_path decoded;
    struct nx_writer scratch = nx_writer_init(conn->shard->scratch, GW_SCRATCH_SIZE);
    if (nx_url_split(request->target, &url) != NX_OK ||
        nx_url_path_decode(url.path, &scratch, &decoded) == NX_E_MALFORMED) {
        refuse(conn, 400);
        return;
    }
    if (has_body &&
        (request->is_upgrade || !gw_rest_entry_is_path(url.path) || conn->kind != GW_CONN_PUBLIC)) {
        refuse(conn, 400); /* Nothing but the API takes a body. */
        return;
    }
    if (route(conn, request, &url)) {
        return;
    }
    struct nx_bytes value;
    enum nx_err err;
    if (query_has(url.query, "token", &value, &err) || query_has(url.query, "access_token", &value, &err) ||
        err != NX_OK) {
        refuse(conn, 400);
    } else if (request->content_length > GW_BODY_MAX) {
        refuse(conn, 413);
    } else if (gw_rest_entry_keep(conn, request) != NX_OK) {
        refuse(conn, 503);
    } else if (!has_body) {
        gw_rest_entry_send(conn);
    } else {
        http->phase = GW_HTTP_BODY;
        http->began_at = nx_loop_now(conn->shard->loop);
        nx_http1_chunked_init(&http->chunked);
        gw_conn_deadline(conn, GW_HEAD_MS);
        if (request->expects_continue) {
            (void)!gw_conn_out_put(conn, nx_bytes_text("HTTP/1.1 100 Continue\r\n\r\n"));
        }
    }
}

static void take_chunks(struct gw_conn *conn)
{
    struct gw_http *http = conn->http;
    const size_t at = http->head_size + http->body_size;
    struct nx_http1_chunked_piece piece;
    if (nx_http1_chunked_feed(&http->chunked, http->buffer + at, http->size - at, &piece) != NX_OK) {
        refuse(conn, 400);
        return;
    }
    http->body_size += piece.body_size;
    /* Close the gap between the body and what follows it. */
    const size_t rest = http->size - at - piece.consumed_size;
    memmove(http->buffer + at + piece.body_size, http->buffer + at + piece.consumed_size, rest);
    http->size = at + piece.body_size + rest;
    if (http->body_size > GW_BODY_MAX) {
        refuse(conn, 413);
    } else if (piece.is_done) {
        gw_rest_entry_send(conn);
    }
}

static void take_body(struct gw_conn *conn)
{
    struct gw_http *http = conn->http;
    if (http->is_chunked) {
        take_chunks(conn);
        return;
    }
    const size_t have = http->size - http->head_size - http->body_size;
    const size_t now = have < http->body_left ? have : (size_t)http->body_left;
    http->body_size += now;
    http->body_left -= now;
    if (http->body_left == 0) {
        gw_rest_entry_send(conn);
    }
}

/* Works on the buffer until it waits for bytes, for control or for the client to take an answer. */
static void advance(struct gw_conn *conn)
{
    struct gw_http *http;
    while ((http = conn->http) != NULL && conn->phase == GW_CONN_HTTP) {
        if (http->phase == GW_HTTP_BODY) {
            take_body(conn);
            if (conn->http == NULL || conn->http->phase == GW_HTTP_BODY) {
                return;
            }
            continue;
        }
        if (http->phase == GW_HTTP_WAITING || http->phase == GW_HTTP_SENDING || http->size == 0) {
            return;
        }
        if (http->phase == GW_HTTP_IDLE) {
            http->phase = GW_HTTP_HEAD;
            http->began_at = nx_loop_now(conn->shard->loop);
            gw_conn_deadline(conn, GW_HEAD_MS);
        }
        struct nx_http1_request request;
        const enum nx_err err =
            nx_http1_request_parse(nx_bytes_of(http->buffer, http->size), http->seen, &request);
        if (err == NX_E_TRUNCATED) {
            http->seen = http->size;
            return;
        }
        if (err != NX_OK) {
            refuse(conn, nx_http1_status_of(err));
            return;
        }
        take_head(conn, &request);
    }
}

static bool make_room(struct gw_conn *conn, size_t more)
{
    struct gw_http *http = conn->http;
    const size_t need = http->size + more;
    if (need <= http->room) {
        return true;
    }
    if (need > BUFFER_MAX) {
        return false;
    }
    size_t room = http->room == 0 ? BUFFER_FIRST : http->room;
    while (room < need) {
        room *= 2;
    }
    struct gw_shard *shard = conn->shard;
    if (room > BUFFER_FIRST && shard->requests_size + room > GW_REQUESTS_SIZE_MAX) {
        shard->refused_count++;
        return false;
    }
    uint8_t *buffer = gw_heap_take(&shard->heap, room);
    if (buffer == NULL) {
        return false;
    }
    if (http->size != 0) {
        memcpy(buffer, http->buffer, http->size);
    }
    buffer_give(shard, http);
    shard->requests_size += room;
    http->buffer = buffer;
    http->room = room;
    return true;
}

void gw_conn_http_data(struct gw_conn *conn, const uint8_t *bytes, size_t size)
{
    if (conn->http == NULL) {
        conn->http = gw_heap_take(&conn->shard->heap, sizeof(*conn->http));
        if (conn->http == NULL) {
            gw_conn_close(conn);
            return;
        }
    }
    struct gw_http *http = conn->http;
    if (http->phase == GW_HTTP_SENDING && !http->is_keep_alive) {
        return; /* The last answer is on its way: what follows is not read any more. */
    }
    if (!make_room(conn, size)) {
        gw_conn_close(conn);
        return;
    }
    memcpy(http->buffer + http->size, bytes, size);
    http->size += size;
    advance(conn);
    /* Requests behind one that is being served wait in the kernel once there are enough of them here. */
    http = conn->http;
    if (http != NULL && http->phase >= GW_HTTP_WAITING && conn->phase == GW_CONN_HTTP &&
        http->size - http->head_size - http->body_size > GW_PIPELINE_MAX / 2) {
        gw_conn_pause(conn, true);
    }
}

static void linger(struct gw_conn *conn)
{
    gw_conn_http_drop(conn);
    if (conn->has_ended) {
        gw_conn_close(conn);
        return;
    }
    if (conn->tls != NULL && conn->phase == GW_CONN_HTTP) {
        nx_tls_finish(conn->tls);
        gw_conn_out_mark(conn);
    }
    conn->phase = GW_CONN_LINGER;
    gw_conn_pause(conn, false);
    nx_stream_finish(&conn->stream);
    gw_conn_deadline(conn, GW_LINGER_MS);
}

void gw_conn_http_sent(struct gw_conn *conn)
{
    struct gw_http *http = conn->http;
    if (http == NULL || http->phase != GW_HTTP_SENDING || !conn->is_closing_after) {
        return;
    }
    conn->is_closing_after = false;
    if (!http->is_keep_alive || (conn->has_ended && http->size == http->head_size + http->body_size)) {
        linger(conn);
        return;
    }
    const size_t used = http->head_size + http->body_size;
    http->size -= used;
    memmove(http->buffer, http->buffer + used, http->size);
    http->phase = GW_HTTP_IDLE;
    http->seen = 0;
    http->head_size = 0;
    http->body_size = 0;
    http->request_id[0] = '\0';
    if (http->size == 0) {
        gw_conn_http_drop(conn);
        gw_conn_deadline(conn, GW_KEEP_ALIVE_MS);
    }
    gw_conn_pause(conn, false);
    advance(conn);
    if (conn->has_ended && conn->phase == GW_CONN_HTTP && conn->http != NULL &&
        conn->http->phase < GW_HTTP_WAITING) {
        gw_conn_close(conn); /* What is left is the start of a request that will never be whole. */
    }
}

void gw_conn_http_timeout(struct gw_conn *conn)
{
    struct gw_http *http = conn->http;
    if (http == NULL || http->phase == GW_HTTP_IDLE) {
        gw_conn_close(conn);
        return;
    }
    if (http->phase == GW_HTTP_BODY) {
        const int64_t ms =
            nx_time_since_ns(nx_loop_now(conn->shard->loop), http->began_at) / NX_TIME_NS_PER_MS;
        if ((int64_t)http->body_size * 1000 >= ms * GW_BODY_RATE_MIN) {
            gw_conn_deadline(conn, 1000);
            return;
        }
    }
    if (http->phase == GW_HTTP_HEAD || http->phase == GW_HTTP_BODY) {
        refuse(conn, 408);
    } else if (http->phase == GW_HTTP_WAITING) {
        gw_rest_entry_cancel(conn);
        gw_conn_http_error(conn, 504, 0, "The service did not answer in time");
    } else {
        gw_conn_close(conn);
    }
}
