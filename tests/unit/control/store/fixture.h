/* fixture.h - a store to ask, a small world in it, and a crowd that asks at once.
 *
 * Layer:   tests
 */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "control/store/limits.h"
#include "control/store/store.h"
#include "tests/lib/check.h"
#include "tests/unit/control/store/fake_loop.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <unistd.h>

enum { ALICE = 11, BOB = 12, CAROL = 13, GUILD = 1000, CHANNEL = 2000, ASKERS = 50 };
static const int64_t NOW = 1800000000000;

struct fixture {
    struct store *store;
    struct nx_loop *loop; /* NULL: the tool's way */
    struct nx_arena arena;
    struct ctl_answer answer; /* of the last ask() */
    char folder[64];
    char database[32]; /* PostgreSQL's; made for this test */
    char url[256];
    _Alignas(16) uint8_t memory[1 << 18];
};

static inline struct nx_bytes text(const char *chars)
{
    return nx_bytes_text(chars);
}

/** Folders of one test process; nothing else lives in them. */
static inline void make_folder(struct fixture *f)
{
    const char *base = getenv("TMPDIR");
    snprintf(f->folder, sizeof f->folder, "%.32s/store_test_XXXXXX", base != NULL ? base : P_tmpdir);
    CHECK(mkdtemp(f->folder) != NULL, "no folder");
    snprintf(f->url, sizeof f->url, "sqlite:%s/a.db", f->folder);
}

static inline void remove_folder(const struct fixture *f)
{
    static const char *const names[] = {"a.db", "a.db-wal", "a.db-shm", "a.db.lock",
                                        "b.db", "b.db-wal", "b.db-shm", "b.db.lock"};
    for (size_t i = 0; f->folder[0] != '\0' && i < sizeof names / sizeof *names; i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/%s", f->folder, names[i]);
        unlink(path);
    }
    if (f->folder[0] != '\0') {
        CHECK(rmdir(f->folder) == 0, "the store left another file");
    }
}

/** Runs SQL on the server of this test run. */
static inline void server_exec(const char *database, const char *sql)
{
    const char *query = getenv("NEXUS_TEST_POSTGRES");
    char url[256];
    CHECK(query != NULL, "no PostgreSQL: run this test by tests/lib/postgres.py, as ctest does");
    snprintf(url, sizeof url, "postgresql:///%s?%s", database, query);
    PGconn *db = PQconnectdb(url);
    CHECK(PQstatus(db) == CONNECTION_OK, "%s", PQerrorMessage(db));
    PGresult *result = PQexec(db, sql);
    CHECK(PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK, "%s",
          PQerrorMessage(db));
    PQclear(result);
    PQfinish(db);
}

/** A database of this test's own. */
static inline void make_database(struct fixture *f)
{
    static unsigned count;
    char sql[96];
    snprintf(f->database, sizeof f->database, "t%d_%u", (int)getpid(), count++);
    snprintf(sql, sizeof sql, "CREATE DATABASE %s", f->database);
    server_exec("postgres", sql);
    snprintf(f->url, sizeof f->url, "postgresql:///%s?%s", f->database, getenv("NEXUS_TEST_POSTGRES"));
}

static inline void drop_database(const struct fixture *f)
{
    char sql[96];
    snprintf(sql, sizeof sql, "DROP DATABASE %s WITH (FORCE)", f->database);
    server_exec("postgres", sql);
}

static inline void open_store(struct fixture *f)
{
    char why[STORE_WHY_SIZE] = "";
    const enum nx_err err = store_open(
        &f->store, &(struct store_config){.url = f->url, .loop = f->loop, .node = f->loop != NULL ? 3 : 4},
        why);
    CHECK(err == NX_OK, "%s", why);
    nx_arena_init(&f->arena, f->memory, sizeof f->memory);
}

static inline enum nx_err ask(struct fixture *f, struct ctl_question question)
{
    struct store_request request = {.question = question, .arena = &f->arena};
    if (request.question.now_ms == 0) {
        request.question.now_ms = NOW;
    }
    const enum nx_err verdict = store_ask_now(f->store, &request);
    f->answer = request.answer;
    CHECK(verdict == f->answer.verdict, "verdict");
    return verdict;
}

#define ASK(f, expected, ...)                                                                                \
    do {                                                                                                     \
        nx_arena_init(&(f)->arena, (f)->memory, sizeof(f)->memory);                                          \
        const enum nx_err verdict_ = ask((f), (struct ctl_question){__VA_ARGS__});                           \
        CHECK(verdict_ == (expected), "%s instead of %s", nx_err_text(verdict_), nx_err_text(expected));     \
    } while (0)

static inline void make_user(struct fixture *f, uint64_t id, const char *name)
{
    ASK(f, NX_OK, .kind = CTL_ASK_USER_CREATE,
        .user_create.user = {
            .id = id, .username = text(name), .name_key = text(name), .password_hash = text("hash")});
}

