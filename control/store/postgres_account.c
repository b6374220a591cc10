#include "control/store/postgres_account.h"

#include "control/store/limits.h"
#include "engine/base/assert.h"

static enum nx_err put_create(struct store_postgres_context *context, PGconn *db,
                              const struct ctl_question *q)
{
    const struct ctl_user_row *user = &q->user_create.user;
    const struct ctl_login_row *login = &q->user_create.login;
    const uint64_t id = user->id != 0 ? user->id : nx_id_next(&context->mint, q->now_ms);
    return STORE_PG_SEND(
        db, USER_CREATE, STORE_PG_INT(id), STORE_PG_TEXT(user->username), STORE_PG_TEXT(user->name_key),
        STORE_PG_TEXT(user->global_name), STORE_PG_TEXT(user->email), STORE_PG_TEXT(user->password_hash),
        STORE_PG_INT(user->flags), STORE_PG_INT(user->created_ms != 0 ? user->created_ms : q->now_ms),
        STORE_PG_INT(login->sid), STORE_PG_INT(login->created_ms), STORE_PG_INT(login->used_ms),
        STORE_PG_INT(login->expires_ms), STORE_PG_TEXT(login->agent),
        STORE_PG_HASH(q->user_create.refresh_hash));
}

static enum nx_err put_update(PGconn *db, const struct ctl_question *q, int64_t room)
{
    const struct ctl_user_row *user = &q->user_update.user;
    return STORE_PG_SEND(db, USER_UPDATE, STORE_PG_INT(user->id), STORE_PG_INT(q->user_update.fields),
                         STORE_PG_TEXT(user->username), STORE_PG_TEXT(user->name_key),
                         STORE_PG_TEXT(user->global_name), STORE_PG_TEXT(user->email),
                         STORE_PG_INT(user->flags), STORE_PG_INT(room));
}

static enum nx_err put_login(PGconn *db, const struct ctl_question *q)
{
    const struct ctl_login_row *login = &q->login_create.login;
    return STORE_PG_SEND(db, LOGIN_CREATE, STORE_PG_INT(login->sid), STORE_PG_INT(login->user_id),
                         STORE_PG_INT(login->created_ms), STORE_PG_INT(login->used_ms),
                         STORE_PG_INT(login->expires_ms), STORE_PG_TEXT(login->agent),
                         STORE_PG_HASH(q->login_create.refresh_hash), STORE_PG_INT(q->now_ms),
                         STORE_PG_INT(STORE_LOGINS_MAX));
}

enum nx_err store_postgres_account_put(struct store_postgres_context *context, PGconn *db,
                                       const struct ctl_question *question, int64_t room)
{
    const struct ctl_question *q = question;
    const uint32_t limit =
        q->users_list.limit < CTL_QUESTION_ROWS_MAX ? q->users_list.limit : CTL_QUESTION_ROWS_MAX;
    switch (q->kind) {
    case CTL_ASK_USER_CREATE:
        return put_create(context, db, q);
    case CTL_ASK_USER_BY_NAME:
        return STORE_PG_SEND(db, USER_BY_NAME, STORE_PG_TEXT(q->user_by_name.name_key));
    case CTL_ASK_USER_GET:
        return STORE_PG_SEND(db, USER_GET, STORE_PG_INT(q->user_get.user_id));
    case CTL_ASK_USER_UPDATE:
        return put_update(db, q, room);
    case CTL_ASK_USER_PASSWORD:
        return STORE_PG_SEND(db, USER_PASSWORD, STORE_PG_INT(q->user_password.user_id),
                             STORE_PG_TEXT(q->user_password.password_hash),
                             STORE_PG_INT(q->user_password.keep_sid));
    case CTL_ASK_USERS_LIST:
        return STORE_PG_SEND(db, USERS_LIST, STORE_PG_INT(q->users_list.after_id), STORE_PG_INT(limit));
    case CTL_ASK_LOGIN_CREATE:
        return put_login(db, q);
    case CTL_ASK_LOGIN_ROTATE:
        return STORE_PG_SEND(db, LOGIN_ROTATE, STORE_PG_HASH(q->login_rotate.old_hash),
                             STORE_PG_HASH(q->login_rotate.new_hash), STORE_PG_INT(q->now_ms),
                             STORE_PG_INT(q->login_rotate.expires_ms), STORE_PG_INT(q->login_rotate.grace_ms),
                             STORE_PG_INT(STORE_LOGIN_HASHES_MAX), STORE_PG_INT(room));
    case CTL_ASK_LOGINS_LIST:
        return STORE_PG_SEND(db, LOGINS_LIST, STORE_PG_INT(q->logins_list.user_id), STORE_PG_INT(q->now_ms),
                             STORE_PG_INT(CTL_QUESTION_ROWS_MAX));
    case CTL_ASK_LOGIN_REVOKE:
        return STORE_PG_SEND(db, LOGIN_REVOKE, STORE_PG_INT(q->login_revoke.sid),
                             STORE_PG_INT(q->login_revoke.user_id));
    default:
        NX_ASSERT(false);
        return NX_E_UNSUPPORTED;
    }
}

