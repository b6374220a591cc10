/* kept_test.c - who asks again with the same Idempotency-Key gets the first answer, and nothing happens twice.
 *
 * Layer:   tests
 */
#include "control/core/limits.h"
#include "tests/unit/control/api/fixture.h"

static struct person ada, bob;
static struct place home;

static struct reply keyed(const struct person *who, const char *target, const char *body, const char *key)
{
    char authorization[1400];
    struct api_request r;
    fixture_begin(&r, NX_BUS_POST, target, who->token, nx_bytes_text(body), authorization,
                  sizeof(authorization));
    r.headers.idempotency_key = nx_bytes_text(key);
    return fixture_run(&r);
}

static void open_home(void)
{
    fixture_open();
    ada = person("ada");
    bob = person("bob");
    home = place_of(&ada);
    joins(&bob, &home, &ada);
}

TEST(kept, repetition_answers_the_same_and_makes_nothing)
{
    open_home();
    char channels[128], roles[128], invites[128], code[128];
    snprintf(channels, sizeof(channels), "/api/v1/guilds/%s/channels", home.guild);
    snprintf(roles, sizeof(roles), "/api/v1/guilds/%s/roles", home.guild);
    snprintf(invites, sizeof(invites), "/api/v1/channels/%s/invites", home.channel);
    const char *const targets[][2] = {{"/api/v1/guilds", "{\"name\":\"G\"}"},
                                      {channels, "{\"name\":\"c\"}"},
                                      {roles, "{\"name\":\"r\"}"},
                                      {invites, "{}"}};
    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
        const struct reply first = keyed(&ada, targets[i][0], targets[i][1], "the same key");
        CHECK(first.status == 400 && has(first.body, "900006"), "a blank: %u %s", first.status, first.body);
        struct reply r = keyed(&ada, targets[i][0], targets[i][1], "key-1");
        CHECK(r.status == 200 || r.status == 201, "%u %s", r.status, r.body);
        const uint16_t status = r.status;
        char *const kept = strdup(r.body);
        fx.questions = 0;
        quiet();
        r = keyed(&ada, targets[i][0], targets[i][1], "key-1");
        CHECK(r.status == status && strcmp(r.body, kept) == 0 && fx.questions == 0 && fx.log_size == 0,
              "%s again: %u %s", targets[i][0], r.status, r.body);
        CHECK(has(r.headers, "Idempotent-Replayed: true"), "%s", r.headers);
        r = keyed(&ada, targets[i][0], "{\"name\":\"other\"}", "key-1");
        CHECK(r.status == 422 && has(r.body, "900005") && fx.questions == 0, "%u %s", r.status, r.body);
        r = keyed(&ada, targets[i][0], targets[i][1], "key-2");
        CHECK(r.status == status && strcmp(r.body, kept) != 0, "another key: %s", r.body);
        free(kept);
    }
    struct reply r = keyed(&bob, "/api/v1/guilds", "{\"name\":\"G\"}", "key-1");
    CHECK(r.status == 201 && !has(r.headers, "Replayed"), "another's key is another key");
    r = call(NX_BUS_POST, invites, ada.token, "{\"max_uses\":1}");
    text_of(r.body, "code", code, sizeof(code));
    const struct person cy = person("cy");
    r = keyed(&cy, path("/api/v1/invites/%s", code), "", "join");
    CHECK(r.status == 200, "%u %s", r.status, r.body);
    r = keyed(&cy, path("/api/v1/invites/%s", code), "", "join");
    CHECK(r.status == 200 && has(r.body, code), "used up, but it was us: %u %s", r.status, r.body);
    fixture_close();
}

TEST(kept, failures_are_not_kept_and_rights_are_asked_again)
{
    open_home();
    const char *const target = path("/api/v1/guilds/%s/channels", home.guild);
    fx.fail_with = NX_E_UNAVAILABLE;
    CHECK(keyed(&ada, target, "{\"name\":\"c\"}", "k").status == 503, "store down");
    CHECK(keyed(&ada, target, "{}", "k").status == 400, "malformed");
    struct reply r = keyed(&ada, target, "{\"name\":\"c\"}", "k");
    CHECK(r.status == 201, "%u %s", r.status, r.body);
    CHECK(call(NX_BUS_PATCH, path("/api/v1/guilds/%s", home.guild), ada.token,
               path("{\"owner_id\":\"%s\"}", bob.id))
                  .status == 200,
          "handed over");
    r = keyed(&ada, target, "{\"name\":\"c\"}", "k");
    CHECK(r.status == 403, "who may no more is told nothing: %u %s", r.status, r.body);
    fixture_close();
}

