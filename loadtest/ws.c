#include "loadtest/ws.h"

#include "engine/base/text.h"
#include "engine/io/clock.h"
#include "loadtest/catchup.h"
#include "loadtest/dispatch.h"
#include "loadtest/fetch.h"
#include "loadtest/pending.h"
#include "loadtest/report.h"
#include "loadtest/rest.h"
#include "loadtest/run.h"
#include "loadtest/seed.h"
#include "loadtest/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SCAN_MS = 20, CODE_OVERLOADED = 130000, PUBLISHER_NONE = -1, KEY_MAX = 64 };

/* A guild of the seed and its channel. */
struct guild {
    uint64_t guild_id;
    uint64_t channel_id;
    uint32_t *members; /* indexes of clients, in `order` */
    uint32_t members_count;
    uint32_t publishers_count;
    uint32_t ready_count;
};

struct client {
    struct load_session session;
    struct load_check *checks; /* one per publisher of its guild, in `checks` of the run */
    struct load_catchup catchup;
    struct load_fetch_job job;
    struct load_dispatch_hints hints;
    uint32_t guild;
    int32_t publisher;
    bool was_ready;
    bool is_up;     /* ready now */
    bool is_joined; /* its guild was told */
};

/* A stream: one session that publishes in the channel of its guild. */
struct publisher {
    uint32_t client;
    uint32_t guild;
    uint32_t slot; /* among the publishers of its guild */
    struct load_rest *rest;
    struct load_pending pending;
};

struct ws {
    struct load_run run;
    struct load_seed seed;
    struct load_session_shared shared;
    struct client *clients;
    struct guild *guilds;
    struct publisher *publishers;
    struct load_check *checks;
    uint32_t *order;
    uint32_t guilds_count;
    uint32_t publishers_count;
    /* with --reconnect */
    bool follows;
    bool has_history_failed;
    struct load_history history;
    struct load_fetch fetch;
    struct nx_metric_histogram back_ns; /* the server's first word after a cut to READY or RESUMED */
    int64_t return_ns;                  /* that word; 0: it has not spoken yet */
    int64_t scanned_ns;
    uint32_t down_count; /* were ready and are not */
    uint64_t identified_again;
    uint64_t resyncs;
    uint64_t fetched;
    uint64_t fetches_failed;
    uint64_t resent;
    uint64_t refused_for_now;
};

/* ---- who publishes where ---- */

static int order_compare(const void *a, const void *b, void *context)
{
    const struct load_seed_user *users = context;
    const uint32_t x = *(const uint32_t *)a;
    const uint32_t y = *(const uint32_t *)b;
    if (users[x].guild_id != users[y].guild_id) {
        return users[x].guild_id < users[y].guild_id ? -1 : 1;
    }
    return x < y ? -1 : x > y;
}

static bool guilds_make(struct ws *ws)
{
    const uint32_t count = ws->seed.users_count;
    ws->order = calloc(count, sizeof(*ws->order));
    ws->guilds = calloc(count, sizeof(*ws->guilds));
    ws->clients = calloc(count, sizeof(*ws->clients));
    if (ws->order == NULL || ws->guilds == NULL || ws->clients == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        ws->order[i] = i;
    }
    qsort_r(ws->order, count, sizeof(*ws->order), order_compare, ws->seed.users);
    for (uint32_t i = 0; i < count; i++) {
        const struct load_seed_user *user = &ws->seed.users[ws->order[i]];
        if (ws->guilds_count == 0 || ws->guilds[ws->guilds_count - 1].guild_id != user->guild_id) {
            ws->guilds[ws->guilds_count++] = (struct guild){
                .guild_id = user->guild_id, .channel_id = user->channel_id, .members = &ws->order[i]};
        }
        ws->guilds[ws->guilds_count - 1].members_count++;
        ws->clients[ws->order[i]].guild = ws->guilds_count - 1;
        ws->clients[ws->order[i]].publisher = PUBLISHER_NONE;
    }
    return true;
}

