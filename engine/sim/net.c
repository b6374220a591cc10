#include "engine/sim/net.h"

#include "engine/base/assert.h"
#include "engine/sim/state.h"

#include <string.h>

enum { OPPOSITE = 1, UNIX_LATENCY_NS_MIN = 4000, UNIX_LATENCY_NS_MAX = 40000, UNIX_BUFFER_MIN = 8192 };

struct nx_net_profile nx_net_profile_clean(void)
{
    return (struct nx_net_profile){.latency_us_min = 50,
                                   .latency_us_max = 50,
                                   .buffer_size_min = 262144,
                                   .buffer_size_max = 262144,
                                   .bandwidth_min = 1000000000,
                                   .bandwidth_max = 1000000000};
}

void nx_net_profile_set(struct nx_sim *sim, const struct nx_net_profile *profile)
{
    NX_ASSERT(profile->buffer_size_min >= 1 && profile->bandwidth_min >= 1);
    sim->profile = *profile;
}

uint32_t nx_net_count(const struct nx_sim *sim)
{
    return sim->conns_count;
}

static uint64_t between(struct nx_sim *sim, uint64_t min, uint64_t max)
{
    return min + (max > min ? nx_sim_draw(sim, max - min + 1) : 0);
}

struct nx_net_end *nx_net_other(struct nx_net_end *end)
{
    return &end->conn->ends[end == &end->conn->ends[0] ? OPPOSITE : 0];
}

static uint32_t side_of(const struct nx_net_end *end)
{
    return end == &end->conn->ends[0] ? 0 : OPPOSITE;
}

void nx_net_ready(struct nx_net_end *end)
{
    if (end->loop != NULL && end->stream != NULL) {
        if (!nx_list_is_linked(&end->ready)) {
            nx_list_push_back(&end->loop->ready, &end->ready);
        }
        nx_loop_poke(end->loop);
    }
}

static void conn_free(struct nx_net_conn *conn)
{
    struct nx_sim *sim = conn->sim;
    nx_list_remove(&conn->member);
    sim->conns_count--;
    nx_sim_place_give(sim, conn->id);
    nx_sim_give(conn->ends[0].bytes);
    nx_sim_give(conn->ends[1].bytes);
    nx_sim_give(conn);
}

/* ---- what is on its way: every event names a connection and, in the top bits, the end that sent it ---- */

enum { SIDE_SHIFT = 63 };
static const uint64_t OFFSET_MASK = (UINT64_C(1) << SIDE_SHIFT) - 1;

typedef void arrival(struct nx_sim *sim, const struct nx_sim_event *event);

static void arrive_at(struct nx_net_end *from, int64_t at_ns, uint64_t offset, arrival *run)
{
    const struct nx_sim_event event = {.at_ns = at_ns,
                                       .run = run,
                                       .id = from->conn->id,
                                       .generation = from->conn->generation,
                                       .argument = (uint64_t)side_of(from) << SIDE_SHIFT | offset};
    nx_sim_add(from->conn->sim, &event);
}

/* Returns the sending end of what arrives now; NULL when it never does, or comes later. */
static struct nx_net_end *sender_of(struct nx_sim *sim, const struct nx_sim_event *event)
{
    struct nx_net_conn *conn = nx_sim_place_of(sim, event->id, event->generation);
    if (conn == NULL || conn->is_silent) {
        return NULL;
    }
    struct nx_net_end *from = &conn->ends[event->argument >> SIDE_SHIFT];
    const struct nx_host *to = nx_net_other(from)->host;
    if (from->host == NULL || to == NULL) {
        return from;
    }
    const struct nx_net_way *way = &sim->ways[from->host->index][to->index];
    struct nx_sim_event later = *event;
    if (way->partition_until_ns > sim->now_ns) {
        later.at_ns = way->partition_until_ns +
                      (int64_t)nx_sim_draw(sim, (uint64_t)NX_SIM_RESEND_MS_MAX * NX_TIME_NS_PER_MS);
        nx_sim_add(sim, &later);
        return NULL;
    }
    if (way->clog_until_ns > sim->now_ns && event->pointer == NULL) {
        later.at_ns = sim->now_ns + (int64_t)nx_sim_draw(sim, (uint64_t)way->clog_ms * NX_TIME_NS_PER_MS + 1);
        later.pointer = sim; /* delayed once already */
        nx_sim_add(sim, &later);
        return NULL;
    }
    return from;
}

static int64_t jitter_ns(const struct nx_net_conn *conn)
{
    return (int64_t)nx_sim_draw(conn->sim, (uint64_t)conn->jitter_us * NX_TIME_NS_PER_US + 1);
}

