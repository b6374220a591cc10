#include "control/store/memory_account.h"

#include "control/store/limits.h"
#include "engine/base/assert.h"
#include "engine/base/hash.h"

/* Two keys make 128 bits, more than tests will ever collide in; nobody outside chooses these inputs. */
static const uint8_t KEYS[2][16] = {"memory store one", "memory store two"};

static uint64_t hash_of(struct nx_bytes bytes, int key)
{
    return nx_hash_sip(KEYS[key], bytes.at, bytes.size);
}

static struct ctl_user_row *find_name(const struct store_memory_data *data, struct nx_bytes name_key)
{
    const uint64_t hash = hash_of(name_key, 0);
    for (size_t i = store_memory_table_from(&data->names, hash, 0);
         i < data->names.count && data->names.entries[i].a == hash; i++) {
        struct ctl_user_row *user = store_memory_table_get(&data->users, 0, data->names.entries[i].b);
        if (nx_bytes_equal(user->name_key, name_key)) {
            return user;
        }
    }
    return NULL;
}

static void copy_user(struct store_memory_data *data, const struct ctl_user_row *from,
                      struct ctl_user_row *to)
{
    *to = (struct ctl_user_row){.id = from->id,
                                .username = store_memory_data_text(data, from->username),
                                .name_key = store_memory_data_text(data, from->name_key),
                                .global_name = store_memory_data_text(data, from->global_name),
                                .email = store_memory_data_text(data, from->email),
                                .flags = from->flags,
                                .created_ms = from->created_ms};
}

static void copy_login(struct store_memory_data *data, const struct ctl_login_row *from,
                       struct ctl_login_row *to)
{
    *to = *from;
    to->agent = store_memory_data_text(data, from->agent);
}

static struct store_memory_token *find_token(const struct store_memory_data *data,
                                             const uint8_t hash[CTL_HASH_SIZE])
{
    const struct nx_bytes bytes = nx_bytes_of(hash, CTL_HASH_SIZE);
    return store_memory_table_get(&data->tokens, hash_of(bytes, 0), hash_of(bytes, 1));
}

static void add_token(struct store_memory_data *data, const uint8_t hash[CTL_HASH_SIZE],
                      const struct store_memory_login *login)
{
    const struct nx_bytes bytes = nx_bytes_of(hash, CTL_HASH_SIZE);
    struct store_memory_token *token =
        store_memory_table_add(&data->tokens, hash_of(bytes, 0), hash_of(bytes, 1), sizeof *token);
    *token = (struct store_memory_token){
        .sid = login->row.sid, .user_id = login->row.user_id, .generation = login->generation};
}

/** Removes the tokens of `sid` up to `generation`. */
static void drop_tokens(struct store_memory_data *data, uint64_t sid, int64_t generation)
{
    for (size_t i = data->tokens.count; i-- > 0;) {
        const struct store_memory_token *token = data->tokens.entries[i].row;
        if (token->sid == sid && (int64_t)token->generation <= generation) {
            store_memory_table_remove(&data->tokens, i);
        }
    }
}

static bool drop_login(struct store_memory_data *data, uint64_t user_id, uint64_t sid)
{
    if (!store_memory_table_drop(&data->logins, user_id, sid)) {
        return false;
    }
    (void)store_memory_table_drop(&data->sids, 0, sid);
    drop_tokens(data, sid, INT64_MAX);
    return true;
}

static void drop_logins_but(struct store_memory_data *data, uint64_t user_id, uint64_t keep_sid)
{
    for (size_t i = store_memory_table_from(&data->logins, user_id, 0);
         i < data->logins.count && data->logins.entries[i].a == user_id;) {
        const uint64_t sid = data->logins.entries[i].b;
        if (sid == keep_sid) {
            i++;
        } else {
            (void)drop_login(data, user_id, sid);
        }
    }
}

static bool may_login(const struct store_memory_data *data, uint64_t sid, const uint8_t hash[CTL_HASH_SIZE])
{
    return store_memory_table_get(&data->sids, 0, sid) == NULL && find_token(data, hash) == NULL;
}

static void add_login(struct store_memory_data *data, const struct ctl_login_row *row, uint64_t user_id,
                      const uint8_t hash[CTL_HASH_SIZE])
{
    struct store_memory_login *login =
        store_memory_table_add(&data->logins, user_id, row->sid, sizeof *login);
    login->row = *row;
    login->row.user_id = user_id;
    login->row.agent = store_memory_table_text(row->agent);
    login->generation = 1;
    (void)store_memory_table_add(&data->sids, 0, row->sid, 1);
    add_token(data, hash, login);
}

