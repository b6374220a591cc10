#include "loadtest/session.h"

#include "engine/base/text.h"
#include "engine/io/clock.h"
#include "engine/wire/json.h"
#include "engine/wire/json_out.h"
#include "loadtest/limits.h"

#include <stdlib.h>

enum {
    OP_DISPATCH = 0,
    OP_HEARTBEAT = 1,
    OP_IDENTIFY = 2,
    OP_RESUME = 6,
    OP_RECONNECT = 7,
    OP_INVALID = 9,
    OP_HELLO = 10,
    OP_ACK = 11,
    OP_SEND = 67,
    TEXT_MAX = 8192,
    CLOSE_ZOMBIE = 4000,
    RESUME_ID_MAX = 1024
};

/* ---- sending ---- */

static enum nx_err text_send(struct load_session *session, const struct nx_writer *w)
{
    return nx_writer_ok(w) ? load_conn_send(&session->conn, nx_writer_bytes(w)) : NX_E_FULL;
}

static void heartbeat_send(struct load_session *session)
{
    uint8_t text[64];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    nx_writer_text(&w, "{\"op\":1,\"d\":");
    if (session->s != 0) {
        nx_writer_decimal(&w, session->s);
    } else {
        nx_writer_text(&w, "null");
    }
    nx_writer_text(&w, "}");
    session->is_acked = false;
    session->beat_ns = nx_clock_now().ns;
    (void)!text_send(session, &w);
}

static void ack_handle(struct load_session *session)
{
    struct load_session_shared *shared = session->shared;
    if (!session->is_acked && shared->is_measuring != NULL && *shared->is_measuring) {
        nx_metric_histogram_add(&shared->beats_ns, (uint64_t)(session->conn.net->now_ns - session->beat_ns));
    }
    session->is_acked = true;
}

static void identify_send(struct load_session *session)
{
    uint8_t text[TEXT_MAX];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    const bool resumes = session->resume_id != NULL;
    nx_writer_text(&w, resumes ? "{\"op\":6,\"d\":{\"token\":\"" : "{\"op\":2,\"d\":{\"token\":\"");
    nx_writer_bytes_put(&w, session->token);
    if (resumes) {
        struct nx_json_out id = nx_json_out_init(&w);
        nx_writer_text(&w, "\",\"session_id\":");
        nx_json_out_text(&id, session->resume_id); /* the server's own choice of characters */
        nx_writer_text(&w, ",\"seq\":");
        nx_writer_decimal(&w, session->s);
    } else {
        nx_writer_text(&w, "\",\"intents\":");
        nx_writer_decimal(&w, session->shared->intents);
        nx_writer_text(
            &w, ",\"properties\":{\"os\":\"linux\",\"browser\":\"nexus-load\",\"device\":\"nexus-load\"}");
        if (session->shared->on->other != NULL) {
            nx_writer_text(&w, ",\"capabilities\":[\"resync\"]");
        }
        session->s = 0;
    }
    nx_writer_text(&w, "}}");
    session->identified_ns = nx_clock_now().ns;
    if (text_send(session, &w) != NX_OK) {
        load_conn_close(&session->conn, 0);
    }
}

enum nx_err load_session_say(struct load_session *session, uint64_t channel_id, struct nx_bytes content,
                             struct nx_bytes nonce)
{
    uint8_t text[TEXT_MAX];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    if (session->state != LOAD_SESSION_READY) {
        return NX_E_CLOSED;
    }
    nx_writer_text(&w, "{\"op\":67,\"d\":{\"channel_id\":\"");
    nx_writer_decimal(&w, channel_id);
    nx_writer_text(&w, "\",\"content\":\"");
    nx_writer_bytes_put(&w, content);
    nx_writer_text(&w, "\",\"nonce\":\"");
    nx_writer_bytes_put(&w, nonce);
    nx_writer_text(&w, "\"}}");
    return text_send(session, &w);
}

/* ---- heartbeats ---- */

static void heartbeat_due(void *context)
{
    struct load_session *session = context;
    if (session->conn.state != LOAD_CONN_OPEN) {
        return;
    }
    const int64_t waiting_ms = (nx_clock_now().ns - session->beat_ns) / NX_TIME_NS_PER_MS;
    if (!session->is_acked && waiting_ms < session->patience_ms) {
        nx_timer_set_ms(session->conn.net->loop, &session->heartbeat, session->interval_ms);
        return; /* timed heartbeats come faster than a busy server answers: one at a time */
    }
    if (!session->is_acked) {
        session->shared->stats.zombies++;
        load_conn_close(&session->conn, CLOSE_ZOMBIE);
        return;
    }
    heartbeat_send(session);
    nx_timer_set_ms(session->conn.net->loop, &session->heartbeat, session->interval_ms);
}

/* ---- receiving ---- */