static bool publishers_make(struct ws *ws, const struct load_options *options)
{
    uint32_t channels = options->channels != 0 ? options->channels : ws->guilds_count;
    channels = channels < ws->guilds_count ? channels : ws->guilds_count;
    uint32_t count = options->publishers != 0 ? options->publishers : channels;
    channels = channels < count ? channels : count;
    ws->publishers = calloc(count, sizeof(*ws->publishers));
    if (ws->publishers == NULL) {
        return false;
    }
    for (uint32_t round = 0; ws->publishers_count < count; round++) {
        const uint32_t before = ws->publishers_count;
        for (uint32_t g = 0; g < channels && ws->publishers_count < count; g++) {
            struct guild *guild = &ws->guilds[g];
            if (round < guild->members_count) {
                ws->clients[guild->members[round]].publisher = (int32_t)ws->publishers_count;
                ws->publishers[ws->publishers_count++] = (struct publisher){
                    .client = guild->members[round], .guild = g, .slot = guild->publishers_count++};
            }
        }
        if (ws->publishers_count == before) {
            break; /* more publishers were asked for than the channels have members */
        }
    }
    return true;
}

static bool checks_make(struct ws *ws)
{
    size_t needed = 0;
    for (uint32_t i = 0; i < ws->seed.users_count; i++) {
        needed += ws->guilds[ws->clients[i].guild].publishers_count;
    }
    ws->checks = calloc(needed + 1, sizeof(*ws->checks));
    struct load_check *at = ws->checks;
    for (uint32_t i = 0; at != NULL && i < ws->seed.users_count; i++) {
        ws->clients[i].checks = at;
        at += ws->guilds[ws->clients[i].guild].publishers_count;
    }
    return ws->checks != NULL;
}

/* ---- the history ---- */

static uint64_t channel_of(const struct ws *ws, const struct client *client)
{
    return ws->guilds[client->guild].channel_id;
}

static void note(struct ws *ws, const struct client *client, struct load_history_record record)
{
    record.client = client->session.number;
    load_history_put(&ws->history, ws->run.net.now_ns, &record);
}

static uint64_t stamped_hash(const struct ws *ws, const struct load_stamp *stamp)
{
    uint8_t content[LOAD_SIZE_MAX];
    load_rest_content(content, ws->run.options->size, stamp);
    return load_history_hash(nx_bytes_of(content, ws->run.options->size));
}

/* ---- catching up ---- */

static void fetch_begin(struct ws *ws, struct client *client, uint32_t to)
{
    client->job.token = client->session.token;
    client->job.channel_id = channel_of(ws, client);
    client->job.after = client->catchup.have;
    client->job.to = to;
    note(ws, client,
         (struct load_history_record){.kind = LOAD_HISTORY_FETCH,
                                      .channel = client->job.channel_id,
                                      .seq = client->job.after,
                                      .extra = to});
    load_fetch_ask(&ws->fetch, &client->job);
}

static void on_fetched(void *context, struct load_fetch_job *job, const struct load_message *message)
{
    struct ws *ws = context;
    struct client *client = NX_LIST_ITEM(job, struct client, job);
    struct load_stamp stamp;
    size_t hint = 0;
    ws->fetched++;
    ws->run.excused += message->is_deleted || message->is_edited; /* its mark is gone */
    note(ws, client,
         (struct load_history_record){.kind = LOAD_HISTORY_FETCHED,
                                      .flags = (uint8_t)((message->is_deleted ? LOAD_HISTORY_DELETED : 0) |
                                                         (message->is_edited ? LOAD_HISTORY_EDITED : 0)),
                                      .channel = job->channel_id,
                                      .id = message->id,
                                      .seq = message->seq,
                                      .hash = message->is_deleted ? 0 : load_history_hash(message->content)});
    if (!load_stamp_find(message->content, &hint, &stamp) || stamp.stream >= ws->publishers_count ||
        ws->publishers[stamp.stream].guild != client->guild) {
        return;
    }
    if (load_tally_fetched(&ws->run.tally, &client->checks[ws->publishers[stamp.stream].slot], &stamp)) {
        load_run_completed(&ws->run, stamp.stream);
    }
}

