#include "loadtest/fetch.h"

#include "engine/wire/http1_response.h"
#include "engine/wire/json.h"
#include "loadtest/limits.h"

#include <stdlib.h>

enum {
    REQUEST_MAX = 4096,
    CONTENT_MAX = 16384,
    BODY_FIRST = 32768,
    PAUSE_FIRST_MS = 50,
    PAUSE_MORE_MS = 300
};

/* ---- reading an answer ---- */

/* Hands on the page; `out_count` and `out_last` say how far it went. */
static enum nx_err page_read(struct load_fetch_lane *lane, uint32_t *out_count, uint32_t *out_last)
{
    struct load_fetch *fetch = lane->fetch;
    struct nx_json root;
    struct nx_json element;
    uint32_t count = 0;
    uint32_t last = lane->job->after;
    if (nx_json_open(nx_bytes_of(lane->in + lane->head_size, lane->body_size), &root) != NX_OK ||
        root.kind != NX_JSON_ARRAY) {
        return NX_E_MALFORMED;
    }
    struct nx_json_walk walk = nx_json_walk(root);
    while (nx_json_array_next(&walk, &element)) {
        uint8_t text[CONTENT_MAX];
        struct nx_writer scratch = nx_writer_init(text, sizeof(text));
        struct load_message message;
        const enum nx_err err = load_message_read(element, &scratch, &message);
        if (err != NX_OK) {
            return err;
        }
        count++;
        last = message.seq;
        if (message.seq <= lane->job->to) {
            fetch->on->message(fetch->context, lane->job, &message);
        }
    }
    *out_count = count;
    *out_last = last;
    return NX_OK;
}

/* ---- lanes ---- */

static void lane_go(struct load_fetch_lane *lane);

static void lane_pause(struct load_fetch_lane *lane)
{
    struct load_fetch *fetch = lane->fetch;
    fetch->retries++;
    lane->is_paused = true;
    nx_timer_set_ms(fetch->net->loop, &lane->pause,
                    PAUSE_FIRST_MS + (int64_t)nx_prng_below(&fetch->net->prng, PAUSE_MORE_MS));
}

static void lane_finish(struct load_fetch_lane *lane, bool is_good)
{
    struct load_fetch *fetch = lane->fetch;
    struct load_fetch_job *job = lane->job;
    lane->job = NULL;
    job->is_active = false;
    fetch->active--;
    fetch->on->done(fetch->context, job, is_good, lane->status);
}

static void answered(struct load_fetch_lane *lane)
{
    uint32_t count = 0;
    uint32_t last = 0;
    const bool is_busy = lane->status == 429 || lane->status >= 500;
    lane->is_asked = false;
    if (is_busy) {
        lane_pause(lane);
    } else if (lane->status != 200 || page_read(lane, &count, &last) != NX_OK) {
        lane_finish(lane, false);
    } else {
        lane->job->after = last;
        if (count < LOAD_FETCH_PAGE || last >= lane->job->to) {
            lane_finish(lane, true);
        }
    }
    lane->in_size = 0;
    lane->head_size = 0;
    lane_go(lane);
}

static bool in_put(struct load_fetch_lane *lane, struct nx_bytes bytes)
{
    const size_t needed = lane->in_size + bytes.size;
    if (needed > LOAD_FETCH_BODY_MAX) {
        return false;
    }
    if (needed > lane->in_room) {
        size_t room = lane->in_room != 0 ? lane->in_room : BODY_FIRST;
        while (room < needed) {
            room *= 2;
        }
        uint8_t *in = realloc(lane->in, room);
        if (in == NULL) {
            return false;
        }
        lane->in = in;
        lane->in_room = (uint32_t)room;
    }
    memcpy(lane->in + lane->in_size, bytes.at, bytes.size);
    lane->in_size += (uint32_t)bytes.size;
    return true;
}

static void on_message(void *context, struct nx_bytes payload)
{
    struct load_fetch_lane *lane = context;
    const uint32_t seen = lane->in_size;
    if (!lane->is_asked || !in_put(lane, payload)) {
        load_conn_close(&lane->conn, 0);
        return;
    }
    if (lane->head_size == 0) {
        struct nx_http1_response response;
        const enum nx_err err =
            nx_http1_response_parse(nx_bytes_of(lane->in, lane->in_size), seen, false, &response);
        if (err == NX_E_TRUNCATED) {
            return;
        }
        if (err != NX_OK || response.is_chunked || response.is_until_close ||
            response.content_length > LOAD_FETCH_BODY_MAX) {
            load_conn_close(&lane->conn, 0);
            return;
        }
        lane->head_size = (uint32_t)response.head_size;
        lane->body_size = response.has_body ? (uint32_t)response.content_length : 0;
        lane->status = response.status;
    }
    if (lane->in_size >= lane->head_size + lane->body_size) {
        answered(lane);
    }
}

