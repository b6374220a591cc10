/* A community moved between the stores: whole, checked, or not at all. */
#include "control/store/copy.h"
#include "control/store/postgres.h"
#include "control/store/sqlite.h"
#include "tests/unit/control/store/fixture.h"

/** Two places: f.url is SQLite in a folder of its own, postgres a database of its own. */
struct places {
    struct fixture f;
    char postgres[256];
    char other[256]; /* SQLite */
};

static void begin(struct places *p)
{
    memset(p, 0, sizeof *p);
    make_database(&p->f);
    memcpy(p->postgres, p->f.url, sizeof p->postgres);
    make_folder(&p->f);
    snprintf(p->other, sizeof p->other, "sqlite:%s/b.db", p->f.folder);
}

static void end(struct places *p)
{
    drop_database(&p->f);
    remove_folder(&p->f);
}

/** Something in every table, with texts and numbers of every kind. */
static void fill(struct fixture *f)
{
    make_world(f);
    for (uint32_t i = 0; i < 300; i++) {
        ASK(f, NX_OK, .kind = CTL_ASK_MESSAGE_CREATE,
            .message_create = {.channel_id = CHANNEL,
                               .author_id = ALICE,
                               .content =
                                   text(i % 3 == 0 ? "" : "na\xc3\xafve \xf0\x9f\x98\x80 \xe2\x80\xae"),
                               .nonce = nx_bytes_of(&"abcdefghij"[i % 10], i % 2)});
    }
    ASK(f, NX_OK, .kind = CTL_ASK_ROLE_PUT,
        .role_put = {.id = 300, .guild_id = GUILD, .name = text("r"), .permissions = UINT64_MAX});
    const uint64_t role = 300;
    ASK(f, NX_OK, .kind = CTL_ASK_MEMBER_ADD,
        .member_add = {
            .guild_id = GUILD, .user_id = BOB, .nick = text("b"), .roles = &role, .roles_count = 1});
    ASK(f, NX_OK, .kind = CTL_ASK_OVERWRITE_PUT,
        .overwrite_put = {.channel_id = CHANNEL, .target_id = 300, .allow = 1ULL << 63});
    ASK(f, NX_OK, .kind = CTL_ASK_BAN_PUT,
        .ban_put = {.guild_id = GUILD, .user_id = CAROL, .reason = text("x")});
    ASK(f, NX_OK, .kind = CTL_ASK_INVITE_CREATE,
        .invite_create = {.code = text("Code"), .guild_id = GUILD, .channel_id = CHANNEL});
    ASK(f, NX_OK, .kind = CTL_ASK_READ_STATE_PUT,
        .read_state_put = {.user_id = BOB, .channel_id = CHANNEL, .message_id = 5});
    ASK(f, NX_OK, .kind = CTL_ASK_USER_CREATE,
        .user_create = {.user = {.id = 70, .name_key = text("erin")},
                        .login = {.sid = 570, .expires_ms = NOW + 5, .agent = text("agent")},
                        .refresh_hash = {0, 255, 7}});
    make_guild(f, 7, BOB, 70);
    ASK(f, NX_OK, .kind = CTL_ASK_CHANNEL_DELETE, .channel_delete = {.guild_id = 7, .channel_id = 70});
}

static struct store_copy_report copy(const char *from, const char *to, enum nx_err expected)
{
    struct store_copy_report report = {0};
    char why[STORE_WHY_SIZE] = "";
    const enum nx_err err = store_copy_run(from, to, STORE_COPY_MOVE, &report, why);
    CHECK(err == expected, "%s: %s", nx_err_text(err), why);
    CHECK(err == NX_OK || why[0] != '\0', "a reason");
    return report;
}

