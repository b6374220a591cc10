/* etag_test.c - two who change the same settings: the second is told.
 *
 * Layer:   tests
 */
#include "tests/unit/control/api/fixture.h"

static struct person ada;
static struct place home;

static struct reply with(enum nx_bus_method method, const char *target, const char *body,
                         const char *if_match, const char *if_none_match)
{
    char authorization[1400];
    struct api_request r;
    fixture_begin(&r, method, target, ada.token, body == NULL ? nx_bytes_of(NULL, 0) : nx_bytes_text(body),
                  authorization, sizeof(authorization));
    r.headers.if_match = if_match == NULL ? nx_bytes_of(NULL, 0) : nx_bytes_text(if_match);
    r.headers.if_none_match = if_none_match == NULL ? nx_bytes_of(NULL, 0) : nx_bytes_text(if_none_match);
    return fixture_run(&r);
}

static void tag_of(const struct reply *reply, char tag[24])
{
    const char *at = strstr(reply->headers, "ETag: \"");
    CHECK(at != NULL, "no tag: %u %s", reply->status, reply->headers);
    memcpy(tag, at + 6, 18);
    tag[18] = 0;
    CHECK(tag[17] == '"', "%s", tag);
}

static void check_settings(const char *target, const char *first, const char *second, const char *elsewhere,
                           const char *elsewhere_body)
{
    char before[24], after[24];
    struct reply r = with(NX_BUS_GET, target, NULL, NULL, NULL);
    tag_of(&r, before);
    r = with(NX_BUS_GET, target, NULL, NULL, path("\"0123456789abcdef\" , %s", before));
    CHECK(r.status == 304 && r.size == 0, "%s unchanged: %u %s", target, r.status, r.body);
    r = with(NX_BUS_PATCH, target, first, before, NULL);
    CHECK(r.status == 200, "%s: %u %s", target, r.status, r.body);
    tag_of(&r, after);
    CHECK(strcmp(before, after) != 0, "%s: the same tag", target);
    fx.questions = 0;
    r = with(NX_BUS_PATCH, target, second, before, NULL);
    CHECK(r.status == 412 && has(r.body, "900003") && fx.questions == 0, "%s: %u %s", target, r.status,
          r.body);
    r = with(NX_BUS_GET, target, NULL, NULL, before);
    CHECK(r.status == 200, "%s has changed: %u", target, r.status);
    r = with(NX_BUS_PATCH, target, second, path("W/%s", after), NULL);
    CHECK(r.status == 412, "%s: a weak tag: %u", target, r.status);
    r = with(NX_BUS_PATCH, target, second, "*", NULL);
    CHECK(r.status == 200, "%s: %u %s", target, r.status, r.body);
    tag_of(&r, before);
    CHECK(call(NX_BUS_PUT, elsewhere, ada.token, elsewhere_body).status < 300 ||
              call(NX_BUS_PATCH, elsewhere, ada.token, elsewhere_body).status < 300,
          "elsewhere");
    r = with(NX_BUS_PATCH, target, first, before, NULL);
    CHECK(r.status == 412, "%s: what belongs to it has changed: %u", target, r.status);
}

TEST(etag, second_of_two_changes_is_refused)
{
    fixture_open();
    ada = person("ada");
    home = place_of(&ada);
    char guild[128], channel[128], role[128], overwrite[128];
    snprintf(guild, sizeof(guild), "/api/v1/guilds/%s", home.guild);
    snprintf(channel, sizeof(channel), "/api/v1/channels/%s", home.channel);
    snprintf(role, sizeof(role), "/api/v1/guilds/%s/roles/%s", home.guild, home.guild);
    snprintf(overwrite, sizeof(overwrite), "/api/v1/channels/%s/permissions/%s", home.channel, home.guild);
    check_settings(guild, "{\"name\":\"one\"}", "{\"name\":\"two\"}", role, "{\"color\":7}");
    check_settings(channel, "{\"topic\":\"one\"}", "{\"topic\":\"two\"}", overwrite,
                   "{\"type\":0,\"deny\":\"1\"}");
    fixture_close();
}

TEST(etag, messages_leave_a_channels_tag_alone)
{
    char before[24], after[24];
    fixture_open();
    ada = person("ada");
    home = place_of(&ada);
    const char *const target = path("/api/v1/channels/%s", home.channel);
    struct reply r = with(NX_BUS_GET, target, NULL, NULL, NULL);
    tag_of(&r, before);
    CHECK(call(NX_BUS_POST, path("/api/v1/channels/%s/messages", home.channel), ada.token,
               "{\"content\":\"x\"}")
                  .status == 200,
          "message");
    r = with(NX_BUS_GET, target, NULL, NULL, NULL);
    tag_of(&r, after);
    CHECK(strcmp(before, after) == 0, "%s and %s", before, after);
    fixture_close();
}