static enum nx_err user_create(struct store_memory_data *data, const struct ctl_question *q,
                               struct ctl_answer *answer)
{
    struct ctl_user_row user = q->user_create.user;
    if (user.id == 0) {
        user.id = nx_id_next(&data->mint, q->now_ms);
    }
    if (user.created_ms == 0) {
        user.created_ms = q->now_ms;
    }
    const uint64_t sid = q->user_create.login.sid;
    if (store_memory_table_get(&data->users, 0, user.id) != NULL || find_name(data, user.name_key) != NULL ||
        (sid != 0 && !may_login(data, sid, q->user_create.refresh_hash))) {
        return NX_E_CONFLICT;
    }
    struct ctl_user_row *row = store_memory_table_add(&data->users, 0, user.id, sizeof *row);
    *row = user;
    row->username = store_memory_table_text(user.username);
    row->name_key = store_memory_table_text(user.name_key);
    row->global_name = store_memory_table_text(user.global_name);
    row->email = store_memory_table_text(user.email);
    row->password_hash = store_memory_table_text(user.password_hash);
    (void)store_memory_table_add(&data->names, hash_of(user.name_key, 0), user.id, 1);
    if (sid != 0) {
        add_login(data, &q->user_create.login, user.id, q->user_create.refresh_hash);
    }
    answer->user = user;
    return NX_OK;
}

static enum nx_err user_found(struct store_memory_data *data, const struct ctl_user_row *user,
                              struct ctl_answer *answer)
{
    if (user == NULL) {
        return NX_E_NOT_FOUND;
    }
    copy_user(data, user, &answer->user);
    answer->user.password_hash = store_memory_data_text(data, user->password_hash);
    return NX_OK;
}

static enum nx_err user_update(struct store_memory_data *data, const struct ctl_question *q,
                               struct ctl_answer *answer)
{
    const struct ctl_user_row *wish = &q->user_update.user;
    const uint32_t fields = q->user_update.fields;
    struct ctl_user_row *user = store_memory_table_get(&data->users, 0, wish->id);
    if (user == NULL) {
        return NX_E_NOT_FOUND;
    }
    struct ctl_user_row merged = *user;
    if ((fields & CTL_USER_FIELD_USERNAME) != 0) {
        const struct ctl_user_row *other = find_name(data, wish->name_key);
        if (other != NULL && other != user) {
            return NX_E_CONFLICT;
        }
        merged.username = wish->username;
        merged.name_key = wish->name_key;
    }
    merged.global_name = (fields & CTL_USER_FIELD_GLOBAL_NAME) != 0 ? wish->global_name : merged.global_name;
    merged.email = (fields & CTL_USER_FIELD_EMAIL) != 0 ? wish->email : merged.email;
    merged.flags = (fields & CTL_USER_FIELD_FLAGS) != 0 ? wish->flags : merged.flags;
    copy_user(data, &merged, &answer->user);
    if (data->is_arena_full) {
        return NX_E_NO_MEMORY;
    }
    (void)store_memory_table_drop(&data->names, hash_of(user->name_key, 0), user->id);
    if ((fields & CTL_USER_FIELD_USERNAME) != 0) {
        store_memory_table_replace(&user->username, wish->username);
        store_memory_table_replace(&user->name_key, wish->name_key);
    }
    if ((fields & CTL_USER_FIELD_GLOBAL_NAME) != 0) {
        store_memory_table_replace(&user->global_name, wish->global_name);
    }
    if ((fields & CTL_USER_FIELD_EMAIL) != 0) {
        store_memory_table_replace(&user->email, wish->email);
    }
    user->flags = merged.flags;
    (void)store_memory_table_add(&data->names, hash_of(user->name_key, 0), user->id, 1);
    return NX_OK;
}

static enum nx_err user_password(struct store_memory_data *data, const struct ctl_question *q)
{
    struct ctl_user_row *user = store_memory_table_get(&data->users, 0, q->user_password.user_id);
    if (user == NULL) {
        return NX_E_NOT_FOUND;
    }
    store_memory_table_replace(&user->password_hash, q->user_password.password_hash);
    drop_logins_but(data, user->id, q->user_password.keep_sid);
    return NX_OK;
}

static enum nx_err users_list(struct store_memory_data *data, const struct ctl_question *q,
                              struct ctl_answer *answer)
{
    const size_t limit =
        q->users_list.limit < CTL_QUESTION_ROWS_MAX ? q->users_list.limit : CTL_QUESTION_ROWS_MAX;
    const size_t first = store_memory_table_from(&data->users, 0, q->users_list.after_id + 1);
    const size_t left = data->users.count - first;
    const size_t count = left < limit ? left : limit;
    struct ctl_user_row *rows = store_memory_data_rows(data, sizeof *rows, count);
    for (size_t i = 0; rows != NULL && i < count; i++) {
        copy_user(data, data->users.entries[first + i].row, &rows[i]);
    }
    answer->list.rows = rows;
    answer->list.rows_count = (uint32_t)count;
    return NX_OK;
}

/** Ends the logins of the user that have expired, and the oldest beyond the limit. */
static void prune_logins(struct store_memory_data *data, uint64_t user_id, int64_t now_ms)
{
    const size_t first = store_memory_table_from(&data->logins, user_id, 0);
    for (size_t i = store_memory_table_from(&data->logins, user_id + 1, 0); i-- > first;) {
        const struct store_memory_login *login = data->logins.entries[i].row;
        if (login->row.expires_ms <= now_ms) {
            (void)drop_login(data, user_id, login->row.sid);
        }
    }
    while (store_memory_table_from(&data->logins, user_id + 1, 0) - first > STORE_LOGINS_MAX) {
        (void)drop_login(data, user_id, data->logins.entries[first].b);
    }
}

