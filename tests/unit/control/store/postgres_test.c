/* What only a store in a server does: owners, failing statements, lost connections, a server that is down or stuck. */
#include "control/store/postgres.h"
#include "control/store/postgres_setup.h"
#include "engine/crypto/digest.h"
#include "tests/unit/control/store/fixture.h"

#include <signal.h>
#include <sys/stat.h>

static bool is_stale;

static void on_stale(void *context)
{
    (void)context;
    is_stale = true;
}

static void begin(struct fixture *f, bool with_loop)
{
    memset(f, 0, sizeof *f);
    make_database(f);
    f->loop = with_loop ? fake_loop_open() : NULL;
    open_store(f);
    make_world(f);
}

static void end(struct fixture *f)
{
    store_close(f->store);
    if (f->loop != NULL) {
        fake_loop_close(f->loop);
    }
    drop_database(f);
}

/** Opens again as a control that wants to know whether its memory is stale. */
static void open_listening(struct fixture *f)
{
    char why[STORE_WHY_SIZE] = "";
    is_stale = false;
    CHECK(store_open(&f->store,
                     &(struct store_config){.url = f->url, .loop = f->loop, .node = 3, .on_stale = on_stale},
                     why) == NX_OK,
          "%s", why);
    nx_arena_init(&f->arena, f->memory, sizeof f->memory);
}

static void sleep_ms(long ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
}

static int64_t now_ms(void)
{
    return nx_clock_now().ns / NX_TIME_NS_PER_MS;
}

static struct ctl_question message(const char *content, const char *nonce)
{
    return (struct ctl_question){
        .kind = CTL_ASK_MESSAGE_CREATE,
        .now_ms = NOW,
        .message_create = {
            .channel_id = CHANNEL, .author_id = ALICE, .content = text(content), .nonce = text(nonce)}};
}

/** Asks until it is done, as a client would; returns after how many ms, and fails after 10 s. */
static int64_t ask_until_done(struct fixture *f, struct ctl_question question)
{
    const int64_t start = now_ms();
    for (;;) {
        const enum nx_err err = ask(f, question);
        CHECK(err == NX_OK || err == NX_E_UNAVAILABLE, "%s", nx_err_text(err));
        if (err == NX_OK) {
            return now_ms() - start;
        }
        CHECK(now_ms() - start < 10000, "does not come back");
        for (int i = 0; i < 3; i++) {
            nx_loop_turn(f->loop, NX_TIME_NEVER);
        }
    }
}

static void on_others(const struct fixture *f, const char *what)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "SELECT %s FROM pg_stat_activity WHERE datname = '%s' AND pid <> pg_backend_pid()", what,
             f->database);
    server_exec("postgres", sql);
}

/** Replaces every socket of this process by a pipe nobody writes to: what the server answers is never seen. */
static void cut_sockets(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0 && close(ends[1]) == 0, "pipe");
    for (int fd = 3; fd < 256; fd++) {
        struct stat about;
        if (fd != ends[0] && fstat(fd, &about) == 0 && S_ISSOCK(about.st_mode)) {
            CHECK(dup2(ends[0], fd) == fd, "dup2");
        }
    }
    close(ends[0]);
}

TEST(postgres, what_was_answered_is_there_after_a_restart)
{
    static struct fixture f;
    begin(&f, true);
    const uint64_t first = say(&f, "before");
    store_close(f.store);
    open_store(&f);
    const struct seen seen = load(&f);
    CHECK(seen.users == 3 && seen.members == 1 && seen.last_seq == 1 && seen.last_message_id == first,
          "loaded");
    ASK(&f, NX_OK, .kind = CTL_ASK_MESSAGE_CREATE, .now_ms = NOW - 1000000,
        .message_create = {.channel_id = CHANNEL, .author_id = ALICE, .content = text("after")});
    CHECK(f.answer.message.id > first && f.answer.message.seq == 2,
          "a clock set back over a restart repeats no id");
    end(&f);
}

