#include "engine/io/link.h"

#include "engine/base/assert.h"

#include <stdlib.h>

enum {
    QUEUE_ROOM_FIRST = 16384,
    STASH_ROOM_FIRST = 4096,
    STASH_ROOM_KEPT = 65536,         /* a larger stash is given back once it is empty */
    CREDIT_STEP = NX_BUS_WINDOW / 8, /* consumed bytes that are worth a CREDIT */
    CREDIT_FRAME_SIZE =
        NX_BUS_HEADER_SIZE + 4, /* always has room beyond queue_max, else both sides could wait forever */
};

/* Makes room for `size` more bytes behind the queue, up to queue_max (CREDIT may exceed it by its own size).
 */
static enum nx_err queue_make_room(struct nx_link *link, size_t size, size_t limit)
{
    const size_t pending = link->queue_size - link->queue_start;
    if (pending + size > limit) {
        return NX_E_FULL;
    }
    if (link->queue_size + size <= link->queue_room) {
        return NX_OK;
    }
    if (link->queue_start != 0 && pending + size <= link->queue_room / 2) {
        memmove(link->queue, link->queue + link->queue_start, pending);
        link->queue_start = 0;
        link->queue_size = pending;
        return NX_OK;
    }
    size_t room = link->queue_room != 0 ? link->queue_room : QUEUE_ROOM_FIRST;
    while (room < pending + size) {
        room *= 2;
    }
    uint8_t *queue = malloc(room);
    if (queue == NULL) {
        return NX_E_NO_MEMORY;
    }
    if (pending != 0) {
        memcpy(queue, link->queue + link->queue_start, pending);
    }
    free(link->queue);
    link->queue = queue;
    link->queue_room = room;
    link->queue_start = 0;
    link->queue_size = pending;
    return NX_OK;
}

static enum nx_err begin(struct nx_link *link, size_t size, size_t limit, struct nx_writer *out)
{
    const enum nx_err err = queue_make_room(link, size, limit);
    if (err == NX_OK) {
        *out = nx_writer_init(link->queue + link->queue_size, size);
    }
    return err;
}

static void end(struct nx_link *link, const struct nx_writer *written)
{
    NX_ASSERT(nx_writer_ok(written) && written->size == written->room);
    link->queue_size += written->size;
    nx_loop_task_wake(link->loop, &link->task);
}

/* CREDIT is outside the window that it opens. */
static void credit_send(struct nx_link *link)
{
    const struct nx_bus_credit credit = {.size = link->consumed_size};
    struct nx_writer w;
    if (begin(link, CREDIT_FRAME_SIZE, link->queue_max + CREDIT_FRAME_SIZE, &w) == NX_OK) {
        nx_bus_credit_put(&w, &credit);
        end(link, &w);
        link->consumed_size = 0;
    }
}

static bool is_half_full(const struct nx_link *link)
{
    return nx_link_pending(link) > link->queue_max / 2 || link->unconsumed_size > NX_BUS_WINDOW / 2;
}

static void room_tell(struct nx_link *link)
{
    if (link->wants_room && link->is_up && !is_half_full(link)) {
        link->wants_room = false;
        link->on->room(link->context);
    }
}

static bool flush(void *context)
{
    struct nx_link *link = context;
    const size_t pending = nx_link_pending(link);
    if (!link->is_up || pending == 0) {
        return false;
    }
    const size_t size = pending < NX_STREAM_RESERVE_MAX ? pending : NX_STREAM_RESERVE_MAX;
    uint8_t *room = nx_stream_reserve(&link->stream, size);
    if (room == NULL) {
        /* Blocked: `writable` wakes us. A commit of this slice or a full slab: `sent`, or the next slice. */
        return !nx_stream_is_blocked(&link->stream) && link->stream.committed_size == 0;
    }
    memcpy(room, link->queue + link->queue_start, size);
    nx_stream_commit(&link->stream, size);
    return false;
}

static void on_sent(void *context, size_t size)
{
    struct nx_link *link = context;
    link->queue_start += size;
    if (link->queue_start == link->queue_size) {
        link->queue_start = 0;
        link->queue_size = 0;
    } else if (!nx_stream_is_blocked(&link->stream)) {
        nx_loop_task_wake(link->loop, &link->task);
    }
    room_tell(link);
}

static void on_writable(void *context)
{
    struct nx_link *link = context;
    nx_loop_task_wake(link->loop, &link->task);
}

static void frame_handle(struct nx_link *link, const struct nx_bus_frame *frame)
{
    if (frame->number == NX_BUS_MSG_CREDIT) {
        struct nx_bus_credit credit;
        if (nx_bus_credit_get(frame->payload, &credit) != NX_OK || credit.size > link->unconsumed_size) {
            nx_link_close(link);
            return;
        }
        link->unconsumed_size -= credit.size;
        room_tell(link);
        return;
    }
    link->on->frame(link->context, frame);
    link->consumed_size += (uint32_t)frame->size;
    if (link->is_up && link->consumed_size >= CREDIT_STEP) {
        credit_send(link);
    }
}

/* Handles every whole frame of `bytes`; returns how many bytes those were. */
static size_t frames_handle(struct nx_link *link, struct nx_bytes bytes, size_t *needed)
{
    size_t used = 0;
    while (link->is_up) {
        struct nx_bus_frame frame;
        const enum nx_err err = nx_bus_frame_take(nx_bytes_slice(bytes, used, SIZE_MAX), &frame);
        if (err == NX_E_TRUNCATED) {
            *needed = frame.size;
            break;
        }
        if (err != NX_OK) {
            nx_link_close(link);
            break;
        }
        frame_handle(link, &frame);
        used += frame.size;
    }
    return used;
}

