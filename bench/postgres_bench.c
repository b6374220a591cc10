/* postgres_bench.c - durable messages per second in PostgreSQL: the store, a bare loop with the same rows, and a savepoint each.
 *
 * Spec:    rounds of all three, one after the other, on one database that is emptied first. store: a closed loop of askers, a
 *          nonce on every message. bare: one session that does nothing but commit batches of as many rows as the store's
 *          commits had, into the same tables, sent as arrays. savepoint: the same rows, a statement and a savepoint each.
 * Layer:   bench
 * usage:   postgres_bench URL [askers] [channels] [seconds] [commit window us] [rounds]       everything in the database is lost
 */
#include "control/store/postgres.h"
#include "control/store/postgres_setup.h"
#include "engine/io/clock.h"
#include "engine/io/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { USER = 1000, GUILD = 2000, CHANNEL_FIRST = 10000, ROUNDS_MAX = 32, BUCKETS = 100000 };

struct asker {
    struct store_request request;
    uint64_t count;
    uint32_t number;
    nx_time asked_at;
    char nonce[32];
};

static struct store *store;
static struct nx_loop *loop;
static const char *url;
static bool is_over;
static uint32_t under_way;
static uint64_t answered_count;
static uint64_t nonces_made;
static uint32_t channels_count;
static uint32_t histogram[BUCKETS]; /* of 100 us */
static const char content[] =
    "A message of about one hundred and fifty bytes, as people write them to each other: neither"
    " very long nor just a word, with a little to say.";

static void must(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "postgres_bench: %s\n", what);
        exit(1);
    }
}

static void ask(struct asker *asker);

static void answered(struct store_request *request)
{
    struct asker *asker = (struct asker *)(void *)request;
    must(request->answer.verdict == NX_OK, nx_err_text(request->answer.verdict));
    const int64_t us = nx_time_since_ns(nx_clock_now(), asker->asked_at) / NX_TIME_NS_PER_US;
    histogram[us / 100 < BUCKETS - 1 ? us / 100 : BUCKETS - 1]++;
    answered_count++;
    under_way--;
    if (!is_over) {
        ask(asker);
    }
}

static void ask(struct asker *asker)
{
    const int size = snprintf(asker->nonce, sizeof asker->nonce, "%024lx", (unsigned long)++nonces_made);
    asker->request.question =
        (struct ctl_question){.kind = CTL_ASK_MESSAGE_CREATE,
                              .now_ms = nx_clock_wall_ms(),
                              .message_create = {.channel_id = CHANNEL_FIRST + asker->number % channels_count,
                                                 .author_id = USER + asker->number,
                                                 .content = nx_bytes_of(content, sizeof content - 1),
                                                 .nonce = nx_bytes_of(asker->nonce, (size_t)size)}};
    asker->request.answered = answered;
    asker->asked_at = nx_clock_now();
    under_way++;
    must(store_ask(store, &asker->request) == NX_OK, "too many questions");
}

static void ask_now(struct ctl_question question)
{
    struct store_request request = {.question = question};
    const enum nx_err err = store_ask_now(store, &request);
    must(err == NX_OK, nx_err_text(err));
}

static void open_store(uint32_t window_us)
{
    char why[STORE_WHY_SIZE] = "";
    const struct store_config config = {.url = url, .loop = loop, .node = 1, .commit_window_us = window_us};
    must(store_open(&store, &config, why) == NX_OK, why);
}

static PGconn *connect_bare(void)
{
    PGconn *db = NULL;
    char why[STORE_WHY_SIZE] = "";
    must(store_postgres_setup_connect(&db, url, why) == NX_OK, why);
    return db;
}

static void exec(PGconn *db, const char *sql)
{
    char why[STORE_WHY_SIZE] = "";
    must(store_postgres_setup_exec(db, sql, why) == NX_OK, why);
}

