#include "engine/base/assert.h"
#include "engine/sim/state.h"

/* One receive in so many brings less than has arrived. */
enum { SHORT_RECEIVE_ONE_IN = 4 };

static struct nx_net_end *end_of(const struct nx_stream *stream)
{
    return stream->loop->slots[stream->slot];
}

static bool is_closing(const struct nx_stream *stream)
{
    return (stream->flags & NX_STREAM_CLOSING) != 0;
}

static void done_if_idle(struct nx_stream *stream)
{
    struct nx_net_end *end = end_of(stream);
    if (is_closing(stream) && stream->inflight_count == 0 && !nx_list_is_linked(&end->done)) {
        nx_list_push_back(&stream->loop->done, &end->done);
        nx_loop_poke(stream->loop);
    }
}

static void close_because(struct nx_stream *stream, enum nx_err why)
{
    if (!is_closing(stream)) {
        stream->flags |= NX_STREAM_CLOSING;
        end_of(stream)->why = why;
        done_if_idle(stream);
    }
}

/* ---- opening ---- */

enum nx_err nx_stream_adopt(struct nx_stream *stream, struct nx_loop *loop, struct nx_net_end *end,
                            const struct nx_stream_events *on, void *context)
{
    if (loop->stats.streams_count >= loop->config.streams_max) {
        return NX_E_FULL;
    }
    uint32_t slot = 0;
    while (loop->slots[slot] != NULL) {
        slot++;
    }
    *stream = (struct nx_stream){.on = on, .context = context, .loop = loop, .slot = slot};
    loop->slots[slot] = end;
    loop->stats.streams_count++;
    end->loop = loop;
    end->host = loop->host;
    end->stream = stream;
    nx_net_ready(end); /* something may have arrived before */
    return NX_OK;
}

enum nx_err nx_stream_accept(struct nx_stream *stream, struct nx_loop *loop, struct nx_accepted *accepted,
                             const struct nx_stream_events *on, void *context)
{
    NX_ASSERT(accepted->fd >= 0);
    struct nx_net_conn *conn = loop->sim->places[accepted->fd].thing;
    const enum nx_err err = nx_stream_adopt(stream, loop, &conn->ends[1], on, context);
    if (err == NX_OK) {
        accepted->fd = -1;
    }
    return err;
}

enum nx_err nx_stream_connect(struct nx_stream *stream, struct nx_loop *loop, const struct nx_endpoint *where,
                              const struct nx_addr *source, const struct nx_stream_events *on, void *context)
{
    const bool is_known = where->kind == NX_ENDPOINT_UNIX ||
                          (where->kind == NX_ENDPOINT_ADDR && where->addr.family != NX_ADDR_FAMILY_NONE);
    if (!is_known) {
        return NX_E_IO;
    }
    struct nx_net_conn *conn = nx_net_connect(loop->host, where, source);
    const enum nx_err err = nx_stream_adopt(stream, loop, &conn->ends[0], on, context);
    if (err != NX_OK) {
        nx_net_leave(&conn->ends[0], false);
        return err;
    }
    stream->flags |= NX_STREAM_CONNECTING;
    return NX_OK;
}

/* ---- what the loop calls ---- */

static bool may_finish(const struct nx_stream *stream)
{
    return (stream->flags & (NX_STREAM_FINISHED | NX_STREAM_BLOCKED)) == NX_STREAM_FINISHED &&
           stream->committed_size == 0 && !is_closing(stream);
}

void nx_stream_resolved(struct nx_stream *stream, int64_t taken)
{
    struct nx_loop *loop = stream->loop;
    struct nx_net_end *end = end_of(stream);
    const uint32_t committed = stream->committed_size;
    stream->committed_size = 0;
    stream->inflight_count--;
    if (is_closing(stream)) {
        done_if_idle(stream);
        return;
    }
    if (taken < 0) {
        close_because(stream, NX_E_CLOSED);
        return;
    }
    loop->stats.sent_bytes += (uint64_t)taken;
    if (taken < committed) {
        loop->stats.sends_short++;
        stream->flags |= NX_STREAM_BLOCKED;
        /* The acknowledgement that makes room may have arrived already. */
        if (end->sent - end->acked <= end->capacity / 2 || end->is_reset) {
            end->is_writable_due = true;
            nx_net_ready(end);
        }
    } else if (may_finish(stream)) {
        nx_net_finish(end);
    }
    stream->on->sent(stream->context, (size_t)taken);
}

static void connect_end(struct nx_net_end *end)
{
    struct nx_stream *stream = end->stream;
    if (end->is_reset) {
        close_because(stream, end->why);
    } else if (end->is_connected_due) {
        stream->flags &= (uint16_t)~NX_STREAM_CONNECTING;
        stream->on->connected(stream->context);
        if (end->stream != NULL) {
            nx_net_ready(end);
        }
    }
}

