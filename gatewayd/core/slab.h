/* slab.h - blocks of one size, grown in slabs and handed out by pointer.
 *
 * Layer:   gatewayd/core (pure)
 * Threads: own shard
 * Limits:  blocks of at least 16 bytes; slabs are kept until fini
 * Idiom:   for what is owned by exactly one session and needs no handle: rings, pong payloads.
 */
#ifndef GW_CORE_SLAB_H
#define GW_CORE_SLAB_H

#include "gatewayd/core/memory.h"

#include <stdint.h>

/** Blocks of one size. */
struct gw_slab {
    struct gw_memory memory; /**< given */
    void *free_first;        /**< a free block begins with the pointer to the next one */
    void *slabs;             /**< a slab begins with the pointer to the next one */
    uint32_t block_size;     /**< bytes, a multiple of 16 */
    uint32_t slab_blocks;    /**< blocks of one slab */
    uint32_t used_count;     /**< blocks handed out */
    uint32_t total_count;    /**< blocks there are */
};

/** Prepares an empty set of blocks of `block_size` bytes (a multiple of 16), `slab_blocks` added at a time. */
void gw_slab_init(struct gw_slab *slab, const struct gw_memory *memory, uint32_t block_size,
                  uint32_t slab_blocks);

/** Gives every slab back. */
void gw_slab_fini(struct gw_slab *slab);

/** Takes a block, its bytes undefined; NULL when there is no memory. Cost: constant but for a new slab. */
void *gw_slab_take(struct gw_slab *slab);

/** Gives a block back; NULL is ignored. */
void gw_slab_give(struct gw_slab *slab, void *block);

/** Returns the bytes of all slabs. */
uint64_t gw_slab_bytes(const struct gw_slab *slab);

#endif
