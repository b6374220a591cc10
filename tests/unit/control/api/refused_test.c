/* refused_test.c - members of a body that mean something to Discord and nothing here are said, not dropped.
 *
 * Layer:   tests
 */
#include "control/api/route.h"
#include "tests/unit/control/api/fixture.h"

static struct person ada;
static struct place home;

static const char *target_of(const struct api_route *route)
{
    static char out[256];
    size_t at = (size_t)snprintf(out, sizeof(out), "/api/v1");
    for (const char *p = route->path; *p != 0;) {
        if (*p != '{') {
            out[at++] = *p++;
            continue;
        }
        const char *value = strncmp(p, "{channel_id", 11) == 0 ? home.channel
                            : strncmp(p, "{user_id", 8) == 0   ? ada.id
                                                               : home.guild;
        at += (size_t)snprintf(out + at, sizeof(out) - at, "%s", value);
        p += strcspn(p, "}") + 1;
    }
    out[at] = 0;
    return out;
}

static struct reply send_member(const struct api_route *route, const char *name, const char *value)
{
    const bool is_list = strcmp(route->operation, "channel_positions") == 0;
    char body[256];
    snprintf(body, sizeof(body), is_list ? "[{\"%s\":%s}]" : "{\"%s\":%s}", name, value);
    return call(route->method, target_of(route), route->auth == API_AUTH_NONE ? NULL : ada.token, body);
}

TEST(refused, members_are_named_in_the_answer_and_nothing_is_asked)
{
    static const char *const wanted[] = {"true", "1", "\"x\"", "[1]", "{\"a\":1}", "-1", "0.5"};
    static const char *const empty[] = {"null", "false", "0", "\"\"", "[]", "{}"};
    int members = 0;
    fixture_open();
    ada = person("ada");
    home = place_of(&ada);
    for (size_t i = 0; i < api_route_count; i++) {
        const struct api_route *route = &api_route_table[i];
        for (const char *name = route->refused; *name != 0; name += strlen(name) + 1) {
            members++;
            for (size_t k = 0; k < sizeof(wanted) / sizeof(*wanted); k++) {
                fx.questions = 0;
                const struct reply r = send_member(route, name, wanted[k]);
                CHECK(r.status == 400 &&
                          has(r.body, path("\"%s\":{\"_errors\":[{\"code\":\"NOT_SUPPORTED\"", name)) &&
                          fx.questions == 0,
                      "%s %s: %u %s", route->operation, name, r.status, r.body);
            }
            for (size_t k = 0; k < sizeof(empty) / sizeof(*empty); k++) {
                const struct reply r = send_member(route, name, empty[k]);
                CHECK(!has(r.body, "NOT_SUPPORTED"), "%s %s %s: %u %s", route->operation, name, empty[k],
                      r.status, r.body);
            }
        }
    }
    CHECK(members > 50, "only %d members", members);
    fixture_close();
}