static enum nx_err login_create(struct store_memory_data *data, const struct ctl_question *q,
                                struct ctl_answer *answer)
{
    const struct ctl_login_row *login = &q->login_create.login;
    if (!may_login(data, login->sid, q->login_create.refresh_hash)) {
        return NX_E_CONFLICT;
    }
    if (store_memory_table_get(&data->users, 0, login->user_id) == NULL) {
        return NX_E_NOT_FOUND;
    }
    add_login(data, login, login->user_id, q->login_create.refresh_hash);
    prune_logins(data, login->user_id, q->now_ms);
    answer->login = *login;
    return NX_OK;
}

static enum nx_err login_rotate(struct store_memory_data *data, const struct ctl_question *q,
                                struct ctl_answer *answer)
{
    const struct store_memory_token *token = find_token(data, q->login_rotate.old_hash);
    if (token == NULL) {
        return NX_E_AUTH;
    }
    struct store_memory_login *login = store_memory_table_get(&data->logins, token->user_id, token->sid);
    copy_login(data, &login->row, &answer->login);
    answer->login.used_ms = q->now_ms;
    if (data->is_arena_full) {
        return NX_E_NO_MEMORY;
    }
    if (token->replaced_ms != 0 && q->now_ms - token->replaced_ms > q->login_rotate.grace_ms) {
        (void)drop_login(data, answer->login.user_id, answer->login.sid);
        return NX_E_AUTH;
    }
    if (login->row.expires_ms <= q->now_ms) {
        *answer = (struct ctl_answer){0};
        return NX_E_EXPIRED;
    }
    if (find_token(data, q->login_rotate.new_hash) != NULL) {
        *answer = (struct ctl_answer){0};
        return NX_E_CONFLICT;
    }
    for (size_t i = 0; i < data->tokens.count; i++) {
        struct store_memory_token *current = data->tokens.entries[i].row;
        if (current->sid == login->row.sid && current->generation == login->generation) {
            current->replaced_ms = q->now_ms > 0 ? q->now_ms : 1;
        }
    }
    login->generation++;
    login->row.used_ms = q->now_ms;
    login->row.expires_ms = q->login_rotate.expires_ms;
    answer->login.expires_ms = q->login_rotate.expires_ms;
    drop_tokens(data, login->row.sid, (int64_t)login->generation - STORE_LOGIN_HASHES_MAX);
    add_token(data, q->login_rotate.new_hash, login);
    return NX_OK;
}

static enum nx_err logins_list(struct store_memory_data *data, const struct ctl_question *q,
                               struct ctl_answer *answer)
{
    const uint64_t user_id = q->logins_list.user_id;
    const size_t first = store_memory_table_from(&data->logins, user_id, 0);
    const size_t end = store_memory_table_from(&data->logins, user_id + 1, 0);
    struct ctl_login_row *rows = store_memory_data_rows(data, sizeof *rows, end - first);
    uint32_t count = 0;
    for (size_t i = first; rows != NULL && i < end && count < CTL_QUESTION_ROWS_MAX; i++) {
        const struct store_memory_login *login = data->logins.entries[i].row;
        if (login->row.expires_ms > q->now_ms) {
            copy_login(data, &login->row, &rows[count++]);
        }
    }
    answer->list.rows = rows;
    answer->list.rows_count = count;
    return NX_OK;
}

static enum nx_err login_revoke(struct store_memory_data *data, const struct ctl_question *q)
{
    if (q->login_revoke.sid == 0) {
        drop_logins_but(data, q->login_revoke.user_id, 0);
        return NX_OK;
    }
    return drop_login(data, q->login_revoke.user_id, q->login_revoke.sid) ? NX_OK : NX_E_NOT_FOUND;
}

enum nx_err store_memory_account(struct store_memory_data *data, const struct ctl_question *question,
                                 struct ctl_answer *answer)
{
    switch (question->kind) {
    case CTL_ASK_USER_CREATE:
        return user_create(data, question, answer);
    case CTL_ASK_USER_BY_NAME:
        return user_found(data, find_name(data, question->user_by_name.name_key), answer);
    case CTL_ASK_USER_GET:
        return user_found(data, store_memory_table_get(&data->users, 0, question->user_get.user_id), answer);
    case CTL_ASK_USER_UPDATE:
        return user_update(data, question, answer);
    case CTL_ASK_USER_PASSWORD:
        return user_password(data, question);
    case CTL_ASK_USERS_LIST:
        return users_list(data, question, answer);
    case CTL_ASK_LOGIN_CREATE:
        return login_create(data, question, answer);
    case CTL_ASK_LOGIN_ROTATE:
        return login_rotate(data, question, answer);
    case CTL_ASK_LOGINS_LIST:
        return logins_list(data, question, answer);
    case CTL_ASK_LOGIN_REVOKE:
        return login_revoke(data, question);
    default:
        NX_ASSERT(false);
        return NX_E_UNSUPPORTED;
    }
}
