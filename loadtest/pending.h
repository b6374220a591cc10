/* pending.h - messages of one publisher that the server has neither acknowledged nor refused for good.
 *
 * Layer:   loadtest
 * Threads: any; values
 * Limits:  LOAD_PENDING_MAX messages
 * Idiom:   in order of sending; each is sent again with its nonce when it is due, so that an answer that was lost with a
 *          process is asked for again and the server's memory of nonces keeps it from being stored twice.
 */
#ifndef LOAD_PENDING_H
#define LOAD_PENDING_H

#include "engine/base/err.h"
#include "loadtest/stamp.h"

enum { LOAD_PENDING_MAX = 256 };

/** One message. */
struct load_pending_one {
    struct load_stamp stamp;
    int64_t due_ns;    /**< sent again when nothing was heard until then */
    uint32_t attempts; /**< how often it was sent */
};

/** The list; zero is empty. */
struct load_pending {
    struct load_pending_one *ones; /**< owned: LOAD_PENDING_MAX, NULL until the first */
    uint32_t count;
};

/** Adds a message that is sent now. Returns NX_OK; NX_E_FULL; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err load_pending_add(struct load_pending *pending, const struct load_stamp *stamp,
                                         int64_t due_ns);

/** Returns the message with this number, or NULL. */
struct load_pending_one *load_pending_find(struct load_pending *pending, uint32_t number);

/** Removes the message with this number; returns whether it was there. */
bool load_pending_remove(struct load_pending *pending, uint32_t number);

/** Makes every message due at `ns`. */
void load_pending_hasten(struct load_pending *pending, int64_t ns);

/** Frees the list. */
void load_pending_fini(struct load_pending *pending);

#endif