static void on_fetch_done(void *context, struct load_fetch_job *job, bool is_good, uint16_t status)
{
    struct ws *ws = context;
    struct client *client = NX_LIST_ITEM(job, struct client, job);
    if (!is_good) {
        ws->fetches_failed++;
        client->catchup.is_fetching = false;
        (void)fprintf(stderr, "nexus load: a channel's history was answered with %u\n", status);
        return;
    }
    if (job->to == LOAD_FETCH_TO_THE_END && client->catchup.wanted < job->after) {
        client->catchup.wanted = job->after;
    }
    load_catchup_done(&client->catchup);
    note(ws, client,
         (struct load_history_record){
             .kind = LOAD_HISTORY_CAUGHT_UP, .channel = job->channel_id, .seq = client->catchup.have});
}

static const struct load_fetch_events FETCH_EVENTS = {.message = on_fetched, .done = on_fetch_done};

static void on_resync(struct ws *ws, struct client *client, struct nx_bytes text)
{
    struct load_history_record record = {.kind = LOAD_HISTORY_RESYNC};
    uint64_t last_seq = 0;
    size_t hint = 0;
    (void)load_dispatch_number(text, "\"channel_id\":\"", &hint, &record.channel);
    (void)load_dispatch_number(text, "\"last_seq\":", &hint, &last_seq);
    record.seq = (uint32_t)last_seq;
    ws->resyncs++;
    note(ws, client, record);
    if (record.channel != channel_of(ws, client)) {
        return;
    }
    if (client->publisher != PUBLISHER_NONE) { /* what the old process had not answered it never will */
        load_pending_hasten(&ws->publishers[client->publisher].pending, ws->run.net.now_ns);
    }
    if (load_catchup_resync(&client->catchup, record.seq)) {
        fetch_begin(ws, client, client->catchup.wanted);
    } else if (client->catchup.is_fetching && client->job.to < client->catchup.wanted) {
        client->job.to = client->catchup.wanted;
    }
}

static void on_guild(struct ws *ws, struct client *client, struct nx_bytes text, bool is_gone)
{
    char key[KEY_MAX];
    const struct guild *guild = &ws->guilds[client->guild];
    uint64_t last_seq = 0;
    size_t hint = 0;
    (void)snprintf(key, sizeof(key), "\"id\":\"%" PRIu64 "\"", is_gone ? guild->guild_id : guild->channel_id);
    const uint8_t *at = memmem(text.at, text.size, key, strlen(key));
    if (at == NULL || is_gone != client->is_joined ||
        (is_gone && memmem(text.at, text.size, "\"unavailable\":true", 18) != NULL)) {
        return;
    }
    if (!is_gone && !load_dispatch_number(nx_bytes_of(at, (size_t)(text.at + text.size - at)),
                                          "\"last_seq\":", &hint, &last_seq)) {
        return;
    }
    client->is_joined = !is_gone;
    load_catchup_base(&client->catchup, (uint32_t)last_seq);
    note(ws, client,
         (struct load_history_record){.kind = is_gone ? LOAD_HISTORY_LEAVE : LOAD_HISTORY_JOIN,
                                      .channel = guild->channel_id,
                                      .seq = (uint32_t)last_seq});
}

