/* race_test.c - requests that overlap: what one began while another was on its way to the store.
 *
 * Layer:   tests
 */
#include "tests/unit/control/api/fixture.h"

/* A request that is taken step by step, with memory of its own. */
struct slow {
    struct api_request r;
    char authorization[1400];
    uint8_t *arena;
    enum api_next next;
};

static void slow_begin(struct slow *slow, enum nx_bus_method method, const char *target, const char *token,
                       const char *body)
{
    fixture_begin(&slow->r, method, target, token, nx_bytes_text(body), slow->authorization,
                  sizeof(slow->authorization));
    slow->arena = calloc(1, FIXTURE_ARENA); /* so that texts end */
    nx_arena_init(&slow->r.arena, slow->arena, FIXTURE_ARENA);
    slow->next = api_router_begin(&slow->r);
}

/* Lets the store answer what is asked now. */
static void slow_step(struct slow *slow)
{
    struct ctl_answer answer;
    CHECK(slow->next == API_ASK, "nothing is asked: %u %s", slow->r.response.status,
          (const char *)slow->r.response.body.start);
    fixture_answer(&slow->r.question, &slow->r.arena, &answer);
    slow->next = api_router_resume(&slow->r, &answer);
}

static void slow_end(struct slow *slow)
{
    CHECK(slow->next == API_DONE, "not done");
    api_request_fini(&slow->r);
    free(slow->arena);
}

TEST(race, refresh_that_a_logout_overtakes_gives_no_living_token)
{
    fixture_open();
    const struct person ada = person("ada");
    char body[128], token[1100];
    struct slow refresh;
    snprintf(body, sizeof(body), "{\"refresh_token\":\"%s\"}", ada.refresh);
    slow_begin(&refresh, NX_BUS_POST, "/api/v1/auth/refresh", NULL, body);
    slow_step(&refresh);
    CHECK(refresh.next == API_ASK, "the profile is read after the rotation");
    CHECK(call(NX_BUS_POST, "/api/v1/auth/logout", ada.token, NULL).status == 204, "logout");
    slow_step(&refresh);
    const char *answer =
        nx_writer_ok(&refresh.r.response.body) ? (const char *)refresh.r.response.body.start : "";
    if (refresh.r.response.status == 200) {
        text_of(answer, "access_token", token, sizeof(token));
        CHECK(call(NX_BUS_GET, "/api/v1/users/@me", token, NULL).status == 401, "the token lives on");
    }
    slow_end(&refresh);
    fixture_close();
}

/* One of `owner`'s guild leaves or is banned while the guild is handed over to it, in either order of asking. */
static void check_handover(bool is_ban, bool is_removal_first)
{
    fixture_open();
    const struct person ada = person("ada");
    const struct person bob = person("bob");
    const struct person cy = person("cy");
    const struct place home = place_of(&ada);
    joins(&bob, &home, &ada);
    joins(&cy, &home, &ada);
    char role[24];
    const struct reply r =
        call(NX_BUS_POST, path("/api/v1/guilds/%s/roles", home.guild), ada.token, "{\"permissions\":\"8\"}");
    text_of(r.body, "id", role, sizeof(role));
    CHECK(call(NX_BUS_PUT, path("/api/v1/guilds/%s/members/%s/roles/%s", home.guild, cy.id, role), ada.token,
               NULL)
                  .status == 204,
          "cy may ban");
    struct slow handover, removal, *first = is_removal_first ? &removal : &handover;
    char owner[64], where[128];
    snprintf(owner, sizeof(owner), "{\"owner_id\":\"%s\"}", bob.id);
    snprintf(where, sizeof(where), is_ban ? "/api/v1/guilds/%s/bans/%s" : "/api/v1/users/@me/guilds/%s",
             home.guild, bob.id);
    for (int i = 0; i < 2; i++) {
        if ((i == 0) == is_removal_first) {
            slow_begin(&removal, is_ban ? NX_BUS_PUT : NX_BUS_DELETE, where, is_ban ? cy.token : bob.token,
                       "");
        } else {
            slow_begin(&handover, NX_BUS_PATCH, path("/api/v1/guilds/%s", home.guild), ada.token, owner);
        }
    }
    struct slow *second = first == &removal ? &handover : &removal;
    slow_step(first);
    while (second->next == API_ASK) {
        slow_step(second);
    }
    slow_end(first);
    slow_end(second);
    const struct ctl_guild *guild = ctl_directory_guild(&fx.world.directory, strtoull(home.guild, NULL, 10));
    CHECK(ctl_table_get(&guild->members, guild->owner_id) != NULL, "the owner is no member");
    fixture_close();
}

TEST(race, who_is_made_owner_does_not_leave_meanwhile)
{
    check_handover(false, false);
    check_handover(false, true);
}

TEST(race, who_is_made_owner_is_not_banned_meanwhile)
{
    check_handover(true, false);
    check_handover(true, true);
}

TEST(race, guilds_made_at_once_do_not_pass_the_limit)
{
    fixture_open();
    const struct person ada = person("ada");
    struct slow slow[4];
    const struct ctl_user *user = ctl_directory_user(&fx.world.directory, strtoull(ada.id, NULL, 10));
    while (user->members_count < CTL_GUILDS_PER_USER_MAX - 1) {
        (void)place_of(&ada);
    }
    for (int i = 0; i < 4; i++) {
        slow_begin(&slow[i], NX_BUS_POST, "/api/v1/guilds", ada.token, "{\"name\":\"one more\"}");
    }
    for (int i = 0; i < 4; i++) {
        while (slow[i].next == API_ASK) {
            slow_step(&slow[i]);
        }
        slow_end(&slow[i]);
    }
    CHECK(user->members_count == CTL_GUILDS_PER_USER_MAX, "%u guilds", user->members_count);
    CHECK(call(NX_BUS_POST, "/api/v1/guilds", ada.token, "{\"name\":\"too many\"}").status == 400, "full");
    fixture_close();
}
