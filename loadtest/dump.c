#include "loadtest/dump.h"

#include "loadtest/fetch.h"
#include "loadtest/history.h"
#include "loadtest/run.h"
#include "loadtest/seed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { LANES = 16 };

struct channel {
    struct load_fetch_job job;
};

struct dump {
    struct load_run run;
    struct load_seed seed;
    struct load_fetch fetch;
    struct load_history history;
    struct channel *channels;
    uint32_t channels_count;
    uint32_t left;
    uint64_t messages;
    bool has_failed;
};

static void on_message(void *context, struct load_fetch_job *job, const struct load_message *message)
{
    struct dump *dump = context;
    const struct load_history_record record = {
        .kind = LOAD_HISTORY_STORED,
        .flags = (uint8_t)((message->is_deleted ? LOAD_HISTORY_DELETED : 0) |
                           (message->is_edited ? LOAD_HISTORY_EDITED : 0)),
        .channel = job->channel_id,
        .id = message->id,
        .seq = message->seq,
        .hash = message->is_deleted ? 0 : load_history_hash(message->content),
        .author = message->author};
    dump->messages++;
    load_history_put(&dump->history, 0, &record);
}

static void on_done(void *context, struct load_fetch_job *job, bool is_good, uint16_t status)
{
    struct dump *dump = context;
    if (is_good) {
        const struct load_history_record record = {
            .kind = LOAD_HISTORY_DUMPED, .channel = job->channel_id, .seq = job->after};
        load_history_put(&dump->history, 0, &record);
    } else {
        (void)fprintf(stderr, "nexus load: channel %" PRIu64 " was answered with %u\n", job->channel_id,
                      status);
        dump->has_failed = true;
    }
    if (--dump->left == 0) {
        nx_loop_stop(dump->run.loop);
    }
}

static const struct load_fetch_events EVENTS = {.message = on_message, .done = on_done};

static int by_channel(const void *a, const void *b)
{
    const struct load_seed_user *x = a;
    const struct load_seed_user *y = b;
    return x->channel_id < y->channel_id ? -1 : x->channel_id > y->channel_id;
}

/* Each channel is read with the token of one of its members. */
static bool channels_make(struct dump *dump)
{
    dump->channels = calloc(dump->seed.users_count, sizeof(*dump->channels));
    if (dump->channels == NULL) {
        return false;
    }
    qsort(dump->seed.users, dump->seed.users_count, sizeof(*dump->seed.users), by_channel);
    for (uint32_t i = 0; i < dump->seed.users_count; i++) {
        const struct load_seed_user *user = &dump->seed.users[i];
        if (i == 0 || user->channel_id != user[-1].channel_id) {
            dump->channels[dump->channels_count++].job = (struct load_fetch_job){
                .token = user->token, .channel_id = user->channel_id, .to = LOAD_FETCH_TO_THE_END};
        }
    }
    return true;
}

static int go(struct dump *dump, const struct load_options *options)
{
    FILE *file = fopen(options->seed, "re");
    if (file == NULL || load_seed_read(file, 0, 0, &dump->seed) != NX_OK) {
        (void)fprintf(stderr, "nexus load: cannot read %s\n", options->seed);
        if (file != NULL) {
            (void)fclose(file);
        }
        return 1;
    }
    (void)fclose(file);
    if (!channels_make(dump) || load_history_open(&dump->history, options->history) != NX_OK) {
        (void)fprintf(stderr, "nexus load: cannot write %s: %s\n", options->history, strerror(errno));
        return 1;
    }
    if (load_run_open(&dump->run, options, NULL, dump, 0) != NX_OK) {
        return 1;
    }
    dump->fetch.net = &dump->run.net;
    dump->fetch.on = &EVENTS;
    dump->fetch.context = dump;
    dump->fetch.lanes_count = LANES;
    dump->left = dump->channels_count;
    load_fetch_init(&dump->fetch);
    for (uint32_t i = 0; i < dump->channels_count; i++) {
        load_fetch_ask(&dump->fetch, &dump->channels[i].job);
    }
    if (dump->left != 0) {
        nx_loop_run(dump->run.loop);
    }
    load_fetch_close(&dump->fetch);
    while (nx_loop_stats(dump->run.loop)->streams_count != 0) {
        nx_loop_turn(dump->run.loop, nx_time_add_ms(nx_loop_now(dump->run.loop), 10));
    }
    (void)printf("{\"channels\":%u,\"messages\":%" PRIu64 "}\n", dump->channels_count, dump->messages);
    return dump->has_failed;
}

int load_dump_go(const struct load_options *options)
{
    struct dump *dump = calloc(1, sizeof(*dump));
    if (dump == NULL) {
        (void)fprintf(stderr, "nexus load: %s\n", nx_err_text(NX_E_NO_MEMORY));
        return 1;
    }
    int code = go(dump, options);
    if (load_history_close(&dump->history) != NX_OK) {
        (void)fprintf(stderr, "nexus load: %s could not be written\n", options->history);
        code = 1;
    }
    load_run_close(&dump->run);
    load_fetch_fini(&dump->fetch);
    load_seed_fini(&dump->seed);
    free(dump->channels);
    free(dump);
    return code;
}
