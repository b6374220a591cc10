#include "control/store/postgres_invite.h"

#include "engine/base/assert.h"

enum nx_err store_postgres_invite_put(PGconn *db, const struct ctl_question *question)
{
    const struct ctl_question *q = question;
    const struct ctl_invite_row *invite = &q->invite_create;
    const struct store_postgres_value limit = STORE_PG_INT(CTL_QUESTION_ROWS_MAX);
    switch (q->kind) {
    case CTL_ASK_INVITE_CREATE:
        return STORE_PG_SEND(db, INVITE_CREATE, STORE_PG_TEXT(invite->code), STORE_PG_INT(invite->guild_id),
                             STORE_PG_INT(invite->channel_id), STORE_PG_INT(invite->inviter_id),
                             STORE_PG_INT(invite->created_ms), STORE_PG_INT(invite->expires_ms),
                             STORE_PG_INT(invite->uses_max));
    case CTL_ASK_INVITE_GET:
        return STORE_PG_SEND(db, INVITE_GET, STORE_PG_TEXT(q->invite_get.code));
    case CTL_ASK_INVITES_LIST:
        return q->invites_list.channel_id != 0
                   ? STORE_PG_SEND(db, INVITES_OF_CHANNEL, STORE_PG_INT(q->invites_list.channel_id),
                                   STORE_PG_INT(q->now_ms), limit)
                   : STORE_PG_SEND(db, INVITES_OF_GUILD, STORE_PG_INT(q->invites_list.guild_id),
                                   STORE_PG_INT(q->now_ms), limit);
    case CTL_ASK_INVITE_USE:
        return STORE_PG_SEND(db, INVITE_USE, STORE_PG_TEXT(q->invite_use.code),
                             STORE_PG_INT(q->invite_use.user_id), STORE_PG_INT(q->now_ms));
    case CTL_ASK_INVITE_DELETE:
        return STORE_PG_SEND(db, INVITE_DELETE, STORE_PG_TEXT(q->invite_delete.code));
    default:
        NX_ASSERT(false);
        return NX_E_UNSUPPORTED;
    }
}

static void read_invite(const struct store_postgres_rows *rows, struct nx_bytes code,
                        struct ctl_invite_row *row)
{
    *row = (struct ctl_invite_row){
        .code = code,
        .guild_id = store_postgres_sql_u64(rows, 2),
        .channel_id = store_postgres_sql_u64(rows, 3),
        .inviter_id = store_postgres_sql_u64(rows, 4),
        .created_ms = store_postgres_sql_i64(rows, 5),
        .expires_ms = store_postgres_sql_i64(rows, 6),
        .uses_max = store_postgres_sql_u32(rows, 7),
        .uses = store_postgres_sql_u32(rows, 8),
    };
}

static enum nx_err take_list(struct store_postgres_rows *rows, struct ctl_answer *answer)
{
    const int count = PQntuples(rows->result);
    struct ctl_invite_row *list = store_postgres_sql_list(rows, answer, sizeof *list, (uint32_t)count);
    for (; list != NULL && rows->row < count; rows->row++) {
        read_invite(rows, store_postgres_sql_text(rows, 1), &list[rows->row]);
    }
    return NX_OK;
}

enum nx_err store_postgres_invite_take(struct store_postgres_rows *rows, const struct ctl_question *question,
                                       struct ctl_answer *answer)
{
    if (question->kind == CTL_ASK_INVITES_LIST) {
        return take_list(rows, answer);
    }
    const enum nx_err verdict = store_postgres_sql_verdict(rows);
    if (question->kind == CTL_ASK_INVITE_CREATE || PQntuples(rows->result) == 0) {
        return verdict;
    }
    struct ctl_invite_row invite;
    switch (question->kind) {
    case CTL_ASK_INVITE_GET:
        read_invite(rows, question->invite_get.code, &answer->invite);
        return answer->invite.expires_ms != 0 && answer->invite.expires_ms <= question->now_ms ? NX_E_EXPIRED
                                                                                               : NX_OK;
    case CTL_ASK_INVITE_USE:
        /* Who is in already learns where, even when the last use was theirs. */
        if (verdict == NX_OK || verdict == NX_E_CONFLICT) {
            read_invite(rows, question->invite_use.code, &invite);
            answer->invite = invite;
        }
        return verdict;
    default:
        read_invite(rows, question->invite_delete.code, &answer->invite);
        return verdict;
    }
}
