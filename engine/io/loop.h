/* loop.h - the one loop of a shard: waits for completions and timers, and cuts the work between into slices.
 *
 * Layer:   engine/io (loop_uring.c on io_uring; engine/sim implements the same functions in virtual time)
 * Threads: a loop belongs to the thread that opened it; only nx_mailbox_post() may be called from others
 * Limits:  one slice is at most config.slice_sends_max sends and about config.slice_us_max of task work
 * Idiom:   Owners embed their records (streams, timers, tasks) and get callbacks. Nobody calls the kernel from a
 *          callback: sends are gathered in the loop's send slab and leave in one submission per slice.
 *
 * A turn: submit what the last slice gathered -> reap completions (failed sends first, then `sent` for every
 * commit of the slice, then everything else) -> due timers -> tasks: all MEDIA, then all PRIORITY, then BULK until
 * the slice is full. A BULK task that has more to do returns true and goes on in the next slice, after the
 * completions that arrived meanwhile: a broadcast to 10,000 never delays another connection by more than a slice.
 */
#ifndef NX_IO_LOOP_H
#define NX_IO_LOOP_H

#include "engine/base/err.h"
#include "engine/base/list.h"
#include "engine/base/time.h"

#include <stddef.h>
#include <stdint.h>

struct nx_loop;

/** Which kernel features may be used: all that the probe finds, or no more than stock Linux 6.1 has. */
enum nx_loop_features { NX_LOOP_FEATURES_ALL, NX_LOOP_FEATURES_6_1 };

/** Sizes of a loop; zero means the default in engine/io/limits.h. */
struct nx_loop_config {
    uint32_t streams_max;           /**< open streams; bounded by RLIMIT_NOFILE for registered descriptors */
    uint32_t receive_buffers_count; /**< shared receive buffers, a power of two */
    uint32_t receive_buffer_size;   /**< bytes each */
    uint32_t slab_size;             /**< bytes of the send slab, what one slice can gather */
    uint32_t slice_sends_max;       /**< sends per slice (128) */
    uint32_t slice_us_max;          /**< microseconds of task work per slice (1000) */
    uint32_t
        slice_submit_us_max; /**< microseconds that submitting a slice's sends should take (1500): slow sends make
                                         smaller slices, down to a quarter of slice_sends_max */
    enum nx_loop_features features;
    int cpu; /**< core to pin the thread to; -1 for none */
};

/** Counters since open, plain integers of the loop's thread: the material of metrics and of the ratchet tests. */
struct nx_loop_stats {
    uint64_t enters;         /**< system calls made by the loop itself */
    uint64_t turns;          /**< turns of the loop */
    uint64_t completions;    /**< completions reaped */
    uint64_t accepts;        /**< connections accepted */
    uint64_t receives;       /**< receive completions with data */
    uint64_t received_bytes; /**< bytes received */
    uint64_t sends;          /**< commits submitted */
    uint64_t sent_bytes;     /**< bytes the kernel took */
    uint64_t sends_short;    /**< commits the kernel took only in part, or not at all */
    uint64_t
        sends_blocked; /**< attempts refused because the stream was blocked; stays 0 when owners behave */
    uint64_t buffers_exhausted; /**< receives that found no shared buffer and were re-armed */
    uint64_t stale_completions; /**< completions dropped because their generation was gone */
    uint64_t slices_cut;        /**< slices that ended by budget with BULK work left */
    int64_t slice_ns_max;       /**< longest slice seen, ns */
    uint64_t memory_bytes;      /**< memory the loop holds: rings, buffers, slab, tables */
    uint32_t streams_count;     /**< streams open now */
};

enum nx_loop_class { NX_LOOP_MEDIA, NX_LOOP_PRIORITY, NX_LOOP_BULK, NX_LOOP_CLASSES_COUNT };

/**
 * Work that its owner wakes; embedded in the owner, zero-initialised before nx_loop_task_init().
 * run: called once per turn while awake; returns whether there is more to do (then it stays awake).
 */
struct nx_loop_task {
    struct nx_list_link link; /**< the loop's */
    bool (*run)(void *context);
    void *context;
    enum nx_loop_class class; /**< when in a turn it runs */
    bool is_awake;            /**< the loop's */
};

/** Room for a message that explains why a loop could not be opened, and what an operator can do about it. */
enum { NX_LOOP_WHY_SIZE = 256 };

/**
 * Opens a loop for the calling thread and probes the kernel.
 * `why` receives one clear line on failure (what is missing, since which kernel or setting), else is untouched.
 * Returns NX_OK; NX_E_UNSUPPORTED when the kernel lacks io_uring or a needed feature, or forbids it; NX_E_NO_MEMORY
 * when memory or the memlock limit does not allow the sizes asked for; NX_E_FULL when streams_max exceeds
 * RLIMIT_NOFILE (hard limit; the soft limit is raised to it).
 */
NX_MUST_USE enum nx_err nx_loop_open(struct nx_loop **out, const struct nx_loop_config *config,
                                     char why[NX_LOOP_WHY_SIZE]);

/** Closes the loop and everything still open on it, without callbacks. */
void nx_loop_close(struct nx_loop *loop);

/** Runs turns until nx_loop_stop(). */
void nx_loop_run(struct nx_loop *loop);

/** Makes nx_loop_run() return at the end of the current turn; from the loop's own thread. */
void nx_loop_stop(struct nx_loop *loop);

/** Runs one turn: waits until something happens but not past `until`; NX_TIME_NEVER waits without limit. */
void nx_loop_turn(struct nx_loop *loop, nx_time until);

/** Returns the instant at which the current slice began (monotonic, read once per slice). */
nx_time nx_loop_now(const struct nx_loop *loop);

/** Returns wall-clock milliseconds since 1970-01-01 UTC, read once per slice. */
int64_t nx_loop_wall_ms(const struct nx_loop *loop);

/** Prepares `task`; it sleeps until woken. */
void nx_loop_task_init(struct nx_loop_task *task, enum nx_loop_class class, bool (*run)(void *context),
                       void *context);

/** Wakes `task`: it runs in this turn if its class is still to come, else in the next. No effect when awake. */
void nx_loop_task_wake(struct nx_loop *loop, struct nx_loop_task *task);

/** Puts `task` to sleep; safe from any callback. */
void nx_loop_task_sleep(struct nx_loop *loop, struct nx_loop_task *task);

/** Returns how many more sends fit into this slice; BULK tasks stop at 0. */
uint32_t nx_loop_slice_left(const struct nx_loop *loop);

/** Returns whether this slice has used up its time or its sends (reads the clock). */
bool nx_loop_slice_over(struct nx_loop *loop);

/** Returns the loop's counters (borrowed, live). */
const struct nx_loop_stats *nx_loop_stats(const struct nx_loop *loop);

#endif
