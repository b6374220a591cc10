#include "control/store/sqlite.h"

#include "control/store/limits.h"
#include "control/store/sqlite_batch.h"
#include "control/store/sqlite_file.h"
#include "control/store/sqlite_load.h"
#include "engine/base/spsc.h"
#include "engine/io/clock.h"
#include "engine/io/worker.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { WRITE_JOBS = 2, WINDOW_NS_PER_US = 1000 };

struct sqlite_store;

/** One commit: takes what waits when it starts, so the second job gathers while the first one commits. */
struct write_job {
    struct nx_job job;
    struct sqlite_store *store;
    struct store_request *requests[STORE_BATCH_MAX];
    uint32_t count;
    int64_t commit_ns;
    int wal_pages;
    bool is_committed;
    bool has_dead_channels;
    bool is_out;            /* the loop's */
    atomic_bool is_started; /* it may no longer take what is asked now */
};

struct read_job {
    struct nx_job job;
    struct sqlite_store *store;
    struct store_request *requests[STORE_READ_BATCH_MAX];
    uint32_t count;
    bool is_out;
};

/** Housekeeping on the writer's thread, one piece at a time. */
struct keep_job {
    struct nx_job job;
    struct sqlite_store *store;
    enum { KEEP_SWEEP, KEEP_RESTART } kind;
    int64_t now_ms;
    bool is_out;
    bool has_more;
};

struct checkpoint_job {
    struct nx_job job;
    struct sqlite_store *store;
    int wal_pages;
    bool is_out;
};

struct sqlite_store {
    struct store base;
    char path[STORE_PATH_SIZE_MAX];
    uint32_t commit_window_us;
    int lock_fd; /* -1 without */
    struct nx_worker *writer;
    struct nx_worker *readers;
    struct nx_worker *checkpointer;
    /* The writer's thread; before and after it runs, the opener's. */
    struct store_sqlite_connection write;
    int wal_pages;
    uint32_t last_batch;
    /* A reader's thread while its flag is taken. */
    struct store_sqlite_connection read[STORE_READERS];
    atomic_flag read_taken[STORE_READERS];
    /* The checkpointer's thread. */
    struct store_sqlite_connection checkpoint;
    atomic_bool is_flush_lost; /* see flush_note() */
    /* Between the loop and the writer. */
    struct nx_spsc asked;
    void *asked_memory;
    /* The loop's. */
    struct nx_list reads;
    struct write_job write_jobs[WRITE_JOBS];
    struct read_job read_jobs[STORE_READ_JOBS];
    struct keep_job keep;
    struct checkpoint_job checkpoint_job;
    int checkpointed_pages; /* length of the log when it was last written back */
    int64_t sweep_due_ms;
    bool has_dead_channels;
    bool is_closing;
};

static void kick_writer(struct sqlite_store *store);
static void kick_readers(struct sqlite_store *store);

static void deliver(struct sqlite_store *store, struct store_request *request)
{
    store->base.stats.waiting--;
    store->base.stats.failures += request->answer.verdict == NX_E_UNAVAILABLE;
    request->answered(request);
}

/* ---- writing ---- */

static uint32_t take_asked(struct write_job *job)
{
    struct store_request *request;
    while (job->count < STORE_BATCH_MAX && nx_spsc_pop(&job->store->asked, &request)) {
        job->requests[job->count++] = request;
    }
    return job->count;
}

static void write_run(struct nx_job *base)
{
    struct write_job *job = NX_LIST_ITEM(base, struct write_job, job);
    struct sqlite_store *store = job->store;
    job->count = 0;
    (void)take_asked(job);
    /* Who asks alone gets its answer at once; where others asked a moment ago, more are on their way. */
    if (job->count > 0 && job->count < STORE_BATCH_MAX && store->last_batch > 1 &&
        store->commit_window_us > 0) {
        const struct timespec window = {.tv_nsec = (long)store->commit_window_us * WINDOW_NS_PER_US};
        (void)nanosleep(&window, NULL);
        (void)take_asked(job);
    }
    atomic_store(&job->is_started, true);
    (void)take_asked(job);
    store->last_batch = job->count;
    const nx_time start = nx_clock_now();
    job->is_committed = job->count > 0 && store_sqlite_batch_write(&store->write, job->requests, job->count);
    job->commit_ns = nx_time_since_ns(nx_clock_now(), start);
    job->wal_pages = store->wal_pages;
    job->has_dead_channels = store->write.has_dead_channels;
}

