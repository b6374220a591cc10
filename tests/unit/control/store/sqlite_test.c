/* What only a store on disk does: restarts, locks, full disks, the sweep, backups and migrations. */
#include "control/store/sqlite.h"
#include "engine/crypto/digest.h"
#include "tests/unit/control/store/fixture.h"

TEST(sqlite, what_was_answered_is_there_after_a_restart)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    make_folder(&f);
    f.loop = fake_loop_open();
    open_store(&f);
    make_world(&f);
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
    store_close(f.store);
    fake_loop_close(f.loop);
    remove_folder(&f);
}

TEST(sqlite, a_second_control_refuses_but_a_tool_works_beside_it)
{
    static struct fixture f;
    static struct fixture tool;
    memset(&f, 0, sizeof f);
    memset(&tool, 0, sizeof tool);
    make_folder(&f);
    f.loop = fake_loop_open();
    open_store(&f);
    make_world(&f);
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
    store_close(f.store);
    fake_loop_close(f.loop);
    remove_folder(&f);
}

TEST(sqlite, a_control_that_was_replaced_writes_no_message)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    make_folder(&f);
    open_store(&f);
    make_world(&f);
    CHECK(store_sqlite_exec(f.store, "UPDATE channels SET owner_epoch = 100") == NX_OK, "exec");
    ASK(&f, NX_E_UNAVAILABLE, .kind = CTL_ASK_MESSAGE_CREATE,
        .message_create = {.channel_id = CHANNEL, .author_id = ALICE});
    CHECK(load(&f).last_seq == 0, "nothing written");
    store_close(f.store);
    remove_folder(&f);
}

TEST(sqlite, a_full_disk_refuses_the_whole_batch_and_recovers)
{
    static struct fixture f;
    static char big[60000];
    memset(&f, 0, sizeof f);
    memset(big, 'x', sizeof big);
    make_folder(&f);
    open_store(&f);
    make_world(&f);
    CHECK(store_sqlite_exec(f.store, "PRAGMA max_page_count = 60") == NX_OK, "limit");
    uint32_t good = 0;
    uint32_t refused = 0;
    for (uint32_t i = 0; i < 10; i++) {
        struct store_request request = {
            .question = {.kind = CTL_ASK_MESSAGE_CREATE,
                         .now_ms = NOW,
                         .message_create = {.channel_id = CHANNEL,
                                            .author_id = ALICE,
                                            .content = nx_bytes_of(big, sizeof big),
                                            .nonce = text("big")}}};
        request.question.message_create.nonce = nx_bytes_of(&big[i], i + 1);
        const enum nx_err err = store_ask_now(f.store, &request);
        CHECK(err == NX_OK || err == NX_E_UNAVAILABLE, "verdict %s", nx_err_text(err));
        good += err == NX_OK;
        refused += err != NX_OK;
    }
    CHECK(good > 0 && refused > 0, "%u good %u refused", good, refused);
    CHECK(load(&f).last_seq == good, "the refused ones left no seq");
    CHECK(store_stats(f.store).failures == refused, "counted");
    ASK(&f, NX_OK, .kind = CTL_ASK_USER_GET, .user_get.user_id = ALICE);
    CHECK(store_sqlite_exec(f.store, "PRAGMA max_page_count = 100000") == NX_OK, "space again");
    say(&f, "again");
    CHECK(f.answer.message.seq == good + 1, "no gap");
    store_close(f.store);
    remove_folder(&f);
}

/** What shares a commit with the question that found no room is refused too, though it went well itself. */
TEST(sqlite, nobody_of_a_batch_that_failed_is_told_it_was_written)
{
    static struct fixture f;
    static struct crowd crowd;
    static char big[60000];
    memset(&f, 0, sizeof f);
    memset(&crowd, 0, sizeof crowd);
    memset(big, 'x', sizeof big);
    make_folder(&f);
    open_store(&f);
    make_world(&f);
    store_close(f.store);
    f.loop = fake_loop_open();
    open_store(&f);
    CHECK(store_sqlite_exec(f.store, "PRAGMA max_page_count = 60") == NX_OK, "limit");
    for (uint32_t i = 0; i < ASKERS; i++) {
        crowd.requests[i].question = (struct ctl_question){
            .kind = CTL_ASK_MESSAGE_CREATE,
            .now_ms = NOW + i,
            .message_create = {.channel_id = CHANNEL,
                               .author_id = ALICE,
                               .content = nx_bytes_of(big, i % 10 == 9 ? sizeof big : 1)}};
    }
    ask_crowd(&f, &crowd);
    const uint32_t good = count_verdicts(&crowd, NX_OK);
    const uint32_t refused = count_verdicts(&crowd, NX_E_UNAVAILABLE);
    CHECK(good + refused == ASKERS && refused > 5, "%u good, %u refused", good, refused);
    CHECK(load(&f).last_seq == good, "%u were told so", good);
    store_close(f.store);
    fake_loop_close(f.loop);
    remove_folder(&f);
}

