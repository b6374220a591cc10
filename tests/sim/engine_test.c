/* Goal:   engine/sim keeps the contracts of engine/io's headers, under every fault, and its histories depend on the seed
 *         alone.
 * Method: echo servers and links on hosts of a world; each seed draws its own network; what was received is compared with
 *         what was sent, byte by byte, and two runs of a seed by their hash.
 */
#include "engine/crypto/random.h"
#include "engine/io/clock.h"
#include "engine/io/file.h"
#include "engine/io/link.h"
#include "engine/io/mailbox.h"
#include "engine/io/mem.h"
#include "engine/io/shard.h"
#include "engine/io/signal.h"
#include "engine/io/stream.h"
#include "engine/io/timer.h"
#include "engine/io/worker.h"
#include "engine/sim/host.h"
#include "engine/sim/net.h"
#include "engine/sim/sim.h"
#include "tests/lib/check.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { PEERS_MAX = 16, PENDING_MAX = 1 << 18, SEEDS = 200 };

struct world {
    struct nx_sim *sim;
    struct nx_host *server;
    struct nx_host *client;
    struct nx_loop *server_loop;
    struct nx_loop *client_loop;
};

static struct nx_addr address(uint8_t last, uint16_t port)
{
    return (struct nx_addr){.family = NX_ADDR_FAMILY_IPV4, .ip = {10, 0, 0, last}, .port = port};
}

static struct nx_endpoint at(uint8_t last, uint16_t port)
{
    return (struct nx_endpoint){.kind = NX_ENDPOINT_ADDR, .addr = address(last, port)};
}

static struct nx_loop *loop_on(struct nx_host *host)
{
    const struct nx_loop_config config = {.streams_max = 64, .cpu = -1};
    struct nx_loop *loop = NULL;
    char why[NX_LOOP_WHY_SIZE];
    struct nx_host *before = nx_host_enter(host);
    CHECK(nx_loop_open(&loop, &config, why) == NX_OK, "a loop opens");
    (void)nx_host_enter(before);
    return loop;
}

static struct world world_open(uint64_t seed)
{
    struct world w = {0};
    CHECK(nx_sim_open(&w.sim, seed) == NX_OK, "one world at a time");
    const struct nx_addr a = address(1, 0);
    const struct nx_addr b = address(2, 0);
    w.server = nx_host_open(w.sim, "server", &a);
    w.client = nx_host_open(w.sim, "client", &b);
    w.server_loop = loop_on(w.server);
    w.client_loop = loop_on(w.client);
    return w;
}

static void run_ms(struct world *w, int64_t ms)
{
    nx_sim_run(w->sim, nx_time_add_ms(nx_sim_now(w->sim), ms));
}

/* ---- a peer that sends `total` bytes of a pattern and checks what it gets ---- */

struct side;

struct peer {
    struct nx_stream stream;
    struct side *side;
    uint8_t *pending; /* an echoing peer: what it has to send back */
    size_t pending_size;
    uint64_t total;    /* a sending peer: bytes to send */
    uint64_t sent;     /* taken by the network */
    uint64_t received; /* and back */
    uint8_t salt;
    bool is_open;
    bool is_echo;
    bool is_finished;
    bool is_hasty; /* a sending peer: says at once that it will send no more than what follows */
    uint32_t connected_count, ended_count, closed_count, writable_count;
    enum nx_err why;
};

struct side {
    struct nx_loop *loop;
    struct nx_listener listener;
    struct peer peers[PEERS_MAX];
    bool has_limits; /* stop reading while much is pending */
};

static uint8_t pattern(uint8_t salt, uint64_t offset)
{
    return (uint8_t)(salt + offset * 7 + (offset >> 8) * 13);
}

static void peer_flush(struct peer *p)
{
    size_t size = p->is_echo ? p->pending_size : (size_t)(p->total - p->sent);
    size = size < 5000 ? size : 5000;
    if (size == 0) {
        if (!p->is_echo && !p->is_finished) {
            p->is_finished = true;
            nx_stream_finish(&p->stream);
        } else if (p->is_echo && p->ended_count != 0) {
            nx_stream_close(&p->stream);
        }
        return;
    }
    uint8_t *room = nx_stream_reserve(&p->stream, size);
    if (room == NULL) {
        return;
    }
    for (size_t i = 0; i < size; i++) {
        room[i] = p->is_echo ? p->pending[i] : pattern(p->salt, p->sent + i);
    }
    nx_stream_commit(&p->stream, size);
}

