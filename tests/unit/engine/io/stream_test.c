/* Goal: streams deliver every byte in order through full sockets, closes and reused slots.
 * Method: clients are plain sockets of the same thread; kernel limits are made small so that they are met. Both kernel
 * feature sets run. */
#include "tests/unit/engine/io/fixture.h"

#include <fcntl.h>
#include <stdlib.h>

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
            FIXTURE_UNTIL(server.loop, (size += receive_some(clients[i], got + size, sizeof(got) - size)) >= 8);
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
