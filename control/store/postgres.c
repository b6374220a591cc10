#include "control/store/postgres.h"

#include "control/store/copy.h"
#include "control/store/limits.h"
#include "control/store/postgres_batch.h"
#include "control/store/postgres_reader.h"
#include "control/store/postgres_sweep.h"
#include "engine/base/assert.h"
#include "engine/io/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW_US_PER_MS = 1000, URL_SIZE_MAX = 2048 };

struct postgres_store;

/* One more than are under way: the next one is sent before the one that has committed is answered. */
enum { BATCH_SLOTS = STORE_PG_BATCHES + 1 };

struct postgres_store {
    struct store base;
    char url[URL_SIZE_MAX];
    uint32_t commit_window_us;
    struct store_postgres_context context;
    struct store_postgres_link writer;
    struct store_postgres_reader readers[STORE_READERS];
    struct nx_loop_task task; /* sends what was asked in this turn */
    struct nx_timer window;
    struct nx_timer tick;
    bool is_ticking;
    /* Writing questions that wait: a ring. */
    struct store_postgres_asked *asked; /* owned */
    uint32_t asked_first;
    uint32_t asked_count;
    struct nx_list reads; /* wait for room on a session */
    /* Batches under way: a ring. */
    struct store_postgres_batch *batches; /* owned: BATCH_SLOTS */
    uint32_t batch_first;
    uint32_t batch_count;
    uint32_t one_by_one;  /* questions to be sent each in a batch of its own, after a failure */
    bool is_rolling_back; /* everything under way was swept away; the ROLLBACK's results are awaited */
    bool has_failed;      /* the first failed batch of those under way was seen */
    nx_time busy_since;   /* of the sweep or the ROLLBACK under way */
    bool is_closing;
    bool is_replaced;
    uint64_t mark;      /* of the last batch that has one */
    uint64_t lost_mark; /* of the first batch with one whose fate is not known; 0 none */
    int64_t now_ms;     /* latest wall clock of an asker */
    struct store_postgres_sweep sweep;
};

static void kick(struct postgres_store *store);
static void kick_readers(struct postgres_store *store);

static void deliver(struct postgres_store *store, struct store_request *request)
{
    store->base.stats.waiting--;
    store->base.stats.failures += request->answer.verdict == NX_E_UNAVAILABLE;
    request->answered(request);
}

static void refuse(struct postgres_store *store, struct store_request *request)
{
    request->answer = (struct ctl_answer){.verdict = NX_E_UNAVAILABLE};
    deliver(store, request);
}

static void wake(struct postgres_store *store)
{
    if (store->base.loop != NULL) {
        nx_loop_task_wake(store->base.loop, &store->task);
    }
}

/* ---- the ring of those who wait to write ---- */

static struct store_postgres_asked *asked_at(struct postgres_store *store, uint32_t index)
{
    return &store->asked[(store->asked_first + index) % STORE_QUESTIONS_MAX];
}

static void asked_push(struct postgres_store *store, struct store_request *request)
{
    *asked_at(store, store->asked_count++) = (struct store_postgres_asked){request, nx_clock_now()};
}

static void asked_return(struct postgres_store *store, struct store_postgres_asked asked)
{
    store->asked_first = (store->asked_first + STORE_QUESTIONS_MAX - 1) % STORE_QUESTIONS_MAX;
    store->asked_count++;
    *asked_at(store, 0) = asked;
}

static struct store_postgres_asked asked_pop(struct postgres_store *store)
{
    const struct store_postgres_asked asked = *asked_at(store, 0);
    store->asked_first = (store->asked_first + 1) % STORE_QUESTIONS_MAX;
    store->asked_count--;
    return asked;
}

static struct store_postgres_batch *batch_at(struct postgres_store *store, uint32_t index)
{
    return &store->batches[(store->batch_first + index) % BATCH_SLOTS];
}

/* ---- writing ---- */

static void send_batch(struct postgres_store *store, uint32_t count_max)
{
    struct store_postgres_batch *batch = batch_at(store, store->batch_count++);
    batch->count = 0;
    while (batch->count < count_max && store->asked_count > 0) {
        batch->asked[batch->count++] = asked_pop(store);
    }
    batch->mark = ++store->mark;
    store_postgres_batch_send(batch, &store->context, &store->writer);
}