static void read_user(struct store_postgres_rows *rows, int first, struct ctl_user_row *row)
{
    *row = (struct ctl_user_row){
        .id = store_postgres_sql_u64(rows, first),
        .username = store_postgres_sql_text(rows, first + 1),
        .name_key = store_postgres_sql_text(rows, first + 2),
        .global_name = store_postgres_sql_text(rows, first + 3),
        .email = store_postgres_sql_text(rows, first + 4),
        .flags = store_postgres_sql_u64(rows, first + 5),
        .created_ms = store_postgres_sql_i64(rows, first + 6),
    };
}

static enum nx_err take_user(struct store_postgres_rows *rows, struct ctl_answer *answer)
{
    if (PQntuples(rows->result) == 0) {
        return NX_E_NOT_FOUND;
    }
    read_user(rows, 0, &answer->user);
    answer->user.password_hash = store_postgres_sql_text(rows, 7);
    return NX_OK;
}

static enum nx_err take_users(struct store_postgres_rows *rows, struct ctl_answer *answer)
{
    const int count = PQntuples(rows->result);
    struct ctl_user_row *list = store_postgres_sql_list(rows, answer, sizeof *list, (uint32_t)count);
    for (; list != NULL && rows->row < count; rows->row++) {
        read_user(rows, 0, &list[rows->row]);
    }
    return NX_OK;
}

static enum nx_err take_logins(struct store_postgres_rows *rows, struct ctl_answer *answer)
{
    const int count = PQntuples(rows->result);
    struct ctl_login_row *list = store_postgres_sql_list(rows, answer, sizeof *list, (uint32_t)count);
    for (; list != NULL && rows->row < count; rows->row++) {
        list[rows->row] = (struct ctl_login_row){
            .sid = store_postgres_sql_u64(rows, 0),
            .user_id = store_postgres_sql_u64(rows, 1),
            .created_ms = store_postgres_sql_i64(rows, 2),
            .used_ms = store_postgres_sql_i64(rows, 3),
            .expires_ms = store_postgres_sql_i64(rows, 4),
            .agent = store_postgres_sql_text(rows, 5),
        };
    }
    return NX_OK;
}

static enum nx_err take_rotated(struct store_postgres_rows *rows, const struct ctl_question *q,
                                struct ctl_answer *answer)
{
    const enum nx_err verdict = store_postgres_sql_verdict(rows);
    const int64_t code = store_postgres_sql_i64(rows, 0);
    if (verdict == NX_OK || code == STORE_PG_AUTH_KEPT) {
        answer->login = (struct ctl_login_row){.sid = store_postgres_sql_u64(rows, 1),
                                               .user_id = store_postgres_sql_u64(rows, 2),
                                               .created_ms = store_postgres_sql_i64(rows, 3),
                                               .used_ms = q->now_ms,
                                               .expires_ms = store_postgres_sql_i64(rows, 4),
                                               .agent = store_postgres_sql_text(rows, 5)};
    }
    if (verdict == NX_OK) {
        answer->login.expires_ms = q->login_rotate.expires_ms;
    }
    return verdict;
}

enum nx_err store_postgres_account_take(struct store_postgres_rows *rows, const struct ctl_question *question,
                                        struct ctl_answer *answer)
{
    enum nx_err verdict;
    switch (question->kind) {
    case CTL_ASK_USER_BY_NAME:
    case CTL_ASK_USER_GET:
        return take_user(rows, answer);
    case CTL_ASK_USERS_LIST:
        return take_users(rows, answer);
    case CTL_ASK_LOGINS_LIST:
        return take_logins(rows, answer);
    case CTL_ASK_LOGIN_ROTATE:
        return take_rotated(rows, question, answer);
    default:
        break;
    }
    verdict = store_postgres_sql_verdict(rows);
    if (verdict != NX_OK) {
        return verdict;
    }
    if (question->kind == CTL_ASK_USER_CREATE) {
        answer->user = question->user_create.user;
        answer->user.id = store_postgres_sql_u64(rows, 1);
        answer->user.created_ms = store_postgres_sql_i64(rows, 2);
    } else if (question->kind == CTL_ASK_USER_UPDATE) {
        read_user(rows, 1, &answer->user);
    } else if (question->kind == CTL_ASK_LOGIN_CREATE) {
        answer->login = question->login_create.login;
    }
    return NX_OK;
}