TEST(postgres, a_second_control_refuses_but_a_tool_works_beside_it)
{
    static struct fixture f;
    static struct fixture tool;
    begin(&f, true);
    memset(&tool, 0, sizeof tool);
    struct store *second = NULL;
    char why[STORE_WHY_SIZE] = "";
    const struct store_config config = {.url = f.url, .loop = f.loop, .node = 3};
    CHECK(store_open(&second, &config, why) == NX_E_IN_USE && why[0] != '\0' && second == NULL, "%s", why);
    memcpy(tool.url, f.url, sizeof tool.url);
    open_store(&tool);
    make_user(&tool, 55, "toolmade");
    const uint64_t first = say(&f, "both write");
    const uint64_t second_id = say(&tool, "both write");
    const uint64_t third = say(&f, "both write");
    CHECK(f.answer.message.seq == 3 && first < second_id && second_id < third, "one sequence");
    ASK(&f, NX_OK, .kind = CTL_ASK_USER_GET, .user_get.user_id = 55);
    store_close(tool.store);
    store_close(f.store);
    open_store(&f);
    end(&f);
}

TEST(postgres, a_control_that_was_replaced_writes_no_message)
{
    static struct fixture f;
    begin(&f, false);
    CHECK(store_postgres_exec(f.store, "UPDATE channels SET owner_epoch = 100") == NX_OK, "exec");
    ASK(&f, NX_E_UNAVAILABLE, .kind = CTL_ASK_MESSAGE_CREATE,
        .message_create = {.channel_id = CHANNEL, .author_id = ALICE});
    CHECK(load(&f).last_seq == 0, "nothing written");
    end(&f);
}

/* A statement that fails, for whatever reason, is refused alone: the others of its batch are written, in their order. */
TEST(postgres, one_failing_question_does_not_fail_its_batch)
{
    static struct fixture f;
    static struct crowd crowd;
    begin(&f, true);
    memset(&crowd, 0, sizeof crowd);
    CHECK(store_postgres_exec(f.store, "ALTER TABLE messages ADD CHECK (content <> 'poison')") == NX_OK,
          "exec");
    for (uint32_t i = 0; i < ASKERS; i++) {
        crowd.requests[i].question = message(i == 20 || i == 33 ? "poison" : "fine", "");
        crowd.requests[i].question.now_ms = i;
    }
    crowd.requests[40].question.message_create.content = nx_bytes_of("a\0b", 3);
    crowd.requests[41].question.message_create.content = text("\xff\xfe");
    ask_crowd(&f, &crowd);
    CHECK(count_verdicts(&crowd, NX_OK) == ASKERS - 4, "%u are fine", count_verdicts(&crowd, NX_OK));
    CHECK(count_verdicts(&crowd, NX_E_MALFORMED) == 2, "what no text is, is refused before it is sent");
    CHECK(crowd.requests[20].answer.verdict == NX_E_UNAVAILABLE &&
              crowd.requests[33].answer.verdict == NX_E_UNAVAILABLE,
          "the failing ones");
    uint64_t seq = 0;
    uint64_t id = 0;
    for (uint32_t i = 0; i < ASKERS; i++) {
        CHECK(crowd_order[i] == i, "order");
        if (crowd.requests[i].answer.verdict == NX_OK) {
            CHECK(crowd.requests[i].answer.message.seq == ++seq && crowd.requests[i].answer.message.id > id,
                  "seq %u", i);
            id = crowd.requests[i].answer.message.id;
        }
    }
    CHECK(load(&f).last_seq == ASKERS - 4, "no gap");
    say(&f, "and on it goes");
    end(&f);
}

