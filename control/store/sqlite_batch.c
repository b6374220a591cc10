#include "control/store/sqlite_batch.h"

#include "control/store/sqlite_account.h"
#include "control/store/sqlite_community.h"
#include "control/store/sqlite_invite.h"
#include "control/store/sqlite_message.h"

#include <stdio.h>
#include <sys/stat.h>

static enum nx_err stats(struct store_sqlite_connection *c, struct ctl_answer *answer)
{
    sqlite3_stmt *at = NULL;
    const enum nx_err err = store_sqlite_sql_row(c, STORE_SQL_STATS, NULL, 0, &at);
    if (err != NX_OK) {
        return err;
    }
    char wal_path[4096];
    struct stat wal = {0};
    snprintf(wal_path, sizeof wal_path, "%s-wal", sqlite3_db_filename(c->db, "main"));
    answer->stats = (struct ctl_stats_row){
        .users = store_sqlite_sql_u64(at, 0),
        .guilds = store_sqlite_sql_u64(at, 1),
        .channels = store_sqlite_sql_u64(at, 2),
        .members = store_sqlite_sql_u64(at, 3),
        .messages = store_sqlite_sql_u64(at, 4),
        .logins = store_sqlite_sql_u64(at, 5),
        .database_bytes = store_sqlite_sql_u64(at, 6),
        .wal_bytes = stat(wal_path, &wal) == 0 ? (uint64_t)wal.st_size : 0,
    };
    return NX_OK;
}

static enum nx_err answer(struct store_sqlite_connection *c, const struct ctl_question *question,
                          struct ctl_answer *out)
{
    const enum ctl_question_kind kind = question->kind; /* The enum lists the kinds noun by noun. */
    if (kind <= CTL_ASK_LOGIN_REVOKE) {
        return store_sqlite_account(c, question, out);
    }
    if (kind <= CTL_ASK_BANS_LIST) {
        return store_sqlite_community(c, question, out);
    }
    if (kind <= CTL_ASK_INVITE_DELETE) {
        return store_sqlite_invite(c, question, out);
    }
    return kind == CTL_ASK_STATS ? stats(c, out) : store_sqlite_message(c, question, out);
}

/** Whether the question may refuse after it has written, so that only a savepoint takes that back. */
static bool needs_savepoint(enum ctl_question_kind kind)
{
    switch (kind) {
    case CTL_ASK_MESSAGE_CREATE:
    case CTL_ASK_READ_STATE_PUT:
    case CTL_ASK_LOGIN_REVOKE:
    case CTL_ASK_MEMBER_REMOVE:
        return false;
    default:
        return true;
    }
}

/** Answers one question; what it wrote is taken back unless its verdict is NX_OK or it says that it stays. */
static void answer_one(struct store_sqlite_connection *c, struct store_request *request, bool has_savepoint)
{
    const size_t mark = request->arena != NULL ? nx_arena_save(request->arena) : 0;
    c->arena = request->arena;
    c->is_arena_full = false;
    c->is_kept = false;
    request->answer = (struct ctl_answer){0};
    if (has_savepoint && store_sqlite_sql_plain(c, STORE_SQL_SAVEPOINT) != NX_OK) {
        c->is_broken = true;
    }
    enum nx_err verdict = c->is_broken ? NX_E_UNAVAILABLE : answer(c, &request->question, &request->answer);
    if (verdict == NX_OK && c->is_arena_full) {
        verdict = NX_E_NO_MEMORY;
    }
    if (verdict == NX_E_NO_MEMORY && request->arena != NULL) {
        nx_arena_restore(request->arena, mark);
        request->answer = (struct ctl_answer){0};
    }
    store_sqlite_sql_end(c);
    if (has_savepoint && !c->is_broken) {
        const bool stays = verdict == NX_OK || c->is_kept;
        if ((!stays && store_sqlite_sql_plain(c, STORE_SQL_ROLLBACK_TO) != NX_OK) ||
            store_sqlite_sql_plain(c, STORE_SQL_RELEASE) != NX_OK) {
            c->is_broken = true;
        }
    }
    c->arena = NULL;
    request->answer.verdict = verdict;
}

static void refuse_all(struct store_request *const *requests, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        requests[i]->answer = (struct ctl_answer){.verdict = NX_E_UNAVAILABLE};
    }
}

/** Ends a transaction that cannot be committed, whether SQLite has ended it already or not. */
static void abandon(struct store_sqlite_connection *c)
{
    store_sqlite_sql_end(c);
    if (!sqlite3_get_autocommit(c->db)) {
        (void)!store_sqlite_sql_plain(c, STORE_SQL_ROLLBACK);
    }
    c->is_broken = false;
}

bool store_sqlite_batch_write(struct store_sqlite_connection *c, struct store_request *const *requests,
                              uint32_t count)
{
    bool is_good = store_sqlite_sql_plain(c, STORE_SQL_BEGIN_WRITE) == NX_OK;
    for (uint32_t i = 0; i < count && is_good; i++) {
        answer_one(c, requests[i], needs_savepoint(requests[i]->question.kind));
        is_good = !c->is_broken;
    }
    is_good = is_good && store_sqlite_sql_plain(c, STORE_SQL_COMMIT) == NX_OK;
    if (!is_good) {
        abandon(c);
        refuse_all(requests, count);
    }
    return is_good;
}

void store_sqlite_batch_read(struct store_sqlite_connection *c, struct store_request *const *requests,
                             uint32_t count)
{
    if (store_sqlite_sql_plain(c, STORE_SQL_BEGIN_READ) != NX_OK) {
        abandon(c);
        refuse_all(requests, count);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        answer_one(c, requests[i], false);
        if (c->is_broken) {
            requests[i]->answer = (struct ctl_answer){.verdict = NX_E_UNAVAILABLE};
            c->is_broken = false;
        }
    }
    if (store_sqlite_sql_plain(c, STORE_SQL_COMMIT) != NX_OK) {
        abandon(c);
    }
}

bool store_sqlite_batch_sweep(struct store_sqlite_connection *c, int64_t now_ms)
{
    bool is_over = false;
    enum nx_err err = store_sqlite_sql_plain(c, STORE_SQL_BEGIN_WRITE);
    if (err == NX_OK) {
        err = c->has_dead_channels ? store_sqlite_message_sweep_dead(c)
                                   : store_sqlite_message_sweep_nonces(c, now_ms, &is_over);
    }
    if (err == NX_OK) {
        err = store_sqlite_sql_plain(c, STORE_SQL_COMMIT);
    }
    if (err != NX_OK) {
        abandon(c);
        return true; /* Not now: the next pass tries again. */
    }
    return is_over;
}