/**
 * A flush of the database that failed is never good again: the kernel takes the pages for written, and SQLite does not write
 * again what it counts as written back. From then on the log, which was flushed, is all there is: no checkpoint begins it
 * anew, closing leaves it, and who opens the database next writes all of it back.
 */
static void flush_note(struct sqlite_store *store, int code)
{
    if (code == SQLITE_IOERR_FSYNC) {
        atomic_store(&store->is_flush_lost, true);
    }
}

static void checkpoint_run(struct nx_job *base)
{
    struct checkpoint_job *job = NX_LIST_ITEM(base, struct checkpoint_job, job);
    int written_back = 0;
    flush_note(job->store,
               sqlite3_wal_checkpoint_v2(job->store->checkpoint.db, NULL, SQLITE_CHECKPOINT_PASSIVE,
                                         &job->wal_pages, &written_back));
}

static void keep_run(struct nx_job *base)
{
    struct keep_job *job = NX_LIST_ITEM(base, struct keep_job, job);
    struct sqlite_store *store = job->store;
    if (job->kind == KEEP_SWEEP) {
        job->has_more = !store_sqlite_batch_sweep(&store->write, job->now_ms);
        store->has_dead_channels = store->write.has_dead_channels;
        return;
    }
    /* On the writer's own thread: from another one it would never find a gap between two commits. Nearly all of the log
     * is written back already; with the rest the next commit begins the log again at its start. The file keeps its
     * length: freeing its blocks and taking new ones would hold up commits far longer than writing over them. */
    const bool is_huge = store->wal_pages >= STORE_WAL_TRUNCATE_PAGES;
    if (atomic_load(&store->is_flush_lost)) {
        return;
    }
    sqlite3_busy_timeout(store->write.db, STORE_CHECKPOINT_BUSY_MS);
    flush_note(store, sqlite3_wal_checkpoint_v2(
                          store->write.db, NULL,
                          is_huge ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, NULL, NULL));
    sqlite3_busy_timeout(store->write.db, STORE_BUSY_MS);
}

static void submit_keep(struct sqlite_store *store, int64_t now_ms)
{
    store->keep.now_ms = now_ms;
    store->keep.is_out = nx_worker_submit(store->writer, &store->keep.job) == NX_OK;
}

static void keep_done(struct nx_job *base)
{
    struct keep_job *job = NX_LIST_ITEM(base, struct keep_job, job);
    struct sqlite_store *store = job->store;
    job->is_out = false;
    if (job->kind == KEEP_RESTART) {
        return;
    }
    if (!job->has_more) {
        store->sweep_due_ms = job->now_ms + STORE_NONCE_SWEEP_MS;
    } else if (store->base.stats.waiting == 0 && !store->is_closing) {
        submit_keep(store, job->now_ms);
    }
}

static void checkpoint_done(struct nx_job *base)
{
    struct checkpoint_job *job = NX_LIST_ITEM(base, struct checkpoint_job, job);
    struct sqlite_store *store = job->store;
    job->is_out = false;
    store->checkpointed_pages = job->wal_pages;
    if (!store->keep.is_out && !store->is_closing) {
        store->keep.kind = KEEP_RESTART;
        submit_keep(store, 0);
    }
}

/** After a commit: starts a checkpoint when the log has grown, or the sweep when nobody waits. */
static void keep_house(struct sqlite_store *store, int wal_pages, int64_t now_ms)
{
    if (store->is_closing) {
        return;
    }
    const int grown = wal_pages - (wal_pages >= store->checkpointed_pages ? store->checkpointed_pages : 0);
    if (grown >= STORE_WAL_CHECKPOINT_PAGES && !store->checkpoint_job.is_out &&
        !atomic_load(&store->is_flush_lost)) {
        store->checkpoint_job.is_out =
            nx_worker_submit(store->checkpointer, &store->checkpoint_job.job) == NX_OK;
    }
    const bool is_due = store->has_dead_channels || now_ms >= store->sweep_due_ms;
    if (store->base.stats.waiting == 0 && is_due && !store->keep.is_out) {
        store->keep.kind = KEEP_SWEEP;
        submit_keep(store, now_ms);
    }
}

