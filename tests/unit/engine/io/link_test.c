/* Goal: frames cross a link whole, in order and under credit, and a peer that breaks the format is cut off. Method: two
 * links over a Unix socket on one loop; the other end is sometimes a bare stream that says what it likes. */
#include "engine/io/link.h"
#include "tests/lib/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { QUEUE_MAX = 1 << 20, ROUNDS_MAX = 200000 };

struct end {
    struct nx_link link;
    struct nx_loop *loop;
    uint64_t frames;
    uint64_t sum;
    uint32_t last_shard;
    bool is_up, is_down, has_room, is_ordered, closes_at_first;
};

static struct nx_loop *loop;
static struct nx_listener listener;
static struct nx_endpoint where;
static struct end client, server;

static void on_up(void *context)
{
    struct end *end = context;
    end->is_up = true;
    end->is_ordered = true;
}

static void on_frame(void *context, const struct nx_bus_frame *frame)
{
    struct end *end = context;
    struct nx_bus_event event;
    CHECK(frame->number == NX_BUS_MSG_EVENT, "a frame of another kind: %u", frame->number);
    CHECK(nx_bus_event_get(frame->payload, &event) == NX_OK, "a frame that does not decode");
    end->is_ordered = end->is_ordered && event.guild_id == end->frames;
    end->frames++;
    for (size_t i = 0; i < event.tail.size; i++) {
        end->sum += event.tail.at[i];
    }
    if (end->closes_at_first) {
        nx_link_close(&end->link);
    }
}

static void on_room(void *context)
{
    struct end *end = context;
    end->has_room = true;
}

static void on_down(void *context, enum nx_err why)
{
    struct end *end = context;
    (void)why;
    end->is_down = true;
}

static const struct nx_link_events EVENTS = {
    .up = on_up, .frame = on_frame, .room = on_room, .down = on_down};

static void on_accept(void *context, struct nx_accepted *accepted)
{
    (void)context;
    CHECK(nx_link_accept(&server.link, loop, accepted, QUEUE_MAX, &EVENTS, &server) == NX_OK, "accept");
}

static void turn_until(const bool *condition)
{
    for (int i = 0; i < ROUNDS_MAX && !*condition; i++) {
        nx_loop_turn(loop, nx_time_add_ms(nx_loop_now(loop), 100));
    }
    CHECK(*condition, "it did not happen");
}

/* The tests share these where they run in one process. */
static void ends_reset(void)
{
    memset(&client, 0, sizeof(client));
    memset(&server, 0, sizeof(server));
    memset(&listener, 0, sizeof(listener));
}

static void pair_open(void)
{
    ends_reset();
    char why[NX_LOOP_WHY_SIZE] = "";
    const struct nx_loop_config config = {.streams_max = 16, .cpu = -1};
    CHECK(nx_loop_open(&loop, &config, why) == NX_OK, "%s", why);
    where.kind = NX_ENDPOINT_UNIX;
    snprintf(where.path, sizeof(where.path), "/tmp/nexus-link-%d.sock", (int)getpid());
    CHECK(nx_listener_open(loop, &listener, &where, on_accept, NULL) == NX_OK, "listen");
    CHECK(nx_link_connect(&client.link, loop, &where, QUEUE_MAX, &EVENTS, &client) == NX_OK, "connect");
    turn_until(&client.is_up);
    turn_until(&server.is_up);
}

static void pair_close(void)
{
    nx_link_close(&client.link);
    turn_until(&client.is_down);
    turn_until(&server.is_down);
    nx_link_fini(&client.link);
    nx_link_fini(&server.link);
    nx_listener_close(&listener);
    unlink(where.path);
    nx_loop_close(loop);
}

static enum nx_err event_put(struct end *end, uint64_t number, struct nx_bytes tail)
{
    const struct nx_bus_event event = {.guild_id = number, .tail = tail};
    return NX_LINK_PUT(&end->link, event, &event);
}

TEST(nx_link, carries_frames_of_every_size_in_order_under_credit)
{
    static uint8_t body[NX_BUS_FRAME_MAX];
    static const size_t sizes[] = {0, 1, 100, 4000, 5000, 65000, 70000, 300000, 900000};
    uint64_t sum = 0;
    uint64_t sent = 0;
    pair_open();
    for (size_t i = 0; i < sizeof(body); i++) {
        body[i] = (uint8_t)(i * 7);
    }
    /* 100 MiB in all: many times the credit window and the queue. */
    while (sent < 700) {
        const size_t size = sizes[sent % (sizeof(sizes) / sizeof(sizes[0]))];
        client.has_room = false;
        const enum nx_err err = event_put(&client, sent, nx_bytes_of(body, size));
        if (err == NX_E_FULL) {
            turn_until(&client.has_room);
            continue;
        }
        CHECK(err == NX_OK, "put: %s", nx_err_text(err));
        for (size_t i = 0; i < size; i++) {
            sum += body[i];
        }
        sent++;
    }
    for (int i = 0; i < ROUNDS_MAX && server.frames < sent; i++) {
        nx_loop_turn(loop, nx_time_add_ms(nx_loop_now(loop), 100));
    }
    CHECK(server.frames == sent, "%llu of %llu frames", (unsigned long long)server.frames,
          (unsigned long long)sent);
    CHECK(server.is_ordered, "order lost");
    CHECK(server.sum == sum, "bytes changed");
    pair_close();
}

