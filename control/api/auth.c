#include "control/api/error.h"
#include "control/api/handler.h"
#include "control/core/account.h"
#include "control/core/apply.h"
#include "control/core/object.h"

/* Parts of r->random. */
enum { RANDOM_REFRESH = 0, RANDOM_JTI = 32 };
enum { QUOTA_LOGIN = 0x106 }; /* what the bucket of login attempts is called */

/* What a way to log in keeps between its steps. */
struct login {
    struct nx_bytes username, password, email, global_name;
    struct nx_bytes name_key;
    struct ctl_user_row user;
    struct ctl_login_row row;
    uint8_t token[CTL_ACCOUNT_REFRESH_SIZE];
    bool is_known;
};

/* Mints a login session with its refresh token; false when that fails. */
static bool make_login(struct api_request *r, struct login *login, uint64_t user_id,
                       uint8_t hash[CTL_HASH_SIZE])
{
    struct nx_writer w = nx_writer_init(login->token, sizeof(login->token));
    struct nx_writer agent = api_request_scratch(r, CTL_AGENT_SIZE_MAX);
    for (size_t i = 0; i < r->headers.user_agent.size && i < CTL_AGENT_SIZE_MAX; i++) {
        const uint8_t c = r->headers.user_agent.at[i];
        nx_writer_u8(&agent, c >= 0x20 && c < 0x7f ? c : '?');
    }
    login->row = (struct ctl_login_row){.sid = ctl_world_id(r->world, r->wall_ms),
                                        .user_id = user_id,
                                        .created_ms = r->wall_ms,
                                        .used_ms = r->wall_ms,
                                        .expires_ms = r->wall_ms + CTL_REFRESH_TOKEN_MS,
                                        .agent = nx_writer_bytes(&agent)};
    return ctl_account_refresh_make(r->random + RANDOM_REFRESH, &w, hash) == NX_OK && nx_writer_ok(&w);
}

/* The caller has noted the login in the step that had it from the store: by now it may have been revoked. */
static enum api_next answer_tokens(struct api_request *r, const struct ctl_user *user, struct nx_bytes email,
                                   uint64_t sid, struct nx_bytes refresh)
{
    uint64_t jti;
    memcpy(&jti, r->random + RANDOM_JTI, sizeof(jti));
    struct nx_writer token = api_request_scratch(r, NX_TOKEN_SIZE_MAX);
    if (ctl_account_token(r->world->ring, user->id, sid, jti, r->wall_ms, &token) != NX_OK) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    struct nx_json_out out = api_request_json(r, 200, 8192);
    nx_json_out_object(&out);
    nx_json_out_key(&out, "access_token");
    nx_json_out_string(&out, nx_writer_bytes(&token));
    nx_json_out_key(&out, "refresh_token");
    nx_json_out_string(&out, refresh);
    nx_json_out_key(&out, "token_type");
    nx_json_out_text(&out, "Bearer");
    nx_json_out_key(&out, "expires_in");
    nx_json_out_u64(&out, CTL_ACCESS_TOKEN_S);
    nx_json_out_key(&out, "user");
    ctl_object_self(&out, user, email);
    nx_json_out_object_end(&out);
    api_request_header(r, "Cache-Control", nx_bytes_text("no-store"));
    return api_request_json_end(r, &out);
}

/* ---- register ---- */

static const struct nx_json_field register_fields[] = {
    {"username", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_REQUIRED, CTL_USERNAME_MIN, CTL_USERNAME_MAX,
     offsetof(struct login, username)},
    {"password", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_REQUIRED, CTL_PASSWORD_MIN, CTL_PASSWORD_MAX,
     offsetof(struct login, password)},
    {"email", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_NULLABLE, 0, CTL_EMAIL_MAX, offsetof(struct login, email)},
    {"global_name", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_NULLABLE, 0, CTL_GLOBAL_NAME_MAX,
     offsetof(struct login, global_name)},
};

