/* Goal: every entitled session gets every frame exactly once and in order, whatever happens between the slices.
 * Method: a fake shard of sessions without sockets; a reader that takes what output writes in pieces of any size. */
#include "gatewayd/core/close_code.h"
#include "gatewayd/core/fanout.h"
#include "gatewayd/core/output.h"
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

static const struct gw_memory memory = {.take = take, .give = give};

struct shard {
    struct gw_framelog log;
    struct gw_sessions sessions;
    struct gw_guilds guilds;
    struct gw_fanout fanout;
    struct gw_output output;
};

static void open_shard(struct shard *s)
{
    CHECK(gw_framelog_init(&s->log, &memory, 1 << 20, 1) == NX_OK, "log");
    gw_session_table_init(&s->sessions, &memory, 20000, 1);
    gw_guild_table_init(&s->guilds, &memory, 1);
    gw_fanout_init(&s->fanout, &s->log, &s->sessions, &s->guilds);
    gw_output_init(&s->output, &s->log, &s->sessions, 30000);
}

static void close_shard(struct shard *s)
{
    gw_guild_table_fini(&s->guilds);
    gw_session_table_fini(&s->sessions);
    gw_framelog_fini(&s->log);
}

static struct gw_session *add(struct shard *s, uint32_t guild, uint32_t roleset, uint64_t intents)
{
    struct gw_session *session = gw_session_take(&s->sessions);
    CHECK(session != NULL, "a slot");
    session->conn = session->index;
    session->intents = intents;
    session->user_id = session->index + 1000;
    CHECK(gw_session_ring_open(&s->sessions, session, 1) == NX_OK, "a ring");
    gw_session_state_set(&s->sessions, session, GW_SESSION_READY);
    CHECK(gw_guild_join(&s->guilds, &s->sessions, guild, session, roleset) == NX_OK, "joins");
    return session;
}

static void publish(struct shard *s, uint32_t guild, struct gw_frame_info info, const char *text)
{
    CHECK(gw_fanout_publish(&s->fanout, guild, &info, nx_bytes_text(text)) == NX_OK, "publish");
}

/* Says everything a session has to say, `piece` bytes taken per write; returns the payloads joined by '|'. */
static size_t drain(struct shard *s, struct gw_session *session, size_t piece, char *out, size_t room)
{
    static uint8_t wire[1 << 20];
    size_t size = 0;
    for (;;) {
        uint8_t buffer[4096];
        const size_t now = gw_output_write(&s->output, session, buffer, sizeof(buffer));
        if (now == 0) {
            break;
        }
        const size_t taken = now < piece ? now : piece;
        memcpy(wire + size, buffer, taken);
        size += taken;
        gw_output_sent(&s->output, session, taken);
    }
    size_t at = 0;
    size_t length = 0;
    while (at < size) {
        const size_t header = wire[at + 1] < 126 ? 2 : 4;
        const size_t payload = header == 2 ? wire[at + 1] : (size_t)wire[at + 2] << 8 | wire[at + 3];
        CHECK(at + header + payload <= size && length + payload + 2 < room, "a whole frame");
        memcpy(out + length, wire + at + header, payload);
        length += payload;
        out[length++] = '|';
        at += header + payload;
    }
    out[length] = '\0';
    return length;
}

TEST(fanout, reaches_those_with_rights_and_intents)
{
    struct shard s;
    open_shard(&s);
    uint32_t guild;
    CHECK(gw_guild_add(&s.guilds, 7, &guild) == NX_OK, "guild");
    const uint8_t view[] = {0x02}; /* role set 1 only */
    CHECK(gw_guild_channel_set(&s.guilds, guild, 70, 0, 0, nx_bytes_of(view, 1)) == NX_OK, "channel");
    struct gw_session *sees = add(&s, guild, 1, 1 << 9);
    struct gw_session *blind = add(&s, guild, 0, 1 << 9);
    struct gw_session *deaf = add(&s, guild, 1, 1 << 8);
    publish(&s, guild, (struct gw_frame_info){.guild_id = 7, .channel_id = 70, .intents = 1 << 9},
            "\"t\":1}");
    publish(&s, guild, (struct gw_frame_info){.guild_id = 7, .channel_id = 71}, "\"t\":2}");
    publish(&s, guild, (struct gw_frame_info){.guild_id = 7, .except_user_id = blind->user_id}, "\"t\":3}");
    while (gw_fanout_step(&s.fanout, 1)) {
    }
    char text[512];
    drain(&s, sees, 4096, text, sizeof(text));
    CHECK(strcmp(text, "{\"op\":0,\"s\":1,\"t\":1}|{\"op\":0,\"s\":2,\"t\":3}|") == 0, "%s", text);
    drain(&s, blind, 4096, text, sizeof(text));
    CHECK(strcmp(text, "") == 0, "%s", text);
    drain(&s, deaf, 4096, text, sizeof(text));
    CHECK(strcmp(text, "{\"op\":0,\"s\":1,\"t\":3}|") == 0, "%s", text);
    close_shard(&s);
}

