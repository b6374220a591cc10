#include "loadtest/ws.h"

#include "loadtest/report.h"
#include "loadtest/rest.h"
#include "loadtest/run.h"
#include "loadtest/seed.h"
#include "loadtest/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

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
    uint32_t guild;
    bool was_ready;
};

/* A stream: one session that publishes in the channel of its guild. */
struct publisher {
    uint32_t client;
    uint32_t guild;
    uint32_t slot; /* among the publishers of its guild */
    struct load_rest *rest;
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

/* ---- what the sessions tell ---- */

static void on_ready(void *context, struct load_session *session)
{
    struct ws *ws = context;
    struct client *client = &ws->clients[session->number];
    if (!client->was_ready) {
        client->was_ready = true;
        ws->guilds[client->guild].ready_count++;
        load_run_ready(&ws->run, session->begun_ns, session->identified_ns);
    }
}

static void on_down(void *context, struct load_session *session, bool is_final)
{
    struct ws *ws = context;
    if (is_final) {
        load_run_gone(&ws->run, ws->clients[session->number].was_ready);
    }
}

static void on_delivered(void *context, struct load_session *session, const struct load_stamp *stamp)
{
    struct ws *ws = context;
    struct load_run *run = &ws->run;
    const struct client *client = &ws->clients[session->number];
    struct load_check *check = NULL;
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

static void on_answered(void *context, struct load_session *session, const struct load_stamp *stamp,
                        bool is_refused)
{
    (void)session;
    answered(context, stamp, is_refused);
}

static const struct load_session_events SESSION_EVENTS = {
    .ready = on_ready, .down = on_down, .delivered = on_delivered, .answered = on_answered};

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

static bool publish(struct load_run *run, uint32_t stream, int64_t ns)
{
    struct ws *ws = run->mode;
    struct publisher *publisher = &ws->publishers[stream];
    struct load_session *session = &ws->clients[publisher->client].session;
    uint8_t content[LOAD_SIZE_MAX];
    struct load_stamp stamp;
    bool is_sent;
    if (!run->options->is_rest &&
        (session->state != LOAD_SESSION_READY || load_conn_unsent(&session->conn) > LOAD_CONN_OUT_MAX / 2)) {
        return false;
    }
    load_tally_publish(&run->tally, stream, ns, &stamp);
    if (run->options->is_rest) {
        is_sent = rest_publish(ws, publisher, &stamp);
    } else {
        load_rest_content(content, run->options->size, &stamp);
        is_sent = load_session_say(session, ws->guilds[publisher->guild].channel_id,
                                   nx_bytes_of(content, run->options->size),
                                   nx_bytes_of(content, LOAD_STAMP_SIZE)) == NX_OK;
    }
    if (!is_sent) {
        load_tally_refused(&run->tally, &stamp);
    }
    return is_sent;
}

static void stop(struct load_run *run)
{
    struct ws *ws = run->mode;
    ws->shared.is_closing = true;
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
    } MEMBERS[] = {{"guilds", ws->guilds_count}, {"cuts", stats->cuts},
                   {"resumes", stats->resumes},  {"invalid", stats->invalid},
                   {"zombies", stats->zombies},  {"other_dispatches", stats->other_dispatches}};
    for (size_t i = 0; i < sizeof(MEMBERS) / sizeof(MEMBERS[0]); i++) {
        nx_json_out_key(o, MEMBERS[i].name);
        nx_json_out_u64(o, MEMBERS[i].value);
    }
    load_report_closes(o, stats);
    load_report_histogram(o, "heartbeat_ms", &ws->shared.beats_ns);
}

static const struct load_run_ops OPS = {.is_prepared = is_prepared,
                                        .start = start,
                                        .connected = connected,
                                        .publish = publish,
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
    ws->shared = (struct load_session_shared){.net = &ws->run.net,
                                              .on = &SESSION_EVENTS,
                                              .context = ws,
                                              .target = options->path,
                                              .intents = options->intents,
                                              .heartbeat_ms = options->heartbeat_ms,
                                              .is_measuring = &ws->run.tally.is_measuring,
                                              .reconnects = options->reconnects};
    if (load_tally_open(&ws->run.tally, ws->publishers_count, (uint16_t)nx_prng_u64(&ws->run.net.prng)) ==
        NX_OK) {
        code = load_run_go(&ws->run);
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
    for (uint32_t i = 0; i < ws->publishers_count; i++) {
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
