/* endpoint_test.c - every endpoint's success and its errors, through the router, on the memory store.
 *
 * Layer:   tests
 */
#include "tests/unit/control/api/fixture.h"

#define EXPECT(made, want, part)                                                                             \
    do {                                                                                                     \
        const struct reply got = (made);                                                                     \
        CHECK(got.status == (want) && has(got.body, (part)), "want %d %s, got %u %s", (want), (part),        \
              got.status, got.body);                                                                         \
    } while (0)

TEST(auth, register_gives_tokens_and_refuses_bad_names)
{
    fixture_open();
    const struct person ada = person("Ada");
    EXPECT(call(NX_BUS_GET, "/api/v1/users/@me", ada.token, NULL), 200, "\"username\":\"Ada\"");
    EXPECT(call(NX_BUS_GET, "/api/v10/users/@me", ada.token, NULL), 200, "\"email\":\"Ada@example.org\"");
    EXPECT(
        call(NX_BUS_POST, "/api/v1/auth/register", NULL, "{\"username\":\"aDA\",\"password\":\"12345678\"}"),
        400, "ALREADY_TAKEN");
    EXPECT(call(NX_BUS_POST, "/api/v1/auth/register", NULL, "{\"username\":\"a\",\"password\":\"12345678\"}"),
           400, "\"username\":{\"_errors\":[{\"code\":\"BASE_TYPE_BAD_LENGTH\"");
    EXPECT(
        call(NX_BUS_POST, "/api/v1/auth/register", NULL, "{\"username\":\"a b\",\"password\":\"12345678\"}"),
        400, "50035");
    EXPECT(
        call(NX_BUS_POST, "/api/v1/auth/register", NULL, "{\"username\":\"bob\",\"password\":\"1234567\"}"),
        400, "\"password\"");
    EXPECT(call(NX_BUS_POST, "/api/v1/auth/register", NULL, "{\"password\":\"12345678\"}"), 400,
           "BASE_TYPE_REQUIRED");
    EXPECT(call(NX_BUS_POST, "/api/v1/auth/register", NULL,
                "{\"username\":\"bob\",\"password\":\"12345678\",\"email\":\"no\"}"),
           400, "\"email\"");
    EXPECT(call(NX_BUS_POST, "/api/v1/auth/register", NULL,
                "{\"username\":\"b\\u0000b\",\"password\":\"12345678\"}"),
           400, "STRING_TYPE_CONVERT");
    EXPECT(call(NX_BUS_POST, "/api/v1/auth/register", NULL, "[1,2"), 400, "50109");
    EXPECT(call(NX_BUS_POST, "/api/v1/auth/register", NULL, "[1,2]"), 400, "50035");
    EXPECT(call(NX_BUS_POST, "/api/v1/auth/register", NULL, NULL), 400, "50109");
    fx.world.settings.has_registration = false;
    EXPECT(
        call(NX_BUS_POST, "/api/v1/auth/register", NULL, "{\"username\":\"bob\",\"password\":\"12345678\"}"),
        403, "900002");
    fixture_close();
}

TEST(auth, password_of_a_mebibyte_is_refused_before_any_work)
{
    fixture_open();
    char *body = malloc(1100000);
    const int head = snprintf(body, 100, "{\"username\":\"bob\",\"password\":\"");
    memset(body + head, 'x', 1 << 20);
    snprintf(body + head + (1 << 20), 4, "\"}");
    EXPECT(call(NX_BUS_POST, "/api/v1/auth/register", NULL, body), 413, "40005");
    body[head + 1000] = '"';
    body[head + 1001] = '}';
    body[head + 1002] = 0;
    fx.job_with = NX_E_IO;
    EXPECT(call(NX_BUS_POST, "/api/v1/auth/register", NULL, body), 400, "BASE_TYPE_BAD_LENGTH");
    CHECK(fx.job_with == NX_E_IO && fx.questions == 0, "work was done");
    free(body);
    fixture_close();
}

TEST(auth, login_checks_the_password_and_hides_which_part_was_wrong)
{
    fixture_open();
    const struct person ada = person("ada");
    (void)ada;
    EXPECT(call(NX_BUS_POST, "/api/v1/auth/login", NULL,
                "{\"username\":\"ADA\",\"password\":\"correct horse\"}"),
           200, "\"access_token\"");
    char wrong[512];
    struct reply r =
        call(NX_BUS_POST, "/api/v1/auth/login", NULL, "{\"username\":\"ada\",\"password\":\"wrong\"}");
    CHECK(r.status == 401, "%u", r.status);
    snprintf(wrong, sizeof(wrong), "%s", r.body);
    r = call(NX_BUS_POST, "/api/v1/auth/login", NULL, "{\"username\":\"nobody\",\"password\":\"wrong\"}");
    CHECK(r.status == 401 && strcmp(wrong, r.body) == 0, "unknown and wrong differ: %s", r.body);
    fx.job_with = NX_E_FULL;
    EXPECT(call(NX_BUS_POST, "/api/v1/auth/login", NULL,
                "{\"username\":\"ada\",\"password\":\"correct horse\"}"),
           503, "130000");
    fixture_close();
}

TEST(auth, login_attempts_are_limited_per_account_and_address)
{
    fixture_open();
    (void)person("ada");
    fx.world.settings.has_rate_limits = true;
    for (int i = 0; i < 5; i++) {
        EXPECT(call(NX_BUS_POST, "/api/v1/auth/login", NULL, "{\"username\":\"ada\",\"password\":\"wrong\"}"),
               401, "");
    }
    struct reply r = call(NX_BUS_POST, "/api/v1/auth/login", NULL,
                          "{\"username\":\"Ada\",\"password\":\"correct horse\"}");
    CHECK(r.status == 429 && has(r.body, "\"retry_after\"") && has(r.headers, "Retry-After: 12\r\n"),
          "%u %s %s", r.status, r.headers, r.body);
    fx.address_key = 8;
    EXPECT(call(NX_BUS_POST, "/api/v1/auth/login", NULL,
                "{\"username\":\"ada\",\"password\":\"correct horse\"}"),
           200, "");
    fixture_close();
}

