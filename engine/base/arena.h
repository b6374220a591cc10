/* arena.h - memory for one request: taken piece by piece from a buffer, given back all at once.
 *
 * Layer:   engine/base (no I/O, no clock, no allocation)
 * Threads: own shard
 * Limits:  the caller's buffer
 * Idiom:   nx_arena_save() before, nx_arena_restore() after; nothing taken in between may be used later.
 */
#ifndef NX_BASE_ARENA_H
#define NX_BASE_ARENA_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"

/** One buffer and how much of it is taken. */
struct nx_arena {
    uint8_t *memory; /**< given */
    size_t size;     /**< bytes of the buffer */
    size_t used;     /**< bytes taken, padding included */
    size_t peak;     /**< most bytes ever taken, for sizing */
};

/** Starts with an empty arena over `size` bytes at `memory`, borrowed for its life. */
void nx_arena_init(struct nx_arena *arena, void *memory, size_t size);

/** Takes `size` bytes aligned to `align` (a power of two), undefined; NULL when they do not fit. */
void *nx_arena_take(struct nx_arena *arena, size_t size, size_t align);

/** Copies `bytes` into the arena and borrows the copy in `out`. Returns NX_E_NO_MEMORY when it does not fit.
 */
NX_MUST_USE enum nx_err nx_arena_copy(struct nx_arena *arena, struct nx_bytes bytes, struct nx_bytes *out);

/** Returns the mark of what is taken now. */
size_t nx_arena_save(const struct nx_arena *arena);

/** Gives back everything taken since nx_arena_save() returned `mark`. */
void nx_arena_restore(struct nx_arena *arena, size_t mark);

#endif
