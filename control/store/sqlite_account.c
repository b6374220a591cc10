#include "control/store/sqlite_account.h"

#include "control/store/limits.h"
#include "engine/base/assert.h"

static enum nx_err insert_login(struct store_sqlite_connection *c, const struct ctl_login_row *login,
                                uint64_t user_id, const uint8_t hash[CTL_HASH_SIZE])
{
    enum nx_err err = STORE_SQL_WRITE(c, LOGIN_INSERT, STORE_SQL_INT(login->sid), STORE_SQL_INT(user_id),
                                      STORE_SQL_INT(login->created_ms), STORE_SQL_INT(login->used_ms),
                                      STORE_SQL_INT(login->expires_ms), STORE_SQL_TEXT(login->agent));
    if (err == NX_OK) {
        err = STORE_SQL_WRITE(c, LOGIN_HASH_INSERT, STORE_SQL_HASH(hash), STORE_SQL_INT(login->sid),
                              STORE_SQL_INT(1));
    }
    return err;
}

static enum nx_err user_create(struct store_sqlite_connection *c, const struct ctl_question *q,
                               struct ctl_answer *answer)
{
    struct ctl_user_row user = q->user_create.user;
    if (user.id == 0) {
        user.id = nx_id_next(&c->mint, q->now_ms);
    }
    if (user.created_ms == 0) {
        user.created_ms = q->now_ms;
    }
    enum nx_err err = STORE_SQL_WRITE(c, USER_INSERT, STORE_SQL_INT(user.id), STORE_SQL_TEXT(user.username),
                                      STORE_SQL_TEXT(user.name_key), STORE_SQL_TEXT(user.global_name),
                                      STORE_SQL_TEXT(user.email), STORE_SQL_TEXT(user.password_hash),
                                      STORE_SQL_INT(user.flags), STORE_SQL_INT(user.created_ms));
    if (err == NX_OK && q->user_create.login.sid != 0) {
        err = insert_login(c, &q->user_create.login, user.id, q->user_create.refresh_hash);
    }
    if (err == NX_OK) {
        answer->user = user;
    }
    return err;
}

static void read_user(struct store_sqlite_connection *c, sqlite3_stmt *at, struct ctl_user_row *row)
{
    *row = (struct ctl_user_row){
        .id = store_sqlite_sql_u64(at, 0),
        .username = store_sqlite_sql_text(c, at, 1),
        .name_key = store_sqlite_sql_text(c, at, 2),
        .global_name = store_sqlite_sql_text(c, at, 3),
        .email = store_sqlite_sql_text(c, at, 4),
        .flags = store_sqlite_sql_u64(at, 5),
        .created_ms = (int64_t)store_sqlite_sql_u64(at, 6),
    };
}

/** Answers with the user of the row that `err` says was found. */
static enum nx_err user_found(struct store_sqlite_connection *c, enum nx_err err, sqlite3_stmt *at,
                              struct ctl_answer *answer)
{
    if (err == NX_OK) {
        read_user(c, at, &answer->user);
        answer->user.password_hash = store_sqlite_sql_text(c, at, 7);
    }
    return err;
}

static enum nx_err user_by_name(struct store_sqlite_connection *c, const struct ctl_question *q,
                                struct ctl_answer *answer)
{
    sqlite3_stmt *at = NULL;
    const enum nx_err err = STORE_SQL_ROW(c, &at, USER_BY_NAME, STORE_SQL_TEXT(q->user_by_name.name_key));
    return user_found(c, err, at, answer);
}

static enum nx_err user_get(struct store_sqlite_connection *c, const struct ctl_question *q,
                            struct ctl_answer *answer)
{
    sqlite3_stmt *at = NULL;
    const enum nx_err err = STORE_SQL_ROW(c, &at, USER_GET, STORE_SQL_INT(q->user_get.user_id));
    return user_found(c, err, at, answer);
}

static enum nx_err user_update(struct store_sqlite_connection *c, const struct ctl_question *q,
                               struct ctl_answer *answer)
{
    const struct ctl_user_row *wish = &q->user_update.user;
    const uint32_t fields = q->user_update.fields;
    sqlite3_stmt *at = NULL;
    enum nx_err err = STORE_SQL_ROW(c, &at, USER_GET, STORE_SQL_INT(wish->id));
    if (err != NX_OK) {
        return err;
    }
    const bool names = (fields & CTL_USER_FIELD_USERNAME) != 0;
    const bool display = (fields & CTL_USER_FIELD_GLOBAL_NAME) != 0;
    const bool email = (fields & CTL_USER_FIELD_EMAIL) != 0;
    const bool flags = (fields & CTL_USER_FIELD_FLAGS) != 0;
    err = STORE_SQL_WRITE(
        c, USER_UPDATE, STORE_SQL_TEXT(names ? wish->username : store_sqlite_sql_borrow(at, 1)),
        STORE_SQL_TEXT(names ? wish->name_key : store_sqlite_sql_borrow(at, 2)),
        STORE_SQL_TEXT(display ? wish->global_name : store_sqlite_sql_borrow(at, 3)),
        STORE_SQL_TEXT(email ? wish->email : store_sqlite_sql_borrow(at, 4)),
        STORE_SQL_INT(flags ? wish->flags : store_sqlite_sql_u64(at, 5)), STORE_SQL_INT(wish->id));
    if (err == NX_OK) {
        /* Read again: the row under the first cursor has moved. */
        err = STORE_SQL_ROW(c, &at, USER_GET, STORE_SQL_INT(wish->id));
    }
    if (err == NX_OK) {
        read_user(c, at, &answer->user);
    }
    return err;
}

