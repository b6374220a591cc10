#include "control/store/memory.h"

#include "control/store/limits.h"
#include "control/store/memory_account.h"
#include "control/store/memory_community.h"
#include "control/store/memory_invite.h"
#include "control/store/memory_message.h"
#include "engine/base/prng.h"
#include "engine/io/timer.h"

#include <stdio.h>
#include <stdlib.h>

/* With a seed: one commit in so many is lost, one in so many ambiguous, one in so many late. */
enum { LOST_ONE_IN = 64, AMBIGUOUS_ONE_IN = 64, LATE_ONE_IN = 16, LATE_MS_MAX = 50, COMMIT_MS = 1 };

struct memory_store {
    struct store base;
    struct store_memory_data data;
    struct nx_list waiting;
    struct nx_timer timer;
    struct nx_prng prng;
    bool has_faults;
    enum store_memory_fault forced;
    uint32_t forced_left;
    bool is_answering;
};

static void stats(const struct store_memory_data *data, struct ctl_answer *answer)
{
    uint64_t messages = 0;
    for (size_t i = 0; i < data->channels.count; i++) {
        messages += ((struct store_memory_channel *)data->channels.entries[i].row)->row.last_seq;
    }
    answer->stats = (struct ctl_stats_row){.users = data->users.count,
                                           .guilds = data->guilds.count,
                                           .channels = data->channels.count,
                                           .members = data->members.count,
                                           .messages = messages,
                                           .logins = data->logins.count};
}

static enum nx_err answer(struct store_memory_data *data, const struct ctl_question *question,
                          struct ctl_answer *out)
{
    const enum ctl_question_kind kind = question->kind; /* The enum lists the kinds noun by noun. */
    if (kind <= CTL_ASK_LOGIN_REVOKE) {
        return store_memory_account(data, question, out);
    }
    if (kind <= CTL_ASK_BANS_LIST) {
        return store_memory_community(data, question, out);
    }
    if (kind <= CTL_ASK_INVITE_DELETE) {
        return store_memory_invite(data, question, out);
    }
    if (kind == CTL_ASK_STATS) {
        stats(data, out);
        return NX_OK;
    }
    return store_memory_message(data, question, out);
}

static void answer_one(struct memory_store *store, struct store_request *request)
{
    struct store_memory_data *data = &store->data;
    const size_t mark = request->arena != NULL ? nx_arena_save(request->arena) : 0;
    data->arena = request->arena;
    data->is_arena_full = false;
    request->answer = (struct ctl_answer){0};
    enum nx_err verdict = answer(data, &request->question, &request->answer);
    if (verdict == NX_OK && data->is_arena_full) {
        verdict = NX_E_NO_MEMORY;
    }
    if (verdict == NX_E_NO_MEMORY && request->arena != NULL) {
        nx_arena_restore(request->arena, mark);
        request->answer = (struct ctl_answer){0};
    }
    request->answer.verdict = verdict;
    data->arena = NULL;
}

static enum store_memory_fault next_fault(struct memory_store *store)
{
    if (store->forced_left > 0) {
        store->forced_left--;
        return store->forced;
    }
    if (!store->has_faults) {
        return STORE_MEMORY_FAULT_NONE;
    }
    if (nx_prng_below(&store->prng, LOST_ONE_IN) == 0) {
        return STORE_MEMORY_FAULT_LOST;
    }
    return nx_prng_below(&store->prng, AMBIGUOUS_ONE_IN) == 0 ? STORE_MEMORY_FAULT_AMBIGUOUS
                                                              : STORE_MEMORY_FAULT_NONE;
}

/** Answers the `count` requests as one commit and on one snapshot after it. */
static void run_batch(struct memory_store *store, struct store_request *const *requests, uint32_t count)
{
    uint32_t writes = 0;
    for (uint32_t i = 0; i < count; i++) {
        writes += !ctl_question_is_read(requests[i]->question.kind);
    }
    const enum store_memory_fault fault = writes > 0 ? next_fault(store) : STORE_MEMORY_FAULT_NONE;
    for (uint32_t i = 0; i < count; i++) {
        const bool is_read = ctl_question_is_read(requests[i]->question.kind);
        if (is_read || fault != STORE_MEMORY_FAULT_LOST) {
            answer_one(store, requests[i]);
        }
        if (!is_read && fault != STORE_MEMORY_FAULT_NONE) {
            requests[i]->answer = (struct ctl_answer){.verdict = NX_E_UNAVAILABLE};
        }
        store->base.stats.failures += requests[i]->answer.verdict == NX_E_UNAVAILABLE;
    }
    if (writes > 0 && fault == STORE_MEMORY_FAULT_NONE) {
        store->base.stats.commits++;
        store->base.stats.commit_rows += writes;
    }
}

