/* mailbox.h - messages to another loop's thread: a lock-free queue and one wake-up per batch.
 *
 * Layer:   engine/io (queue of engine/base/mpsc; the wake-up is IORING_OP_MSG_RING, one per empty-to-full edge)
 * Threads: post from any thread that owns a loop, or from a worker; receive on the loop's own
 * Limits:  NX_MAILBOX_MAIL_MAX letters waiting; a full box refuses
 * Idiom:   what crosses is read-only and goes home: the receiver posts the letter back when it is done with it, or the
 *          letter says who frees it.
 */
#ifndef NX_IO_MAILBOX_H
#define NX_IO_MAILBOX_H

#include "engine/base/err.h"
#include "engine/io/loop.h"

/** A letter; embedded in what is sent. */
struct nx_mail {
    void (*receive)(struct nx_mail *mail,
                    void *context); /**< runs on the receiving loop with the box's context */
};

struct nx_mailbox;

/** Opens the mailbox of `loop`; `context` is given to every letter. Returns NX_OK; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err nx_mailbox_open(struct nx_mailbox **out, struct nx_loop *loop, void *context);

/** Closes it; letters not yet received are dropped. No other thread may post any more. */
void nx_mailbox_close(struct nx_mailbox *box);

/**
 * Posts `mail` to `box`. `from` is the loop of the calling thread, or NULL from a thread without one (a worker).
 * Returns NX_OK; NX_E_FULL when the box is full: the caller keeps the letter.
 */
NX_MUST_USE enum nx_err nx_mailbox_post(struct nx_mailbox *box, struct nx_loop *from, struct nx_mail *mail);

#endif
