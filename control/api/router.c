#include "control/api/router.h"

#include "control/api/error.h"
#include "control/api/route.h"
#include "control/core/guild.h"
#include "engine/base/hash.h"
#include "engine/base/text.h"

/* What buckets that belong to no route are called. */
enum { BUCKET_GLOBAL = 1, BUCKET_ADDRESS, BUCKET_INVALID };

static struct nx_quota_rule rule_of(uint64_t bucket)
{
    switch (bucket) {
    case BUCKET_GLOBAL:
        return nx_quota_per_s(50, 50);
    case BUCKET_ADDRESS:
        return nx_quota_per_s(10, 30);
    default:
        return nx_quota_rule_of(10000, 600000, 10000);
    }
}

/* ---- headers of every answer ---- */

static void header_number(struct api_request *r, const char *name, uint64_t value)
{
    uint8_t digits[20];
    struct nx_writer w = nx_writer_init(digits, sizeof(digits));
    nx_writer_decimal(&w, value);
    api_request_header(r, name, nx_writer_bytes(&w));
}

static void header_seconds(struct api_request *r, const char *name, int64_t ms)
{
    uint8_t text[32];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    nx_writer_decimal(&w, (uint64_t)ms / 1000);
    nx_writer_u8(&w, '.');
    nx_writer_u8(&w, (uint8_t)('0' + ms / 100 % 10));
    nx_writer_u8(&w, (uint8_t)('0' + ms / 10 % 10));
    nx_writer_u8(&w, (uint8_t)('0' + ms % 10));
    api_request_header(r, name, nx_writer_bytes(&w));
}

static void header_quota(struct api_request *r, const struct ctl_quota_state *state)
{
    uint8_t text[96];
    uint8_t bucket[8];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    for (int i = 0; i < 8; i++) {
        bucket[i] = (uint8_t)(state->bucket >> (56 - 8 * i));
    }
    nx_text_hex_encode(nx_bytes_of(bucket, sizeof(bucket)), &w);
    header_number(r, "X-RateLimit-Limit", state->limit);
    header_number(r, "X-RateLimit-Remaining", state->remaining);
    header_seconds(r, "X-RateLimit-Reset", r->wall_ms + state->reset_ms);
    header_seconds(r, "X-RateLimit-Reset-After", state->reset_ms);
    api_request_header(r, "X-RateLimit-Bucket", nx_writer_bytes(&w));
    w = nx_writer_init(text, sizeof(text));
    nx_writer_text(&w, "\"route\";r=");
    nx_writer_decimal(&w, state->remaining);
    nx_writer_text(&w, ";t=");
    nx_writer_decimal(&w, (uint64_t)(state->reset_ms + 999) / 1000);
    api_request_header(r, "RateLimit", nx_writer_bytes(&w));
    w = nx_writer_init(text, sizeof(text));
    nx_writer_text(&w, "\"route\";q=");
    nx_writer_decimal(&w, state->limit);
    nx_writer_text(&w, ";w=");
    nx_writer_decimal(&w, r->route->period_s);
    api_request_header(r, "RateLimit-Policy", nx_writer_bytes(&w));
}

/* ---- limits ---- */

static bool has_limits(const struct api_request *r)
{
    return r->world->settings.has_rate_limits;
}

static struct ctl_quota_state take(struct api_request *r, uint64_t bucket, uint64_t subject)
{
    const struct nx_quota_rule rule = rule_of(bucket);
    return ctl_quota_take(&r->world->quotas, &rule, r->now, bucket, 0, subject);
}

/* Returns false, the 429 answered, when the caller has used up what the route or everything allows. */
static bool within_limits(struct api_request *r)
{
    if (!has_limits(r)) {
        return true;
    }
    const bool is_anonymous = r->subject.user_id == 0;
    const struct ctl_quota_state all =
        is_anonymous ? take(r, BUCKET_ADDRESS, r->address_key) : take(r, BUCKET_GLOBAL, r->subject.user_id);
    if (!all.is_allowed) {
        (void)api_error_limited(r, all.retry_ms, true, is_anonymous ? "shared" : "user");
        return false;
    }
    /* The invite code is no major parameter: guessing codes is what the bucket is for. */
    const uint64_t major = r->route->scope == API_SCOPE_NONE ? 0 : r->ids[0];
    const struct nx_quota_rule rule =
        nx_quota_rule_of(r->route->count, (int64_t)r->route->period_s * 1000, r->route->count);
    const uint64_t what = ctl_quota_hash(&r->world->quotas, nx_bytes_text(r->route->bucket));
    const struct ctl_quota_state state = ctl_quota_take(&r->world->quotas, &rule, r->now, what, major,
                                                        is_anonymous ? ~r->address_key : r->subject.user_id);
    header_quota(r, &state);
    if (!state.is_allowed) {
        (void)api_error_limited(r, state.retry_ms, false, "user");
        return false;
    }
    return true;
}