TEST(auth, reused_refresh_token_revokes_the_whole_family)
{
    fixture_open();
    const struct person ada = person("ada");
    struct reply r =
        call(NX_BUS_POST, "/api/v1/auth/refresh", NULL, path("{\"refresh_token\":\"%s\"}", ada.refresh));
    char token[1100], refresh[64];
    CHECK(r.status == 200 && has(r.body, "ada@example.org"), "%u %s", r.status, r.body);
    text_of(r.body, "access_token", token, sizeof(token));
    text_of(r.body, "refresh_token", refresh, sizeof(refresh));
    CHECK(strcmp(refresh, ada.refresh) != 0, "not rotated");
    fx.wall_ms += CTL_REFRESH_GRACE_MS + 1000;
    EXPECT(call(NX_BUS_GET, "/api/v1/users/@me", token, NULL), 200, "");
    EXPECT(call(NX_BUS_POST, "/api/v1/auth/refresh", NULL, path("{\"refresh_token\":\"%s\"}", ada.refresh)),
           401, "50014");
    EXPECT(call(NX_BUS_GET, "/api/v1/users/@me", token, NULL), 401, "401");
    EXPECT(call(NX_BUS_POST, "/api/v1/auth/refresh", NULL, path("{\"refresh_token\":\"%s\"}", refresh)), 401,
           "50014");
    EXPECT(call(NX_BUS_POST, "/api/v1/auth/refresh", NULL, "{\"refresh_token\":\"rubbish\"}"), 401, "50014");
    fixture_close();
}

TEST(auth, forged_expired_and_foreign_tokens_are_refused)
{
    fixture_open();
    const struct person ada = person("ada");
    char forged[1200];
    snprintf(forged, sizeof(forged), "%s", ada.token);
    const size_t middle = strlen(forged) / 2;
    forged[middle] = forged[middle] == 'A' ? 'B' : 'A';
    EXPECT(call(NX_BUS_GET, "/api/v1/users/@me", forged, NULL), 401, "");
    EXPECT(call(NX_BUS_GET, "/api/v1/users/@me", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", NULL), 401, "");
    EXPECT(call(NX_BUS_GET, "/api/v1/users/@me", NULL, NULL), 401, "");
    fx.wall_ms += 901 * 1000;
    EXPECT(call(NX_BUS_GET, "/api/v1/users/@me", ada.token, NULL), 401, "");
    fixture_close();
}

TEST(auth, load_test_tokens_work_on_loopback_only)
{
    fixture_open();
    const struct person ada = person("ada");
    struct ctl_user *user = ctl_directory_user(&fx.world.directory, strtoull(ada.id, NULL, 10));
    const struct nx_token_claims claims = {.user_id = user->id,
                                           .session_id = 5,
                                           .token_id = 1,
                                           .issued_s = (uint64_t)fx.wall_ms / 1000,
                                           .expires_s = (uint64_t)fx.wall_ms / 1000 + 86400,
                                           .kind = NX_TOKEN_LOAD};
    char token[1025];
    struct nx_writer w = nx_writer_init(token, sizeof(token) - 1);
    CHECK(nx_token_sign(&fx.ring, &claims, &w) == NX_OK, "sign");
    token[w.size] = 0;
    user->flags |= CTL_USER_LOAD_TEST;
    EXPECT(call(NX_BUS_GET, "/api/v1/users/@me", token, NULL), 401, "");
    fx.world.settings.is_loopback = true;
    EXPECT(call(NX_BUS_GET, "/api/v1/users/@me", token, NULL), 200, "");
    user->flags &= ~(uint64_t)CTL_USER_LOAD_TEST;
    EXPECT(call(NX_BUS_GET, "/api/v1/users/@me", token, NULL), 401, "");
    fixture_close();
}

TEST(auth, sessions_are_listed_ended_and_survive_a_restart_only_when_alive)
{
    fixture_open();
    const struct person ada = person("ada");
    struct reply r = call(NX_BUS_POST, "/api/v1/auth/login", NULL,
                          "{\"username\":\"ada\",\"password\":\"correct horse\"}");
    char second[1100];
    text_of(r.body, "access_token", second, sizeof(second));
    r = call(NX_BUS_GET, "/api/v1/auth/sessions", second, NULL);
    CHECK(r.status == 200 && has(r.body, "\"is_current\":true") && has(r.body, "\"is_current\":false"), "%s",
          r.body);
    EXPECT(call(NX_BUS_POST, "/api/v1/auth/logout", second, NULL), 204, "");
    EXPECT(call(NX_BUS_GET, "/api/v1/users/@me", second, NULL), 401, "");
    nx_map_clear(&fx.world.logins.alive); /* what a restart forgets */
    EXPECT(call(NX_BUS_GET, "/api/v1/users/@me", second, NULL), 401, "");
    EXPECT(call(NX_BUS_GET, "/api/v1/users/@me", ada.token, NULL), 200, "");
    EXPECT(call(NX_BUS_DELETE, "/api/v1/auth/sessions/12345", ada.token, NULL), 404, "10020");
    fixture_close();
}

TEST(auth, password_change_needs_the_old_one_and_ends_other_logins)
{
    fixture_open();
    const struct person ada = person("ada");
    struct reply r = call(NX_BUS_POST, "/api/v1/auth/login", NULL,
                          "{\"username\":\"ada\",\"password\":\"correct horse\"}");
    char second[1100];
    text_of(r.body, "access_token", second, sizeof(second));
    EXPECT(call(NX_BUS_POST, "/api/v1/auth/password", ada.token,
                "{\"password\":\"no\",\"new_password\":\"battery staple\"}"),
           400, "\"password\"");
    EXPECT(call(NX_BUS_POST, "/api/v1/auth/password", ada.token,
                "{\"password\":\"correct horse\",\"new_password\":\"battery staple\"}"),
           204, "");
    EXPECT(call(NX_BUS_GET, "/api/v1/users/@me", second, NULL), 401, "");
    EXPECT(call(NX_BUS_GET, "/api/v1/users/@me", ada.token, NULL), 200, "");
    EXPECT(call(NX_BUS_POST, "/api/v1/auth/login", NULL,
                "{\"username\":\"ada\",\"password\":\"battery staple\"}"),
           200, "");
    EXPECT(call(NX_BUS_POST, "/api/v1/auth/login", NULL,
                "{\"username\":\"ada\",\"password\":\"correct horse\"}"),
           401, "");
    fixture_close();
}

TEST(user, profile_changes_keep_what_is_not_named)
{
    fixture_open();
    const struct person ada = person("ada"), bob = person("bob");
    EXPECT(call(NX_BUS_PATCH, "/api/v1/users/@me", ada.token, "{\"global_name\":\"\xf0\x9f\x8c\xb8 Ada\"}"),
           200, "\xf0\x9f\x8c\xb8 Ada");
    EXPECT(call(NX_BUS_PATCH, "/api/v1/users/@me", ada.token, "{\"username\":\"BOB\"}"), 400,
           "ALREADY_TAKEN");
    EXPECT(call(NX_BUS_PATCH, "/api/v1/users/@me", ada.token, "{\"email\":null}"), 200, "\"email\":null");
    EXPECT(call(NX_BUS_PATCH, "/api/v1/users/@me", ada.token, "{\"global_name\":\"\\u200b\"}"), 400,
           "global_name");
    EXPECT(call(NX_BUS_GET, path("/api/v1/users/%s", ada.id), bob.token, NULL), 200, "\xf0\x9f\x8c\xb8 Ada");
    EXPECT(call(NX_BUS_GET, "/api/v1/users/1", bob.token, NULL), 404, "10013");
    EXPECT(call(NX_BUS_GET, "/api/v1/users/-1", bob.token, NULL), 404, "10013");
    EXPECT(call(NX_BUS_GET, "/api/v1/users/18446744073709551616", bob.token, NULL), 404, "10013");
    EXPECT(call(NX_BUS_GET, "/api/v1/users/123e4567-e89b-12d3-a456-426614174000", bob.token, NULL), 404,
           "10013");
    fixture_close();
}

TEST(guild, creation_change_and_deletion)
{
    fixture_open();
    const struct person ada = person("ada"), bob = person("bob");
    const struct place p = place_of(&ada);
    EXPECT(call(NX_BUS_GET, path("/api/v1/guilds/%s", p.guild), ada.token, NULL), 200,
           "\"name\":\"@everyone\"");
    EXPECT(call(NX_BUS_GET, path("/api/v1/guilds/%s/channels", p.guild), ada.token, NULL), 200,
           "\"name\":\"general\"");
    EXPECT(call(NX_BUS_GET, "/api/v1/users/@me/guilds", ada.token, NULL), 200, "\"owner\":true");
    struct reply r = call(NX_BUS_GET, path("/api/v1/guilds/%s", p.guild), bob.token, NULL);
    char foreign[512];
    CHECK(r.status == 404, "%u", r.status);
    snprintf(foreign, sizeof(foreign), "%s", r.body);
    r = call(NX_BUS_GET, "/api/v1/guilds/99", bob.token, NULL);
    CHECK(r.status == 404 && strcmp(foreign, r.body) == 0 && has(r.body, "10004"),
          "absent and foreign differ: %s", r.body);
    joins(&bob, &p, &ada);
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/guilds/%s", p.guild), bob.token, "{\"name\":\"Mine\"}"), 403,
           "50013");
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/guilds/%s", p.guild), ada.token,
                "{\"name\":\"New\",\"description\":\"d\"}"),
           200, "\"name\":\"New\"");
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/guilds/%s", p.guild), ada.token, "{\"name\":\"\"}"), 400,
           "50035");
    EXPECT(call(NX_BUS_DELETE, path("/api/v1/guilds/%s", p.guild), bob.token, NULL), 403, "50013");
    EXPECT(call(NX_BUS_DELETE, path("/api/v1/users/@me/guilds/%s", p.guild), ada.token, NULL), 400, "50055");
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/guilds/%s", p.guild), ada.token,
                path("{\"owner_id\":\"%s\"}", bob.id)),
           200, path("\"owner_id\":\"%s\"", bob.id));
    EXPECT(call(NX_BUS_DELETE, path("/api/v1/users/@me/guilds/%s", p.guild), ada.token, NULL), 204, "");
    EXPECT(call(NX_BUS_GET, path("/api/v1/guilds/%s", p.guild), ada.token, NULL), 404, "10004");
    EXPECT(call(NX_BUS_DELETE, path("/api/v1/guilds/%s", p.guild), bob.token, NULL), 204, "");
    EXPECT(call(NX_BUS_GET, path("/api/v1/channels/%s", p.channel), bob.token, NULL), 404, "10003");
    fixture_close();
}

