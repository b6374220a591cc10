/* gateway_test.c - gateway sessions beside REST: what goes out on which link, in which order.
 *
 * Layer:   tests
 */
#include "tests/unit/control/api/fixture.h"

enum { ALL = 0x7fffffff };

static uint64_t id_of(const char *text)
{
    return strtoull(text, NULL, 10);
}

static uint64_t sid_of(const struct person *who)
{
    struct nx_token_claims claims;
    CHECK(nx_token_verify(&fx.ring, nx_bytes_text(who->token), (uint64_t)fx.wall_ms / 1000, &claims) == NX_OK,
          "token");
    return claims.session_id;
}

static void opens(const struct person *who, uint32_t link, uint64_t session, uint64_t intents)
{
    const struct nx_bus_session_open message = {.session = session,
                                                .user_id = id_of(who->id),
                                                .sid = sid_of(who),
                                                .intents = intents,
                                                .status = NX_BUS_STATUS_ONLINE};
    ctl_gateway_session_open(&fx.gateway, link, &message, fx.wall_ms);
    fixture_settle();
}

static void sends(uint32_t link, uint64_t session, const struct place *p, const char *content,
                  const char *nonce)
{
    const struct nx_bus_message_send message = {.session = session,
                                                .channel_id = id_of(p->channel),
                                                .content = nx_bytes_text(content),
                                                .nonce = nx_bytes_text(nonce)};
    ctl_gateway_message_send(&fx.gateway, link, &message, fx.wall_ms, fx.now);
}

static void closes(uint32_t link, uint64_t session)
{
    const struct nx_bus_session_close message = {.session = session};
    ctl_gateway_session_close(&fx.gateway, link, &message);
}

/* Whether `second` comes after `first` in what went out. */
static bool ordered(const char *first, const char *second)
{
    const char *a = strstr(fx.log, first);
    return a != NULL && strstr(a + strlen(first), second) != NULL;
}

static int count(const char *part)
{
    int n = 0;
    for (const char *at = fx.log; (at = strstr(at, part)) != NULL; at += strlen(part)) {
        n++;
    }
    return n;
}

static void links(int n)
{
    for (int i = 0; i < n; i++) {
        ctl_gateway_link_open(&fx.gateway, (uint32_t)i, 0, (uint16_t)i, fx.wall_ms);
    }
}

TEST(gateway, open_tells_rights_before_the_session_and_the_session_before_ready)
{
    fixture_open();
    const struct person ada = person("ada");
    const struct place p = place_of(&ada);
    links(2);
    opens(&ada, 0, 11, ALL);
    CHECK(ordered("0 GUILD_STATE", "0 CHANNEL_STATE") &&
              ordered("0 CHANNEL_STATE", "0 OPENED 11 close=0 dispatches=2 guilds=1") &&
              ordered("0 OPENED", "READY 11 \"t\":\"READY\",\"d\":{\"v\":1,") &&
              ordered("\"t\":\"READY\"", "\"t\":\"GUILD_CREATE\"") && ordered("GUILD_CREATE", "last=1"),
          "%s", fx.log);
    CHECK(!has(fx.log, "session_id"), "gatewayd writes the session id");
    quiet();
    opens(&ada, 0, 12, ALL);
    CHECK(!has(fx.log, "GUILD_STATE") && has(fx.log, "OPENED 12"), "the link knows the guild: %s", fx.log);
    quiet();
    closes(0, 11);
    CHECK(!has(fx.log, "GUILD_GONE") && !has(fx.log, "PRESENCE"), "one session is left: %s", fx.log);
    closes(0, 12);
    CHECK(has(fx.log, path("0 GUILD_GONE %s", p.guild)), "%s", fx.log);
    closes(0, 12);
    fixture_close();
}