static void write_done(struct nx_job *base)
{
    struct write_job *job = NX_LIST_ITEM(base, struct write_job, job);
    struct sqlite_store *store = job->store;
    struct store_stats *stats = &store->base.stats;
    kick_writer(store); /* First the next commit, then the answers: the writer does not wait for them. */
    if (job->is_committed) {
        stats->commits++;
        stats->commit_rows += job->count;
    }
    if (job->commit_ns > 0 && (uint64_t)job->commit_ns > stats->commit_ns_max) {
        stats->commit_ns_max = (uint64_t)job->commit_ns;
    }
    int64_t now_ms = 0;
    for (uint32_t i = 0; i < job->count; i++) {
        now_ms = job->requests[i]->question.now_ms;
        deliver(store, job->requests[i]);
    }
    const bool has_written = job->count > 0;
    const int wal_pages = job->wal_pages;
    store->has_dead_channels = store->has_dead_channels || job->has_dead_channels;
    job->is_out = false;
    kick_writer(store);
    if (has_written) {
        keep_house(store, wal_pages, now_ms);
    }
}

static void kick_writer(struct sqlite_store *store)
{
    if (nx_spsc_count(&store->asked) == 0) {
        return;
    }
    struct write_job *idle = NULL;
    for (size_t i = 0; i < WRITE_JOBS; i++) {
        struct write_job *job = &store->write_jobs[i];
        if (!job->is_out) {
            idle = job;
        } else if (!atomic_load(&job->is_started)) {
            return; /* It will take what waits; should it just miss it, its done() comes back here. */
        }
    }
    if (idle != NULL) {
        atomic_store(&idle->is_started, false);
        idle->is_out = nx_worker_submit(store->writer, &idle->job) == NX_OK;
    }
}

/* ---- reading ---- */

static void read_run(struct nx_job *base)
{
    struct read_job *job = NX_LIST_ITEM(base, struct read_job, job);
    struct sqlite_store *store = job->store;
    for (size_t i = 0;;
         i = (i + 1) % STORE_READERS) { /* As many connections as threads: one is always free. */
        if (!atomic_flag_test_and_set(&store->read_taken[i])) {
            store_sqlite_batch_read(&store->read[i], job->requests, job->count);
            atomic_flag_clear(&store->read_taken[i]);
            return;
        }
    }
}

static void read_done(struct nx_job *base)
{
    struct read_job *job = NX_LIST_ITEM(base, struct read_job, job);
    struct sqlite_store *store = job->store;
    kick_readers(store);
    for (uint32_t i = 0; i < job->count; i++) {
        deliver(store, job->requests[i]);
    }
    job->is_out = false;
    kick_readers(store);
}

static void kick_readers(struct sqlite_store *store)
{
    for (size_t i = 0; i < STORE_READ_JOBS && !nx_list_is_empty(&store->reads); i++) {
        struct read_job *job = &store->read_jobs[i];
        if (job->is_out) {
            continue;
        }
        job->count = 0;
        while (job->count < STORE_READ_BATCH_MAX && !nx_list_is_empty(&store->reads)) {
            job->requests[job->count++] =
                NX_LIST_ITEM(nx_list_pop_front(&store->reads), struct store_request, link);
        }
        job->is_out = nx_worker_submit(store->readers, &job->job) == NX_OK;
        NX_ASSERT(job->is_out); /* The pool's queue is as long as there are jobs. */
    }
}

/* ---- asking ---- */

static enum nx_err sqlite_ask(struct store *base, struct store_request *request)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    request->link = (struct nx_list_link){0};
    if (ctl_question_is_read(request->question.kind)) {
        nx_list_push_back(&store->reads, &request->link);
        kick_readers(store);
    } else {
        if (!nx_spsc_push(&store->asked, &request)) {
            return NX_E_FULL;
        }
        kick_writer(store);
    }
    base->stats.questions++;
    base->stats.waiting++;
    return NX_OK;
}

static void answered_now(struct store_request *request)
{
    request->answered = NULL;
}

