#include "engine/io/loop_uring.h"

#include "engine/base/assert.h"
#include "engine/io/limits.h"
#include "engine/io/mem.h"
#include "engine/io/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

/* States of a stream are these bits; operations in flight are counted in inflight_count:
 *   connecting --writable, no error--> open --close or error--> closing --inflight 0--> done --next turn--> closed()
 */
enum {
    CONNECTING = 1,
    RECEIVE_ARMED = 2,
    POLL_ARMED = 4,
    PAUSED = 8,
    ENDED = 16,    /* FIN received: nothing more to receive */
    BLOCKED = 32,  /* the last commit was not taken whole */
    FINISHED = 64, /* FIN sent, or to be sent once nothing is committed or blocked */
    CLOSING = 128
};

static struct nx_loop_slot *slot_of(const struct nx_stream *stream)
{
    return &stream->loop->slots[stream->slot];
}

static struct nx_uring_tag tag_of(enum nx_uring_kind kind, const struct nx_stream *stream)
{
    return (struct nx_uring_tag){.kind = kind, .slot = stream->slot, .generation = stream->generation};
}

static void want(struct nx_stream *stream, uint16_t wants)
{
    nx_loop_slot_want(stream->loop, stream->slot, wants);
}

static void done_if_idle(struct nx_stream *stream)
{
    if ((stream->flags & CLOSING) != 0 && stream->inflight_count == 0) {
        nx_loop_slot_done(stream->loop, stream->slot);
    }
}

static void close_because(struct nx_stream *stream, enum nx_err why)
{
    if ((stream->flags & CLOSING) != 0) {
        return;
    }
    struct nx_loop_slot *slot = slot_of(stream);
    stream->flags |= CLOSING;
    slot->why = (uint8_t)why;
    /* What is not in flight yet is not wanted any more; attaching stays, because a commit may need it. */
    slot->wants &= NX_LOOP_WANT_ATTACH;
    uint16_t wants = 0;
    wants |= (stream->flags & RECEIVE_ARMED) != 0 ? NX_LOOP_WANT_CANCEL_RECEIVE : 0;
    wants |= (stream->flags & POLL_ARMED) != 0 ? NX_LOOP_WANT_CANCEL_POLL : 0;
    if (wants != 0) {
        want(stream, wants);
    }
    done_if_idle(stream);
}

static void receive_start(struct nx_stream *stream)
{
    if ((stream->flags & (RECEIVE_ARMED | PAUSED | ENDED | CLOSING | CONNECTING)) == 0) {
        want(stream, NX_LOOP_WANT_RECEIVE);
    }
}

/* ---- opening ---- */

static enum nx_err open_common(struct nx_stream *stream, struct nx_loop *loop, int fd,
                               const struct nx_stream_events *on, void *context)
{
    uint32_t slot;
    const enum nx_err err = nx_loop_slot_take(loop, NX_LOOP_SLOT_STREAM, stream, &slot);
    if (err == NX_OK) {
        loop->slots[slot].fd = fd;
        *stream = (struct nx_stream){.on = on,
                                     .context = context,
                                     .loop = loop,
                                     .slot = slot,
                                     .generation = loop->slots[slot].generation};
    }
    return err;
}

enum nx_err nx_stream_accept(struct nx_stream *stream, struct nx_loop *loop, struct nx_accepted *accepted,
                             const struct nx_stream_events *on, void *context)
{
    NX_ASSERT(accepted->fd >= 0);
    const enum nx_err err = open_common(stream, loop, accepted->fd, on, context);
    if (err == NX_OK) {
        accepted->fd = -1;
        want(stream, NX_LOOP_WANT_ATTACH | NX_LOOP_WANT_RECEIVE);
    }
    return err;
}