TEST(gateway, open_is_refused_for_strangers_disabled_and_revoked)
{
    fixture_open();
    const struct person ada = person("ada"), bob = person("bob");
    links(1);
    struct nx_bus_session_open message = {.session = 1, .user_id = 5, .sid = 5};
    ctl_gateway_session_open(&fx.gateway, 0, &message, fx.wall_ms);
    CHECK(has(fx.log, "OPENED 1 close=4004"), "%s", fx.log);
    message = (struct nx_bus_session_open){.session = 2, .user_id = id_of(ada.id), .sid = sid_of(&bob)};
    nx_map_clear(&fx.world.logins.alive);
    ctl_gateway_session_open(&fx.gateway, 0, &message, fx.wall_ms);
    fixture_settle();
    CHECK(has(fx.log, "OPENED 2 close=4004"), "a login of somebody else: %s", fx.log);
    CHECK(call(NX_BUS_POST, "/api/v1/auth/logout", bob.token, NULL).status == 204, "logout");
    CHECK(has(fx.log, "0 REVOKE user="), "%s", fx.log);
    message = (struct nx_bus_session_open){.session = 3, .user_id = id_of(bob.id), .sid = sid_of(&bob)};
    ctl_gateway_session_open(&fx.gateway, 0, &message, fx.wall_ms);
    fixture_settle();
    CHECK(has(fx.log, "OPENED 3 close=4004"), "%s", fx.log);
    ctl_directory_user(&fx.world.directory, id_of(ada.id))->flags |= CTL_USER_DISABLED;
    message = (struct nx_bus_session_open){.session = 4, .user_id = id_of(ada.id), .sid = sid_of(&ada)};
    ctl_gateway_session_open(&fx.gateway, 0, &message, fx.wall_ms);
    CHECK(has(fx.log, "OPENED 4 close=4103"), "%s", fx.log);
    quiet();
    ctl_gateway_link_closed(&fx.gateway, 0);
    ctl_gateway_link_open(&fx.gateway, 0, 0, 0, fx.wall_ms);
    CHECK(has(fx.log, "0 REVOKE user="), "a new gatewayd hears of revocations: %s", fx.log);
    fixture_close();
}

TEST(gateway, revocation_while_the_store_answers_wins)
{
    fixture_open();
    const struct person ada = person("ada");
    links(1);
    nx_map_clear(&fx.world.logins.alive);
    const struct nx_bus_session_open message = {.session = 1, .user_id = id_of(ada.id), .sid = sid_of(&ada)};
    ctl_gateway_session_open(&fx.gateway, 0, &message, fx.wall_ms);
    struct ctl_answer answer;
    CHECK(fx.ops_count == 1, "asks for the login");
    struct ctl_op *op = fx.ops[0];
    fx.ops_count = 0;
    fixture_answer(&op->question, &op->arena, &answer); /* read before the logout commits */
    CHECK(call(NX_BUS_POST, "/api/v1/auth/logout", ada.token, NULL).status == 204, "logout");
    ctl_gateway_answered(&fx.gateway, op, &answer, fx.wall_ms, fx.now);
    fixture_settle();
    CHECK(has(fx.log, "OPENED 1 close=4004"), "%s", fx.log);
    fixture_close();
}

TEST(gateway, send_is_acknowledged_first_and_then_told_once)
{
    fixture_open();
    const struct person ada = person("ada"), bob = person("bob");
    const struct place p = place_of(&ada);
    joins(&bob, &p, &ada);
    links(2);
    opens(&ada, 0, 1, ALL);
    opens(&bob, 1, 2, ALL);
    quiet();
    sends(0, 1, &p, "hello", "n");
    CHECK(fx.log_size == 0, "nothing is told before the commit");
    fixture_settle();
    CHECK(ordered("0 SESSION_EVENT 1 \"t\":\"NEXUS_MESSAGE_ACK\",\"d\":{\"nonce\":\"n\"", "0 EVENT") &&
              has(fx.log, "1 EVENT") && has(fx.log, "\"content\":\"hello\"") && has(fx.log, " seq=1 "),
          "%s", fx.log);
    quiet();
    sends(0, 1, &p, "hello", "same");
    sends(0, 1, &p, "hello", "same");
    fixture_settle();
    CHECK(count("NEXUS_MESSAGE_ACK") == 2 && count("0 EVENT") == 1 && count("\"seq\":2") == 4, "%s", fx.log);
    fixture_close();
}