static bool must_gather(struct postgres_store *store)
{
    if (store->batch_count == 0 || store->asked_count >= STORE_BATCH_MAX || store->commit_window_us == 0) {
        return false;
    }
    const int64_t waited_us = nx_time_since_ns(nx_clock_now(), asked_at(store, 0)->at) / NX_TIME_NS_PER_US;
    if (waited_us >= (int64_t)store->commit_window_us) {
        return false;
    }
    if (!nx_timer_is_set(&store->window)) {
        nx_timer_set_ms(store->base.loop, &store->window, 1);
    }
    return true;
}

static void kick(struct postgres_store *store)
{
    while (store->asked_count > 0 && store->writer.state == STORE_POSTGRES_READY && !store->is_rolling_back &&
           !store->has_failed && !store->sweep.is_under_way) {
        if (store->one_by_one > 0) {
            if (store->batch_count > 0) {
                return;
            }
            store->one_by_one--;
            send_batch(store, 1);
        } else if (store->batch_count >= STORE_PG_BATCHES || must_gather(store)) {
            return;
        } else {
            send_batch(store, STORE_BATCH_MAX);
        }
    }
}

/** Answers a committed batch; who met a larger id is asked again. */
static void batch_committed(struct postgres_store *store, struct store_postgres_batch *batch)
{
    struct store_stats *stats = &store->base.stats;
    const int64_t ns = nx_time_since_ns(nx_clock_now(), batch->sent_at);
    stats->commits++;
    stats->commit_rows += batch->count;
    stats->commit_ns_max = (uint64_t)ns > stats->commit_ns_max ? (uint64_t)ns : stats->commit_ns_max;
    for (uint32_t i = batch->count; i-- > 0;) {
        struct store_request *request = batch->requests[i];
        if (request->question.kind == CTL_ASK_MESSAGE_CREATE && request->answer.verdict == NX_E_EXPIRED) {
            asked_return(store, batch->asked[i]);
            batch->requests[i] = NULL;
        }
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        if (batch->requests[i] != NULL) {
            store->now_ms = batch->requests[i]->question.now_ms;
            deliver(store, batch->requests[i]);
        }
    }
}

/** A batch that failed, or was swept away with one: all of them are asked again, or refused. */
static void batches_failed(struct postgres_store *store)
{
    struct store_postgres_batch *first = batch_at(store, 0);
    const uint32_t count = store->batch_count;
    const bool may_retry = first->count > 1 && store_postgres_batch_may_retry(first);
    store->batch_count = 0;
    store->has_failed = false;
    for (uint32_t i = count; i-- > 0;) {
        struct store_postgres_batch *batch = batch_at(store, i);
        if (batch->is_committed) { /* The first one failed in its COMMIT, so that this one could begin. */
            batch_committed(store, batch);
            continue;
        }
        store_postgres_batch_restore(batch);
        for (uint32_t k = batch->count; k-- > 0 && (i > 0 || may_retry);) {
            asked_return(store, batch->asked[k]);
        }
    }
    store->one_by_one = may_retry ? first->count : 0;
    /* The failed transaction is still open; nothing else may be sent on it. */
    store->is_rolling_back = true;
    store->busy_since = nx_clock_now();
    store_postgres_link_sent(&store->writer,
                             store_postgres_sql_send(store->writer.db, STORE_PG_ROLLBACK, NULL, 0) == NX_OK);
    store_postgres_link_sync(&store->writer);
    if (may_retry) {
        return;
    }
    const enum nx_err verdict = first->count == 1 ? store_postgres_batch_verdict(first) : NX_E_UNAVAILABLE;
    fprintf(stderr, "store.batch_refused questions=%u sqlstate=%s\n", first->count, first->sqlstate);
    for (uint32_t i = 0; i < first->count; i++) {
        first->requests[i]->answer = (struct ctl_answer){.verdict = verdict};
        deliver(store, first->requests[i]);
    }
}

static void writer_result(void *context, const PGresult *result)
{
    struct postgres_store *store = context;
    if (store->sweep.is_under_way) {
        store_postgres_sweep_result(&store->sweep, &store->context, result, store->now_ms);
        wake(store);
        return;
    }
    if (store->is_rolling_back) {
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            store->is_rolling_back = false;
            wake(store);
        }
        return;
    }
    /* After a failure the later batches were skipped by the server, one after the other. */
    uint32_t index = 0;
    while (index < store->batch_count && batch_at(store, index)->is_over) {
        index++;
    }
    if (index == store->batch_count) {
        return;
    }
    struct store_postgres_batch *batch = batch_at(store, index);
    store_postgres_batch_result(batch, &store->context, result);
    if (!batch->is_over) {
        return;
    }
    if (batch->is_committed && !store->has_failed) {
        store->batch_first = (store->batch_first + 1) % BATCH_SLOTS;
        store->batch_count--;
        kick(store); /* First the next commit, then the answers: the server does not wait for them. */
        batch_committed(store, batch);
        wake(store);
        return;
    }
    store->has_failed = true;
    if (index + 1 == store->batch_count) {
        batches_failed(store);
        wake(store);
    }
}

