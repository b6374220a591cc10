/* Goal: streams deliver every byte in order through full sockets, closes and reused slots.
 * Method: clients are plain sockets of the same thread; kernel limits are made small so that they are met. Both kernel
 * feature sets run. */
#include "engine/io/loop_uring.h"
#include "engine/io/mem.h"
#include "tests/unit/engine/io/fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/un.h>

static const struct nx_loop_config all = {.streams_max = 1100, .features = NX_LOOP_FEATURES_ALL};
static const struct nx_loop_config old = {.streams_max = 1100, .features = NX_LOOP_FEATURES_6_1};

static size_t receive_some(int fd, uint8_t *into, size_t room)
{
    const ssize_t size = recv(fd, into, room, MSG_DONTWAIT);
    return size > 0 ? (size_t)size : 0;
}

static void echo_once(const struct nx_loop_config *config)
{
    struct fixture_server server = {.is_silent = false};
    fixture_serve(&server, fixture_loop(config), 4);
    const int client = fixture_client(server.listener.bound.port);
    CHECK(send(client, "hello", 5, 0) == 5, "send");
    uint8_t got[16];
    size_t size = 0;
    FIXTURE_UNTIL(server.loop, (size += receive_some(client, got + size, sizeof(got) - size)) >= 5);
    CHECK(size == 5 && memcmp(got, "hello", 5) == 0, "echo of %zu bytes", size);
    CHECK(nx_addr_is_loopback(&server.peers[0].address), "the peer's address is known");
    (void)close(client);
    FIXTURE_UNTIL(server.loop, server.closed_count == 1);
    CHECK(server.peers[0].is_ended && server.peers[0].why == NX_OK, "ended, then closed by us");
    CHECK(nx_loop_stats(server.loop)->streams_count == 0, "slot given back");
    fixture_end(&server);
}

TEST(stream, echoes)
{
    echo_once(&all);
    echo_once(&old);
}

static void echo_many(const struct nx_loop_config *config)
{
    enum { CLIENTS = 1000 };
    static int clients[CLIENTS];
    struct fixture_server server = {.is_silent = false};
    fixture_serve(&server, fixture_loop(config), CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = fixture_client(server.listener.bound.port);
        if (i % 64 == 0) {
            nx_loop_turn(server.loop, nx_clock_now());
        }
    }
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < CLIENTS; i++) {
            const int number[2] = {i, round};
            CHECK(send(clients[i], number, sizeof(number), 0) == sizeof(number), "send");
        }
        for (int i = 0; i < CLIENTS; i++) {
            uint8_t got[16];
            size_t size = 0;
            FIXTURE_UNTIL(server.loop,
                          (size += receive_some(clients[i], got + size, sizeof(got) - size)) >= 8);
            int number[2];
            memcpy(number, got, 8);
            CHECK(size == 8 && number[0] == i && number[1] == round, "client %d got %d", i, number[0]);
        }
    }
    CHECK(server.open_count == CLIENTS, "%u open", server.open_count);
    for (int i = 0; i < CLIENTS; i++) {
        (void)close(clients[i]);
    }
    FIXTURE_UNTIL(server.loop, server.open_count == 0);
    CHECK(nx_loop_stats(server.loop)->sends_blocked == 0, "no send while blocked");
    fixture_end(&server);
}

TEST(stream, serves_a_thousand)
{
    echo_many(&all);
    echo_many(&old);
}

/* ---- full sockets ---- */

enum { FLOOD = 4 << 20 };

static uint8_t pattern_at(uint64_t at)
{
    return (uint8_t)(at * 131 + (at >> 8) * 7 + (at >> 16));
}

/* Sends FLOOD patterned bytes to the peer as far as the stream allows, in commits of odd sizes. */
static void flood_more(struct fixture_peer *peer)
{
    while (peer->sent_size + peer->pending_size < FLOOD && !nx_stream_is_blocked(&peer->stream)) {
        const uint64_t left = FLOOD - peer->sent_size;
        const size_t wanted = 1 + (size_t)(peer->sent_size * 7919 % 65000);
        const size_t size = left < wanted ? (size_t)left : wanted;
        uint8_t *room = nx_stream_reserve(&peer->stream, size);
        if (room == NULL) {
            return;
        }
        for (size_t i = 0; i < size; i++) {
            room[i] = pattern_at(peer->sent_size + i);
        }
        nx_stream_commit(&peer->stream, size);
        peer->pending_size = 0;
        return;
    }
}

static void flood_sent(void *context, size_t size)
{
    struct fixture_peer *peer = context;
    peer->sent_size += size;
    flood_more(peer);
}

static uint32_t
    overflows_left; /* how often flood_writable() shall fill the completion queue before it commits */

/* Completes so many empty operations that the completion of the send to come finds no place in the queue. */
static void completions_fill(struct nx_uring *ring)
{
    for (uint32_t i = 0; i < ring->ring.cq.ring_entries + 10; i++) {
        if (nx_uring_room(ring) == 0) {
            (void)io_uring_submit(&ring->ring);
        }
        struct io_uring_sqe *nop = io_uring_get_sqe(&ring->ring);
        io_uring_prep_nop(nop);
        nop->user_data = 0;
    }
    (void)io_uring_submit(&ring->ring);
}

static void flood_writable(void *context)
{
    struct fixture_peer *peer = context;
    CHECK(!nx_stream_is_blocked(&peer->stream), "writable but blocked");
    peer->writable_count++;
    if (overflows_left != 0) {
        overflows_left--;
        completions_fill(&peer->server->loop->ring);
    }
    flood_more(peer);
}

static const struct nx_stream_events flood_events = {.connected = fixture_connected,
                                                     .data = fixture_data,
                                                     .ended = fixture_ended,
                                                     .sent = flood_sent,
                                                     .writable = flood_writable,
                                                     .closed = fixture_closed};

static void flood_accept(struct fixture_peer *peer)
{
    peer->stream.on = &flood_events;
    peer->is_silent = true;
    flood_more(peer);
}