TEST(gateway, send_is_refused_with_the_code_of_rest)
{
    fixture_open();
    const struct person ada = person("ada"), bob = person("bob");
    const struct place p = place_of(&ada);
    const struct place nowhere = {.channel = "99"};
    links(1);
    opens(&bob, 0, 1, ALL);
    quiet();
    sends(0, 1, &p, "x", "a");
    sends(0, 1, &nowhere, "x", "a");
    const char *foreign = "0 SESSION_EVENT 1 "
                          "\"t\":\"NEXUS_MESSAGE_REFUSED\",\"d\":{\"nonce\":\"a\",\"code\":10003,\"message\":"
                          "\"Unknown Channel\"}}\n";
    CHECK(strncmp(fx.log, foreign, strlen(foreign)) == 0 && strcmp(fx.log + strlen(foreign), foreign) == 0,
          "foreign and absent differ: %s", fx.log);
    joins(&bob, &p, &ada);
    quiet();
    sends(0, 1, &p, " ", "a");
    CHECK(has(fx.log, "50006"), "%s", fx.log);
    sends(0, 1, &p, "\xff", "a");
    CHECK(has(fx.log, "50035"), "%s", fx.log);
    CHECK(call(NX_BUS_PUT, path("/api/v1/channels/%s/permissions/%s", p.channel, p.guild), ada.token,
               "{\"type\":0,\"deny\":\"2048\"}")
                  .status == 204,
          "deny");
    quiet();
    sends(0, 1, &p, "x", "a");
    CHECK(has(fx.log, "50013"), "%s", fx.log);
    CHECK(call(NX_BUS_DELETE, path("/api/v1/channels/%s/permissions/%s", p.channel, p.guild), ada.token, NULL)
                  .status == 204,
          "allow");
    quiet();
    fx.fail_with = NX_E_UNAVAILABLE;
    sends(0, 1, &p, "x", "a");
    fixture_settle();
    CHECK(has(fx.log, "130000") && !has(fx.log, "MESSAGE_CREATE"), "%s", fx.log);
    sends(0, 77, &p, "x", "a");
    CHECK(fx.ops_count == 0, "no such session");
    fixture_close();
}

TEST(gateway, ambiguous_commit_is_looked_at_before_the_sender_is_told)
{
    fixture_open();
    const struct person ada = person("ada"), bob = person("bob");
    const struct place p = place_of(&ada);
    joins(&bob, &p, &ada);
    links(2);
    opens(&ada, 0, 1, ALL);
    opens(&bob, 1, 2, ALL);
    quiet();
    /* Written, and said not to be: with a nonce and without. */
    for (int i = 0; i < 2; i++) {
        fx.fail_with = NX_E_UNAVAILABLE;
        fx.is_ambiguous = true;
        sends(0, 1, &p, "hello", i == 0 ? "n" : "");
        fixture_settle();
        CHECK(ordered("0 SESSION_EVENT 1 \"t\":\"NEXUS_MESSAGE_ACK\"", "0 EVENT") && count("1 EVENT") == 1 &&
                  has(fx.log, "\"content\":\"hello\"") && !has(fx.log, "REFUSED"),
              "%s", fx.log);
        CHECK(has(fx.log, i == 0 ? " seq=1 " : " seq=2 "), "%s", fx.log);
        quiet();
        fixture_later(1000);
        fixture_later(1000);
        CHECK(fx.log_size == 0 && fx.world.doubts.count == 0, "told once, and the doubt is over: %s", fx.log);
    }
    /* Not written: refused, once, and nobody hears anything. */
    fx.fail_with = NX_E_UNAVAILABLE;
    sends(0, 1, &p, "lost", "m");
    fixture_settle();
    CHECK(count("130000") == 1 && !has(fx.log, "EVENT channel"), "%s", fx.log);
    quiet();
    sends(0, 1, &p, "lost", "m");
    fixture_settle();
    CHECK(has(fx.log, "NEXUS_MESSAGE_ACK") && has(fx.log, " seq=3 "), "again: %s", fx.log);
    fixture_later(1000);
    fixture_later(1000);
    fixture_close();
}

