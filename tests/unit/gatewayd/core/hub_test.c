/* Goal: what each payload does in each state; resume, replacement, moves between shards, hostile payloads.
 * Method: a hub without sockets; control is played by bus messages; what a client would read is pulled as text. */
#include "engine/wire/bus.h"
#include "gatewayd/core/close_code.h"
#include "gatewayd/core/hub.h"
#include "tests/lib/check.h"

#include <stdio.h>
#include <stdlib.h>

static void *take(void *context, size_t size)
{
    (void)context;
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    memset(memory, 0, (size + 63) / 64 * 64);
    return memory;
}

static void give(void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    free(memory);
}

enum { WALL_MS = 1700000000 };
static const int64_t wall_ms = (int64_t)WALL_MS * 1000;
static const nx_time start = {1000000000};
static struct gw_verdict verdict;

#define BUS(hub, name, NAME, ...)                                                                            \
    do {                                                                                                     \
        const struct nx_bus_##name message_ = {__VA_ARGS__};                                                 \
        uint8_t bytes_[65536];                                                                               \
        struct nx_writer w_ = nx_writer_init(bytes_, sizeof(bytes_));                                        \
        nx_bus_##name##_put(&w_, &message_);                                                                 \
        struct nx_bus_frame frame_;                                                                          \
        CHECK(nx_writer_ok(&w_) && nx_bus_frame_take(nx_writer_bytes(&w_), &frame_) == NX_OK, "frame");      \
        CHECK(gw_hub_bus_input((hub), start, wall_ms, &frame_, &verdict) == NX_OK, #NAME);                   \
    } while (0)

static struct gw_hub *open_hub(uint16_t shard)
{
    struct gw_hub *hub = calloc(1, sizeof(*hub));
    const struct gw_hub_config config = {.memory = {.take = take, .give = give},
                                         .framelog_size = 1 << 20,
                                         .shard = shard,
                                         .shards = shard + 1,
                                         .sessions_max = 1000,
                                         .has_rate_limits = true};
    CHECK(gw_hub_init(hub, &config, start) == NX_OK, "hub");
    const uint8_t secret[32] = {1, 2, 3};
    BUS(hub, key, KEY, .kid = 1, .secret = nx_bytes_of(secret, 32), .state = 1);
    BUS(hub, settings, SETTINGS, .rate_limits = 1, .url = nx_bytes_text("https://chat.example/"));
    BUS(hub, synced, SYNCED, .boot = 1);
    const uint8_t view = 0xff;
    BUS(hub, guild_state, GUILD_STATE, .guild_id = 7);
    BUS(hub, channel_state, CHANNEL_STATE, .guild_id = 7, .channel_id = 70, .last_seq = 5,
        .view = nx_bytes_of(&view, 1));
    return hub;
}

static void close_hub(struct gw_hub *hub)
{
    gw_hub_fini(hub);
    free(hub);
}

static const char *token(struct gw_hub *hub, uint64_t user, uint64_t sid, int64_t expires_s)
{
    static char text[512];
    struct nx_writer w = nx_writer_init(text, sizeof(text) - 1);
    const struct nx_token_claims claims = {.user_id = user,
                                           .session_id = sid,
                                           .issued_s = WALL_MS - 5000,
                                           .expires_s = (uint64_t)(WALL_MS + expires_s),
                                           .kind = NX_TOKEN_ACCESS};
    CHECK(nx_token_sign(&hub->keys, &claims, &w) == NX_OK, "token");
    text[w.size] = '\0';
    return text;
}

/* Everything the session has to say, payloads joined by '|'; a close frame as #code. */
static const char *heard(struct gw_hub *hub, struct gw_session *session)
{
    static char text[65536];
    uint8_t wire[32768];
    size_t length = 0;
    size_t size;
    while ((size = gw_output_write(&hub->output, session, wire, sizeof(wire))) != 0) {
        gw_output_sent(&hub->output, session, size);
        for (size_t at = 0; at < size;) {
            const size_t header = wire[at + 1] < 126 ? 2 : 4;
            const size_t payload = header == 2 ? wire[at + 1] : (size_t)wire[at + 2] << 8 | wire[at + 3];
            if ((wire[at] & 15) == 8) {
                length += (size_t)snprintf(text + length, sizeof(text) - length, "#%d|",
                                           wire[at + 2] << 8 | wire[at + 3]);
            } else {
                memcpy(text + length, wire + at + header, payload);
                length += payload;
                text[length++] = '|';
            }
            at += header + payload;
        }
    }
    text[length] = '\0';
    return text;
}

static struct gw_session *say(struct gw_hub *hub, struct gw_session *session, const char *payload)
{
    gw_hub_input(hub, start, wall_ms, session, nx_bytes_text(payload), &verdict);
    return verdict.session;
}

static struct gw_session *connect_one(struct gw_hub *hub, uint32_t conn)
{
    struct gw_session *session = gw_hub_connect(hub, start, conn, false, false);
    CHECK(session != NULL, "connect");
    CHECK(strcmp(heard(hub, session), "{\"op\":10,\"d\":{\"heartbeat_interval\":30000}}|") == 0, "HELLO");
    return session;
}

static struct gw_session *identified(struct gw_hub *hub, uint32_t conn, uint64_t user, char *session_id)
{
    struct gw_session *session = connect_one(hub, conn);
    char payload[1024];
    snprintf(payload, sizeof(payload),
             "{\"op\":2,\"d\":{\"token\":\"%s\",\"intents\":513,\"capabilities\":[\"resync\"]}}",
             token(hub, user, user * 10, 900));
    (void)say(hub, session, payload);
    CHECK(verdict.kind == GW_VERDICT_OPEN && verdict.as.open.user_id == user, "asks control");
    const uint8_t guilds[12] = {0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1};
    BUS(hub, session_opened, SESSION_OPENED, .session = gw_session_handle(session), .user_id = user,
        .sid = user * 10, .dispatches = 1, .guilds = nx_bytes_of(guilds, sizeof(guilds)));
    static const char ready[] = "\"t\":\"READY\",\"d\":{\"v\":10}}";
    uint8_t tails[64] = {0, 0, 0, sizeof(ready) - 1};
    memcpy(tails + 4, ready, sizeof(ready) - 1);
    BUS(hub, session_ready, SESSION_READY, .session = gw_session_handle(session), .is_last = 1,
        .tails = nx_bytes_of(tails, 4 + sizeof(ready) - 1));
    const char *text = heard(hub, session);
    const char *id = strstr(text, "\"session_id\":\"");
    CHECK(id != NULL && strstr(text, "wss://chat.example/gateway") != NULL, "%s", text);
    if (session_id != NULL) {
        snprintf(session_id, 128, "%.*s", (int)strcspn(id + 14, "\""), id + 14);
    }
    return session;
}

static void publish(struct gw_hub *hub, const char *tail)
{
    BUS(hub, event, EVENT, .guild_id = 7, .channel_id = 70, .intents = 1 << 9, .seq = 6,
        .tail = nx_bytes_text(tail));
    gw_fanout_settle_all(&hub->fanout);
}

static const char *resume_text(struct gw_hub *hub, uint64_t user, const char *id, unsigned seq,
                               int64_t expires_s)
{
    static char payload[1024];
    snprintf(payload, sizeof(payload), "{\"op\":6,\"d\":{\"token\":\"%s\",\"session_id\":\"%s\",\"seq\":%u}}",
             token(hub, user, user * 10, expires_s), id, seq);
    return payload;
}

TEST(hub, closes_with_the_documented_code)
{
    static const struct {
        const char *payload;
        const char *answer;
    } cases[] = {
        {"{\"op\":3,\"d\":{\"status\":\"online\"}}", "#4003|"},
        {"{\"op\":64,\"d\":{\"guild_id\":\"7\"}}", "#4003|"},
        {"{\"op\":99}", "#4001|"},
        {"{\"op\":0}", "#4001|"},
        {"{\"op\":11}", "#4001|"},
        {"{\"op\":-1}", "#4002|"},
        {"{\"op\":1e400}", "#4002|"},
        {"{\"op\":\"2\"}", "#4002|"},
        {"[]", "#4002|"},
        {"", "#4002|"},
        {"{\"op\":2,\"d\":null}", "#4002|"},
        {"{\"op\":2,\"d\":{\"token\":\"\\ud800\",\"intents\":0}}", "#4002|"},
        {"{\"op\":2,\"d\":{\"token\":\"a.b.c\",\"intents\":0}}", "#4004|"},
        {"{\"op\":2,\"d\":{\"token\":\"a.b.c\",\"intents\":18014398509481984}}", "#4013|"},
        {"{\"op\":6,\"d\":{\"token\":\"a.b.c\",\"session_id\":\"x\",\"seq\":1}}", "#4004|"},
        {"{\"op\":1,\"d\":null}", "{\"op\":11}|"},
        {"{\"op\":1,\"d\":5}", "#4007|"},
        {"{\"op\":1,\"op\":1,\"d\":null,\"d\":null}", "{\"op\":11}|"},
    };
    struct gw_hub *hub = open_hub(0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gw_session *session = connect_one(hub, (uint32_t)i);
        (void)say(hub, session, cases[i].payload);
        const char *text = heard(hub, session);
        CHECK(strcmp(text, cases[i].answer) == 0, "%s gave %s", cases[i].payload, text);
        gw_hub_disconnect(hub, start, session, 0, &verdict);
    }
    CHECK(hub->sessions.count == 0, "all given back");
    close_hub(hub);
}

TEST(hub, identify_twice_and_too_many_payloads_close)
{
    struct gw_hub *hub = open_hub(0);
    struct gw_session *session = identified(hub, 1, 42, NULL);
    (void)say(hub, session, "{\"op\":2,\"d\":{\"token\":\"a.b.c\",\"intents\":0}}");
    CHECK(strcmp(heard(hub, session), "#4005|") == 0, "twice");
    session = identified(hub, 2, 43, NULL);
    for (int i = 0; i < GW_OPS_PER_MINUTE - 1; i++) {
        (void)say(hub, session, "{\"op\":4,\"d\":{}}");
    }
    CHECK((session->flags & GW_SESSION_DOOMED) == 0, "120 are allowed");
    (void)say(hub, session, "{\"op\":4,\"d\":{}}");
    CHECK(strcmp(heard(hub, session), "#4008|") == 0, "121 are not");
    close_hub(hub);
}

TEST(hub, resumes_with_replay_and_replaces_a_live_connection)
{
    struct gw_hub *hub = open_hub(0);
    char id[128];
    struct gw_session *session = identified(hub, 1, 42, id);
    publish(hub, "\"t\":\"A\",\"d\":{}}");
    CHECK(strcmp(heard(hub, session), "{\"op\":0,\"s\":2,\"t\":\"A\",\"d\":{}}|") == 0, "live");
    gw_hub_disconnect(hub, start, session, 1006, &verdict);
    CHECK(verdict.kind == GW_VERDICT_STATUS && session->state == GW_SESSION_DETACHED, "detached");
    publish(hub, "\"t\":\"B\",\"d\":{}}");
    struct gw_session *fresh = connect_one(hub, 2);
    struct gw_session *now = say(hub, fresh, resume_text(hub, 42, id, 1, -100));
    CHECK(now == session && verdict.ousted == NULL, "the same session, with an expired token");
    const char *replay = "{\"op\":0,\"s\":2,\"t\":\"A\",\"d\":{}}|{\"op\":0,\"s\":3,\"t\":\"B\",\"d\":{}}|"
                         "{\"op\":0,\"s\":4,\"t\":\"RESUMED\",\"d\":{}}|";
    const char *text = heard(hub, now);
    CHECK(strcmp(text, replay) == 0, "%s", text);
    fresh = connect_one(hub, 3);
    now = say(hub, fresh, resume_text(hub, 42, id, 4, 900));
    CHECK(now == session && verdict.ousted == fresh && fresh->conn == 2 && now->conn == 3, "swapped");
    CHECK(strcmp(heard(hub, fresh), "#4102|") == 0, "the old connection is told");
    CHECK(strcmp(heard(hub, now), "{\"op\":0,\"s\":5,\"t\":\"RESUMED\",\"d\":{}}|") == 0,
          "the new one goes on");
    close_hub(hub);
}

TEST(hub, refuses_resumes_that_are_not_its_own)
{
    struct gw_hub *hub = open_hub(0);
    char id[128];
    struct gw_session *session = identified(hub, 1, 42, id);
    struct gw_session *other = connect_one(hub, 2);
    (void)say(hub, other, resume_text(hub, 43, id, 1, 900));
    CHECK(strcmp(heard(hub, other), "#4007|") == 0, "another user's session");
    other = connect_one(hub, 3);
    (void)say(hub, other, resume_text(hub, 42, id, 99, 900));
    CHECK(strcmp(heard(hub, other), "#4007|") == 0, "a seq from the future");
    CHECK(session->conn == 1 && (session->flags & GW_SESSION_DOOMED) == 0, "nothing happened to it");
    other = connect_one(hub, 4);
    (void)say(hub, other, resume_text(hub, 42, "nonsense", 1, 900));
    CHECK(strcmp(heard(hub, other), "{\"op\":9,\"d\":false}|") == 0, "no seal");
    BUS(hub, revoke, REVOKE, .user_id = 42, .sid = 420, .close_code = 4004);
    CHECK(strcmp(heard(hub, session), "#4004|") == 0, "revoked");
    other = connect_one(hub, 5);
    (void)say(hub, other, resume_text(hub, 42, id, 1, 900));
    CHECK(strcmp(heard(hub, other), "#4004|") == 0, "and stays so");
    close_hub(hub);
}

TEST(hub, a_lost_session_is_restored_for_those_who_can_resync)
{
    struct gw_hub *hub = open_hub(0);
    char id[128];
    struct gw_session *session = identified(hub, 1, 42, id);
    gw_hub_disconnect(hub, start, session, 1000, &verdict);
    CHECK(verdict.kind == GW_VERDICT_CLOSE, "1000 ends it");
    struct gw_session *fresh = connect_one(hub, 2);
    (void)say(hub, fresh, resume_text(hub, 42, id, 17, 900));
    CHECK(verdict.kind == GW_VERDICT_OPEN && verdict.as.open.reason == NX_BUS_OPEN_RESTORE &&
              verdict.as.open.intents == 513,
          "asks to restore");
    BUS(hub, session_opened, SESSION_OPENED, .session = gw_session_handle(fresh), .user_id = 42, .sid = 420);
    CHECK(strcmp(heard(hub, fresh), "{\"op\":0,\"s\":18,\"t\":\"RESUMED\",\"d\":{}}|") == 0, "%s",
          heard(hub, fresh));
    gw_hub_disconnect(hub, start, fresh, 1000, &verdict);
    /* Without the capability: op 9, and the connection may identify. */
    strcpy(strrchr(id, '.'), ".0");
    struct gw_session *bot = connect_one(hub, 3);
    (void)say(hub, bot, resume_text(hub, 42, id, 17, 900));
    CHECK(verdict.kind == GW_VERDICT_NONE && strcmp(heard(hub, bot), "{\"op\":9,\"d\":false}|") == 0, "op 9");
    close_hub(hub);
}

/* Restores a session from seq 17 with one NEXUS_RESYNC, which overtakes SESSION_OPENED when `is_early`. */
static void restore_with_resync(bool is_early)
{
    static const char tail[] = "\"t\":\"NEXUS_RESYNC\",\"d\":{}}";
    struct gw_hub *hub = open_hub(0);
    char id[128];
    struct gw_session *session = identified(hub, 1, 42, id);
    gw_hub_disconnect(hub, start, session, 1000, &verdict);
    session = connect_one(hub, 2);
    (void)say(hub, session, resume_text(hub, 42, id, 17, 900));
    uint8_t tails[64];
    struct nx_writer w = nx_writer_init(tails, sizeof(tails));
    nx_writer_u32(&w, sizeof(tail) - 1);
    nx_writer_text(&w, tail);
    for (int step = 0; step < 2; step++) {
        if ((step == 0) == is_early) {
            BUS(hub, session_ready, SESSION_READY, .session = gw_session_handle(session), .is_last = 1,
                .tails = nx_writer_bytes(&w));
        } else {
            BUS(hub, session_opened, SESSION_OPENED, .session = gw_session_handle(session), .user_id = 42,
                .sid = 420, .dispatches = 1);
        }
    }
    const char *text = heard(hub, session);
    CHECK(strcmp(text, "{\"op\":0,\"s\":18,\"t\":\"RESUMED\",\"d\":{}}|"
                       "{\"op\":0,\"s\":19,\"t\":\"NEXUS_RESYNC\",\"d\":{}}|") == 0,
          "%s", text);
    close_hub(hub);
}

TEST(hub, a_restored_session_is_resumed_before_it_is_told_what_to_fetch)
{
    restore_with_resync(false);
    restore_with_resync(true);
}

TEST(hub, moves_a_session_to_another_shard_without_loss)
{
    struct gw_hub *a = open_hub(0);
    struct gw_hub *b = open_hub(1);
    char id[128];
    struct gw_session *old = identified(a, 1, 42, id);
    publish(a, "\"t\":\"A\",\"d\":{}}");
    gw_hub_disconnect(a, start, old, 0, &verdict);
    publish(a, "\"t\":\"B\",\"d\":{}}");
    struct gw_session *fresh = connect_one(b, 2);
    (void)say(b, fresh, resume_text(b, 42, id, 2, 900));
    CHECK(verdict.kind == GW_VERDICT_OPEN && verdict.as.open.reason == NX_BUS_OPEN_MOVE &&
              verdict.as.open.old_shard == 0 && verdict.as.open.old_session == gw_session_handle(old),
          "asks for a move");
    const uint8_t guilds[12] = {0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1};
    BUS(b, session_opened, SESSION_OPENED, .session = gw_session_handle(fresh), .user_id = 42, .sid = 420,
        .guilds = nx_bytes_of(guilds, sizeof(guilds)));
    publish(b, "\"t\":\"C\",\"d\":{}}"); /* After OPENED and before the export. */
    CHECK(strcmp(heard(b, fresh), "") == 0, "held back");
    BUS(a, session_move, SESSION_MOVE, .session = gw_session_handle(old), .new_shard = 1,
        .new_session = gw_session_handle(fresh));
    CHECK(verdict.kind == GW_VERDICT_EXPORT && verdict.session == old, "export");
    size_t size = 0;
    uint8_t *bytes = gw_hub_move_export(a, start, old, &size);
    gw_hub_move_import(b, start, gw_session_handle(fresh), nx_bytes_of(bytes, size), &verdict);
    const char *text = heard(b, fresh);
    CHECK(strcmp(text, "{\"op\":0,\"s\":3,\"t\":\"B\",\"d\":{}}|{\"op\":0,\"s\":4,\"t\":\"C\",\"d\":{}}|"
                       "{\"op\":0,\"s\":5,\"t\":\"RESUMED\",\"d\":{}}|") == 0,
          "%s", text);
    /* Every prefix of an export is refused, not believed. */
    for (size_t cut = 0; cut < size; cut++) {
        struct gw_session *one = connect_one(b, 3);
        (void)say(b, one, resume_text(b, 42, id, 2, 900));
        BUS(b, session_opened, SESSION_OPENED, .session = gw_session_handle(one), .user_id = 42, .sid = 420);
        gw_hub_move_import(b, start, gw_session_handle(one), nx_bytes_of(bytes, cut), &verdict);
        const char *said = heard(b, one);
        CHECK(strstr(said, "\"B\"") == NULL || cut >= 38, "cut at %zu: %s", cut, said);
        gw_hub_disconnect(b, start, one, 1000, &verdict);
    }
    give(NULL, bytes, size);
    CHECK(gw_hub_timeout(a, start, &verdict) && a->sessions.count == 0, "the old one is gone");
    close_hub(a);
    close_hub(b);
}

/* Lets user 42's session `old` on `a` be resumed on `b` from `seq`; returns the session there. */
static struct gw_session *moved(struct gw_hub *a, struct gw_hub *b, struct gw_session *old, const char *id,
                                uint32_t seq)
{
    struct gw_session *fresh = connect_one(b, 2);
    (void)say(b, fresh, resume_text(b, 42, id, seq, 900));
    const uint8_t guilds[12] = {0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1};
    BUS(b, session_opened, SESSION_OPENED, .session = gw_session_handle(fresh), .user_id = 42, .sid = 420,
        .guilds = nx_bytes_of(guilds, sizeof(guilds)));
    size_t size = 0;
    uint8_t *bytes = gw_hub_move_export(a, start, old, &size);
    gw_hub_move_import(b, start, gw_session_handle(fresh), nx_bytes_of(bytes, size), &verdict);
    give(NULL, bytes, size);
    return fresh;
}

TEST(hub, a_moved_session_with_a_seq_from_the_future_closes_with_4007)
{
    struct gw_hub *a = open_hub(0);
    struct gw_hub *b = open_hub(1);
    char id[128];
    struct gw_session *old = identified(a, 1, 42, id);
    gw_hub_disconnect(a, start, old, 0, &verdict);
    struct gw_session *fresh = moved(a, b, old, id, 99);
    const char *text = heard(b, fresh);
    CHECK(strcmp(text, "#4007|") == 0, "%s", text);
    close_hub(a);
    close_hub(b);
}

/* A session that misses more than its old shard has is moved: what it hears on the new one, or a close. */
static const char *moved_too_late(const char *capabilities, struct gw_session **there)
{
    static struct gw_hub *a, *b;
    if (a != NULL) {
        close_hub(a);
        close_hub(b);
    }
    a = open_hub(0);
    b = open_hub(1);
    char id[128];
    struct gw_session *old = identified(a, 1, 42, id);
    strcpy(strrchr(id, '.') + 1, capabilities);
    gw_hub_disconnect(a, start, old, 0, &verdict);
    for (int i = 0; i < GW_RING_SIZE_MAX + 10; i++) {
        publish(a, "\"t\":\"A\",\"d\":{}}");
    }
    *there = moved(a, b, old, id, 1);
    return heard(b, *there);
}

TEST(hub, a_move_that_comes_too_late_is_resumed_and_told_what_to_fetch)
{
    struct gw_session *session;
    const char *text = moved_too_late("1", &session);
    CHECK(strcmp(text,
                 "{\"op\":0,\"s\":2,\"t\":\"RESUMED\",\"d\":{}}|"
                 "{\"op\":0,\"s\":3,\"t\":\"NEXUS_RESYNC\",\"d\":{\"channel_id\":\"70\",\"last_seq\":5}}|") ==
              0,
          "%s", text);
    CHECK(verdict.kind == GW_VERDICT_NONE && session->state == GW_SESSION_READY && session->is_open,
          "goes on");
    text = moved_too_late("0", &session);
    CHECK(strcmp(text, "{\"op\":9,\"d\":false}|") == 0, "%s", text);
    CHECK(verdict.kind == GW_VERDICT_CLOSE && session->state == GW_SESSION_HELLO && session->refs_count == 0,
          "control is told, and the client may identify here");
}

TEST(hub, a_login_made_right_after_a_logout_of_all_is_good)
{
    struct gw_hub *hub = open_hub(0);
    struct gw_session *session = identified(hub, 1, 42, NULL);
    /* The clock of control is far behind: only the order of the ids counts. */
    BUS(hub, revoke, REVOKE, .user_id = 42, .close_code = 4004, .at_ms = 1, .up_to = 420);
    const char *text = heard(hub, session);
    CHECK(strcmp(text, "#4004|") == 0, "the old login is over: %s", text);
    char payload[1024];
    for (uint64_t sid = 420; sid <= 421; sid++) {
        session = connect_one(hub, 2);
        /* The same second as the logout, and long before by the clock of now. */
        snprintf(payload, sizeof(payload), "{\"op\":2,\"d\":{\"token\":\"%s\",\"intents\":0}}",
                 token(hub, 42, sid, 900));
        BUS(hub, revoke, REVOKE, .user_id = 42, .close_code = 4004, .at_ms = (uint64_t)wall_ms, .up_to = 420);
        (void)say(hub, session, payload);
        CHECK((verdict.kind == GW_VERDICT_OPEN) == (sid == 421), "sid %d: kind %d", (int)sid,
              (int)verdict.kind);
    }
    close_hub(hub);
}

TEST(hub, a_session_that_control_lets_go_is_over)
{
    struct gw_hub *hub = open_hub(0);
    char id[128];
    struct gw_session *session = identified(hub, 1, 42, id);
    gw_hub_disconnect(hub, start, session, 0, &verdict);
    BUS(hub, session_end, SESSION_END, .session = gw_session_handle(session));
    CHECK(gw_hub_timeout(hub, start, &verdict) && verdict.kind == GW_VERDICT_NONE && hub->sessions.count == 0,
          "given back, and control is not told what it said itself");
    struct gw_session *fresh = connect_one(hub, 2);
    (void)say(hub, fresh, resume_text(hub, 42, id, 1, 900));
    CHECK(verdict.kind == GW_VERDICT_OPEN && verdict.as.open.reason == NX_BUS_OPEN_RESTORE,
          "as after a crash");
    session = identified(hub, 3, 43, NULL);
    BUS(hub, session_end, SESSION_END, .session = gw_session_handle(session));
    CHECK(strcmp(heard(hub, session), "#4000|") == 0, "its client had come back");
    close_hub(hub);
}

TEST(hub, a_status_that_the_link_did_not_take_is_told_later)
{
    struct gw_hub *hub = open_hub(0);
    struct gw_session *session = identified(hub, 1, 42, NULL);
    uint32_t cursor = 0;
    struct nx_bus_session_status status;
    (void)say(hub, session, "{\"op\":3,\"d\":{\"status\":\"dnd\"}}");
    CHECK(verdict.kind == GW_VERDICT_STATUS, "told");
    gw_hub_undelivered(hub, start, &verdict);
    (void)say(hub, session, "{\"op\":3,\"d\":{\"status\":\"idle\"}}");
    gw_hub_undelivered(hub, start, &verdict);
    CHECK(hub->has_statuses_owed && gw_hub_status_next(hub, &cursor, &status) &&
              status.session == gw_session_handle(session) && status.status == NX_BUS_STATUS_IDLE,
          "the newest");
    CHECK(!gw_hub_status_next(hub, &cursor, &status) && !hub->has_statuses_owed, "once");
    gw_hub_disconnect(hub, start, session, 0, &verdict);
    gw_hub_undelivered(hub, start, &verdict);
    cursor = 0;
    CHECK(gw_hub_status_next(hub, &cursor, &status) && status.status == NX_BUS_STATUS_OFFLINE, "gone");
    close_hub(hub);
}

TEST(hub, a_status_that_changed_while_control_came_back_is_told)
{
    struct gw_hub *hub = open_hub(0);
    struct gw_session *session = identified(hub, 1, 42, NULL);
    uint32_t cursor = 0;
    struct nx_bus_session_open open;
    struct nx_bus_session_status status;
    gw_hub_bus_down(hub);
    BUS(hub, synced, SYNCED, .boot = 2);
    CHECK(gw_hub_bus_reopen(hub, &cursor, &open) && open.status == NX_BUS_STATUS_ONLINE, "told again");
    (void)say(hub, session, "{\"op\":3,\"d\":{\"status\":\"dnd\"}}");
    CHECK(verdict.kind == GW_VERDICT_NONE, "control would not know whose");
    BUS(hub, session_opened, SESSION_OPENED, .session = gw_session_handle(session), .user_id = 42,
        .sid = 420);
    cursor = 0;
    CHECK(hub->has_statuses_owed && gw_hub_status_next(hub, &cursor, &status) &&
              status.status == NX_BUS_STATUS_DND,
          "now it does");
    close_hub(hub);
}

TEST(hub, a_live_session_can_repeat_as_much_as_ready_says)
{
    struct gw_hub *hub = open_hub(0);
    char id[128];
    struct gw_session *session = identified(hub, 1, 42, id);
    for (int i = 0; i < 2 * GW_REPLAY_MIN; i++) {
        publish(hub, "\"t\":\"A\",\"d\":{}}");
        (void)heard(hub, session); /* READY is 1, these are 2 to 513 */
    }
    CHECK(session->ring_mask + 1 == GW_REPLAY_MIN, "bounded: %u", session->ring_mask + 1);
    gw_hub_disconnect(hub, start, session, 0, &verdict);
    struct gw_session *fresh = connect_one(hub, 2);
    (void)say(hub, fresh, resume_text(hub, 42, id, GW_REPLAY_MIN + 1, 900));
    CHECK(verdict.session == session, "the last 256 can be repeated");
    const char *text = heard(hub, session);
    CHECK(strncmp(text, "{\"op\":0,\"s\":258,", 16) == 0, "%.60s", text);
    close_hub(hub);
}

TEST(hub, moves_all_that_a_detached_session_gathered)
{
    enum { GATHERED = GW_UNSENT_MAX + 100 };
    struct gw_hub *a = open_hub(0);
    struct gw_hub *b = open_hub(1);
    char id[128];
    struct gw_session *old = identified(a, 1, 42, id);
    gw_hub_disconnect(a, start, old, 0, &verdict);
    for (int i = 0; i < GATHERED; i++) {
        publish(a, "\"t\":\"B\",\"d\":{}}");
    }
    struct gw_session *fresh = moved(a, b, old, id, 1);
    CHECK(fresh->state == GW_SESSION_READY && (fresh->flags & GW_SESSION_DOOMED) == 0, "lives");
    CHECK(fresh->head - fresh->sent == GATHERED + 1, "%u dispatches", fresh->head - fresh->sent);
    static const char first[] = "{\"op\":0,\"s\":2,\"t\":\"B\",\"d\":{}}";
    uint8_t wire[64];
    const size_t size = gw_output_write(&b->output, fresh, wire, sizeof(wire));
    CHECK(size == sizeof(wire) && memcmp(wire + 2, first, sizeof(first) - 1) == 0, "%.*s", (int)size - 2,
          (const char *)wire + 2);
    close_hub(a);
    close_hub(b);
}

TEST(hub, an_export_that_overtakes_the_word_of_control_waits_for_it)
{
    struct gw_hub *a = open_hub(0);
    struct gw_hub *b = open_hub(1);
    char id[128];
    struct gw_session *old = identified(a, 1, 42, id);
    gw_hub_disconnect(a, start, old, 0, &verdict);
    publish(a, "\"t\":\"B\",\"d\":{}}");
    struct gw_session *fresh = connect_one(b, 2);
    (void)say(b, fresh, resume_text(b, 42, id, 1, 900));
    size_t size = 0;
    uint8_t *bytes = gw_hub_move_export(a, start, old, &size);
    gw_hub_move_import(b, start, gw_session_handle(fresh), nx_bytes_of(bytes, size), &verdict);
    give(NULL, bytes, size);
    CHECK(strcmp(heard(b, fresh), "") == 0, "nothing before control has spoken");
    BUS(b, session_opened, SESSION_OPENED, .session = gw_session_handle(fresh), .user_id = 42, .sid = 420);
    const char *text = heard(b, fresh);
    CHECK(strcmp(text,
                 "{\"op\":0,\"s\":2,\"t\":\"B\",\"d\":{}}|{\"op\":0,\"s\":3,\"t\":\"RESUMED\",\"d\":{}}|") ==
              0,
          "%s", text);
    /* And when control says no, it is forgotten. */
    old = identified(a, 1, 42, id);
    fresh = connect_one(b, 3);
    (void)say(b, fresh, resume_text(b, 42, id, 1, 900));
    bytes = gw_hub_move_export(a, start, old, &size);
    gw_hub_move_import(b, start, gw_session_handle(fresh), nx_bytes_of(bytes, size), &verdict);
    give(NULL, bytes, size);
    BUS(b, session_opened, SESSION_OPENED, .session = gw_session_handle(fresh),
        .close_code = GW_CLOSE_DISABLED);
    CHECK(strcmp(heard(b, fresh), "{\"op\":9,\"d\":false}|") == 0 && fresh->burst == NULL, "refused");
    close_hub(a);
    close_hub(b);
}

TEST(hub, a_moved_session_is_replayed_under_the_name_it_began_with)
{
    struct gw_hub *b = open_hub(1);
    struct gw_hub *a = open_hub(0);
    char id[128];
    struct gw_session *old = identified(a, 1, 42, id);
    const uint64_t name = gw_session_handle(old);
    gw_hub_disconnect(a, start, old, 0, &verdict);
    struct gw_session *fresh = moved(a, b, old, id, 1);
    (void)heard(b, fresh);
    gw_hub_disconnect(b, start, fresh, 0, &verdict);
    publish(b, "\"t\":\"A\",\"d\":{}}");
    struct gw_session *again = connect_one(b, 3);
    (void)say(b, again, resume_text(b, 42, id, 2, 900));
    const char *text = heard(b, fresh);
    CHECK(fresh->conn == 3 && strcmp(text, "{\"op\":0,\"s\":3,\"t\":\"A\",\"d\":{}}|"
                                           "{\"op\":0,\"s\":4,\"t\":\"RESUMED\",\"d\":{}}|") == 0,
          "%s", text);
    /* Control learns the name anew when it comes back. */
    gw_hub_bus_down(b);
    BUS(b, synced, SYNCED, .boot = 2);
    uint32_t cursor = 0;
    struct nx_bus_session_open open;
    CHECK(gw_hub_bus_reopen(b, &cursor, &open) && open.session == gw_session_handle(fresh) &&
              open.old_session == name && open.old_shard == 0,
          "told by its first name");
    close_hub(a);
    close_hub(b);
}

TEST(hub, two_sessions_of_a_login_are_never_taken_for_each_other)
{
    struct gw_hub *b = open_hub(1);
    struct gw_hub *a = open_hub(0);
    char id[128];
    struct gw_session *old = identified(a, 1, 42, id);
    gw_hub_disconnect(a, start, old, 0, &verdict);
    /* The same slot and generation on the other shard, same user, same login. */
    struct gw_session *other = identified(b, 1, 42, NULL);
    CHECK(gw_session_handle(other) == gw_session_handle(old), "same name, were it not for the shard");
    struct gw_session *fresh = connect_one(b, 2);
    (void)say(b, fresh, resume_text(b, 42, id, 1, 900));
    CHECK(verdict.kind == GW_VERDICT_OPEN && other->conn == 1, "its own is asked for");
    /* A later life of a shard gives no name again. */
    struct gw_sessions first, second;
    const struct gw_memory memory = {.take = take, .give = give};
    gw_session_table_init(&first, &memory, 10, 1);
    gw_session_table_init(&second, &memory, 10, 2);
    CHECK(gw_session_handle(gw_session_take(&first)) != gw_session_handle(gw_session_take(&second)),
          "names differ from life to life");
    gw_session_table_fini(&first);
    gw_session_table_fini(&second);
    close_hub(a);
    close_hub(b);
}

TEST(hub, a_session_that_no_shard_has_is_restored)
{
    struct gw_hub *b = open_hub(1);
    struct gw_hub *a = open_hub(0);
    char id[128];
    struct gw_session *old = identified(a, 1, 42, id);
    gw_hub_disconnect(a, start, old, 1000, &verdict);
    struct gw_session *again = connect_one(b, 3);
    (void)say(b, again, resume_text(b, 42, id, 2, 900));
    CHECK(verdict.kind == GW_VERDICT_OPEN && verdict.as.open.reason == NX_BUS_OPEN_MOVE, "asks for a move");
    BUS(b, session_opened, SESSION_OPENED, .session = gw_session_handle(again), .user_id = 42,
        .close_code = GW_CLOSE_TIMEOUT);
    CHECK(verdict.kind == GW_VERDICT_OPEN && verdict.as.open.reason == NX_BUS_OPEN_RESTORE &&
              verdict.as.open.session == gw_session_handle(again) && verdict.as.open.user_id == 42 &&
              again->is_open && again->state == GW_SESSION_OPENING,
          "asks for a restore");
    /* Refused once more it is over; and a refusal for good is never argued with. */
    BUS(b, session_opened, SESSION_OPENED, .session = gw_session_handle(again), .user_id = 42,
        .close_code = GW_CLOSE_TIMEOUT);
    CHECK(verdict.kind == GW_VERDICT_NONE && strcmp(heard(b, again), "{\"op\":9,\"d\":false}|") == 0, "op 9");
    (void)say(b, again, resume_text(b, 42, id, 2, 900));
    BUS(b, session_opened, SESSION_OPENED, .session = gw_session_handle(again), .user_id = 42,
        .close_code = GW_CLOSE_DISABLED);
    CHECK(verdict.kind == GW_VERDICT_NONE, "not asked again");
    close_hub(a);
    close_hub(b);
}

TEST(hub, sessions_opened_while_others_are_told_again_are_left_alone)
{
    struct gw_hub *hub = open_hub(0);
    struct gw_session *old = identified(hub, 1, 42, NULL);
    struct gw_session *waiting = connect_one(hub, 2);
    char text[1024];
    snprintf(text, sizeof(text), "{\"op\":2,\"d\":{\"token\":\"%s\",\"intents\":0}}",
             token(hub, 43, 430, 900));
    (void)say(hub, waiting, text);
    gw_hub_bus_down(hub);
    BUS(hub, synced, SYNCED, .boot = 2);
    /* The link has no room for all at once: before their turn comes, others arrive that control hears of by themselves. */
    struct gw_session *fresh = identified(hub, 3, 44, NULL);
    struct gw_session *opening = connect_one(hub, 4);
    snprintf(text, sizeof(text), "{\"op\":2,\"d\":{\"token\":\"%s\",\"intents\":0}}",
             token(hub, 45, 450, 900));
    (void)say(hub, opening, text);
    CHECK(verdict.kind == GW_VERDICT_OPEN, "asks control");
    uint32_t cursor = 0;
    struct nx_bus_session_open open;
    CHECK(gw_hub_bus_reopen(hub, &cursor, &open) && open.session == gw_session_handle(old) &&
              open.reason == NX_BUS_OPEN_RESTORE,
          "the old one");
    CHECK(!gw_hub_bus_reopen(hub, &cursor, &open), "and nobody else");
    CHECK(strcmp(heard(hub, waiting), "#4000|") == 0, "what control forgot is asked again by the client");
    CHECK(strcmp(heard(hub, fresh), "") == 0 && strcmp(heard(hub, opening), "") == 0, "the others live");
    close_hub(hub);
}

TEST(hub, a_frame_that_can_never_be_finished_cuts_the_connection)
{
    struct gw_hub *hub = open_hub(0);
    struct gw_session *session = identified(hub, 1, 42, NULL);
    uint8_t wire[16];
    publish(hub, "\"t\":\"A\",\"d\":{}}");
    const size_t size = gw_output_write(&hub->output, session, wire, sizeof(wire));
    gw_output_sent(&hub->output, session, size);
    CHECK(size == sizeof(wire) && session->cut == GW_CUT_FRAME, "half a frame has left");
    gw_fanout_doom(&hub->fanout, session, GW_CLOSE_SLOW, "slow consumer");
    for (int i = 0; i < GW_RING_SIZE_MAX + 10; i++) {
        publish(hub, "\"t\":\"B\",\"d\":{}}");
    }
    /* A close frame in the middle of another frame would be taken for its payload. */
    CHECK(session->cut == GW_CUT_FRAME || (session->flags & GW_SESSION_ABORT) != 0, "cut %u flags %u",
          session->cut, session->flags);
    close_hub(hub);
}

TEST(hub, a_message_waits_for_control_and_is_refused_when_it_takes_too_long)
{
    static const char send[] = "{\"op\":67,\"d\":{\"channel_id\":\"70\",\"content\":\"x\",\"nonce\":\"n\"}}";
    static const char other[] = "{\"op\":67,\"d\":{\"channel_id\":\"70\",\"content\":\"y\",\"nonce\":\"m\"}}";
    struct gw_hub *hub = open_hub(0);
    struct gw_session *session = identified(hub, 1, 42, NULL);
    struct nx_bus_message_send message;
    gw_hub_bus_down(hub);
    (void)say(hub, session, send);
    (void)say(hub, session, other);
    CHECK(verdict.kind == GW_VERDICT_NONE && strcmp(heard(hub, session), "") == 0,
          "control is gone: they wait");
    CHECK(!gw_hub_send_next(hub, start, &message), "it is not back");
    BUS(hub, synced, SYNCED, .boot = 2);
    uint32_t cursor = 0;
    struct nx_bus_session_open open;
    CHECK(gw_hub_bus_reopen(hub, &cursor, &open), "told again");
    CHECK(!gw_hub_send_next(hub, start, &message), "back, but it does not know the session");
    BUS(hub, session_opened, SESSION_OPENED, .session = gw_session_handle(session), .user_id = 42,
        .sid = 420);
    (void)say(hub, session, "{\"op\":67,\"d\":{\"channel_id\":\"70\",\"content\":\"z\"}}");
    CHECK(verdict.kind == GW_VERDICT_NONE, "never before what waits");
    const char *order[] = {"x", "y", "z"};
    for (int i = 0; i < 3; i++) {
        CHECK(gw_hub_send_next(hub, start, &message) && nx_bytes_is(message.content, order[i]) &&
                  message.channel_id == 70 && message.session == gw_session_handle(session),
              "in order: %d", i);
    }
    CHECK(!gw_hub_send_next(hub, start, &message) && hub->sends_count == 0, "that was all");
    (void)say(hub, session, send);
    CHECK(verdict.kind == GW_VERDICT_MESSAGE && strcmp(heard(hub, session), "") == 0, "goes to control");
    gw_hub_undelivered(hub, start, &verdict); /* The link is full: it waits too. */
    CHECK(hub->sends_count == 1, "waits");
    gw_hub_send_expire(hub, nx_time_add_ms(start, GW_SEND_WAIT_MS - 1));
    CHECK(strcmp(heard(hub, session), "") == 0, "not yet");
    gw_hub_send_expire(hub, nx_time_add_ms(start, GW_SEND_WAIT_MS));
    const char *text = heard(hub, session);
    CHECK(strstr(text, "NEXUS_MESSAGE_REFUSED") != NULL &&
              strstr(text, "\"nonce\":\"n\",\"code\":130000") != NULL && hub->sends_count == 0,
          "%s", text);
    close_hub(hub);
}

TEST(hub, a_message_gets_one_answer_whatever_becomes_of_control)
{
    struct gw_hub *hub = open_hub(0);
    struct gw_session *session = identified(hub, 1, 42, NULL);
    uint64_t numbers[3];
    for (int i = 0; i < 3; i++) {
        char send[128];
        snprintf(send, sizeof(send),
                 "{\"op\":67,\"d\":{\"channel_id\":\"70\",\"content\":\"x\",\"nonce\":\"n%d\"}}", i);
        (void)say(hub, session, send);
        CHECK(verdict.kind == GW_VERDICT_MESSAGE && verdict.as.message.number != 0,
              "goes to control, numbered");
        numbers[i] = verdict.as.message.number;
    }
    const char *ack = "\"t\":\"NEXUS_MESSAGE_ACK\",\"d\":{}}";
    for (int i = 0; i < 2; i++) {
        BUS(hub, session_event, SESSION_EVENT, .session = gw_session_handle(session),
            .tail = nx_bytes_text(ack), .number = numbers[1]);
        CHECK((strstr(heard(hub, session), "ACK") != NULL) == (i == 0), "once");
    }
    gw_hub_send_expire(hub, nx_time_add_ms(start, GW_SEND_WAIT_MS + GW_SEND_ANSWER_MS - 1));
    CHECK(strcmp(heard(hub, session), "") == 0, "not yet");
    gw_hub_send_expire(hub, nx_time_add_ms(start, GW_SEND_WAIT_MS + GW_SEND_ANSWER_MS));
    const char *text = heard(hub, session);
    CHECK(strstr(text, "\"nonce\":\"n0\",\"code\":130000") != NULL && strstr(text, "\"n1\"") == NULL &&
              strstr(text, "\"nonce\":\"n2\",\"code\":130000") != NULL,
          "%s", text);
    BUS(hub, session_event, SESSION_EVENT, .session = gw_session_handle(session), .tail = nx_bytes_text(ack),
        .number = numbers[0]);
    CHECK(strcmp(heard(hub, session), "") == 0, "too late: it was refused");
    (void)say(hub, session, "{\"op\":67,\"d\":{\"channel_id\":\"70\",\"content\":\"x\",\"nonce\":\"n3\"}}");
    CHECK(strcmp(heard(hub, session), "") == 0, "with control");
    gw_hub_bus_down(hub);
    CHECK(strstr(heard(hub, session), "\"nonce\":\"n3\",\"code\":130000") != NULL, "control is gone with it");
    gw_hub_bus_down(hub);
    CHECK(strcmp(heard(hub, session), "") == 0, "once");
    close_hub(hub);
}

TEST(hub, sends_without_an_answer_are_bounded)
{
    struct gw_hub *hub = open_hub(0);
    struct gw_session *session = identified(hub, 1, 42, NULL);
    hub->has_rate_limits = false;
    const char *send = "{\"op\":67,\"d\":{\"channel_id\":\"70\",\"content\":\"x\",\"nonce\":\"n\"}}";
    for (int i = 0; i < GW_SENDS_OUT_MAX; i++) {
        (void)say(hub, session, send);
        CHECK(verdict.kind == GW_VERDICT_MESSAGE, "goes");
    }
    (void)say(hub, session, send);
    CHECK(verdict.kind == GW_VERDICT_NONE && hub->sends_count == 1, "waits");
    struct nx_bus_message_send message;
    CHECK(!gw_hub_send_next(hub, start, &message), "until one is answered");
    BUS(hub, session_event, SESSION_EVENT, .session = gw_session_handle(session),
        .tail = nx_bytes_text("\"t\":\"NEXUS_MESSAGE_ACK\",\"d\":{}}"), .number = 1);
    CHECK(gw_hub_send_next(hub, start, &message) && message.number == GW_SENDS_OUT_MAX + 1, "goes now");
    close_hub(hub);
}

TEST(hub, messages_that_wait_are_bounded_and_go_with_their_session)
{
    struct gw_hub *hub = open_hub(0);
    struct gw_session *session = identified(hub, 1, 42, NULL);
    hub->has_rate_limits = false;
    gw_hub_bus_down(hub);
    for (int i = 0; i <= GW_SENDS_WAITING_MAX; i++) {
        CHECK(strcmp(heard(hub, session), "") == 0, "waits");
        (void)say(hub, session,
                  "{\"op\":67,\"d\":{\"channel_id\":\"70\",\"content\":\"x\",\"nonce\":\"n\"}}");
    }
    CHECK(strstr(heard(hub, session), "130000") != NULL, "one too many");
    gw_hub_disconnect(hub, start, session, 1000, &verdict);
    BUS(hub, synced, SYNCED, .boot = 2);
    struct nx_bus_message_send message;
    CHECK(!gw_hub_send_next(hub, start, &message) && hub->sends_count == 0 && hub->sends_size == 0, "gone");
    session = identified(hub, 2, 43, NULL);
    hub->tick_at = nx_time_add_ms(start, -GW_BUS_SILENT_MS - 1);
    (void)say(hub, session, "{\"op\":67,\"d\":{\"channel_id\":\"70\",\"content\":\"x\"}}");
    CHECK(verdict.kind == GW_VERDICT_NONE && hub->sends_count == 1, "control is silent");
    close_hub(hub);
}

TEST(hub, after_control_came_back_old_rights_show_nothing)
{
    struct gw_hub *hub = open_hub(0);
    struct gw_session *session = identified(hub, 1, 42, NULL);
    publish(hub, "\"t\":\"A\",\"d\":{}}");
    CHECK(strstr(heard(hub, session), "\"A\"") != NULL, "sees the channel");
    /* Control numbers role sets anew when it starts: until it says what this session's is, its old number means nothing. */
    gw_hub_bus_down(hub);
    BUS(hub, synced, SYNCED, .boot = 2);
    uint32_t cursor = 0;
    struct nx_bus_session_open open;
    CHECK(gw_hub_bus_reopen(hub, &cursor, &open) && open.session == gw_session_handle(session), "told again");
    const uint8_t view = 0x02;
    BUS(hub, channel_state, CHANNEL_STATE, .guild_id = 7, .channel_id = 71, .view = nx_bytes_of(&view, 1));
    BUS(hub, event, EVENT, .guild_id = 7, .channel_id = 71, .intents = 1 << 9, .seq = 1,
        .tail = nx_bytes_text("\"t\":\"SECRET\",\"d\":{}}"));
    BUS(hub, event, EVENT, .guild_id = 7, .intents = 1, .tail = nx_bytes_text("\"t\":\"OPEN\",\"d\":{}}"));
    gw_fanout_settle_all(&hub->fanout);
    const char *text = heard(hub, session);
    CHECK(strstr(text, "SECRET") == NULL && strstr(text, "OPEN") != NULL, "%s", text);
    /* What it subscribes to meanwhile is kept: the rights count when something is delivered. */
    (void)say(hub, session, "{\"op\":64,\"d\":{\"guild_id\":\"7\",\"channels\":[\"70\"]}}");
    text = heard(hub, session);
    CHECK(strcmp(text, "") == 0,
          "whether it may view the channel, and where that stands, is not known yet: %s", text);
    const uint8_t guilds[12] = {0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2};
    const uint8_t all = 0xff;
    BUS(hub, channel_state, CHANNEL_STATE, .guild_id = 7, .channel_id = 70, .last_seq = 9,
        .view = nx_bytes_of(&all, 1));
    BUS(hub, session_opened, SESSION_OPENED, .session = gw_session_handle(session), .user_id = 42, .sid = 420,
        .guilds = nx_bytes_of(guilds, sizeof(guilds)));
    text = heard(hub, session);
    CHECK(strstr(text, "\"t\":\"NEXUS_SUBSCRIBED\",\"d\":{\"guild_id\":\"7\",\"channels\":[{\"id\":\"70\","
                       "\"last_seq\":9}]") != NULL,
          "%s", text);
    publish(hub, "\"t\":\"B\",\"d\":{}}");
    text = heard(hub, session);
    CHECK(strstr(text, "\"B\"") != NULL, "%s", text);
    close_hub(hub);
}

/* Control comes back and says that the channel stands at `last_seq`, then that the session is known again. */
static void back_at(struct gw_hub *hub, struct gw_session *session, uint64_t last_seq)
{
    const uint8_t guilds[12] = {0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2};
    const uint8_t all = 0xff;
    uint32_t cursor = 0;
    struct nx_bus_session_open open;
    gw_hub_bus_down(hub);
    BUS(hub, synced, SYNCED, .boot = 2);
    CHECK(gw_hub_bus_reopen(hub, &cursor, &open) && open.session == gw_session_handle(session), "told again");
    BUS(hub, channel_state, CHANNEL_STATE, .guild_id = 7, .channel_id = 70, .last_seq = last_seq,
        .view = nx_bytes_of(&all, 1));
    BUS(hub, session_opened, SESSION_OPENED, .session = gw_session_handle(session), .user_id = 42, .sid = 420,
        .guilds = nx_bytes_of(guilds, sizeof(guilds)));
}

TEST(hub, who_cannot_fetch_is_let_go_when_control_comes_back_with_messages_that_were_never_told)
{
    for (int can_fetch = 0; can_fetch < 2; can_fetch++) {
        struct gw_hub *hub = open_hub(0);
        struct gw_session *session = identified(hub, 1, 42, NULL);
        session->capabilities = can_fetch ? session->capabilities : 0;
        publish(hub, "\"t\":\"A\",\"d\":{}}"); /* the channel stands at 6 */
        CHECK(strstr(heard(hub, session), "\"A\"") != NULL, "heard");
        back_at(hub, session, 6);
        CHECK(strcmp(heard(hub, session), "") == 0, "nothing was missed");
        back_at(hub, session, 7);
        CHECK(strcmp(heard(hub, session), can_fetch ? "" : "#4104|") == 0, "7 was never told");
        if (can_fetch) {
            back_at(hub, session, 7);
            CHECK(strcmp(heard(hub, session), "") == 0, "once is enough");
        }
        close_hub(hub);
    }
}

TEST(hub, a_subscription_to_a_guild_that_is_lost_meanwhile_is_answered_as_empty)
{
    struct gw_hub *hub = open_hub(0);
    struct gw_session *session = identified(hub, 1, 42, NULL);
    gw_hub_bus_down(hub);
    BUS(hub, synced, SYNCED, .boot = 2);
    uint32_t cursor = 0;
    struct nx_bus_session_open open;
    CHECK(gw_hub_bus_reopen(hub, &cursor, &open), "told again");
    (void)say(hub, session, "{\"op\":64,\"d\":{\"guild_id\":\"7\",\"channels\":[\"70\"]}}");
    BUS(hub, session_opened, SESSION_OPENED, .session = gw_session_handle(session), .user_id = 42,
        .sid = 420);
    const char *text = heard(hub, session);
    CHECK(strstr(text, "\"d\":{\"guild_id\":\"7\",\"channels\":[]}") != NULL, "%s", text);
    close_hub(hub);
}

TEST(hub, subscribes_and_answers_last_seq)
{
    struct gw_hub *hub = open_hub(0);
    struct gw_session *session = identified(hub, 1, 42, NULL);
    publish(hub, "\"t\":\"A\",\"d\":{}}");
    (void)heard(hub, session);
    (void)say(hub, session, "{\"op\":64,\"d\":{\"guild_id\":\"7\",\"channels\":[\"70\",\"70\",\"71\"]}}");
    const char *text = heard(hub, session);
    CHECK(strstr(text, "\"channels\":[{\"id\":\"70\",\"last_seq\":6}]") != NULL, "%s", text);
    char many[16384];
    size_t size =
        (size_t)snprintf(many, sizeof(many), "{\"op\":64,\"d\":{\"guild_id\":\"7\",\"channels\":[1");
    for (int i = 0; i < GW_SUBSCRIPTIONS_MAX; i++) {
        size += (size_t)snprintf(many + size, sizeof(many) - size, ",%d", i);
    }
    snprintf(many + size, sizeof(many) - size, "]}}");
    (void)say(hub, session, many);
    CHECK(strcmp(heard(hub, session), "#4002|") == 0, "the cap");
    close_hub(hub);
}

TEST(hub, who_does_not_look_at_a_channel_hears_that_it_has_news)
{
    static const char unread[] =
        "\"t\":\"NEXUS_UNREAD\",\"d\":{\"guild_id\":\"7\",\"channel_id\":\"70\",\"last_seq\":";
    struct gw_hub *hub = open_hub(0);
    struct gw_session *all = identified(hub, 1, 42, NULL);
    struct gw_session *here = identified(hub, 2, 43, NULL);
    struct gw_session *elsewhere = identified(hub, 3, 44, NULL);
    const uint8_t view = 0xff;
    BUS(hub, channel_state, CHANNEL_STATE, .guild_id = 7, .channel_id = 71, .view = nx_bytes_of(&view, 1));
    (void)say(hub, here, "{\"op\":64,\"d\":{\"guild_id\":\"7\",\"channels\":[\"70\",\"71\"]}}");
    (void)say(hub, elsewhere, "{\"op\":64,\"d\":{\"guild_id\":\"7\",\"channels\":[\"71\"]}}");
    (void)heard(hub, here);
    (void)heard(hub, elsewhere);
    for (uint64_t seq = 6; seq <= 9; seq++) {
        BUS(hub, event, EVENT, .guild_id = 7, .channel_id = 70, .intents = 1 << 9, .seq = seq,
            .tail = nx_bytes_text("\"t\":\"MESSAGE_CREATE\",\"d\":{}}"));
    }
    gw_fanout_settle_all(&hub->fanout);
    CHECK(strstr(heard(hub, all), "NEXUS_UNREAD") == NULL, "hears everything");
    const char *text = heard(hub, here);
    CHECK(strstr(text, "NEXUS_UNREAD") == NULL && strstr(text, "MESSAGE_CREATE") != NULL, "%s", text);
    text = heard(hub, elsewhere);
    const char *at = strstr(text, unread);
    CHECK(at != NULL && at[sizeof(unread) - 1] == '6' && strstr(at + 1, unread) == NULL &&
              strstr(text, "MESSAGE_CREATE") == NULL,
          "the first at once: %s", text);
    gw_hub_unread_tick(hub, nx_time_add_ms(start, GW_UNREAD_MS - 1));
    gw_fanout_settle_all(&hub->fanout);
    CHECK(strcmp(heard(hub, elsewhere), "") == 0, "not yet");
    gw_hub_unread_tick(hub, nx_time_add_ms(start, GW_UNREAD_MS));
    gw_hub_unread_tick(hub, nx_time_add_ms(start, GW_UNREAD_MS));
    gw_fanout_settle_all(&hub->fanout);
    text = heard(hub, elsewhere);
    at = strstr(text, unread);
    CHECK(at != NULL && at[sizeof(unread) - 1] == '9' && strstr(at + 1, unread) == NULL, "the last: %s",
          text);
    CHECK(strcmp(heard(hub, here), "") == 0 && strcmp(heard(hub, all), "") == 0, "nobody else");
    /* A session that may not view the channel learns nothing of it. */
    const uint8_t none = 0;
    BUS(hub, channel_state, CHANNEL_STATE, .guild_id = 7, .channel_id = 70, .last_seq = 9,
        .view = nx_bytes_of(&none, 1));
    BUS(hub, event, EVENT, .guild_id = 7, .channel_id = 70, .intents = 1 << 9, .seq = 10,
        .tail = nx_bytes_text("\"t\":\"MESSAGE_CREATE\",\"d\":{}}"));
    gw_hub_unread_tick(hub, nx_time_add_ms(start, 3 * GW_UNREAD_MS));
    gw_fanout_settle_all(&hub->fanout);
    CHECK(strcmp(heard(hub, elsewhere), "") == 0, "may not view it");
    BUS(hub, event, EVENT, .guild_id = 7, .channel_id = 71, .intents = 1 << 9, .seq = 1,
        .tail = nx_bytes_text("\"t\":\"MESSAGE_CREATE\",\"d\":{}}"));
    (void)say(hub, elsewhere, "{\"op\":64,\"d\":{\"guild_id\":\"7\"}}");
    (void)say(hub, here, "{\"op\":64,\"d\":{\"guild_id\":\"7\"}}");
    CHECK(gw_guild_at(&hub->guilds, gw_guild_find(&hub->guilds, 7))->selective_count == 0, "all look again");
    BUS(hub, channel_gone, CHANNEL_GONE, .guild_id = 7, .channel_id = 71);
    gw_hub_unread_tick(hub, nx_time_add_ms(start, 5 * GW_UNREAD_MS));
    close_hub(hub);
}

TEST(hub, those_who_never_resume_lock_nobody_out)
{
    struct gw_hub *hub = open_hub(0); /* 2,000 slots */
    struct gw_session *live = identified(hub, 1, 42, NULL);
    for (uint32_t i = 0; i < 6000; i++) {
        struct gw_session *session = gw_hub_connect(hub, start, 2, false, false);
        CHECK(session != NULL, "refused after %u", i);
        gw_session_state_set(&hub->sessions, session, GW_SESSION_READY);
        gw_hub_disconnect(hub, start, session, 0, &verdict);
        CHECK(session->state == GW_SESSION_DETACHED, "waits for its client");
        while (i % 50 == 0 && gw_hub_timeout(hub, start, &verdict)) {
        }
    }
    CHECK(live->state == GW_SESSION_READY && (live->flags & GW_SESSION_DOOMED) == 0,
          "who has a client stays");
    CHECK(hub->sessions.count > 1700, "no more than needed: %u", hub->sessions.count);
    close_hub(hub);
}

TEST(hub, what_is_unread_is_told_before_a_session_moves_or_looks_elsewhere)
{
    struct gw_hub *hub = open_hub(0);
    struct gw_session *session = identified(hub, 1, 42, NULL);
    size_t size = 0;
    for (int i = 0; i < 2; i++) {
        (void)say(hub, session, "{\"op\":64,\"d\":{\"guild_id\":\"7\",\"channels\":[]}}");
        (void)heard(hub, session);
        for (uint64_t seq = 6; seq <= 7; seq++) {
            BUS(hub, event, EVENT, .guild_id = 7, .channel_id = 70, .intents = 1 << 9,
                .seq = seq + 2 * (uint64_t)i, .tail = nx_bytes_text("\"t\":\"MESSAGE_CREATE\",\"d\":{}}"));
        }
        gw_fanout_settle_all(&hub->fanout);
        (void)heard(hub, session); /* of the first one, at once */
        if (i == 0) {
            (void)say(hub, session, "{\"op\":64,\"d\":{\"guild_id\":\"7\"}}");
            const char *text = heard(hub, session);
            CHECK(strstr(text, "\"channel_id\":\"70\",\"last_seq\":7}") != NULL, "%s", text);
        }
    }
    uint8_t *bytes = gw_hub_move_export(hub, start, session, &size);
    char text[4096] = "";
    for (size_t k = 0; k < size && k < sizeof(text) - 1; k++) {
        text[k] = bytes[k] != 0 ? (char)bytes[k] : ' ';
    }
    CHECK(strstr(text, "\"channel_id\":\"70\",\"last_seq\":9}") != NULL, "%s", text);
    give(NULL, bytes, size);
    close_hub(hub);
}

TEST(hub, a_session_restored_elsewhere_is_forgotten_here)
{
    struct gw_hub *hub = open_hub(0);
    struct gw_session *session = identified(hub, 1, 42, NULL);
    gw_hub_disconnect(hub, start, session, 0, &verdict);
    const uint64_t name = gw_session_handle(session);
    gw_hub_move_forget(hub, start, name, 43, 430);
    gw_hub_move_forget(hub, start, name + 1, 42, 420);
    CHECK(session->state == GW_SESSION_DETACHED && !session->is_over, "somebody else's");
    gw_hub_move_forget(hub, start, name, 42, 420);
    CHECK(gw_hub_timeout(hub, start, &verdict) && verdict.kind == GW_VERDICT_CLOSE &&
              hub->sessions.count == 0,
          "control is told");
    close_hub(hub);
}

TEST(hub, deadlines_close_the_silent)
{
    struct gw_hub *hub = open_hub(0);
    struct gw_session *mute = connect_one(hub, 1);
    struct gw_session *session = identified(hub, 2, 42, NULL);
    const nx_time ten = nx_time_add_ms(start, GW_IDENTIFY_MS + 2);
    while (gw_hub_timeout(hub, ten, &verdict)) {
    }
    CHECK(strcmp(heard(hub, mute), "#4009|") == 0 && strcmp(heard(hub, session), "") == 0, "identify");
    const nx_time late = nx_time_add_ms(start, GW_HEARTBEAT_GRACE_MS + 2);
    while (gw_hub_timeout(hub, late, &verdict)) {
    }
    CHECK(strcmp(heard(hub, session), "#4009|") == 0, "heartbeat");
    gw_hub_disconnect(hub, late, session, 0, &verdict);
    CHECK(session->state == GW_SESSION_DETACHED, "resumable");
    const nx_time gone = nx_time_add_ms(late, GW_RESUME_MS + 2);
    bool is_told = false;
    while (gw_hub_timeout(hub, gone, &verdict)) {
        is_told |= verdict.kind == GW_VERDICT_CLOSE;
    }
    CHECK(is_told && session->state == GW_SESSION_FREE, "for 120 s");
    CHECK(!gw_hub_is_ready(hub, nx_time_add_ms(start, GW_BUS_STALE_MS + 1)), "a silent bus grants nothing");
    close_hub(hub);
}

TEST(hub, a_refusal_closes_with_the_code_that_control_gives)
{
    static const uint16_t codes[] = {GW_CLOSE_UNKNOWN, GW_CLOSE_DISABLED, GW_CLOSE_AUTH_FAILED};
    struct gw_hub *hub = open_hub(0);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct gw_session *session = connect_one(hub, (uint32_t)i);
        char text[1024];
        snprintf(text, sizeof(text), "{\"op\":2,\"d\":{\"token\":\"%s\",\"intents\":0}}",
                 token(hub, 42, 420, 900));
        (void)say(hub, session, text);
        CHECK(verdict.kind == GW_VERDICT_OPEN, "asks control");
        BUS(hub, session_opened, SESSION_OPENED, .session = gw_session_handle(session),
            .close_code = codes[i]);
        snprintf(text, sizeof(text), "#%d|", codes[i]);
        CHECK(strcmp(heard(hub, session), text) == 0, "closes with %d", codes[i]);
    }
    close_hub(hub);
}