static void slow_reader(const struct nx_loop_config *config, bool is_unix)
{
    struct fixture_server server = {.on_accept = flood_accept};
    fixture_serve(&server, fixture_loop(config), 4);
    struct nx_listener unix_listener;
    struct nx_endpoint where = {.kind = NX_ENDPOINT_UNIX};
    int client;
    if (is_unix) {
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        snprintf(where.path, sizeof(where.path), "/tmp/nexus-stream-%d", (int)getpid());
        snprintf(to.sun_path, sizeof(to.sun_path), "%s", where.path);
        CHECK(nx_listener_open(server.loop, &unix_listener, &where, fixture_accept, &server) == NX_OK,
              "unix listen");
        client = socket(AF_UNIX, SOCK_STREAM, 0);
        CHECK(connect(client, (struct sockaddr *)&to, sizeof(to)) == 0, "unix connect");
    } else {
        client = fixture_client(server.listener.bound.port);
    }
    FIXTURE_UNTIL(server.loop, server.open_count == 1 && server.peers[0].sent_size > 0 &&
                                   nx_stream_is_blocked(&server.peers[0].stream));
    /* Blocked: nothing more is tried, however long it lasts. */
    const uint64_t sends = nx_loop_stats(server.loop)->sends;
    for (int i = 0; i < 20; i++) {
        nx_loop_turn(server.loop, nx_clock_now());
    }
    CHECK(nx_loop_stats(server.loop)->sends == sends, "no attempt while blocked");
    CHECK(nx_stream_reserve(&server.peers[0].stream, 1) == NULL, "reserve refuses");
    CHECK(nx_loop_stats(server.loop)->sends_blocked == 1, "and counts");
    static uint8_t bytes[30000];
    uint64_t received = 0;
    const nx_time end = nx_time_add_ms(nx_clock_now(), 20000);
    while (received < FLOOD && nx_time_before(nx_clock_now(), end)) {
        const size_t size = receive_some(client, bytes, 1 + received % sizeof(bytes));
        for (size_t i = 0; i < size; i++) {
            CHECK(bytes[i] == pattern_at(received + i), "byte %llu", (unsigned long long)(received + i));
        }
        received += size;
        nx_loop_turn(server.loop, nx_clock_now());
    }
    CHECK(received == FLOOD, "%llu received", (unsigned long long)received);
    FIXTURE_UNTIL(server.loop, server.peers[0].sent_size == FLOOD);
    CHECK(nx_loop_stats(server.loop)->sends_short > 0 && server.peers[0].writable_count > 0,
          "the slow path was taken");
    CHECK(nx_loop_stats(server.loop)->sent_bytes == FLOOD, "%llu counted",
          (unsigned long long)nx_loop_stats(server.loop)->sent_bytes);
    CHECK(receive_some(client, bytes, 1) == 0, "nothing twice");
    (void)close(client);
    if (is_unix) {
        nx_listener_close(&unix_listener);
        (void)unlink(where.path);
    }
    fixture_end(&server);
}

TEST(stream, a_slow_reader_gets_every_byte_in_order)
{
    slow_reader(&all, false);
    slow_reader(&old, false);
    slow_reader(&all, true);
    slow_reader(&old, true);
}

/* ---- faults ---- */

struct fault_plan {
    uint32_t count;
    uint32_t kinds; /* bit per enum nx_uring_kind */
    int32_t result;
    uint32_t every;
};

static struct nx_uring_fault fault_next(void *context, struct nx_uring_tag tag)
{
    struct fault_plan *plan = context;
    if ((plan->kinds >> tag.kind & 1) == 0 || ++plan->count % plan->every != 0) {
        return (struct nx_uring_fault){.action = NX_URING_FAULT_NONE};
    }
    if (plan->result > 0) {
        return (struct nx_uring_fault){.action = NX_URING_FAULT_SHORT, .size = (uint32_t)plan->result};
    }
    return (struct nx_uring_fault){.action = NX_URING_FAULT_RESULT, .result = plan->result};
}

/* Echoes a long run through a ring that spoils every third operation of a kind. */
static void echo_through(struct fault_plan plan, const struct nx_loop_config *config)
{
    struct fixture_server server = {.is_silent = false};
    fixture_serve(&server, fixture_loop(config), 4);
    server.loop->ring.faults.on_submit = fault_next;
    server.loop->ring.faults.context = &plan;
    const int client = fixture_client(server.listener.bound.port);
    uint64_t sent_hash = FIXTURE_HASH_START;
    uint64_t got_hash = FIXTURE_HASH_START;
    uint64_t sent = 0;
    uint64_t got = 0;
    const uint64_t total = 200000;
    uint8_t bytes[3000];
    const nx_time end = nx_time_add_ms(nx_clock_now(), 20000);
    while (got < total && nx_time_before(nx_clock_now(), end)) {
        if (sent < total && sent - got < 20000) {
            const size_t size = total - sent < sizeof(bytes) ? (size_t)(total - sent) : sizeof(bytes);
            for (size_t i = 0; i < size; i++) {
                bytes[i] = pattern_at(sent + i);
            }
            const ssize_t put = send(client, bytes, size, MSG_DONTWAIT);
            if (put > 0) {
                sent_hash = fixture_hash(sent_hash, bytes, (size_t)put);
                sent += (uint64_t)put;
            }
        }
        nx_loop_turn(server.loop, nx_time_add_ms(nx_clock_now(), 1));
        const size_t size = receive_some(client, bytes, sizeof(bytes));
        got_hash = fixture_hash(got_hash, bytes, size);
        got += size;
    }
    CHECK(got == total && got_hash == sent_hash, "kinds %x result %d: %llu of %llu came back", plan.kinds,
          plan.result, (unsigned long long)got, (unsigned long long)total);
    CHECK(plan.count >= plan.every, "the fault was met");
    (void)close(client);
    FIXTURE_UNTIL(server.loop, server.open_count == 0);
    fixture_end(&server);
}