TEST(gateway, ambiguous_commit_whose_author_never_asks_again_is_told_all_the_same)
{
    fixture_open();
    const struct person ada = person("ada"), bob = person("bob");
    const struct place p = place_of(&ada);
    joins(&bob, &p, &ada);
    links(1);
    opens(&bob, 0, 1, ALL);
    quiet();
    /* The author is told by REST that it did not work. */
    fx.fail_with = NX_E_UNAVAILABLE;
    fx.is_ambiguous = true;
    const struct reply r = call(NX_BUS_POST, path("/api/v1/channels/%s/messages", p.channel), ada.token,
                                "{\"content\":\"hello\",\"nonce\":\"n\"}");
    CHECK(r.status == 503 && has(r.body, "130000"), "%u %s", r.status, r.body);
    fixture_settle();
    CHECK(count("0 EVENT") == 1 && has(fx.log, "\"content\":\"hello\"") && has(fx.log, " seq=1 "), "%s",
          fx.log);
    quiet();
    /* The database is down for a while after it: asked again until it answers. */
    fx.fail_with = NX_E_UNAVAILABLE;
    fx.is_ambiguous = true;
    sends(0, 1, &p, "one", "a");
    struct ctl_op *send = fx.ops[0];
    struct ctl_answer answer;
    fixture_answer(&send->question, &send->arena, &answer);
    fx.ops_count = 0;
    ctl_gateway_answered(&fx.gateway, send, &answer, fx.wall_ms, fx.now);
    CHECK(fx.log_size == 0 && fx.ops_count == 1, "the store is asked: %s", fx.log);
    fx.fail_with = NX_E_UNAVAILABLE;
    fixture_settle();
    CHECK(count("130000") == 1 && !has(fx.log, "EVENT channel"), "no answer is no wrong answer: %s", fx.log);
    quiet();
    fx.fail_with = NX_E_UNAVAILABLE;
    fixture_later(1000);
    CHECK(fx.log_size == 0 && fx.world.doubts.count == 1, "still down: %s", fx.log);
    fixture_later(1000);
    CHECK(count("0 EVENT") == 1 && has(fx.log, "\"content\":\"one\"") && has(fx.log, " seq=2 "), "%s",
          fx.log);
    quiet();
    sends(0, 1, &p, "one", "a");
    fixture_settle();
    CHECK(has(fx.log, "NEXUS_MESSAGE_ACK") && !has(fx.log, "EVENT channel"), "told already: %s", fx.log);
    for (int i = 0; i < 4; i++) {
        fixture_later(1000);
    }
    CHECK(fx.world.doubts.count == 0, "over");
    fixture_close();
}

TEST(gateway, many_messages_in_doubt_are_told_in_their_order)
{
    enum { MANY = CTL_DOUBT_ROWS * 2 + 3 };
    fixture_open();
    const struct person ada = person("ada");
    const struct place p = place_of(&ada);
    links(1);
    opens(&ada, 0, 1, ALL);
    quiet();
    char nonce[16];
    for (int i = 0; i < MANY; i++) {
        snprintf(nonce, sizeof(nonce), "n%d", i);
        sends(0, 1, &p, "hello", nonce);
    }
    const int asked = fx.ops_count;
    for (int i = 0; i < asked; i++) {
        struct ctl_answer answer;
        fx.fail_with = NX_E_UNAVAILABLE;
        fx.is_ambiguous = i % 3 != 0;
        fixture_answer(&fx.ops[i]->question, &fx.ops[i]->arena, &answer);
        ctl_gateway_answered(&fx.gateway, fx.ops[i], &answer, fx.wall_ms, fx.now);
    }
    memmove(fx.ops, fx.ops + asked, (size_t)(fx.ops_count - asked) * sizeof(fx.ops[0]));
    fx.ops_count -= asked;
    CHECK(fx.ops_count == 1, "one question for all");
    fixture_settle();
    CHECK(count("NEXUS_MESSAGE_ACK") == MANY - MANY / 3 - (MANY % 3 != 0) &&
              count("130000") == MANY / 3 + (MANY % 3 != 0),
          "%d acknowledged, %d refused", count("NEXUS_MESSAGE_ACK"), count("130000"));
    uint64_t last = 0;
    for (const char *at = fx.log; (at = strstr(at, "0 EVENT")) != NULL; at++) {
        const uint64_t seq = strtoull(strstr(at, " seq=") + 5, NULL, 10);
        CHECK(seq == last + 1, "%d after %d", (int)seq, (int)last);
        last = seq;
    }
    CHECK(last == (uint64_t)count("NEXUS_MESSAGE_ACK"), "all of them");
    CHECK(fx.gateway.sends == 0, "nobody waits");
    fixture_close();
}

