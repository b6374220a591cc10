/* link.h - bus frames over a stream: reassembly, a bounded queue of what is unsent, and credit.
 *
 * Spec:    docs/protocol/bus.md
 * Layer:   engine/io (only on stream.h and loop.h, so engine/sim runs the same file)
 * Threads: the loop's own
 * Limits:  config.queue_max bytes unsent; NX_BUS_WINDOW bytes unconsumed by the other side
 * Idiom:   put a message with NX_LINK_PUT(); frames leave gathered, one commit per slice.
 */
#ifndef NX_IO_LINK_H
#define NX_IO_LINK_H

#include "engine/base/writer.h"
#include "engine/io/loop.h"
#include "engine/io/stream.h"
#include "engine/wire/bus.h"

/** What a link tells its owner. */
struct nx_link_events {
    void (*up)(void *context); /**< connected or accepted: say HELLO */
    void (*frame)(void *context,
                  const struct nx_bus_frame *frame); /**< CREDIT is handled below and not shown */
    void (*room)(void *context);                     /**< after NX_E_FULL there is room again */
    void (*down)(void *context, enum nx_err why);    /**< gone; the link may be opened again */
};

/** One link; embedded in its owner, zero-initialised. */
struct nx_link {
    struct nx_stream stream;
    struct nx_loop_task task;
    const struct nx_link_events *on; /**< given */
    void *context;                   /**< given */
    struct nx_loop *loop;            /**< given */
    uint8_t *queue;                  /**< owned: frames unsent, [queue_start, queue_size) */
    size_t queue_room;
    size_t queue_start;
    size_t queue_size;
    size_t queue_max;
    uint8_t *stash; /**< owned: an incomplete frame */
    size_t stash_room;
    size_t stash_size;
    uint64_t unconsumed_size; /**< sent bytes that the other side has not credited */
    uint32_t consumed_size;   /**< received bytes not credited yet */
    bool is_up;
    bool is_open; /**< the stream's memory is in use */
    bool wants_room;
};

/** Connects to `where`. Returns NX_OK (up or down follows); NX_E_FULL, NX_E_IO, NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err nx_link_connect(struct nx_link *link, struct nx_loop *loop,
                                        const struct nx_endpoint *where, size_t queue_max,
                                        const struct nx_link_events *on, void *context);

/** Adopts an accepted connection; on->up is called before this returns. Returns NX_OK; NX_E_FULL;
 * NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err nx_link_accept(struct nx_link *link, struct nx_loop *loop,
                                       struct nx_accepted *accepted, size_t queue_max,
                                       const struct nx_link_events *on, void *context);

/**
 * Begins a frame of `size` bytes (nx_bus_X_size()): `out` becomes a writer over exactly that room.
 * Returns NX_OK; NX_E_FULL when the queue is full (on->room follows when it is half empty); NX_E_CLOSED when
 * down.
 */
NX_MUST_USE enum nx_err nx_link_begin(struct nx_link *link, size_t size, struct nx_writer *out);

/** Ends the frame begun last: it leaves with this slice's submission. */
void nx_link_end(struct nx_link *link, const struct nx_writer *written);

/**
 * Returns whether more than half of the queue or of the credit is used: whoever has a choice waits now. After true,
 * on->room tells when it is over.
 */
bool nx_link_is_busy(struct nx_link *link);

/** Returns the bytes waiting to be sent. */
size_t nx_link_pending(const struct nx_link *link);

/** Stops (true) or restarts (false) receiving: what is not received is not credited, so the sender slows
 * down. */
void nx_link_pause(struct nx_link *link, bool is_paused);

/** Closes; on->down follows. */
void nx_link_close(struct nx_link *link);

/** Frees the buffers; only after on->down or before any open. */
void nx_link_fini(struct nx_link *link);

/** Puts one message in one call: NX_LINK_PUT(link, event, &message) evaluates to enum nx_err. */
#define NX_LINK_PUT(link, name, message)                                                                     \
    __extension__({                                                                                          \
        struct nx_writer nx_link_w;                                                                          \
        const enum nx_err nx_link_err = nx_link_begin((link), nx_bus_##name##_size(message), &nx_link_w);    \
        if (nx_link_err == NX_OK) {                                                                          \
            nx_bus_##name##_put(&nx_link_w, (message));                                                      \
            nx_link_end((link), &nx_link_w);                                                                 \
        }                                                                                                    \
        nx_link_err;                                                                                         \
    })

#endif
