#include "control/store/sqlite_invite.h"

#include "control/store/sqlite_community.h"
#include "engine/base/assert.h"

static void read_invite(struct store_sqlite_connection *c, sqlite3_stmt *at, struct ctl_invite_row *row)
{
    *row = (struct ctl_invite_row){
        .code = store_sqlite_sql_text(c, at, 0),
        .guild_id = store_sqlite_sql_u64(at, 1),
        .channel_id = store_sqlite_sql_u64(at, 2),
        .inviter_id = store_sqlite_sql_u64(at, 3),
        .created_ms = (int64_t)store_sqlite_sql_u64(at, 4),
        .expires_ms = (int64_t)store_sqlite_sql_u64(at, 5),
        .uses_max = store_sqlite_sql_u32(at, 6),
        .uses = store_sqlite_sql_u32(at, 7),
    };
}

/** Reads the invite `code`, which the answer borrows from the question. */
static enum nx_err find(struct store_sqlite_connection *c, struct nx_bytes code, struct ctl_invite_row *row)
{
    sqlite3_stmt *at = NULL;
    const enum nx_err err = STORE_SQL_ROW(c, &at, INVITE_GET, STORE_SQL_TEXT(code));
    if (err == NX_OK) {
        read_invite(c, at, row);
        row->code = code;
        store_sqlite_sql_end(c);
    }
    return err;
}

static bool is_expired(const struct ctl_invite_row *invite, int64_t now_ms)
{
    return invite->expires_ms != 0 && invite->expires_ms <= now_ms;
}

static enum nx_err invite_create(struct store_sqlite_connection *c, const struct ctl_question *q)
{
    const struct ctl_invite_row *invite = &q->invite_create;
    const enum nx_err err = STORE_SQL_WRITE(
        c, INVITE_INSERT, STORE_SQL_TEXT(invite->code), STORE_SQL_INT(invite->inviter_id),
        STORE_SQL_INT(invite->created_ms), STORE_SQL_INT(invite->expires_ms), STORE_SQL_INT(invite->uses_max),
        STORE_SQL_INT(invite->channel_id), STORE_SQL_INT(invite->guild_id));
    return err == NX_OK ? store_sqlite_sql_changed(c) : err;
}

static enum nx_err invite_get(struct store_sqlite_connection *c, const struct ctl_question *q,
                              struct ctl_answer *answer)
{
    struct ctl_invite_row invite;
    const enum nx_err err = find(c, q->invite_get.code, &invite);
    if (err != NX_OK) {
        return err;
    }
    answer->invite = invite;
    return is_expired(&invite, q->now_ms) ? NX_E_EXPIRED : NX_OK;
}

static enum nx_err invites_list(struct store_sqlite_connection *c, const struct ctl_question *q,
                                struct ctl_answer *answer)
{
    struct ctl_invite_row *rows = (void *)c->rows;
    uint32_t count = 0;
    sqlite3_stmt *at = NULL;
    const struct store_sqlite_value limit = STORE_SQL_INT(CTL_QUESTION_ROWS_MAX);
    const enum nx_err err =
        q->invites_list.channel_id != 0
            ? STORE_SQL_ROW(c, &at, INVITES_OF_CHANNEL, STORE_SQL_INT(q->invites_list.channel_id),
                            STORE_SQL_INT(q->now_ms), limit)
            : STORE_SQL_ROW(c, &at, INVITES_OF_GUILD, STORE_SQL_INT(q->invites_list.guild_id),
                            STORE_SQL_INT(q->now_ms), limit);
    if (err != NX_OK && err != NX_E_NOT_FOUND) {
        return err;
    }
    for (bool more = err == NX_OK; more; more = store_sqlite_sql_next(c, at)) {
        read_invite(c, at, &rows[count++]);
    }
    return store_sqlite_sql_list(c, answer, sizeof *rows, count);
}

static enum nx_err invite_use(struct store_sqlite_connection *c, const struct ctl_question *q,
                              struct ctl_answer *answer)
{
    struct ctl_invite_row invite;
    enum nx_err err = find(c, q->invite_use.code, &invite);
    if (err != NX_OK) {
        return err;
    }
    if (is_expired(&invite, q->now_ms)) {
        return NX_E_EXPIRED;
    }
    const bool is_used_up = invite.uses_max != 0 && invite.uses >= invite.uses_max;
    err = store_sqlite_community_join(c, &(struct ctl_member_row){.guild_id = invite.guild_id,
                                                                  .user_id = q->invite_use.user_id,
                                                                  .joined_ms = q->now_ms});
    if (err == NX_E_CONFLICT) {
        answer->invite = invite; /* Who is in already learns where, even when the last use was theirs. */
        return err;
    }
    if (err == NX_OK && is_used_up) {
        return NX_E_FULL; /* The savepoint takes the membership back. */
    }
    if (err == NX_OK) {
        err = STORE_SQL_WRITE(c, INVITE_USE, STORE_SQL_TEXT(q->invite_use.code));
    }
    if (err == NX_OK) {
        invite.uses++;
        answer->invite = invite;
    }
    return err;
}

static enum nx_err invite_delete(struct store_sqlite_connection *c, const struct ctl_question *q,
                                 struct ctl_answer *answer)
{
    struct ctl_invite_row invite;
    enum nx_err err = find(c, q->invite_delete.code, &invite);
    if (err == NX_OK) {
        err = STORE_SQL_WRITE(c, INVITE_DELETE, STORE_SQL_TEXT(q->invite_delete.code));
    }
    if (err == NX_OK) {
        answer->invite = invite;
    }
    return err;
}

enum nx_err store_sqlite_invite(struct store_sqlite_connection *c, const struct ctl_question *question,
                                struct ctl_answer *answer)
{
    switch (question->kind) {
    case CTL_ASK_INVITE_CREATE:
        return invite_create(c, question);
    case CTL_ASK_INVITE_GET:
        return invite_get(c, question, answer);
    case CTL_ASK_INVITES_LIST:
        return invites_list(c, question, answer);
    case CTL_ASK_INVITE_USE:
        return invite_use(c, question, answer);
    case CTL_ASK_INVITE_DELETE:
        return invite_delete(c, question, answer);
    default:
        NX_ASSERT(false);
        return NX_E_UNSUPPORTED;
    }
}
