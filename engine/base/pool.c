#include "engine/base/pool.h"

#include "engine/base/assert.h"

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define POISON(at, size)   __asan_poison_memory_region((at), (size))
#define UNPOISON(at, size) __asan_unpoison_memory_region((at), (size))
#else
#define POISON(at, size)   ((void)(at), (void)(size))
#define UNPOISON(at, size) ((void)(at), (void)(size))
#endif

/* Bookkeeping lies before the slots, not in them, so that free slots can be poisoned and a stale write into
 * one cannot break the free list. */
struct nx_pool_slot {
    uint32_t generation; /* Of the current or, when free, the next use; never 0. */
    uint32_t next;       /* Index of the next free slot, NONE at the end, TAKEN while in use. */
};

static const uint32_t NONE = UINT32_MAX - 1;
static const uint32_t TAKEN = UINT32_MAX;

static size_t round_up(size_t size)
{
    return (size + NX_POOL_ALIGNMENT - 1) / NX_POOL_ALIGNMENT * NX_POOL_ALIGNMENT;
}

static struct nx_pool_slot *slot_of(const struct nx_pool *pool, uint32_t index)
{
    return &pool->slabs[index >> pool->slabs_shift][index & ((1U << pool->slabs_shift) - 1)];
}

static void *memory_of(const struct nx_pool *pool, uint32_t index)
{
    uint8_t *slab = (uint8_t *)pool->slabs[index >> pool->slabs_shift];
    const size_t head = round_up(sizeof(struct nx_pool_slot) << pool->slabs_shift);
    return slab + head + (size_t)(index & ((1U << pool->slabs_shift) - 1)) * pool->slot_size;
}

size_t nx_pool_size_needed(size_t slot_size, uint32_t slots)
{
    return round_up(sizeof(struct nx_pool_slot) * slots) + round_up(slot_size) * slots;
}

void nx_pool_init(struct nx_pool *pool, size_t slot_size, uint32_t slab_slots)
{
    NX_ASSERT(slot_size > 0 && slot_size <= NX_POOL_SLOT_SIZE_MAX);
    NX_ASSERT(slab_slots > 0 && slab_slots <= NX_POOL_SLAB_SLOTS_MAX && (slab_slots & (slab_slots - 1)) == 0);
    *pool = (struct nx_pool){.slabs_shift = (uint32_t)__builtin_ctz(slab_slots),
                             .slot_size = (uint32_t)round_up(slot_size),
                             .free_first = NONE};
}

enum nx_err nx_pool_grow(struct nx_pool *pool, void *memory, size_t size)
{
    const uint32_t slots = 1U << pool->slabs_shift;
    NX_ASSERT(memory != NULL && (uintptr_t)memory % NX_POOL_ALIGNMENT == 0);
    if (pool->slabs_count == NX_POOL_SLABS_MAX) {
        return NX_E_FULL;
    }
    if (size < nx_pool_size_needed(pool->slot_size, slots)) {
        return NX_E_NO_MEMORY;
    }
    const uint32_t first = pool->slabs_count << pool->slabs_shift;
    pool->slabs[pool->slabs_count++] = memory;
    for (uint32_t i = slots; i-- > 0;) { /* Backwards, so that low indexes are taken first. */
        *slot_of(pool, first + i) = (struct nx_pool_slot){.generation = 1, .next = pool->free_first};
        pool->free_first = first + i;
    }
    POISON(memory_of(pool, first), (size_t)slots * pool->slot_size);
    return NX_OK;
}

void *nx_pool_take(struct nx_pool *pool, nx_handle *handle)
{
    const uint32_t index = pool->free_first;
    if (index == NONE) {
        return NULL;
    }
    struct nx_pool_slot *slot = slot_of(pool, index);
    pool->free_first = slot->next;
    slot->next = TAKEN;
    pool->used_count++;
    if (pool->used_count > pool->used_peak) {
        pool->used_peak = pool->used_count;
    }
    void *memory = memory_of(pool, index);
    UNPOISON(memory, pool->slot_size);
    *handle = (nx_handle){.index = index, .generation = slot->generation};
    return memory;
}

void *nx_pool_lookup(const struct nx_pool *pool, nx_handle handle)
{
    if (handle.index >= nx_pool_capacity(pool)) {
        return NULL;
    }
    const struct nx_pool_slot *slot = slot_of(pool, handle.index);
    return slot->next == TAKEN && slot->generation == handle.generation ? memory_of(pool, handle.index)
                                                                        : NULL;
}

void nx_pool_give(struct nx_pool *pool, nx_handle handle)
{
    void *memory = nx_pool_lookup(pool, handle);
    NX_ASSERT(memory != NULL);
    struct nx_pool_slot *slot = slot_of(pool, handle.index);
    slot->generation = slot->generation == UINT32_MAX ? 1 : slot->generation + 1;
    slot->next = pool->free_first;
    pool->free_first = handle.index;
    pool->used_count--;
    POISON(memory, pool->slot_size);
}

void *nx_pool_next(const struct nx_pool *pool, uint32_t *cursor, nx_handle *handle)
{
    while (*cursor < nx_pool_capacity(pool)) {
        const uint32_t index = (*cursor)++;
        const struct nx_pool_slot *slot = slot_of(pool, index);
        if (slot->next == TAKEN) {
            *handle = (nx_handle){.index = index, .generation = slot->generation};
            return memory_of(pool, index);
        }
    }
    return NULL;
}