static void on_connected(void *context)
{
    struct peer *p = context;
    p->connected_count++;
    peer_flush(p);
    if (p->is_hasty) {
        p->is_finished = true;
        nx_stream_finish(&p->stream);
    }
}

static void on_data(void *context, uint8_t *bytes, size_t size)
{
    struct peer *p = context;
    CHECK(size != 0 && p->ended_count == 0 && p->closed_count == 0, "no bytes after the end");
    if (p->is_echo) {
        CHECK(p->pending_size + size <= PENDING_MAX, "pending");
        memcpy(p->pending + p->pending_size, bytes, size);
        p->pending_size += size;
        if (p->side->has_limits && p->pending_size > 4096) {
            nx_stream_pause(&p->stream, true);
        }
        peer_flush(p);
        return;
    }
    for (size_t i = 0; i < size; i++) {
        CHECK(bytes[i] == pattern(p->salt, p->received + i), "byte %llu",
              (unsigned long long)(p->received + i));
    }
    p->received += size;
    memset(bytes, 0, size); /* lent, and writable */
}

static void on_ended(void *context)
{
    struct peer *p = context;
    p->ended_count++;
    if (!p->is_echo) {
        nx_stream_close(&p->stream);
    } else {
        peer_flush(p);
    }
}

static void on_sent(void *context, size_t size)
{
    struct peer *p = context;
    if (p->is_echo) {
        CHECK(size <= p->pending_size, "sent");
        p->pending_size -= size;
        memmove(p->pending, p->pending + size, p->pending_size);
        if (p->pending_size <= 4096) {
            nx_stream_pause(&p->stream, false);
        }
    }
    p->sent += size;
    if (!nx_stream_is_blocked(&p->stream)) {
        peer_flush(p);
    }
}

static void on_writable(void *context)
{
    struct peer *p = context;
    p->writable_count++;
    peer_flush(p);
}

static void on_closed(void *context, enum nx_err why)
{
    struct peer *p = context;
    CHECK(p->closed_count == 0, "closed once");
    p->closed_count++;
    p->why = why;
    p->is_open = false;
    free(p->pending);
    p->pending = NULL;
}

static const struct nx_stream_events EVENTS = {.connected = on_connected,
                                               .data = on_data,
                                               .ended = on_ended,
                                               .sent = on_sent,
                                               .writable = on_writable,
                                               .closed = on_closed};

static void on_accept(void *context, struct nx_accepted *accepted)
{
    struct side *side = context;
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        struct peer *p = &side->peers[i];
        if (!p->is_open) {
            *p =
                (struct peer){.side = side, .is_echo = true, .is_open = true, .pending = malloc(PENDING_MAX)};
            CHECK(nx_stream_accept(&p->stream, side->loop, accepted, &EVENTS, p) == NX_OK, "accept");
            return;
        }
    }
}

static void serve(struct side *side, struct nx_loop *loop, const struct nx_endpoint *where)
{
    memset(side, 0, sizeof(*side));
    side->loop = loop;
    CHECK(nx_listener_open(loop, &side->listener, where, on_accept, side) == NX_OK, "listen");
}

static void dial(struct side *side, uint32_t i, const struct nx_endpoint *where, uint64_t total)
{
    struct peer *p = &side->peers[i];
    *p = (struct peer){.side = side, .is_open = true, .total = total, .salt = (uint8_t)i};
    CHECK(nx_stream_connect(&p->stream, side->loop, where, NULL, &EVENTS, p) == NX_OK, "connect");
}

static void side_forget(struct side *side)
{
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        free(side->peers[i].pending);
        side->peers[i].pending = NULL;
    }
}

static struct nx_net_profile rough(struct nx_sim *sim)
{
    struct nx_prng *prng = nx_sim_prng(sim);
    const uint32_t buffer = 1u << (4 + nx_prng_below(prng, 14));
    return (struct nx_net_profile){.latency_us_min = 10,
                                   .latency_us_max = 10 + (uint32_t)nx_prng_below(prng, 30000),
                                   .jitter_us_max = (uint32_t)nx_prng_below(prng, 5000),
                                   .buffer_size_min = buffer,
                                   .buffer_size_max = buffer * 4,
                                   .bandwidth_min = 1000000,
                                   .bandwidth_max = 100000000,
                                   .split_one_in = 1 + (uint32_t)nx_prng_below(prng, 4)};
}