static void on_other(void *context, struct load_session *session, struct nx_bytes name, struct nx_bytes text)
{
    struct ws *ws = context;
    struct client *client = &ws->clients[session->number];
    if (nx_bytes_is(name, "NEXUS_RESYNC")) {
        on_resync(ws, client, text);
    } else if (nx_bytes_is(name, "GUILD_CREATE") || nx_bytes_is(name, "GUILD_DELETE")) {
        on_guild(ws, client, text, nx_bytes_is(name, "GUILD_DELETE"));
    } else if (nx_bytes_is(name, "MESSAGE_UPDATE")) {
        note(ws, client, load_dispatch_message(&client->hints, LOAD_HISTORY_EDIT, text));
    } else if (nx_bytes_is(name, "MESSAGE_DELETE")) {
        note(ws, client, load_dispatch_message(&client->hints, LOAD_HISTORY_DELETE, text));
    } else if (nx_bytes_is(name, "MESSAGE_CREATE")) { /* without a mark: not one of ours */
        note(ws, client, load_dispatch_message(&client->hints, LOAD_HISTORY_DELIVER, text));
    }
}

/* ---- what the sessions tell ---- */

static void on_hello(void *context, struct load_session *session)
{
    struct ws *ws = context;
    (void)session;
    if (ws->down_count != 0 && ws->return_ns == 0) {
        ws->return_ns = ws->run.net.now_ns;
    }
}

static void came_back(struct ws *ws, struct client *client)
{
    const int64_t now_ns = ws->run.net.now_ns;
    ws->down_count--;
    nx_metric_histogram_add(
        &ws->back_ns, ws->return_ns != 0 && now_ns > ws->return_ns ? (uint64_t)(now_ns - ws->return_ns) : 0);
    if (client->publisher != PUBLISHER_NONE) {
        load_pending_hasten(&ws->publishers[client->publisher].pending, now_ns);
    }
    if (!client->session.is_resumed) {
        ws->identified_again++;
        client->catchup.is_fetching = true;
        if (client->job.is_active) {
            client->job.to = LOAD_FETCH_TO_THE_END;
        } else {
            fetch_begin(ws, client, LOAD_FETCH_TO_THE_END);
        }
    }
}

static void on_ready(void *context, struct load_session *session)
{
    struct ws *ws = context;
    struct client *client = &ws->clients[session->number];
    if (ws->follows) {
        if (!client->was_ready) {
            note(ws, client,
                 (struct load_history_record){.kind = LOAD_HISTORY_CLIENT,
                                              .id = ws->seed.users[session->number].user_id});
        }
        note(ws, client,
             (struct load_history_record){
                 .kind = session->is_resumed ? LOAD_HISTORY_RESUMED : LOAD_HISTORY_READY, .seq = session->s});
        if (client->was_ready) {
            came_back(ws, client);
        }
    }
    client->is_up = true;
    if (!client->was_ready) {
        client->was_ready = true;
        ws->guilds[client->guild].ready_count++;
        load_run_ready(&ws->run, session->begun_ns, session->identified_ns);
    }
}

static void on_down(void *context, struct load_session *session, bool is_final)
{
    struct ws *ws = context;
    struct client *client = &ws->clients[session->number];
    if (client->is_up && ws->follows && !ws->shared.is_closing) {
        ws->run.net.now_ns = nx_clock_now().ns;
        ws->down_count++;
        ws->return_ns = 0;
        note(ws, client,
             (struct load_history_record){.kind = LOAD_HISTORY_DOWN, .code = session->close_code});
    }
    client->is_up = false;
    if (is_final) {
        load_run_gone(&ws->run, client->was_ready);
    }
}

static void on_delivered(void *context, struct load_session *session, const struct load_stamp *stamp,
                         struct nx_bytes text)
{
    struct ws *ws = context;
    struct load_run *run = &ws->run;
    struct client *client = &ws->clients[session->number];
    struct load_check *check = NULL;
    if (ws->follows) {
        struct load_history_record record = load_dispatch_message(&client->hints, LOAD_HISTORY_DELIVER, text);
        record.hash = load_dispatch_content_hash(text, session->stamp_hint);
        note(ws, client, record);
        if (record.channel == channel_of(ws, client)) {
            load_catchup_live(&client->catchup, record.seq);
        }
    }
    if (stamp->stream < ws->publishers_count && ws->publishers[stamp->stream].guild == client->guild) {
        check = &client->checks[ws->publishers[stamp->stream].slot];
    }
    if (load_tally_delivered(&run->tally, check, stamp, run->net.now_ns)) {
        load_run_completed(run, stamp->stream);
    }
}