TEST(gateway, send_that_the_store_does_not_answer_is_refused_in_time_and_once)
{
    fixture_open();
    const struct person ada = person("ada");
    const struct place p = place_of(&ada);
    links(1);
    opens(&ada, 0, 1, ALL);
    quiet();
    sends(0, 1, &p, "slow", "n");
    for (int i = 0; i < 2; i++) {
        CHECK(fx.log_size == 0, "not yet: %s", fx.log);
        fx.now = nx_time_add_ms(fx.now, CTL_SEND_MS / 2);
        ctl_gateway_tick(&fx.gateway, fx.wall_ms, fx.now);
    }
    CHECK(count("130000") == 1, "%s", fx.log);
    quiet();
    fixture_settle();
    CHECK(!has(fx.log, "SESSION_EVENT") && count("0 EVENT") == 1, "written after all, and told: %s", fx.log);
    fixture_close();
}

TEST(gateway, session_too_many_ends_the_one_that_waits_longest_for_its_client)
{
    fixture_open();
    const struct person ada = person("ada");
    (void)place_of(&ada);
    links(2);
    for (uint64_t i = 1; i <= CTL_SESSIONS_PER_USER_MAX; i++) {
        opens(&ada, 0, i, 0);
    }
    quiet();
    opens(&ada, 0, 100, 0);
    CHECK(has(fx.log, "OPENED 100 close=4000") && !has(fx.log, "END"), "all are in use: %s", fx.log);
    struct nx_bus_session_status status = {.session = 7, .status = NX_BUS_STATUS_OFFLINE};
    ctl_gateway_session_status(&fx.gateway, 0, &status);
    ctl_gateway_session_status(&fx.gateway, 0, &status);
    status.session = 3;
    ctl_gateway_session_status(&fx.gateway, 0, &status);
    quiet();
    opens(&ada, 1, 101, 0);
    CHECK(has(fx.log, "0 END 7\n") && has(fx.log, "OPENED 101 close=0") && count("END") == 1, "%s", fx.log);
    quiet();
    /* One that moves replaces itself. */
    const struct nx_bus_session_open move = {.session = 102,
                                             .reason = NX_BUS_OPEN_MOVE,
                                             .old_session = 3,
                                             .old_shard = 0,
                                             .user_id = id_of(ada.id),
                                             .sid = sid_of(&ada)};
    ctl_gateway_session_open(&fx.gateway, 1, &move, fx.wall_ms);
    fixture_settle();
    CHECK(has(fx.log, "OPENED 102 close=0") && has(fx.log, "0 MOVE 3 ") && !has(fx.log, "END"), "%s", fx.log);
    fixture_close();
}