static enum api_next finish(struct api_request *r)
{
    const uint16_t status = r->response.status;
    if (has_limits(r) && (status == 401 || status == 403 || status == 429)) {
        (void)take(r, BUCKET_INVALID, r->address_key);
    }
    if (r->response.body.size != 0) {
        api_request_header(r, "Content-Type", nx_bytes_text("application/json"));
    }
    if (r->kept_key != 0 && status < 300) {
        ctl_kept_end(&r->world->kept, &r->world->memory, r->kept_key, status,
                     nx_writer_bytes(&r->response.body));
    } else if (r->kept_key != 0) {
        ctl_kept_drop(&r->world->kept, &r->world->memory, r->kept_key);
    }
    r->kept_key = 0;
    api_request_unlock(r);
    return API_DONE;
}

static enum api_next finished(struct api_request *r, enum api_next next)
{
    return next == API_DONE ? finish(r) : next;
}

/* ---- body and scope, then the handler ---- */

static bool is_json(struct nx_bytes type)
{
    static const char json[] = "application/json";
    if (type.size == 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof(json) - 1; i++) {
        if (i >= type.size || (type.at[i] | 0x20) != (json[i] | 0x20)) {
            return false;
        }
    }
    return type.size == sizeof(json) - 1 || type.at[sizeof(json) - 1] == ';' ||
           type.at[sizeof(json) - 1] == ' ';
}

/* Whether a member asks for nothing: clients send such values for what they do not use. */
static bool is_nothing(struct nx_json value)
{
    bool truth;
    uint64_t number;
    switch (value.kind) {
    case NX_JSON_NULL:
        return true;
    case NX_JSON_STRING:
        return nx_json_string_size(value) == 0;
    case NX_JSON_NUMBER:
        return nx_json_u64(value, &number) == NX_OK && number == 0;
    case NX_JSON_ARRAY:
    case NX_JSON_OBJECT:
        return nx_json_count(value) == 0;
    default:
        return nx_json_bool(value, &truth) == NX_OK && !truth;
    }
}

/* Members that mean something to Discord and nothing here are not dropped as if they had been taken. Returns false, the
 * error answered, when `object` has one. */
static bool has_no_refused(struct api_request *r, struct nx_json object)
{
    struct nx_json value;
    for (const char *name = r->route->refused; *name != 0; name += strlen(name) + 1) {
        if (object.kind == NX_JSON_OBJECT && nx_json_find(object, name, &value) && !is_nothing(value)) {
            (void)api_error_unsupported(r, name);
            return false;
        }
    }
    return true;
}

static bool has_no_refused_in(struct api_request *r, struct nx_json root)
{
    struct nx_json value;
    if (root.kind != NX_JSON_ARRAY || *r->route->refused == 0) {
        return has_no_refused(r, root);
    }
    struct nx_json_walk walk = nx_json_walk(root);
    while (nx_json_array_next(&walk, &value)) {
        if (!has_no_refused(r, value)) {
            return false;
        }
    }
    return true;
}

/* Returns false, the error answered, unless the body is what the route takes. */
static bool read_body(struct api_request *r)
{
    if (r->route->body_max == 0 || (r->body.size == 0 && !r->route->has_body)) {
        return true; /* a body nobody asked for is not looked at */
    }
    if (r->body.size > r->route->body_max) {
        (void)api_error(r, API_ERROR_BODY_LARGE);
        return false;
    }
    if (!is_json(r->headers.content_type)) {
        (void)api_error(r, API_ERROR_MEDIA_TYPE);
        return false;
    }
    if (nx_json_open(r->body, &r->root) != NX_OK) {
        (void)api_error(r, API_ERROR_JSON);
        return false;
    }
    return has_no_refused_in(r, r->root);
}

/* Returns false, the error answered, unless the caller may do what the route says to the thing of the first id. */
static bool may(struct api_request *r)
{
    if (r->route->scope == API_SCOPE_CHANNEL) {
        struct ctl_channel *channel;
        struct ctl_member *member;
        const enum ctl_code code = ctl_message_channel(r->world, r->subject.user_id, r->ids[0],
                                                       r->route->permissions, r->wall_ms, &channel, &member);
        if (code != CTL_CODE_OK) {
            (void)api_error_code(r, code, 0);
            return false;
        }
    } else if (r->route->scope == API_SCOPE_GUILD) {
        const struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
        const struct ctl_member *member = guild == NULL ? NULL : ctl_guild_member(guild, r->subject.user_id);
        if (member == NULL) {
            (void)api_error(r, API_ERROR_UNKNOWN_GUILD);
            return false;
        }
        const uint64_t has = ctl_guild_permissions(member, NULL, r->wall_ms);
        if ((has & r->route->permissions) != r->route->permissions) {
            (void)api_error(r, API_ERROR_MISSING_PERMISSIONS);
            return false;
        }
    }
    return true;
}