TEST(channel, creation_change_positions_and_deletion)
{
    fixture_open();
    const struct person ada = person("ada"), bob = person("bob");
    const struct place p = place_of(&ada);
    char id[24], category[24];
    joins(&bob, &p, &ada);
    struct reply r = call(NX_BUS_POST, path("/api/v1/guilds/%s/channels", p.guild), ada.token,
                          "{\"name\":\"Cat\",\"type\":4}");
    CHECK(r.status == 201 && has(r.headers, "Location: /api/v1/channels/"), "%u %s", r.status, r.body);
    text_of(r.body, "id", category, sizeof(category));
    r = call(NX_BUS_POST, path("/api/v1/guilds/%s/channels", p.guild), ada.token,
             path("{\"name\":\"Some Talk\",\"topic\":\"t\",\"parent_id\":\"%s\",\"rate_limit_per_user\":5}",
                  category));
    CHECK(r.status == 201 && has(r.body, "\"name\":\"some-talk\""), "%u %s", r.status, r.body);
    text_of(r.body, "id", id, sizeof(id));
    EXPECT(call(NX_BUS_POST, path("/api/v1/guilds/%s/channels", p.guild), bob.token, "{\"name\":\"x\"}"), 403,
           "50013");
    EXPECT(call(NX_BUS_POST, path("/api/v1/guilds/%s/channels", p.guild), ada.token, "{}"), 400,
           "BASE_TYPE_REQUIRED");
    EXPECT(call(NX_BUS_POST, path("/api/v1/guilds/%s/channels", p.guild), ada.token,
                "{\"name\":\"x\",\"type\":9}"),
           400, "\"type\"");
    EXPECT(call(NX_BUS_POST, path("/api/v1/guilds/%s/channels", p.guild), ada.token,
                path("{\"name\":\"x\",\"parent_id\":\"%s\"}", p.channel)),
           400, "parent_id");
    EXPECT(
        call(NX_BUS_PATCH, path("/api/v1/channels/%s", id), ada.token, "{\"topic\":null,\"parent_id\":null}"),
        200, "\"topic\":null");
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/channels/%s", id), ada.token, "{\"rate_limit_per_user\":99999}"),
           400, "50035");
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/channels/%s", id), bob.token, "{\"name\":\"x\"}"), 403, "50013");
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/guilds/%s/channels", p.guild), ada.token,
                path("[{\"id\":\"%s\",\"position\":7},{\"id\":\"%s\",\"position\":8,\"parent_id\":\"%s\"}]",
                     id, p.channel, category)),
           204, "");
    EXPECT(call(NX_BUS_GET, path("/api/v1/channels/%s", p.channel), bob.token, NULL), 200, "\"position\":8");
    EXPECT(call(NX_BUS_DELETE, path("/api/v1/channels/%s", category), ada.token, NULL), 200,
           "\"name\":\"Cat\"");
    EXPECT(call(NX_BUS_GET, path("/api/v1/channels/%s", p.channel), bob.token, NULL), 200,
           "\"parent_id\":null");
    EXPECT(call(NX_BUS_GET, path("/api/v1/channels/%s", category), bob.token, NULL), 404, "10003");
    fixture_close();
}