static enum nx_err sqlite_ask_now(struct store *base, struct store_request *request)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    if (base->loop == NULL) {
        base->stats.questions++;
        if (ctl_question_is_read(request->question.kind)) {
            store_sqlite_batch_read(&store->write, &request, 1);
        } else if (store_sqlite_batch_write(&store->write, &request, 1)) {
            base->stats.commits++;
            base->stats.commit_rows++;
        }
        base->stats.failures += request->answer.verdict == NX_E_UNAVAILABLE;
        return request->answer.verdict;
    }
    void (*const answered)(struct store_request *) = request->answered;
    request->answered = answered_now;
    const enum nx_err err = sqlite_ask(base, request);
    while (err == NX_OK && request->answered != NULL) {
        nx_loop_turn(base->loop, NX_TIME_NEVER);
    }
    request->answered = answered;
    return err == NX_OK ? request->answer.verdict : err;
}

static enum nx_err sqlite_load(struct store *base, const struct store_loader *loader)
{
    /* A connection of its own: the writer's may be at work on its thread. */
    struct store_sqlite_connection from;
    char why[STORE_WHY_SIZE];
    const char *path = ((struct sqlite_store *)base)->path;
    if (store_sqlite_sql_open(&from, path, false, STORE_READ_CACHE_KIB, why) != NX_OK) {
        return NX_E_IO;
    }
    const enum nx_err err = store_sqlite_load(&from, loader);
    store_sqlite_sql_close(&from);
    return err;
}

static enum nx_err sqlite_backup(struct store *base, const char *path)
{
    return store_sqlite_file_backup(((struct sqlite_store *)base)->path, path);
}

/* ---- opening and closing ---- */

static int on_commit(void *context, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    ((struct sqlite_store *)context)->wal_pages = pages;
    return SQLITE_OK;
}

static enum nx_err start_threads(struct sqlite_store *store, char why[STORE_WHY_SIZE])
{
    struct nx_loop *loop = store->base.loop;
    for (size_t i = 0; i < STORE_READERS; i++) {
        const enum nx_err err =
            store_sqlite_sql_open(&store->read[i], store->path, false, STORE_READ_CACHE_KIB, why);
        if (err != NX_OK) {
            return err;
        }
        atomic_flag_clear(&store->read_taken[i]);
    }
    enum nx_err err = store_sqlite_sql_open(&store->checkpoint, store->path, true, 1024, why);
    if (err != NX_OK) {
        return err;
    }
    store->asked_memory =
        aligned_alloc(NX_LINE_SIZE, nx_spsc_size_needed(sizeof(void *), STORE_QUESTIONS_MAX));
    err = store->asked_memory != NULL ? NX_OK : NX_E_NO_MEMORY;
    if (err == NX_OK) {
        nx_spsc_init(&store->asked, store->asked_memory, sizeof(void *), STORE_QUESTIONS_MAX);
        err = nx_worker_open(
            &store->writer, loop,
            &(struct nx_worker_config){.name = "store-writer", .threads = 1, .queue_max = WRITE_JOBS + 1});
    }
    if (err == NX_OK) {
        err = nx_worker_open(&store->readers, loop,
                             &(struct nx_worker_config){.name = "store-reader",
                                                        .threads = STORE_READERS,
                                                        .queue_max = STORE_READ_JOBS});
    }
    if (err == NX_OK) {
        err = nx_worker_open(&store->checkpointer, loop,
                             &(struct nx_worker_config){.name = "store-check", .threads = 1, .queue_max = 1});
    }
    if (err != NX_OK) {
        snprintf(why, STORE_WHY_SIZE, "no memory for the store's threads");
        return NX_E_IO;
    }
    return NX_OK;
}

static void init_jobs(struct sqlite_store *store)
{
    nx_list_init(&store->reads);
    for (size_t i = 0; i < WRITE_JOBS; i++) {
        store->write_jobs[i].job = (struct nx_job){.run = write_run, .done = write_done};
        store->write_jobs[i].store = store;
    }
    for (size_t i = 0; i < STORE_READ_JOBS; i++) {
        store->read_jobs[i].job = (struct nx_job){.run = read_run, .done = read_done};
        store->read_jobs[i].store = store;
    }
    store->keep.job = (struct nx_job){.run = keep_run, .done = keep_done};
    store->keep.store = store;
    store->checkpoint_job.job = (struct nx_job){.run = checkpoint_run, .done = checkpoint_done};
    store->checkpoint_job.store = store;
}