TEST(fanout, selective_sessions_hear_only_what_they_look_at)
{
    struct shard s;
    open_shard(&s);
    uint32_t guild;
    CHECK(gw_guild_add(&s.guilds, 7, &guild) == NX_OK, "guild");
    gw_guild_at(&s.guilds, guild)->is_large = true;
    const uint8_t view[] = {0x01};
    uint32_t slots[3];
    for (uint64_t i = 0; i < 3; i++) {
        CHECK(gw_guild_channel_set(&s.guilds, guild, 70 + i, 0, 0, nx_bytes_of(view, 1)) == NX_OK, "channel");
        slots[i] = gw_guild_channel_find(&s.guilds, guild, 70 + i);
    }
    struct gw_session *one = add(&s, guild, 0, 0);
    struct gw_session *two = add(&s, guild, 0, 0);
    struct gw_session *all = add(&s, guild, 0, 0);
    CHECK(gw_guild_subscribe(&s.guilds, &s.sessions, guild, 0, slots, 1, false) == NX_OK, "one");
    CHECK(gw_guild_subscribe(&s.guilds, &s.sessions, guild, 1, slots + 1, 2, true) == NX_OK, "two");
    for (uint64_t i = 0; i < 3; i++) {
        char tail[] = "\"t\":0}";
        tail[4] = (char)('0' + i);
        publish(&s, guild, (struct gw_frame_info){.guild_id = 7, .channel_id = 70 + i}, tail);
    }
    publish(&s, guild, (struct gw_frame_info){.guild_id = 7, .flags = GW_FRAME_MEMBERS}, "\"t\":9}");
    gw_fanout_settle_all(&s.fanout);
    char text[512];
    drain(&s, one, 4096, text, sizeof(text));
    CHECK(strcmp(text, "{\"op\":0,\"s\":1,\"t\":0}|") == 0, "%s", text);
    drain(&s, two, 4096, text, sizeof(text));
    CHECK(strcmp(text, "{\"op\":0,\"s\":1,\"t\":1}|{\"op\":0,\"s\":2,\"t\":2}|{\"op\":0,\"s\":3,\"t\":9}|") ==
              0,
          "%s", text);
    CHECK(drain(&s, all, 4096, text, sizeof(text)) == 3 * 21, "%s", text);
    close_shard(&s);
}

/* A random history of joins, leaves, events and slices against a model: who was a member when the event was published
 * hears it, once, in order. */
TEST(fanout, membership_changes_between_slices_lose_and_double_nothing)
{
    for (unsigned seed = 1; seed <= 40; seed++) {
        srand(seed);
        struct shard s;
        open_shard(&s);
        uint32_t guild;
        CHECK(gw_guild_add(&s.guilds, 7, &guild) == NX_OK, "guild");
        enum { PEOPLE = 200, EVENTS = 150 };
        static struct gw_session *people[PEOPLE];
        static uint8_t heard[PEOPLE][EVENTS];
        memset(people, 0, sizeof(people));
        memset(heard, 0, sizeof(heard));
        int events = 0;
        while (events < EVENTS) {
            const int who = rand() % PEOPLE;
            const int what = rand() % 10;
            struct gw_ref *ref = people[who] != NULL ? gw_session_ref(people[who], guild) : NULL;
            if (what < 5) {
                if (people[who] == NULL) {
                    people[who] = add(&s, guild, 0, 0);
                } else if (ref == NULL) {
                    CHECK(gw_guild_join(&s.guilds, &s.sessions, guild, people[who], 0) == NX_OK, "joins");
                } else if (rand() % 3 == 0) {
                    gw_fanout_leave(&s.fanout, guild, ref->member);
                }
            } else if (what < 8) {
                char tail[32];
                snprintf(tail, sizeof(tail), "\"t\":%d}", events);
                for (int i = 0; i < PEOPLE; i++) {
                    heard[i][events] = people[i] != NULL && gw_session_ref(people[i], guild) != NULL;
                }
                publish(&s, guild, (struct gw_frame_info){.guild_id = 7}, tail);
                events++;
            } else {
                (void)gw_fanout_step(&s.fanout, 1 + (uint32_t)rand() % 60);
            }
        }
        gw_fanout_settle_all(&s.fanout);
        CHECK(s.fanout.waiting_units == 0, "nothing waits, seed %u", seed);
        for (int i = 0; i < PEOPLE; i++) {
            static char got[1 << 16];
            static char want[1 << 16];
            size_t length = 0;
            int number = 0;
            want[0] = '\0';
            for (int e = 0; e < EVENTS && people[i] != NULL; e++) {
                if (heard[i][e]) {
                    length += (size_t)snprintf(want + length, sizeof(want) - length,
                                               "{\"op\":0,\"s\":%d,\"t\":%d}|", ++number, e);
                }
            }
            if (people[i] != NULL) {
                drain(&s, people[i], 1 + (size_t)(rand() % 300), got, sizeof(got));
                size_t same = 0;
                while (got[same] != 0 && got[same] == want[same]) {
                    same++;
                }
                CHECK(strcmp(got, want) == 0, "seed %u session %d: %s wanted %s", seed, i, got + same,
                      want + same);
            }
        }
        close_shard(&s);
    }
}