TEST(gateway, rights_that_change_reach_the_shards_before_their_events)
{
    fixture_open();
    const struct person ada = person("ada"), bob = person("bob");
    const struct place p = place_of(&ada);
    char role[24];
    joins(&bob, &p, &ada);
    links(1);
    opens(&ada, 0, 1, ALL);
    opens(&bob, 0, 2, ALL);
    quiet();
    CHECK(call(NX_BUS_PUT, path("/api/v1/channels/%s/permissions/%s", p.channel, p.guild), ada.token,
               "{\"type\":0,\"deny\":\"1024\"}")
                  .status == 204,
          "hide");
    CHECK(ordered("0 CHANNEL_STATE", "CHANNEL_UPDATE") &&
              has(fx.log, path("USER_EVENT %s \"t\":\"CHANNEL_DELETE\"", bob.id)) &&
              !has(fx.log, path("USER_EVENT %s", ada.id)),
          "%s", fx.log);
    struct reply r =
        call(NX_BUS_POST, path("/api/v1/guilds/%s/roles", p.guild), ada.token, "{\"name\":\"in\"}");
    text_of(r.body, "id", role, sizeof(role));
    CHECK(call(NX_BUS_PUT, path("/api/v1/channels/%s/permissions/%s", p.channel, role), ada.token,
               "{\"type\":0,\"allow\":\"1024\"}")
                  .status == 204,
          "show");
    quiet();
    CHECK(call(NX_BUS_PUT, path("/api/v1/guilds/%s/members/%s/roles/%s", p.guild, bob.id, role), ada.token,
               NULL)
                  .status == 204,
          "give");
    CHECK(ordered("0 ROLESET_VIEW", path("0 MEMBER_ROLESET user=%s", bob.id)) &&
              ordered("MEMBER_ROLESET", path("USER_EVENT %s \"t\":\"CHANNEL_CREATE\"", bob.id)) &&
              ordered("CHANNEL_CREATE", "GUILD_MEMBER_UPDATE"),
          "%s", fx.log);
    quiet();
    CHECK(call(NX_BUS_DELETE, path("/api/v1/guilds/%s/roles/%s", p.guild, role), ada.token, NULL).status ==
              204,
          "delete");
    CHECK(has(fx.log, path("USER_EVENT %s \"t\":\"CHANNEL_DELETE\"", bob.id)) &&
              ordered("MEMBER_ROLESET", "GUILD_ROLE_DELETE"),
          "%s", fx.log);
    quiet();
    CHECK(
        call(NX_BUS_DELETE, path("/api/v1/guilds/%s/members/%s", p.guild, bob.id), ada.token, NULL).status ==
            204,
        "kick");
    CHECK(ordered(path("0 MEMBER_ROLESET user=%s -1", bob.id),
                  path("USER_EVENT %s \"t\":\"GUILD_DELETE\"", bob.id)) &&
              ordered("GUILD_DELETE", "GUILD_MEMBER_REMOVE"),
          "%s", fx.log);
    quiet();
    joins(&bob, &p, &ada);
    CHECK(ordered(path("0 MEMBER_ROLESET user=%s", bob.id),
                  path("USER_EVENT %s \"t\":\"GUILD_CREATE\"", bob.id)) &&
              ordered("GUILD_CREATE", "GUILD_MEMBER_ADD"),
          "%s", fx.log);
    fixture_close();
}

TEST(gateway, presence_is_the_strongest_of_all_sessions)
{
    fixture_open();
    const struct person ada = person("ada"), bob = person("bob");
    const struct place p = place_of(&ada);
    joins(&bob, &p, &ada);
    links(2);
    opens(&ada, 0, 1, ALL);
    quiet();
    opens(&bob, 1, 2, ALL);
    CHECK(has(fx.log, "0 EVENT channel=0 intents=256") && has(fx.log, "\"status\":\"online\""), "%s", fx.log);
    quiet();
    struct nx_bus_session_status status = {.session = 2, .status = NX_BUS_STATUS_INVISIBLE};
    ctl_gateway_session_status(&fx.gateway, 1, &status);
    CHECK(has(fx.log, "\"status\":\"offline\"") && !has(fx.log, "invisible"), "%s", fx.log);
    quiet();
    status.status = 99;
    ctl_gateway_session_status(&fx.gateway, 1, &status);
    CHECK(fx.log_size == 0, "%s", fx.log);
    ctl_gateway_link_closed(&fx.gateway, 0);
    CHECK(has(fx.log, path("\"id\":\"%s\"},\"guild_id\"", ada.id)),
          "a lost shard takes its people offline: %s", fx.log);
    fixture_close();
}

TEST(gateway, session_moves_to_another_shard_only_from_its_owner)
{
    fixture_open();
    const struct person ada = person("ada"), bob = person("bob");
    (void)place_of(&ada);
    links(2);
    opens(&ada, 0, 1, ALL);
    quiet();
    struct nx_bus_session_open message = {.session = 9,
                                          .reason = NX_BUS_OPEN_MOVE,
                                          .old_session = 1,
                                          .old_shard = 0,
                                          .user_id = id_of(bob.id),
                                          .sid = sid_of(&bob)};
    ctl_gateway_session_open(&fx.gateway, 1, &message, fx.wall_ms);
    CHECK(has(fx.log, "OPENED 9 close=4009"), "%s", fx.log);
    message.user_id = id_of(ada.id);
    message.sid = sid_of(&ada);
    quiet();
    ctl_gateway_session_open(&fx.gateway, 1, &message, fx.wall_ms);
    CHECK(ordered("1 GUILD_STATE", "1 OPENED 9 close=0 dispatches=0") &&
              ordered("OPENED", "0 MOVE 1 to shard 1 as 9") && has(fx.log, "0 GUILD_GONE"),
          "%s", fx.log);
    fixture_close();
}