TEST(sim_stream, echoes_every_byte_over_every_network_and_returns_all)
{
    uint64_t blocked = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world w = world_open(seed);
        static struct side server, client;
        const struct nx_net_profile profile = rough(w.sim);
        nx_net_profile_set(w.sim, &profile);
        struct nx_endpoint where = at(1, 80);
        if (seed % 3 == 0) {
            where = (struct nx_endpoint){.kind = NX_ENDPOINT_UNIX, .path = "bus.sock"};
        }
        serve(&server, w.server_loop, &where);
        server.has_limits = seed % 2 == 0;
        memset(&client, 0, sizeof(client));
        client.loop = w.client_loop;
        for (uint32_t i = 0; i < 6; i++) {
            dial(&client, i, &where, 1 + nx_prng_below(nx_sim_prng(w.sim), 20000));
        }
        run_ms(&w, 600000);
        for (uint32_t i = 0; i < 6; i++) {
            const struct peer *p = &client.peers[i];
            CHECK(p->connected_count == 1 && p->closed_count == 1 && p->why == NX_OK,
                  "seed %llu peer %u: %d %d %s", (unsigned long long)seed, i, p->connected_count,
                  p->closed_count, nx_err_text(p->why));
            CHECK(p->received == p->total && p->sent == p->total, "seed %llu peer %u: %llu of %llu",
                  (unsigned long long)seed, i, (unsigned long long)p->received, (unsigned long long)p->total);
            blocked += p->writable_count;
        }
        CHECK(nx_net_count(w.sim) == 0 && nx_host_streams_count(w.server) == 0, "all connections are gone");
        nx_sim_close(w.sim);
    }
    CHECK(blocked > 1000, "small buffers block: %llu", (unsigned long long)blocked);
}

static uint64_t storm(uint64_t seed, uint64_t *events)
{
    struct world w = world_open(seed);
    static struct side server, client;
    struct nx_prng *prng = nx_sim_prng(w.sim);
    struct nx_net_profile profile = rough(w.sim);
    profile.reset_one_in = 200;
    nx_net_profile_set(w.sim, &profile);
    const struct nx_endpoint where = at(1, 80);
    serve(&server, w.server_loop, &where);
    memset(&client, 0, sizeof(client));
    client.loop = w.client_loop;
    for (uint32_t round = 0; round < 60; round++) {
        for (uint32_t i = 0; i < PEERS_MAX - 4; i++) {
            if (!client.peers[i].is_open) {
                dial(&client, i, &where, 1 + nx_prng_below(prng, 4000));
            }
        }
        const nx_time soon = nx_time_add_ms(nx_sim_now(w.sim), (int64_t)nx_prng_below(prng, 800));
        switch (nx_prng_below(prng, 7)) {
        case 0:
            (void)nx_net_cut_any(w.sim, (enum nx_net_cut)nx_prng_below(prng, NX_NET_CUTS_COUNT));
            break;
        case 1:
            (void)nx_net_cut(w.server, w.client, (enum nx_net_cut)nx_prng_below(prng, 2));
            break;
        case 2:
            nx_net_partition(w.server, w.client, soon);
            break;
        case 3:
            nx_net_clog(w.server, w.client, 40, soon);
            break;
        case 4:
            nx_host_pause(w.server, soon);
            break;
        case 5:
            nx_host_crash(w.server);
            side_forget(&server);
            run_ms(&w, (int64_t)nx_prng_below(prng, 500));
            w.server_loop = loop_on(w.server);
            serve(&server, w.server_loop, &where);
            break;
        default:
            break;
        }
        run_ms(&w, (int64_t)nx_prng_below(prng, 400));
    }
    const uint64_t hash = nx_sim_hash(w.sim);
    *events = nx_sim_events(w.sim);
    nx_sim_close(w.sim);
    side_forget(&server);
    side_forget(&client);
    return hash;
}