static void hello_handle(struct load_session *session, struct nx_json d)
{
    struct nx_json value;
    uint64_t interval_ms = 0;
    if (!nx_json_find(d, "heartbeat_interval", &value) || nx_json_u64(value, &interval_ms) != NX_OK ||
        interval_ms == 0 || interval_ms > 3600000) {
        load_conn_close(&session->conn, CLOSE_ZOMBIE);
        return;
    }
    session->interval_ms =
        session->shared->heartbeat_ms != 0 ? session->shared->heartbeat_ms : (uint32_t)interval_ms;
    session->patience_ms = session->shared->heartbeat_ms != 0 ? (uint32_t)interval_ms : 0;
    session->is_acked = true;
    if (session->shared->on->hello != NULL) {
        session->shared->on->hello(session->shared->context, session);
    }
    session->state = LOAD_SESSION_WAITING;
    /* The first one anywhere in the interval, so that those who came together do not beat together. */
    nx_timer_set_ms(session->conn.net->loop, &session->heartbeat,
                    (int64_t)nx_prng_below(&session->conn.net->prng, session->interval_ms) + 1);
    identify_send(session);
}

static void forget(struct load_session *session)
{
    free(session->resume_id);
    session->resume_id = NULL;
}

static void became_ready(struct load_session *session, bool is_resumed)
{
    session->is_resumed = is_resumed;
    session->state = LOAD_SESSION_READY;
    session->attempts = 0;
    session->ready_ns = nx_clock_now().ns;
    session->shared->on->ready(session->shared->context, session);
}

static void ready_handle(struct load_session *session, struct nx_json d)
{
    struct nx_json value;
    uint8_t id[RESUME_ID_MAX];
    struct nx_writer scratch = nx_writer_init(id, sizeof(id));
    struct nx_bytes text;
    forget(session);
    session->shared->stats.identifies++;
    if (nx_json_find(d, "session_id", &value) && nx_json_string(value, &scratch, &text) == NX_OK &&
        text.size < RESUME_ID_MAX) {
        session->resume_id = calloc(1, text.size + 1);
        if (session->resume_id != NULL) {
            memcpy(session->resume_id, text.at, text.size);
        }
    }
    became_ready(session, false);
}

static void stamped_handle(struct load_session *session, struct nx_bytes name, struct nx_bytes text)
{
    struct load_session_shared *shared = session->shared;
    struct load_stamp stamp;
    if (nx_bytes_is(name, "MESSAGE_CREATE")) {
        if (load_stamp_find(text, &session->stamp_hint, &stamp)) {
            shared->on->delivered(shared->context, session, &stamp, text);
        } else if (shared->on->other != NULL) {
            shared->on->other(shared->context, session, name, text);
        }
        return;
    }
    size_t hint = 0;
    const bool is_refused = nx_bytes_is(name, "NEXUS_MESSAGE_REFUSED");
    if ((is_refused || nx_bytes_is(name, "NEXUS_MESSAGE_ACK")) && load_stamp_find(text, &hint, &stamp)) {
        shared->on->answered(shared->context, session, &stamp, is_refused, text);
        return;
    }
    shared->stats.other_dispatches++;
    if (shared->on->other != NULL) {
        shared->on->other(shared->context, session, name, text);
    }
}

/* What is rare, or does not begin the way our own server writes it. */
static void slow_handle(struct load_session *session, struct nx_bytes payload)
{
    struct nx_json root;
    struct nx_json value;
    struct nx_json d = {0};
    uint64_t op = 0;
    uint64_t s = 0;
    if (nx_json_open(payload, &root) != NX_OK || !nx_json_find(root, "op", &value) ||
        nx_json_u64(value, &op) != NX_OK) {
        session->conn.net->protocol_errors++;
        load_conn_close(&session->conn, CLOSE_ZOMBIE);
        return;
    }
    (void)nx_json_find(root, "d", &d);
    if (op == OP_DISPATCH) {
        struct nx_json t;
        if (nx_json_find(root, "s", &value) && nx_json_u64(value, &s) == NX_OK) {
            session->s = (uint32_t)s;
        }
        if (!nx_json_find(root, "t", &t) || t.kind != NX_JSON_STRING) {
            return;
        }
        if (nx_json_string_is(t, "READY")) {
            ready_handle(session, d);
        } else if (nx_json_string_is(t, "RESUMED")) {
            session->shared->stats.resumes++;
            became_ready(session, true);
        } else {
            stamped_handle(session, nx_bytes_of(t.at, t.size), payload);
        }
    } else if (op == OP_HELLO) {
        hello_handle(session, d);
    } else if (op == OP_ACK) {
        ack_handle(session);
    } else if (op == OP_HEARTBEAT) {
        heartbeat_send(session);
    } else if (op == OP_RECONNECT) {
        load_conn_close(&session->conn, CLOSE_ZOMBIE);
    } else if (op == OP_INVALID) {
        bool may_resume = false;
        session->shared->stats.invalid++;
        if (nx_json_bool(d, &may_resume) != NX_OK || !may_resume) {
            forget(session);
        }
        load_conn_close(&session->conn, CLOSE_ZOMBIE);
    }
}

static bool prefix_take(struct nx_bytes *text, const char *prefix)
{
    const size_t size = strlen(prefix);
    if (text->size < size || memcmp(text->at, prefix, size) != 0) {
        return false;
    }
    *text = nx_bytes_of(text->at + size, text->size - size);
    return true;
}

