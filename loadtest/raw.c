#include "loadtest/raw.h"

#include "engine/io/clock.h"
#include "loadtest/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TARGET_MAX = 256 };

struct raw;

/* One client: member of room number % rooms. The first member of a room publishes for it. */
struct client {
    struct load_conn conn;
    struct raw *raw;
    struct load_check check;
    size_t stamp_hint;
    int64_t begun_ns;
    uint32_t room;
    bool was_ready;
    char target[TARGET_MAX];
};

struct raw {
    struct load_run run;
    struct client *clients;
};

static bool is_prepared(struct load_run *run)
{
    (void)run;
    return true;
}

static void on_open(void *context)
{
    struct client *client = context;
    client->was_ready = true;
    load_run_ready(&client->raw->run, client->begun_ns, client->begun_ns);
}

static void on_message(void *context, struct nx_bytes payload)
{
    struct client *client = context;
    struct load_run *run = &client->raw->run;
    struct load_stamp stamp;
    if (!load_stamp_find(payload, &client->stamp_hint, &stamp)) {
        run->tally.foreign++;
        return;
    }
    struct load_check *check = stamp.stream == client->room ? &client->check : NULL;
    if (load_tally_delivered(&run->tally, check, &stamp, run->net.now_ns)) {
        load_run_completed(run, stamp.stream);
    }
}

static void on_closed(void *context, enum nx_err why, uint16_t code)
{
    struct client *client = context;
    (void)why;
    (void)code;
    load_run_gone(&client->raw->run, client->was_ready);
}

static const struct load_conn_events CONN_EVENTS = {
    .open = on_open, .message = on_message, .closed = on_closed};

static void start(struct load_run *run, uint32_t number)
{
    struct raw *raw = run->mode;
    struct client *client = &raw->clients[number];
    const struct nx_addr source = load_run_source(run, number);
    client->raw = raw;
    client->room = number % run->options->rooms;
    client->begun_ns = nx_clock_now().ns;
    (void)snprintf(client->target, sizeof(client->target), "%s%u", run->options->path, client->room);
    if (load_conn_open(&client->conn, &run->net, LOAD_CONN_WS, client->target,
                       source.family != NX_ADDR_FAMILY_NONE ? &source : NULL, &CONN_EVENTS,
                       client) != NX_OK) {
        load_run_gone(run, false);
    }
}

static void connected(struct load_run *run)
{
    struct raw *raw = run->mode;
    for (uint32_t i = 0; i < run->clients_count; i++) {
        run->tally.streams[raw->clients[i].room].receivers_count +=
            raw->clients[i].conn.state == LOAD_CONN_OPEN;
    }
}

static bool publish(struct load_run *run, uint32_t stream, int64_t ns)
{
    static const char HEAD[] = "{\"c\":\"";
    static const char TAIL[] = "\"}";
    struct raw *raw = run->mode;
    struct client *client = &raw->clients[stream];
    uint8_t text[LOAD_SIZE_MAX];
    struct load_stamp stamp;
    const size_t size = run->options->size;
    if (client->conn.state != LOAD_CONN_OPEN || load_conn_unsent(&client->conn) > LOAD_CONN_OUT_MAX / 2) {
        return false;
    }
    load_tally_publish(&run->tally, stream, ns, &stamp);
    memset(text, 'x', size);
    memcpy(text, HEAD, sizeof(HEAD) - 1);
    load_stamp_put(text + sizeof(HEAD) - 1, &stamp);
    memcpy(text + size - (sizeof(TAIL) - 1), TAIL, sizeof(TAIL) - 1);
    return load_conn_send(&client->conn, nx_bytes_of(text, size)) == NX_OK;
}

static void stop(struct load_run *run)
{
    struct raw *raw = run->mode;
    for (uint32_t i = 0; i < run->clients_count; i++) {
        load_conn_close(&raw->clients[i].conn, 0);
    }
}

static const struct load_run_ops OPS = {
    .is_prepared = is_prepared, .start = start, .connected = connected, .publish = publish, .stop = stop};

int load_raw_go(const struct load_options *options)
{
    int code = 1;
    struct raw *raw = calloc(1, sizeof(*raw));
    struct client *clients = calloc(options->sessions, sizeof(*clients));
    if (raw == NULL || clients == NULL) {
        (void)fprintf(stderr, "nexus load: %s\n", nx_err_text(NX_E_NO_MEMORY));
    } else if (load_run_open(&raw->run, options, &OPS, raw, options->sessions) == NX_OK) {
        raw->clients = clients;
        const uint16_t run_number = (uint16_t)nx_prng_u64(&raw->run.net.prng);
        if (load_tally_open(&raw->run.tally, options->rooms, run_number) == NX_OK) {
            code = load_run_go(&raw->run);
        }
        load_run_close(&raw->run);
        for (uint32_t i = 0; i < options->sessions; i++) {
            load_conn_fini(&clients[i].conn);
        }
    }
    free(clients);
    free(raw);
    return code;
}