TEST(sim_stream, gives_the_same_history_to_the_same_seed_through_cuts_and_crashes)
{
    uint64_t before = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        uint64_t events = 0, again = 0;
        const uint64_t hash = storm(seed, &events);
        CHECK(hash == storm(seed, &again) && events == again, "seed %llu", (unsigned long long)seed);
        CHECK(hash != before && events > 500, "seeds differ: %llu events", (unsigned long long)events);
        before = hash;
    }
}

TEST(sim_stream, is_refused_where_nobody_listens_and_times_out_where_nothing_passes)
{
    struct world w = world_open(1);
    static struct side server, client;
    const struct nx_endpoint where = at(1, 80);
    memset(&client, 0, sizeof(client));
    client.loop = w.client_loop;
    dial(&client, 0, &where, 10);
    run_ms(&w, 100);
    CHECK(client.peers[0].closed_count == 1 && client.peers[0].why == NX_E_UNAVAILABLE, "refused");
    serve(&server, w.server_loop, &where);
    CHECK(nx_listener_open(w.client_loop, &client.listener, &where, on_accept, &client) == NX_E_IN_USE,
          "taken");
    nx_net_partition(w.server, w.client, NX_TIME_NEVER);
    dial(&client, 1, &where, 10);
    run_ms(&w, 200000);
    CHECK(client.peers[1].closed_count == 1 && client.peers[1].why == NX_E_TIMEOUT, "%s",
          nx_err_text(client.peers[1].why));
    nx_sim_close(w.sim);
}

TEST(sim_stream, sends_the_end_behind_all_that_was_blocked)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world w = world_open(seed);
        static struct side server, client;
        struct nx_net_profile profile = rough(w.sim);
        profile.buffer_size_min = profile.buffer_size_max = 64;
        nx_net_profile_set(w.sim, &profile);
        const struct nx_endpoint where = at(1, 80);
        serve(&server, w.server_loop, &where);
        memset(&client, 0, sizeof(client));
        client.loop = w.client_loop;
        dial(&client, 0, &where, 64 + nx_prng_below(nx_sim_prng(w.sim), 3000));
        client.peers[0].is_hasty = true;
        run_ms(&w, 600000);
        const struct peer *p = &client.peers[0];
        CHECK(p->received == p->total && p->closed_count == 1 && server.peers[0].closed_count == 1,
              "seed %llu: %llu of %llu, %u", (unsigned long long)seed, (unsigned long long)p->received,
              (unsigned long long)p->total, server.peers[0].closed_count);
        nx_sim_close(w.sim);
    }
}

TEST(sim_stream, survives_a_partition_and_dies_of_a_silent_cut_only_by_its_owner)
{
    struct world w = world_open(2);
    static struct side server, client;
    const struct nx_endpoint where = at(1, 80);
    serve(&server, w.server_loop, &where);
    memset(&client, 0, sizeof(client));
    client.loop = w.client_loop;
    nx_net_partition(w.server, w.client, nx_time_add_ms(nx_sim_now(w.sim), 400));
    dial(&client, 0, &where, 5000);
    run_ms(&w, 5000);
    CHECK(client.peers[0].received == 5000 && client.peers[0].why == NX_OK, "arrived after all");
    dial(&client, 1, &where, 5000000);
    run_ms(&w, 1);
    CHECK(nx_net_cut(w.client, w.server, NX_NET_CUT_SILENT) == 1, "cut");
    run_ms(&w, 100); /* what had arrived is read */
    const uint64_t received = client.peers[1].received;
    run_ms(&w, 100000);
    CHECK(client.peers[1].received == received && client.peers[1].is_open, "nothing comes, nothing is told");
    nx_stream_close(&client.peers[1].stream);
    run_ms(&w, 10);
    CHECK(client.peers[1].closed_count == 1 && nx_host_streams_count(w.server) == 1, "only this end knows");
    nx_sim_close(w.sim);
    side_forget(&server);
}

