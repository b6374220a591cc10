#include "engine/base/assert.h"
#include "engine/sim/state.h"

#include <string.h>

enum { PORT_FIRST = 30000, ACCEPTS_PER_TURN_MAX = 16, NAMELESS = -1 };

static bool is_at(const struct nx_net_socket *socket, const struct nx_endpoint *where)
{
    if (!socket->is_used) {
        return false;
    }
    if (where->kind == NX_ENDPOINT_UNIX) {
        return socket->is_unix && strncmp(socket->path, where->path, sizeof(socket->path)) == 0;
    }
    static const uint8_t any[16];
    return !socket->is_unix && socket->addr.port == where->addr.port &&
           (memcmp(socket->addr.ip, any, sizeof(any)) == 0 ||
            (socket->addr.family == where->addr.family &&
             memcmp(socket->addr.ip, where->addr.ip, sizeof(any)) == 0));
}

/* Of several that share an address the draw decides, as the kernel's hash does. */
struct nx_net_socket *nx_listener_find(struct nx_sim *sim, const struct nx_endpoint *where)
{
    struct nx_net_socket *found = NULL;
    uint32_t count = 0;
    for (uint32_t i = 0; i < NX_SIM_SOCKETS_MAX; i++) {
        if (is_at(&sim->sockets[i], where) && (++count == 1 || nx_sim_draw(sim, count) == 0)) {
            found = &sim->sockets[i];
        }
    }
    return found;
}

enum nx_err nx_listener_bind(const struct nx_endpoint *where, bool is_shared, int *fd, struct nx_addr *bound)
{
    struct nx_sim *sim = nx_sim_current();
    uint32_t at = 0;
    if (where->kind == NX_ENDPOINT_UNIX && memchr(where->path, 0, sizeof(where->path)) == NULL) {
        return NX_E_MALFORMED;
    }
    for (uint32_t i = 0; i < NX_SIM_SOCKETS_MAX && !is_shared; i++) {
        if (is_at(&sim->sockets[i], where)) {
            return NX_E_IN_USE;
        }
    }
    while (at < NX_SIM_SOCKETS_MAX && sim->sockets[at].is_used) {
        at++;
    }
    if (at == NX_SIM_SOCKETS_MAX) {
        return NX_E_IO;
    }
    struct nx_net_socket *socket = &sim->sockets[at];
    *socket = (struct nx_net_socket){.is_used = true,
                                     .is_held = nx_host_current() == NULL,
                                     .is_unix = where->kind == NX_ENDPOINT_UNIX,
                                     .host = nx_host_current(),
                                     .generation = socket->generation + 1};
    if (socket->is_unix) {
        memcpy(socket->path, where->path, sizeof(socket->path));
    } else {
        socket->addr = where->addr;
        socket->addr.port = where->addr.port != 0 ? where->addr.port : (uint16_t)(PORT_FIRST + at);
    }
    *fd = (int)at;
    *bound = socket->addr;
    return NX_OK;
}

static void socket_ready(struct nx_net_socket *socket)
{
    if (socket->listener != NULL && socket->backlog_count != 0 && !socket->listener->is_paused &&
        !nx_list_is_linked(&socket->ready)) {
        nx_list_push_back(&socket->listener->loop->ready_sockets, &socket->ready);
        nx_loop_poke(socket->listener->loop);
    }
}

enum nx_err nx_listener_open(struct nx_loop *loop, struct nx_listener *listener,
                             const struct nx_endpoint *where,
                             void (*on_accept)(void *context, struct nx_accepted *accepted), void *context)
{
    int fd = where->fd;
    struct nx_addr bound;
    if (where->kind != NX_ENDPOINT_FD) {
        struct nx_host *before = nx_host_enter(loop->host);
        const enum nx_err err = nx_listener_bind(where, false, &fd, &bound);
        (void)nx_host_enter(before);
        if (err != NX_OK) {
            return err;
        }
    }
    struct nx_net_socket *socket = &loop->sim->sockets[fd];
    NX_ASSERT(socket->is_used && socket->listener == NULL);
    socket->host = loop->host;
    socket->listener = listener;
    *listener = (struct nx_listener){.loop = loop,
                                     .on_accept = on_accept,
                                     .context = context,
                                     .bound = socket->addr,
                                     .fd = fd,
                                     .slot = (uint32_t)fd};
    for (uint32_t i = 0; i < socket->backlog_count; i++) {
        struct nx_net_conn *conn = loop->sim->places[socket->backlog[i]].thing;
        conn->ends[1].host = loop->host;
    }
    socket_ready(socket);
    return NX_OK;
}

void nx_listener_ready(struct nx_net_socket *socket)
{
    struct nx_listener *listener = socket->listener;
    struct nx_loop *loop = listener->loop;
    for (uint32_t left = ACCEPTS_PER_TURN_MAX; left != 0 && socket->backlog_count != 0; left--) {
        if (listener->is_paused) {
            return;
        }
        const uint32_t id = socket->backlog[0];
        socket->backlog_count--;
        memmove(socket->backlog, socket->backlog + 1, socket->backlog_count * sizeof(socket->backlog[0]));
        struct nx_net_conn *conn = loop->sim->places[id].thing;
        struct nx_accepted accepted = {.peer = conn->peer, .fd = (int)id};
        loop->stats.accepts++;
        listener->on_accept(listener->context, &accepted);
        if (accepted.fd >= 0) {
            nx_net_leave(&conn->ends[1], false);
        }
        if (!socket->is_used || socket->listener != listener) {
            return;
        }
    }
    socket_ready(socket);
}

void nx_listener_pause(struct nx_listener *listener, bool is_paused)
{
    listener->is_paused = is_paused;
    socket_ready(&listener->loop->sim->sockets[listener->slot]);
}

static void socket_close(struct nx_sim *sim, struct nx_net_socket *socket)
{
    nx_list_remove(&socket->ready);
    socket->listener = NULL;
    socket->is_used = false;
    for (uint32_t i = 0; i < socket->backlog_count; i++) {
        struct nx_net_conn *conn = sim->places[socket->backlog[i]].thing;
        nx_net_leave(&conn->ends[1], true);
    }
    socket->backlog_count = 0;
}

void nx_listener_close(struct nx_listener *listener)
{
    struct nx_net_socket *socket = &listener->loop->sim->sockets[listener->slot];
    listener->fd = NAMELESS;
    if (socket->is_held) {
        /* The supervisor has it still: who comes now waits for the next listener. */
        nx_list_remove(&socket->ready);
        socket->listener = NULL;
        socket->host = NULL;
    } else {
        socket_close(listener->loop->sim, socket);
    }
}

void nx_listener_drop(struct nx_host *host)
{
    struct nx_sim *sim = nx_sim_current();
    for (uint32_t i = 0; i < NX_SIM_SOCKETS_MAX; i++) {
        struct nx_net_socket *socket = &sim->sockets[i];
        if (!socket->is_used || socket->host != host) {
            continue;
        }
        nx_list_remove(&socket->ready);
        socket->listener = NULL;
        socket->host = NULL;
        if (!socket->is_held || host == NULL) {
            socket_close(sim, socket);
        }
    }
}
