/* shard.h - one thread with one loop per processor: started together, stopped together.
 *
 * Layer:   engine/io
 * Threads: open, stop and close from the thread that owns the set; the callbacks run on the shards' own threads
 * Limits:  NX_SHARD_COUNT_MAX shards
 * Idiom:   on_start builds what the shard owns, on_stop begins to drain and ends with nx_loop_stop(), on_end frees.
 */
#ifndef NX_IO_SHARD_H
#define NX_IO_SHARD_H

#include "engine/base/err.h"
#include "engine/io/loop.h"

struct nx_shard_set;

/** What the shards are and do. */
struct nx_shard_config {
    uint32_t count;             /**< shards; 0: one per processor of the affinity mask */
    bool is_pinned;             /**< shard i runs on the i-th processor of the mask only */
    const char *name;           /**< thread name, at most 12 bytes; the index is put behind it */
    struct nx_loop_config loop; /**< of each; `cpu` is set from is_pinned */
    void *context;              /**< given to on_start */
    /** Builds shard `index`; *state goes to the other callbacks. An error ends all shards. */
    enum nx_err (*on_start)(void *context, uint32_t index, struct nx_loop *loop, void **state);
    /** Asked to stop; calls nx_loop_stop() now or later. NULL: the loop is stopped at once. */
    void (*on_stop)(void *state);
    /** All loops have stopped, nobody posts any more; frees what on_start made. May be NULL. */
    void (*on_end)(void *state);
};

/**
 * Starts the shards and waits until each has started. `why` explains a loop that could not be opened.
 * Returns NX_OK; NX_E_NO_MEMORY; what nx_loop_open() or on_start returned: then all shards have ended.
 */
NX_MUST_USE enum nx_err nx_shard_open(struct nx_shard_set **out, const struct nx_shard_config *config,
                                      char why[NX_LOOP_WHY_SIZE]);

/** Returns the number of shards. */
uint32_t nx_shard_count(const struct nx_shard_set *set);

/** Asks every shard to stop; returns at once. */
void nx_shard_stop(struct nx_shard_set *set);

/** Waits until every shard has stopped, lets them free what they own, and frees the set. After nx_shard_stop(). */
void nx_shard_close(struct nx_shard_set *set);

#endif
