/* loop_bench.c - what one delivery costs on engine/io, beside a program that does nothing else.
 *
 * usage: loop_bench server PORT                         a bare WebSocket room on the loop: what one says goes to all
 *        loop_bench run ROUNDS N OUTSTANDING MESSAGES -- COMMAND… -- COMMAND…
 *            starts the two server commands in turn ("PORT" in their arguments is replaced), on processor 0, connects N
 *            clients from processor 1, publishes MESSAGES broadcasts of 150 bytes with OUTSTANDING at a time, and prints
 *            per round the server's CPU per delivery; at the end the medians and the median of the rounds' ratios
 */
#include "engine/base/addr.h"
#include "engine/io/clock.h"
#include "engine/io/cpu.h"
#include "engine/io/loop.h"
#include "engine/io/stream.h"
#include "engine/io/timer.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAYLOAD = 150, FRAME = PAYLOAD + 4, CONNS_MAX = 16000, ROOM_BYTES_MAX = 65536, HEAD_MAX = 512 };

static void die(const char *what)
{
    (void)fprintf(stderr, "loop_bench: %s\n", what);
    exit(2);
}

static struct nx_loop *loop_start(int cpu)
{
    const struct nx_loop_config config = {.streams_max = CONNS_MAX, .cpu = cpu};
    struct nx_loop *loop;
    char why[NX_LOOP_WHY_SIZE] = "";
    if (nx_loop_open(&loop, &config, why) != NX_OK) {
        die(why);
    }
    return loop;
}

static struct nx_endpoint loopback(unsigned host, uint16_t port)
{
    return (struct nx_endpoint){
        .kind = NX_ENDPOINT_ADDR,
        .addr = {.family = NX_ADDR_FAMILY_IPV4, .ip = {127, 0, 0, (uint8_t)host}, .port = port}};
}

/* ---- the server: no parser worth the name, so that only the loop is measured ---- */

struct conn {
    struct nx_stream stream;
    uint8_t head[HEAD_MAX];
    uint32_t head_size;
    uint32_t unsent; /* bytes of the room's buffer not taken yet */
    bool is_open;
    bool is_member;
};

static struct {
    struct nx_loop *loop;
    struct nx_listener listener;
    struct conn *conns;
    struct conn *members[CONNS_MAX];
    uint32_t members_count;
    uint8_t buffers[2][ROOM_BYTES_MAX];
    uint32_t sizes[2];
    int sending;     /* the buffer the fan-out reads; the other one gathers */
    uint32_t cursor; /* next member of the fan-out */
    bool is_running;
    struct nx_loop_task fanout;
    uint64_t lagging_count;
} room;

/* Sends the gathered frames to every member, as far as the slice allows; then begins again with what came meanwhile. */
static bool fanout_run(void *context)
{
    (void)context;
    for (;;) {
        if (!room.is_running) {
            if (room.sizes[!room.sending] == 0) {
                return false;
            }
            room.sizes[room.sending] = 0;
            room.sending = !room.sending;
            room.cursor = 0;
            room.is_running = true;
        }
        const uint32_t size = room.sizes[room.sending];
        while (room.cursor < room.members_count) {
            if (nx_loop_slice_left(room.loop) == 0) {
                return true;
            }
            struct conn *conn = room.members[room.cursor];
            uint8_t *at = nx_stream_reserve(&conn->stream, size);
            if (at != NULL) {
                memcpy(at, room.buffers[room.sending], size);
                nx_stream_commit(&conn->stream, size);
            } else if (nx_loop_slice_left(room.loop) != 0) {
                room.lagging_count++;
            } else {
                return true;
            }
            room.cursor++;
        }
        room.is_running = false;
    }
}