TEST(channel, overwrites_hide_a_channel_and_only_give_what_one_has)
{
    fixture_open();
    const struct person ada = person("ada"), bob = person("bob"), eve = person("eve");
    const struct place p = place_of(&ada);
    joins(&bob, &p, &ada);
    const char *everyone = path("/api/v1/channels/%s/permissions/%s", p.channel, p.guild);
    EXPECT(call(NX_BUS_PUT, everyone, bob.token, "{\"type\":0,\"deny\":\"1024\"}"), 403, "50013");
    EXPECT(call(NX_BUS_PUT, everyone, ada.token, "{\"type\":0,\"deny\":\"1024\"}"), 204, "");
    EXPECT(call(NX_BUS_GET, path("/api/v1/channels/%s", p.channel), bob.token, NULL), 403, "50001");
    EXPECT(call(NX_BUS_GET, path("/api/v1/channels/%s", p.channel), eve.token, NULL), 404, "10003");
    EXPECT(call(NX_BUS_GET, path("/api/v1/guilds/%s/channels", p.guild), bob.token, NULL), 200, "[]");
    EXPECT(
        call(NX_BUS_POST, path("/api/v1/channels/%s/messages", p.channel), bob.token, "{\"content\":\"hi\"}"),
        403, "50001");
    EXPECT(call(NX_BUS_PUT, path("/api/v1/channels/%s/permissions/%s", p.channel, bob.id), ada.token,
                "{\"type\":1,\"allow\":\"1024\"}"),
           204, "");
    EXPECT(call(NX_BUS_GET, path("/api/v1/channels/%s", p.channel), bob.token, NULL), 200,
           "permission_overwrites\":[{");
    EXPECT(call(NX_BUS_PUT, path("/api/v1/channels/%s/permissions/%s", p.channel, eve.id), ada.token,
                "{\"type\":1}"),
           404, "10007");
    EXPECT(call(NX_BUS_PUT, path("/api/v1/channels/%s/permissions/99", p.channel), ada.token, "{\"type\":0}"),
           404, "10011");
    EXPECT(call(NX_BUS_PUT, everyone, ada.token, "{\"type\":0,\"deny\":\"-1\"}"), 400, "\"deny\"");
    EXPECT(
        call(NX_BUS_DELETE, path("/api/v1/channels/%s/permissions/%s", p.channel, bob.id), ada.token, NULL),
        204, "");
    EXPECT(call(NX_BUS_GET, path("/api/v1/channels/%s", p.channel), bob.token, NULL), 403, "50001");
    EXPECT(
        call(NX_BUS_DELETE, path("/api/v1/channels/%s/permissions/%s", p.channel, bob.id), ada.token, NULL),
        404, "10009");
    fixture_close();
}