static void answered(struct ws *ws, const struct load_stamp *stamp, bool is_refused)
{
    struct load_run *run = &ws->run;
    if (!is_refused) {
        load_tally_acked(&run->tally, stamp, run->net.now_ns);
        return;
    }
    load_tally_refused(&run->tally, stamp);
    run->publish_owed +=
        run->options->closed != 0 && run->is_publishing; /* its place in the loop is free again */
}

/* An answer counts once; what was refused for now is said again later. */
static void answer_follow(struct ws *ws, const struct load_stamp *stamp, bool is_refused,
                          struct nx_bytes text)
{
    struct publisher *publisher = &ws->publishers[stamp->stream];
    struct client *client = &ws->clients[publisher->client];
    struct load_pending_one *one = load_pending_find(&publisher->pending, stamp->number);
    struct load_history_record record = {.kind = is_refused ? LOAD_HISTORY_REFUSE : LOAD_HISTORY_ACK,
                                         .channel = channel_of(ws, client),
                                         .hash = stamped_hash(ws, stamp)};
    uint64_t number = 0;
    size_t hint = 0;
    if (!is_refused) {
        (void)load_dispatch_number(text, "\"id\":\"", &hint, &record.id);
        (void)load_dispatch_number(text, "\"seq\":", &hint, &number);
        record.seq = (uint32_t)number;
    } else {
        (void)load_dispatch_number(text, "\"code\":", &hint, &number);
        record.extra = (uint32_t)number;
        const bool is_final =
            number != CODE_OVERLOADED && memmem(text.at, text.size, "\"retry_after\":", 14) == NULL;
        record.flags = is_final ? LOAD_HISTORY_FINAL : 0;
    }
    note(ws, client, record);
    if (one == NULL) {
        return;
    }
    if (is_refused && record.flags == 0) {
        ws->refused_for_now++;
        one->due_ns =
            ws->run.net.now_ns + (int64_t)LOAD_REFUSED_MS / 2 * NX_TIME_NS_PER_MS +
            (int64_t)nx_prng_below(&ws->run.net.prng, (uint64_t)LOAD_REFUSED_MS * NX_TIME_NS_PER_MS);
        return;
    }
    (void)load_pending_remove(&publisher->pending, stamp->number);
    answered(ws, stamp, is_refused);
}

static void on_answered(void *context, struct load_session *session, const struct load_stamp *stamp,
                        bool is_refused, struct nx_bytes text)
{
    struct ws *ws = context;
    (void)session;
    if (!ws->follows || stamp->run != ws->run.tally.run || stamp->stream >= ws->publishers_count) {
        answered(ws, stamp, is_refused);
    } else {
        answer_follow(ws, stamp, is_refused, text);
    }
}

static const struct load_session_events SESSION_EVENTS = {
    .ready = on_ready, .down = on_down, .delivered = on_delivered, .answered = on_answered};

static const struct load_session_events FOLLOWING_EVENTS = {.ready = on_ready,
                                                            .down = on_down,
                                                            .delivered = on_delivered,
                                                            .answered = on_answered,
                                                            .hello = on_hello,
                                                            .other = on_other};

static void on_rest_answered(void *context, const struct load_stamp *stamp, bool is_refused)
{
    answered(context, stamp, is_refused);
}

static const struct load_rest_events REST_EVENTS = {.answered = on_rest_answered};

/* ---- what the run asks for ---- */

static bool is_prepared(struct load_run *run)
{
    (void)run;
    return true;
}