TEST(stream, spoiled_operations_lose_nothing)
{
    const uint32_t send_bit = 1u << NX_URING_SEND;
    const uint32_t receive_bit = 1u << NX_URING_RECV;
    const struct fault_plan plans[] = {
        {.kinds = send_bit, .result = 1, .every = 3},
        {.kinds = send_bit, .result = 777, .every = 2},
        {.kinds = send_bit, .result = -EAGAIN, .every = 3},
        {.kinds = send_bit, .result = -ECANCELED, .every = 4},
        {.kinds = send_bit, .result = -ENOMEM, .every = 5},
        {.kinds = receive_bit, .result = -ENOBUFS, .every = 1},
        {.kinds = receive_bit, .result = -ECANCELED, .every = 2},
    };
    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
        struct fault_plan plan = plans[i];
        if (plan.kinds == receive_bit) {
            /* One receive is enough for a whole connection: spoil the first one only. */
            plan.every = 1000000;
            plan.count = 999999;
        }
        echo_through(plan, &all);
        plan = plans[i];
        if (plan.kinds == receive_bit) {
            plan.every = 1000000;
            plan.count = 999999;
        }
        echo_through(plan, &old);
    }
}

TEST(stream, a_failing_send_closes_with_the_reason)
{
    struct fixture_server server = {.is_silent = false};
    struct fault_plan plan = {.kinds = 1u << NX_URING_SEND, .result = -EPIPE, .every = 1};
    fixture_serve(&server, fixture_loop(&all), 4);
    server.loop->ring.faults.on_submit = fault_next;
    server.loop->ring.faults.context = &plan;
    const int client = fixture_client(server.listener.bound.port);
    CHECK(send(client, "x", 1, 0) == 1, "send");
    FIXTURE_UNTIL(server.loop, server.closed_count == 1);
    CHECK(server.peers[0].why == NX_E_CLOSED, "%s", nx_err_text(server.peers[0].why));
    (void)close(client);
    fixture_end(&server);
}

TEST(stream, a_full_submission_queue_only_delays)
{
    struct fixture_server server = {.is_silent = false};
    fixture_serve(&server, fixture_loop(&all), 4);
    const int client = fixture_client(server.listener.bound.port);
    server.loop->ring.faults.is_full = true;
    for (int i = 0; i < 5; i++) {
        nx_loop_turn(server.loop, nx_clock_now());
    }
    CHECK(server.open_count == 0, "nothing can be put");
    server.loop->ring.faults.is_full = false;
    CHECK(send(client, "x", 1, 0) == 1, "send");
    FIXTURE_UNTIL(server.loop, server.open_count == 1 && server.peers[0].received_size == 1);
    server.loop->ring.faults.is_full = true;
    (void)close(client);
    for (int i = 0; i < 5; i++) {
        nx_loop_turn(server.loop, nx_time_add_ms(nx_clock_now(), 2));
    }
    CHECK(server.closed_count == 0, "closing needs room too");
    server.loop->ring.faults.is_full = false;
    FIXTURE_UNTIL(server.loop, server.closed_count == 1);
    fixture_end(&server);
}

TEST(stream, late_completions_are_dropped_and_counted)
{
    struct fixture_server server = {.is_silent = false};
    fixture_serve(&server, fixture_loop(&all), 4);
    int client = fixture_client(server.listener.bound.port);
    FIXTURE_UNTIL(server.loop, server.open_count == 1);
    const uint32_t slot = server.peers[0].stream.slot;
    const uint32_t generation = server.peers[0].stream.generation;
    (void)close(client);
    FIXTURE_UNTIL(server.loop, server.closed_count == 1);
    client = fixture_client(server.listener.bound.port);
    FIXTURE_UNTIL(server.loop, server.open_count == 1);
    CHECK(server.peers[1].stream.slot == slot && server.peers[1].stream.generation != generation,
          "slot reused");
    const enum nx_uring_kind kinds[] = {NX_URING_RECV, NX_URING_POLL, NX_URING_SEND, NX_URING_SHUTDOWN,
                                        NX_URING_ACCEPT};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        nx_uring_inject(&server.loop->ring,
                        (struct nx_uring_tag){.kind = kinds[i], .slot = slot, .generation = generation},
                        -ECONNRESET);
    }
    nx_uring_inject(&server.loop->ring,
                    (struct nx_uring_tag){.kind = NX_URING_RECV, .slot = 0xfffffe, .generation = 1}, 5);
    const uint64_t stale = nx_loop_stats(server.loop)->stale_completions;
    FIXTURE_UNTIL(server.loop, nx_loop_stats(server.loop)->stale_completions >= stale + 5);
    CHECK(server.open_count == 1, "the new owner is untouched");
    uint8_t got[4];
    CHECK(send(client, "x", 1, 0) == 1, "send");
    FIXTURE_UNTIL(server.loop, receive_some(client, got, 4) == 1);
    (void)close(client);
    fixture_end(&server);
}

/* ---- closes ---- */

static uint32_t storm_state = 1;

static uint32_t storm_random(void)
{
    storm_state = storm_state * 1664525 + 1013904223;
    return storm_state >> 16;
}

static struct fixture_server *storm_server;

/* Any callback closes any stream, itself included, now and then in the middle of a commit. */
static void storm_data(struct fixture_peer *peer, uint8_t *bytes, size_t size)
{
    const size_t some = size < 64 ? size : 64;
    uint8_t *room = nx_stream_reserve(&peer->stream, some);
    if (room != NULL) {
        memcpy(room, bytes, some);
        peer->pending_size = 0;
        nx_stream_commit(&peer->stream, some);
    }
    struct fixture_peer *other = &storm_server->peers[storm_random() % storm_server->peers_max];
    if (other->is_open && storm_random() % 3 == 0) {
        nx_stream_close(&other->stream);
        nx_stream_close(&other->stream);
    }
    if (storm_random() % 5 == 0) {
        nx_stream_close(&peer->stream);
    }
    if (storm_random() % 7 == 0 && peer->is_open) {
        nx_stream_pause(&peer->stream, storm_random() % 2 == 0);
    }
    if (storm_random() % 11 == 0) {
        nx_stream_finish(&peer->stream);
    }
}

