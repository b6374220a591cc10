/* commit_floor.c - the least that durable messages can cost: a bare loop that writes the store's rows and commits them in groups.
 *
 * Spec:    the same schema, rows, pragmas and checkpoints as control/store on SQLite; no askers, no threads to hand over to, no
 *          looking for nonces, no answers
 * Layer:   bench
 * usage:   commit_floor FILE [rows per commit] [channels] [seconds]     FILE is made new
 */
#include "control/store/limits.h"
#include "control/store/store.h"
#include "engine/base/id.h"
#include "engine/io/clock.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <unistd.h>

enum { USER = 1000, GUILD = 2000, CHANNEL_FIRST = 10000, COMMITS_MAX = 1 << 20, POLL_US = 1000 };

static sqlite3 *db;
static const char *path;
static _Atomic int pages;        /* of the log */
static _Atomic int pages_before; /* at the last checkpoint */
static _Atomic bool is_over;
static _Atomic bool is_checkpointed;
static uint32_t commit_us[COMMITS_MAX];
static const char content[] =
    "A message of about one hundred and fifty bytes, as people write them to each other: neither"
    " very long nor just a word, with a little to say.";

static void must(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "commit_floor: %s: %s\n", what, db != NULL ? sqlite3_errmsg(db) : "");
        exit(1);
    }
}

static void run(sqlite3 *on, const char *sql)
{
    must(sqlite3_exec(on, sql, NULL, NULL, NULL) == SQLITE_OK, sql);
}

static int on_commit(void *context, sqlite3 *on, const char *name, int now)
{
    (void)context, (void)on, (void)name;
    pages = now;
    return SQLITE_OK;
}

/** Writes the log back beside the commits, as often as the store does. */
static int checkpoint(void *context)
{
    (void)context;
    sqlite3 *own = NULL;
    must(sqlite3_open(path, &own) == SQLITE_OK, "checkpointer");
    run(own, "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0");
    while (!is_over) {
        const int now = pages;
        if (now - (now >= pages_before ? pages_before : 0) >= STORE_WAL_CHECKPOINT_PAGES) {
            int length = 0;
            sqlite3_wal_checkpoint_v2(own, NULL, SQLITE_CHECKPOINT_PASSIVE, &length, NULL);
            pages_before = length;
            is_checkpointed = true;
        }
        usleep(POLL_US);
    }
    sqlite3_close(own);
    return 0;
}

/** The schema is the store's own. */
static void make(uint32_t channels)
{
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char name[4096];
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
    char url[4096];
    char why[STORE_WHY_SIZE] = "";
    struct store *store = NULL;
    snprintf(url, sizeof url, "sqlite:%s", path);
    must(store_open(&store, &(struct store_config){.url = url, .node = 1}, why) == NX_OK, why);
    store_close(store);
    must(sqlite3_open(path, &db) == SQLITE_OK, path);
    char cache[64];
    snprintf(cache, sizeof cache, "PRAGMA cache_size = -%d", STORE_CACHE_KIB);
    run(db, cache);
    run(db, "PRAGMA temp_store = MEMORY; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
            "PRAGMA wal_autocheckpoint = 0; PRAGMA foreign_keys = ON");
    char sql[256];
    run(db, "BEGIN");
    snprintf(sql, sizeof sql, "INSERT INTO users VALUES (%d, 'u', 'u', '', '', 'h', 0, 1)", USER);
    run(db, sql);
    snprintf(sql, sizeof sql, "INSERT INTO guilds VALUES (%d, %d, 'g', '')", GUILD, USER);
    run(db, sql);
    for (uint32_t i = 0; i < channels; i++) {
        snprintf(sql, sizeof sql,
                 "INSERT INTO channels VALUES (%u, %d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'general', '')",
                 CHANNEL_FIRST + i, GUILD);
        run(db, sql);
    }
    run(db, "COMMIT");
    sqlite3_wal_hook(db, on_commit, NULL);
}

static sqlite3_stmt *prepared(const char *sql)
{
    sqlite3_stmt *statement = NULL;
    must(sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) == SQLITE_OK, sql);
    return statement;
}

static void step(sqlite3_stmt *statement)
{
    must(sqlite3_step(statement) == SQLITE_DONE, "step");
    sqlite3_reset(statement);
}

struct statements {
    sqlite3_stmt *begin, *commit, *channel, *message, *nonce;
};