static void reset_arrived(struct nx_sim *sim, const struct nx_sim_event *event)
{
    struct nx_net_end *from = sender_of(sim, event);
    if (from == NULL) {
        return;
    }
    struct nx_net_end *end = nx_net_other(from);
    if (end->is_gone || end->is_reset) {
        return;
    }
    end->is_reset = true;
    end->why = (enum nx_err)(event->argument & OFFSET_MASK);
    /* What arrived before the reset may be read still, or be lost with it: kernels differ. */
    if (nx_sim_draw(sim, 2) == 0) {
        from->arrived = from->consumed;
    }
    nx_net_ready(end);
}

static void reset_send(struct nx_net_end *from, int64_t at_ns, enum nx_err why)
{
    arrive_at(from, at_ns, (uint64_t)why, reset_arrived);
}

static void bytes_arrived(struct nx_sim *sim, const struct nx_sim_event *event)
{
    struct nx_net_end *from = sender_of(sim, event);
    if (from == NULL) {
        return;
    }
    struct nx_net_end *to = nx_net_other(from);
    if (to->is_gone) {
        reset_send(to, sim->now_ns + from->conn->latency_ns, NX_E_CLOSED);
        return;
    }
    const uint64_t offset = event->argument & OFFSET_MASK;
    if (offset > from->arrived && !to->is_reset) {
        from->arrived = offset;
        nx_net_ready(to);
    }
}

static void fin_arrived(struct nx_sim *sim, const struct nx_sim_event *event)
{
    struct nx_net_end *from = sender_of(sim, event);
    if (from == NULL || nx_net_other(from)->is_gone || nx_net_other(from)->is_reset) {
        return;
    }
    from->arrived = from->sent;
    from->is_fin_arrived = true;
    nx_net_ready(nx_net_other(from));
}

/* The receiver took bytes: the sender has room again. */
static void ack_arrived(struct nx_sim *sim, const struct nx_sim_event *event)
{
    struct nx_net_end *receiver = sender_of(sim, event);
    if (receiver == NULL) {
        return;
    }
    struct nx_net_end *end = nx_net_other(receiver);
    const uint64_t offset = event->argument & OFFSET_MASK;
    end->acked = offset > end->acked ? offset : end->acked;
    if (end->stream != NULL && (end->stream->flags & NX_STREAM_BLOCKED) != 0 &&
        end->sent - end->acked <= end->capacity / 2) {
        end->is_writable_due = true;
        nx_net_ready(end);
    }
}

/* ---- connecting ---- */

static void connected_arrived(struct nx_sim *sim, const struct nx_sim_event *event)
{
    struct nx_net_end *from = sender_of(sim, event);
    if (from != NULL && !from->conn->ends[0].is_gone) {
        from->conn->ends[0].is_connected_due = true;
        nx_net_ready(&from->conn->ends[0]);
    }
}

static void request_arrived(struct nx_sim *sim, const struct nx_sim_event *event);

static void request_again(struct nx_net_conn *conn)
{
    struct nx_sim *sim = conn->sim;
    struct nx_net_end *end = &conn->ends[0];
    if (++conn->tries >= NX_SIM_CONNECT_TRIES_MAX) {
        end->is_reset = true;
        end->why = NX_E_TIMEOUT;
        nx_net_ready(end);
        return;
    }
    const int64_t wait_ms = (int64_t)NX_SIM_CONNECT_RETRY_MS << conn->tries;
    arrive_at(end, sim->now_ns + wait_ms * NX_TIME_NS_PER_MS, 0, request_arrived);
}

static void request_arrived(struct nx_sim *sim, const struct nx_sim_event *event)
{
    struct nx_net_conn *conn = nx_sim_place_of(sim, event->id, event->generation);
    if (conn == NULL || conn->is_open || conn->ends[0].is_gone) {
        return;
    }
    struct nx_net_end *end = &conn->ends[1];
    struct nx_net_socket *socket = nx_listener_find(sim, &conn->where);
    if (conn->is_silent) {
        return;
    }
    if (socket == NULL) {
        reset_send(end, sim->now_ns + conn->latency_ns, NX_E_UNAVAILABLE);
        return;
    }
    const bool is_apart =
        socket->host != NULL &&
        sim->ways[conn->ends[0].host->index][socket->host->index].partition_until_ns > sim->now_ns;
    if (is_apart || socket->backlog_count == NX_SIM_BACKLOG_MAX) {
        request_again(conn);
        return;
    }
    conn->is_open = true;
    end->is_gone = false;
    end->host = socket->host;
    socket->backlog[socket->backlog_count++] = conn->id;
    if (socket->listener != NULL && !nx_list_is_linked(&socket->ready)) {
        nx_list_push_back(&socket->listener->loop->ready_sockets, &socket->ready);
        nx_loop_poke(socket->listener->loop);
    }
    arrive_at(end, sim->now_ns + conn->latency_ns + jitter_ns(conn), 0, connected_arrived);
}