static void release(struct sqlite_store *store)
{
    struct nx_worker *const workers[] = {store->writer, store->readers, store->checkpointer};
    for (size_t i = 0; i < sizeof workers / sizeof *workers; i++) {
        if (workers[i] != NULL) {
            nx_worker_close(workers[i]);
        }
    }
    if (atomic_load(&store->is_flush_lost)) {
        store_sqlite_sql_keep_log(&store->checkpoint);
        store_sqlite_sql_keep_log(&store->write);
    }
    store_sqlite_sql_close(&store->checkpoint);
    for (size_t i = 0; i < STORE_READERS; i++) {
        store_sqlite_sql_close(&store->read[i]);
    }
    store_sqlite_sql_close(&store->write); /* The last connection writes the log back and removes it. */
    if (store->lock_fd >= 0) {
        close(store->lock_fd);
    }
    free(store->asked_memory);
    free(store);
}

enum nx_err store_sqlite_open_with(struct store **out, const struct store_config *config,
                                   const struct store_migration *migrations, size_t count,
                                   char why[STORE_WHY_SIZE])
{
    const char *path = config->url + strlen(store_sqlite_backend.scheme);
    if (*path == '\0' || strlen(path) >= STORE_PATH_SIZE_MAX) {
        snprintf(why, STORE_WHY_SIZE, "the database url sqlite:PATH needs a path of 1 to %d bytes",
                 STORE_PATH_SIZE_MAX - 1);
        return NX_E_MALFORMED;
    }
    struct sqlite_store *store = aligned_alloc(NX_LINE_SIZE, sizeof *store);
    if (store == NULL) {
        snprintf(why, STORE_WHY_SIZE, "no memory for the store");
        return NX_E_IO;
    }
    memset(store, 0, sizeof *store);
    store->base = (struct store){.backend = &store_sqlite_backend, .loop = config->loop};
    store->commit_window_us = config->commit_window_us;
    store->lock_fd = -1;
    snprintf(store->path, sizeof store->path, "%s", path);
    init_jobs(store);
    enum nx_err err = config->loop != NULL ? store_sqlite_file_lock(path, &store->lock_fd, why) : NX_OK;
    if (err == NX_OK) {
        err = store_sqlite_file_create(path, why);
    }
    if (err == NX_OK) {
        err = store_sqlite_sql_open(&store->write, path, true, STORE_CACHE_KIB, why);
    }
    if (err == NX_OK) {
        err = store_migrate(store->write.db, migrations, count, nx_clock_wall_ms(), why);
    }
    if (err == NX_OK) {
        err = store_sqlite_file_begin(&store->write, config->node, config->loop != NULL, why);
        store->has_dead_channels = store->write.has_dead_channels;
    }
    if (err == NX_OK && config->loop != NULL) {
        sqlite3_wal_hook(store->write.db, on_commit, store);
        err = start_threads(store, why);
    }
    if (err != NX_OK) {
        release(store);
        return err;
    }
    *out = &store->base;
    return NX_OK;
}

static enum nx_err sqlite_open(struct store **out, const struct store_config *config,
                               char why[STORE_WHY_SIZE])
{
    return store_sqlite_open_with(out, config, store_migrations, store_migrations_count, why);
}

static bool is_busy(const struct sqlite_store *store)
{
    bool is_out = store->keep.is_out || store->checkpoint_job.is_out;
    for (size_t i = 0; i < WRITE_JOBS; i++) {
        is_out = is_out || store->write_jobs[i].is_out;
    }
    for (size_t i = 0; i < STORE_READ_JOBS; i++) {
        is_out = is_out || store->read_jobs[i].is_out;
    }
    return is_out || store->base.stats.waiting > 0;
}

static void sqlite_close(struct store *base)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    store->is_closing = true;
    while (base->loop != NULL && is_busy(store)) {
        nx_loop_turn(base->loop, NX_TIME_NEVER);
    }
    release(store);
}

enum nx_err store_sqlite_exec(struct store *base, const char *sql)
{
    NX_ASSERT(base->backend == &store_sqlite_backend);
    struct sqlite_store *store = (struct sqlite_store *)base;
    return sqlite3_exec(store->write.db, sql, NULL, NULL, NULL) == SQLITE_OK ? NX_OK : NX_E_IO;
}

const struct store_backend store_sqlite_backend = {
    .scheme = "sqlite:",
    .open = sqlite_open,
    .close = sqlite_close,
    .load = sqlite_load,
    .ask = sqlite_ask,
    .ask_now = sqlite_ask_now,
    .backup = sqlite_backup,
};