static void storm_sent(void *context, size_t size)
{
    struct fixture_peer *peer = context;
    peer->sent_size += size;
    if (storm_random() % 4 == 0) {
        nx_stream_close(&storm_server->peers[storm_random() % 8].stream);
    }
}

static struct nx_stream_events storm_events;

static void storm_accept(struct fixture_peer *peer)
{
    peer->stream.on = &storm_events;
    if (storm_random() % 9 == 0) {
        nx_stream_close(&peer->stream);
    }
}

static void close_storm(const struct nx_loop_config *config)
{
    enum { CLIENTS = 48, STEPS = 4000 };
    int clients[CLIENTS];
    struct fixture_server server = {.on_data = storm_data, .on_accept = storm_accept};
    fixture_serve(&server, fixture_loop(config), 64);
    storm_server = &server;
    storm_events = fixture_events;
    storm_events.sent = storm_sent;
    /* The first eight must be streams before storm_sent may close them. */
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = fixture_client(server.listener.bound.port);
    }
    server.on_accept = NULL;
    FIXTURE_UNTIL(server.loop, server.peers_count == CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        server.peers[i].stream.on = &storm_events;
    }
    server.on_accept = storm_accept;
    for (int step = 0; step < STEPS; step++) {
        const uint32_t i = storm_random() % CLIENTS;
        uint8_t bytes[256];
        memset(bytes, 'x', sizeof(bytes));
        if (storm_random() % 6 == 0) {
            const struct linger reset = {.l_onoff = storm_random() % 2 == 0, .l_linger = 0};
            (void)setsockopt(clients[i], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
            (void)close(clients[i]);
            clients[i] = fixture_client(server.listener.bound.port);
        } else if (send(clients[i], bytes, 1 + storm_random() % 255, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
                   errno != EAGAIN) {
            (void)close(clients[i]);
            clients[i] = fixture_client(server.listener.bound.port);
        }
        if (storm_random() % 3 == 0) {
            nx_loop_turn(server.loop, nx_clock_now());
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        (void)close(clients[i]);
    }
    /* Paused streams do not see the end: close what is left. */
    for (int i = 0; i < 20; i++) {
        nx_loop_turn(server.loop, nx_time_add_ms(nx_clock_now(), 1));
    }
    for (uint32_t i = 0; i < server.peers_max; i++) {
        if (server.peers[i].is_open) {
            nx_stream_close(&server.peers[i].stream);
        }
    }
    FIXTURE_UNTIL(server.loop, server.open_count == 0);
    CHECK(server.closed_count == server.peers_count, "%u accepted, %u closed", server.peers_count,
          server.closed_count);
    for (uint32_t i = 0; i < server.peers_max; i++) {
        CHECK(server.peers[i].closed_count <= 1, "closed once");
    }
    CHECK(nx_loop_stats(server.loop)->streams_count == 0, "all slots given back");
    CHECK(nx_loop_stats(server.loop)->stale_completions == 0, "%llu stale",
          (unsigned long long)nx_loop_stats(server.loop)->stale_completions);
    fixture_end(&server);
}

TEST(stream, a_storm_of_closes_is_safe)
{
    close_storm(&all);
    close_storm(&old);
}

/* The peer of a closed stream sees the end although another stream has been receiving all the time. */
static void close_is_seen(const struct nx_loop_config *config)
{
    struct fixture_server server = {.is_silent = true};
    fixture_serve(&server, fixture_loop(config), 4);
    const int stays = fixture_client(server.listener.bound.port);
    FIXTURE_UNTIL(server.loop, server.open_count == 1);
    const int goes = fixture_client(server.listener.bound.port);
    FIXTURE_UNTIL(server.loop, server.open_count == 2);
    uint8_t byte;
    nx_stream_close(&server.peers[1].stream);
    CHECK(server.closed_count == 0, "never from inside the call");
    FIXTURE_UNTIL(server.loop, server.closed_count == 1 && recv(goes, &byte, 1, MSG_DONTWAIT) == 0);
    CHECK(recv(stays, &byte, 1, MSG_DONTWAIT) < 0, "the other one stays");
    (void)close(stays);
    (void)close(goes);
    fixture_end(&server);
}

TEST(stream, a_close_reaches_the_peer)
{
    close_is_seen(&all);
    close_is_seen(&old);
}

/* ---- receiving ---- */

static void exhausted(const struct nx_loop_config *config)
{
    enum { CLIENTS = 40 };
    struct nx_loop_config tiny = *config;
    tiny.receive_buffers_count = 8;
    tiny.receive_buffer_size = 256;
    struct fixture_server server = {.is_silent = true};
    int clients[CLIENTS];
    static const uint8_t bytes[3000];
    fixture_serve(&server, fixture_loop(&tiny), CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = fixture_client(server.listener.bound.port);
    }
    FIXTURE_UNTIL(server.loop, server.open_count == CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        CHECK(send(clients[i], bytes, sizeof(bytes), 0) == sizeof(bytes), "send");
    }
    FIXTURE_UNTIL(server.loop, nx_loop_stats(server.loop)->received_bytes == CLIENTS * sizeof(bytes));
    for (int i = 0; i < CLIENTS; i++) {
        CHECK(server.peers[i].received_size == sizeof(bytes), "client %d: %llu", i,
              (unsigned long long)server.peers[i].received_size);
        (void)close(clients[i]);
    }
    CHECK(nx_loop_stats(server.loop)->buffers_exhausted > 0, "the shortage was met");
    fixture_end(&server);
}

TEST(stream, a_shortage_of_receive_buffers_loses_nothing)
{
    exhausted(&all);
    exhausted(&old);
}

static void paused(const struct nx_loop_config *config)
{
    struct fixture_server server = {.is_silent = true};
    static uint8_t bytes[100000];
    fixture_serve(&server, fixture_loop(config), 4);
    const int client = fixture_client(server.listener.bound.port);
    FIXTURE_UNTIL(server.loop, server.open_count == 1);
    struct fixture_peer *peer = &server.peers[0];
    nx_stream_pause(&peer->stream, true);
    nx_stream_pause(&peer->stream, false);
    nx_stream_pause(&peer->stream, true);
    for (int i = 0; i < 5; i++) {
        nx_loop_turn(server.loop, nx_time_add_ms(nx_clock_now(), 1));
    }
    CHECK(send(client, bytes, sizeof(bytes), 0) == sizeof(bytes), "send");
    for (int i = 0; i < 5; i++) {
        nx_loop_turn(server.loop, nx_time_add_ms(nx_clock_now(), 1));
    }
    CHECK(peer->received_size == 0, "%llu while paused", (unsigned long long)peer->received_size);
    for (int i = 0; i < 50; i++) {
        nx_stream_pause(&peer->stream, i % 2 == 0);
        nx_loop_turn(server.loop, nx_clock_now());
        nx_stream_pause(&peer->stream, i % 3 == 0);
    }
    nx_stream_pause(&peer->stream, false);
    FIXTURE_UNTIL(server.loop, peer->received_size == sizeof(bytes));
    CHECK(peer->stream.inflight_count == 1, "one receive in flight, not %u", peer->stream.inflight_count);
    (void)close(client);
    FIXTURE_UNTIL(server.loop, peer->is_ended);
    nx_stream_close(&peer->stream);
    FIXTURE_UNTIL(server.loop, server.closed_count == 1);
    fixture_end(&server);
}

static void unpaused_after_close(const struct nx_loop_config *config)
{
    struct fixture_server server = {.is_silent = true};
    fixture_serve(&server, fixture_loop(config), 1);
    const int client = fixture_client(server.listener.bound.port);
    FIXTURE_UNTIL(server.loop, server.open_count == 1);
    for (int i = 0; i < 4; i++) { /* until the receive is armed in the kernel */
        nx_loop_turn(server.loop, nx_clock_now());
    }
    /* The client stays and says nothing: only the cancellation ends the receive. */
    nx_stream_close(&server.peers[0].stream);
    nx_stream_pause(&server.peers[0].stream, false);
    for (int i = 0; i < 1000 && server.closed_count == 0; i++) {
        nx_loop_turn(server.loop, nx_clock_now());
    }
    CHECK(server.closed_count == 1, "a restart of reading undoes no close");
    (void)close(client);
    FIXTURE_UNTIL(server.loop, server.open_count == 0);
    fixture_end(&server);
}

TEST(stream, closes_though_reading_is_restarted)
{
    unpaused_after_close(&all);
    unpaused_after_close(&old);
}

TEST(stream, pauses_and_resumes)
{
    paused(&all);
    paused(&old);
}

static void half_closed(const struct nx_loop_config *config)
{
    struct fixture_server server = {.is_silent = true};
    fixture_serve(&server, fixture_loop(config), 4);
    const int client = fixture_client(server.listener.bound.port);
    FIXTURE_UNTIL(server.loop, server.open_count == 1);
    struct fixture_peer *peer = &server.peers[0];
    CHECK(shutdown(client, SHUT_WR) == 0, "shutdown");
    FIXTURE_UNTIL(server.loop, peer->is_ended);
    /* Still open for sending; FIN goes out behind the bytes of the same slice. */
    uint8_t *room = nx_stream_reserve(&peer->stream, 4);
    memcpy(room, "last", 4);
    peer->pending_size = 4;
    nx_stream_commit(&peer->stream, 4);
    nx_stream_finish(&peer->stream);
    nx_stream_finish(&peer->stream);
    uint8_t got[8];
    size_t size = 0;
    FIXTURE_UNTIL(server.loop, (size += receive_some(client, got + size, 8 - size)) == 4);
    FIXTURE_UNTIL(server.loop, recv(client, got, 1, MSG_DONTWAIT) == 0);
    CHECK(server.closed_count == 0, "open until closed");
    nx_stream_close(&peer->stream);
    FIXTURE_UNTIL(server.loop, server.closed_count == 1);
    (void)close(client);
    fixture_end(&server);
}

TEST(stream, half_closes_both_ways)
{
    half_closed(&all);
    half_closed(&old);
}

/* FIN and close while the socket is full: everything arrives before the first, the second does not wait. */
static void ended_while_blocked(const struct nx_loop_config *config)
{
    struct fixture_server server = {.on_accept = flood_accept};
    fixture_serve(&server, fixture_loop(config), 4);
    int client = fixture_client(server.listener.bound.port);
    FIXTURE_UNTIL(server.loop, server.open_count == 1 && nx_stream_is_blocked(&server.peers[0].stream));
    nx_stream_finish(&server.peers[0].stream);
    static uint8_t bytes[70000];
    uint64_t received = 0;
    ssize_t size = -1;
    const nx_time end = nx_time_add_ms(nx_clock_now(), 20000);
    while (size != 0 && nx_time_before(nx_clock_now(), end)) {
        nx_loop_turn(server.loop, nx_clock_now());
        size = recv(client, bytes, sizeof(bytes), MSG_DONTWAIT);
        received += size > 0 ? (uint64_t)size : 0;
    }
    CHECK(size == 0 && received == FLOOD, "%llu before the end", (unsigned long long)received);
    (void)close(client);
    FIXTURE_UNTIL(server.loop, server.peers[0].is_ended);
    nx_stream_close(&server.peers[0].stream);
    FIXTURE_UNTIL(server.loop, server.closed_count == 1);

    client = fixture_client(server.listener.bound.port);
    FIXTURE_UNTIL(server.loop, server.open_count == 1 && nx_stream_is_blocked(&server.peers[1].stream));
    nx_loop_turn(server.loop, nx_clock_now());
    nx_stream_close(&server.peers[1].stream);
    FIXTURE_UNTIL(server.loop, server.closed_count == 2);
    (void)close(client);
    fixture_end(&server);
}

TEST(stream, finishes_and_closes_while_blocked)
{
    ended_while_blocked(&all);
    ended_while_blocked(&old);
}

static void reset(const struct nx_loop_config *config)
{
    struct fixture_server server = {.is_silent = true, .on_accept = flood_accept};
    fixture_serve(&server, fixture_loop(config), 4);
    for (int round = 0; round < 2; round++) {
        const int client = fixture_client(server.listener.bound.port);
        const struct linger now = {.l_onoff = 1, .l_linger = 0};
        FIXTURE_UNTIL(server.loop,
                      server.open_count == 1 && nx_stream_is_blocked(&server.peers[round].stream));
        (void)setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        (void)close(client);
        FIXTURE_UNTIL(server.loop, server.closed_count == (uint32_t)round + 1);
        CHECK(server.peers[round].why == NX_E_CLOSED, "%s", nx_err_text(server.peers[round].why));
    }
    fixture_end(&server);
}

TEST(stream, a_reset_while_blocked_closes)
{
    reset(&all);
    reset(&old);
}

/* Bytes and the reset behind them are there before the first read is asked for. */
static void early_reset(const struct nx_loop_config *config)
{
    enum { ROUNDS = 200 };
    struct fixture_server server = {.is_silent = true};
    fixture_serve(&server, fixture_loop(config), 4);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        const int client = fixture_client(server.listener.bound.port);
        const struct linger now = {.l_onoff = 1, .l_linger = 0};
        CHECK(send(client, "hello", 5, MSG_NOSIGNAL) == 5, "send");
        if (round % 2 == 0) {
            nx_loop_turn(server.loop, nx_clock_now());
        }
        (void)setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        (void)close(client);
        FIXTURE_UNTIL(server.loop, server.closed_count == round + 1);
    }
    fixture_end(&server);
}

TEST(stream, a_reset_before_the_first_read_closes)
{
    early_reset(&all);
    early_reset(&old);
}

/* ---- connecting and listening ---- */

static uint32_t connected_count;

static void count_connected(void *context)
{
    (void)context;
    connected_count++;
}

static struct nx_stream_events calling_events;

static void call(struct fixture_server *server, struct fixture_peer *caller, const struct nx_endpoint *to,
                 const struct nx_addr *source)
{
    uint8_t *pending = caller->pending;
    *caller = (struct fixture_peer){.server = server, .pending = pending, .is_silent = true, .is_open = true};
    server->open_count++;
    CHECK(nx_stream_connect(&caller->stream, server->loop, to, source, &calling_events, caller) == NX_OK,
          "connect");
}

static void connects(const struct nx_loop_config *config)
{
    struct fixture_server server = {.is_silent = false};
    calling_events = fixture_events;
    calling_events.connected = count_connected;
    connected_count = 0;
    fixture_serve(&server, fixture_loop(config), 4);
    struct fixture_peer caller = {.pending = malloc(FIXTURE_PENDING_MAX)};
    const struct nx_endpoint to = fixture_loopback(server.listener.bound.port);
    const struct nx_addr source = {.family = NX_ADDR_FAMILY_IPV4, .ip = {127, 0, 0, 9}};
    call(&server, &caller, &to, &source);
    CHECK(nx_stream_reserve(&caller.stream, 1) == NULL, "not before it is connected");
    FIXTURE_UNTIL(server.loop, connected_count == 1 && server.peers_count == 1);
    CHECK(server.peers[0].address.ip[3] == 9, "the source address was bound");
    memcpy(caller.pending, "ping", 4);
    caller.pending_size = 4;
    fixture_flush(&caller);
    FIXTURE_UNTIL(server.loop, caller.received_size == 4);
    nx_stream_close(&caller.stream);
    FIXTURE_UNTIL(server.loop, server.open_count == 0);

    /* Nobody listens there: refused, with the reason. */
    nx_listener_close(&server.listener);
    nx_loop_turn(server.loop, nx_clock_now());
    call(&server, &caller, &to, NULL);
    FIXTURE_UNTIL(server.loop, server.open_count == 0);
    CHECK(caller.why == NX_E_UNAVAILABLE && connected_count == 1, "%s", nx_err_text(caller.why));
    const struct nx_endpoint nowhere = {.kind = NX_ENDPOINT_UNIX, .path = "/nonexistent/socket"};
    call(&server, &caller, &nowhere, NULL);
    FIXTURE_UNTIL(server.loop, server.open_count == 0);
    CHECK(caller.why == NX_E_UNAVAILABLE, "%s", nx_err_text(caller.why));
    /* Closed before it is connected. */
    call(&server, &caller, &to, NULL);
    nx_stream_close(&caller.stream);
    FIXTURE_UNTIL(server.loop, server.open_count == 0);
    CHECK(caller.why == NX_OK || caller.why == NX_E_UNAVAILABLE, "%s", nx_err_text(caller.why));

    /* An inherited pair of sockets. */
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "pair");
    const struct nx_endpoint inherited = {.kind = NX_ENDPOINT_FD, .fd = pair[0]};
    call(&server, &caller, &inherited, NULL);
    FIXTURE_UNTIL(server.loop, connected_count == 2);
    CHECK(send(pair[1], "abc", 3, 0) == 3, "send");
    FIXTURE_UNTIL(server.loop, caller.received_size == 3);
    (void)close(pair[1]);
    FIXTURE_UNTIL(server.loop, caller.is_ended);
    fixture_end(&server);
    free(caller.pending);
}