/* ---- the sweep: when nobody waits ---- */

static void sweep_kick(struct postgres_store *store)
{
    if (!store->is_closing && !store->sweep.is_under_way && !store->is_rolling_back &&
        store->batch_count == 0 && store->asked_count == 0 && store->writer.state == STORE_POSTGRES_READY) {
        store->busy_since = nx_clock_now();
        store_postgres_sweep_send(&store->sweep, &store->context, &store->writer, store->now_ms);
    }
}

/* ---- reading ---- */

static void kick_readers(struct postgres_store *store)
{
    bool has_any = false;
    for (size_t i = 0; i < STORE_READERS; i++) {
        has_any = store_postgres_reader_send(&store->readers[i], &store->reads) || has_any;
    }
    while (!has_any && !nx_list_is_empty(&store->reads)) { /* Nobody to ask: fail fast. */
        refuse(store, NX_LIST_ITEM(nx_list_pop_front(&store->reads), struct store_request, link));
    }
}

static void reader_answered(void *owner, struct store_request *request)
{
    deliver(owner, request);
}

static void reader_has_room(void *owner)
{
    wake(owner);
}

/* ---- losing and finding the writer ---- */

static void writer_lost(void *context)
{
    struct postgres_store *store = context;
    const uint32_t count = store->batch_count;
    store_postgres_sweep_lost(&store->sweep, store->now_ms);
    store->is_rolling_back = false;
    store->has_failed = false;
    store->one_by_one = 0;
    store->batch_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct store_postgres_batch *batch = batch_at(store, i);
        if (batch->mark != 0 && store->lost_mark == 0 && !batch->is_committed) {
            store->lost_mark = batch->mark;
        }
    }
    /* COMMIT was sent: these may be in the database or not. */
    for (uint32_t i = 0; i < count; i++) {
        struct store_postgres_batch *batch = batch_at(store, i);
        if (batch->is_committed) {
            batch_committed(store, batch);
            continue;
        }
        store_postgres_batch_restore(batch);
        for (uint32_t k = 0; k < batch->count; k++) {
            refuse(store, batch->requests[k]);
        }
    }
}

static void replaced(struct postgres_store *store, const char *what)
{
    if (!store->is_replaced) {
        store->is_replaced = true;
        fprintf(stderr, "store.memory_is_stale why=%s\n", what);
        if (store->base.on_stale != NULL) {
            store->base.on_stale(store->base.stale_context);
        }
    }
}

static void writer_replaced(void *context)
{
    replaced(context, "another_control_has_owned_the_database");
}

static void writer_ready(void *context)
{
    struct postgres_store *store = context;
    /* We were told nothing and told our askers to try again: but it was done, and what control keeps in memory lacks it. */
    if (store->lost_mark != 0 && store->writer.last_batch >= store->lost_mark) {
        replaced(store, "a_lost_commit_was_done");
    }
    store->lost_mark = 0;
    store->mark = store->writer.last_batch > store->mark ? store->writer.last_batch : store->mark;
    wake(store);
}

static const struct store_postgres_link_events writer_events = {
    .ready = writer_ready, .result = writer_result, .lost = writer_lost, .replaced = writer_replaced};

/* ---- time ---- */

static bool is_late(nx_time asked_at, nx_time now)
{
    return nx_time_since_ns(now, asked_at) >= (int64_t)STORE_PG_WAIT_MS * NX_TIME_NS_PER_MS;
}

static void on_tick(void *context)
{
    struct postgres_store *store = context;
    const nx_time now = nx_clock_now();
    store->is_ticking = false;
    if (store->batch_count > 0 && is_late(batch_at(store, 0)->asked[0].at, now) &&
        is_late(batch_at(store, 0)->sent_at, now)) {
        store_postgres_link_drop(&store->writer);
    }
    if ((store->sweep.is_under_way || store->is_rolling_back) && is_late(store->busy_since, now)) {
        store_postgres_link_drop(&store->writer);
    }
    for (size_t i = 0; i < STORE_READERS; i++) {
        struct store_postgres_reader *reader = &store->readers[i];
        if (store_postgres_reader_waited_ns(reader, now) >= (int64_t)STORE_PG_WAIT_MS * NX_TIME_NS_PER_MS) {
            store_postgres_link_drop(&reader->link);
        }
    }
    while (store->asked_count > 0 && is_late(asked_at(store, 0)->at, now)) {
        store->one_by_one -= store->one_by_one > 0;
        refuse(store, asked_pop(store).request);
    }
    wake(store);
}