/* ---- asked again ---- */

static bool is_key_ok(struct nx_bytes key)
{
    for (size_t i = 0; i < key.size; i++) {
        if (key.at[i] < 0x21 || key.at[i] > 0x7e) {
            return false;
        }
    }
    return key.size <= API_IDEMPOTENCY_MAX;
}

static uint64_t hash_of(const struct api_request *r, struct nx_bytes text, uint64_t more)
{
    uint8_t key[16];
    memcpy(key, &r->world->seed, 8);
    memcpy(key + 8, &more, 8);
    return nx_hash_sip(key, text.size == 0 ? key : text.at, text.size);
}

static void answer_again(struct api_request *r, const struct ctl_kept_answer *kept)
{
    struct nx_writer w = api_request_scratch(r, kept->body.size);
    nx_writer_bytes_put(&w, kept->body);
    if (!nx_writer_ok(&w)) {
        (void)api_error(r, API_ERROR_OVERLOADED);
        return;
    }
    r->response.status = kept->status;
    r->response.body = w;
    api_request_header(r, "Idempotent-Replayed", nx_bytes_text("true"));
}

/* Returns whether the work is to be done; else it is answered already. */
static bool is_first(struct api_request *r)
{
    const struct nx_bytes key = r->headers.idempotency_key;
    const struct ctl_kept_answer *kept;
    if (key.size == 0 || r->method != NX_BUS_POST) {
        return true;
    }
    if (!is_key_ok(key)) {
        (void)api_error(r, API_ERROR_KEY_MALFORMED);
        return false;
    }
    if (!r->route->keeps_answer) {
        return true;
    }
    const uint64_t place = hash_of(r, nx_bytes_text(r->route->operation), 0);
    const uint64_t request = hash_of(r, r->body, hash_of(r, r->text, place ^ r->ids[0]) + r->is_envelope);
    const uint64_t id = hash_of(r, key, place ^ r->subject.user_id) | 1;
    switch (
        ctl_kept_begin(&r->world->kept, &r->world->memory, r->world->seed, id, request, r->wall_ms, &kept)) {
    case CTL_KEPT_NEW:
        r->kept_key = id;
        return true;
    case CTL_KEPT_BUSY:
        (void)api_error(r, API_ERROR_KEY_BUSY);
        break;
    case CTL_KEPT_ANSWER:
        answer_again(r, kept);
        break;
    case CTL_KEPT_OTHER:
        (void)api_error(r, API_ERROR_KEY_USED);
        break;
    case CTL_KEPT_NO_ROOM:
        (void)api_error(r, API_ERROR_OVERLOADED);
        break;
    }
    return false;
}

static enum api_next run(struct api_request *r)
{
    if (!within_limits(r) || !may(r) || !read_body(r) || !is_first(r)) {
        return finish(r);
    }
    r->state = nx_arena_take(&r->arena, API_STATE_SIZE, 16);
    if (r->state == NULL) {
        (void)api_error(r, API_ERROR_INTERNAL);
        return finish(r);
    }
    memset(r->state, 0, API_STATE_SIZE);
    r->answer = NULL;
    return finished(r, r->route->handler(r));
}

/* ---- authentication ---- */

static bool has_scheme(struct nx_bytes header, const char *scheme, struct nx_bytes *token)
{
    const size_t size = strlen(scheme);
    if (header.size <= size || header.at[size] != ' ') {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if ((header.at[i] | 0x20) != (scheme[i] | 0x20)) {
            return false;
        }
    }
    *token = nx_bytes_slice(header, size + 1, header.size);
    return true;
}

static enum api_next refuse(struct api_request *r)
{
    if (has_limits(r)) {
        const struct ctl_quota_state state = take(r, BUCKET_ADDRESS, r->address_key);
        if (!state.is_allowed) {
            (void)api_error_limited(r, state.retry_ms, true, "shared");
            return finish(r);
        }
    }
    (void)api_error(r, API_ERROR_UNAUTHORIZED);
    return finish(r);
}

static enum api_next ask_login(struct api_request *r)
{
    r->is_authenticating = true;
    r->login_epoch = r->world->logins.epoch;
    r->question.logins_list.user_id = r->subject.user_id;
    return api_request_ask(r, CTL_ASK_LOGINS_LIST, 0);
}