TEST(sim_stream, waits_at_a_held_socket_while_the_server_is_down)
{
    struct world w = world_open(3);
    static struct side server, client;
    const struct nx_endpoint where = at(1, 0);
    struct nx_endpoint held = {.kind = NX_ENDPOINT_FD};
    struct nx_addr bound;
    CHECK(nx_listener_bind(&where, false, &held.fd, &bound) == NX_OK && bound.port != 0,
          "bound without a host");
    const struct nx_endpoint to = at(1, bound.port);
    serve(&server, w.server_loop, &held);
    nx_host_crash(w.server);
    memset(&client, 0, sizeof(client));
    client.loop = w.client_loop;
    dial(&client, 0, &to, 1000);
    run_ms(&w, 1000);
    CHECK(client.peers[0].connected_count == 1 && client.peers[0].received == 0, "the backlog has it");
    w.server_loop = loop_on(w.server);
    serve(&server, w.server_loop, &held);
    run_ms(&w, 1000);
    CHECK(client.peers[0].received == 1000, "served by the next");
    nx_sim_close(w.sim);
}

/* ---- the rest of a loop ---- */

struct tally {
    struct nx_timer timer;
    struct nx_job job;
    struct nx_mail mail;
    struct nx_signal signal;
    struct nx_loop *loop;
    struct nx_shard_set *set;
    nx_time at;
    int64_t wall_ms;
    uint32_t ran, done, mails, signals, timers, started, stopped, ended;
};

static void tally_timer(void *context)
{
    struct tally *t = context;
    t->timers++;
    t->at = nx_loop_now(t->loop);
    t->wall_ms = nx_loop_wall_ms(t->loop);
}

static void tally_run(struct nx_job *job)
{
    NX_LIST_ITEM(job, struct tally, job)->ran++;
}

static void tally_done(struct nx_job *job)
{
    struct tally *t = NX_LIST_ITEM(job, struct tally, job);
    t->done++;
    t->at = nx_loop_now(t->loop);
}

static void tally_mail(struct nx_mail *mail, void *context)
{
    (void)mail;
    ((struct tally *)context)->mails++;
}

static void tally_signal(void *context, int number)
{
    struct tally *t = context;
    t->signals += number == SIGTERM;
}

TEST(sim_loop, fires_timers_on_time_but_not_while_its_host_is_paused)
{
    struct world w = world_open(4);
    struct tally t = {.loop = w.client_loop};
    nx_timer_init(&t.timer, tally_timer, &t);
    const nx_time start = nx_sim_now(w.sim);
    nx_timer_set_ms(w.client_loop, &t.timer, 250);
    run_ms(&w, 1000);
    CHECK(t.timers == 1 && nx_time_since_ns(t.at, start) >= 250000000 &&
              nx_time_since_ns(t.at, start) < 252000000,
          "after %lld", (long long)nx_time_since_ns(t.at, start));
    const int64_t wall_ms = t.wall_ms;
    nx_timer_set_ms(w.client_loop, &t.timer, 100);
    nx_host_pause(w.client, nx_time_add_ms(nx_sim_now(w.sim), 700));
    nx_host_wall_jump(w.client, -3600000);
    run_ms(&w, 699);
    CHECK(t.timers == 1, "paused");
    run_ms(&w, 10);
    CHECK(t.timers == 2 && t.wall_ms < wall_ms, "then late, with a wall clock that went back");
    nx_timer_set_ms(w.client_loop, &t.timer, 100);
    nx_timer_cancel(w.client_loop, &t.timer);
    run_ms(&w, 1000);
    CHECK(t.timers == 2, "cancelled");
    nx_sim_close(w.sim);
}

TEST(sim_loop, runs_jobs_letters_and_signals_in_virtual_time)
{
    struct world w = world_open(5);
    struct tally t = {.loop = w.client_loop};
    struct nx_worker *worker = NULL;
    struct nx_mailbox *box = NULL;
    const struct nx_worker_config config = {.name = "w", .threads = 1, .queue_max = 1, .sim_delay_us = 30000};
    (void)nx_host_enter(w.client);
    CHECK(nx_worker_open(&worker, w.client_loop, &config) == NX_OK, "worker");
    CHECK(nx_mailbox_open(&box, w.client_loop, &t) == NX_OK, "mailbox");
    CHECK(nx_signal_open(w.client_loop, &t.signal, tally_signal, &t) == NX_OK, "signal");
    (void)nx_host_enter(NULL);
    t.job.run = tally_run;
    t.job.done = tally_done;
    t.mail.receive = tally_mail;
    const nx_time start = nx_sim_now(w.sim);
    CHECK(nx_worker_submit(worker, &t.job) == NX_OK && nx_worker_submit(worker, &t.job) == NX_E_FULL,
          "bounded");
    CHECK(nx_mailbox_post(box, w.server_loop, &t.mail) == NX_OK, "post");
    nx_host_signal(w.client, SIGTERM);
    run_ms(&w, 1000);
    CHECK(t.ran == 1 && t.done == 1 && t.mails == 1 && t.signals == 1, "%u %u %u %u", t.ran, t.done, t.mails,
          t.signals);
    CHECK(nx_time_since_ns(t.at, start) >= 15000000, "a job takes its time");
    CHECK(nx_worker_submit(worker, &t.job) == NX_OK, "again");
    nx_host_crash(w.client);
    run_ms(&w, 1000);
    CHECK(t.ran == 1 && t.done == 1, "a dead host does no work");
    nx_sim_close(w.sim);
}