static enum api_next register_read(struct api_request *r, struct login *login)
{
    struct nx_json_present present;
    if (!r->world->settings.has_registration) {
        return api_error(r, API_ERROR_REGISTRATION_CLOSED);
    }
    if (!api_request_fields(r, API_FIELDS(register_fields), login, &present)) {
        return API_DONE;
    }
    struct nx_json_faults faults = {.count = 0};
    if (!ctl_account_username_ok(login->username)) {
        nx_json_fields_fault(&faults, "username", NX_JSON_FAULT_CHOICE, 0, 0);
    }
    if (!ctl_account_password_ok(login->password)) {
        nx_json_fields_fault(&faults, "password", NX_JSON_FAULT_LENGTH, CTL_PASSWORD_MIN, CTL_PASSWORD_MAX);
    }
    if (login->email.size != 0 && !ctl_account_email_ok(login->email)) {
        nx_json_fields_fault(&faults, "email", NX_JSON_FAULT_CHOICE, 0, 0);
    }
    if (!ctl_account_text_ok(login->global_name, 0, CTL_GLOBAL_NAME_MAX)) {
        nx_json_fields_fault(&faults, "global_name", NX_JSON_FAULT_CHOICE, 0, 0);
    }
    if (faults.count != 0) {
        return api_error_form(r, &faults);
    }
    r->job.password = login->password;
    r->step = 1;
    return API_HASH;
}

static enum api_next register_create(struct api_request *r, struct login *login)
{
    struct nx_writer key = api_request_scratch(r, CTL_USERNAME_MAX);
    if (r->job.verdict != NX_OK) {
        return api_error(r, API_ERROR_OVERLOADED);
    }
    ctl_account_name_key(login->username, &key);
    const uint64_t user_id = ctl_world_id(r->world, r->wall_ms);
    if (!make_login(r, login, user_id, r->question.user_create.refresh_hash)) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    login->user = (struct ctl_user_row){.id = user_id,
                                        .username = login->username,
                                        .name_key = nx_writer_bytes(&key),
                                        .global_name = login->global_name,
                                        .email = login->email,
                                        .password_hash = nx_bytes_text(r->job.encoded),
                                        .created_ms = r->wall_ms};
    r->question.user_create.user = login->user;
    r->question.user_create.login = login->row;
    return api_request_ask(r, CTL_ASK_USER_CREATE, 2);
}

enum api_next api_auth_register(struct api_request *r)
{
    struct login *login = api_request_state(r, sizeof(*login));
    switch (r->step) {
    case 0:
        return register_read(r, login);
    case 1:
        return register_create(r, login);
    default:
        break;
    }
    if (r->answer->verdict == NX_E_CONFLICT) {
        return api_error_taken(r, "username");
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_INTERNAL);
    }
    login->user.id = r->answer->user.id != 0 ? r->answer->user.id : login->user.id;
    if (ctl_apply_user(r->world, &login->user) != NX_OK) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    ctl_login_note(&r->world->logins, login->row.sid);
    const struct ctl_user *user = ctl_directory_user(&r->world->directory, login->user.id);
    return answer_tokens(r, user, login->email, login->row.sid,
                         nx_bytes_of(login->token, sizeof(login->token)));
}

/* ---- login ---- */

static const struct nx_json_field login_fields[] = {
    {"username", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_REQUIRED, 1, 64, offsetof(struct login, username)},
    {"password", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_REQUIRED, 1, CTL_PASSWORD_MAX,
     offsetof(struct login, password)},
};

/* Five attempts a minute for one account from one address. Returns false, the 429 answered, beyond that. */
static bool may_try(struct api_request *r, struct nx_bytes name_key)
{
    if (!r->world->settings.has_rate_limits) {
        return true;
    }
    const struct nx_quota_rule rule = nx_quota_rule_of(5, 60000, 5);
    const struct ctl_quota_state state =
        ctl_quota_take(&r->world->quotas, &rule, r->now, QUOTA_LOGIN,
                       ctl_quota_hash(&r->world->quotas, name_key), r->address_key);
    if (!state.is_allowed) {
        (void)api_error_limited(r, state.retry_ms, false, "user");
    }
    return state.is_allowed;
}

