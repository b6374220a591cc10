/* worker.h - threads for work that would hold up a loop: handshakes, password hashing, disk.
 *
 * Layer:   engine/io (worker_posix.c; engine/sim runs jobs on its own thread with a virtual delay)
 * Threads: submit and done on the loop's thread, run on a worker
 * Limits:  a bounded queue; a full queue refuses at once
 * Idiom:   embed struct nx_job in the request; after submit the job belongs to the workers until done() is called.
 */
#ifndef NX_IO_WORKER_H
#define NX_IO_WORKER_H

#include "engine/base/err.h"
#include "engine/io/loop.h"

struct nx_worker;

/** One piece of work. */
struct nx_job {
    struct nx_list_link link;         /**< the pool's */
    void (*run)(struct nx_job *job);  /**< on a worker thread; may block */
    void (*done)(struct nx_job *job); /**< on the loop's thread, exactly once */
    struct nx_loop *loop;             /**< the pool's */
};

/** What a pool is made of. */
struct nx_worker_config {
    const char *name;      /**< thread name, at most 15 bytes; borrowed until close */
    uint32_t threads;      /**< 1 or more */
    uint32_t queue_max;    /**< jobs waiting or running */
    uint32_t sim_delay_us; /**< virtual duration of a job under engine/sim */
};

/** Starts the threads. Returns NX_OK; NX_E_NO_MEMORY when threads or memory are not to be had. */
NX_MUST_USE enum nx_err nx_worker_open(struct nx_worker **out, struct nx_loop *loop,
                                       const struct nx_worker_config *config);

/** Waits for running jobs and ends the threads; jobs still waiting are dropped without done(). */
void nx_worker_close(struct nx_worker *worker);

/** Queues `job`; jobs of a pool with one thread run in this order. Returns NX_OK; NX_E_FULL when the queue is full. */
NX_MUST_USE enum nx_err nx_worker_submit(struct nx_worker *worker, struct nx_job *job);

/** Returns the number of jobs submitted and not yet done. */
uint32_t nx_worker_pending(const struct nx_worker *worker);

#endif
