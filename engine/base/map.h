/* map.h - a fixed-capacity table from a 64-bit key to a 32-bit value (id to slot) in the caller's memory.
 *
 * Layer:   engine/base (no I/O, no clock, no allocation)
 * Threads: own shard
 * Limits:  capacity 1..NX_MAP_CAPACITY_MAX; at most 3/4 full, so a lookup touches about two neighbouring
 *          slots
 * Idiom:   linear probing under a keyed hash; removal shifts the rest of the run back, so there are no
 *          tombstones and no slow decay. All keys are allowed, 0 included.
 */
#ifndef NX_BASE_MAP_H
#define NX_BASE_MAP_H

#include "engine/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nx_map_slot;

/** One table. */
struct nx_map {
    struct nx_map_slot *slots; /**< given: mask + 1 slots, a power of two */
    uint64_t seed;             /**< given: key of the hash */
    uint32_t mask;
    uint32_t capacity; /**< given: keys it can hold */
    uint32_t count;    /**< keys it holds */
};

/** Returns the bytes a table for `capacity` keys needs; 22 to 43 per key. */
size_t nx_map_size_needed(uint32_t capacity);

/**
 * Makes an empty table for `capacity` keys in `memory` (nx_map_size_needed(capacity) bytes, 8-byte aligned,
 * borrowed as long as the table lives). `seed` should be secret when the keys come from outside.
 */
void nx_map_init(struct nx_map *map, void *memory, uint32_t capacity, uint64_t seed);

/** Sets the value of `key`, new or not. Returns NX_E_FULL when the key is new and `capacity` keys are there.
 */
NX_MUST_USE enum nx_err nx_map_put(struct nx_map *map, uint64_t key, uint32_t value);

/** Looks `key` up; returns false, leaving `value` alone, when it is not there. `value` may be NULL. */
bool nx_map_get(const struct nx_map *map, uint64_t key, uint32_t *value);

/** Removes `key`; returns false when it was not there. */
bool nx_map_remove(struct nx_map *map, uint64_t key);

/** Forgets every key. Cost: the whole table. */
void nx_map_clear(struct nx_map *map);

/** Returns the number of keys held. */
static inline uint32_t nx_map_count(const struct nx_map *map)
{
    return map->count;
}

/**
 * Steps through all keys in no useful order: start with `*cursor` 0, go on until false.
 * Putting or removing in between may skip keys or show them twice.
 */
bool nx_map_next(const struct nx_map *map, uint32_t *cursor, uint64_t *key, uint32_t *value);

#endif