static void start(struct load_run *run, uint32_t number)
{
    struct ws *ws = run->mode;
    struct load_session *session = &ws->clients[number].session;
    session->shared = &ws->shared;
    session->number = number;
    session->token = ws->seed.users[number].token;
    session->source = load_run_source(run, number);
    load_session_open(session);
}

static void connected(struct load_run *run)
{
    struct ws *ws = run->mode;
    for (uint32_t i = 0; i < ws->publishers_count; i++) {
        run->tally.streams[i].receivers_count = ws->guilds[ws->publishers[i].guild].ready_count;
    }
}

static bool rest_publish(struct ws *ws, struct publisher *publisher, const struct load_stamp *stamp)
{
    if (publisher->rest == NULL) {
        publisher->rest = calloc(1, sizeof(*publisher->rest));
        if (publisher->rest == NULL) {
            return false;
        }
        publisher->rest->net = &ws->run.net;
        publisher->rest->on = &REST_EVENTS;
        publisher->rest->context = ws;
        publisher->rest->token = ws->seed.users[publisher->client].token;
        publisher->rest->channel_id = ws->guilds[publisher->guild].channel_id;
        publisher->rest->size = ws->run.options->size;
    }
    return load_rest_say(publisher->rest, stamp) == NX_OK;
}

/* Sends a message of the publisher, the first time or again. */
static bool say(struct ws *ws, struct publisher *publisher, const struct load_stamp *stamp, uint32_t attempt)
{
    const struct client *client = &ws->clients[publisher->client];
    uint8_t content[LOAD_SIZE_MAX];
    load_rest_content(content, ws->run.options->size, stamp);
    const struct nx_bytes text = nx_bytes_of(content, ws->run.options->size);
    if (ws->history.file != NULL) {
        ws->run.net.now_ns = nx_clock_now().ns;
        note(ws, client,
             (struct load_history_record){.kind = LOAD_HISTORY_SEND,
                                          .code = (uint16_t)(attempt < UINT16_MAX ? attempt : UINT16_MAX),
                                          .channel = channel_of(ws, client),
                                          .hash = load_history_hash(text)});
    }
    return load_session_say(&ws->clients[publisher->client].session, channel_of(ws, client), text,
                            nx_bytes_of(content, LOAD_STAMP_SIZE)) == NX_OK;
}

static int64_t resend_ns(struct ws *ws)
{
    return (int64_t)LOAD_RESEND_MS * NX_TIME_NS_PER_MS +
           (int64_t)nx_prng_below(&ws->run.net.prng, (uint64_t)LOAD_RESEND_MS * NX_TIME_NS_PER_MS / 4);
}

static bool publish(struct load_run *run, uint32_t stream, int64_t ns)
{
    struct ws *ws = run->mode;
    struct publisher *publisher = &ws->publishers[stream];
    struct load_session *session = &ws->clients[publisher->client].session;
    struct load_stamp stamp;
    bool is_sent;
    if (!run->options->is_rest &&
        (session->state != LOAD_SESSION_READY || load_conn_unsent(&session->conn) > LOAD_CONN_OUT_MAX / 2)) {
        return false;
    }
    if (ws->follows && publisher->pending.count == LOAD_PENDING_MAX) {
        return false;
    }
    load_tally_publish(&run->tally, stream, ns, &stamp);
    if (run->options->is_rest) {
        is_sent = rest_publish(ws, publisher, &stamp);
    } else if (ws->follows) {
        is_sent = load_pending_add(&publisher->pending, &stamp, ns + resend_ns(ws)) == NX_OK;
        if (is_sent) {
            (void)say(ws, publisher, &stamp, 1); /* if it did not leave, it leaves when it is due again */
        }
    } else {
        is_sent = say(ws, publisher, &stamp, 1);
    }
    if (!is_sent) {
        load_tally_refused(&run->tally, &stamp);
    }
    return is_sent;
}