TEST(gateway, a_session_moves_on_and_on_under_the_name_it_began_with)
{
    fixture_open();
    const struct person ada = person("ada");
    (void)place_of(&ada);
    links(3);
    opens(&ada, 0, 1, ALL);
    struct nx_bus_session_open message = {.session = 9,
                                          .reason = NX_BUS_OPEN_MOVE,
                                          .old_session = 1,
                                          .old_shard = 0,
                                          .user_id = id_of(ada.id),
                                          .sid = sid_of(&ada)};
    ctl_gateway_session_open(&fx.gateway, 1, &message, fx.wall_ms);
    fixture_settle();
    quiet();
    message.session = 5;
    ctl_gateway_session_open(&fx.gateway, 2, &message, fx.wall_ms);
    fixture_settle();
    CHECK(has(fx.log, "2 OPENED 5 close=0 dispatches=0") && has(fx.log, "1 MOVE 9 to shard 2 as 5"), "%s",
          fx.log);
    /* Where it is already nothing can be moved. */
    quiet();
    message.session = 6;
    ctl_gateway_session_open(&fx.gateway, 2, &message, fx.wall_ms);
    fixture_settle();
    CHECK(has(fx.log, "OPENED 6 close=4009") && !has(fx.log, "MOVE"), "%s", fx.log);
    fixture_close();
}

TEST(gateway, of_two_sessions_with_one_name_the_one_with_a_client_lives)
{
    fixture_open();
    const struct person ada = person("ada");
    (void)place_of(&ada);
    links(2);
    struct nx_bus_session_open message = {.session = 9,
                                          .reason = NX_BUS_OPEN_RESTORE,
                                          .old_session = 1,
                                          .old_shard = 0,
                                          .user_id = id_of(ada.id),
                                          .sid = sid_of(&ada),
                                          .status = NX_BUS_STATUS_ONLINE};
    ctl_gateway_session_open(&fx.gateway, 1, &message, fx.wall_ms);
    fixture_settle();
    quiet();
    /* The one it was before, told again by a shard that was cut off from control. */
    message.session = 1;
    message.status = NX_BUS_STATUS_OFFLINE;
    ctl_gateway_session_open(&fx.gateway, 0, &message, fx.wall_ms);
    fixture_settle();
    CHECK(has(fx.log, "0 OPENED 1 close=4009") && !has(fx.log, "END"), "%s", fx.log);
    quiet();
    message.status = NX_BUS_STATUS_ONLINE;
    ctl_gateway_session_open(&fx.gateway, 0, &message, fx.wall_ms);
    fixture_settle();
    CHECK(has(fx.log, "0 OPENED 1 close=0") && has(fx.log, "1 END 9\n"), "%s", fx.log);
    fixture_close();
}

TEST(gateway, restored_session_is_told_where_each_channel_stands)
{
    fixture_open();
    const struct person ada = person("ada");
    const struct place p = place_of(&ada);
    CHECK(call(NX_BUS_POST, path("/api/v1/channels/%s/messages", p.channel), ada.token, "{\"content\":\"x\"}")
                  .status == 200,
          "message");
    links(1);
    const struct nx_bus_session_open message = {
        .session = 1, .reason = NX_BUS_OPEN_RESTORE, .user_id = id_of(ada.id), .sid = sid_of(&ada)};
    ctl_gateway_session_open(&fx.gateway, 0, &message, fx.wall_ms);
    CHECK(has(fx.log, "OPENED 1 close=0 dispatches=1") && !has(fx.log, "\"t\":\"RESUMED\"") &&
              has(fx.log,
                  path("\"t\":\"NEXUS_RESYNC\",\"d\":{\"channel_id\":\"%s\",\"last_seq\":1}}", p.channel)),
          "%s", fx.log);
    fixture_close();
}

TEST(gateway, closing_while_opening_leaves_nothing)
{
    fixture_open();
    const struct person ada = person("ada");
    (void)place_of(&ada);
    links(1);
    const struct nx_bus_session_open message = {.session = 1, .user_id = id_of(ada.id), .sid = sid_of(&ada)};
    ctl_gateway_session_open(&fx.gateway, 0, &message, fx.wall_ms);
    closes(0, 1);
    fixture_settle();
    CHECK(!has(fx.log, "OPENED") && fx.world.sessions->sessions_count == 0, "%s", fx.log);
    fixture_close();
}