struct nx_net_conn *nx_net_connect(struct nx_host *host, const struct nx_endpoint *where,
                                   const struct nx_addr *source)
{
    struct nx_sim *sim = host->sim;
    const struct nx_net_profile *profile = &sim->profile;
    struct nx_net_conn *conn = nx_sim_take(sizeof(*conn));
    conn->sim = sim;
    conn->is_tcp = where->kind == NX_ENDPOINT_ADDR;
    conn->where = *where;
    conn->bandwidth = (uint32_t)between(sim, profile->bandwidth_min, profile->bandwidth_max);
    conn->split_one_in = profile->split_one_in;
    if (conn->is_tcp) {
        conn->latency_ns =
            (int64_t)between(sim, profile->latency_us_min, profile->latency_us_max) * NX_TIME_NS_PER_US;
        conn->jitter_us = profile->jitter_us_max;
        conn->reset_one_in = profile->reset_one_in;
        conn->peer = source != NULL ? *source : host->address;
        conn->peer.port = conn->peer.port != 0 ? conn->peer.port : host->port_next++;
    } else {
        conn->latency_ns = (int64_t)between(sim, UNIX_LATENCY_NS_MIN, UNIX_LATENCY_NS_MAX);
    }
    for (uint32_t i = 0; i < 2; i++) {
        struct nx_net_end *end = &conn->ends[i];
        end->conn = conn;
        end->capacity = (uint32_t)between(sim, profile->buffer_size_min, profile->buffer_size_max);
        if (!conn->is_tcp && end->capacity < UNIX_BUFFER_MIN) {
            end->capacity = UNIX_BUFFER_MIN;
        }
        end->bytes = nx_sim_take(end->capacity);
    }
    conn->ends[0].host = host;
    conn->ends[1].is_gone = true; /* until the request reaches a listener */
    nx_list_push_back(&sim->conns, &conn->member);
    sim->conns_count++;
    nx_sim_place_take(sim, conn, &conn->id, &conn->generation);
    arrive_at(&conn->ends[0], sim->now_ns + conn->latency_ns + jitter_ns(conn), 0, request_arrived);
    return conn;
}

/* ---- bytes ---- */

static void ring_write(struct nx_net_end *end, const uint8_t *bytes, size_t size)
{
    const size_t at = (size_t)(end->sent % end->capacity);
    const size_t first = size < end->capacity - at ? size : end->capacity - at;
    memcpy(end->bytes + at, bytes, first);
    memcpy(end->bytes, bytes + first, size - first);
    end->sent += size;
}

int64_t nx_net_send(struct nx_net_end *end, const uint8_t *bytes, size_t size)
{
    struct nx_net_conn *conn = end->conn;
    struct nx_sim *sim = conn->sim;
    if (end->is_reset) {
        return -1;
    }
    const size_t room = end->capacity - (size_t)(end->sent - end->acked);
    const size_t taken = size < room ? size : room;
    size_t left = taken;
    while (left != 0) {
        size_t piece = left;
        if (conn->split_one_in != 0 && left > 1 && nx_sim_draw(sim, conn->split_one_in) == 0) {
            piece = 1 + (size_t)nx_sim_draw(sim, left - 1);
        }
        ring_write(end, bytes + (taken - left), piece);
        left -= piece;
        const int64_t begin_ns = end->wire_ns > sim->now_ns ? end->wire_ns : sim->now_ns;
        end->wire_ns = begin_ns + (int64_t)(piece * (uint64_t)NX_TIME_NS_PER_S / conn->bandwidth);
        const int64_t at_ns = end->wire_ns + conn->latency_ns + jitter_ns(conn);
        end->arrival_ns = at_ns > end->arrival_ns ? at_ns : end->arrival_ns;
        arrive_at(end, end->arrival_ns, end->sent, bytes_arrived);
        if (conn->reset_one_in != 0 && nx_sim_draw(sim, conn->reset_one_in) == 0) {
            reset_send(end, at_ns, NX_E_CLOSED);
            reset_send(nx_net_other(end), at_ns, NX_E_CLOSED);
        }
    }
    return (int64_t)taken;
}

void nx_net_finish(struct nx_net_end *end)
{
    if (!end->is_fin_sent) {
        end->is_fin_sent = true;
        const int64_t at_ns = end->conn->sim->now_ns + end->conn->latency_ns + jitter_ns(end->conn);
        end->arrival_ns = at_ns > end->arrival_ns ? at_ns : end->arrival_ns;
        arrive_at(end, end->arrival_ns, end->sent, fin_arrived);
    }
}

