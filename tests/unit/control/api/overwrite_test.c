/* overwrite_test.c - what roles and members may do in a channel, as a whole set; places of channels and roles; long pages.
 *
 * Layer:   tests
 */
#include "control/core/guild.h"
#include "tests/unit/control/api/fixture.h"

#define EXPECT(made, want, part)                                                                             \
    do {                                                                                                     \
        const struct reply got = (made);                                                                     \
        CHECK(got.status == (want) && has(got.body, (part)), "want %d %s, got %u %s", (want), (part),        \
              got.status, got.body);                                                                         \
    } while (0)

static struct person ada, bob, cy;
static struct place home;

static void everyone_may(uint64_t permissions)
{
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/guilds/%s/roles/%s", home.guild, home.guild), ada.token,
                path("{\"permissions\":\"%" PRIu64 "\"}", permissions)),
           200, "");
}

static void open_home(void)
{
    fixture_open();
    ada = person("ada");
    bob = person("bob");
    cy = person("cy");
    home = place_of(&ada);
    joins(&bob, &home, &ada);
    joins(&cy, &home, &ada);
}

static struct reply patch(const struct person *who, const char *body)
{
    return call(NX_BUS_PATCH, path("/api/v1/channels/%s", home.channel), who->token, body);
}

static size_t stored(void)
{
    return fx.store.overwrites.count;
}

/* Opens a gateway session, so that events have somebody to go to. */
static void listens(const struct person *who, uint64_t session)
{
    struct nx_token_claims claims;
    CHECK(nx_token_verify(&fx.ring, nx_bytes_text(who->token), (uint64_t)fx.wall_ms / 1000, &claims) == NX_OK,
          "token");
    const struct nx_bus_session_open open = {.session = session,
                                             .user_id = claims.user_id,
                                             .sid = claims.session_id,
                                             .intents = INT32_MAX,
                                             .status = NX_BUS_STATUS_ONLINE};
    ctl_gateway_session_open(&fx.gateway, 0, &open, fx.wall_ms);
    fixture_settle();
}

TEST(overwrites, patch_replaces_the_whole_set_in_one_commit)
{
    open_home();
    EXPECT(patch(&ada, path("{\"permission_overwrites\":[{\"id\":\"%s\",\"type\":0,\"deny\":\"2048\"},"
                            "{\"id\":\"%s\",\"type\":1,\"allow\":\"2048\"}]}",
                            home.guild, bob.id)),
           200, path("{\"id\":\"%s\",\"type\":1,\"allow\":\"2048\",\"deny\":\"0\"}", bob.id));
    CHECK(stored() == 2, "%zu rows", stored());
    EXPECT(call(NX_BUS_POST, path("/api/v1/channels/%s/messages", home.channel), cy.token,
                "{\"content\":\"x\"}"),
           403, "50013");
    EXPECT(call(NX_BUS_POST, path("/api/v1/channels/%s/messages", home.channel), bob.token,
                "{\"content\":\"x\"}"),
           200, "");
    EXPECT(patch(&ada, "{\"topic\":\"stays\",\"permission_overwrites\":null}"), 200, bob.id);
    fx.questions = 0;
    EXPECT(patch(&ada, path("{\"name\":\"both\",\"permission_overwrites\":[{\"id\":\"%s\",\"type\":1,"
                            "\"allow\":1024}]}",
                            cy.id)),
           200, "\"name\":\"both\"");
    CHECK(stored() == 1 && fx.questions == 1, "%zu rows, %d questions", stored(), fx.questions);
    fx.fail_with = NX_E_UNAVAILABLE;
    EXPECT(patch(&ada, "{\"name\":\"lost\",\"permission_overwrites\":[]}"), 503, "130000");
    EXPECT(call(NX_BUS_GET, path("/api/v1/channels/%s", home.channel), ada.token, NULL), 200, cy.id);
    EXPECT(patch(&ada, "{\"permission_overwrites\":[]}"), 200, "\"permission_overwrites\":[]");
    CHECK(stored() == 0, "%zu rows", stored());
    fixture_close();
}

