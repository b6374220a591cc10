/* index.h - a table from a 64-bit id to a slot that doubles when it is full.
 *
 * Layer:   gatewayd/core (pure; nx_map over memory that grows)
 * Threads: own shard
 * Limits:  `capacity_max` keys; growing copies every key once
 */
#ifndef GW_CORE_INDEX_H
#define GW_CORE_INDEX_H

#include "engine/base/map.h"
#include "gatewayd/core/memory.h"

/** One table. */
struct gw_index {
    struct gw_memory memory; /**< given */
    struct nx_map map;       /**< capacity 0 until the first put */
    void *block;             /**< owned: the map's memory */
    size_t block_size;       /**< bytes */
    uint64_t seed;           /**< given */
    uint32_t capacity_max;   /**< given */
};

/** Prepares an empty table that owns no memory yet. */
void gw_index_init(struct gw_index *index, const struct gw_memory *memory, uint64_t seed,
                   uint32_t capacity_max);

/** Gives the memory back. */
void gw_index_fini(struct gw_index *index);

/** Sets the slot of `key`. Returns NX_OK; NX_E_FULL at capacity_max; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err gw_index_put(struct gw_index *index, uint64_t key, uint32_t slot);

/** Looks `key` up; false, leaving `slot` alone, when it is not there. */
bool gw_index_get(const struct gw_index *index, uint64_t key, uint32_t *slot);

/** Removes `key`, if it is there. */
void gw_index_remove(struct gw_index *index, uint64_t key);

/** Forgets every key and keeps the memory. */
void gw_index_clear(struct gw_index *index);

#endif
