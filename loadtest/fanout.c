#include "loadtest/fanout.h"

#include "engine/wire/json_out.h"
#include "loadtest/report.h"
#include "loadtest/run.h"
#include "loadtest/session.h"
#include "loadtest/standin.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct client {
    struct load_session session;
    struct load_check check;
    bool was_ready;
    uint8_t token[NX_TOKEN_MINTED_MAX];
};

struct fanout {
    struct load_run run;
    struct load_standin standin;
    struct load_session_shared shared;
    struct client *clients;
};

static bool is_prepared(struct load_run *run)
{
    const struct fanout *fanout = run->mode;
    return fanout->standin.online_count != 0;
}

static void start(struct load_run *run, uint32_t number)
{
    struct fanout *fanout = run->mode;
    struct client *client = &fanout->clients[number];
    struct nx_writer token = nx_writer_init(client->token, sizeof(client->token));
    client->session.shared = &fanout->shared;
    client->session.number = number;
    client->session.source = load_run_source(run, number);
    if (load_standin_token(&fanout->standin, number, &token) != NX_OK) {
        load_run_gone(run, false);
        return;
    }
    client->session.token = nx_writer_bytes(&token);
    load_session_open(&client->session);
}

static void on_ready(void *context, struct load_session *session)
{
    struct fanout *fanout = context;
    struct client *client = &fanout->clients[session->number];
    if (!client->was_ready) {
        client->was_ready = true;
        load_run_ready(&fanout->run, session->begun_ns, session->identified_ns);
    }
}

static void on_down(void *context, struct load_session *session, bool is_final)
{
    struct fanout *fanout = context;
    if (is_final) {
        load_run_gone(&fanout->run, fanout->clients[session->number].was_ready);
    }
}

static void on_delivered(void *context, struct load_session *session, const struct load_stamp *stamp,
                         struct nx_bytes text)
{
    struct fanout *fanout = context;
    (void)text;
    struct load_run *run = &fanout->run;
    struct load_check *check = stamp->stream == session->number % run->options->rooms
                                   ? &fanout->clients[session->number].check
                                   : NULL;
    if (load_tally_delivered(&run->tally, check, stamp, run->net.now_ns)) {
        load_run_completed(run, stamp->stream);
    }
}

static void on_answered(void *context, struct load_session *session, const struct load_stamp *stamp,
                        bool is_refused, struct nx_bytes text)
{
    (void)text;
    (void)context;
    (void)session;
    (void)stamp;
    (void)is_refused;
}

static const struct load_session_events SESSION_EVENTS = {
    .ready = on_ready, .down = on_down, .delivered = on_delivered, .answered = on_answered};

static void connected(struct load_run *run)
{
    struct fanout *fanout = run->mode;
    for (uint32_t i = 0; i < run->clients_count; i++) {
        run->tally.streams[i % run->options->rooms].receivers_count += fanout->clients[i].was_ready;
    }
}

static bool publish(struct load_run *run, uint32_t stream, int64_t ns)
{
    struct fanout *fanout = run->mode;
    uint8_t text[LOAD_STAMP_SIZE];
    struct load_stamp stamp;
    if (!is_prepared(run)) {
        return false;
    }
    load_tally_publish(&run->tally, stream, ns, &stamp);
    load_stamp_put(text, &stamp);
    if (load_standin_event(&fanout->standin, stream, stamp.number, nx_bytes_of(text, sizeof(text)),
                           run->options->size) != NX_OK) {
        load_tally_refused(&run->tally, &stamp);
        return false;
    }
    return true;
}

static void stop(struct load_run *run)
{
    struct fanout *fanout = run->mode;
    fanout->shared.is_closing = true;
    for (uint32_t i = 0; i < run->clients_count; i++) {
        load_session_close(&fanout->clients[i].session);
    }
    load_standin_close(&fanout->standin);
}

static void report(struct load_run *run, void *json_out)
{
    const struct fanout *fanout = run->mode;
    struct nx_json_out *o = json_out;
    nx_json_out_key(o, "resumes");
    nx_json_out_u64(o, fanout->shared.stats.resumes);
    load_report_closes(o, &fanout->shared.stats);
    nx_json_out_key(o, "link_fulls");
    nx_json_out_u64(o, fanout->standin.link_fulls);
}

static const struct load_run_ops OPS = {.is_prepared = is_prepared,
                                        .start = start,
                                        .connected = connected,
                                        .publish = publish,
                                        .stop = stop,
                                        .report = report};

/* The probes' tokens, as a seed file for another process. */
static bool probes_write(struct fanout *fanout, const struct load_options *options)
{
    FILE *file = fopen(options->probe_seed, "we");
    bool is_written = file != NULL;
    for (uint32_t i = 0; is_written && i < options->probes; i++) {
        const uint32_t user = options->sessions + i;
        const uint32_t guild = load_standin_guild_of(&fanout->standin, user);
        uint8_t text[NX_TOKEN_MINTED_MAX];
        struct nx_writer token = nx_writer_init(text, sizeof(text));
        is_written = load_standin_token(&fanout->standin, user, &token) == NX_OK &&
                     fprintf(file,
                             "{\"user_id\":\"%" PRIu64
                             "\",\"username\":\"probe\",\"token\":\"%.*s\",\"guild_id\":\"%" PRIu64
                             "\",\"channel_id\":\"%" PRIu64 "\"}\n",
                             LOAD_STANDIN_USER + user, (int)token.size, (const char *)text,
                             LOAD_STANDIN_GUILD + guild, LOAD_STANDIN_CHANNEL + guild) > 0;
    }
    if ((file != NULL && fclose(file) != 0) || !is_written) {
        (void)fprintf(stderr, "nexus load: cannot write %s\n", options->probe_seed);
        return false;
    }
    return true;
}

static int go(struct fanout *fanout, const struct load_options *options)
{
    const uint16_t run_number = (uint16_t)nx_prng_u64(&fanout->run.net.prng);
    int code = 1;
    enum nx_err err = load_standin_open(&fanout->standin, fanout->run.loop, options->bus, options->sessions,
                                        options->rooms, options->probes);
    if (err != NX_OK) {
        (void)fprintf(stderr, "nexus load: cannot listen on %s: %s\n", options->bus, nx_err_text(err));
        return code;
    }
    fanout->shared = (struct load_session_shared){.net = &fanout->run.net,
                                                  .on = &SESSION_EVENTS,
                                                  .context = fanout,
                                                  .target = options->path,
                                                  .intents = options->intents,
                                                  .reconnects = options->reconnects};
    err = load_tally_open(&fanout->run.tally, options->rooms, run_number);
    if (err == NX_OK && (options->probes == 0 || probes_write(fanout, options))) {
        code = load_run_go(&fanout->run);
    }
    load_standin_fini(&fanout->standin);
    return code;
}

int load_fanout_go(const struct load_options *options)
{
    int code = 1;
    struct fanout *fanout = calloc(1, sizeof(*fanout));
    struct client *clients = calloc(options->sessions, sizeof(*clients));
    if (fanout == NULL || clients == NULL) {
        (void)fprintf(stderr, "nexus load: %s\n", nx_err_text(NX_E_NO_MEMORY));
    } else if (load_run_open(&fanout->run, options, &OPS, fanout, options->sessions) == NX_OK) {
        fanout->clients = clients;
        code = go(fanout, options);
        load_run_close(&fanout->run);
        for (uint32_t i = 0; i < options->sessions; i++) {
            load_session_fini(&clients[i].session);
        }
    }
    free(clients);
    free(fanout);
    return code;
}
