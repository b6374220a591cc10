/* heap.h - a counted allocator for the cores and connections of one shard.
 *
 * Layer:   gatewayd/node
 * Threads: own shard; the counters may be read by others at a scrape
 * Limits:  none of its own: the caps are those of what grows
 */
#ifndef GW_NODE_HEAP_H
#define GW_NODE_HEAP_H

#include "gatewayd/core/memory.h"

#include <stdint.h>

/** Counters of a shard's memory. */
struct gw_heap {
    uint64_t bytes; /**< taken now */
    uint64_t takes; /**< ever */
    uint64_t gives; /**< ever */
};

/** Returns the interface by which cores take from `heap`, which must outlive them. */
struct gw_memory gw_heap_memory(struct gw_heap *heap);

/** Takes `size` zeroed bytes aligned to 64, or NULL. */
void *gw_heap_take(struct gw_heap *heap, size_t size);

/** Gives back what was taken with this `size`; NULL is ignored. */
void gw_heap_give(struct gw_heap *heap, void *memory, size_t size);

#endif
