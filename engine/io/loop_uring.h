/* loop_uring.h - what the files of the io_uring loop share: the loop itself, its slots and its wakers.
 *
 * Layer:   engine/io, private: engine/sim has its own struct nx_loop
 * Threads: the loop's own, except nx_loop_waker_ring()
 * Idiom:   a slot is whatever has operations in flight: a stream, a listener, a mailbox, a signal or
 *          foreign descriptor. What a
 *          slot wants from the kernel is noted as flags and put to the ring once per turn, so callbacks never find
 *          the ring full; only sends go to the ring directly.
 */
#ifndef NX_IO_LOOP_URING_H
#define NX_IO_LOOP_URING_H

#include "engine/base/list.h"
#include "engine/base/wheel.h"
#include "engine/io/limits.h"
#include "engine/io/loop.h"
#include "engine/io/stream.h"
#include "engine/io/timer.h"
#include "engine/io/uring.h"

#include <stdatomic.h>

enum { NX_LOOP_SLOT_NONE = 0xffffff };

/** Result of a commit that the kernel took whole: no completion came. */
#define NX_LOOP_SEND_WHOLE INT32_MAX

/** What a slot is for. */
enum nx_loop_slot_kind {
    NX_LOOP_SLOT_FREE,
    NX_LOOP_SLOT_STREAM,
    NX_LOOP_SLOT_LISTENER,
    NX_LOOP_SLOT_MAILBOX,
    NX_LOOP_SLOT_SIGNAL,
    NX_LOOP_SLOT_POLL,  /**< watches a foreign descriptor */
    NX_LOOP_SLOT_ENDING /**< its owner is gone; freed when its last wants are put */
};

/** What a slot wants from the kernel, bits; put in this order. */
enum {
    NX_LOOP_WANT_ATTACH = 1,
    NX_LOOP_WANT_RECEIVE = 2,
    NX_LOOP_WANT_POLL = 4,
    NX_LOOP_WANT_ACCEPT = 8,
    NX_LOOP_WANT_CANCEL_RECEIVE = 16,
    NX_LOOP_WANT_CANCEL_POLL = 32,
    NX_LOOP_WANT_CANCEL_ACCEPT = 64,
    NX_LOOP_WANT_SHUTDOWN = 128,
    NX_LOOP_WANT_CLOSE = 256,
    NX_LOOP_WANT_POLL_WRITABLE = 512, /**< foreign descriptors: beside POLL, which is readable */
    NX_LOOP_WANT_CANCEL_POLL_WRITABLE = 1024
};

/** One slot; 32 bytes, so that two share a cache line. */
struct nx_loop_slot {
    void *owner;         /**< by kind; NULL when free */
    uint32_t generation; /**< raised when the slot is freed */
    int32_t fd;          /**< plain descriptor; -1 once it lives in the fixed table */
    int32_t send_result; /**< of this slice's commit */
    uint32_t next;       /**< in the queue of wants, or among the free */
    uint16_t wants;      /**< NX_LOOP_WANT_* */
    uint8_t kind;        /**< enum nx_loop_slot_kind */
    uint8_t why;         /**< enum nx_err for `closed` */
    bool is_queued;      /**< in the queue of wants */
    bool is_fixed;       /**< operations name the slot, not the descriptor */
    bool is_done;        /**< in the queue of closed streams */
    bool is_armed;       /**< listener: an accept is in flight */
};

/** One commit of the slice. */
struct nx_loop_commit {
    struct nx_stream *stream;
};

/** A way for other threads to have a function run on the loop's thread; embedded in its owner. */
struct nx_loop_waker {
    struct nx_list_link link;
    atomic_bool is_rung;
    void (*on_woken)(void *context);
    void *context;
};

struct nx_loop {
    struct nx_uring ring;
    struct nx_loop_config config;
    struct nx_loop_stats stats;
    struct nx_loop_slot *slots; /**< owned */
    uint32_t slots_count;
    uint32_t slots_free; /**< first free slot */
    uint32_t wants_first;
    uint32_t wants_last;
    uint32_t *done; /**< owned: closed streams whose callback is due, a ring of slots_count */
    uint32_t done_head;
    uint32_t done_count;
    uint8_t *slab; /**< owned */
    size_t slab_used;
    struct nx_stream *reserved_by; /**< who holds the latest reservation */
    size_t reserved_size;
    struct nx_loop_commit *commits;  /**< owned: of the slice being gathered */
    struct nx_loop_commit *resolved; /**< owned: of the slice being told */
    uint32_t commits_count;
    uint32_t slice_sends; /**< sends of a slice now: config.slice_sends_max, fewer when they are slow */
    int64_t send_ns;      /**< running mean of what a send costs in the kernel; 0: not known */
    nx_time now;
    int64_t wall_ms;
    struct nx_wheel wheel;
    struct nx_list tasks[NX_LOOP_CLASSES_COUNT];
    struct nx_list wakers;
    struct nx_listener *listeners[NX_LOOP_LISTENERS_MAX];
    struct nx_timer accept_retry;
    int wake_fd;
    uint64_t wake_count; /**< the kernel writes here */
    bool is_wake_armed;
    bool is_stopping;
};