static void upgrade(struct conn *conn)
{
    char *key = strcasestr((char *)conn->head, "sec-websocket-key: ");
    char text[96];
    if (key == NULL) {
        nx_stream_close(&conn->stream);
        return;
    }
    memcpy(text, key + 19, 24);
    memcpy(text + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    uint8_t digest[20];
    (void)SHA1((const uint8_t *)text, 60, digest);
    char accept[40];
    (void)EVP_EncodeBlock((uint8_t *)accept, digest, 20);
    uint8_t *at = nx_stream_reserve(&conn->stream, 256);
    if (at == NULL) {
        nx_stream_close(&conn->stream);
        return;
    }
    const int size =
        snprintf((char *)at, 256,
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: %s\r\n\r\n",
                 accept);
    nx_stream_commit(&conn->stream, (size_t)size);
    conn->is_member = true;
    room.members[room.members_count++] = conn;
}

static void server_data(void *context, uint8_t *bytes, size_t size)
{
    struct conn *conn = context;
    if (!conn->is_member) {
        if (conn->head_size + size >= HEAD_MAX) {
            nx_stream_close(&conn->stream);
            return;
        }
        memcpy(conn->head + conn->head_size, bytes, size);
        conn->head_size += (uint32_t)size;
        conn->head[conn->head_size] = 0;
        if (strstr((char *)conn->head, "\r\n\r\n") != NULL) {
            upgrade(conn);
        }
        return;
    }
    /* The client sends whole frames of one size, 8 bytes of header and mask. */
    for (; size >= FRAME + 4; bytes += FRAME + 4, size -= FRAME + 4) {
        uint32_t *gathered = &room.sizes[!room.sending];
        uint8_t *frame = room.buffers[!room.sending] + *gathered;
        if (*gathered + FRAME > ROOM_BYTES_MAX) {
            room.lagging_count++;
            return;
        }
        memcpy(frame, (uint8_t[]){0x81, 126, 0, PAYLOAD}, 4);
        for (size_t i = 0; i < PAYLOAD; i++) {
            frame[4 + i] = bytes[8 + i] ^ bytes[4 + i % 4];
        }
        *gathered += FRAME;
        nx_loop_task_wake(room.loop, &room.fanout);
    }
}

static void nothing(void *context)
{
    (void)context;
}

static void server_sent(void *context, size_t size)
{
    (void)context;
    (void)size;
}

static void server_ended(void *context)
{
    struct conn *conn = context;
    nx_stream_close(&conn->stream);
}

static void server_closed(void *context, enum nx_err why)
{
    struct conn *conn = context;
    (void)why;
    conn->is_open = false;
    for (uint32_t i = 0; conn->is_member && i < room.members_count; i++) {
        if (room.members[i] == conn) {
            room.members[i] = room.members[--room.members_count];
            break;
        }
    }
}

static const struct nx_stream_events server_events = {.connected = nothing,
                                                      .data = server_data,
                                                      .ended = server_ended,
                                                      .sent = server_sent,
                                                      .writable = nothing,
                                                      .closed = server_closed};

static void server_accept(void *context, struct nx_accepted *accepted)
{
    static uint32_t next;
    (void)context;
    for (uint32_t i = 0; i < CONNS_MAX; i++) {
        struct conn *conn = &room.conns[next++ % CONNS_MAX];
        if (!conn->is_open) {
            conn->head_size = 0;
            conn->is_member = false;
            conn->is_open =
                nx_stream_accept(&conn->stream, room.loop, accepted, &server_events, conn) == NX_OK;
            return;
        }
    }
}

static int serve(uint16_t port)
{
    const struct nx_endpoint where = loopback(1, port);
    room.loop = loop_start(-1);
    room.conns = calloc(CONNS_MAX, sizeof(*room.conns));
    nx_loop_task_init(&room.fanout, NX_LOOP_BULK, fanout_run, NULL);
    if (nx_listener_open(room.loop, &room.listener, &where, server_accept, NULL) != NX_OK) {
        die("cannot listen");
    }
    nx_loop_run(room.loop);
    return 0;
}

/* ---- the clients and the measurement ---- */

struct client {
    struct nx_stream stream;
    uint64_t received_size; /* after the handshake's answer */
    uint32_t newlines;
    bool is_ready;
};

static struct {
    struct nx_loop *loop;
    struct client *clients;
    uint32_t count;
    uint32_t connected_count;
    uint32_t ready_count;
    uint64_t received_size;
    uint64_t published;
    uint64_t wanted;
    uint32_t outstanding;
    bool is_failed;
} load;

static void publish(void)
{
    uint8_t *at = nx_stream_reserve(&load.clients[0].stream, FRAME + 4);
    if (at == NULL) {
        return;
    }
    memset(at, 'x', FRAME + 4);
    memcpy(at, (uint8_t[]){0x81, 0x80 | 126, 0, PAYLOAD, 0, 0, 0, 0}, 8);
    nx_stream_commit(&load.clients[0].stream, FRAME + 4);
    load.published++;
}

static void publish_more(void)
{
    const uint64_t delivered = load.received_size / ((uint64_t)FRAME * load.count);
    if (load.published < load.wanted && load.published - delivered < load.outstanding) {
        publish();
    }
}

static void client_connected(void *context)
{
    struct client *client = context;
    static const char request[] =
        "GET /?room=0 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    load.connected_count++;
    uint8_t *at = nx_stream_reserve(&client->stream, sizeof(request) - 1);
    if (at == NULL) {
        load.is_failed = true;
        return;
    }
    memcpy(at, request, sizeof(request) - 1);
    nx_stream_commit(&client->stream, sizeof(request) - 1);
}

static void client_data(void *context, uint8_t *bytes, size_t size)
{
    struct client *client = context;
    while (!client->is_ready && size > 0) {
        client->newlines = *bytes == '\n' ? client->newlines + 1 : *bytes == '\r' ? client->newlines : 0;
        client->is_ready = client->newlines == 2;
        load.ready_count += client->is_ready;
        bytes++;
        size--;
    }
    load.received_size += size;
    if (size > 0) {
        publish_more();
    }
}

static void client_sent(void *context, size_t size)
{
    (void)size;
    if (context == &load.clients[0] && load.ready_count == load.count) {
        publish_more();
    }
}

static void client_closed(void *context, enum nx_err why)
{
    (void)context;
    (void)why;
    load.is_failed = true;
}

static const struct nx_stream_events client_events = {.connected = client_connected,
                                                      .data = client_data,
                                                      .ended = nothing,
                                                      .sent = client_sent,
                                                      .writable = nothing,
                                                      .closed = client_closed};

/* Nanoseconds the process was on a processor. */
static uint64_t cpu_ns(pid_t pid)
{
    char path[64];
    unsigned long long ns = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%llu", &ns) != 1) {
        die("no schedstat");
    }
    (void)fclose(file);
    return ns;
}

