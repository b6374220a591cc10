/* fixture.h - a loop, a server that echoes or stores, and plain client sockets in the same thread.
 *
 * Layer:   tests
 * Idiom:   clients are non-blocking; fixture_until() turns the loop until a condition holds or 10 s are over.
 */
#ifndef TESTS_UNIT_ENGINE_IO_FIXTURE_H
#define TESTS_UNIT_ENGINE_IO_FIXTURE_H

#include "engine/io/clock.h"
#include "engine/io/loop.h"
#include "engine/io/socket.h"
#include "engine/io/stream.h"
#include "engine/io/timer.h"
#include "tests/lib/check.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIXTURE_UNTIL(loop, condition)                                                                       \
    do {                                                                                                     \
        const nx_time fixture_end = nx_time_add_ms(nx_clock_now(), 20000);                                   \
        while (!(condition)) {                                                                               \
            CHECK(nx_time_before(nx_clock_now(), fixture_end), "not within 20 s: %s", #condition);           \
            nx_loop_turn((loop), nx_time_add_ms(nx_clock_now(), 5));                                         \
        }                                                                                                    \
    } while (0)

static inline struct nx_loop *fixture_loop(const struct nx_loop_config *config)
{
    struct nx_loop_config c = *config;
    struct nx_loop *loop = NULL;
    char why[NX_LOOP_WHY_SIZE] = "";
    c.cpu = -1;
    const enum nx_err err = nx_loop_open(&loop, &c, why);
    CHECK(err == NX_OK, "open: %s: %s", nx_err_text(err), why);
    return loop;
}

static inline struct nx_endpoint fixture_loopback(uint16_t port)
{
    return (struct nx_endpoint){.kind = NX_ENDPOINT_ADDR,
                                .addr = {.family = NX_ADDR_FAMILY_IPV4, .ip = {127, 0, 0, 1}, .port = port}};
}

/** Connects a blocking client socket and makes it non-blocking. */
static inline int fixture_client(uint16_t port)
{
    const struct nx_endpoint where = fixture_loopback(port);
    struct nx_socket_address to;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    nx_socket_tune(fd, true);
    CHECK(nx_socket_address_of(&where, &to) == NX_OK, "address");
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&to.storage, to.size) == 0, "connect: %s",
          strerror(errno));
    return fd;
}

/** A simple hash to compare long runs of bytes. */
static inline uint64_t fixture_hash(uint64_t hash, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * 1099511628211u;
    }
    return hash;
}

enum { FIXTURE_HASH_START = 1469598103, FIXTURE_PENDING_MAX = 1 << 17 };

struct fixture_server;

/** One server connection: echoes what fits into `pending`. */
struct fixture_peer {
    struct nx_stream stream;
    struct fixture_server *server;
    struct nx_addr address;
    uint8_t *pending; /**< bytes to send */
    size_t pending_size;
    uint64_t received_size;
    uint64_t sent_size;
    uint32_t writable_count;
    uint32_t closed_count;
    enum nx_err why;
    bool is_ended;
    bool is_open;
    bool is_silent; /**< do not echo */
};

/** What a test overrides. */
struct fixture_server {
    struct nx_loop *loop;
    struct nx_listener listener;
    struct fixture_peer *peers;
    uint32_t peers_max;
    uint32_t peers_count; /**< accepted ever, modulo free places */
    uint32_t open_count;
    uint32_t closed_count;
    uint32_t refused_count;
    bool is_silent;
    void (*on_data)(struct fixture_peer *peer, uint8_t *bytes, size_t size);
    void (*on_accept)(struct fixture_peer *peer);
};

static inline void fixture_flush(struct fixture_peer *peer)
{
    if (peer->pending_size == 0 || nx_stream_is_blocked(&peer->stream)) {
        return;
    }
    const size_t size =
        peer->pending_size < NX_STREAM_RESERVE_MAX ? peer->pending_size : NX_STREAM_RESERVE_MAX;
    uint8_t *room = nx_stream_reserve(&peer->stream, size);
    if (room != NULL) {
        memcpy(room, peer->pending, size);
        nx_stream_commit(&peer->stream, size);
    }
}