TEST(stream, connects_or_says_why_not)
{
    connects(&all);
    connects(&old);
}

TEST(stream, a_unix_socket_file_is_replaced_only_when_stale)
{
    struct nx_endpoint where = {.kind = NX_ENDPOINT_UNIX};
    struct nx_addr bound;
    int first;
    int second;
    snprintf(where.path, sizeof(where.path), "/tmp/nexus-unix-%d", (int)getpid());
    CHECK(nx_listener_bind(&where, false, &first, &bound) == NX_OK, "first");
    CHECK(nx_listener_bind(&where, false, &second, &bound) == NX_E_IN_USE, "somebody listens");
    (void)close(first);
    CHECK(nx_listener_bind(&where, false, &second, &bound) == NX_OK, "stale file replaced");
    (void)close(second);
    (void)unlink(where.path);
    FILE *file = fopen(where.path, "w");
    fclose(file);
    CHECK(nx_listener_bind(&where, false, &second, &bound) == NX_E_IN_USE, "a file that is no socket stays");
    (void)unlink(where.path);
    memset(where.path, 'x', sizeof(where.path));
    CHECK(nx_listener_bind(&where, false, &second, &bound) == NX_E_MALFORMED, "too long");
}

TEST(stream, listens_on_shared_inherited_and_taken_addresses)
{
    struct nx_endpoint where = fixture_loopback(0);
    struct nx_addr bound;
    struct nx_addr again;
    int fds[2];
    CHECK(nx_listener_bind(&where, true, &fds[0], &bound) == NX_OK && bound.port != 0, "bind");
    CHECK((fcntl(fds[0], F_GETFD) & FD_CLOEXEC) == 0, "inheritable");
    where.addr = bound;
    CHECK(nx_listener_bind(&where, true, &fds[1], &again) == NX_OK && again.port == bound.port, "shared");
    (void)close(fds[1]);
    CHECK(nx_listener_bind(&where, false, &fds[1], &again) == NX_E_IN_USE, "taken");
    struct nx_endpoint inherited = {.kind = NX_ENDPOINT_FD, .fd = fds[0]};
    struct fixture_server server = {.is_silent = false};
    fixture_serve(&server, fixture_loop(&all), 4);
    struct nx_listener listener;
    CHECK(nx_listener_open(server.loop, &listener, &inherited, fixture_accept, &server) == NX_OK,
          "inherited");
    CHECK(listener.bound.port == bound.port, "port known");
    nx_listener_pause(&listener, true);
    nx_loop_turn(server.loop, nx_clock_now());
    nx_loop_turn(server.loop, nx_clock_now());
    const int client = fixture_client(bound.port);
    for (int i = 0; i < 5; i++) {
        nx_loop_turn(server.loop, nx_time_add_ms(nx_clock_now(), 1));
    }
    CHECK(server.open_count == 0, "paused");
    nx_listener_pause(&listener, false);
    FIXTURE_UNTIL(server.loop, server.open_count == 1);
    (void)close(client);
    nx_listener_close(&listener);
    FIXTURE_UNTIL(server.loop, server.open_count == 0);
    fixture_end(&server);
}

