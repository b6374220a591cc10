/* poll.h - tells when a descriptor that some library owns is ready: libpq's, a resolver's.
 *
 * Layer:   engine/io (poll_uring.c; engine/sim has no foreign descriptors and refuses)
 * Threads: the loop's own
 * Idiom:   embed struct nx_poll; say what is wanted, and again whenever that changes. What is wanted stays wanted: the
 *          callback comes once per turn while the descriptor is ready. Close the poll before the descriptor.
 */
#ifndef NX_IO_POLL_H
#define NX_IO_POLL_H

#include "engine/base/err.h"
#include "engine/io/loop.h"

/** What a descriptor can be ready for, bits. */
enum { NX_POLL_READABLE = 1, NX_POLL_WRITABLE = 4 };

/** A watched descriptor; embedded in its owner, zeroed before nx_poll_open(). */
struct nx_poll {
    struct nx_loop *loop;
    void (*on_ready)(void *context, uint32_t events);
    void *context;
    int fd; /**< the owner's; -1 when not open */
    uint32_t slot;
    uint32_t wanted; /**< NX_POLL_* */
    uint32_t armed;  /**< NX_POLL_* that the kernel watches for */
};

/**
 * Watches `fd` for nothing yet. `on_ready` gets the NX_POLL_* bits that are there and wanted; an error or the other
 * end's hang-up counts as both. Returns NX_OK; NX_E_FULL when the loop has no slot; NX_E_UNSUPPORTED under simulation.
 */
NX_MUST_USE enum nx_err nx_poll_open(struct nx_loop *loop, struct nx_poll *poll, int fd,
                                     void (*on_ready)(void *context, uint32_t events), void *context);

/** Watches for `events`, NX_POLL_* bits or 0, from now on. */
void nx_poll_want(struct nx_poll *poll, uint32_t events);

/** Ends the watch; no callback comes any more. Fine on a poll that is not open. The descriptor stays open. */
void nx_poll_close(struct nx_poll *poll);

#endif