static enum api_next login_read(struct api_request *r, struct login *login)
{
    struct nx_json_present present;
    if (!api_request_fields(r, API_FIELDS(login_fields), login, &present)) {
        return API_DONE;
    }
    struct nx_writer key = api_request_scratch(r, login->username.size);
    ctl_account_name_key(login->username, &key);
    login->name_key = nx_writer_bytes(&key);
    if (!may_try(r, login->name_key)) {
        return API_DONE;
    }
    r->question.user_by_name.name_key = login->name_key;
    return api_request_ask(r, CTL_ASK_USER_BY_NAME, 1);
}

/* An unknown name costs as much as a wrong password: the work is done and thrown away. */
static enum api_next login_found(struct api_request *r, struct login *login)
{
    const struct ctl_answer *answer = r->answer;
    if (answer->verdict != NX_OK && answer->verdict != NX_E_NOT_FOUND) {
        return api_error_store(r, answer->verdict, API_ERROR_LOGIN);
    }
    r->job.password = login->password;
    r->step = 2;
    if (answer->verdict == NX_E_NOT_FOUND || answer->user.password_hash.size >= sizeof(r->job.encoded)) {
        return API_HASH;
    }
    login->is_known = true;
    login->user.id = answer->user.id;
    if (nx_arena_copy(&r->arena, answer->user.email, &login->email) != NX_OK) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    if (answer->user.password_hash.size != 0) {
        memcpy(r->job.encoded, answer->user.password_hash.at, answer->user.password_hash.size);
    }
    r->job.encoded[answer->user.password_hash.size] = 0;
    return API_VERIFY;
}

static enum api_next login_verified(struct api_request *r, struct login *login)
{
    if (r->job.verdict == NX_E_FULL || r->job.verdict == NX_E_NO_MEMORY ||
        r->job.verdict == NX_E_UNAVAILABLE) {
        return api_error(r, API_ERROR_OVERLOADED);
    }
    if (!login->is_known || r->job.verdict != NX_OK) {
        return api_error(r, API_ERROR_LOGIN);
    }
    const struct ctl_user *user = ctl_directory_user(&r->world->directory, login->user.id);
    if (user == NULL || (user->flags & CTL_USER_DISABLED) != 0) {
        return api_error(r, user == NULL ? API_ERROR_LOGIN : API_ERROR_DISABLED);
    }
    if (!make_login(r, login, user->id, r->question.login_create.refresh_hash)) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    r->question.login_create.login = login->row;
    return api_request_ask(r, CTL_ASK_LOGIN_CREATE, 3);
}

enum api_next api_auth_login(struct api_request *r)
{
    struct login *login = api_request_state(r, sizeof(*login));
    switch (r->step) {
    case 0:
        return login_read(r, login);
    case 1:
        return login_found(r, login);
    case 2:
        return login_verified(r, login);
    default:
        break;
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_LOGIN);
    }
    const struct ctl_user *user = ctl_directory_user(&r->world->directory, login->user.id);
    if (user == NULL) {
        return api_error(r, API_ERROR_LOGIN);
    }
    ctl_login_note(&r->world->logins, login->row.sid);
    return answer_tokens(r, user, login->email, login->row.sid,
                         nx_bytes_of(login->token, sizeof(login->token)));
}

/* ---- refresh, logout, sessions ---- */

static const struct nx_json_field refresh_fields[] = {
    {"refresh_token", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_REQUIRED, 0, 0, offsetof(struct login, password)},
};

static enum api_next refresh_rotated(struct api_request *r, struct login *login)
{
    const struct ctl_answer *answer = r->answer;
    if (answer->verdict == NX_E_AUTH || answer->verdict == NX_E_EXPIRED ||
        answer->verdict == NX_E_NOT_FOUND) {
        if (answer->verdict == NX_E_AUTH && answer->login.sid != 0) {
            ctl_apply_login_revoked(r->world, answer->login.user_id, answer->login.sid, 4004, r->wall_ms);
        }
        return api_error(r, API_ERROR_REFRESH);
    }
    if (answer->verdict != NX_OK) {
        return api_error_store(r, answer->verdict, API_ERROR_REFRESH);
    }
    login->row.sid = answer->login.sid;
    login->row.user_id = answer->login.user_id;
    ctl_login_note(&r->world->logins, login->row.sid);
    r->question.user_get.user_id = login->row.user_id;
    return api_request_ask(r, CTL_ASK_USER_GET, 2);
}