TEST(role, life_of_a_role_and_the_hierarchy)
{
    fixture_open();
    const struct person ada = person("ada"), bob = person("bob"), cyd = person("cyd");
    const struct place p = place_of(&ada);
    char mod[24], low[24];
    joins(&bob, &p, &ada);
    joins(&cyd, &p, &ada);
    const char *roles = path("/api/v1/guilds/%s/roles", p.guild);
    /* MANAGE_ROLES, KICK_MEMBERS, MANAGE_NICKNAMES, BAN_MEMBERS, MODERATE_MEMBERS */
    struct reply r =
        call(NX_BUS_POST, roles, ada.token, "{\"name\":\"mod\",\"permissions\":\"1099914280966\"}");
    CHECK(r.status == 200, "%u %s", r.status, r.body);
    text_of(r.body, "id", mod, sizeof(mod));
    r = call(NX_BUS_POST, path("/api/v1/guilds/%s/roles", p.guild), ada.token,
             "{\"name\":\"low\",\"permissions\":\"0\"}");
    text_of(r.body, "id", low, sizeof(low));
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/guilds/%s/roles", p.guild), ada.token,
                path("[{\"id\":\"%s\",\"position\":5},{\"id\":\"%s\",\"position\":2}]", mod, low)),
           200, "\"position\":5");
    EXPECT(call(NX_BUS_PUT, path("/api/v1/guilds/%s/members/%s/roles/%s", p.guild, bob.id, mod), ada.token,
                NULL),
           204, "");
    EXPECT(call(NX_BUS_PUT, path("/api/v1/guilds/%s/members/%s/roles/%s", p.guild, cyd.id, low), bob.token,
                NULL),
           204, "");
    EXPECT(call(NX_BUS_PUT, path("/api/v1/guilds/%s/members/%s/roles/%s", p.guild, cyd.id, mod), bob.token,
                NULL),
           403, "50013");
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/guilds/%s/roles/%s", p.guild, low), bob.token,
                "{\"permissions\":\"8\"}"),
           403, "50013");
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/guilds/%s/roles/%s", p.guild, low), bob.token,
                "{\"permissions\":\"2\",\"color\":255,\"name\":\"lower\",\"hoist\":true}"),
           200, "\"hoist\":true");
    EXPECT(
        call(NX_BUS_PATCH, path("/api/v1/guilds/%s/roles/%s", p.guild, mod), bob.token, "{\"name\":\"x\"}"),
        403, "50013");
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/guilds/%s/roles", p.guild), bob.token,
                path("[{\"id\":\"%s\",\"position\":6}]", low)),
           403, "50013");
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/guilds/%s/members/%s", p.guild, cyd.id), bob.token,
                "{\"nick\":\"C\"}"),
           200, "\"nick\":\"C\"");
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/guilds/%s/members/%s", p.guild, ada.id), bob.token,
                "{\"nick\":\"C\"}"),
           403, "50013");
    EXPECT(call(NX_BUS_DELETE, path("/api/v1/guilds/%s/members/%s", p.guild, ada.id), bob.token, NULL), 403,
           "50013");
    EXPECT(call(NX_BUS_DELETE, path("/api/v1/guilds/%s/members/%s", p.guild, cyd.id), bob.token, NULL), 204,
           "");
    EXPECT(call(NX_BUS_DELETE, path("/api/v1/guilds/%s/members/%s", p.guild, cyd.id), bob.token, NULL), 404,
           "10007");
    EXPECT(call(NX_BUS_DELETE, path("/api/v1/guilds/%s/roles/%s", p.guild, p.guild), ada.token, NULL), 400,
           "50028");
    EXPECT(call(NX_BUS_DELETE, path("/api/v1/guilds/%s/roles/%s", p.guild, mod), ada.token, NULL), 204, "");
    EXPECT(call(NX_BUS_GET, path("/api/v1/guilds/%s/members/%s", p.guild, bob.id), ada.token, NULL), 200,
           "\"roles\":[]");
    EXPECT(call(NX_BUS_DELETE, path("/api/v1/guilds/%s/roles/99", p.guild), ada.token, NULL), 404, "10011");
    fixture_close();
}

TEST(member, lists_timeouts_and_own_nick)
{
    fixture_open();
    const struct person ada = person("ada"), bob = person("bob"), cyd = person("cyd");
    const struct place p = place_of(&ada);
    joins(&bob, &p, &ada);
    joins(&cyd, &p, &ada);
    struct reply r = call(NX_BUS_GET, path("/api/v1/guilds/%s/members?limit=2", p.guild), bob.token, NULL);
    CHECK(r.status == 200 && has(r.body, "\"ada\"") && has(r.body, "\"bob\"") && !has(r.body, "\"cyd\""),
          "%s", r.body);
    r = call(NX_BUS_GET, path("/api/v1/guilds/%s/members?limit=10&after=%s", p.guild, bob.id), bob.token,
             NULL);
    CHECK(!has(r.body, "\"bob\"") && has(r.body, "\"cyd\""), "%s", r.body);
    EXPECT(call(NX_BUS_GET, path("/api/v1/guilds/%s/members?limit=0", p.guild), bob.token, NULL), 400,
           "limit");
    EXPECT(call(NX_BUS_GET, path("/api/v1/guilds/%s/members?limit=x%%27", p.guild), bob.token, NULL), 400,
           "limit");
    EXPECT(
        call(NX_BUS_PATCH, path("/api/v1/guilds/%s/members/@me", p.guild), bob.token, "{\"nick\":\"Bobby\"}"),
        200, "Bobby");
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/guilds/%s/members/%s", p.guild, bob.id), cyd.token,
                "{\"nick\":\"x\"}"),
           403, "50013");
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/guilds/%s/members/%s", p.guild, bob.id), ada.token,
                "{\"communication_disabled_until\":\"2026-01-01T00:10:00Z\"}"),
           200, "2026-01-01T00:10:00.000Z");
    EXPECT(
        call(NX_BUS_POST, path("/api/v1/channels/%s/messages", p.channel), bob.token, "{\"content\":\"hi\"}"),
        403, "50013");
    EXPECT(call(NX_BUS_GET, path("/api/v1/channels/%s/messages", p.channel), bob.token, NULL), 200, "[]");
    fx.wall_ms += 11 * 60 * 1000;
    EXPECT(
        call(NX_BUS_POST, path("/api/v1/channels/%s/messages", p.channel), bob.token, "{\"content\":\"hi\"}"),
        200, "hi");
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/guilds/%s/members/%s", p.guild, bob.id), ada.token,
                "{\"communication_disabled_until\":\"2027-01-01T00:10:00Z\"}"),
           400, "50035");
    fixture_close();
}

TEST(ban, keeps_somebody_out_until_lifted)
{
    fixture_open();
    const struct person ada = person("ada"), bob = person("bob"), eve = person("eve");
    const struct place p = place_of(&ada);
    char code[40];
    joins(&bob, &p, &ada);
    struct reply r = call(NX_BUS_POST, path("/api/v1/channels/%s/invites", p.channel), ada.token, NULL);
    text_of(r.body, "code", code, sizeof(code));
    EXPECT(call(NX_BUS_PUT, path("/api/v1/guilds/%s/bans/%s", p.guild, ada.id), bob.token, NULL), 403,
           "50013");
    fx.audit_reason = nx_bytes_text("bad%20manners");
    EXPECT(call(NX_BUS_PUT, path("/api/v1/guilds/%s/bans/%s", p.guild, bob.id), ada.token, NULL), 204, "");
    EXPECT(call(NX_BUS_GET, path("/api/v1/guilds/%s", p.guild), bob.token, NULL), 404, "10004");
    EXPECT(call(NX_BUS_POST, path("/api/v1/invites/%s", code), bob.token, NULL), 403, "40007");
    EXPECT(call(NX_BUS_GET, path("/api/v1/guilds/%s/bans", p.guild), ada.token, NULL), 200, "bad manners");
    EXPECT(call(NX_BUS_GET, path("/api/v1/guilds/%s/bans/%s", p.guild, bob.id), ada.token, NULL), 200,
           "bad manners");
    EXPECT(call(NX_BUS_GET, path("/api/v1/guilds/%s/bans/%s", p.guild, eve.id), ada.token, NULL), 404,
           "10026");
    EXPECT(call(NX_BUS_PUT, path("/api/v1/guilds/%s/bans/99", p.guild), ada.token, NULL), 404, "10013");
    EXPECT(call(NX_BUS_PUT, path("/api/v1/guilds/%s/bans/%s", p.guild, ada.id), ada.token, NULL), 403,
           "50013");
    EXPECT(call(NX_BUS_DELETE, path("/api/v1/guilds/%s/bans/%s", p.guild, bob.id), ada.token, NULL), 204, "");
    EXPECT(call(NX_BUS_DELETE, path("/api/v1/guilds/%s/bans/%s", p.guild, bob.id), ada.token, NULL), 404,
           "10026");
    EXPECT(call(NX_BUS_POST, path("/api/v1/invites/%s", code), bob.token, NULL), 200, code);
    fixture_close();
}