static void on_window(void *context)
{
    wake(context);
}

static bool on_task(void *context)
{
    struct postgres_store *store = context;
    kick(store);
    kick_readers(store);
    sweep_kick(store);
    if (store->base.stats.waiting > 0 && !store->is_ticking) {
        store->is_ticking = true;
        nx_timer_set_ms(store->base.loop, &store->tick, STORE_PG_TICK_MS);
    }
    return false;
}

/* ---- asking ---- */

static enum nx_err postgres_ask(struct store *base, struct store_request *request)
{
    struct postgres_store *store = (struct postgres_store *)base;
    request->link = (struct nx_list_link){0};
    if (ctl_question_is_read(request->question.kind)) {
        nx_list_push_back(&store->reads, &request->link);
    } else {
        asked_push(store, request);
    }
    base->stats.questions++;
    base->stats.waiting++;
    wake(store);
    return NX_OK;
}

static void answered_now(struct store_request *request)
{
    request->answered = NULL;
}

static enum nx_err postgres_ask_now(struct store *base, struct store_request *request)
{
    struct postgres_store *store = (struct postgres_store *)base;
    void (*const answered)(struct store_request *) = request->answered;
    request->answered = answered_now;
    const enum nx_err err = postgres_ask(base, request);
    while (err == NX_OK && request->answered != NULL) {
        if (base->loop != NULL) {
            nx_loop_turn(base->loop, NX_TIME_NEVER);
            continue;
        }
        if (store->writer.state != STORE_POSTGRES_READY) {
            while (store->asked_count > 0) {
                refuse(store, asked_pop(store).request);
            }
        }
        kick(store);
        kick_readers(store);
        store_postgres_link_wait(&store->writer);
        for (size_t i = 0; i < STORE_READERS; i++) {
            store_postgres_link_wait(&store->readers[i].link);
        }
    }
    request->answered = answered;
    return err == NX_OK ? request->answer.verdict : err;
}

/* ---- opening and closing ---- */

static enum nx_err postgres_load(struct store *base, const struct store_loader *loader)
{
    PGconn *db = NULL;
    char why[STORE_WHY_SIZE];
    if (store_postgres_setup_connect(&db, ((struct postgres_store *)base)->url, why) != NX_OK) {
        return NX_E_IO;
    }
    const enum nx_err err = store_postgres_setup_load(db, loader);
    PQfinish(db);
    return err;
}

/** A SQLite file, whatever the store: one kind of backup, which any Nexus can take up again. */
static enum nx_err postgres_backup(struct store *base, const char *path)
{
    char url[STORE_PATH_SIZE_MAX + 16];
    char why[STORE_WHY_SIZE] = "";
    struct store_copy_report report;
    if (strlen(path) >= STORE_PATH_SIZE_MAX) {
        return NX_E_IO;
    }
    snprintf(url, sizeof url, "sqlite:%s", path);
    const enum nx_err err =
        store_copy_run(((struct postgres_store *)base)->url, url, STORE_COPY_BACKUP, &report, why);
    if (err != NX_OK) {
        fprintf(stderr, "store.backup_failed why=%s\n", why);
        return NX_E_IO;
    }
    return NX_OK;
}

static void release(struct postgres_store *store)
{
    store_postgres_link_close(&store->writer);
    for (size_t i = 0; i < STORE_READERS; i++) {
        store_postgres_link_close(&store->readers[i].link);
    }
    if (store->base.loop != NULL) {
        nx_timer_cancel(store->base.loop, &store->tick);
        nx_timer_cancel(store->base.loop, &store->window);
        nx_loop_task_sleep(store->base.loop, &store->task);
    }
    for (size_t i = 0; i < STORE_POSTGRES_ARRAYS; i++) {
        store_postgres_sql_array_fini(&store->context.arrays[i]);
    }
    free(store->asked);
    free(store->batches);
    free(store);
}