enum api_next api_auth_refresh(struct api_request *r)
{
    struct login *login = api_request_state(r, sizeof(*login));
    struct nx_json_present present;
    if (r->step == 0) {
        if (!api_request_fields(r, API_FIELDS(refresh_fields), login, &present)) {
            return API_DONE;
        }
        if (ctl_account_refresh_hash(login->password, r->question.login_rotate.old_hash) != NX_OK) {
            return api_error(r, API_ERROR_REFRESH);
        }
        if (!make_login(r, login, 0, r->question.login_rotate.new_hash)) {
            return api_error(r, API_ERROR_INTERNAL);
        }
        r->question.login_rotate.expires_ms = login->row.expires_ms;
        r->question.login_rotate.grace_ms = CTL_REFRESH_GRACE_MS;
        return api_request_ask(r, CTL_ASK_LOGIN_ROTATE, 1);
    }
    if (r->step == 1) {
        return refresh_rotated(r, login);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_REFRESH);
    }
    const struct ctl_user *user = ctl_directory_user(&r->world->directory, login->row.user_id);
    if (user == NULL || (user->flags & CTL_USER_DISABLED) != 0) {
        return api_error(r, API_ERROR_REFRESH);
    }
    return answer_tokens(r, user, r->answer->user.email, login->row.sid,
                         nx_bytes_of(login->token, sizeof(login->token)));
}

static enum api_next revoke(struct api_request *r, uint64_t sid)
{
    r->question.login_revoke.user_id = r->subject.user_id;
    r->question.login_revoke.sid = sid;
    return api_request_ask(r, CTL_ASK_LOGIN_REVOKE, 1);
}

enum api_next api_auth_logout(struct api_request *r)
{
    if (r->step == 0) {
        return revoke(r, r->subject.sid);
    }
    if (r->answer->verdict != NX_OK && r->answer->verdict != NX_E_NOT_FOUND) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_SESSION);
    }
    ctl_apply_login_revoked(r->world, r->subject.user_id, r->subject.sid, 4004, r->wall_ms);
    return api_request_empty(r);
}

enum api_next api_auth_session_delete(struct api_request *r)
{
    if (r->step == 0) {
        return r->ids[0] == 0 ? api_error(r, API_ERROR_UNKNOWN_SESSION) : revoke(r, r->ids[0]);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_SESSION);
    }
    ctl_apply_login_revoked(r->world, r->subject.user_id, r->ids[0], 4004, r->wall_ms);
    return api_request_empty(r);
}

enum api_next api_auth_sessions(struct api_request *r)
{
    if (r->step == 0) {
        r->question.logins_list.user_id = r->subject.user_id;
        return api_request_ask(r, CTL_ASK_LOGINS_LIST, 1);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_INTERNAL);
    }
    const struct ctl_login_row *rows = r->answer->list.rows;
    const uint32_t count = r->answer->list.rows_count;
    struct nx_json_out out = api_request_json(r, 200, 256 + (size_t)count * (CTL_AGENT_SIZE_MAX * 6 + 512));
    nx_json_out_array(&out);
    for (uint32_t i = 0; i < count; i++) {
        nx_json_out_object(&out);
        nx_json_out_key(&out, "id");
        nx_json_out_id(&out, rows[i].sid);
        nx_json_out_key(&out, "created_at");
        nx_json_out_time(&out, rows[i].created_ms);
        nx_json_out_key(&out, "last_used_at");
        nx_json_out_time(&out, rows[i].used_ms);
        nx_json_out_key(&out, "expires_at");
        nx_json_out_time(&out, rows[i].expires_ms);
        nx_json_out_key(&out, "agent");
        nx_json_out_string(&out, rows[i].agent);
        nx_json_out_key(&out, "is_current");
        nx_json_out_bool(&out, rows[i].sid == r->subject.sid);
        nx_json_out_object_end(&out);
    }
    nx_json_out_array_end(&out);
    return api_request_json_end(r, &out);
}

