/* memory.h - where the cores of gatewayd get the memory that they grow by.
 *
 * Layer:   gatewayd/core (an interface; the node gives a counted allocator, tests one that can fail)
 * Threads: own shard
 * Idiom:   growth is by slabs and doublings at joins and opens, never at a delivery.
 */
#ifndef GW_CORE_MEMORY_H
#define GW_CORE_MEMORY_H

#include <stddef.h>

/** The allocator of a core. */
struct gw_memory {
    void *(*take)(void *context, size_t size); /**< zeroed, 64-byte aligned; NULL when there is none */
    void (*give)(void *context, void *memory, size_t size); /**< `memory` may be NULL; `size` as taken */
    void *context;
};

/** Takes `size` zeroed bytes aligned to 64, or NULL. */
static inline void *gw_memory_take(const struct gw_memory *memory, size_t size)
{
    return memory->take(memory->context, size);
}

/** Gives back what gw_memory_take() gave; NULL is ignored. */
static inline void gw_memory_give(const struct gw_memory *memory, void *at, size_t size)
{
    if (at != NULL) {
        memory->give(memory->context, at, size);
    }
}

#endif
