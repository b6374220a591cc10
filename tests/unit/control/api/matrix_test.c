/* matrix_test.c - who may call what: every route of the table with every kind of caller. A route without a row fails.
 *
 * Layer:   tests
 */
#include "control/api/route.h"
#include "engine/perm/perm.h"
#include "tests/unit/control/api/fixture.h"

/* What a route is about when it has no scope of its own; its object rules are in endpoint_test.c. */
enum open_kind { ANYBODY, CALLER };
static const struct {
    const char *operation;
    enum open_kind kind;
} rows[] = {{"auth_register", ANYBODY}, {"auth_login", ANYBODY},       {"auth_refresh", ANYBODY},
            {"auth_logout", CALLER},    {"auth_sessions", CALLER},     {"auth_session_delete", CALLER},
            {"auth_password", CALLER},  {"user_self", CALLER},         {"user_update", CALLER},
            {"user_guilds", CALLER},    {"user_leave", CALLER},        {"user_get", CALLER},
            {"guild_create", CALLER},   {"invite_get", ANYBODY},       {"invite_use", CALLER},
            {"invite_delete", CALLER},  {"instance_gateway", ANYBODY}, {"instance_gateway_bot", CALLER},
            {"instance_info", ANYBODY}, {"instance_openapi", ANYBODY}};

/* Routes with a scope: the permissions they need, written down a second time. */
static const struct {
    const char *operation;
    uint64_t permissions;
} scoped[] = {{"guild_get", 0},
              {"guild_update", PERM_MANAGE_GUILD},
              {"guild_delete", 0},
              {"channel_list", 0},
              {"channel_create", PERM_MANAGE_CHANNELS},
              {"channel_positions", PERM_MANAGE_CHANNELS},
              {"channel_get", 0},
              {"channel_update", PERM_MANAGE_CHANNELS},
              {"channel_delete", PERM_MANAGE_CHANNELS},
              {"overwrite_put", PERM_MANAGE_ROLES},
              {"overwrite_delete", PERM_MANAGE_ROLES},
              {"channel_typing", PERM_SEND_MESSAGES},
              {"message_read", 0},
              {"role_list", 0},
              {"role_create", PERM_MANAGE_ROLES},
              {"role_positions", PERM_MANAGE_ROLES},
              {"role_update", PERM_MANAGE_ROLES},
              {"role_delete", PERM_MANAGE_ROLES},
              {"member_list", 0},
              {"member_self_update", PERM_CHANGE_NICKNAME},
              {"member_get", 0},
              {"member_update", 0},
              {"member_remove", PERM_KICK_MEMBERS},
              {"member_role_put", PERM_MANAGE_ROLES},
              {"member_role_delete", PERM_MANAGE_ROLES},
              {"ban_list", PERM_BAN_MEMBERS},
              {"ban_get", PERM_BAN_MEMBERS},
              {"ban_put", PERM_BAN_MEMBERS},
              {"ban_delete", PERM_BAN_MEMBERS},
              {"invite_create", PERM_CREATE_INSTANT_INVITE},
              {"invite_channel_list", PERM_MANAGE_CHANNELS},
              {"invite_guild_list", PERM_MANAGE_GUILD},
              {"message_create", PERM_SEND_MESSAGES},
              {"message_list", 0},
              {"message_get", PERM_READ_MESSAGE_HISTORY},
              {"message_update", 0},
              {"message_delete", 0},
              {"message_ack", 0}};

static struct person owner, member, stranger, banned;
static struct place place;
static char message_id[24];

/* The path of a route with `first` as its first id. */
static void fill(const struct api_route *route, const char *first, char *out, size_t room)
{
    size_t at = (size_t)snprintf(out, room, "/api/v1");
    for (const char *p = route->path; *p != 0;) {
        if (*p != '{') {
            out[at++] = *p++;
            continue;
        }
        const char *value = strncmp(p, "{guild_id", 9) == 0 || strncmp(p, "{channel_id", 11) == 0 ? first
                            : strncmp(p, "{user_id", 8) == 0                                      ? member.id
                            : strncmp(p, "{message_id", 11) == 0                                  ? message_id
                            : strncmp(p, "{code", 5) == 0 ? "nosuchcode"
                                                          : place.guild;
        at += (size_t)snprintf(out + at, room - at, "%s", value);
        p += strcspn(p, "}") + 1;
    }
    out[at] = 0;
}