TEST(overwrites, patch_gives_and_takes_only_what_the_caller_has)
{
    open_home();
    const uint64_t plain = PERM_VIEW_CHANNEL | PERM_SEND_MESSAGES | PERM_READ_MESSAGE_HISTORY;
    everyone_may(plain | PERM_MANAGE_CHANNELS);
    EXPECT(patch(&bob, "{\"permission_overwrites\":[]}"), 403, "50013"); /* no MANAGE_ROLES */
    EXPECT(patch(&bob, "{\"topic\":\"fine\"}"), 200, "fine");
    everyone_may(plain | PERM_MANAGE_CHANNELS | PERM_MANAGE_ROLES);
    EXPECT(patch(&ada, path("{\"permission_overwrites\":[{\"id\":\"%s\",\"type\":1,\"allow\":\"4\"},"
                            "{\"id\":\"%s\",\"type\":1,\"deny\":\"2048\"}]}",
                            cy.id, ada.id)),
           200, "");
    static const char *const refused[] = {
        "[{\"id\":\"%s\",\"type\":1,\"allow\":\"8\"}]", /* ADMINISTRATOR to oneself */
        "[]",                                           /* takes BAN_MEMBERS from cy */
        "[{\"id\":\"%s\",\"type\":1,\"deny\":\"2\"}]",  /* denies what one has not */
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        char list[200], body[300];
        snprintf(list, sizeof(list), refused[i], bob.id);
        snprintf(body, sizeof(body), "{\"permission_overwrites\":%s}", list);
        EXPECT(patch(&bob, body), 403, "50013");
        CHECK(stored() == 2, "changed by %s", body);
    }
    /* What stays is not looked at, so a set that is sent back with one change is fine. */
    EXPECT(patch(&bob, path("{\"permission_overwrites\":[{\"id\":\"%s\",\"type\":1,\"allow\":\"4\"},"
                            "{\"id\":\"%s\",\"type\":0,\"allow\":\"2048\"}]}",
                            cy.id, home.guild)),
           200, home.guild);
    CHECK(call(NX_BUS_DELETE, path("/api/v1/guilds/%s/members/%s", home.guild, cy.id), ada.token, NULL)
                  .status == 204,
          "cy goes");
    EXPECT(
        patch(&bob, path("{\"permission_overwrites\":[{\"id\":\"%s\",\"type\":1,\"allow\":\"4\"}]}", cy.id)),
        200, cy.id);
    EXPECT(
        patch(&ada, path("{\"permission_overwrites\":[{\"id\":\"%s\",\"type\":1,\"allow\":\"8\"}]}", cy.id)),
        404, "10007");
    EXPECT(patch(&ada, "{\"permission_overwrites\":[{\"id\":\"77\",\"type\":0}]}"), 404, "10011");
    EXPECT(patch(&ada,
                 path("{\"permission_overwrites\":[{\"id\":\"%s\",\"type\":0},{\"id\":\"%s\",\"type\":0}]}",
                      home.guild, home.guild)),
           400, "50035");
    EXPECT(patch(&ada, "{\"permission_overwrites\":[{\"id\":\"77\"}]}"), 400, "50035");
    EXPECT(patch(&ada, "{\"permission_overwrites\":[7]}"), 400, "50035");
    EXPECT(patch(&ada, "{\"permission_overwrites\":{}}"), 400, "50035");
    fixture_close();
}

static int count(const char *part)
{
    int n = 0;
    for (const char *at = fx.log; (at = strstr(at, part)) != NULL; at += strlen(part)) {
        n++;
    }
    return n;
}

