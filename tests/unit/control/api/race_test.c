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
    CHECK(slow->next == API_ASK, "nothing is asked");
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
