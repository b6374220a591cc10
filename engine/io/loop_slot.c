#include "engine/io/loop_uring.h"

enum nx_err nx_loop_slot_take(struct nx_loop *loop, enum nx_loop_slot_kind kind, void *owner, uint32_t *slot)
{
    const bool is_stream = kind == NX_LOOP_SLOT_STREAM;
    if (loop->slots_free == NX_LOOP_SLOT_NONE ||
        (is_stream && loop->stats.streams_count >= loop->config.streams_max)) {
        return NX_E_FULL;
    }
    const uint32_t index = loop->slots_free;
    struct nx_loop_slot *s = &loop->slots[index];
    /* A slot that is still queued for its former owner's wants is linked there: it cannot be on the free list. */
    loop->slots_free = s->next;
    s->owner = owner;
    s->kind = (uint8_t)kind;
    s->wants = 0;
    s->why = NX_OK;
    s->is_fixed = false;
    s->is_done = false;
    s->is_armed = false;
    s->send_result = NX_LOOP_SEND_WHOLE;
    loop->stats.streams_count += is_stream;
    *slot = index;
    return NX_OK;
}

static void slot_free(struct nx_loop *loop, uint32_t slot)
{
    loop->slots[slot].next = loop->slots_free;
    loop->slots_free = slot;
}

void nx_loop_slot_give(struct nx_loop *loop, uint32_t slot)
{
    struct nx_loop_slot *s = &loop->slots[slot];
    loop->stats.streams_count -= s->kind == NX_LOOP_SLOT_STREAM;
    s->generation = s->generation == UINT32_MAX ? 1 : s->generation + 1;
    s->owner = NULL;
    s->kind = NX_LOOP_SLOT_FREE;
    s->wants = 0;
    s->fd = -1;
    s->is_fixed = false;
    if (!s->is_queued) {
        slot_free(loop, slot);
    }
}

void nx_loop_slot_want(struct nx_loop *loop, uint32_t slot, uint16_t wants)
{
    struct nx_loop_slot *s = &loop->slots[slot];
    s->wants |= wants;
    if (!s->is_queued) {
        s->is_queued = true;
        s->next = NX_LOOP_SLOT_NONE;
        if (loop->wants_last == NX_LOOP_SLOT_NONE) {
            loop->wants_first = slot;
        } else {
            loop->slots[loop->wants_last].next = slot;
        }
        loop->wants_last = slot;
    }
}

struct nx_uring_target nx_loop_slot_target(const struct nx_loop *loop, uint32_t slot)
{
    const struct nx_loop_slot *s = &loop->slots[slot];
    return (struct nx_uring_target){.fd = s->is_fixed ? (int32_t)slot : s->fd, .is_fixed = s->is_fixed};
}

bool nx_loop_slot_attach(struct nx_loop *loop, uint32_t slot)
{
    struct nx_loop_slot *s = &loop->slots[slot];
    if ((s->wants & NX_LOOP_WANT_ATTACH) == 0) {
        return true;
    }
    if (nx_uring_room(&loop->ring) < 2) {
        return false;
    }
    s->wants &= (uint16_t)~NX_LOOP_WANT_ATTACH;
    if (loop->ring.files_count != 0) {
        nx_uring_attach(&loop->ring, &s->fd, slot);
        s->is_fixed = true;
    }
    return true;
}

void nx_loop_slot_done(struct nx_loop *loop, uint32_t slot)
{
    if (!loop->slots[slot].is_done) {
        loop->slots[slot].is_done = true;
        loop->done[(loop->done_head + loop->done_count) % loop->slots_count] = slot;
        loop->done_count++;
    }
}

/* Puts one want of a slot that is no stream. */
static void other_put(struct nx_loop *loop, uint32_t slot, uint16_t want)
{
    struct nx_loop_slot *s = &loop->slots[slot];
    const struct nx_uring_target target = {.fd = s->fd, .is_fixed = false};
    const struct nx_uring_tag accept = {.kind = NX_URING_ACCEPT, .slot = slot, .generation = s->generation};
    const struct nx_uring_tag signal = {.kind = NX_URING_SIGNAL, .slot = slot, .generation = s->generation};
    switch (want) {
    case NX_LOOP_WANT_ACCEPT:
        nx_listener_put(loop, slot);
        break;
    case NX_LOOP_WANT_POLL:
        if (s->kind == NX_LOOP_SLOT_POLL) {
            nx_poll_put(loop, slot, false);
        } else {
            nx_uring_poll(&loop->ring, target, NX_URING_READABLE, signal);
        }
        break;
    case NX_LOOP_WANT_POLL_WRITABLE:
        nx_poll_put(loop, slot, true);
        break;
    case NX_LOOP_WANT_CANCEL_POLL_WRITABLE:
        nx_uring_cancel(&loop->ring, (struct nx_uring_tag){
                                         .kind = NX_URING_POLL, .slot = slot, .generation = s->generation});
        break;
    case NX_LOOP_WANT_CANCEL_ACCEPT:
        nx_uring_cancel(&loop->ring, accept);
        break;
    case NX_LOOP_WANT_CANCEL_POLL:
        nx_uring_cancel(&loop->ring, signal);
        break;
    case NX_LOOP_WANT_CLOSE:
        nx_uring_close_target(&loop->ring, target);
        s->fd = -1;
        break;
    default:
        break;
    }
}

/* Puts what one slot wants, in the order of the bits; returns false when the ring is full first. */
static bool slot_put(struct nx_loop *loop, uint32_t slot)
{
    struct nx_loop_slot *s = &loop->slots[slot];
    if (s->kind == NX_LOOP_SLOT_STREAM && !nx_loop_slot_attach(loop, slot)) {
        return false;
    }
    uint16_t later = 0;
    while (s->wants != 0) {
        const uint16_t want = (uint16_t)(s->wants & -s->wants);
        if (want == NX_LOOP_WANT_SHUTDOWN && s->kind == NX_LOOP_SLOT_STREAM &&
            !nx_stream_may_shutdown(s->owner)) {
            later |= want;
            s->wants &= (uint16_t)~want;
            continue;
        }
        if (nx_uring_room(&loop->ring) < 1) {
            s->wants |= later;
            return false;
        }
        s->wants &= (uint16_t)~want;
        if (s->kind == NX_LOOP_SLOT_STREAM) {
            nx_stream_put(loop, slot, want);
        } else {
            other_put(loop, slot, want);
        }
    }
    s->wants = later;
    return true;
}

void nx_loop_slot_wants_put(struct nx_loop *loop)
{
    if (!loop->is_wake_armed && nx_uring_room(&loop->ring) > 0) {
        nx_uring_read(&loop->ring, loop->wake_fd, &loop->wake_count,
                      (struct nx_uring_tag){.kind = NX_URING_WAKE});
        loop->is_wake_armed = true;
    }
    while (loop->wants_first != NX_LOOP_SLOT_NONE) {
        const uint32_t slot = loop->wants_first;
        if (!slot_put(loop, slot)) {
            return;
        }
        struct nx_loop_slot *s = &loop->slots[slot];
        loop->wants_first = s->next;
        if (loop->wants_first == NX_LOOP_SLOT_NONE) {
            loop->wants_last = NX_LOOP_SLOT_NONE;
        }
        s->is_queued = false;
        if (s->kind == NX_LOOP_SLOT_ENDING) {
            nx_loop_slot_give(loop, slot);
        } else if (s->kind == NX_LOOP_SLOT_FREE) {
            slot_free(loop, slot);
        }
    }
}