/* A set that moves a channel from hidden to hidden by other means shows it to nobody on the way. */
TEST(overwrites, replaced_set_is_in_force_at_once)
{
    open_home();
    char role[24];
    const struct reply made =
        call(NX_BUS_POST, path("/api/v1/guilds/%s/roles", home.guild), ada.token, "{\"permissions\":\"0\"}");
    text_of(made.body, "id", role, sizeof(role));
    CHECK(call(NX_BUS_PUT, path("/api/v1/guilds/%s/members/%s/roles/%s", home.guild, cy.id, role), ada.token,
               NULL)
                  .status == 204,
          "cy has the role");
    EXPECT(patch(&ada, path("{\"permission_overwrites\":[{\"id\":\"%s\",\"type\":0,\"deny\":\"1024\"},"
                            "{\"id\":\"%s\",\"type\":1,\"allow\":\"1024\"}]}",
                            home.guild, bob.id)),
           200, "");
    ctl_gateway_link_open(&fx.gateway, 0, 0, 0, fx.wall_ms);
    listens(&bob, 1);
    listens(&cy, 2);
    quiet();
    EXPECT(patch(&ada, path("{\"permission_overwrites\":[{\"id\":\"%s\",\"type\":1,\"deny\":\"1024\"},"
                            "{\"id\":\"%s\",\"type\":0,\"deny\":\"1024\"}]}",
                            bob.id, role)),
           200, "");
    CHECK(count(path("USER_EVENT %s \"t\":\"CHANNEL_DELETE\"", bob.id)) == 1, "bob saw it: %s", fx.log);
    CHECK(!has(fx.log, path("USER_EVENT %s", cy.id)), "cy never: %s", fx.log);
    const char *const state = strstr(fx.log, "CHANNEL_STATE");
    const char *const event = strstr(fx.log, "EVENT");
    CHECK(state != NULL && event != NULL && state < event, "rights before events: %s", fx.log);
    quiet();
    EXPECT(patch(&ada, "{\"permission_overwrites\":[]}"), 200, "");
    CHECK(count(path("USER_EVENT %s \"t\":\"CHANNEL_CREATE\"", bob.id)) == 1 &&
              count(path("USER_EVENT %s \"t\":\"CHANNEL_CREATE\"", cy.id)) == 1,
          "both see it: %s", fx.log);
    /* The shard's idea of everybody is the directory's. */
    const struct ctl_guild *guild = ctl_directory_guild(&fx.world.directory, strtoull(home.guild, NULL, 10));
    const struct ctl_member *member = ctl_guild_member(guild, strtoull(bob.id, NULL, 10));
    CHECK(has(fx.log, path("MEMBER_ROLESET user=%s %u", bob.id, member->roleset)), "told: %s", fx.log);
    fixture_close();
}

TEST(overwrites, channel_and_its_overwrites_are_one_commit)
{
    open_home();
    const size_t channels = fx.store.channels.count;
    const char *const body = path("{\"name\":\"new\",\"permission_overwrites\":[{\"id\":\"%s\",\"type\":0,"
                                  "\"deny\":\"1024\"},{\"id\":\"%s\",\"type\":1,\"allow\":\"1024\"}]}",
                                  home.guild, bob.id);
    fx.fail_with = NX_E_UNAVAILABLE;
    EXPECT(call(NX_BUS_POST, path("/api/v1/guilds/%s/channels", home.guild), ada.token, body), 503, "");
    CHECK(fx.store.channels.count == channels && stored() == 0, "nothing was kept");
    fx.questions = 0;
    EXPECT(call(NX_BUS_POST, path("/api/v1/guilds/%s/channels", home.guild), ada.token, body), 201, bob.id);
    CHECK(fx.questions == 1 && fx.store.channels.count == channels + 1 && stored() == 2, "%d questions",
          fx.questions);
    fixture_close();
}

static void make_many(char ids[][24], int count, const char *what)
{
    for (int i = 0; i < count; i++) {
        const struct reply r = call(NX_BUS_POST, path("/api/v1/guilds/%s/%s", home.guild, what), ada.token,
                                    path("{\"name\":\"n%d\"}", i));
        CHECK(r.status == 200 || r.status == 201, "%u %s", r.status, r.body);
        text_of(r.body, "id", ids[i], sizeof(ids[i]));
    }
}