TEST(nx_link, gathers_the_frames_of_a_slice_into_one_send)
{
    pair_open();
    const uint64_t before = nx_loop_stats(loop)->sends;
    for (uint64_t i = 0; i < 200; i++) {
        CHECK(event_put(&client, i, nx_bytes_text("hello")) == NX_OK, "put");
    }
    for (int i = 0; i < ROUNDS_MAX && server.frames < 200; i++) {
        nx_loop_turn(loop, nx_time_add_ms(nx_loop_now(loop), 100));
    }
    CHECK(server.frames == 200 && server.is_ordered, "frames");
    CHECK(nx_loop_stats(loop)->sends - before <= 2, "%llu sends",
          (unsigned long long)(nx_loop_stats(loop)->sends - before));
    pair_close();
}

TEST(nx_link, refuses_more_than_the_queue_holds_and_tells_when_there_is_room)
{
    static uint8_t body[100000];
    pair_open();
    nx_link_pause(&server.link, true);
    uint64_t sent = 0;
    while (event_put(&client, sent, nx_bytes_of(body, sizeof(body))) == NX_OK) {
        sent++;
        nx_loop_turn(loop, nx_loop_now(loop));
        CHECK(sent < 1000, "no end");
    }
    CHECK(sent >= QUEUE_MAX / sizeof(body) - 1, "only %llu", (unsigned long long)sent);
    client.has_room = false;
    nx_link_pause(&server.link, false);
    turn_until(&client.has_room);
    pair_close();
}

TEST(nx_link, can_be_closed_by_its_owner_inside_a_frame)
{
    pair_open();
    server.closes_at_first = true;
    for (uint64_t i = 0; i < 10; i++) {
        CHECK(event_put(&client, i, nx_bytes_text("hello")) == NX_OK, "put");
    }
    turn_until(&server.is_down);
    CHECK(server.frames == 1, "%llu frames after close", (unsigned long long)server.frames);
    turn_until(&client.is_down);
    CHECK(event_put(&client, 0, nx_bytes_text("late")) == NX_E_CLOSED, "a put on a link that is down");
    nx_link_fini(&client.link);
    nx_link_fini(&server.link);
    nx_listener_close(&listener);
    unlink(where.path);
    nx_loop_close(loop);
}

/* ---- a peer that breaks the format ---- */

static struct nx_stream rogue;
static bool rogue_up, rogue_down;
static const uint8_t *rogue_bytes;
static size_t rogue_size;

static void rogue_connected(void *context)
{
    (void)context;
    rogue_up = true;
    uint8_t *room = nx_stream_reserve(&rogue, rogue_size);
    CHECK(room != NULL, "no room");
    memcpy(room, rogue_bytes, rogue_size);
    nx_stream_commit(&rogue, rogue_size);
}

static void rogue_data(void *context, uint8_t *bytes, size_t size)
{
    (void)context;
    (void)bytes;
    (void)size;
}

static void rogue_sent(void *context, size_t size)
{
    (void)context;
    (void)size;
}

static void rogue_nothing(void *context)
{
    (void)context;
}

static void rogue_closed(void *context, enum nx_err why)
{
    (void)context;
    (void)why;
    rogue_down = true;
}

static void rogue_ended(void *context)
{
    (void)context;
    nx_stream_close(&rogue);
}

static const struct nx_stream_events ROGUE = {.connected = rogue_connected,
                                              .data = rogue_data,
                                              .ended = rogue_ended,
                                              .sent = rogue_sent,
                                              .writable = rogue_nothing,
                                              .closed = rogue_closed};

static void rogue_says(const uint8_t *bytes, size_t size)
{
    ends_reset();
    memset(&rogue, 0, sizeof(rogue));
    rogue_up = rogue_down = false;
    char why[NX_LOOP_WHY_SIZE] = "";
    const struct nx_loop_config config = {.streams_max = 16, .cpu = -1};
    rogue_bytes = bytes;
    rogue_size = size;
    CHECK(nx_loop_open(&loop, &config, why) == NX_OK, "%s", why);
    where.kind = NX_ENDPOINT_UNIX;
    snprintf(where.path, sizeof(where.path), "/tmp/nexus-link-%d.sock", (int)getpid());
    CHECK(nx_listener_open(loop, &listener, &where, on_accept, NULL) == NX_OK, "listen");
    CHECK(nx_stream_connect(&rogue, loop, &where, NULL, &ROGUE, NULL) == NX_OK, "connect");
    turn_until(&server.is_down);
    turn_until(&rogue_down);
    nx_link_fini(&server.link);
    nx_listener_close(&listener);
    unlink(where.path);
    nx_loop_close(loop);
}

TEST(nx_link, closes_on_a_frame_over_the_cap)
{
    static const uint8_t bytes[] = {0xff, 0xff, 0xff, 0xff, 0, 48, 0, 0};
    rogue_says(bytes, sizeof(bytes));
}

TEST(nx_link, closes_on_credit_for_what_was_never_sent)
{
    static const uint8_t bytes[] = {0, 0, 0, 4, 0, 2, 0, 0, 0, 0, 0, 1};
    rogue_says(bytes, sizeof(bytes));
}