static void ask(struct load_fetch_lane *lane)
{
    uint8_t text[REQUEST_MAX];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    const struct load_fetch_job *job = lane->job;
    nx_writer_text(&w, "GET /api/v1/channels/");
    nx_writer_decimal(&w, job->channel_id);
    nx_writer_text(&w, "/messages?limit=100&after_seq=");
    nx_writer_decimal(&w, job->after);
    nx_writer_text(&w, " HTTP/1.1\r\nHost: ");
    nx_writer_text(&w, lane->fetch->net->host);
    nx_writer_text(&w, "\r\nAuthorization: Bearer ");
    nx_writer_bytes_put(&w, job->token);
    nx_writer_text(&w, "\r\n\r\n");
    lane->in_size = 0;
    lane->head_size = 0;
    lane->is_asked = true;
    lane->fetch->requests++;
    if (!nx_writer_ok(&w) || load_conn_send(&lane->conn, nx_writer_bytes(&w)) != NX_OK) {
        load_conn_close(&lane->conn, 0);
    }
}

static void on_open(void *context)
{
    lane_go(context);
}

/* What was asked is asked again: reading twice changes nothing. */
static void on_closed(void *context, enum nx_err why, uint16_t code)
{
    struct load_fetch_lane *lane = context;
    (void)why;
    (void)code;
    lane->is_asked = false;
    if (!lane->fetch->is_closing && lane->job != NULL && !lane->is_paused) {
        lane_pause(lane);
    }
}

static const struct load_conn_events CONN_EVENTS = {
    .open = on_open, .message = on_message, .closed = on_closed};

static void lane_go(struct load_fetch_lane *lane)
{
    struct load_fetch *fetch = lane->fetch;
    if (fetch->is_closing || lane->is_paused || lane->is_asked) {
        return;
    }
    if (lane->job == NULL) {
        struct nx_list_link *link = nx_list_pop_front(&fetch->waiting);
        if (link == NULL) {
            return;
        }
        lane->job = NX_LIST_ITEM(link, struct load_fetch_job, waiting);
    }
    if (lane->conn.state == LOAD_CONN_OPEN) {
        ask(lane);
    } else if (lane->conn.state == LOAD_CONN_CLOSED &&
               load_conn_open(&lane->conn, fetch->net, LOAD_CONN_PLAIN, "", NULL, &CONN_EVENTS, lane) !=
                   NX_OK) {
        lane_pause(lane);
    }
}

static void on_pause_over(void *context)
{
    struct load_fetch_lane *lane = context;
    lane->is_paused = false;
    lane_go(lane);
}

void load_fetch_init(struct load_fetch *fetch)
{
    nx_list_init(&fetch->waiting);
    for (uint32_t i = 0; i < fetch->lanes_count; i++) {
        fetch->lanes[i].fetch = fetch;
        nx_timer_init(&fetch->lanes[i].pause, on_pause_over, &fetch->lanes[i]);
    }
}

void load_fetch_ask(struct load_fetch *fetch, struct load_fetch_job *job)
{
    job->is_active = true;
    fetch->active++;
    nx_list_push_back(&fetch->waiting, &job->waiting);
    for (uint32_t i = 0; i < fetch->lanes_count; i++) {
        if (fetch->lanes[i].job == NULL) {
            lane_go(&fetch->lanes[i]);
            return;
        }
    }
}

void load_fetch_close(struct load_fetch *fetch)
{
    fetch->is_closing = true;
    for (uint32_t i = 0; i < fetch->lanes_count; i++) {
        nx_timer_cancel(fetch->net->loop, &fetch->lanes[i].pause);
        load_conn_close(&fetch->lanes[i].conn, 0);
    }
}

void load_fetch_fini(struct load_fetch *fetch)
{
    for (uint32_t i = 0; i < fetch->lanes_count; i++) {
        load_conn_fini(&fetch->lanes[i].conn);
        free(fetch->lanes[i].in);
        fetch->lanes[i].in = NULL;
    }
}