/** Takes a free slot. Returns NX_OK; NX_E_FULL. */
NX_MUST_USE enum nx_err nx_loop_slot_take(struct nx_loop *loop, enum nx_loop_slot_kind kind, void *owner,
                                          uint32_t *slot);

/** Gives `slot` back; later completions of this generation are dropped. */
void nx_loop_slot_give(struct nx_loop *loop, uint32_t slot);

/** Adds `wants` to what `slot` wants from the kernel. */
void nx_loop_slot_want(struct nx_loop *loop, uint32_t slot, uint16_t wants);

/** Returns where operations on `slot` go. */
struct nx_uring_target nx_loop_slot_target(const struct nx_loop *loop, uint32_t slot);

/** Puts the slot's ATTACH now, if it is still wanted; returns false when the ring has no room. */
bool nx_loop_slot_attach(struct nx_loop *loop, uint32_t slot);

/** Queues `on->closed` of the stream in `slot`. */
void nx_loop_slot_done(struct nx_loop *loop, uint32_t slot);

/** Puts what slots want to the ring, as far as it has room; the rest waits for the next turn. */
void nx_loop_slot_wants_put(struct nx_loop *loop);

/** Runs every waker that was rung. */
void nx_loop_waker_run(struct nx_loop *loop);

/** Makes `waker` known to the loop. */
void nx_loop_waker_open(struct nx_loop *loop, struct nx_loop_waker *waker, void (*on_woken)(void *context),
                        void *context);

/** Forgets `waker`; no thread may ring it any more. */
void nx_loop_waker_close(struct nx_loop_waker *waker);

/** Any thread: has `waker` run on its loop; one system call per batch of rings. */
void nx_loop_waker_ring(struct nx_loop *loop, struct nx_loop_waker *waker);

/* What the kinds do with their completions and wants; `slot` is theirs and alive. */

/** A completion of a stream's operation. */
void nx_stream_completed(struct nx_loop *loop, uint32_t slot, const struct nx_uring_done *done);

/** The stream's commit of this slice was submitted and its fate is known: tells the owner. */
void nx_stream_resolved(struct nx_loop *loop, struct nx_stream *stream);

/** Puts the operation `want` of a stream to the ring. */
void nx_stream_put(struct nx_loop *loop, uint32_t slot, uint16_t want);

/** Returns whether nothing of `stream` is committed or blocked, so that a FIN overtakes no byte. */
bool nx_stream_may_shutdown(const struct nx_stream *stream);

/** The stream's last operation is done: its slot is free and its owner may be told. */
void nx_stream_finished(struct nx_loop *loop, uint32_t slot);

/** A completion of a listener's accept. */
void nx_listener_completed(struct nx_loop *loop, uint32_t slot, const struct nx_uring_done *done);

/** Puts a listener's accept to the ring. */
void nx_listener_put(struct nx_loop *loop, uint32_t slot);

/** Timer: listeners that were out of descriptors try again. */
void nx_listener_retry(void *context);

/** A letter rang the mailbox in `slot`. */
void nx_mailbox_completed(struct nx_loop *loop, uint32_t slot);

/** A ring of another loop's mailbox failed: rings it by its other bell. */
void nx_mailbox_lost(struct nx_loop *loop, const struct nx_uring_tag *tag);

/** Puts the watch of the foreign descriptor in `slot` to the ring. */
void nx_poll_put(struct nx_loop *loop, uint32_t slot, bool is_writable);

/** The foreign descriptor in `slot` is ready. */
void nx_poll_completed(struct nx_loop *loop, uint32_t slot, const struct nx_uring_done *done);

/** A completion of a signal descriptor's read. */
void nx_signal_completed(struct nx_loop *loop, uint32_t slot, const struct nx_uring_done *done);

#endif