TEST(stream, a_full_table_refuses_and_recovers)
{
    const struct nx_loop_config config = {.streams_max = 2};
    struct fixture_server server = {.is_silent = false};
    int clients[4];
    fixture_serve(&server, fixture_loop(&config), 4);
    for (int i = 0; i < 3; i++) {
        clients[i] = fixture_client(server.listener.bound.port);
    }
    FIXTURE_UNTIL(server.loop, server.refused_count == 1);
    uint8_t byte;
    FIXTURE_UNTIL(server.loop, recv(clients[2], &byte, 1, MSG_DONTWAIT) == 0);
    (void)close(clients[0]);
    FIXTURE_UNTIL(server.loop, server.open_count == 1);
    clients[3] = fixture_client(server.listener.bound.port);
    FIXTURE_UNTIL(server.loop, server.open_count == 2);
    for (int i = 1; i < 4; i++) {
        (void)close(clients[i]);
    }
    fixture_end(&server);
}

TEST(stream, a_commit_after_close_is_dropped)
{
    struct fixture_server server = {.is_silent = true};
    fixture_serve(&server, fixture_loop(&all), 4);
    const int client = fixture_client(server.listener.bound.port);
    FIXTURE_UNTIL(server.loop, server.open_count == 1);
    uint8_t *room = nx_stream_reserve(&server.peers[0].stream, 4);
    memcpy(room, "lost", 4);
    nx_stream_close(&server.peers[0].stream);
    nx_stream_commit(&server.peers[0].stream, 4);
    CHECK(nx_stream_reserve(&server.peers[0].stream, 4) == NULL, "closing");
    FIXTURE_UNTIL(server.loop, server.closed_count == 1);
    uint8_t byte;
    FIXTURE_UNTIL(server.loop, recv(client, &byte, 1, MSG_DONTWAIT) == 0);
    (void)close(client);
    fixture_end(&server);
}

