/* pool.h - equal-sized slots in the caller's memory; their handles go stale when a slot is given back.
 *
 * Layer:   engine/base (no I/O, no clock, no allocation)
 * Threads: own shard
 * Limits:  NX_POOL_SLABS_MAX slabs of a power of two of slots, at most NX_POOL_SLAB_SLOTS_MAX each; a slot
 *          is NX_POOL_ALIGNMENT-aligned; 8 bytes of bookkeeping per slot
 * Idiom:   init, grow by one slab (at start, or whenever take says NULL and the budget allows), take, keep
 *          the handle, look it up at every use, give. Slabs are never taken away. A generation wraps after
 *          2^32 uses of a slot. Under AddressSanitizer a free slot is poisoned.
 */
#ifndef NX_BASE_POOL_H
#define NX_BASE_POOL_H

#include "engine/base/err.h"
#include "engine/base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Names one use of one slot; {0, 0} names none. */
typedef struct {
    uint32_t index;
    uint32_t generation; /**< 0 in no handle that a pool gave out */
} nx_handle;

/** The handle that names nothing. */
#define NX_HANDLE_NONE ((nx_handle){0, 0})

/** Returns whether both handles name the same use of the same slot. */
static inline bool nx_handle_equal(nx_handle a, nx_handle b)
{
    return a.index == b.index && a.generation == b.generation;
}

/** Returns whether `handle` names nothing. */
static inline bool nx_handle_is_none(nx_handle handle)
{
    return handle.generation == 0;
}

/** Returns the handle as one integer (for user data of completions); 0 for NX_HANDLE_NONE. */
static inline uint64_t nx_handle_pack(nx_handle handle)
{
    return (uint64_t)handle.generation << 32 | handle.index;
}

/** Returns the handle that nx_handle_pack() made `packed` from. */
static inline nx_handle nx_handle_unpack(uint64_t packed)
{
    return (nx_handle){.index = (uint32_t)packed, .generation = (uint32_t)(packed >> 32)};
}

struct nx_pool_slot;

/** One pool. */
struct nx_pool {
    struct nx_pool_slot *slabs[NX_POOL_SLABS_MAX]; /**< given: bookkeeping first, then the slots */
    uint32_t slabs_count;
    uint32_t slabs_shift; /**< a slab has 1 << slabs_shift slots */
    uint32_t slot_size;   /**< bytes, rounded up to NX_POOL_ALIGNMENT */
    uint32_t free_first;  /**< index of the last slot given back, a mark above all when none is */
    uint32_t used_count;  /**< slots taken */
    uint32_t used_peak;   /**< most slots ever taken at once */
};

/** Returns the bytes of one slab of `slots` (a power of two) slots of `slot_size` bytes. */
size_t nx_pool_size_needed(size_t slot_size, uint32_t slots);

/**
 * Makes a pool without slots. `slot_size` is in bytes, 1..NX_POOL_SLOT_SIZE_MAX; `slab_slots` is the slots of
 * each slab, a power of two up to NX_POOL_SLAB_SLOTS_MAX.
 */
void nx_pool_init(struct nx_pool *pool, size_t slot_size, uint32_t slab_slots);

/**
 * Adds one slab in `memory` (`size` bytes, at least nx_pool_size_needed(), NX_POOL_ALIGNMENT-aligned,
 * borrowed for the pool's life). Cost: every slot of the slab is written once to.
 *
 * Returns NX_E_FULL when the pool has NX_POOL_SLABS_MAX slabs; NX_E_NO_MEMORY when `size` is too small.
 */
NX_MUST_USE enum nx_err nx_pool_grow(struct nx_pool *pool, void *memory, size_t size);

/** Takes a free slot, its bytes undefined, and names it in `handle`; NULL, `handle` untouched, when none is
 * free. */
void *nx_pool_take(struct nx_pool *pool, nx_handle *handle);

/** Gives a taken slot back; every copy of `handle` is stale from now on. Giving a stale handle is our
 * mistake. */
void nx_pool_give(struct nx_pool *pool, nx_handle handle);

/** Returns the slot `handle` names, or NULL when it was given back or never taken. Any bits are safe to ask
 * for. */
void *nx_pool_lookup(const struct nx_pool *pool, nx_handle handle);

/** Steps through the taken slots: start with `*cursor` 0; NULL at the end. The slot returned may be given
 * back. */
void *nx_pool_next(const struct nx_pool *pool, uint32_t *cursor, nx_handle *handle);

/** Returns the number of slots taken. */
static inline uint32_t nx_pool_count(const struct nx_pool *pool)
{
    return pool->used_count;
}

/** Returns the number of slots of all slabs. */
static inline uint32_t nx_pool_capacity(const struct nx_pool *pool)
{
    return pool->slabs_count << pool->slabs_shift;
}

#endif