TEST(copy, goes_to_postgresql_and_back_with_every_row)
{
    static struct places p;
    begin(&p);
    open_store(&p.f);
    fill(&p.f);
    store_close(p.f.store);
    const struct store_copy_report there = copy(p.f.url, p.postgres, NX_OK);
    const struct store_copy_report back = copy(p.postgres, p.other, NX_OK);
    CHECK(there.rows > 150 && memcmp(&there, &back, sizeof there) == 0, "the same rows");
    for (size_t i = 0; i < STORE_COPY_TABLES - 1; i++) {
        CHECK(there.tables[i].rows > 0, "%s has rows", there.tables[i].name);
    }
    (void)copy(p.f.url, p.postgres, NX_E_CONFLICT);
    (void)copy(p.postgres, p.other, NX_E_CONFLICT);
    memcpy(p.f.url, p.other, sizeof p.other);
    p.f.loop = fake_loop_open();
    open_store(&p.f);
    const struct seen seen = load(&p.f);
    CHECK(seen.users == 4 && seen.member_roles == 1 && seen.allow == 1ULL << 63, "loads");
    say(&p.f, "and on it goes");
    CHECK(p.f.answer.message.seq == seen.last_seq + 1, "in order");
    (void)copy(p.other, p.postgres, NX_E_IN_USE);
    store_close(p.f.store);
    fake_loop_close(p.f.loop);
    end(&p);
}

TEST(copy, refuses_what_is_not_there_in_use_or_no_database)
{
    static struct places p;
    begin(&p);
    (void)copy(p.f.url, p.postgres, NX_E_NOT_FOUND);
    (void)copy("mysql:x", p.postgres, NX_E_MALFORMED);
    (void)copy(p.postgres, "memory:", NX_E_MALFORMED);
    (void)copy("postgresql:///x?host=/nowhere", p.f.url, NX_E_IO);
    memcpy(p.f.url, p.postgres, sizeof p.postgres);
    p.f.loop = fake_loop_open();
    open_store(&p.f);
    (void)copy(p.postgres, p.other, NX_E_IN_USE);
    store_close(p.f.store);
    fake_loop_close(p.f.loop);
    end(&p);
}

/* What PostgreSQL cannot store stops the move, and nothing of it is left. */
TEST(copy, that_fails_leaves_nothing)
{
    static struct places p;
    begin(&p);
    open_store(&p.f);
    fill(&p.f);
    CHECK(store_sqlite_exec(p.f.store, "UPDATE read_states SET user_id = 99") != NX_OK, "keys are kept");
    CHECK(store_sqlite_exec(p.f.store,
                            "UPDATE messages SET content = 'a' || char(0) || 'b' WHERE seq = 100") == NX_OK,
          "exec");
    store_close(p.f.store);
    (void)copy(p.f.url, p.postgres, NX_E_MALFORMED);
    open_store(&p.f);
    CHECK(store_sqlite_exec(p.f.store, "UPDATE messages SET content = 'ab' WHERE seq = 100") == NX_OK,
          "exec");
    store_close(p.f.store);
    (void)copy(p.f.url, p.postgres, NX_OK);
    end(&p);
}

TEST(copy, backs_up_a_running_postgresql)
{
    static struct places p;
    begin(&p);
    char path[128];
    snprintf(path, sizeof path, "%s/b.db", p.f.folder);
    memcpy(p.f.url, p.postgres, sizeof p.postgres);
    p.f.loop = fake_loop_open();
    open_store(&p.f);
    fill(&p.f);
    const uint64_t last_seq = load(&p.f).last_seq;
    CHECK(store_backup(p.f.store, path) == NX_OK, "backup");
    CHECK(store_backup(p.f.store, "/nowhere/at/all") == NX_E_IO, "no such folder");
    say(&p.f, "later");
    CHECK(store_backup(p.f.store, path) == NX_OK, "a newer one takes its place");
    say(&p.f, "later still");
    store_close(p.f.store);
    fake_loop_close(p.f.loop);
    p.f.loop = NULL;
    memcpy(p.f.url, p.other, sizeof p.other);
    open_store(&p.f);
    CHECK(load(&p.f).last_seq == last_seq + 1, "as it was");
    store_close(p.f.store);
    end(&p);
}