TEST(postgres, a_lost_connection_comes_back_by_itself)
{
    static struct fixture f;
    begin(&f, true);
    say(&f, "before");
    for (int round = 0; round < 5; round++) {
        on_others(&f, "pg_terminate_backend(pid)");
        const int64_t ms = ask_until_done(&f, message("again", ""));
        CHECK(ms < 2000, "after %ld ms", (long)ms);
        ask_until_done(&f, (struct ctl_question){.kind = CTL_ASK_USER_GET, .user_get.user_id = ALICE});
    }
    CHECK(load(&f).last_seq == 6, "%lu messages", (unsigned long)load(&f).last_seq);
    end(&f);
}

/* Hostile input 97: the connection is lost after the commit; the same nonce tells what became of it. */
TEST(postgres, a_commit_whose_answer_is_lost_is_found_by_its_nonce)
{
    static struct fixture f;
    begin(&f, true);
    store_close(f.store);
    open_listening(&f);
    struct store_request request = {.question = message("once", "n"), .answered = crowd_done};
    crowd_left = 1;
    CHECK(store_ask(f.store, &request) == NX_OK, "ask");
    nx_loop_turn(f.loop, NX_TIME_NEVER); /* sent */
    sleep_ms(300);
    cut_sockets();
    while (crowd_left > 0) {
        nx_loop_turn(f.loop, NX_TIME_NEVER);
    }
    CHECK(request.answer.verdict == NX_E_UNAVAILABLE, "nobody knows");
    ask_until_done(&f, message("once", "n"));
    CHECK(f.answer.message.is_duplicate && f.answer.message.seq == 1, "it was done");
    CHECK(load(&f).last_seq == 1 && !is_stale, "once");
    end(&f);
}

TEST(postgres, a_lost_commit_that_was_done_makes_memory_stale)
{
    static struct fixture f;
    begin(&f, true);
    store_close(f.store);
    open_listening(&f);
    struct store_request request = {
        .question = {.kind = CTL_ASK_ROLE_PUT, .now_ms = NOW, .role_put = {.id = 300, .guild_id = GUILD}},
        .answered = crowd_done};
    crowd_left = 1;
    CHECK(store_ask(f.store, &request) == NX_OK, "ask");
    nx_loop_turn(f.loop, NX_TIME_NEVER);
    sleep_ms(300);
    cut_sockets();
    while (crowd_left > 0) {
        nx_loop_turn(f.loop, NX_TIME_NEVER);
    }
    CHECK(request.answer.verdict == NX_E_UNAVAILABLE && !is_stale, "nobody knows");
    ask_until_done(&f, message("on", ""));
    CHECK(is_stale, "now it is known");
    end(&f);
}

TEST(postgres, another_owner_in_between_makes_memory_stale)
{
    static struct fixture f;
    begin(&f, true);
    store_close(f.store);
    open_listening(&f);
    CHECK(store_postgres_exec(f.store, "UPDATE meta SET value = value + 1 WHERE key = 'owner_epoch'") ==
              NX_OK,
          "exec");
    on_others(&f, "pg_terminate_backend(pid)");
    const int64_t start = now_ms();
    CHECK(ask(&f, message("mine", "")) == NX_E_UNAVAILABLE, "not ours any more");
    while (!is_stale && now_ms() - start < 5000) {
        nx_loop_turn(f.loop, NX_TIME_NEVER);
    }
    CHECK(is_stale, "told");
    CHECK(ask(&f, message("mine", "")) == NX_E_UNAVAILABLE && load(&f).last_seq == 0, "nor later");
    end(&f);
}