static void turns_until(bool (*is_done)(void), int64_t limit_ms)
{
    const nx_time end = nx_time_add_ms(nx_clock_now(), limit_ms);
    while (!is_done()) {
        nx_loop_turn(load.loop, nx_time_add_ms(nx_clock_now(), 100));
        if (load.is_failed || nx_time_before(end, nx_clock_now())) {
            (void)fprintf(stderr, "connected %u ready %u of %u, published %llu received %llu\n",
                          load.connected_count, load.ready_count, load.count,
                          (unsigned long long)load.published, (unsigned long long)load.received_size);
            die("the run failed");
        }
    }
}

static uint32_t ready_goal;
static bool batch_is_ready(void)
{
    return load.ready_count >= ready_goal;
}

static bool is_delivered(void)
{
    return load.received_size >= (uint64_t)FRAME * load.count * load.wanted;
}

static pid_t server_start(char *const *command, uint16_t port)
{
    char port_text[8];
    char *arguments[16];
    size_t count = 0;
    (void)snprintf(port_text, sizeof(port_text), "%u", port);
    for (; command[count] != NULL && count < 15; count++) {
        arguments[count] = strcmp(command[count], "PORT") == 0 ? port_text : command[count];
    }
    arguments[count] = NULL;
    const pid_t pid = fork();
    if (pid == 0) {
        (void)!nx_cpu_pin(nx_cpu_at(0));
        (void)execv(arguments[0], arguments);
        _exit(127);
    }
    (void)usleep(300000);
    return pid;
}