static enum nx_err shard_start(void *context, uint32_t index, struct nx_loop *loop, void **state)
{
    struct tally *t = context;
    t->started += 1 + index;
    t->loop = loop;
    *state = t;
    return NX_OK;
}

static void shard_stop(void *state)
{
    struct tally *t = state;
    t->stopped++;
    nx_loop_stop(t->loop);
}

static void shard_end(void *state)
{
    ((struct tally *)state)->ended++;
}

TEST(sim_loop, starts_and_stops_shards_without_threads)
{
    struct world w = world_open(6);
    struct tally t = {0};
    char why[NX_LOOP_WHY_SIZE];
    const struct nx_shard_config config = {.count = 1,
                                           .name = "s",
                                           .loop = {.streams_max = 8},
                                           .context = &t,
                                           .on_start = shard_start,
                                           .on_stop = shard_stop,
                                           .on_end = shard_end};
    (void)nx_host_enter(w.server);
    CHECK(nx_shard_open(&t.set, &config, why) == NX_OK && nx_shard_count(t.set) == 1 && t.started == 1,
          "started");
    nx_shard_stop(t.set);
    nx_shard_close(t.set);
    CHECK(t.stopped == 1 && t.ended == 1 && nx_host_memory_bytes(w.server) == 0, "ended");
    (void)nx_host_enter(NULL);
    nx_sim_close(w.sim);
}

TEST(sim_host, draws_its_secrets_from_the_seed)
{
    uint8_t bytes[4][16];
    for (uint64_t i = 0; i < 4; i++) {
        struct world w = world_open(i < 3 ? 8 : 9);
        (void)nx_host_enter(i == 2 ? w.client : w.server);
        CHECK(nx_random_fill(bytes[i], sizeof(bytes[i])) == NX_OK, "filled");
        (void)nx_host_enter(NULL);
        nx_sim_close(w.sim);
    }
    CHECK(memcmp(bytes[0], bytes[1], sizeof(bytes[0])) == 0, "the same world");
    CHECK(memcmp(bytes[0], bytes[2], sizeof(bytes[0])) != 0, "another host");
    CHECK(memcmp(bytes[0], bytes[3], sizeof(bytes[0])) != 0, "another seed");
}

TEST(sim_host, keeps_files_and_loses_memory_in_a_crash)
{
    struct world w = world_open(7);
    uint8_t *bytes = NULL;
    size_t size = 0;
    (void)nx_host_enter(w.server);
    CHECK(nx_file_read("data/x", 100, &bytes, &size) == NX_E_NOT_FOUND, "nothing yet");
    CHECK(nx_file_write("data/x", nx_bytes_text("hello")) == NX_OK, "written");
    CHECK(nx_mem_take(1000) != NULL && nx_mem_slab("x", 10000) != NULL, "taken");
    CHECK(nx_host_memory_bytes(w.server) == 11000, "counted");
    nx_mem_seal(true);
    (void)nx_host_enter(NULL);
    nx_host_crash(w.server);
    CHECK(nx_host_memory_bytes(w.server) == 0 && nx_host_crashes(w.server) == 1, "gone");
    (void)nx_host_enter(w.server);
    CHECK(nx_file_read("data/x", 100, &bytes, &size) == NX_OK && size == 5 && memcmp(bytes, "hello", 6) == 0,
          "kept");
    nx_mem_give(bytes);
    (void)nx_host_enter(NULL);
    nx_sim_close(w.sim);
}