static enum nx_err connect_begin(const struct nx_endpoint *where, const struct nx_addr *source, int *out)
{
    struct nx_socket_address to;
    if (nx_socket_address_of(where, &to) != NX_OK) {
        return NX_E_IO;
    }
    const bool is_tcp = where->kind == NX_ENDPOINT_ADDR;
    const int fd = socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return NX_E_IO;
    }
    nx_socket_tune(fd, is_tcp);
    if (source != NULL && is_tcp) {
        const struct nx_endpoint from = {.kind = NX_ENDPOINT_ADDR, .addr = *source};
        struct nx_socket_address local;
        const int one = 1;
        /* The port is chosen at connect(), so that one source address reaches many destinations with the same ports. */
        (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
        if (nx_socket_address_of(&from, &local) != NX_OK ||
            bind(fd, (struct sockaddr *)&local.storage, local.size) != 0) {
            (void)close(fd);
            return NX_E_IO;
        }
    }
    const int error = connect(fd, (struct sockaddr *)&to.storage, to.size) == 0 ? 0 : errno;
    *out = fd;
    return error == 0 || error == EINPROGRESS ? NX_OK : nx_socket_err(-error);
}

enum nx_err nx_stream_connect(struct nx_stream *stream, struct nx_loop *loop, const struct nx_endpoint *where,
                              const struct nx_addr *source, const struct nx_stream_events *on, void *context)
{
    int fd = -1;
    enum nx_err refused = NX_OK;
    if (where->kind == NX_ENDPOINT_FD) {
        fd = where->fd;
        const int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
            return NX_E_IO;
        }
    } else {
        refused = connect_begin(where, source, &fd);
        if (fd < 0) {
            return refused;
        }
    }
    const enum nx_err err = open_common(stream, loop, fd, on, context);
    if (err != NX_OK) {
        if (where->kind != NX_ENDPOINT_FD) {
            (void)close(fd);
        }
        return err;
    }
    stream->flags |= CONNECTING;
    if (refused != NX_OK) {
        close_because(stream, refused);
    } else {
        want(stream, NX_LOOP_WANT_POLL);
    }
    return NX_OK;
}