TEST(sqlite, messages_of_deleted_channels_are_swept)
{
    static struct fixture f;
    static struct crowd crowd;
    memset(&f, 0, sizeof f);
    make_folder(&f);
    f.loop = fake_loop_open();
    open_store(&f);
    make_world(&f);
    for (uint32_t round = 0; round < 30; round++) {
        memset(&crowd, 0, sizeof crowd);
        for (uint32_t i = 0; i < ASKERS; i++) {
            crowd.requests[i].question =
                (struct ctl_question){.kind = CTL_ASK_MESSAGE_CREATE,
                                      .now_ms = NOW,
                                      .message_create = {.channel_id = CHANNEL,
                                                         .author_id = ALICE + i,
                                                         .content = text("x"),
                                                         .nonce = nx_bytes_of(&round, sizeof round)}};
        }
        ask_crowd(&f, &crowd);
    }
    CHECK(store_stats(f.store).commits < 30 * ASKERS, "questions share commits");
    ASK(&f, NX_OK, .kind = CTL_ASK_CHANNEL_DELETE,
        .channel_delete = {.guild_id = GUILD, .channel_id = CHANNEL});
    for (int i = 0; i < 100 && f.loop->pending > 0; i++) {
        nx_loop_turn(f.loop, NX_TIME_NEVER);
    }
    store_close(f.store);
    fake_loop_close(f.loop);
    f.loop = NULL;
    open_store(&f);
    CHECK(store_sqlite_exec(
              f.store,
              "CREATE TEMP TABLE t (n CHECK (n = 0));"
              " INSERT INTO t SELECT count(*) FROM messages; INSERT INTO t SELECT count(*) FROM nonces;"
              " INSERT INTO t SELECT count(*) FROM dead_channels") == NX_OK,
          "all are gone");
    store_close(f.store);
    remove_folder(&f);
}

TEST(sqlite, old_nonces_are_swept)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    make_folder(&f);
    open_store(&f);
    make_world(&f);
    CHECK(store_sqlite_exec(
              f.store,
              "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1700)"
              " INSERT INTO nonces SELECT i % 3, i % 5, 'nonce' || i, i, i % 2 * 1800000000000 FROM n") ==
              NX_OK,
          "fill");
    store_close(f.store);
    f.loop = fake_loop_open();
    open_store(&f);
    say(&f, "wakes the sweep");
    for (int i = 0; i < 100 && f.loop->pending > 0; i++) {
        nx_loop_turn(f.loop, NX_TIME_NEVER);
    }
    store_close(f.store);
    fake_loop_close(f.loop);
    f.loop = NULL;
    open_store(&f);
    CHECK(store_sqlite_exec(
              f.store,
              "CREATE TEMP TABLE t (n CHECK (n = 850)); INSERT INTO t SELECT count(*) FROM nonces") == NX_OK,
          "half were old");
    store_close(f.store);
    remove_folder(&f);
}

TEST(sqlite, a_backup_is_a_whole_database)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    make_folder(&f);
    f.loop = fake_loop_open();
    open_store(&f);
    make_world(&f);
    say(&f, "kept");
    char path[128];
    snprintf(path, sizeof path, "%s/b.db", f.folder);
    CHECK(store_backup(f.store, path) == NX_OK, "backup");
    CHECK(store_backup(f.store, "/nowhere/at/all") == NX_E_IO, "no such folder");
    say(&f, "later");
    store_close(f.store);
    snprintf(f.url, sizeof f.url, "sqlite:%s/b.db", f.folder);
    open_store(&f);
    CHECK(load(&f).last_seq == 1, "as it was");
    store_close(f.store);
    fake_loop_close(f.loop);
    remove_folder(&f);
}