static inline void fixture_data(void *context, uint8_t *bytes, size_t size)
{
    struct fixture_peer *peer = context;
    peer->received_size += size;
    if (peer->server->on_data != NULL) {
        peer->server->on_data(peer, bytes, size);
        return;
    }
    if (!peer->is_silent) {
        CHECK(peer->pending_size + size <= FIXTURE_PENDING_MAX, "echo overrun");
        memcpy(peer->pending + peer->pending_size, bytes, size);
        peer->pending_size += size;
        fixture_flush(peer);
    }
}

static inline void fixture_sent(void *context, size_t size)
{
    struct fixture_peer *peer = context;
    CHECK(size <= peer->pending_size, "sent %zu of %zu", size, peer->pending_size);
    peer->sent_size += size;
    peer->pending_size -= size;
    memmove(peer->pending, peer->pending + size, peer->pending_size);
    fixture_flush(peer);
}

static inline void fixture_writable(void *context)
{
    struct fixture_peer *peer = context;
    peer->writable_count++;
    fixture_flush(peer);
}

static inline void fixture_connected(void *context)
{
    (void)context;
}

static inline void fixture_ended(void *context)
{
    struct fixture_peer *peer = context;
    peer->is_ended = true;
    if (!peer->is_silent) {
        nx_stream_close(&peer->stream);
    }
}

static inline void fixture_closed(void *context, enum nx_err why)
{
    struct fixture_peer *peer = context;
    peer->closed_count++;
    peer->why = why;
    peer->is_open = false;
    peer->server->open_count--;
    peer->server->closed_count++;
}

static const struct nx_stream_events fixture_events = {.connected = fixture_connected,
                                                       .data = fixture_data,
                                                       .ended = fixture_ended,
                                                       .sent = fixture_sent,
                                                       .writable = fixture_writable,
                                                       .closed = fixture_closed};

static inline void fixture_accept(void *context, struct nx_accepted *accepted)
{
    struct fixture_server *server = context;
    for (uint32_t i = 0; i < server->peers_max; i++) {
        struct fixture_peer *peer = &server->peers[(server->peers_count + i) % server->peers_max];
        if (!peer->is_open) {
            uint8_t *pending = peer->pending;
            *peer =
                (struct fixture_peer){.server = server, .pending = pending, .is_silent = server->is_silent};
            peer->address = accepted->peer;
            if (nx_stream_accept(&peer->stream, server->loop, accepted, &fixture_events, peer) == NX_OK) {
                peer->is_open = true;
                server->peers_count++;
                server->open_count++;
                if (server->on_accept != NULL) {
                    server->on_accept(peer);
                }
            } else {
                server->refused_count++;
            }
            return;
        }
    }
    server->refused_count++;
}

static inline void fixture_serve(struct fixture_server *server, struct nx_loop *loop, uint32_t peers_max)
{
    const struct nx_endpoint where = fixture_loopback(0);
    server->loop = loop;
    server->peers_max = peers_max;
    server->peers = calloc(peers_max, sizeof(*server->peers));
    for (uint32_t i = 0; i < peers_max; i++) {
        server->peers[i].pending = malloc(peers_max <= 64 ? FIXTURE_PENDING_MAX : 4096);
    }
    const enum nx_err err = nx_listener_open(loop, &server->listener, &where, fixture_accept, server);
    CHECK(err == NX_OK, "listen: %s", nx_err_text(err));
}

static inline void fixture_end(struct fixture_server *server)
{
    nx_loop_close(server->loop);
    for (uint32_t i = 0; i < server->peers_max; i++) {
        free(server->peers[i].pending);
    }
    free(server->peers);
}

#endif
