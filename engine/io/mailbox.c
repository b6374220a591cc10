#include "engine/io/mailbox.h"

#include "engine/base/assert.h"
#include "engine/base/mpsc.h"
#include "engine/io/limits.h"
#include "engine/io/loop_uring.h"
#include "engine/io/mem.h"

struct nx_mailbox {
    struct nx_mpsc letters; /* of struct nx_mail * */
    struct nx_loop *loop;
    void *context;
    struct nx_loop_waker waker; /* its flag is the bell for every poster, however it rings */
    struct nx_loop_task task;
    uint32_t slot;
    uint32_t generation;
    int ring_fd;
};

enum { POINTER_HIGH_SHIFT = 32 };

static bool letters_receive(void *context)
{
    struct nx_mailbox *box = context;
    for (uint32_t left = NX_MAILBOX_TURN_MAX; left != 0; left--) {
        struct nx_mail *mail;
        if (!nx_mpsc_pop(&box->letters, &mail)) {
            return false;
        }
        mail->receive(mail, box->context);
    }
    return true;
}

static void box_woken(void *context)
{
    struct nx_mailbox *box = context;
    nx_loop_task_wake(box->loop, &box->task);
}

enum nx_err nx_mailbox_open(struct nx_mailbox **out, struct nx_loop *loop, void *context)
{
    struct nx_mailbox *box = nx_mem_take(sizeof(*box));
    if (box == NULL) {
        return NX_E_NO_MEMORY;
    }
    void *memory = nx_mem_take(nx_mpsc_size_needed(sizeof(struct nx_mail *), NX_MAILBOX_MAIL_MAX));
    if (memory == NULL || nx_loop_slot_take(loop, NX_LOOP_SLOT_MAILBOX, box, &box->slot) != NX_OK) {
        nx_mem_give(memory);
        nx_mem_give(box);
        return NX_E_NO_MEMORY;
    }
    nx_mpsc_init(&box->letters, memory, sizeof(struct nx_mail *), NX_MAILBOX_MAIL_MAX);
    box->loop = loop;
    box->context = context;
    box->generation = loop->slots[box->slot].generation;
    box->ring_fd = loop->ring.ring.ring_fd;
    nx_loop_waker_open(loop, &box->waker, box_woken, box);
    nx_loop_task_init(&box->task, NX_LOOP_PRIORITY, letters_receive, box);
    *out = box;
    return NX_OK;
}

void nx_mailbox_close(struct nx_mailbox *box)
{
    nx_loop_task_sleep(box->loop, &box->task);
    nx_loop_waker_close(&box->waker);
    nx_loop_slot_give(box->loop, box->slot);
    nx_mem_give(box->letters.memory);
    nx_mem_give(box);
}

void nx_mailbox_completed(struct nx_loop *loop, uint32_t slot)
{
    struct nx_mailbox *box = loop->slots[slot].owner;
    /* The bell is taken down before the letters are taken out: a letter put in between rings again. */
    (void)atomic_exchange(&box->waker.is_rung, false);
    nx_loop_task_wake(loop, &box->task);
}

/* The doorbell could not be delivered (the other ring's queue was full): the slow bell always can. */
void nx_mailbox_lost(struct nx_loop *loop, const struct nx_uring_tag *tag)
{
    (void)loop;
    struct nx_mailbox *box =
        (struct nx_mailbox *)(uintptr_t)((uint64_t)tag->slot << POINTER_HIGH_SHIFT | tag->generation);
    atomic_store(&box->waker.is_rung, false);
    nx_loop_waker_ring(box->loop, &box->waker);
}

enum nx_err nx_mailbox_post(struct nx_mailbox *box, struct nx_loop *from, struct nx_mail *mail)
{
    struct nx_mail *const letter = mail;
    if (!nx_mpsc_push(&box->letters, &letter)) {
        return NX_E_FULL;
    }
    if (from == box->loop) {
        nx_loop_task_wake(box->loop, &box->task);
    } else if (from == NULL || from->config.features == NX_LOOP_FEATURES_6_1 ||
               nx_uring_room(&from->ring) == 0) {
        /* The doorbell between rings needs a ring to ring from; kernels before 6.3 do not wake a DEFER_TASKRUN ring. */
        nx_loop_waker_ring(box->loop, &box->waker);
    } else if (!atomic_exchange(&box->waker.is_rung, true)) {
        const uint64_t pointer = (uint64_t)(uintptr_t)box;
        const struct nx_uring_tag lost = {.kind = NX_URING_MAIL_LOST,
                                          .slot = (uint32_t)(pointer >> POINTER_HIGH_SHIFT),
                                          .generation = (uint32_t)pointer};
        NX_ASSERT(pointer >> POINTER_HIGH_SHIFT <= NX_LOOP_SLOT_NONE);
        nx_uring_ring(
            &from->ring, box->ring_fd,
            (struct nx_uring_tag){.kind = NX_URING_MAIL, .slot = box->slot, .generation = box->generation},
            lost);
    }
    return NX_OK;
}
