#include "engine/io/poll.h"

#include "engine/base/assert.h"
#include "engine/io/loop_uring.h"

enum nx_err nx_poll_open(struct nx_loop *loop, struct nx_poll *poll, int fd,
                         void (*on_ready)(void *context, uint32_t events), void *context)
{
    NX_ASSERT(fd >= 0);
    uint32_t slot;
    const enum nx_err err = nx_loop_slot_take(loop, NX_LOOP_SLOT_POLL, poll, &slot);
    if (err != NX_OK) {
        return err;
    }
    *poll = (struct nx_poll){.loop = loop, .on_ready = on_ready, .context = context, .fd = fd, .slot = slot};
    return NX_OK;
}

/* One operation for each direction: what is armed need not be cancelled when the other is wanted too. */
static void arm(struct nx_poll *poll)
{
    const uint32_t missing = poll->wanted & ~poll->armed;
    if ((missing & NX_POLL_READABLE) != 0) {
        nx_loop_slot_want(poll->loop, poll->slot, NX_LOOP_WANT_POLL);
    }
    if ((missing & NX_POLL_WRITABLE) != 0) {
        nx_loop_slot_want(poll->loop, poll->slot, NX_LOOP_WANT_POLL_WRITABLE);
    }
    poll->armed |= missing;
}

void nx_poll_want(struct nx_poll *poll, uint32_t events)
{
    poll->wanted = events;
    arm(poll);
}

void nx_poll_put(struct nx_loop *loop, uint32_t slot, bool is_writable)
{
    const struct nx_loop_slot *s = &loop->slots[slot];
    const struct nx_poll *poll = s->owner;
    const struct nx_uring_tag tag = {
        .kind = is_writable ? NX_URING_POLL : NX_URING_SIGNAL, .slot = slot, .generation = s->generation};
    nx_uring_poll(&loop->ring, (struct nx_uring_target){.fd = poll->fd},
                  is_writable ? NX_URING_WRITABLE : NX_URING_READABLE, tag);
}

void nx_poll_completed(struct nx_loop *loop, uint32_t slot, const struct nx_uring_done *done)
{
    struct nx_poll *poll = loop->slots[slot].owner;
    const uint32_t generation = done->tag.generation;
    const uint32_t events = done->tag.kind == NX_URING_POLL ? NX_POLL_WRITABLE : NX_POLL_READABLE;
    poll->armed &= ~events;
    if ((poll->wanted & events) != 0) {
        poll->on_ready(poll->context, events);
    }
    if (loop->slots[slot].generation == generation && loop->slots[slot].owner == poll) {
        arm(poll);
    }
}

void nx_poll_close(struct nx_poll *poll)
{
    if (poll->loop == NULL) {
        return;
    }
    struct nx_loop *loop = poll->loop;
    struct nx_loop_slot *slot = &loop->slots[poll->slot];
    slot->owner = NULL;
    slot->kind = NX_LOOP_SLOT_ENDING;
    slot->wants = 0;
    nx_loop_slot_want(loop, poll->slot, NX_LOOP_WANT_CANCEL_POLL | NX_LOOP_WANT_CANCEL_POLL_WRITABLE);
    *poll = (struct nx_poll){.fd = -1};
}