TEST(invite, life_of_an_invitation)
{
    fixture_open();
    const struct person ada = person("ada"), bob = person("bob"), eve = person("eve");
    const struct place p = place_of(&ada);
    char code[40];
    struct reply r = call(NX_BUS_POST, path("/api/v1/channels/%s/invites", p.channel), ada.token,
                          "{\"max_uses\":1,\"max_age\":60}");
    CHECK(r.status == 200 && has(r.body, "\"max_uses\":1") && has(r.body, "\"max_age\":60"), "%s", r.body);
    text_of(r.body, "code", code, sizeof(code));
    EXPECT(call(NX_BUS_GET, path("/api/v1/invites/%s", code), NULL, NULL), 200,
           "\"approximate_member_count\":1");
    EXPECT(call(NX_BUS_GET, "/api/v1/invites/nosuchcode", NULL, NULL), 404, "10006");
    EXPECT(call(NX_BUS_GET, "/api/v1/invites/%25_", NULL, NULL), 404, "10006");
    EXPECT(call(NX_BUS_POST, path("/api/v1/invites/%s", code), bob.token, NULL), 200, code);
    EXPECT(call(NX_BUS_POST, path("/api/v1/invites/%s", code), eve.token, NULL), 404, "10006");
    EXPECT(call(NX_BUS_GET, path("/api/v1/guilds/%s/invites", p.guild), bob.token, NULL), 403, "50013");
    r = call(NX_BUS_POST, path("/api/v1/channels/%s/invites", p.channel), bob.token, "{\"max_age\":60}");
    text_of(r.body, "code", code, sizeof(code));
    EXPECT(call(NX_BUS_GET, path("/api/v1/guilds/%s/invites", p.guild), ada.token, NULL), 200, code);
    EXPECT(call(NX_BUS_GET, path("/api/v1/channels/%s/invites", p.channel), ada.token, NULL), 200, code);
    EXPECT(call(NX_BUS_DELETE, path("/api/v1/invites/%s", code), eve.token, NULL), 404, "10006");
    fx.wall_ms += 61000;
    EXPECT(call(NX_BUS_POST, path("/api/v1/invites/%s", code), eve.token, NULL), 404, "10006");
    r = call(NX_BUS_POST, path("/api/v1/channels/%s/invites", p.channel), bob.token, NULL);
    text_of(r.body, "code", code, sizeof(code));
    EXPECT(call(NX_BUS_DELETE, path("/api/v1/invites/%s", code), bob.token, NULL), 200, code);
    EXPECT(call(NX_BUS_GET, path("/api/v1/invites/%s", code), NULL, NULL), 404, "10006");
    EXPECT(call(NX_BUS_POST, path("/api/v1/channels/%s/invites", p.channel), ada.token, "{\"max_age\":-1}"),
           400, "max_age");
    fixture_close();
}