/* One round with one server: returns its CPU ns per delivery. */
static double measure(char *const *command, uint16_t port, unsigned round)
{
    const pid_t pid = server_start(command, port);
    load.loop = loop_start(nx_cpu_at(1));
    load.connected_count = 0;
    load.ready_count = 0;
    load.received_size = 0;
    load.published = 0;
    (void)memset(load.clients, 0, load.count * sizeof(*load.clients));
    const struct nx_endpoint to = loopback(1, port);
    for (uint32_t i = 0; i < load.count; i++) {
        const struct nx_addr source = loopback(2 + (round * 7 + i / 2000) % 250, 0).addr;
        if (nx_stream_connect(&load.clients[i].stream, load.loop, &to, &source, &client_events,
                              &load.clients[i]) != NX_OK) {
            die("cannot connect");
        }
        if (i % 64 == 63 || i + 1 == load.count) {
            ready_goal = i + 1;
            turns_until(batch_is_ready, 20000);
        }
    }
    const uint64_t wanted = load.wanted;
    load.wanted = 2; /* warm up */
    publish_more();
    turns_until(is_delivered, 20000);
    load.received_size = 0;
    load.published = 0;
    load.wanted = wanted;
    const uint64_t before = cpu_ns(pid);
    publish_more();
    turns_until(is_delivered, 120000);
    const double each = (double)(cpu_ns(pid) - before) / ((double)load.count * (double)wanted);
    nx_loop_close(load.loop);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    return each;
}

static int double_compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), double_compare);
    return count % 2 != 0 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static int run(int argc, char **argv)
{
    enum { ROUNDS_MAX = 64 };
    double each[2][ROUNDS_MAX];
    double ratios[ROUNDS_MAX];
    if (argc < 10 || strcmp(argv[6], "--") != 0) {
        die("usage: loop_bench run ROUNDS N OUTSTANDING MESSAGES -- COMMAND… -- COMMAND…");
    }
    const unsigned rounds = (unsigned)strtoul(argv[2], NULL, 10);
    load.count = (uint32_t)strtoul(argv[3], NULL, 10);
    load.outstanding = (uint32_t)strtoul(argv[4], NULL, 10);
    load.wanted = strtoul(argv[5], NULL, 10);
    char **first = argv + 7;
    char **second = first;
    while (*second != NULL && strcmp(*second, "--") != 0) {
        second++;
    }
    if (*second == NULL || rounds > ROUNDS_MAX || load.count > CONNS_MAX) {
        die("two commands are needed, at most 64 rounds and 16000 clients");
    }
    *second++ = NULL;
    load.clients = calloc(load.count, sizeof(*load.clients));
    /* The first server after the clients start costs up to twice as much, whichever it is: that run does not count. */
    (void)measure(second, 20998, 2 * ROUNDS_MAX);
    for (unsigned round = 0; round < rounds; round++) {
        /* The order changes with the round: what drifts hits both. */
        const unsigned turn = round % 2;
        each[turn][round] = measure(turn == 0 ? first : second, (uint16_t)(21000 + 2 * round), 2 * round);
        each[!turn][round] =
            measure(turn == 0 ? second : first, (uint16_t)(21001 + 2 * round), 2 * round + 1);
        ratios[round] = each[0][round] / each[1][round];
        (void)printf("round %u: %.0f ns and %.0f ns per delivery, ratio %.3f\n", round + 1, each[0][round],
                     each[1][round], ratios[round]);
        (void)fflush(stdout);
    }
    (void)printf("medians: %.0f ns and %.0f ns per delivery, ratio %.3f\n", median(each[0], rounds),
                 median(each[1], rounds), median(ratios, rounds));
    return 0;
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && strcmp(argv[1], "server") == 0) {
        return serve((uint16_t)strtoul(argv[2], NULL, 10));
    }
    if (argc > 2 && strcmp(argv[1], "run") == 0) {
        return run(argc, argv);
    }
    die("usage: loop_bench server PORT | run ROUNDS N OUTSTANDING MESSAGES -- COMMAND… -- COMMAND…");
}
