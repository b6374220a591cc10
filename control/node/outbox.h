/* outbox.h - what is said to a shard beyond its link's window: it waits here, in order, until the link has room again.
 *
 * Layer:   control/node
 * Threads: the loop's
 * Limits:  CTLD_LINK_QUEUE_MAX bytes wait; one answer of the store may be told to a shard in more than the window holds
 * Idiom:   err = CTLD_OUTBOX_PUT(conn, event, &message); from the link's room(): ctld_outbox_drain(conn)
 */
#ifndef CTLD_NODE_OUTBOX_H
#define CTLD_NODE_OUTBOX_H

#include "control/node/state.h"

/**
 * Starts a message of `size` bytes, on the link or behind what waits. Returns NX_OK: fill `out`, then ctld_outbox_end();
 * NX_E_FULL when too much waits or there is no memory; NX_E_CLOSED when the link is down.
 */
NX_MUST_USE enum nx_err ctld_outbox_begin(struct ctld_conn *conn, size_t size, struct nx_writer *out);

/** Ends the message begun. */
void ctld_outbox_end(struct ctld_conn *conn, const struct nx_writer *written);

/** Moves what waits to the link, as far as it takes it. */
void ctld_outbox_drain(struct ctld_conn *conn);

/** Returns how many bytes wait. */
size_t ctld_outbox_waiting(const struct ctld_conn *conn);

/** Gives the memory back; what waits is lost. */
void ctld_outbox_fini(struct ctld_conn *conn);

/** Puts one message in one call: CTLD_OUTBOX_PUT(conn, event, &message) evaluates to enum nx_err. */
#define CTLD_OUTBOX_PUT(conn, name, message)                                                                 \
    __extension__({                                                                                          \
        struct nx_writer outbox_w;                                                                           \
        const enum nx_err outbox_err = ctld_outbox_begin((conn), nx_bus_##name##_size(message), &outbox_w);  \
        if (outbox_err == NX_OK) {                                                                           \
            nx_bus_##name##_put(&outbox_w, (message));                                                       \
            ctld_outbox_end((conn), &outbox_w);                                                              \
        }                                                                                                    \
        outbox_err;                                                                                          \
    })

#endif