TEST(sqlite, bad_urls_and_folders_are_refused_with_a_reason)
{
    struct store *store = NULL;
    static const struct {
        const char *url;
        enum nx_err err;
    } cases[] = {{"mysql://x", NX_E_MALFORMED},
                 {"sqlite:", NX_E_MALFORMED},
                 {"sqlite:/nowhere/at/all", NX_E_IO},
                 {"", NX_E_MALFORMED}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[STORE_WHY_SIZE] = "";
        CHECK(store_open(&store, &(struct store_config){.url = cases[i].url}, why) == cases[i].err &&
                  why[0] != '\0',
              "%s", cases[i].url);
    }
}

/* ---- migrations ---- */

static void checksum_of(const struct store_migration *step, char out[65])
{
    static char whole[65536];
    size_t used = 0;
    for (size_t i = 0; i < STORE_MIGRATION_PARTS_MAX && step->parts[i] != NULL; i++) {
        used += (size_t)snprintf(whole + used, sizeof whole - used, "%s", step->parts[i]);
    }
    uint8_t digest[NX_DIGEST_SHA256_SIZE];
    CHECK(nx_digest_sha256(whole, used, digest) == NX_OK, "digest");
    for (size_t i = 0; i < sizeof digest; i++) {
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    }
}

TEST(migrations, have_the_checksums_they_say)
{
    for (size_t i = 0; i < store_migrations_count; i++) {
        char sum[65];
        checksum_of(&store_migrations[i], sum);
        CHECK(strcmp(sum, store_migrations[i].checksum) == 0, "%s is now %s: a released step must not change",
              store_migrations[i].name, sum);
    }
    /* Version 1 as it was released; this line never changes. */
    CHECK(strcmp(store_migrations[0].checksum,
                 "e23a9ea065c08f83b3e4dbd25a54a7430169e532a30a707f49324ac8a65cb616") == 0,
          "version 1");
}

/** Opens with the first `count` of this program's steps and one more. */
static enum nx_err open_with(struct fixture *f, const struct store_migration *more, size_t count,
                             char why[STORE_WHY_SIZE])
{
    struct store_migration list[8];
    memcpy(list, store_migrations, count * sizeof *list);
    if (more != NULL) {
        list[count] = *more;
    }
    nx_arena_init(&f->arena, f->memory, sizeof f->memory);
    return store_sqlite_open_with(&f->store, &(struct store_config){.url = f->url, .node = 3}, list,
                                  count + (more != NULL), why);
}

TEST(migrations, version_1_with_rows_comes_to_the_newest)
{
    static struct fixture f;
    static const struct store_migration later = {"later", {"CREATE TABLE later (x) STRICT"}, "0"};
    static const struct store_migration good = {
        "later",
        {"ALTER TABLE guilds ADD COLUMN icon TEXT NOT NULL DEFAULT ''", "CREATE TABLE later (x INTEGER)"},
        "1"};
    memset(&f, 0, sizeof f);
    make_folder(&f);
    char why[STORE_WHY_SIZE] = "";
    CHECK(open_with(&f, NULL, 1, why) == NX_OK, "%s", why);
    CHECK(store_sqlite_exec(f.store,
                            "INSERT INTO users VALUES (1, 'Ann', 'ann', '', '', 'h', 0, 5);"
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
    CHECK(open_with(&f, &later, store_migrations_count, why) == NX_E_IO && why[0] != '\0',
          "a step that fails");
    open_store(&f);
    store_close(f.store);
    CHECK(open_with(&f, &good, store_migrations_count, why) == NX_OK, "%s", why);
    ASK(&f, NX_OK, .kind = CTL_ASK_MESSAGE_GET, .message_get = {.channel_id = 3, .message_id = 4});
    CHECK(nx_bytes_is(f.answer.message.row.content, "hi"), "rows stay");
    store_close(f.store);
    why[0] = '\0';
    CHECK(store_open(&f.store, &(struct store_config){.url = f.url}, why) == NX_E_MALFORMED &&
              strstr(why, "newer") != NULL,
          "newer: %s", why);
    remove_folder(&f);
}

TEST(migrations, another_checksum_or_a_hole_is_refused)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    make_folder(&f);
    open_store(&f);
    CHECK(store_sqlite_exec(f.store, "UPDATE schema_migrations SET checksum = 'x' WHERE version = 1") ==
              NX_OK,
          "exec");
    store_close(f.store);
    char why[STORE_WHY_SIZE] = "";
    CHECK(store_open(&f.store, &(struct store_config){.url = f.url}, why) == NX_E_MALFORMED &&
              strstr(why, "checksum") != NULL,
          "%s", why);
    remove_folder(&f);
}
