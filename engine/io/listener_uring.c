#include "engine/io/loop_uring.h"

#include "engine/base/assert.h"
#include "engine/io/limits.h"
#include "engine/io/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static enum nx_err bind_err(int error)
{
    switch (error) {
    case EADDRINUSE:
        return NX_E_IN_USE;
    case EACCES:
    case EPERM:
    case EROFS:
        return NX_E_AUTH;
    default:
        return NX_E_IO;
    }
}

/* A Unix socket file that nobody listens on is left over from a process that died. */
static enum nx_err stale_unix_remove(const struct nx_endpoint *where, const struct nx_socket_address *address)
{
    struct stat status;
    if (lstat(where->path, &status) != 0) {
        return NX_OK;
    }
    if (!S_ISSOCK(status.st_mode)) {
        return NX_E_IN_USE;
    }
    const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) {
        return NX_E_IO;
    }
    const int error =
        connect(probe, (const struct sockaddr *)&address->storage, address->size) == 0 ? 0 : errno;
    (void)close(probe);
    if (error != ECONNREFUSED) {
        return NX_E_IN_USE;
    }
    return unlink(where->path) == 0 ? NX_OK : bind_err(errno);
}

enum nx_err nx_listener_bind(const struct nx_endpoint *where, bool is_shared, int *fd, struct nx_addr *bound)
{
    struct nx_socket_address address;
    enum nx_err err = nx_socket_address_of(where, &address);
    if (err == NX_OK && where->kind == NX_ENDPOINT_UNIX) {
        err = stale_unix_remove(where, &address);
    }
    if (err != NX_OK) {
        return err;
    }
    const bool is_tcp = where->kind == NX_ENDPOINT_ADDR;
    const int listening = socket(address.storage.ss_family, SOCK_STREAM, 0);
    if (listening < 0) {
        return NX_E_IO;
    }
    const int one = 1;
    if (is_tcp) {
        (void)setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (is_shared) {
            (void)setsockopt(listening, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
        }
    }
    nx_socket_tune(listening, is_tcp);
    if (bind(listening, (struct sockaddr *)&address.storage, address.size) != 0 ||
        listen(listening, NX_LISTENER_BACKLOG) != 0) {
        err = bind_err(errno);
        (void)close(listening);
        return err;
    }
    *fd = listening;
    *bound = nx_socket_local(listening);
    return NX_OK;
}

static void listener_list(struct nx_loop *loop, const struct nx_listener *was, struct nx_listener *is)
{
    for (size_t i = 0; i < NX_LOOP_LISTENERS_MAX; i++) {
        if (loop->listeners[i] == was) {
            loop->listeners[i] = is;
            return;
        }
    }
    NX_UNREACHABLE(); /* more than NX_LOOP_LISTENERS_MAX listeners */
}

enum nx_err nx_listener_open(struct nx_loop *loop, struct nx_listener *listener,
                             const struct nx_endpoint *where,
                             void (*on_accept)(void *context, struct nx_accepted *accepted), void *context)
{
    int fd = where->fd;
    struct nx_addr bound;
    if (where->kind == NX_ENDPOINT_FD) {
        bound = nx_socket_local(fd);
        nx_socket_tune(fd, bound.family != NX_ADDR_FAMILY_NONE);
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    } else {
        const enum nx_err err = nx_listener_bind(where, false, &fd, &bound);
        if (err != NX_OK) {
            return err;
        }
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    uint32_t slot;
    if (nx_loop_slot_take(loop, NX_LOOP_SLOT_LISTENER, listener, &slot) != NX_OK) {
        if (where->kind != NX_ENDPOINT_FD) {
            (void)close(fd);
        }
        return NX_E_IO;
    }
    loop->slots[slot].fd = fd;
    *listener = (struct nx_listener){.loop = loop,
                                     .on_accept = on_accept,
                                     .context = context,
                                     .bound = bound,
                                     .fd = fd,
                                     .generation = loop->slots[slot].generation,
                                     .slot = slot};
    listener_list(loop, NULL, listener);
    nx_loop_slot_want(loop, slot, NX_LOOP_WANT_ACCEPT);
    return NX_OK;
}

void nx_listener_pause(struct nx_listener *listener, bool is_paused)
{
    if (listener->is_paused == is_paused) {
        return;
    }
    listener->is_paused = is_paused;
    uint16_t *wants = &listener->loop->slots[listener->slot].wants;
    *wants &= (uint16_t) ~(NX_LOOP_WANT_ACCEPT | NX_LOOP_WANT_CANCEL_ACCEPT);
    nx_loop_slot_want(listener->loop, listener->slot,
                      is_paused ? NX_LOOP_WANT_CANCEL_ACCEPT : NX_LOOP_WANT_ACCEPT);
}

void nx_listener_close(struct nx_listener *listener)
{
    struct nx_loop *loop = listener->loop;
    struct nx_loop_slot *slot = &loop->slots[listener->slot];
    listener_list(loop, listener, NULL);
    slot->owner = NULL;
    slot->kind = NX_LOOP_SLOT_ENDING;
    slot->wants = 0;
    nx_loop_slot_want(loop, listener->slot, NX_LOOP_WANT_CANCEL_ACCEPT | NX_LOOP_WANT_CLOSE);
    listener->fd = -1;
}

void nx_listener_put(struct nx_loop *loop, uint32_t slot)
{
    const struct nx_listener *listener = loop->slots[slot].owner;
    if (!loop->slots[slot].is_armed) {
        loop->slots[slot].is_armed = true;
        nx_uring_accept(
            &loop->ring, listener->fd,
            (struct nx_uring_tag){.kind = NX_URING_ACCEPT, .slot = slot, .generation = listener->generation});
    }
}

void nx_listener_retry(void *context)
{
    struct nx_loop *loop = context;
    for (size_t i = 0; i < NX_LOOP_LISTENERS_MAX; i++) {
        const struct nx_listener *listener = loop->listeners[i];
        if (listener != NULL && !listener->is_paused) {
            nx_loop_slot_want(loop, listener->slot, NX_LOOP_WANT_ACCEPT);
        }
    }
}

void nx_listener_completed(struct nx_loop *loop, uint32_t slot, const struct nx_uring_done *done)
{
    struct nx_listener *listener = loop->slots[slot].owner;
    if (done->result >= 0) {
        struct nx_accepted accepted = {.fd = done->result};
        if (listener->bound.family != NX_ADDR_FAMILY_NONE) {
            accepted.peer = nx_socket_peer(done->result);
        }
        loop->stats.accepts++;
        listener->on_accept(listener->context, &accepted);
        if (accepted.fd >= 0) {
            (void)close(accepted.fd);
        }
        /* on_accept may have closed the listener. */
        if (loop->slots[slot].owner != listener) {
            return;
        }
    }
    if (done->has_more) {
        return;
    }
    loop->slots[slot].is_armed = false;
    if (listener->is_paused) {
        return;
    }
    if (done->result >= 0 || done->result == -ECANCELED || done->result == -ECONNABORTED ||
        done->result == -EINTR) {
        nx_loop_slot_want(loop, slot, NX_LOOP_WANT_ACCEPT);
    } else if (!nx_timer_is_set(&loop->accept_retry)) {
        /* No descriptor or memory: trying at once would spin on the same backlog. */
        nx_timer_set_ms(loop, &loop->accept_retry, NX_LISTENER_RETRY_MS);
    }
}