TEST(message, life_of_a_message)
{
    fixture_open();
    const struct person ada = person("ada"), bob = person("bob");
    const struct place p = place_of(&ada);
    char id[24];
    joins(&bob, &p, &ada);
    const char *messages = path("/api/v1/channels/%s/messages", p.channel);
    struct reply r = call(NX_BUS_POST, messages, bob.token,
                          "{\"content\":\" a\\u0001\\\"<b>\\n\xf0\x9f\x8c\xb8\",\"nonce\":\"n1\"}");
    CHECK(r.status == 200 && has(r.body, "\"seq\":1") && has(r.body, "\"nonce\":\"n1\"") &&
              has(r.body, "\" a\\u0001\\\"<b>\\n\xf0\x9f\x8c\xb8\""),
          "%s", r.body);
    text_of(r.body, "id", id, sizeof(id));
    r = call(NX_BUS_POST, path("/api/v1/channels/%s/messages", p.channel), bob.token,
             "{\"content\":\"again\",\"nonce\":\"n1\"}");
    CHECK(r.status == 200 && has(r.body, id) && has(r.body, "\"seq\":1"), "the nonce is known: %s", r.body);
    EXPECT(
        call(NX_BUS_POST, path("/api/v1/channels/%s/messages", p.channel), bob.token, "{\"content\":\"  \"}"),
        400, "50006");
    EXPECT(call(NX_BUS_POST, path("/api/v1/channels/%s/messages", p.channel), bob.token, "{}"), 400, "50006");
    EXPECT(call(NX_BUS_POST, path("/api/v1/channels/%s/messages", p.channel), bob.token,
                "{\"content\":\"a\\u0000\"}"),
           400, "50035");
    EXPECT(call(NX_BUS_POST, path("/api/v1/channels/%s/messages", p.channel), bob.token, "{\"content\":5}"),
           400, "STRING_TYPE_CONVERT");
    EXPECT(call(NX_BUS_POST, path("/api/v1/channels/%s/messages", p.channel), bob.token,
                "{\"content\":\"x\",\"nonce\":"
                "\"0123456789012345678901234567890123456789012345678901234567890123456789\"}"),
           400, "nonce");
    EXPECT(call(NX_BUS_GET, path("/api/v1/channels/%s/messages/%s", p.channel, id), ada.token, NULL), 200,
           id);
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/channels/%s/messages/%s", p.channel, id), ada.token,
                "{\"content\":\"x\"}"),
           403, "50005");
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/channels/%s/messages/%s", p.channel, id), bob.token,
                "{\"content\":\"edited\"}"),
           200, "\"edited_timestamp\":\"2026");
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/channels/%s/messages/77", p.channel), bob.token,
                "{\"content\":\"x\"}"),
           404, "10008");
    for (int i = 2; i <= 5; i++) {
        fx.wall_ms += 10;
        EXPECT(call(NX_BUS_POST, path("/api/v1/channels/%s/messages", p.channel), ada.token,
                    path("{\"content\":\"m%d\"}", i)),
               200, path("\"seq\":%d", i));
    }
    EXPECT(call(NX_BUS_DELETE, path("/api/v1/channels/%s/messages/%s", p.channel, id), bob.token, NULL), 204,
           "");
    EXPECT(call(NX_BUS_DELETE, path("/api/v1/channels/%s/messages/%s", p.channel, id), bob.token, NULL), 404,
           "10008");
    r = call(NX_BUS_GET, path("/api/v1/channels/%s/messages?limit=2", p.channel), bob.token, NULL);
    CHECK(has(r.body, "m5") && has(r.body, "m4") && !has(r.body, "m3") &&
              strstr(r.body, "m5") < strstr(r.body, "m4"),
          "%s", r.body);
    r = call(NX_BUS_GET, path("/api/v1/channels/%s/messages?after_seq=0&limit=3", p.channel), bob.token,
             NULL);
    CHECK(has(r.body, path("[{\"id\":\"%s\",\"seq\":1,\"deleted\":true},", id)) &&
              strstr(r.body, "m2") < strstr(r.body, "m3"),
          "%s", r.body);
    EXPECT(
        call(NX_BUS_GET, path("/api/v1/channels/%s/messages?before=1&after=1", p.channel), bob.token, NULL),
        400, "50035");
    EXPECT(call(NX_BUS_GET, path("/api/v1/channels/%s/messages?before=a%%2527", p.channel), bob.token, NULL),
           400, "before");
    EXPECT(call(NX_BUS_GET, path("/api/v1/channels/%s/messages?limit=101", p.channel), bob.token, NULL), 400,
           "limit");
    EXPECT(call(NX_BUS_PUT, path("/api/v1/channels/%s/read", p.channel), bob.token,
                path("{\"message_id\":\"%s\"}", id)),
           200, id);
    EXPECT(call(NX_BUS_POST, path("/api/v1/channels/%s/messages/%s/ack", p.channel, id), bob.token, "{}"),
           200, "token");
    EXPECT(call(NX_BUS_POST, path("/api/v1/channels/%s/typing", p.channel), bob.token, NULL), 204, "");
    fixture_close();
}

TEST(message, longest_content_of_escapes_fills_a_page)
{
    fixture_open();
    const struct person ada = person("ada");
    const struct place p = place_of(&ada);
    static char body[70000];
    char *at = body + snprintf(body, sizeof(body), "{\"content\":\"x");
    for (int i = 0; i < CTL_CONTENT_MAX - 1; i++) {
        at += sprintf(at, "\\u0001");
    }
    snprintf(at, 4, "\"}");
    for (int i = 0; i < 100; i++) {
        EXPECT(call(NX_BUS_POST, path("/api/v1/channels/%s/messages", p.channel), ada.token, body), 200,
               "\\u0001");
    }
    const struct reply r =
        call(NX_BUS_GET, path("/api/v1/channels/%s/messages?limit=100", p.channel), ada.token, NULL);
    CHECK(r.status == 200 && r.size > 100u * CTL_CONTENT_MAX * 6, "%u %zu", r.status, r.size);
    memcpy(at, "x\"}", 4);
    EXPECT(call(NX_BUS_POST, path("/api/v1/channels/%s/messages", p.channel), ada.token, body), 400, "50035");
    fixture_close();
}

TEST(message, slow_mode_and_lost_store)
{
    fixture_open();
    const struct person ada = person("ada"), bob = person("bob");
    const struct place p = place_of(&ada);
    joins(&bob, &p, &ada);
    EXPECT(
        call(NX_BUS_PATCH, path("/api/v1/channels/%s", p.channel), ada.token, "{\"rate_limit_per_user\":30}"),
        200, "");
    EXPECT(
        call(NX_BUS_POST, path("/api/v1/channels/%s/messages", p.channel), bob.token, "{\"content\":\"1\"}"),
        200, "");
    EXPECT(
        call(NX_BUS_POST, path("/api/v1/channels/%s/messages", p.channel), bob.token, "{\"content\":\"2\"}"),
        429, "20016");
    EXPECT(
        call(NX_BUS_POST, path("/api/v1/channels/%s/messages", p.channel), ada.token, "{\"content\":\"3\"}"),
        200, "");
    fx.fail_with = NX_E_UNAVAILABLE;
    quiet();
    EXPECT(
        call(NX_BUS_POST, path("/api/v1/channels/%s/messages", p.channel), ada.token, "{\"content\":\"4\"}"),
        503, "130000");
    CHECK(!has(fx.log, "MESSAGE_CREATE"), "told before it was stored: %s", fx.log);
    fixture_close();
}