static void schedule(struct memory_store *store)
{
    int64_t delay_ms = COMMIT_MS;
    if (store->has_faults && nx_prng_below(&store->prng, LATE_ONE_IN) == 0) {
        delay_ms += (int64_t)nx_prng_below(&store->prng, LATE_MS_MAX);
    }
    nx_timer_set_ms(store->base.loop, &store->timer, delay_ms);
}

static void on_due(void *context)
{
    struct memory_store *store = context;
    struct store_request *requests[STORE_BATCH_MAX];
    uint32_t count = 0;
    struct nx_list_link *link;
    while (count < STORE_BATCH_MAX && (link = nx_list_pop_front(&store->waiting)) != NULL) {
        requests[count++] = NX_LIST_ITEM(link, struct store_request, link);
    }
    run_batch(store, requests, count);
    store->is_answering = true;
    for (uint32_t i = 0; i < count; i++) {
        store->base.stats.waiting--;
        requests[i]->answered(requests[i]);
    }
    store->is_answering = false;
    if (!nx_list_is_empty(&store->waiting)) {
        schedule(store);
    }
}

static enum nx_err memory_ask(struct store *base, struct store_request *request)
{
    struct memory_store *store = (struct memory_store *)base;
    const bool is_first = nx_list_is_empty(&store->waiting);
    request->link = (struct nx_list_link){0};
    nx_list_push_back(&store->waiting, &request->link);
    base->stats.questions++;
    base->stats.waiting++;
    if (is_first && !store->is_answering) {
        schedule(store);
    }
    return NX_OK;
}

static enum nx_err memory_ask_now(struct store *base, struct store_request *request)
{
    base->stats.questions++;
    run_batch((struct memory_store *)base, &request, 1);
    return request->answer.verdict;
}

static enum nx_err memory_load(struct store *base, const struct store_loader *loader)
{
    const struct store_memory_data *data = &((struct memory_store *)base)->data;
    void *context = loader->context;
    for (size_t i = 0; i < data->users.count; i++) {
        struct ctl_user_row row = *(struct ctl_user_row *)data->users.entries[i].row;
        row.password_hash = (struct nx_bytes){0};
        loader->user(context, &row);
    }
    for (size_t i = 0; i < data->guilds.count; i++) {
        loader->guild(context, data->guilds.entries[i].row);
    }
    for (size_t i = 0; i < data->roles.count; i++) {
        loader->role(context, data->roles.entries[i].row);
    }
    for (size_t i = 0; i < data->channels.count; i++) {
        loader->channel(context, &((struct store_memory_channel *)data->channels.entries[i].row)->row);
    }
    for (size_t i = 0; i < data->overwrites.count; i++) {
        loader->overwrite(context, data->overwrites.entries[i].row);
    }
    for (size_t i = 0; i < data->members.count; i++) {
        loader->member(context, data->members.entries[i].row);
    }
    return NX_OK;
}

static enum nx_err memory_backup(struct store *base, const char *path)
{
    (void)base;
    (void)path;
    return NX_E_UNSUPPORTED;
}

static enum nx_err memory_open(struct store **out, const struct store_config *config,
                               char why[STORE_WHY_SIZE])
{
    struct memory_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        snprintf(why, STORE_WHY_SIZE, "no memory for the store");
        return NX_E_IO;
    }
    store->base = (struct store){.backend = &store_memory_backend, .loop = config->loop};
    store->has_faults = config->seed != 0;
    nx_prng_init(&store->prng, config->seed);
    nx_list_init(&store->waiting);
    store_memory_data_init(&store->data, config->node);
    if (config->loop != NULL) {
        nx_timer_init(&store->timer, on_due, store);
    }
    *out = &store->base;
    return NX_OK;
}

static void memory_close(struct store *base)
{
    struct memory_store *store = (struct memory_store *)base;
    while (base->stats.waiting > 0) {
        nx_loop_turn(base->loop, NX_TIME_NEVER);
    }
    if (base->loop != NULL) {
        nx_timer_cancel(base->loop, &store->timer);
    }
    store_memory_data_fini(&store->data);
    free(store);
}

void store_memory_fail(struct store *base, enum store_memory_fault fault, uint32_t commits)
{
    NX_ASSERT(base->backend == &store_memory_backend);
    struct memory_store *store = (struct memory_store *)base;
    store->forced = fault;
    store->forced_left = commits;
}

const struct store_backend store_memory_backend = {
    .scheme = "memory:",
    .open = memory_open,
    .close = memory_close,
    .load = memory_load,
    .ask = memory_ask,
    .ask_now = memory_ask_now,
    .backup = memory_backup,
};