TEST(stream, what_was_committed_before_close_is_sent)
{
    struct fixture_server server = {.is_silent = true};
    fixture_serve(&server, fixture_loop(&all), 4);
    const int client = fixture_client(server.listener.bound.port);
    FIXTURE_UNTIL(server.loop, server.open_count == 1);
    uint8_t *room = nx_stream_reserve(&server.peers[0].stream, 4);
    memcpy(room, "bye.", 4);
    nx_stream_commit(&server.peers[0].stream, 4);
    nx_stream_close(&server.peers[0].stream);
    uint8_t got[8];
    size_t size = 0;
    FIXTURE_UNTIL(server.loop, (size += receive_some(client, got + size, 8 - size)) == 4);
    FIXTURE_UNTIL(server.loop, server.closed_count == 1 && recv(client, got, 1, MSG_DONTWAIT) == 0);
    (void)close(client);
    fixture_end(&server);
}

/* The completion of a short send waits behind a full completion queue: its commit must not be taken for whole. */
static void overflown(const struct nx_loop_config *config)
{
    struct fixture_server server = {.on_accept = flood_accept};
    fixture_serve(&server, fixture_loop(config), 4);
    const int client = fixture_client(server.listener.bound.port);
    const int small = 16384;
    (void)setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    FIXTURE_UNTIL(server.loop, server.open_count == 1 && nx_stream_is_blocked(&server.peers[0].stream));
    static uint8_t bytes[70000];
    uint64_t received = 0;
    const nx_time end = nx_time_add_ms(nx_clock_now(), 20000);
    overflows_left = 20;
    while (received < FLOOD && nx_time_before(nx_clock_now(), end)) {
        const size_t size = receive_some(client, bytes, 30000);
        for (size_t i = 0; i < size; i++) {
            CHECK(bytes[i] == pattern_at(received + i), "byte %llu", (unsigned long long)(received + i));
        }
        received += size;
        nx_loop_turn(server.loop, nx_clock_now());
    }
    CHECK(overflows_left <= 17, "%u overflows not met", overflows_left);
    overflows_left = 0;
    CHECK(received == FLOOD, "%llu received", (unsigned long long)received);
    FIXTURE_UNTIL(server.loop, server.peers[0].sent_size == FLOOD);
    (void)close(client);
    fixture_end(&server);
}