/* Down: writes are refused within two seconds, reads at once, and it goes on when the server is back. */
TEST(postgres, a_server_that_is_down_refuses_in_time)
{
    static struct fixture f;
    char sql[128];
    begin(&f, true);
    snprintf(sql, sizeof sql, "ALTER DATABASE %s ALLOW_CONNECTIONS false", f.database);
    server_exec("postgres", sql);
    on_others(&f, "pg_terminate_backend(pid)");
    int64_t start = now_ms();
    CHECK(ask(&f, message("lost", "")) == NX_E_UNAVAILABLE, "down");
    CHECK(now_ms() - start < 2000, "after %ld ms", (long)(now_ms() - start));
    for (int i = 0; i < 3; i++) {
        start = now_ms();
        CHECK(ask(&f, (struct ctl_question){.kind = CTL_ASK_USER_GET, .user_get.user_id = ALICE}) ==
                  NX_E_UNAVAILABLE,
              "down");
        CHECK(now_ms() - start < 100, "reads fail fast");
    }
    static struct crowd crowd;
    memset(&crowd, 0, sizeof crowd);
    for (uint32_t i = 0; i < ASKERS; i++) {
        crowd.requests[i].question = message("lost", "");
    }
    start = now_ms();
    ask_crowd(&f, &crowd);
    CHECK(count_verdicts(&crowd, NX_E_UNAVAILABLE) == ASKERS && now_ms() - start < 2000, "all of them");
    snprintf(sql, sizeof sql, "ALTER DATABASE %s ALLOW_CONNECTIONS true", f.database);
    server_exec("postgres", sql);
    CHECK(ask_until_done(&f, message("back", "")) < 4000, "back");
    CHECK(load(&f).last_seq == 1 && store_stats(f.store).failures >= ASKERS + 4,
          "nothing of what was refused");
    end(&f);
}

static void signal_others(const struct fixture *f, int number)
{
    char url[256];
    char sql[192];
    snprintf(url, sizeof url, "postgresql:///postgres?%s", getenv("NEXUS_TEST_POSTGRES"));
    snprintf(sql, sizeof sql, "SELECT pid FROM pg_stat_activity WHERE datname = '%s'", f->database);
    PGconn *db = PQconnectdb(url);
    PGresult *result = PQexec(db, sql);
    CHECK(PQntuples(result) > 0, "sessions");
    for (int i = 0; i < PQntuples(result); i++) {
        CHECK(kill((pid_t)strtol(PQgetvalue(result, i, 0), NULL, 10), number) == 0, "signal");
    }
    PQclear(result);
    PQfinish(db);
}

/* Stuck: the sockets live, but nobody answers. */
TEST(postgres, a_server_that_is_stuck_refuses_in_time)
{
    static struct fixture f;
    begin(&f, true);
    signal_others(&f, SIGSTOP);
    int64_t start = now_ms();
    CHECK(ask(&f, message("stuck", "n")) == NX_E_UNAVAILABLE, "stuck");
    CHECK(now_ms() - start < 2000, "after %ld ms", (long)(now_ms() - start));
    start = now_ms();
    CHECK(ask(&f, (struct ctl_question){.kind = CTL_ASK_USER_GET, .user_get.user_id = ALICE}) ==
                  NX_E_UNAVAILABLE &&
              now_ms() - start < 2000,
          "reads too");
    signal_others(&f, SIGCONT);
    ask_until_done(&f, message("stuck", "n"));
    CHECK(f.answer.message.seq == 1 && load(&f).last_seq == 1, "once");
    end(&f);
}

/* Housekeeping that is held up by somebody else's lock holds up nobody for long. */
TEST(postgres, a_sweep_that_is_stuck_is_given_up)
{
    static struct fixture f;
    char url[256];
    begin(&f, true);
    snprintf(url, sizeof url, "postgresql:///%s?%s", f.database, getenv("NEXUS_TEST_POSTGRES"));
    store_close(f.store);
    open_store(&f);
    PGconn *other = PQconnectdb(url);
    PQclear(PQexec(other, "BEGIN; LOCK TABLE nonces IN SHARE MODE"));
    const struct ctl_question put = {
        .kind = CTL_ASK_ROLE_PUT, .now_ms = NOW, .role_put = {.id = 300, .guild_id = GUILD}};
    CHECK(ask(&f, put) == NX_OK, "who asks does not wait for the sweep that follows");
    nx_loop_turn(f.loop, NX_TIME_NEVER);
    const int64_t start = now_ms();
    CHECK(ask(&f, put) == NX_E_UNAVAILABLE && now_ms() - start < 2000, "after %ld ms",
          (long)(now_ms() - start));
    PQfinish(other);
    CHECK(ask_until_done(&f, put) < 6000, "goes on");
    end(&f);
}