/* The socket is writable or failed: connected, or closed with the reason. */
static void connect_end(struct nx_stream *stream)
{
    struct nx_loop_slot *slot = slot_of(stream);
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(slot->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    if (error != 0) {
        close_because(stream, nx_socket_err(-error));
        return;
    }
    /* Non-blocking was for connect() only: io_uring's receive would report EAGAIN instead of waiting. */
    const int flags = fcntl(slot->fd, F_GETFL);
    (void)fcntl(slot->fd, F_SETFL, flags & ~O_NONBLOCK);
    stream->flags &= (uint16_t)~CONNECTING;
    want(stream, NX_LOOP_WANT_ATTACH | NX_LOOP_WANT_RECEIVE);
    if ((stream->flags & PAUSED) != 0) {
        slot->wants &= (uint16_t)~NX_LOOP_WANT_RECEIVE;
    }
    stream->on->connected(stream->context);
}

/* ---- what the loop calls ---- */

void nx_stream_put(struct nx_loop *loop, uint32_t slot, uint16_t want_bit)
{
    struct nx_stream *stream = loop->slots[slot].owner;
    const struct nx_uring_target target = nx_loop_slot_target(loop, slot);
    switch (want_bit) {
    case NX_LOOP_WANT_RECEIVE:
        if ((stream->flags & (RECEIVE_ARMED | CLOSING)) == 0) {
            nx_uring_receive(&loop->ring, target, tag_of(NX_URING_RECV, stream));
            stream->flags |= RECEIVE_ARMED;
            stream->inflight_count++;
        }
        break;
    case NX_LOOP_WANT_POLL:
        nx_uring_poll(&loop->ring, target, NX_URING_WRITABLE, tag_of(NX_URING_POLL, stream));
        stream->flags |= POLL_ARMED;
        stream->inflight_count++;
        break;
    case NX_LOOP_WANT_CANCEL_RECEIVE:
        nx_uring_cancel(&loop->ring, tag_of(NX_URING_RECV, stream));
        break;
    case NX_LOOP_WANT_CANCEL_POLL:
        nx_uring_cancel(&loop->ring, tag_of(NX_URING_POLL, stream));
        break;
    case NX_LOOP_WANT_SHUTDOWN:
        nx_uring_shutdown(&loop->ring, target, tag_of(NX_URING_SHUTDOWN, stream));
        stream->inflight_count++;
        break;
    default:
        break;
    }
}

bool nx_stream_may_shutdown(const struct nx_stream *stream)
{
    return stream->committed_size == 0 && (stream->flags & BLOCKED) == 0;
}

/* The kernel's verdict on the commit of the slice that was submitted. */
void nx_stream_resolved(struct nx_loop *loop, struct nx_stream *stream)
{
    struct nx_loop_slot *slot = &loop->slots[stream->slot];
    const uint32_t committed = stream->committed_size;
    const int32_t result = slot->send_result;
    slot->send_result = NX_LOOP_SEND_WHOLE;
    stream->committed_size = 0;
    stream->inflight_count--;
    const uint32_t taken = result == NX_LOOP_SEND_WHOLE ? committed : result > 0 ? (uint32_t)result : 0;
    loop->stats.sent_bytes += taken;
    loop->stats.sends_short += taken < committed;
    if ((stream->flags & CLOSING) != 0) {
        done_if_idle(stream);
        return;
    }
    /* Out of memory or interrupted is like a full socket: it will be writable, and the owner tries again. */
    if (result < 0 && result != -EAGAIN && result != -ENOMEM && result != -ENOBUFS && result != -EINTR &&
        result != -ECANCELED) {
        close_because(stream, nx_socket_err(result));
        return;
    }
    if (taken < committed) {
        stream->flags |= BLOCKED;
        want(stream, NX_LOOP_WANT_POLL);
    } else if ((stream->flags & FINISHED) != 0) {
        want(stream, 0);
    }
    stream->on->sent(stream->context, taken);
}

static void received(struct nx_loop *loop, struct nx_stream *stream, const struct nx_uring_done *done)
{
    if (!done->has_more) {
        stream->flags &= (uint16_t)~RECEIVE_ARMED;
        stream->inflight_count--;
    }
    const bool is_closing = (stream->flags & CLOSING) != 0;
    /* The callback may close the stream and may even be its last: what follows it goes by slot and generation. */
    const struct nx_uring_tag tag = done->tag;
    if (done->has_buffer) {
        if (done->result > 0 && !is_closing) {
            loop->stats.receives++;
            loop->stats.received_bytes += (uint64_t)done->result;
            uint8_t *bytes = nx_uring_buffer(&loop->ring, done->buffer, (size_t)done->result);
            stream->on->data(stream->context, bytes, (size_t)done->result);
        }
        nx_uring_buffer_give(&loop->ring, done->buffer);
    }
    NX_ASSERT(loop->slots[tag.slot].generation == tag.generation);
    if (is_closing) {
        done_if_idle(stream);
    } else if (done->result == 0) {
        stream->flags |= ENDED;
        stream->on->ended(stream->context);
    } else if (done->result == -ENOBUFS) {
        loop->stats.buffers_exhausted++;
    } else if (done->result < 0 && done->result != -ECANCELED && done->result != -EINTR &&
               done->result != -EAGAIN) {
        close_because(stream, nx_socket_err(done->result));
    }
    if (!done->has_more) {
        receive_start(stream);
        done_if_idle(stream);
    }
}

void nx_stream_completed(struct nx_loop *loop, uint32_t slot, const struct nx_uring_done *done)
{
    struct nx_stream *stream = loop->slots[slot].owner;
    if (done->tag.kind == NX_URING_RECV) {
        received(loop, stream, done);
        return;
    }
    stream->inflight_count--;
    if (done->tag.kind == NX_URING_POLL) {
        stream->flags &= (uint16_t) ~(POLL_ARMED | BLOCKED);
        if ((stream->flags & CLOSING) == 0) {
            if ((stream->flags & CONNECTING) != 0) {
                connect_end(stream);
            } else {
                stream->on->writable(stream->context);
                if ((stream->flags & FINISHED) != 0) {
                    want(stream, 0);
                }
            }
        }
    }
    done_if_idle(stream);
}

void nx_stream_finished(struct nx_loop *loop, uint32_t slot)
{
    struct nx_loop_slot *s = &loop->slots[slot];
    struct nx_stream *stream = s->owner;
    const enum nx_err why = (enum nx_err)s->why;
    nx_uring_close_target(&loop->ring, nx_loop_slot_target(loop, slot));
    nx_loop_slot_give(loop, slot);
    stream->on->closed(stream->context, why);
}

/* ---- what owners call ---- */

uint8_t *nx_stream_reserve(struct nx_stream *stream, size_t size)
{
    struct nx_loop *loop = stream->loop;
    NX_ASSERT(size > 0 && size <= NX_STREAM_RESERVE_MAX);
    if ((stream->flags & (BLOCKED | CLOSING | CONNECTING)) != 0 || stream->committed_size != 0) {
        loop->stats.sends_blocked += (stream->flags & BLOCKED) != 0;
        return NULL;
    }
    if (loop->commits_count >= loop->slice_sends || loop->config.slab_size - loop->slab_used < size ||
        !nx_loop_slot_attach(loop, stream->slot) || nx_uring_room(&loop->ring) == 0) {
        return NULL;
    }
    uint8_t *room = loop->slab + loop->slab_used;
    NX_URING_UNPOISON(room, size);
    loop->reserved_by = stream;
    loop->reserved_size = size;
    return room;
}

void nx_stream_commit(struct nx_stream *stream, size_t size)
{
    struct nx_loop *loop = stream->loop;
    NX_ASSERT(loop->reserved_by == stream && size > 0 && size <= loop->reserved_size);
    loop->reserved_by = NULL;
    /* Closed since the reservation: the stream may be done already, nothing may be in flight for it any more. */
    if ((stream->flags & CLOSING) != 0) {
        return;
    }
    nx_uring_send(&loop->ring, nx_loop_slot_target(loop, stream->slot), loop->slab + loop->slab_used, size,
                  tag_of(NX_URING_SEND, stream));
    /* Whole words, so that the next reservation starts aligned; the slab's size may cut the last one. */
    const size_t used = loop->slab_used + ((size + 7) & ~(size_t)7);
    loop->slab_used = used < loop->config.slab_size ? used : loop->config.slab_size;
    loop->commits[loop->commits_count++].stream = stream;
    stream->committed_size = (uint32_t)size;
    stream->inflight_count++;
}

bool nx_stream_is_blocked(const struct nx_stream *stream)
{
    return (stream->flags & BLOCKED) != 0;
}

void nx_stream_pause(struct nx_stream *stream, bool is_paused)
{
    if ((stream->flags & CLOSING) != 0) {
        return; /* The cancellation that is wanted now is the close's. */
    }
    if (is_paused) {
        stream->flags |= PAUSED;
        slot_of(stream)->wants &= (uint16_t)~NX_LOOP_WANT_RECEIVE;
        if ((stream->flags & RECEIVE_ARMED) != 0) {
            want(stream, NX_LOOP_WANT_CANCEL_RECEIVE);
        }
    } else {
        stream->flags &= (uint16_t)~PAUSED;
        /* A cancellation already put lets the receive end, and its completion starts it again. */
        slot_of(stream)->wants &= (uint16_t)~NX_LOOP_WANT_CANCEL_RECEIVE;
        receive_start(stream);
    }
}

void nx_stream_finish(struct nx_stream *stream)
{
    if ((stream->flags & (FINISHED | CLOSING | CONNECTING)) == 0) {
        stream->flags |= FINISHED;
        want(stream, NX_LOOP_WANT_SHUTDOWN);
    }
}

void nx_stream_close(struct nx_stream *stream)
{
    close_because(stream, NX_OK);
}