static void make_world(void)
{
    PGconn *db = connect_bare();
    exec(db, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    PQfinish(db);
    open_store(0);
    ask_now((struct ctl_question){
        .kind = CTL_ASK_USER_CREATE,
        .user_create.user = {.id = USER, .username = nx_bytes_text("u"), .name_key = nx_bytes_text("u")}});
    ask_now((struct ctl_question){
        .kind = CTL_ASK_GUILD_CREATE,
        .guild_create = {.guild = {.id = GUILD, .owner_id = USER, .name = nx_bytes_text("guild")},
                         .channel = {.id = CHANNEL_FIRST, .name = nx_bytes_text("general")}}});
    for (uint32_t i = 1; i < channels_count; i++) {
        ask_now((struct ctl_question){
            .kind = CTL_ASK_CHANNEL_PUT,
            .channel_put = {.id = CHANNEL_FIRST + i, .guild_id = GUILD, .name = nx_bytes_text("general")}});
    }
    store_close(store);
}

static uint32_t percentile(double part)
{
    uint64_t left = (uint64_t)((double)answered_count * part);
    uint32_t bucket = 0;
    while (bucket < BUCKETS - 1 && left > histogram[bucket]) {
        left -= histogram[bucket++];
    }
    return bucket * 100;
}

static double elapsed_s(nx_time start)
{
    return (double)nx_time_since_ns(nx_clock_now(), start) / NX_TIME_NS_PER_S;
}

/** The store under a closed loop; *rows is how many a commit had. */
static double run_store(uint32_t askers_count, double seconds, uint32_t window_us, uint32_t *rows)
{
    open_store(window_us);
    memset(histogram, 0, sizeof histogram);
    answered_count = 0;
    is_over = false;
    struct asker *askers = calloc(askers_count, sizeof *askers);
    const struct store_stats before = store_stats(store);
    const nx_time start = nx_clock_now();
    const clock_t cpu_start = clock();
    for (uint32_t i = 0; i < askers_count; i++) {
        askers[i].number = i;
        ask(&askers[i]);
    }
    while (elapsed_s(start) < seconds) {
        nx_loop_turn(loop, NX_TIME_NEVER);
    }
    const double per_s = (double)answered_count / elapsed_s(start);
    const double cpu_us = (double)(clock() - cpu_start) / CLOCKS_PER_SEC * 1e6 / (double)answered_count;
    is_over = true;
    while (under_way > 0) {
        nx_loop_turn(loop, NX_TIME_NEVER);
    }
    const struct store_stats after = store_stats(store);
    *rows = (uint32_t)((after.commit_rows - before.commit_rows) / (after.commits - before.commits));
    printf("store      %7.0f/s  %4u rows/commit  p50 %6u us  p99 %6u us  commit max %5.1f ms  own CPU %.1f "
           "us each\n",
           per_s, *rows, percentile(0.5), percentile(0.99), (double)after.commit_ns_max / NX_TIME_NS_PER_MS,
           cpu_us);
    store_close(store);
    free(askers);
    return per_s;
}

static void fill_arrays(struct store_postgres_array *a, uint32_t rows, uint64_t *id, uint64_t seq)
{
    for (size_t i = 0; i < 5; i++) {
        store_postgres_sql_array_begin(&a[i], i >= 3);
    }
    for (uint32_t i = 0; i < rows; i++) {
        char nonce[32];
        const int size = snprintf(nonce, sizeof nonce, "%024lx", (unsigned long)++nonces_made);
        store_postgres_sql_array_int(&a[0], (int64_t)++ * id);
        store_postgres_sql_array_int(&a[1], CHANNEL_FIRST + i % channels_count);
        store_postgres_sql_array_int(&a[2], (int64_t)(seq + i));
        store_postgres_sql_array_text(&a[3], nx_bytes_of(nonce, (size_t)size));
        store_postgres_sql_array_text(&a[4], nx_bytes_of(content, sizeof content - 1));
    }
}

static void must_end(PGconn *db, uint32_t results)
{
    while (results > 0) {
        PGresult *result = PQgetResult(db);
        const ExecStatusType status = PQresultStatus(result);
        must(result == NULL || status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
                 status == PGRES_PIPELINE_SYNC,
             PQerrorMessage(db));
        results -= result != NULL;
        PQclear(result);
    }
}

static void put(PGconn *db, const char *name, struct store_postgres_array *const *arrays, int count)
{
    const char *values[4];
    int sizes[4];
    static const int formats[4] = {1, 1, 1, 1};
    for (int i = 0; i < count; i++) {
        const struct nx_bytes bytes = store_postgres_sql_array_value(arrays[i]).bytes;
        values[i] = (const char *)bytes.at;
        sizes[i] = (int)bytes.size;
    }
    must(PQsendQueryPrepared(db, name, count, values, sizes, formats, 1) == 1, PQerrorMessage(db));
}

static uint64_t largest(PGconn *db, const char *sql)
{
    PGresult *result = PQexec(db, sql);
    must(PQresultStatus(result) == PGRES_TUPLES_OK, PQerrorMessage(db));
    const uint64_t value = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return value;
}

static PGconn *connect_writer(uint64_t *id, uint64_t *seq)
{
    PGconn *db = connect_bare();
    *id = largest(db, "SELECT coalesce(max(id), 0) FROM messages");
    *seq = largest(db, "SELECT coalesce(max(seq), 0) + 1000000 FROM messages");
    exec(db,
         "PREPARE m(bigint[], bigint[], bigint[], text[]) AS"
         " INSERT INTO messages SELECT id, channel, seq, 1000, 0, 0, 0, nonce, content FROM"
         " unnest($1, $2, $3, $4, array_fill($$A message of about one hundred and fifty bytes, as people "
         "write them to each"
         " other: neither very long nor just a word, with a little to say.$$::text, ARRAY[cardinality($1)]))"
         " AS u(id, channel, seq, nonce, content);"
         "PREPARE n(bigint[], bigint[], text[]) AS"
         " INSERT INTO nonces SELECT channel, 1000, nonce, id, 1 FROM unnest($1, $2, $3) AS u(id, channel, "
         "nonce);"
         "PREPARE c(bigint[], bigint[]) AS UPDATE channels c SET last_seq = last_seq + g.count, "
         "last_message_id = g.last"
         " FROM (SELECT channel, count(*), max(id) AS last FROM unnest($1, $2) AS u(id, channel) GROUP BY "
         "channel) g"
         " WHERE c.id = g.channel;"
         "SELECT 1");
    must(PQenterPipelineMode(db) == 1, "pipeline");
    return db;
}

/** One session that commits batch after batch. */
static double run_bare(double seconds, uint32_t rows)
{
    struct store_postgres_array a[5] = {0};
    uint64_t id;
    uint64_t seq;
    PGconn *db = connect_writer(&id, &seq);
    uint64_t count = 0;
    const nx_time start = nx_clock_now();
    while (elapsed_s(start) < seconds) {
        fill_arrays(a, rows, &id, seq);
        seq += rows;
        must(PQsendQueryParams(db, "BEGIN", 0, NULL, NULL, NULL, NULL, 0) == 1, "begin");
        put(db, "m", (struct store_postgres_array *[]){&a[0], &a[1], &a[2], &a[3]}, 4);
        put(db, "n", (struct store_postgres_array *[]){&a[0], &a[1], &a[3]}, 3);
        put(db, "c", (struct store_postgres_array *[]){&a[0], &a[1]}, 2);
        must(PQsendQueryParams(db, "COMMIT", 0, NULL, NULL, NULL, NULL, 0) == 1 && PQpipelineSync(db) == 1,
             "commit");
        must_end(db, 6);
        count += rows;
    }
    const double per_s = (double)count / elapsed_s(start);
    PQfinish(db);
    for (size_t i = 0; i < 5; i++) {
        store_postgres_sql_array_fini(&a[i]);
    }
    printf("bare       %7.0f/s  %4u rows/commit\n", per_s, rows);
    return per_s;
}

/** As the store would without arrays: each question between its own savepoint and its release. */
static double run_savepoints(double seconds, uint32_t rows)
{
    struct store_postgres_array a[5] = {0};
    uint64_t id;
    uint64_t seq;
    PGconn *db = connect_writer(&id, &seq);
    uint64_t count = 0;
    const nx_time start = nx_clock_now();
    while (elapsed_s(start) < seconds) {
        must(PQsendQueryParams(db, "BEGIN", 0, NULL, NULL, NULL, NULL, 0) == 1, "begin");
        for (uint32_t i = 0; i < rows; i++) {
            must(PQsendQueryParams(db, "SAVEPOINT q", 0, NULL, NULL, NULL, NULL, 0) == 1, "savepoint");
            fill_arrays(a, 1, &id, seq++);
            put(db, "m", (struct store_postgres_array *[]){&a[0], &a[1], &a[2], &a[3]}, 4);
            put(db, "n", (struct store_postgres_array *[]){&a[0], &a[1], &a[3]}, 3);
            put(db, "c", (struct store_postgres_array *[]){&a[0], &a[1]}, 2);
            must(PQsendQueryParams(db, "RELEASE q", 0, NULL, NULL, NULL, NULL, 0) == 1, "release");
        }
        must(PQsendQueryParams(db, "COMMIT", 0, NULL, NULL, NULL, NULL, 0) == 1 && PQpipelineSync(db) == 1,
             "commit");
        must_end(db, 3 + 5 * rows);
        count += rows;
    }
    const double per_s = (double)count / elapsed_s(start);
    PQfinish(db);
    for (size_t i = 0; i < 5; i++) {
        store_postgres_sql_array_fini(&a[i]);
    }
    printf("savepoint  %7.0f/s  %4u rows/commit\n", per_s, rows);
    return per_s;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, uint32_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

int main(int argc, char **argv)
{
    must(argc >= 2, "usage: postgres_bench URL [askers] [channels] [seconds] [commit window us] [rounds]");
    url = argv[1];
    const uint32_t askers = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1000;
    channels_count = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 100;
    const double seconds = argc > 4 ? strtod(argv[4], NULL) : 5;
    const uint32_t window_us = argc > 5 ? (uint32_t)strtoul(argv[5], NULL, 10) : 1000;
    const uint32_t rounds = argc > 6 ? (uint32_t)strtoul(argv[6], NULL, 10) : 3;
    must(askers >= 1 && channels_count >= 1 && rounds >= 1 && rounds <= ROUNDS_MAX, "arguments");
    char why[NX_LOOP_WHY_SIZE] = "";
    must(nx_loop_open(&loop, &(struct nx_loop_config){.cpu = -1, .streams_max = 64}, why) == NX_OK, why);
    make_world();
    double results[3][ROUNDS_MAX];
    for (uint32_t i = 0; i < rounds; i++) {
        uint32_t rows = 1;
        results[0][i] = run_store(askers, seconds, window_us, &rows);
        results[1][i] = run_bare(seconds, rows);
        results[2][i] = run_savepoints(seconds, rows);
        results[1][i] = (run_bare(seconds, rows) + results[1][i]) / 2;
    }
    const double own = median(results[0], rounds);
    const double bare = median(results[1], rounds);
    printf("medians of %u rounds: store %.0f/s = %.0f %% of bare %.0f/s; with savepoints %.0f/s\n", rounds,
           own, own / bare * 100, bare, median(results[2], rounds));
    nx_loop_close(loop);
    return 0;
}