static void bytes_give(struct nx_net_end *end)
{
    struct nx_stream *stream = end->stream;
    struct nx_loop *loop = stream->loop;
    size_t size = nx_net_waiting(end);
    size = size < loop->config.receive_buffer_size ? size : loop->config.receive_buffer_size;
    if (size > 1 && nx_sim_draw(loop->sim, SHORT_RECEIVE_ONE_IN) == 0) {
        size = 1 + (size_t)nx_sim_draw(loop->sim, size);
    }
    /* A piece of memory of exactly this size, gone after the call: who reads past or later is found by a sanitizer. */
    uint8_t *bytes = nx_sim_take(size);
    size = nx_net_receive(end, bytes, size);
    loop->stats.receives++;
    loop->stats.received_bytes += size;
    stream->on->data(stream->context, bytes, size);
    nx_sim_give(bytes);
}

void nx_stream_ready(struct nx_net_end *end)
{
    struct nx_stream *stream = end->stream;
    if (is_closing(stream)) {
        return;
    }
    if ((stream->flags & NX_STREAM_CONNECTING) != 0) {
        connect_end(end);
        return;
    }
    if ((stream->flags & NX_STREAM_BLOCKED) != 0 && (end->is_writable_due || end->is_reset)) {
        stream->flags &= (uint16_t)~NX_STREAM_BLOCKED;
        end->is_writable_due = false;
        stream->on->writable(stream->context);
        if (may_finish(stream)) {
            nx_net_finish(end);
        }
    }
    if ((stream->flags & (NX_STREAM_PAUSED | NX_STREAM_CLOSING)) != 0 || end->is_end_told) {
        return;
    }
    if (nx_net_waiting(end) != 0) {
        bytes_give(end);
    }
    if ((stream->flags & (NX_STREAM_PAUSED | NX_STREAM_CLOSING)) != 0) {
        return;
    }
    if (nx_net_waiting(end) != 0) {
        nx_net_ready(end);
    } else if (nx_net_other(end)->is_fin_arrived) {
        end->is_end_told = true;
        stream->on->ended(stream->context);
    } else if (end->is_reset) {
        close_because(stream, NX_E_CLOSED);
    }
}

void nx_stream_done(struct nx_net_end *end)
{
    struct nx_stream *stream = end->stream;
    struct nx_loop *loop = stream->loop;
    const enum nx_err why = end->why;
    loop->slots[stream->slot] = NULL;
    loop->stats.streams_count--;
    nx_net_leave(end, false);
    stream->on->closed(stream->context, why);
}

/* ---- what owners call ---- */

uint8_t *nx_stream_reserve(struct nx_stream *stream, size_t size)
{
    struct nx_loop *loop = stream->loop;
    NX_ASSERT(size > 0 && size <= NX_STREAM_RESERVE_MAX);
    if ((stream->flags & (NX_STREAM_BLOCKED | NX_STREAM_CLOSING | NX_STREAM_CONNECTING)) != 0 ||
        stream->committed_size != 0) {
        loop->stats.sends_blocked += (stream->flags & NX_STREAM_BLOCKED) != 0;
        return NULL;
    }
    if (loop->commits_count >= loop->config.slice_sends_max ||
        loop->config.slab_size - loop->slab_used < size) {
        return NULL;
    }
    loop->reserved_by = stream;
    loop->reserved_size = size;
    return loop->slab + loop->slab_used;
}

void nx_stream_commit(struct nx_stream *stream, size_t size)
{
    struct nx_loop *loop = stream->loop;
    NX_ASSERT(loop->reserved_by == stream && size > 0 && size <= loop->reserved_size);
    loop->reserved_by = NULL;
    const size_t used = loop->slab_used + ((size + 7) & ~(size_t)7);
    loop->slab_used = used < loop->config.slab_size ? used : loop->config.slab_size;
    loop->commits[loop->commits_count++] = stream;
    stream->committed_size = (uint32_t)size;
    stream->inflight_count++;
    nx_loop_poke(loop);
}

bool nx_stream_is_blocked(const struct nx_stream *stream)
{
    return (stream->flags & NX_STREAM_BLOCKED) != 0;
}

void nx_stream_pause(struct nx_stream *stream, bool is_paused)
{
    if (is_paused) {
        stream->flags |= NX_STREAM_PAUSED;
    } else {
        stream->flags &= (uint16_t)~NX_STREAM_PAUSED;
        if (!is_closing(stream)) {
            nx_net_ready(end_of(stream));
        }
    }
}

void nx_stream_finish(struct nx_stream *stream)
{
    if ((stream->flags & (NX_STREAM_FINISHED | NX_STREAM_CLOSING | NX_STREAM_CONNECTING)) == 0) {
        stream->flags |= NX_STREAM_FINISHED;
        if (may_finish(stream)) {
            nx_net_finish(end_of(stream));
        }
    }
}

void nx_stream_close(struct nx_stream *stream)
{
    close_because(stream, NX_OK);
}