TEST(postgres, messages_of_deleted_channels_and_old_nonces_are_swept)
{
    static struct fixture f;
    begin(&f, true);
    CHECK(store_postgres_exec(f.store,
                              "INSERT INTO nonces SELECT i % 3, i % 5, 'nonce' || i, i, i % 2 * 1800000000000"
                              " FROM generate_series(1, 1700) i;"
                              " INSERT INTO messages SELECT i, 2000, i, 1, 0, 0, 0, '', 'x' FROM"
                              " generate_series(1, 1200) i") == NX_OK,
          "fill");
    ASK(&f, NX_OK, .kind = CTL_ASK_CHANNEL_DELETE,
        .channel_delete = {.guild_id = GUILD, .channel_id = CHANNEL});
    const int64_t start = now_ms();
    while (now_ms() - start < 1000) {
        nx_loop_turn(f.loop, NX_TIME_NEVER);
    }
    CHECK(store_postgres_exec(f.store, "CREATE TEMP TABLE t (n BIGINT CHECK (n = 0));"
                                       " INSERT INTO t SELECT count(*) FROM messages;"
                                       " INSERT INTO t SELECT count(*) FROM dead_channels;"
                                       " INSERT INTO t SELECT count(*) - 850 FROM nonces") == NX_OK,
          "what is dead or old is gone");
    end(&f);
}

TEST(postgres, bad_urls_and_databases_are_refused_with_a_reason)
{
    static struct fixture f;
    struct store *store = NULL;
    static const struct {
        const char *url;
        enum nx_err err;
    } cases[] = {{"postgresql://[", NX_E_MALFORMED},
                 {"postgresql:///x?nonsense=1", NX_E_MALFORMED},
                 {"postgres:///x?host=/nowhere", NX_E_IO},
                 {"postgresql://127.0.0.1:1/x", NX_E_IO}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[STORE_WHY_SIZE] = "";
        CHECK(store_open(&store, &(struct store_config){.url = cases[i].url}, why) == cases[i].err &&
                  why[0] != '\0' && strchr(why, '\n') == NULL,
              "%s: %s", cases[i].url, why);
    }
    memset(&f, 0, sizeof f);
    make_database(&f);
    drop_database(&f);
    char sql[160];
    snprintf(sql, sizeof sql, "CREATE DATABASE %s ENCODING 'SQL_ASCII' TEMPLATE template0", f.database);
    server_exec("postgres", sql);
    char why[STORE_WHY_SIZE] = "";
    CHECK(store_open(&store, &(struct store_config){.url = f.url}, why) == NX_E_MALFORMED &&
              strstr(why, "UTF8") != NULL,
          "%s", why);
    drop_database(&f);
}

/* ---- migrations ---- */

TEST(postgres_migrations, are_those_of_sqlite_and_have_the_checksums_they_say)
{
    static char whole[65536];
    CHECK(store_postgres_migrations_count == store_migrations_count, "as many");
    for (size_t i = 0; i < store_postgres_migrations_count; i++) {
        const struct store_migration *step = &store_postgres_migrations[i];
        uint8_t digest[NX_DIGEST_SHA256_SIZE];
        char sum[65];
        size_t used = 0;
        for (size_t k = 0; k < STORE_MIGRATION_PARTS_MAX && step->parts[k] != NULL; k++) {
            used += (size_t)snprintf(whole + used, sizeof whole - used, "%s", step->parts[k]);
        }
        CHECK(nx_digest_sha256(whole, used, digest) == NX_OK, "digest");
        for (size_t k = 0; k < sizeof digest; k++) {
            snprintf(sum + 2 * k, 3, "%02x", digest[k]);
        }
        CHECK(strcmp(sum, step->checksum) == 0, "%s is now %s: a released step must not change", step->name,
              sum);
        CHECK(strcmp(step->name, store_migrations[i].name) == 0, "the same step");
    }
    /* Version 1 as it was released; this line never changes. */
    CHECK(strcmp(store_postgres_migrations[0].checksum,
                 "16dae44e197922da367fe327d1b2f4a79528775df762effeb7a28ae05dacdf2c") == 0,
          "version 1");
}