/* ---- password ---- */

struct password_change {
    struct nx_bytes password, new_password;
    uint64_t *sids; /* logins that end with it */
    uint32_t sids_count;
};

static const struct nx_json_field password_fields[] = {
    {"password", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_REQUIRED, 1, CTL_PASSWORD_MAX,
     offsetof(struct password_change, password)},
    {"new_password", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_REQUIRED, CTL_PASSWORD_MIN, CTL_PASSWORD_MAX,
     offsetof(struct password_change, new_password)},
};

static enum api_next password_read(struct api_request *r, struct password_change *change)
{
    struct nx_json_present present;
    if (!api_request_fields(r, API_FIELDS(password_fields), change, &present)) {
        return API_DONE;
    }
    if (!ctl_account_password_ok(change->new_password)) {
        return api_error_field(r, "new_password", NX_JSON_FAULT_LENGTH, CTL_PASSWORD_MIN, CTL_PASSWORD_MAX);
    }
    struct nx_writer key = api_request_scratch(r, CTL_USERNAME_MAX);
    ctl_account_name_key(r->subject.user->username, &key);
    if (!may_try(r, nx_writer_bytes(&key))) {
        return API_DONE;
    }
    r->question.user_get.user_id = r->subject.user_id;
    return api_request_ask(r, CTL_ASK_USER_GET, 1);
}

static enum api_next password_found(struct api_request *r, struct password_change *change)
{
    const struct nx_bytes hash = r->answer->user.password_hash;
    if (r->answer->verdict != NX_OK || hash.size == 0 || hash.size >= sizeof(r->job.encoded)) {
        return r->answer->verdict == NX_OK ? api_error(r, API_ERROR_INTERNAL)
                                           : api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_USER);
    }
    memcpy(r->job.encoded, hash.at, hash.size);
    r->job.encoded[hash.size] = 0;
    r->job.password = change->password;
    r->step = 2;
    return API_VERIFY;
}

static enum api_next password_logins(struct api_request *r, struct password_change *change)
{
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_INTERNAL);
    }
    const struct ctl_login_row *rows = r->answer->list.rows;
    change->sids = nx_arena_take(&r->arena, (r->answer->list.rows_count + 1) * sizeof(*change->sids), 8);
    if (change->sids == NULL) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    for (uint32_t i = 0; i < r->answer->list.rows_count; i++) {
        if (rows[i].sid != r->subject.sid) {
            change->sids[change->sids_count++] = rows[i].sid;
        }
    }
    r->question.user_password.user_id = r->subject.user_id;
    r->question.user_password.password_hash = nx_bytes_text(r->job.encoded);
    r->question.user_password.keep_sid = r->subject.sid;
    return api_request_ask(r, CTL_ASK_USER_PASSWORD, 5);
}

enum api_next api_auth_password(struct api_request *r)
{
    struct password_change *change = api_request_state(r, sizeof(*change));
    switch (r->step) {
    case 0:
        return password_read(r, change);
    case 1:
        return password_found(r, change);
    case 2:
        if (r->job.verdict != NX_OK) {
            return r->job.verdict == NX_E_AUTH ? api_error_field(r, "password", NX_JSON_FAULT_CHOICE, 0, 0)
                                               : api_error(r, API_ERROR_OVERLOADED);
        }
        r->job.password = change->new_password;
        r->step = 3;
        return API_HASH;
    case 3:
        if (r->job.verdict != NX_OK) {
            return api_error(r, API_ERROR_OVERLOADED);
        }
        r->question.logins_list.user_id = r->subject.user_id;
        return api_request_ask(r, CTL_ASK_LOGINS_LIST, 4);
    case 4:
        return password_logins(r, change);
    default:
        break;
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_USER);
    }
    for (uint32_t i = 0; i < change->sids_count; i++) {
        ctl_apply_login_revoked(r->world, r->subject.user_id, change->sids[i], 4004, r->wall_ms);
    }
    return api_request_empty(r);
}