TEST(positions, are_one_commit_of_all_or_none)
{
    open_home();
    char channels[3][24], roles[3][24];
    make_many(channels, 3, "channels");
    make_many(roles, 3, "roles");
    const struct {
        const char *what;
        char (*ids)[24];
    } kinds[] = {{"channels", channels}, {"roles", roles}};
    for (int k = 0; k < 2; k++) {
        const char *const target = path("/api/v1/guilds/%s/%s", home.guild, kinds[k].what);
        const char *const body = path(
            "[{\"id\":\"%s\",\"position\":7},{\"id\":\"%s\",\"position\":8},{\"id\":\"%s\",\"position\":9}]",
            kinds[k].ids[0], kinds[k].ids[1], kinds[k].ids[2]);
        fx.fail_with = NX_E_UNAVAILABLE;
        quiet();
        EXPECT(call(NX_BUS_PATCH, target, ada.token, body), 503, "");
        CHECK(!has(call(NX_BUS_GET, target, ada.token, NULL).body, "\"position\":7") && fx.log_size == 0,
              "%s: nothing moved", kinds[k].what);
        fx.questions = 0;
        EXPECT(call(NX_BUS_PATCH, target, ada.token, body), k == 0 ? 204 : 200, "");
        CHECK(fx.questions == 1, "%s: %d questions", kinds[k].what, fx.questions);
        const struct reply r = call(NX_BUS_GET, target, ada.token, NULL);
        CHECK(has(r.body, "\"position\":7") && has(r.body, "\"position\":8") && has(r.body, "\"position\":9"),
              "%s", r.body);
    }
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/guilds/%s/channels", home.guild), ada.token,
                path("[{\"id\":\"%s\",\"position\":1},{\"id\":\"77\",\"position\":2}]", channels[0])),
           404, "10003");
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/guilds/%s/channels", home.guild), ada.token,
                path("[{\"id\":\"%s\",\"position\":10001}]", channels[0])),
           400, "50035");
    EXPECT(call(NX_BUS_PATCH, path("/api/v1/guilds/%s/channels", home.guild), ada.token, "[5]"), 400,
           "50035");
    fixture_close();
}

TEST(bans, page_of_the_longest_reasons_fits)
{
    open_home();
    char reason[CTL_REASON_MAX * 12 + 1];
    for (int i = 0; i < CTL_REASON_MAX; i++) {
        memcpy(reason + (size_t)i * 12, "%F0%9F%98%80", 13);
    }
    fx.audit_reason = nx_bytes_text(reason);
    EXPECT(call(NX_BUS_PUT, path("/api/v1/guilds/%s/bans/%s", home.guild, bob.id), ada.token, NULL), 204, "");
    fx.audit_reason = nx_bytes_of(NULL, 0);
    const struct ctl_ban_row *first = fx.store.bans.entries[0].row;
    CHECK(first->reason.size == CTL_REASON_MAX * 4, "%zu bytes", first->reason.size);
    for (uint64_t i = 1; i < CTL_QUESTION_ROWS_MAX; i++) {
        struct ctl_ban_row *row =
            store_memory_table_add(&fx.store.bans, first->guild_id, UINT64_MAX / 2 + i, sizeof(*row));
        first = fx.store.bans.entries[0].row;
        *row = (struct ctl_ban_row){.guild_id = first->guild_id,
                                    .user_id = UINT64_MAX / 2 + i,
                                    .reason = store_memory_table_text(first->reason)};
    }
    const struct reply r = call(NX_BUS_GET, path("/api/v1/guilds/%s/bans", home.guild), ada.token, NULL);
    CHECK(r.status == 200 && r.size > (size_t)CTL_QUESTION_ROWS_MAX * CTL_REASON_MAX * 4, "%u, %zu bytes",
          r.status, r.size);
    fixture_close();
}