TEST(gateway, member_lists_come_in_chunks_to_members_only)
{
    fixture_open();
    const struct person ada = person("ada"), bob = person("bob"), eve = person("eve");
    const struct place p = place_of(&ada);
    joins(&bob, &p, &ada);
    links(1);
    opens(&ada, 0, 1, ALL);
    opens(&eve, 0, 2, ALL);
    quiet();
    struct nx_bus_members_request ask = {.session = 2, .guild_id = id_of(p.guild)};
    ctl_gateway_members_request(&fx.gateway, 0, &ask, fx.wall_ms);
    CHECK(fx.log_size == 0, "a stranger got %s", fx.log);
    ask = (struct nx_bus_members_request){
        .session = 1, .guild_id = id_of(p.guild), .presences = 1, .nonce = nx_bytes_text("q")};
    ctl_gateway_members_request(&fx.gateway, 0, &ask, fx.wall_ms);
    CHECK(has(fx.log, "\"chunk_index\":0,\"chunk_count\":1") && has(fx.log, "\"bob\"") &&
              has(fx.log, "\"nonce\":\"q\""),
          "%s", fx.log);
    quiet();
    ask.query = nx_bytes_text("B");
    ctl_gateway_members_request(&fx.gateway, 0, &ask, fx.wall_ms);
    CHECK(has(fx.log, "\"bob\"") && !has(fx.log, "\"ada\""), "%s", fx.log);
    quiet();
    const uint8_t ids[16] = {[15] = 77};
    ask.user_ids = nx_bytes_of(ids, 16);
    ctl_gateway_members_request(&fx.gateway, 0, &ask, fx.wall_ms);
    CHECK(has(fx.log, "\"members\":[]") && has(fx.log, "\"not_found\":[\"0\",\"77\"]"), "%s", fx.log);
    fixture_close();
}

/* ---- golden: the bytes of a whole small story ---- */

TEST(gateway, story_is_told_in_the_same_bytes)
{
    fixture_open();
    const struct person ada = person("ada"), bob = person("bob");
    const struct place p = place_of(&ada);
    links(1);
    opens(&ada, 0, 1, ALL);
    joins(&bob, &p, &ada);
    opens(&bob, 0, 2, ALL);
    sends(0, 2, &p, "hello \xf0\x9f\x8c\xb8", "n1");
    fixture_settle();
    (void)call(NX_BUS_POST, path("/api/v1/channels/%s/typing", p.channel), ada.token, NULL);
    (void)call(NX_BUS_POST, path("/api/v1/guilds/%s/channels", p.guild), ada.token,
               "{\"name\":\"Voice\",\"type\":2}");
    (void)call(NX_BUS_PUT, path("/api/v1/guilds/%s/bans/%s", p.guild, bob.id), ada.token, NULL);
    (void)call(NX_BUS_DELETE, path("/api/v1/guilds/%s", p.guild), ada.token, NULL);
    char file[512];
    snprintf(file, sizeof(file), "%s", __FILE__);
    char *at = strstr(file, "tests/unit/");
    CHECK(at != NULL, "%s", file);
    snprintf(at, (size_t)(file + sizeof(file) - at), "tests/golden/api/story.ok");
    if (getenv("NEXUS_GOLDEN_WRITE") != NULL) {
        FILE *out = fopen(file, "w");
        fwrite(fx.log, 1, fx.log_size, out);
        fclose(out);
    }
    FILE *in = fopen(file, "r");
    CHECK(in != NULL, "no %s", file);
    char *want = calloc(1, FIXTURE_LOG);
    const size_t size = fread(want, 1, FIXTURE_LOG - 1, in);
    fclose(in);
    size_t same = 0;
    while (same < size && want[same] == fx.log[same]) {
        same++;
    }
    CHECK(size == fx.log_size && same == size, "differs at byte %zu: ...%.80s", same,
          fx.log + (same < 20 ? 0 : same - 20));
    free(want);
    fixture_close();
}