TEST(router, envelope_methods_and_paths)
{
    fixture_open();
    const struct person ada = person("ada");
    EXPECT(call(NX_BUS_GET, "/v1/users/@me", ada.token, NULL), 200, "{\"ok\":true,\"data\":{\"id\"");
    EXPECT(call(NX_BUS_GET, "/v1/guilds/5", ada.token, NULL), 404,
           "{\"ok\":false,\"data\":null,\"error\":{\"code\":\"UNKNOWN_GUILD\",\"num\":10004");
    fx.accept = nx_bytes_text("application/vnd.nexus.envelope+json");
    EXPECT(call(NX_BUS_GET, "/api/v1/gateway", NULL, NULL), 200, "{\"ok\":true,\"data\":{\"url\"");
    fx.accept = nx_bytes_text("");
    EXPECT(call(NX_BUS_GET, "/api/v2/gateway", NULL, NULL), 404, "404");
    EXPECT(call(NX_BUS_GET, "/api/v1/nope", NULL, NULL), 404, "404");
    EXPECT(call(NX_BUS_DELETE, "/api/v1/gateway", NULL, NULL), 405, "405");
    EXPECT(call(NX_BUS_GET, "/api/v1/%2e%2e/gateway", NULL, NULL), 400, "400");
    EXPECT(call(NX_BUS_GET, "/api/v1/invites/%00", NULL, NULL), 400, "400");
    EXPECT(call(NX_BUS_GET, "/api/v1/gateway/bot", ada.token, NULL), 200, "\"shards\":1");
    EXPECT(call(NX_BUS_GET, "/api/v1/instance/info", NULL, NULL), 200, "\"registration\":true");
    EXPECT(call(NX_BUS_GET, "/api/v1/openapi.json", NULL, NULL), 200, "\"openapi\":\"3.1.0\"");
    fx.content_type = nx_bytes_text("text/plain");
    EXPECT(call(NX_BUS_POST, "/api/v1/guilds", ada.token, "{\"name\":\"x\"}"), 415, "");
    fx.content_type = nx_bytes_text("application/json; charset=utf-8");
    fx.request_id = nx_bytes_text("abc-1");
    EXPECT(call(NX_BUS_POST, "/api/v1/guilds", ada.token, "{}"), 400, "\"request_id\":\"abc-1\"");
    fixture_close();
}

TEST(router, rate_limit_headers_are_discords)
{
    fixture_open();
    const struct person ada = person("ada");
    fx.world.settings.has_rate_limits = true;
    struct reply r = call(NX_BUS_GET, "/api/v1/users/@me/guilds", ada.token, NULL);
    CHECK(r.status == 200 && has(r.headers, "X-RateLimit-Limit: 10\r\n") &&
              has(r.headers, "X-RateLimit-Remaining: 9\r\n") &&
              has(r.headers, "X-RateLimit-Reset-After: 1.000\r\n") &&
              has(r.headers, "X-RateLimit-Reset: 1767225601.000\r\n") &&
              has(r.headers, "X-RateLimit-Bucket: ") &&
              has(r.headers, "RateLimit-Policy: \"route\";q=10;w=10\r\n"),
          "%s", r.headers);
    for (int i = 0; i < 9; i++) {
        EXPECT(call(NX_BUS_GET, "/api/v1/users/@me/guilds", ada.token, NULL), 200, "");
    }
    r = call(NX_BUS_GET, "/api/v1/users/@me/guilds", ada.token, NULL);
    CHECK(r.status == 429 && has(r.headers, "X-RateLimit-Remaining: 0\r\n") &&
              has(r.headers, "X-RateLimit-Scope: user\r\n") && has(r.headers, "Retry-After: 1\r\n") &&
              has(r.body, "\"retry_after\":1,\"global\":false"),
          "%s %s", r.headers, r.body);
    fx.now = nx_time_add_ms(fx.now, 1000);
    EXPECT(call(NX_BUS_GET, "/api/v1/users/@me/guilds", ada.token, NULL), 200, "");
    int limited = 0;
    for (int i = 0; i < 40; i++) {
        r = call(NX_BUS_GET, "/api/v1/gateway", NULL, NULL);
        limited += r.status == 429 && has(r.headers, "X-RateLimit-Global: true\r\n");
    }
    CHECK(limited == 40 - 10 || limited == 40 - 30 || limited > 0, "anonymous callers are not limited: %d",
          limited);
    fixture_close();
}

TEST(router, two_writes_of_one_thing_cannot_undo_each_other)
{
    fixture_open();
    const struct person ada = person("ada");
    const struct place p = place_of(&ada);
    char authorization[1400];
    struct api_request first;
    uint8_t *arena = fx.arena;
    const char *target = path("/api/v1/guilds/%s", p.guild);
    fixture_begin(&first, NX_BUS_PATCH, target, ada.token, nx_bytes_text("{\"name\":\"one\"}"), authorization,
                  sizeof(authorization));
    CHECK(api_router_begin(&first) == API_ASK, "asks");
    fx.arena = malloc(FIXTURE_ARENA);
    EXPECT(call(NX_BUS_PATCH, target, ada.token, "{\"description\":\"two\"}"), 429, "\"retry_after\":0.1");
    struct ctl_answer answer;
    fixture_answer(&first.question, &first.arena, &answer);
    CHECK(api_router_resume(&first, &answer) == API_DONE && first.response.status == 200, "first is done");
    EXPECT(call(NX_BUS_PATCH, target, ada.token, "{\"description\":\"two\"}"), 200, "\"name\":\"one\"");
    api_request_fini(&first);
    free(arena);
    fixture_close();
}

TEST(router, channel_that_is_being_written_cannot_be_deleted_beneath_the_write)
{
    fixture_open();
    const struct person ada = person("ada");
    const struct place p = place_of(&ada);
    char authorization[1400];
    struct api_request first;
    uint8_t *arena = fx.arena;
    const char *target = path("/api/v1/channels/%s", p.channel);
    const char *guild = path("/api/v1/guilds/%s", p.guild);
    fixture_begin(&first, NX_BUS_PATCH, target, ada.token, nx_bytes_text("{\"name\":\"one\"}"), authorization,
                  sizeof(authorization));
    CHECK(api_router_begin(&first) == API_ASK, "asks");
    fx.arena = malloc(FIXTURE_ARENA);
    /* The row is written whole, or anew: a deletion or another order in between would be undone. */
    EXPECT(call(NX_BUS_DELETE, target, ada.token, NULL), 429, "\"retry_after\":0.1");
    EXPECT(call(NX_BUS_DELETE, guild, ada.token, NULL), 429, "\"retry_after\":0.1");
    EXPECT(call(NX_BUS_PATCH, path("%s/channels", guild), ada.token,
                path("[{\"id\":\"%s\",\"position\":2}]", p.channel)),
           429, "\"retry_after\":0.1");
    struct ctl_answer answer;
    fixture_answer(&first.question, &first.arena, &answer);
    CHECK(api_router_resume(&first, &answer) == API_DONE && first.response.status == 200, "first is done");
    EXPECT(call(NX_BUS_DELETE, target, ada.token, NULL), 200, "\"name\":\"one\"");
    api_request_fini(&first);
    free(arena);
    fixture_close();
}