static void write_row(const struct statements *s, uint64_t number, uint64_t id, uint32_t channels)
{
    const sqlite3_int64 channel = CHANNEL_FIRST + (sqlite3_int64)(number % channels);
    char nonce[32];
    const int size = snprintf(nonce, sizeof nonce, "%024lx", (unsigned long)number);
    sqlite3_bind_int64(s->channel, 1, (sqlite3_int64)id);
    sqlite3_bind_int64(s->channel, 2, channel);
    must(sqlite3_step(s->channel) == SQLITE_ROW, "channel");
    const sqlite3_int64 seq = sqlite3_column_int64(s->channel, 0);
    sqlite3_reset(s->channel);
    sqlite3_bind_int64(s->message, 1, (sqlite3_int64)id);
    sqlite3_bind_int64(s->message, 2, channel);
    sqlite3_bind_int64(s->message, 3, seq);
    sqlite3_bind_int64(s->message, 4, USER);
    sqlite3_bind_text(s->message, 5, nonce, size, SQLITE_STATIC);
    sqlite3_bind_text(s->message, 6, content, (int)sizeof content - 1, SQLITE_STATIC);
    step(s->message);
    sqlite3_bind_int64(s->nonce, 1, channel);
    sqlite3_bind_int64(s->nonce, 2, USER + (sqlite3_int64)(number % 1000));
    sqlite3_bind_text(s->nonce, 3, nonce, size, SQLITE_STATIC);
    sqlite3_bind_int64(s->nonce, 4, (sqlite3_int64)id);
    sqlite3_bind_int64(s->nonce, 5, nx_clock_wall_ms());
    step(s->nonce);
}

static int ascending(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a;
    const uint32_t right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

int main(int argc, char **argv)
{
    must(argc >= 2 && argv[1][0] != '-', "usage: commit_floor FILE [rows per commit] [channels] [seconds]");
    path = argv[1];
    const uint32_t rows = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 500;
    const uint32_t channels = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 100;
    const int64_t seconds = argc > 4 ? strtol(argv[4], NULL, 10) : 5;
    must(rows > 0 && channels > 0 && seconds > 0, "numbers from 1");
    make(channels);
    const struct statements s = {prepared("BEGIN IMMEDIATE"), prepared("COMMIT"),
                                 prepared("UPDATE channels SET last_seq = last_seq + 1, last_message_id = ? "
                                          "WHERE id = ? RETURNING last_seq"),
                                 prepared("INSERT INTO messages VALUES (?, ?, ?, ?, 0, 0, 0, ?, ?)"),
                                 prepared("INSERT OR REPLACE INTO nonces VALUES (?, ?, ?, ?, ?)")};
    struct nx_id_mint mint;
    nx_id_init(&mint, 1, 0);
    thrd_t checkpointer;
    must(thrd_create(&checkpointer, checkpoint, NULL) == thrd_success, "thread");
    uint64_t number = 0;
    uint32_t commits = 0;
    const nx_time start = nx_clock_now();
    while (nx_time_since_ns(nx_clock_now(), start) < seconds * NX_TIME_NS_PER_S && commits < COMMITS_MAX) {
        const nx_time begun = nx_clock_now();
        step(s.begin);
        for (uint32_t i = 0; i < rows; i++) {
            write_row(&s, number++, nx_id_next(&mint, nx_clock_wall_ms()), channels);
        }
        step(s.commit);
        commit_us[commits++] = (uint32_t)(nx_time_since_ns(nx_clock_now(), begun) / NX_TIME_NS_PER_US);
        if (is_checkpointed) {
            is_checkpointed = false;
            sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        }
    }
    const double elapsed_s = (double)nx_time_since_ns(nx_clock_now(), start) / NX_TIME_NS_PER_S;
    is_over = true;
    thrd_join(checkpointer, NULL);
    qsort(commit_us, commits, sizeof *commit_us, ascending);
    printf("{\"rows_per_commit\":%u,\"channels\":%u,\"per_s\":%.0f,\"commits_per_s\":%.0f,\"commit_p50_ms\":%"
           ".2f,"
           "\"commit_p99_ms\":%.2f}\n",
           rows, channels, (double)number / elapsed_s, commits / elapsed_s, commit_us[commits / 2] / 1e3,
           commit_us[commits - commits / 100 - 1] / 1e3);
    sqlite3_stmt *const all[] = {s.begin, s.commit, s.channel, s.message, s.nonce};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        sqlite3_finalize(all[i]);
    }
    sqlite3_close(db);
    return 0;
}