static bool stash_append(struct nx_link *link, const uint8_t *bytes, size_t size, size_t needed)
{
    size_t room = link->stash_room != 0 ? link->stash_room : STASH_ROOM_FIRST;
    while (room < link->stash_size + size || room < needed) {
        room *= 2;
    }
    if (room != link->stash_room) {
        uint8_t *stash = realloc(link->stash, room);
        if (stash == NULL) {
            return false;
        }
        link->stash = stash;
        link->stash_room = room;
    }
    memcpy(link->stash + link->stash_size, bytes, size);
    link->stash_size += size;
    return true;
}

static void on_data(void *context, uint8_t *bytes, size_t size)
{
    struct nx_link *link = context;
    size_t needed = 0;
    if (link->stash_size == 0) {
        const size_t used = frames_handle(link, nx_bytes_of(bytes, size), &needed);
        if (link->is_up && used < size && !stash_append(link, bytes + used, size - used, needed)) {
            nx_link_close(link);
        }
        return;
    }
    if (!stash_append(link, bytes, size, 0)) {
        nx_link_close(link);
        return;
    }
    const size_t used = frames_handle(link, nx_bytes_of(link->stash, link->stash_size), &needed);
    if (!link->is_up) {
        return;
    }
    link->stash_size -= used;
    if (link->stash_size != 0) {
        memmove(link->stash, link->stash + used, link->stash_size);
    } else if (link->stash_room > STASH_ROOM_KEPT) {
        free(link->stash);
        link->stash = NULL;
        link->stash_room = 0;
    }
}

static void on_connected(void *context)
{
    struct nx_link *link = context;
    link->is_up = true;
    link->on->up(link->context);
}

static void on_ended(void *context)
{
    nx_link_close(context);
}

static void on_closed(void *context, enum nx_err why)
{
    struct nx_link *link = context;
    nx_loop_task_sleep(link->loop, &link->task);
    link->is_up = false;
    link->is_open = false;
    link->queue_start = 0;
    link->queue_size = 0;
    link->stash_size = 0;
    link->on->down(link->context, why);
}

static const struct nx_stream_events STREAM_EVENTS = {
    .connected = on_connected,
    .data = on_data,
    .ended = on_ended,
    .sent = on_sent,
    .writable = on_writable,
    .closed = on_closed,
};

static void prepare(struct nx_link *link, struct nx_loop *loop, size_t queue_max,
                    const struct nx_link_events *on, void *context)
{
    NX_ASSERT(!link->is_open);
    link->on = on;
    link->context = context;
    link->loop = loop;
    link->queue_max = queue_max;
    link->queue_start = 0;
    link->queue_size = 0;
    link->stash_size = 0;
    link->unconsumed_size = 0;
    link->consumed_size = 0;
    link->is_up = false;
    link->wants_room = false;
    nx_loop_task_init(&link->task, NX_LOOP_PRIORITY, flush, link);
}

enum nx_err nx_link_connect(struct nx_link *link, struct nx_loop *loop, const struct nx_endpoint *where,
                            size_t queue_max, const struct nx_link_events *on, void *context)
{
    prepare(link, loop, queue_max, on, context);
    const enum nx_err err = nx_stream_connect(&link->stream, loop, where, NULL, &STREAM_EVENTS, link);
    link->is_open = err == NX_OK;
    return err;
}

enum nx_err nx_link_accept(struct nx_link *link, struct nx_loop *loop, struct nx_accepted *accepted,
                           size_t queue_max, const struct nx_link_events *on, void *context)
{
    prepare(link, loop, queue_max, on, context);
    const enum nx_err err = nx_stream_accept(&link->stream, loop, accepted, &STREAM_EVENTS, link);
    link->is_open = err == NX_OK;
    if (err == NX_OK) {
        on_connected(link);
    }
    return err;
}

enum nx_err nx_link_begin(struct nx_link *link, size_t size, struct nx_writer *out)
{
    if (!link->is_up) {
        return NX_E_CLOSED;
    }
    if (link->unconsumed_size + size > NX_BUS_WINDOW) {
        link->wants_room = true;
        return NX_E_FULL;
    }
    const enum nx_err err = begin(link, size, link->queue_max, out);
    if (err != NX_OK) {
        link->wants_room = true;
    }
    return err == NX_E_NO_MEMORY ? NX_E_FULL : err;
}

void nx_link_end(struct nx_link *link, const struct nx_writer *written)
{
    link->unconsumed_size += written->size;
    end(link, written);
}

bool nx_link_is_busy(struct nx_link *link)
{
    const bool is_busy = link->is_up && is_half_full(link);
    link->wants_room = link->wants_room || is_busy;
    return is_busy;
}

size_t nx_link_pending(const struct nx_link *link)
{
    return link->queue_size - link->queue_start;
}

void nx_link_pause(struct nx_link *link, bool is_paused)
{
    if (link->is_up) {
        nx_stream_pause(&link->stream, is_paused);
    }
}

void nx_link_close(struct nx_link *link)
{
    link->is_up = false;
    if (link->is_open) {
        nx_stream_close(&link->stream);
    }
}

void nx_link_fini(struct nx_link *link)
{
    NX_ASSERT(!link->is_open);
    free(link->queue);
    free(link->stash);
    link->queue = NULL;
    link->stash = NULL;
    link->queue_room = 0;
    link->stash_room = 0;
}