size_t nx_net_waiting(const struct nx_net_end *end)
{
    const struct nx_net_conn *conn = end->conn;
    const struct nx_net_end *from = &conn->ends[end == &conn->ends[0] ? OPPOSITE : 0];
    return (size_t)(from->arrived - from->consumed);
}

size_t nx_net_receive(struct nx_net_end *end, uint8_t *out, size_t room)
{
    struct nx_net_end *from = nx_net_other(end);
    const size_t waiting = nx_net_waiting(end);
    const size_t size = waiting < room ? waiting : room;
    if (size != 0) {
        const size_t at = (size_t)(from->consumed % from->capacity);
        const size_t first = size < from->capacity - at ? size : from->capacity - at;
        memcpy(out, from->bytes + at, first);
        memcpy(out + first, from->bytes, size - first);
        from->consumed += size;
        struct nx_sim *sim = end->conn->sim;
        arrive_at(end, sim->now_ns + end->conn->latency_ns, from->consumed, ack_arrived);
        nx_sim_mix(sim, (uint64_t)sim->now_ns ^ (uint64_t)end->conn->id << 40);
        nx_sim_note(sim, out, size);
    }
    return size;
}

void nx_net_leave(struct nx_net_end *end, bool is_abort)
{
    struct nx_net_end *other = nx_net_other(end);
    struct nx_sim *sim = end->conn->sim;
    NX_ASSERT(!end->is_gone);
    end->is_gone = true;
    end->stream = NULL;
    end->loop = NULL;
    nx_list_remove(&end->ready);
    if (other->is_gone) {
        conn_free(end->conn);
        return;
    }
    if (end->is_mute || end->is_reset) {
        return;
    }
    /* Closing with unread bytes resets, as kernels do, and so may the death of a process. */
    if (nx_net_waiting(end) != 0 || (is_abort && nx_sim_draw(sim, 2) == 0)) {
        const int64_t at_ns = sim->now_ns + end->conn->latency_ns;
        const bool is_behind = nx_sim_draw(sim, 2) == 0 && end->arrival_ns > at_ns;
        reset_send(end, is_behind ? end->arrival_ns : at_ns, NX_E_CLOSED);
    } else {
        nx_net_finish(end);
    }
}

/* ---- faults ---- */

static void conn_cut(struct nx_net_conn *conn, enum nx_net_cut how)
{
    struct nx_sim *sim = conn->sim;
    const uint32_t side = (uint32_t)nx_sim_draw(sim, 2);
    switch (how) {
    case NX_NET_CUT_RESET:
        reset_send(&conn->ends[0], sim->now_ns + jitter_ns(conn), NX_E_CLOSED);
        reset_send(&conn->ends[1], sim->now_ns + jitter_ns(conn), NX_E_CLOSED);
        break;
    case NX_NET_CUT_HALF:
        conn->ends[side].is_mute = true;
        reset_send(&conn->ends[1 - side], sim->now_ns, NX_E_CLOSED);
        break;
    case NX_NET_CUT_SILENT:
    case NX_NET_CUTS_COUNT:
        conn->is_silent = true;
        break;
    }
}

uint32_t nx_net_cut(struct nx_host *a, struct nx_host *b, enum nx_net_cut how)
{
    uint32_t count = 0;
    NX_LIST_EACH(link, &a->sim->conns)
    {
        struct nx_net_conn *conn = NX_LIST_ITEM(link, struct nx_net_conn, member);
        const struct nx_host *x = conn->ends[0].host;
        const struct nx_host *y = conn->ends[1].host;
        if ((x == a && y == b) || (x == b && y == a)) {
            conn_cut(conn, how);
            count++;
        }
    }
    return count;
}

bool nx_net_cut_any(struct nx_sim *sim, enum nx_net_cut how)
{
    uint32_t count = 0;
    NX_LIST_EACH(link, &sim->conns)
    {
        count += NX_LIST_ITEM(link, struct nx_net_conn, member)->is_tcp;
    }
    if (count == 0) {
        return false;
    }
    uint64_t left = nx_prng_below(&sim->prng, count);
    NX_LIST_EACH(link, &sim->conns)
    {
        struct nx_net_conn *conn = NX_LIST_ITEM(link, struct nx_net_conn, member);
        if (conn->is_tcp && left-- == 0) {
            conn_cut(conn, how);
            return true;
        }
    }
    return false;
}

void nx_net_partition(struct nx_host *a, struct nx_host *b, nx_time until)
{
    a->sim->ways[a->index][b->index].partition_until_ns = until.ns;
    a->sim->ways[b->index][a->index].partition_until_ns = until.ns;
}

void nx_net_clog(struct nx_host *a, struct nx_host *b, uint32_t delay_ms, nx_time until)
{
    struct nx_net_way *way = &a->sim->ways[a->index][b->index];
    way->clog_until_ns = until.ns;
    way->clog_ms = delay_ms;
}