static void pending_scan(struct ws *ws, struct publisher *publisher, int64_t now_ns)
{
    for (uint32_t i = 0; i < publisher->pending.count; i++) {
        struct load_pending_one *one = &publisher->pending.ones[i];
        if (one->due_ns > now_ns) {
            continue;
        }
        if (ws->clients[publisher->client].session.state != LOAD_SESSION_READY ||
            load_conn_unsent(&ws->clients[publisher->client].session.conn) > LOAD_CONN_OUT_MAX / 2) {
            return;
        }
        ws->resent++;
        one->due_ns = now_ns + resend_ns(ws);
        (void)say(ws, publisher, &one->stamp, ++one->attempts);
    }
}

static void tick(struct load_run *run, int64_t now_ns)
{
    struct ws *ws = run->mode;
    if (!ws->follows || now_ns - ws->scanned_ns < (int64_t)SCAN_MS * NX_TIME_NS_PER_MS) {
        return;
    }
    ws->scanned_ns = now_ns;
    for (uint32_t i = 0; i < ws->publishers_count; i++) {
        pending_scan(ws, &ws->publishers[i], now_ns);
    }
}

static bool is_drained(struct load_run *run)
{
    const struct ws *ws = run->mode;
    bool is_done = !ws->follows || (ws->down_count == 0 && ws->fetch.active == 0);
    for (uint32_t i = 0; i < ws->publishers_count && is_done; i++) {
        is_done = ws->publishers[i].pending.count == 0;
    }
    return is_done;
}

/* How each client stands at the end. */
static void history_end(struct ws *ws)
{
    ws->run.net.now_ns = nx_clock_now().ns;
    for (uint32_t i = 0; i < ws->seed.users_count; i++) {
        const struct client *client = &ws->clients[i];
        if (client->was_ready) {
            note(ws, client,
                 (struct load_history_record){.kind = LOAD_HISTORY_END,
                                              .code = client->is_up && !client->catchup.is_fetching});
        }
    }
    ws->has_history_failed = load_history_close(&ws->history) != NX_OK;
    if (ws->has_history_failed) {
        (void)fprintf(stderr, "nexus load: the history could not be written\n");
    }
}

static void stop(struct load_run *run)
{
    struct ws *ws = run->mode;
    ws->shared.is_closing = true;
    if (ws->follows) {
        history_end(ws);
        load_fetch_close(&ws->fetch);
    }
    for (uint32_t i = 0; i < ws->seed.users_count; i++) {
        load_session_close(&ws->clients[i].session);
    }
    for (uint32_t i = 0; i < ws->publishers_count; i++) {
        if (ws->publishers[i].rest != NULL) {
            load_rest_close(ws->publishers[i].rest);
        }
    }
}

static void report(struct load_run *run, void *json_out)
{
    const struct ws *ws = run->mode;
    struct nx_json_out *o = json_out;
    const struct load_session_stats *stats = &ws->shared.stats;
    const struct {
        const char *name;
        uint64_t value;
    } MEMBERS[] = {{"guilds", ws->guilds_count},
                   {"cuts", stats->cuts},
                   {"resumes", stats->resumes},
                   {"invalid", stats->invalid},
                   {"zombies", stats->zombies},
                   {"other_dispatches", stats->other_dispatches},
                   {"failures", stats->failures},
                   {"identified_again", ws->identified_again},
                   {"resyncs", ws->resyncs},
                   {"fetched", ws->fetched},
                   {"fetch_requests", ws->fetch.requests},
                   {"fetch_retries", ws->fetch.retries},
                   {"fetches_failed", ws->fetches_failed},
                   {"resent", ws->resent},
                   {"refused_for_now", ws->refused_for_now},
                   {"down", ws->down_count},
                   {"history_records", ws->history.count}};
    for (size_t i = 0; i < sizeof(MEMBERS) / sizeof(MEMBERS[0]); i++) {
        nx_json_out_key(o, MEMBERS[i].name);
        nx_json_out_u64(o, MEMBERS[i].value);
    }
    load_report_closes(o, stats);
    load_report_histogram(o, "heartbeat_ms", &ws->shared.beats_ns);
    load_report_histogram(o, "back_ms", &ws->back_ns);
}