static enum nx_err open_with(struct fixture *f, const struct store_migration *more, size_t count,
                             char why[STORE_WHY_SIZE])
{
    struct store_migration list[8];
    memcpy(list, store_postgres_migrations, count * sizeof *list);
    if (more != NULL) {
        list[count] = *more;
    }
    nx_arena_init(&f->arena, f->memory, sizeof f->memory);
    return store_postgres_open_with(&f->store, &(struct store_config){.url = f->url, .node = 3}, list,
                                    count + (more != NULL), why);
}

TEST(postgres_migrations, version_1_with_rows_comes_to_the_newest)
{
    static struct fixture f;
    static const struct store_migration bad = {"later", {"CREATE TABLE later (x)"}, "0"};
    static const struct store_migration good = {
        "later",
        {"ALTER TABLE guilds ADD COLUMN icon TEXT NOT NULL DEFAULT ''", "CREATE TABLE later (x BIGINT)"},
        "1"};
    memset(&f, 0, sizeof f);
    make_database(&f);
    char why[STORE_WHY_SIZE] = "";
    CHECK(open_with(&f, NULL, 1, why) == NX_OK, "%s", why);
    CHECK(store_postgres_exec(
              f.store, "INSERT INTO users VALUES (1, 'Ann', 'ann', '', '', 'h', 0, 5);"
                       "INSERT INTO guilds VALUES (2, 1, 'g', '');"
                       "INSERT INTO roles VALUES (2, 2, '@everyone', 1, 0, 0, 0);"
                       "INSERT INTO channels VALUES (3, 2, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 'general', '');"
                       "INSERT INTO members VALUES (2, 1, '', 5, 0);"
                       "INSERT INTO messages VALUES (4, 3, 1, 1, 0, 0, 0, '', 'hi')") == NX_OK,
          "fixture of version 1");
    store_close(f.store);
    open_store(&f);
    CHECK(load(&f).members == 1, "newest");
    store_close(f.store);
    CHECK(open_with(&f, &bad, store_postgres_migrations_count, why) == NX_E_IO && why[0] != '\0',
          "a step that fails");
    open_store(&f);
    store_close(f.store);
    CHECK(open_with(&f, &good, store_postgres_migrations_count, why) == NX_OK, "%s", why);
    ASK(&f, NX_OK, .kind = CTL_ASK_MESSAGE_GET, .message_get = {.channel_id = 3, .message_id = 4});
    CHECK(nx_bytes_is(f.answer.message.row.content, "hi"), "rows stay");
    store_close(f.store);
    why[0] = '\0';
    CHECK(store_open(&f.store, &(struct store_config){.url = f.url}, why) == NX_E_MALFORMED &&
              strstr(why, "newer") != NULL,
          "newer: %s", why);
    drop_database(&f);
}

TEST(postgres_migrations, another_checksum_is_refused)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    make_database(&f);
    open_store(&f);
    CHECK(store_postgres_exec(f.store, "UPDATE schema_migrations SET checksum = 'x' WHERE version = 1") ==
              NX_OK,
          "exec");
    store_close(f.store);
    char why[STORE_WHY_SIZE] = "";
    CHECK(store_open(&f.store, &(struct store_config){.url = f.url}, why) == NX_E_MALFORMED &&
              strstr(why, "checksum") != NULL,
          "%s", why);
    drop_database(&f);
}