static inline void make_guild(struct fixture *f, uint64_t id, uint64_t owner, uint64_t channel)
{
    ASK(f, NX_OK, .kind = CTL_ASK_GUILD_CREATE,
        .guild_create = {.guild = {.id = id, .owner_id = owner, .name = text("guild")},
                         .everyone = {.name = text("@everyone"), .permissions = UINT64_MAX},
                         .channel = {.id = channel, .name = text("general")},
                         .joined_ms = NOW});
}

static inline void make_world(struct fixture *f)
{
    make_user(f, ALICE, "alice");
    make_user(f, BOB, "bob");
    make_user(f, CAROL, "carol");
    make_guild(f, GUILD, ALICE, CHANNEL);
}

static inline uint64_t say(struct fixture *f, const char *content)
{
    ASK(f, NX_OK, .kind = CTL_ASK_MESSAGE_CREATE,
        .message_create = {.channel_id = CHANNEL, .author_id = ALICE, .content = text(content)});
    return f->answer.message.id;
}

static inline void fill_hash(uint8_t hash[CTL_HASH_SIZE], uint8_t value)
{
    memset(hash, value, CTL_HASH_SIZE);
}

struct seen {
    uint64_t users, guilds, roles, channels, overwrites, members, member_roles, last_seq, last_message_id;
    uint64_t timeout, permissions, allow, parent, channel_position, role_position;
    bool is_ordered;
};

static inline void see_user(void *context, const struct ctl_user_row *row)
{
    struct seen *seen = context;
    seen->users++;
    seen->is_ordered = seen->is_ordered && row->password_hash.size == 0 && row->name_key.size != 0;
}

static inline void see_guild(void *context, const struct ctl_guild_row *row)
{
    ((struct seen *)context)->guilds++;
    ((struct seen *)context)->is_ordered &= row->owner_id != 0;
}

static inline void see_role(void *context, const struct ctl_role_row *row)
{
    struct seen *seen = context;
    seen->roles++;
    seen->is_ordered = seen->is_ordered && seen->guilds > 0;
    seen->permissions ^= row->permissions;
    seen->role_position += row->position;
}

static inline void see_channel(void *context, const struct ctl_channel_row *row)
{
    struct seen *seen = context;
    seen->channels++;
    seen->last_seq += row->last_seq;
    seen->last_message_id += row->last_message_id;
    seen->parent += row->parent_id;
    seen->channel_position += row->position;
}

static inline void see_overwrite(void *context, const struct ctl_overwrite_row *row)
{
    ((struct seen *)context)->overwrites++;
    ((struct seen *)context)->allow += row->allow;
}

static inline void see_member(void *context, const struct ctl_member_row *row)
{
    struct seen *seen = context;
    seen->members++;
    seen->member_roles += row->roles_count;
    seen->timeout += (uint64_t)row->timeout_until_ms;
    for (uint32_t i = 1; i < row->roles_count; i++) {
        seen->is_ordered = seen->is_ordered && row->roles[i - 1] < row->roles[i];
    }
}

static inline struct seen load(struct fixture *f)
{
    struct seen seen = {.is_ordered = true};
    const struct store_loader loader = {&seen,       see_user,      see_guild, see_role,
                                        see_channel, see_overwrite, see_member};
    CHECK(store_load(f->store, &loader) == NX_OK, "load");
    CHECK(seen.is_ordered, "order");
    return seen;
}

struct crowd {
    struct store_request requests[ASKERS];
};

static uint32_t crowd_left;
static uint32_t crowd_order[ASKERS];
static uint32_t crowd_answered;

static inline void crowd_done(struct store_request *request)
{
    crowd_order[crowd_answered++ % ASKERS] = (uint32_t)request->question.now_ms;
    crowd_left--;
}

/** Asks all questions before the first answer; without a loop one after the other. */
static inline void ask_crowd(struct fixture *f, struct crowd *crowd)
{
    crowd_left = 0;
    crowd_answered = 0;
    for (uint32_t i = 0; i < ASKERS; i++) {
        crowd->requests[i].answered = crowd_done;
        if (f->loop == NULL) {
            (void)!store_ask_now(f->store, &crowd->requests[i]);
        } else {
            crowd_left++;
            CHECK(store_ask(f->store, &crowd->requests[i]) == NX_OK, "ask");
        }
    }
    while (crowd_left > 0) {
        nx_loop_turn(f->loop, NX_TIME_NEVER);
    }
}

static inline uint32_t count_verdicts(const struct crowd *crowd, enum nx_err verdict)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < ASKERS; i++) {
        count += crowd->requests[i].answer.verdict == verdict;
    }
    return count;
}

#endif