static enum nx_err user_password(struct store_sqlite_connection *c, const struct ctl_question *q)
{
    enum nx_err err = STORE_SQL_WRITE(c, USER_PASSWORD, STORE_SQL_TEXT(q->user_password.password_hash),
                                      STORE_SQL_INT(q->user_password.user_id));
    if (err == NX_OK) {
        err = store_sqlite_sql_changed(c);
    }
    if (err == NX_OK) {
        err = STORE_SQL_WRITE(c, LOGINS_DELETE, STORE_SQL_INT(q->user_password.user_id),
                              STORE_SQL_INT(q->user_password.keep_sid));
    }
    return err;
}

static enum nx_err users_list(struct store_sqlite_connection *c, const struct ctl_question *q,
                              struct ctl_answer *answer)
{
    const uint32_t limit =
        q->users_list.limit < CTL_QUESTION_ROWS_MAX ? q->users_list.limit : CTL_QUESTION_ROWS_MAX;
    struct ctl_user_row *rows = (void *)c->rows;
    uint32_t count = 0;
    sqlite3_stmt *at = NULL;
    enum nx_err err =
        STORE_SQL_ROW(c, &at, USERS_LIST, STORE_SQL_INT(q->users_list.after_id), STORE_SQL_INT(limit));
    if (err != NX_OK && err != NX_E_NOT_FOUND) {
        return err;
    }
    for (bool more = err == NX_OK; more; more = store_sqlite_sql_next(c, at)) {
        read_user(c, at, &rows[count++]);
    }
    return store_sqlite_sql_list(c, answer, sizeof *rows, count);
}

static enum nx_err login_create(struct store_sqlite_connection *c, const struct ctl_question *q,
                                struct ctl_answer *answer)
{
    const struct ctl_login_row *login = &q->login_create.login;
    enum nx_err err = insert_login(c, login, login->user_id, q->login_create.refresh_hash);
    if (err == NX_OK) {
        err = STORE_SQL_WRITE(c, LOGINS_PRUNE, STORE_SQL_INT(login->user_id), STORE_SQL_INT(q->now_ms),
                              STORE_SQL_INT(login->user_id), STORE_SQL_INT(STORE_LOGINS_MAX));
    }
    if (err == NX_OK) {
        answer->login = *login;
    }
    return err;
}

/** Makes `new_hash` the current token of the family whose current generation is `generation`. */
static enum nx_err rotate(struct store_sqlite_connection *c, const struct ctl_question *q, uint64_t sid,
                          uint64_t generation)
{
    const int64_t replaced_ms = q->now_ms > 0 ? q->now_ms : 1; /* 0 means current. */
    enum nx_err err = STORE_SQL_WRITE(c, LOGIN_HASH_REPLACE, STORE_SQL_INT(replaced_ms), STORE_SQL_INT(sid),
                                      STORE_SQL_INT(generation));
    if (err == NX_OK) {
        err = STORE_SQL_WRITE(c, LOGIN_HASH_INSERT, STORE_SQL_HASH(q->login_rotate.new_hash),
                              STORE_SQL_INT(sid), STORE_SQL_INT(generation + 1));
    }
    if (err == NX_OK) {
        err = STORE_SQL_WRITE(c, LOGIN_ROTATE, STORE_SQL_INT(q->now_ms),
                              STORE_SQL_INT(q->login_rotate.expires_ms), STORE_SQL_INT(generation + 1),
                              STORE_SQL_INT(sid));
    }
    if (err == NX_OK) {
        err = STORE_SQL_WRITE(c, LOGIN_HASHES_PRUNE, STORE_SQL_INT(sid),
                              STORE_SQL_INT((int64_t)generation + 1 - STORE_LOGIN_HASHES_MAX));
    }
    return err;
}