TEST(stream, an_overflowing_completion_queue_loses_nothing)
{
    overflown(&all);
    overflown(&old);
}

TEST(stream, accepting_goes_on_after_descriptors_ran_out)
{
    struct fixture_server server = {.is_silent = true};
    fixture_serve(&server, fixture_loop(&old), 4);
    /* The kernel looks at the limit when an accept is put, so one has to be put after lowering it. */
    nx_listener_pause(&server.listener, true);
    nx_loop_turn(server.loop, nx_clock_now());
    const int client = fixture_client(server.listener.bound.port);
    const int spare = dup(client);
    (void)close(spare);
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0, "limit");
    const struct rlimit none = {.rlim_cur = (rlim_t)spare, .rlim_max = limit.rlim_max};
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0, "lower");
    nx_listener_pause(&server.listener, false);
    const uint64_t turns = nx_loop_stats(server.loop)->turns;
    const nx_time end = nx_time_add_ms(nx_clock_now(), 60);
    while (nx_time_before(nx_clock_now(), end)) {
        nx_loop_turn(server.loop, end);
    }
    CHECK(server.open_count == 0, "no descriptor");
    CHECK(nx_loop_stats(server.loop)->turns - turns < 20, "does not spin");
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0, "raise");
    FIXTURE_UNTIL(server.loop, server.open_count == 1);
    (void)close(client);
    fixture_end(&server);
}

TEST(stream, the_feature_mask_decides_about_fixed_descriptors)
{
    struct nx_loop *loop = fixture_loop(&old);
    CHECK(loop->ring.files_count == 0, "6.1 keeps closed sockets open behind old receives");
    nx_loop_close(loop);
}

/* ---- the ratchet: what a delivery may cost ---- */

static struct fixture_server *ratchet_server;
static uint32_t ratchet_cursor;
static uint32_t ratchet_turns;

static bool ratchet_run(void *context)
{
    (void)context;
    ratchet_turns++;
    while (ratchet_cursor < ratchet_server->open_count) {
        uint8_t *room = nx_stream_reserve(&ratchet_server->peers[ratchet_cursor].stream, 154);
        if (room == NULL) {
            return true;
        }
        memset(room, 'x', 154);
        ratchet_server->peers[ratchet_cursor].pending_size += 154;
        nx_stream_commit(&ratchet_server->peers[ratchet_cursor].stream, 154);
        ratchet_cursor++;
    }
    return false;
}

static void ratchet(const struct nx_loop_config *config)
{
    enum { CLIENTS = 1024 };
    static int clients[CLIENTS];
    struct fixture_server server = {.is_silent = true};
    struct nx_loop_config whole_slices = *config;
    whole_slices.slice_submit_us_max = 1000000; /* this counts; how slow the machine is must not show */
    fixture_serve(&server, fixture_loop(&whole_slices), CLIENTS);
    ratchet_server = &server;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = fixture_client(server.listener.bound.port);
        if (i % 64 == 0) {
            nx_loop_turn(server.loop, nx_clock_now());
        }
    }
    FIXTURE_UNTIL(server.loop, server.open_count == CLIENTS);
    struct nx_loop_task task;
    nx_loop_task_init(&task, NX_LOOP_BULK, ratchet_run, NULL);
    for (int i = 0; i < 4; i++) {
        nx_loop_turn(server.loop, nx_clock_now());
    }
    const struct nx_loop_stats before = *nx_loop_stats(server.loop);
    const struct nx_mem_stats memory_before = nx_mem_stats();
    ratchet_cursor = 0;
    nx_loop_task_wake(server.loop, &task);
    while (ratchet_cursor < CLIENTS) {
        nx_loop_turn(server.loop, NX_TIME_NEVER);
    }
    nx_loop_turn(server.loop, nx_clock_now());
    const struct nx_loop_stats after = *nx_loop_stats(server.loop);
    const struct nx_mem_stats memory_after = nx_mem_stats();
    CHECK(after.sends - before.sends == CLIENTS, "%llu sends",
          (unsigned long long)(after.sends - before.sends));
    /* One enter per 128 sends, and the one that submits the last slice. */
    CHECK(after.enters - before.enters <= CLIENTS / 128 + 1, "%llu system calls for %d sends",
          (unsigned long long)(after.enters - before.enters), CLIENTS);
    CHECK(after.completions == before.completions, "no completion per delivery");
    CHECK(memory_after.takes == memory_before.takes && memory_after.slabs == memory_before.slabs,
          "no allocation");
    CHECK(after.sent_bytes - before.sent_bytes == CLIENTS * 154, "all taken");
    for (int i = 0; i < CLIENTS; i++) {
        (void)close(clients[i]);
    }
    fixture_end(&server);
}

TEST(stream, a_delivery_costs_a_128th_of_a_system_call_and_no_allocation)
{
    ratchet(&all);
    ratchet(&old);
}
