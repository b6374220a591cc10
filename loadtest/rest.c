#include "loadtest/rest.h"

#include "loadtest/limits.h"

enum { REQUEST_MAX = 8192, BODY_EXTRA = 128 };

void load_rest_content(uint8_t *out, uint32_t size, const struct load_stamp *stamp)
{
    load_stamp_put(out, stamp);
    if (size > LOAD_STAMP_SIZE) {
        memset(out + LOAD_STAMP_SIZE, 'x', size - LOAD_STAMP_SIZE);
    }
}

static void ask(struct load_rest *rest)
{
    uint8_t text[REQUEST_MAX];
    uint8_t body[LOAD_SIZE_MAX + BODY_EXTRA];
    struct nx_writer b = nx_writer_init(body, sizeof(body));
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    const struct load_stamp *stamp = &rest->waiting[rest->waiting_first];
    if (rest->conn.state != LOAD_CONN_OPEN || rest->is_asking || rest->waiting_count == 0) {
        return;
    }
    nx_writer_text(&b, "{\"content\":\"");
    uint8_t *content = nx_writer_skip(&b, rest->size);
    if (content != NULL) {
        load_rest_content(content, rest->size, stamp);
    }
    nx_writer_text(&b, "\",\"enforce_nonce\":true,\"nonce\":\"");
    uint8_t *nonce = nx_writer_skip(&b, LOAD_STAMP_SIZE);
    if (nonce != NULL) {
        load_stamp_put(nonce, stamp);
    }
    nx_writer_text(&b, "\"}");
    nx_writer_text(&w, "POST /api/v1/channels/");
    nx_writer_decimal(&w, rest->channel_id);
    nx_writer_text(&w, "/messages HTTP/1.1\r\nHost: ");
    nx_writer_text(&w, rest->net->host);
    nx_writer_text(&w, "\r\nAuthorization: Bearer ");
    nx_writer_bytes_put(&w, rest->token);
    nx_writer_text(&w, "\r\nContent-Type: application/json\r\nContent-Length: ");
    nx_writer_decimal(&w, b.size);
    nx_writer_text(&w, "\r\n\r\n");
    nx_writer_bytes_put(&w, nx_writer_bytes(&b));
    if (!nx_writer_ok(&b) || !nx_writer_ok(&w) || load_conn_send(&rest->conn, nx_writer_bytes(&w)) != NX_OK) {
        rest->errors++;
        load_conn_close(&rest->conn, 0);
        return;
    }
    rest->is_asking = true;
}

static void answered(struct load_rest *rest)
{
    const struct load_stamp stamp = rest->waiting[rest->waiting_first];
    rest->waiting_first = (rest->waiting_first + 1) % LOAD_REST_WAITING;
    rest->waiting_count--;
    rest->is_asking = false;
    rest->on->answered(rest->context, &stamp, rest->status < 200 || rest->status > 299);
    rest->status = 0;
    ask(rest);
}

/* Gathers the head; returns how many of `bytes` were used. */
static size_t head_take(struct load_rest *rest, struct nx_bytes bytes)
{
    struct nx_http1_response response;
    const uint32_t seen = rest->head_size;
    const size_t room = sizeof(rest->head) - seen;
    const size_t taken = bytes.size < room ? bytes.size : room;
    memcpy(rest->head + seen, bytes.at, taken);
    rest->head_size += (uint32_t)taken;
    const enum nx_err err =
        nx_http1_response_parse(nx_bytes_of(rest->head, rest->head_size), seen, false, &response);
    if (err == NX_E_TRUNCATED && rest->head_size < sizeof(rest->head)) {
        return taken;
    }
    if (err != NX_OK || response.is_chunked || response.is_until_close || !rest->is_asking) {
        rest->errors++;
        load_conn_close(&rest->conn, 0);
        return bytes.size;
    }
    rest->status = response.status;
    rest->body_left = response.has_body ? response.content_length : 0;
    rest->head_size = 0;
    return response.head_size - seen;
}

static void on_message(void *context, struct nx_bytes payload)
{
    struct load_rest *rest = context;
    while (rest->conn.state == LOAD_CONN_OPEN && (payload.size != 0 || rest->status != 0)) {
        size_t used;
        if (rest->status == 0) {
            used = head_take(rest, payload);
        } else {
            used = rest->body_left < payload.size ? (size_t)rest->body_left : payload.size;
            rest->body_left -= used;
        }
        payload = nx_bytes_slice(payload, used, SIZE_MAX);
        if (rest->status != 0 && rest->body_left == 0) {
            answered(rest);
        } else if (payload.size == 0) {
            return;
        }
    }
}

static void on_open(void *context)
{
    ask(context);
}

/* A request without an answer is asked again with its nonce: the server recognises it. */
static void on_closed(void *context, enum nx_err why, uint16_t code)
{
    struct load_rest *rest = context;
    (void)why;
    (void)code;
    rest->is_asking = false;
    rest->status = 0;
    rest->head_size = 0;
    rest->body_left = 0;
}

static const struct load_conn_events CONN_EVENTS = {
    .open = on_open, .message = on_message, .closed = on_closed};

enum nx_err load_rest_say(struct load_rest *rest, const struct load_stamp *stamp)
{
    if (rest->waiting_count == LOAD_REST_WAITING) {
        return NX_E_FULL;
    }
    rest->waiting[(rest->waiting_first + rest->waiting_count++) % LOAD_REST_WAITING] = *stamp;
    if (rest->conn.state == LOAD_CONN_CLOSED) {
        const enum nx_err err =
            load_conn_open(&rest->conn, rest->net, LOAD_CONN_PLAIN, "", NULL, &CONN_EVENTS, rest);
        rest->errors += err != NX_OK;
        return NX_OK; /* it waits and is tried with the next message */
    }
    ask(rest);
    return NX_OK;
}

void load_rest_close(struct load_rest *rest)
{
    rest->waiting_count = 0;
    load_conn_close(&rest->conn, 0);
}

void load_rest_fini(struct load_rest *rest)
{
    load_conn_fini(&rest->conn);
}