static enum api_next authenticate(struct api_request *r)
{
    struct nx_bytes token;
    struct nx_token_claims claims;
    struct ctl_world *world = r->world;
    if (!has_scheme(r->headers.authorization, "Bearer", &token) &&
        !has_scheme(r->headers.authorization, "Bot", &token)) {
        return refuse(r);
    }
    if (r->wall_ms < 0 ||
        nx_token_verify(world->ring, token, (uint64_t)r->wall_ms / 1000, &claims) != NX_OK) {
        return refuse(r);
    }
    struct ctl_user *user = ctl_directory_user(&world->directory, claims.user_id);
    const bool is_load = claims.kind == NX_TOKEN_LOAD;
    const bool is_kind_ok = claims.kind == NX_TOKEN_ACCESS || (is_load && world->settings.is_loopback);
    if (user == NULL || !is_kind_ok || (user->flags & CTL_USER_DISABLED) != 0 ||
        (is_load && (user->flags & CTL_USER_LOAD_TEST) == 0)) {
        return refuse(r);
    }
    r->subject =
        (struct api_subject){.user = user, .user_id = user->id, .sid = claims.session_id, .is_load = is_load};
    if (!is_load && !ctl_login_is_alive(&world->logins, claims.session_id)) {
        return ask_login(r);
    }
    return run(r);
}

static enum api_next authenticated(struct api_request *r, const struct ctl_answer *answer)
{
    r->is_authenticating = false;
    if (answer->verdict != NX_OK) {
        (void)api_error_store(r, answer->verdict, API_ERROR_UNAUTHORIZED);
        return finish(r);
    }
    if (r->login_epoch != r->world->logins.epoch) {
        return ask_login(r); /* somebody was logged out since the store read this */
    }
    const struct ctl_login_row *rows = answer->list.rows;
    for (uint32_t i = 0; i < answer->list.rows_count; i++) {
        if (rows[i].sid == r->subject.sid && rows[i].expires_ms > r->wall_ms) {
            ctl_login_note(&r->world->logins, r->subject.sid);
            return run(r);
        }
    }
    r->subject = (struct api_subject){.user_id = 0};
    return refuse(r);
}

/* ---- the way in ---- */

/* Cuts "/api/v1", "/api/v9", "/api/v10" or "/v1" off; false when the path begins with none of them. */
static bool cut_prefix(struct api_request *r, const struct nx_url_path *path, size_t *skip)
{
    if (path->count >= 1 && nx_bytes_is(path->segments[0], "v1")) {
        r->is_envelope = true;
        *skip = 1;
        return true;
    }
    *skip = 2;
    return path->count >= 2 && nx_bytes_is(path->segments[0], "api") &&
           (nx_bytes_is(path->segments[1], "v1") || nx_bytes_is(path->segments[1], "v9") ||
            nx_bytes_is(path->segments[1], "v10"));
}

enum api_next api_router_begin(struct api_request *r)
{
    r->response.headers = api_request_scratch(r, API_HEADERS_SIZE_MAX);
    r->is_envelope = nx_bytes_is(r->headers.accept, "application/vnd.nexus.envelope+json");
    if (has_limits(r)) {
        const struct nx_quota_rule rule = rule_of(BUCKET_INVALID);
        const struct ctl_quota_state state =
            ctl_quota_look(&r->world->quotas, &rule, r->now, BUCKET_INVALID, 0, r->address_key);
        if (!state.is_allowed) {
            (void)api_error_limited(r, state.retry_ms, true, "shared");
            return finish(r);
        }
    }
    struct nx_url url;
    struct nx_url_path path;
    struct nx_writer scratch = api_request_scratch(r, r->target.size);
    if (nx_url_split(r->target, &url) != NX_OK || nx_url_path_decode(url.path, &scratch, &path) != NX_OK) {
        (void)api_error(r, API_ERROR_BAD_REQUEST);
        return finish(r);
    }
    r->query = url.query;
    size_t skip;
    bool has_path = false;
    const enum nx_bus_method method = r->method;
    r->method = method == NX_BUS_HEAD ? NX_BUS_GET : method;
    if (cut_prefix(r, &path, &skip)) {
        r->route = api_route_find(r, path.segments + skip, path.count - skip, &has_path);
    }
    if (r->route == NULL) {
        if (has_limits(r)) {
            const struct ctl_quota_state state = take(r, BUCKET_ADDRESS, r->address_key);
            if (!state.is_allowed) {
                (void)api_error_limited(r, state.retry_ms, true, "shared");
                return finish(r);
            }
        }
        (void)api_error(r, has_path ? API_ERROR_METHOD : API_ERROR_NOT_FOUND);
        return finish(r);
    }
    return r->route->auth == API_AUTH_USER ? authenticate(r) : run(r);
}

enum api_next api_router_resume(struct api_request *r, const struct ctl_answer *answer)
{
    r->answer = answer;
    if (r->subject.user_id != 0) {
        r->subject.user = ctl_directory_user(&r->world->directory, r->subject.user_id);
    }
    if (r->is_authenticating) {
        return authenticated(r, answer);
    }
    return finished(r, r->route->handler(r));
}