static enum nx_err login_rotate(struct store_sqlite_connection *c, const struct ctl_question *q,
                                struct ctl_answer *answer)
{
    sqlite3_stmt *at = NULL;
    enum nx_err err = STORE_SQL_ROW(c, &at, LOGIN_BY_HASH, STORE_SQL_HASH(q->login_rotate.old_hash));
    if (err != NX_OK) {
        return err == NX_E_NOT_FOUND ? NX_E_AUTH : err;
    }
    const int64_t replaced_ms = (int64_t)store_sqlite_sql_u64(at, 1);
    const uint64_t generation = store_sqlite_sql_u64(at, 5);
    struct ctl_login_row login = {.sid = store_sqlite_sql_u64(at, 0),
                                  .user_id = store_sqlite_sql_u64(at, 2),
                                  .created_ms = (int64_t)store_sqlite_sql_u64(at, 3),
                                  .used_ms = q->now_ms,
                                  .expires_ms = (int64_t)store_sqlite_sql_u64(at, 4),
                                  .agent = store_sqlite_sql_text(c, at, 6)};
    store_sqlite_sql_end(c);
    if (replaced_ms != 0 && q->now_ms - replaced_ms > q->login_rotate.grace_ms) {
        /* Somebody has a copy of this token: the family ends, and that must stay although the verdict refuses. */
        err = STORE_SQL_WRITE(c, LOGIN_DELETE, STORE_SQL_INT(login.sid), STORE_SQL_INT(login.user_id));
        if (err == NX_OK) {
            c->is_kept = true;
            answer->login = login;
            err = NX_E_AUTH;
        }
        return err;
    }
    if (login.expires_ms <= q->now_ms) {
        return NX_E_EXPIRED;
    }
    login.expires_ms = q->login_rotate.expires_ms;
    err = rotate(c, q, login.sid, generation);
    if (err == NX_OK) {
        answer->login = login;
    }
    return err;
}

static enum nx_err logins_list(struct store_sqlite_connection *c, const struct ctl_question *q,
                               struct ctl_answer *answer)
{
    struct ctl_login_row *rows = (void *)c->rows;
    uint32_t count = 0;
    sqlite3_stmt *at = NULL;
    enum nx_err err = STORE_SQL_ROW(c, &at, LOGINS_LIST, STORE_SQL_INT(q->logins_list.user_id),
                                    STORE_SQL_INT(q->now_ms), STORE_SQL_INT(CTL_QUESTION_ROWS_MAX));
    if (err != NX_OK && err != NX_E_NOT_FOUND) {
        return err;
    }
    for (bool more = err == NX_OK; more; more = store_sqlite_sql_next(c, at)) {
        rows[count++] = (struct ctl_login_row){
            .sid = store_sqlite_sql_u64(at, 0),
            .user_id = store_sqlite_sql_u64(at, 1),
            .created_ms = (int64_t)store_sqlite_sql_u64(at, 2),
            .used_ms = (int64_t)store_sqlite_sql_u64(at, 3),
            .expires_ms = (int64_t)store_sqlite_sql_u64(at, 4),
            .agent = store_sqlite_sql_text(c, at, 5),
        };
    }
    return store_sqlite_sql_list(c, answer, sizeof *rows, count);
}

static enum nx_err login_revoke(struct store_sqlite_connection *c, const struct ctl_question *q)
{
    const uint64_t user_id = q->login_revoke.user_id;
    if (q->login_revoke.sid == 0) {
        return STORE_SQL_WRITE(c, LOGINS_DELETE, STORE_SQL_INT(user_id), STORE_SQL_INT(0));
    }
    const enum nx_err err =
        STORE_SQL_WRITE(c, LOGIN_DELETE, STORE_SQL_INT(q->login_revoke.sid), STORE_SQL_INT(user_id));
    return err == NX_OK ? store_sqlite_sql_changed(c) : err;
}

enum nx_err store_sqlite_account(struct store_sqlite_connection *c, const struct ctl_question *question,
                                 struct ctl_answer *answer)
{
    switch (question->kind) {
    case CTL_ASK_USER_CREATE:
        return user_create(c, question, answer);
    case CTL_ASK_USER_BY_NAME:
        return user_by_name(c, question, answer);
    case CTL_ASK_USER_GET:
        return user_get(c, question, answer);
    case CTL_ASK_USER_UPDATE:
        return user_update(c, question, answer);
    case CTL_ASK_USER_PASSWORD:
        return user_password(c, question);
    case CTL_ASK_USERS_LIST:
        return users_list(c, question, answer);
    case CTL_ASK_LOGIN_CREATE:
        return login_create(c, question, answer);
    case CTL_ASK_LOGIN_ROTATE:
        return login_rotate(c, question, answer);
    case CTL_ASK_LOGINS_LIST:
        return logins_list(c, question, answer);
    case CTL_ASK_LOGIN_REVOKE:
        return login_revoke(c, question);
    default:
        NX_ASSERT(false);
        return NX_E_UNSUPPORTED;
    }
}