static const struct load_run_ops OPS = {.is_prepared = is_prepared,
                                        .start = start,
                                        .connected = connected,
                                        .publish = publish,
                                        .tick = tick,
                                        .is_drained = is_drained,
                                        .stop = stop,
                                        .report = report};

static bool seed_load(struct ws *ws, const struct load_options *options)
{
    FILE *file = fopen(options->seed, "re");
    if (file == NULL) {
        (void)fprintf(stderr, "nexus load: cannot read %s: %s\n", options->seed, strerror(errno));
        return false;
    }
    const enum nx_err err = load_seed_read(file, options->skip, options->sessions, &ws->seed);
    (void)fclose(file);
    if (err != NX_OK) {
        (void)fprintf(stderr, "nexus load: %s, line %u: %s\n", options->seed, ws->seed.line,
                      nx_err_text(err));
    }
    return err == NX_OK;
}

static int go(struct ws *ws, const struct load_options *options)
{
    int code = 1;
    if (!seed_load(ws, options)) {
        return code;
    }
    if (!guilds_make(ws) || !publishers_make(ws, options) || !checks_make(ws)) {
        (void)fprintf(stderr, "nexus load: %s\n", nx_err_text(NX_E_NO_MEMORY));
        return code;
    }
    if (load_run_open(&ws->run, options, &OPS, ws, ws->seed.users_count) != NX_OK) {
        return code;
    }
    ws->follows = options->reconnects && !options->is_rest;
    ws->fetch.net = &ws->run.net;
    ws->fetch.on = &FETCH_EVENTS;
    ws->fetch.context = ws;
    ws->fetch.lanes_count = LOAD_FETCH_LANES;
    load_fetch_init(&ws->fetch);
    if (options->history != NULL && load_history_open(&ws->history, options->history) != NX_OK) {
        (void)fprintf(stderr, "nexus load: cannot write %s: %s\n", options->history, strerror(errno));
        load_run_close(&ws->run);
        return code;
    }
    ws->shared = (struct load_session_shared){.net = &ws->run.net,
                                              .on = ws->follows ? &FOLLOWING_EVENTS : &SESSION_EVENTS,
                                              .context = ws,
                                              .target = options->path,
                                              .intents = options->intents,
                                              .heartbeat_ms = options->heartbeat_ms,
                                              .is_measuring = &ws->run.tally.is_measuring,
                                              .reconnects = options->reconnects};
    if (load_tally_open(&ws->run.tally, ws->publishers_count, (uint16_t)nx_prng_u64(&ws->run.net.prng)) ==
        NX_OK) {
        ws->run.tally.is_order_free = ws->follows;
        code = load_run_go(&ws->run);
        code = code == 0 && ws->has_history_failed ? 1 : code;
    }
    load_run_close(&ws->run);
    return code;
}

int load_ws_go(const struct load_options *options)
{
    struct ws *ws = calloc(1, sizeof(*ws));
    if (ws == NULL) {
        (void)fprintf(stderr, "nexus load: %s\n", nx_err_text(NX_E_NO_MEMORY));
        return 1;
    }
    const int code = go(ws, options);
    for (uint32_t i = 0; ws->clients != NULL && i < ws->seed.users_count; i++) {
        load_session_fini(&ws->clients[i].session);
    }
    load_fetch_fini(&ws->fetch);
    for (uint32_t i = 0; i < ws->publishers_count; i++) {
        load_pending_fini(&ws->publishers[i].pending);
        if (ws->publishers[i].rest != NULL) {
            load_rest_fini(ws->publishers[i].rest);
            free(ws->publishers[i].rest);
        }
    }
    free(ws->clients);
    free(ws->guilds);
    free(ws->publishers);
    free(ws->checks);
    free(ws->order);
    load_seed_fini(&ws->seed);
    free(ws);
    return code;
}