TEST(fanout, a_write_cut_anywhere_goes_on_at_the_next_byte)
{
    for (size_t piece = 1; piece < 80; piece++) {
        struct shard s;
        open_shard(&s);
        uint32_t guild;
        CHECK(gw_guild_add(&s.guilds, 7, &guild) == NX_OK, "guild");
        struct gw_session *session = add(&s, guild, 0, 0);
        session->owed = GW_OWED_ACK | GW_OWED_PING;
        session->acks_count = 2;
        publish(&s, guild, (struct gw_frame_info){.guild_id = 7, .key = 5}, "\"t\":\"a\"}");
        gw_fanout_settle_all(&s.fanout);
        publish(&s, guild, (struct gw_frame_info){.guild_id = 7}, "\"t\":\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"}");
        publish(&s, guild, (struct gw_frame_info){.guild_id = 7, .key = 5}, "\"t\":\"c\"}");
        gw_fanout_settle_all(&s.fanout);
        char text[1024];
        drain(&s, session, piece, text, sizeof(text));
        char *found = strstr(text, "bbb");
        CHECK(found != NULL && strstr(text, "\"a\"") == NULL && strstr(text, "\"s\":3,\"t\":\"c\"") != NULL,
              "piece %zu: %s", piece, text);
        CHECK(strstr(strstr(text, "{\"op\":11}") + 1, "{\"op\":11}") != NULL, "two acks, piece %zu: %s",
              piece, text);
        CHECK(session->owed == 0 && session->unsent_size == 0 && session->sent == session->head, "all said");
        close_shard(&s);
    }
}

TEST(fanout, a_slow_consumer_is_told_so_and_can_resume)
{
    struct shard s;
    open_shard(&s);
    uint32_t guild;
    CHECK(gw_guild_add(&s.guilds, 7, &guild) == NX_OK, "guild");
    struct gw_session *session = add(&s, guild, 0, 0);
    session->flags |= GW_SESSION_BLOCKED;
    for (int i = 0; i < GW_UNSENT_MAX; i++) {
        publish(&s, guild, (struct gw_frame_info){.guild_id = 7}, "\"t\":1}");
    }
    gw_fanout_settle_all(&s.fanout);
    CHECK((session->flags & GW_SESSION_DOOMED) == 0, "the cap is allowed");
    publish(&s, guild, (struct gw_frame_info){.guild_id = 7, .key = 1}, "\"t\":2}");
    gw_fanout_settle_all(&s.fanout);
    CHECK((session->flags & GW_SESSION_DOOMED) == 0 && s.fanout.dropped_count == 1, "typing is spared");
    publish(&s, guild, (struct gw_frame_info){.guild_id = 7}, "\"t\":3}");
    gw_fanout_settle_all(&s.fanout);
    CHECK((session->flags & GW_SESSION_DOOMED) != 0 && session->close_code == GW_CLOSE_SLOW,
          "one more is too many");
    CHECK(session->sent == 1 && session->head == GW_UNSENT_MAX + 2, "and nothing of it is lost");
    close_shard(&s);
}

TEST(fanout, small_guilds_do_not_wait_for_large_ones)
{
    struct shard s;
    open_shard(&s);
    uint32_t large;
    uint32_t small;
    CHECK(gw_guild_add(&s.guilds, 7, &large) == NX_OK && gw_guild_add(&s.guilds, 8, &small) == NX_OK,
          "guilds");
    for (int i = 0; i < 2000; i++) {
        (void)add(&s, large, 0, 0);
    }
    struct gw_session *session = add(&s, small, 0, 0);
    publish(&s, large, (struct gw_frame_info){.guild_id = 7}, "\"t\":1}");
    CHECK(gw_fanout_step(&s.fanout, 100), "more to do");
    publish(&s, small, (struct gw_frame_info){.guild_id = 8}, "\"t\":2}");
    CHECK(gw_fanout_step(&s.fanout, 100), "more to do");
    CHECK(session->head == 2 && s.fanout.pass.cursor == 199, "in the next slice, cursor %u",
          s.fanout.pass.cursor);
    CHECK(s.fanout.dirty.count == 200, "%u", s.fanout.dirty.count);
    close_shard(&s);
}