static struct reply try_route(const struct api_route *route, const char *first, const char *token)
{
    char target[512];
    fill(route, first, target, sizeof(target));
    return call(route->method, target, token, route->has_body ? "{}" : NULL);
}

static const char *own_id(const struct api_route *route)
{
    return route->scope == API_SCOPE_CHANNEL ? place.channel : place.guild;
}

static void world(void)
{
    fixture_open();
    owner = person("owner");
    member = person("member");
    stranger = person("stranger");
    banned = person("banned");
    place = place_of(&owner);
    joins(&member, &place, &owner);
    joins(&banned, &place, &owner);
    CHECK(call(NX_BUS_PUT, path("/api/v1/guilds/%s/bans/%s", place.guild, banned.id), owner.token, NULL)
                  .status == 204,
          "ban");
    const struct reply r = call(NX_BUS_POST, path("/api/v1/channels/%s/messages", place.channel), owner.token,
                                "{\"content\":\"x\"}");
    text_of(r.body, "id", message_id, sizeof(message_id));
}

static void everyone_may(uint64_t permissions)
{
    const struct reply r = call(NX_BUS_PATCH, path("/api/v1/guilds/%s/roles/%s", place.guild, place.guild),
                                owner.token, path("{\"permissions\":\"%" PRIu64 "\"}", permissions));
    CHECK(r.status == 200, "%u %s", r.status, r.body);
}

TEST(matrix, every_route_has_its_row_and_the_table_agrees)
{
    for (size_t i = 0; i < api_route_count; i++) {
        const struct api_route *route = &api_route_table[i];
        int found = 0;
        for (size_t k = 0; k < sizeof(rows) / sizeof(*rows); k++) {
            if (strcmp(rows[k].operation, route->operation) == 0) {
                found++;
                CHECK(route->scope == API_SCOPE_NONE &&
                          (route->auth == API_AUTH_NONE) == (rows[k].kind == ANYBODY),
                      "%s", route->operation);
            }
        }
        for (size_t k = 0; k < sizeof(scoped) / sizeof(*scoped); k++) {
            if (strcmp(scoped[k].operation, route->operation) == 0) {
                found++;
                CHECK(route->scope != API_SCOPE_NONE && route->auth == API_AUTH_USER &&
                          route->permissions == scoped[k].permissions,
                      "%s", route->operation);
            }
        }
        CHECK(found == 1, "%s has %d rows", route->operation, found);
    }
    CHECK(api_route_count == sizeof(rows) / sizeof(*rows) + sizeof(scoped) / sizeof(*scoped),
          "rows without a route");
}

TEST(matrix, without_a_living_token_nothing_is_asked_and_nothing_told)
{
    world();
    char revoked[1100];
    struct reply r = call(NX_BUS_POST, "/api/v1/auth/login", NULL,
                          "{\"username\":\"owner\",\"password\":\"correct horse\"}");
    text_of(r.body, "access_token", revoked, sizeof(revoked));
    CHECK(call(NX_BUS_POST, "/api/v1/auth/logout", revoked, NULL).status == 204, "logout");
    const char *const tokens[] = {NULL, "", "rubbish", "eyJhbGciOiJub25lIn0.e30.", revoked};
    for (size_t i = 0; i < api_route_count; i++) {
        for (size_t k = 0; k < sizeof(tokens) / sizeof(*tokens); k++) {
            if (api_route_table[i].auth == API_AUTH_NONE) {
                continue;
            }
            quiet();
            r = try_route(&api_route_table[i], own_id(&api_route_table[i]), tokens[k]);
            CHECK(r.status == 401 && strcmp(r.body, "{\"message\":\"401: Unauthorized\",\"code\":0}") == 0 &&
                      fx.log_size == 0,
                  "%s token %zu: %u %s", api_route_table[i].operation, k, r.status, r.body);
        }
    }
    fx.wall_ms += 901 * 1000;
    for (size_t i = 0; i < api_route_count; i++) {
        if (api_route_table[i].auth == API_AUTH_USER) {
            r = try_route(&api_route_table[i], own_id(&api_route_table[i]), owner.token);
            CHECK(r.status == 401, "%s with an expired token: %u", api_route_table[i].operation, r.status);
        }
    }
    fixture_close();
}