static enum nx_err open_writer(struct postgres_store *store, const struct store_config *config,
                               const struct store_migration *migrations, size_t count,
                               char why[STORE_WHY_SIZE])
{
    const bool is_control = config->loop != NULL;
    PGconn *db = NULL;
    enum nx_err err = is_control ? store_postgres_setup_connect_waiting(&db, store->url, why)
                                 : store_postgres_setup_connect(&db, store->url, why);
    if (err != NX_OK) {
        return err;
    }
    store->writer.db = db; /* Now release() closes it. */
    if (is_control) {
        err = store_postgres_setup_own(db, why);
    }
    if (err == NX_OK) {
        err = store_postgres_setup_migrate(db, migrations, count, nx_clock_wall_ms(), why);
    }
    if (err == NX_OK) {
        err = store_postgres_setup_begin(db, &store->context, config->node, is_control, why);
    }
    if (err == NX_OK) {
        err = store_postgres_setup_prepare(db, why);
    }
    if (err != NX_OK) {
        return err;
    }
    store->writer = (struct store_postgres_link){.loop = config->loop,
                                                 .url = store->url,
                                                 .owner_epoch = is_control ? store->context.epoch : 0,
                                                 .events = &writer_events,
                                                 .context = store};
    err = store_postgres_link_open(&store->writer, db);
    if (err != NX_OK) {
        snprintf(why, STORE_WHY_SIZE, "the loop cannot watch PostgreSQL's connection: %s", nx_err_text(err));
    }
    return err;
}

enum nx_err store_postgres_open_with(struct store **out, const struct store_config *config,
                                     const struct store_migration *migrations, size_t count,
                                     char why[STORE_WHY_SIZE])
{
    struct postgres_store *store = calloc(1, sizeof *store);
    if (store == NULL || strlen(config->url) >= sizeof store->url) {
        snprintf(why, STORE_WHY_SIZE,
                 store == NULL ? "no memory for the store" : "the database url is too long");
        free(store);
        return NX_E_MALFORMED;
    }
    store->base = (struct store){.backend = &store_postgres_backend,
                                 .loop = config->loop,
                                 .on_stale = config->on_stale,
                                 .stale_context = config->stale_context};
    snprintf(store->url, sizeof store->url, "%s", config->url);
    store->commit_window_us = config->commit_window_us;
    store->asked = calloc(STORE_QUESTIONS_MAX, sizeof *store->asked);
    store->batches = calloc(BATCH_SLOTS, sizeof *store->batches);
    nx_list_init(&store->reads);
    if (config->loop != NULL) {
        nx_loop_task_init(&store->task, NX_LOOP_PRIORITY, on_task, store);
        nx_timer_init(&store->window, on_window, store);
        nx_timer_init(&store->tick, on_tick, store);
    }
    enum nx_err err = NX_E_IO;
    if (store->asked == NULL || store->batches == NULL) {
        snprintf(why, STORE_WHY_SIZE, "no memory for the store");
    } else {
        err = open_writer(store, config, migrations, count, why);
    }
    for (size_t i = 0; i < STORE_READERS && err == NX_OK; i++) {
        struct store_postgres_reader *reader = &store->readers[i];
        reader->context = &store->context;
        reader->owner = store;
        reader->answered = reader_answered;
        reader->has_room = reader_has_room;
        err = store_postgres_reader_open(reader, config->loop, store->url, why);
    }
    if (err != NX_OK) {
        release(store);
        return err;
    }
    *out = &store->base;
    return NX_OK;
}

static enum nx_err postgres_open(struct store **out, const struct store_config *config,
                                 char why[STORE_WHY_SIZE])
{
    return store_postgres_open_with(out, config, store_postgres_migrations, store_postgres_migrations_count,
                                    why);
}

static void postgres_close(struct store *base)
{
    struct postgres_store *store = (struct postgres_store *)base;
    store->is_closing = true;
    wake(store);
    while (base->loop != NULL && base->stats.waiting > 0) {
        nx_loop_turn(base->loop, NX_TIME_NEVER);
    }
    release(store);
}

enum nx_err store_postgres_exec(struct store *base, const char *sql)
{
    NX_ASSERT(base->backend == &store_postgres_backend);
    PGconn *db = NULL;
    char why[STORE_WHY_SIZE];
    if (store_postgres_setup_connect(&db, ((struct postgres_store *)base)->url, why) != NX_OK) {
        return NX_E_IO;
    }
    const enum nx_err err = store_postgres_setup_exec(db, sql, why);
    PQfinish(db);
    return err;
}

#define STORE_POSTGRES_BACKEND(text)                                                                         \
    {                                                                                                        \
        .scheme = (text), .open = postgres_open, .close = postgres_close, .load = postgres_load,             \
        .ask = postgres_ask, .ask_now = postgres_ask_now, .backup = postgres_backup,                         \
    }

const struct store_backend store_postgres_backend = STORE_POSTGRES_BACKEND("postgresql:");
const struct store_backend store_postgres_backend_short = STORE_POSTGRES_BACKEND("postgres:");