static void on_message(void *context, struct nx_bytes payload)
{
    struct load_session *session = context;
    struct nx_bytes rest = payload;
    uint32_t s = 0;
    if (!prefix_take(&rest, "{\"op\":0,\"s\":")) {
        slow_handle(session, payload);
        return;
    }
    while (rest.size != 0 && *rest.at >= '0' && *rest.at <= '9') {
        s = s * 10 + (uint32_t)(*rest.at - '0');
        rest = nx_bytes_of(rest.at + 1, rest.size - 1);
    }
    if (!prefix_take(&rest, ",\"t\":\"")) {
        slow_handle(session, payload);
        return;
    }
    const uint8_t *quote = memchr(rest.at, '"', rest.size);
    const struct nx_bytes name = nx_bytes_of(rest.at, quote != NULL ? (size_t)(quote - rest.at) : 0);
    if (nx_bytes_is(name, "READY") || nx_bytes_is(name, "RESUMED") || quote == NULL) {
        slow_handle(session, payload);
        return;
    }
    session->s = s;
    stamped_handle(session, name, payload);
}

/* ---- life ---- */

/* Whether the server's code says that trying again is of no use. */
static bool code_is_final(uint16_t code)
{
    return code == 4004 || (code >= 4010 && code <= 4014) || code == 4102 || code == 4103;
}

static void retry_later(struct load_session *session)
{
    /* A server that restarts is back within seconds: only one that stays away is asked ever more rarely. */
    const int64_t most_ms =
        session->attempts < LOAD_RETRY_SOON_COUNT ? LOAD_RETRY_SOON_MS : LOAD_RETRY_MAX_MS;
    int64_t pause_ms = LOAD_RETRY_FIRST_MS;
    for (uint32_t i = 0; i < session->attempts && pause_ms < most_ms; i++) {
        pause_ms *= 2;
    }
    pause_ms = pause_ms < most_ms ? pause_ms : most_ms;
    session->attempts++;
    pause_ms = pause_ms / 2 + (int64_t)nx_prng_below(&session->conn.net->prng, (uint64_t)pause_ms);
    nx_timer_set_ms(session->conn.net->loop, &session->retry, pause_ms);
}

static void close_note(struct load_session_stats *stats, enum nx_err why, uint16_t code)
{
    uint32_t i = 0;
    while (i < stats->closes_count && (stats->closes[i].code != code || stats->closes[i].why != why)) {
        i++;
    }
    if (i == LOAD_SESSION_CLOSES_MAX) {
        return;
    }
    if (i == stats->closes_count) {
        stats->closes[stats->closes_count++] = (struct load_session_close){.code = code, .why = why};
    }
    stats->closes[i].count++;
}

static void went_down(struct load_session *session, enum nx_err why, uint16_t code)
{
    struct load_session_shared *shared = session->shared;
    if (!shared->is_closing) {
        close_note(&shared->stats, why, code);
    }
    const bool was_ready = session->state == LOAD_SESSION_READY;
    shared->stats.cuts += was_ready && !shared->is_closing;
    shared->stats.failures += !was_ready && !shared->is_closing;
    session->close_code = code;
    if (code == 1000 || code == 1001 || code == 4007 || code == 4104) {
        forget(session); /* the session itself is over: identify again */
    }
    const bool is_final = shared->is_closing || !shared->reconnects || code_is_final(code);
    session->state = is_final ? LOAD_SESSION_DEAD : LOAD_SESSION_DOWN;
    if (!is_final) {
        retry_later(session);
    }
    shared->on->down(shared->context, session, is_final);
}

static void on_open(void *context)
{
    (void)context; /* HELLO comes by itself */
}

static void on_closed(void *context, enum nx_err why, uint16_t code)
{
    struct load_session *session = context;
    nx_timer_cancel(session->conn.net->loop, &session->heartbeat);
    went_down(session, why, code);
}

static const struct load_conn_events CONN_EVENTS = {
    .open = on_open, .message = on_message, .closed = on_closed};

static void retry_due(void *context)
{
    load_session_open(context);
}

void load_session_open(struct load_session *session)
{
    struct load_session_shared *shared = session->shared;
    nx_timer_init(&session->heartbeat, heartbeat_due, session);
    nx_timer_init(&session->retry, retry_due, session);
    session->state = LOAD_SESSION_CONNECTING;
    session->begun_ns = nx_clock_now().ns;
    const enum nx_err err = load_conn_open(
        &session->conn, shared->net, LOAD_CONN_WS, shared->target,
        session->source.family != NX_ADDR_FAMILY_NONE ? &session->source : NULL, &CONN_EVENTS, session);
    if (err != NX_OK) {
        session->conn.net = shared->net;
        went_down(session, err, 0);
    }
}

void load_session_close(struct load_session *session)
{
    if (session->conn.net == NULL) {
        return;
    }
    nx_timer_cancel(session->conn.net->loop, &session->retry);
    load_conn_close(&session->conn, 1000);
}

void load_session_fini(struct load_session *session)
{
    forget(session);
    load_conn_fini(&session->conn);
}