TEST(matrix, foreign_absent_deleted_and_malformed_things_are_the_same_bytes)
{
    world();
    const struct place gone = place_of(&owner);
    CHECK(call(NX_BUS_DELETE, path("/api/v1/guilds/%s", gone.guild), owner.token, NULL).status == 204,
          "gone");
    for (size_t i = 0; i < api_route_count; i++) {
        const struct api_route *route = &api_route_table[i];
        if (route->scope == API_SCOPE_NONE) {
            continue;
        }
        const bool is_channel = route->scope == API_SCOPE_CHANNEL;
        const char *const want = is_channel ? "{\"message\":\"Unknown Channel\",\"code\":10003}"
                                            : "{\"message\":\"Unknown Guild\",\"code\":10004}";
        const char *const ids[] = {own_id(route),
                                   is_channel ? gone.channel : gone.guild,
                                   is_channel ? place.guild : place.channel, /* an id of another kind */
                                   "99",
                                   "0",
                                   "-1",
                                   "18446744073709551616",
                                   "0x10",
                                   "123e4567-e89b-12d3-a456-426614174000",
                                   "%27%20OR%201=1"};
        for (size_t k = 0; k < sizeof(ids) / sizeof(*ids); k++) {
            for (int who = 0; who < 2; who++) {
                quiet();
                fx.questions = 0;
                const struct reply r = try_route(route, ids[k], who == 0 ? stranger.token : banned.token);
                CHECK(r.status == 404 && strcmp(r.body, want) == 0 && fx.questions == 0 && fx.log_size == 0,
                      "%s id %s: %u %s, %d questions", route->operation, ids[k], r.status, r.body,
                      fx.questions);
            }
        }
    }
    fixture_close();
}

TEST(matrix, member_without_the_permission_is_refused_and_without_view_sees_nothing)
{
    world();
    for (int pass = 0; pass < 3; pass++) {
        /* May look; may not even look; may everything but is in timeout. */
        everyone_may(pass == 0   ? PERM_VIEW_CHANNEL | PERM_READ_MESSAGE_HISTORY
                     : pass == 1 ? 0
                                 : PERM_ALL & ~PERM_ADMINISTRATOR);
        if (pass == 2) {
            const struct reply r =
                call(NX_BUS_PATCH, path("/api/v1/guilds/%s/members/%s", place.guild, member.id), owner.token,
                     "{\"communication_disabled_until\":\"2026-01-01T01:00:00Z\"}");
            CHECK(r.status == 200, "%u %s", r.status, r.body);
        }
        for (size_t i = 0; i < api_route_count; i++) {
            const struct api_route *route = &api_route_table[i];
            if (route->scope == API_SCOPE_NONE) {
                continue;
            }
            fx.questions = 0;
            const struct reply r = try_route(route, own_id(route), member.token);
            if (route->scope == API_SCOPE_CHANNEL && pass == 1) {
                CHECK(r.status == 403 && has(r.body, "50001") && fx.questions == 0, "%s: %u %s",
                      route->operation, r.status, r.body);
            } else if ((route->permissions & ~(PERM_VIEW_CHANNEL | PERM_READ_MESSAGE_HISTORY)) != 0) {
                CHECK(r.status == 403 && has(r.body, "50013") && fx.questions == 0, "%s pass %d: %u %s",
                      route->operation, pass, r.status, r.body);
            } else {
                CHECK(r.status != 401 && r.status != 500, "%s: %u %s", route->operation, r.status, r.body);
            }
        }
    }
    fixture_close();
}

TEST(matrix, owner_is_never_refused_for_a_permission)
{
    for (size_t i = 0; i < api_route_count; i++) {
        const struct api_route *route = &api_route_table[i];
        world();
        everyone_may(0);
        const struct reply r = try_route(route, own_id(route), owner.token);
        CHECK(r.status != 500 &&
                  (route->scope == API_SCOPE_NONE || (r.status != 401 && !has(r.body, "50001"))),
              "%s: %u %s", route->operation, r.status, r.body);
        CHECK(!has(r.body, "50013"), "%s: %u %s", route->operation, r.status, r.body);
        fixture_close();
    }
}

TEST(matrix, store_that_is_down_gives_a_retryable_answer_and_tells_nobody)
{
    for (size_t i = 0; i < api_route_count; i++) {
        world();
        fx.fail_with = NX_E_UNAVAILABLE;
        quiet();
        const struct reply r = try_route(&api_route_table[i], own_id(&api_route_table[i]), owner.token);
        const bool was_asked = fx.fail_with == NX_OK;
        CHECK(!was_asked || (r.status == 503 && has(r.body, "130000") && fx.log_size == 0), "%s: %u %s %s",
              api_route_table[i].operation, r.status, r.body, fx.log);
        fixture_close();
    }
}