TEST(kept, second_while_the_first_is_under_way_is_told_so)
{
    open_home();
    char authorization[1400];
    struct api_request first;
    uint8_t *const arena = calloc(1, FIXTURE_ARENA);
    fixture_begin(&first, NX_BUS_POST, "/api/v1/guilds", ada.token, nx_bytes_text("{\"name\":\"G\"}"),
                  authorization, sizeof(authorization));
    nx_arena_init(&first.arena, arena, FIXTURE_ARENA);
    first.headers.idempotency_key = nx_bytes_text("k");
    CHECK(api_router_begin(&first) == API_ASK, "asks");
    struct reply r = keyed(&ada, "/api/v1/guilds", "{\"name\":\"G\"}", "k");
    CHECK(r.status == 409 && has(r.body, "900004"), "%u %s", r.status, r.body);
    api_request_fini(&first); /* cut off */
    r = keyed(&ada, "/api/v1/guilds", "{\"name\":\"G\"}", "k");
    CHECK(r.status == 201, "free again: %u %s", r.status, r.body);
    fx.wall_ms += CTL_KEPT_MS - 1000;
    struct person again = ada;
    r = call(NX_BUS_POST, "/api/v1/auth/login", NULL,
             "{\"username\":\"ada\",\"password\":\"correct horse\"}");
    text_of(r.body, "access_token", again.token, sizeof(again.token));
    r = keyed(&again, "/api/v1/guilds", "{\"name\":\"G\"}", "k");
    CHECK(has(r.headers, "Replayed"), "within a day");
    fx.wall_ms += 1000;
    r = keyed(&again, "/api/v1/guilds", "{\"name\":\"G\"}", "k");
    CHECK(r.status == 201 && !has(r.headers, "Replayed"), "after a day: %u", r.status);
    free(arena);
    fixture_close();
}

TEST(kept, message_takes_it_as_its_nonce)
{
    open_home();
    char first[24], second[24];
    const char *const target = path("/api/v1/channels/%s/messages", home.channel);
    struct reply r = keyed(&ada, target, "{\"content\":\"x\"}", "k");
    text_of(r.body, "id", first, sizeof(first));
    r = keyed(&ada, target, "{\"content\":\"x\"}", "k");
    text_of(r.body, "id", second, sizeof(second));
    CHECK(strcmp(first, second) == 0, "two messages");
    r = keyed(&ada, target, "{\"content\":\"x\",\"nonce\":\"its own\"}", "k");
    text_of(r.body, "id", second, sizeof(second));
    CHECK(strcmp(first, second) != 0 && has(r.body, "its own"), "a nonce is the better name: %s", r.body);
    fixture_close();
}

TEST(kept, oldest_answers_make_room)
{
    struct ctl_kept kept;
    fixture_open();
    const struct ctl_memory *const memory = &fx.world.memory;
    const struct ctl_kept_answer *answer;
    uint8_t *const body = calloc(1, CTL_KEPT_SIZE_MAX);
    ctl_kept_init(&kept);
    for (uint64_t key = 1; key <= CTL_KEPT_MAX + 3; key++) {
        CHECK(ctl_kept_begin(&kept, memory, 1, key, 7, 0, &answer) == CTL_KEPT_NEW, "%" PRIu64, key);
        ctl_kept_end(&kept, memory, key, 200, nx_bytes_of(body, 10));
    }
    CHECK(kept.table.count == CTL_KEPT_MAX && kept.size == CTL_KEPT_MAX * 10, "%u kept", kept.table.count);
    CHECK(ctl_kept_begin(&kept, memory, 1, 4, 7, 0, &answer) == CTL_KEPT_ANSWER && answer->body.size == 10,
          "4");
    CHECK(ctl_kept_begin(&kept, memory, 1, 4, 8, 0, &answer) == CTL_KEPT_OTHER, "other");
    CHECK(ctl_kept_begin(&kept, memory, 1, 3, 7, 0, &answer) == CTL_KEPT_NEW, "3 is gone");
    ctl_kept_end(&kept, memory, 3, 200, nx_bytes_of(body, CTL_KEPT_SIZE_MAX));
    CHECK(kept.table.count == 1 && kept.size == CTL_KEPT_SIZE_MAX, "the large one alone");
    ctl_kept_drop(&kept, memory, 3);
    for (uint64_t key = 1; key <= CTL_KEPT_MAX; key++) {
        CHECK(ctl_kept_begin(&kept, memory, 1, key, 7, 0, &answer) == CTL_KEPT_NEW, "%" PRIu64, key);
    }
    CHECK(ctl_kept_begin(&kept, memory, 1, CTL_KEPT_MAX + 1, 7, 0, &answer) == CTL_KEPT_NO_ROOM,
          "all under way");
    ctl_kept_fini(&kept, memory);
    free(body);
    fixture_close();
}
