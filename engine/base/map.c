#include "engine/base/map.h"

#include "engine/base/assert.h"
#include "engine/base/hash.h"
#include "engine/base/limits.h"

#include <string.h>

struct nx_map_slot {
    uint64_t key;
    uint32_t value;
    uint32_t
        tag; /* Low bits of the hash, which tell where the key would like to be; 0 marks an empty slot. */
};

static uint32_t slots_needed(uint32_t capacity)
{
    NX_ASSERT(capacity > 0 && capacity <= NX_MAP_CAPACITY_MAX);
    /* At most 3/4 full, and at least one slot empty so that every probe ends. */
    const uint32_t least = capacity + capacity / 3 + 1;
    uint32_t slots = 2;
    while (slots < least) {
        slots *= 2;
    }
    return slots;
}

static uint32_t tag_of(const struct nx_map *map, uint64_t key)
{
    const uint32_t tag = (uint32_t)nx_hash_u64(map->seed, key);
    return tag != 0 ? tag : 1;
}

/* Returns the slot of `key`, or the empty slot where it belongs. */
static struct nx_map_slot *find(const struct nx_map *map, uint64_t key, uint32_t tag)
{
    for (uint32_t i = tag & map->mask;; i = (i + 1) & map->mask) {
        struct nx_map_slot *slot = &map->slots[i];
        if (slot->tag == 0 || (slot->tag == tag && slot->key == key)) {
            return slot;
        }
    }
}

size_t nx_map_size_needed(uint32_t capacity)
{
    return (size_t)slots_needed(capacity) * sizeof(struct nx_map_slot);
}

void nx_map_init(struct nx_map *map, void *memory, uint32_t capacity, uint64_t seed)
{
    NX_ASSERT(memory != NULL && (uintptr_t)memory % _Alignof(struct nx_map_slot) == 0);
    *map = (struct nx_map){
        .slots = memory, .seed = seed, .mask = slots_needed(capacity) - 1, .capacity = capacity};
    nx_map_clear(map);
}

enum nx_err nx_map_put(struct nx_map *map, uint64_t key, uint32_t value)
{
    const uint32_t tag = tag_of(map, key);
    struct nx_map_slot *slot = find(map, key, tag);
    if (slot->tag == 0) {
        if (map->count == map->capacity) {
            return NX_E_FULL;
        }
        map->count++;
        slot->tag = tag;
        slot->key = key;
    }
    slot->value = value;
    return NX_OK;
}

bool nx_map_get(const struct nx_map *map, uint64_t key, uint32_t *value)
{
    const struct nx_map_slot *slot = find(map, key, tag_of(map, key));
    if (slot->tag == 0) {
        return false;
    }
    if (value != NULL) {
        *value = slot->value;
    }
    return true;
}

bool nx_map_remove(struct nx_map *map, uint64_t key)
{
    struct nx_map_slot *hole = find(map, key, tag_of(map, key));
    if (hole->tag == 0) {
        return false;
    }
    uint32_t empty = (uint32_t)(hole - map->slots);
    for (uint32_t i = (empty + 1) & map->mask; map->slots[i].tag != 0; i = (i + 1) & map->mask) {
        /* The key at i may fill the hole unless its home lies (cyclically) behind the hole: then a probe for
         * it would start past the hole and never look there. */
        const uint32_t from_home = (i - map->slots[i].tag) & map->mask;
        const uint32_t from_hole = (i - empty) & map->mask;
        if (from_home >= from_hole) {
            map->slots[empty] = map->slots[i];
            empty = i;
        }
    }
    map->slots[empty].tag = 0;
    map->count--;
    return true;
}

void nx_map_clear(struct nx_map *map)
{
    memset(map->slots, 0, ((size_t)map->mask + 1) * sizeof(struct nx_map_slot));
    map->count = 0;
}

bool nx_map_next(const struct nx_map *map, uint32_t *cursor, uint64_t *key, uint32_t *value)
{
    while (*cursor <= map->mask) {
        const struct nx_map_slot *slot = &map->slots[(*cursor)++];
        if (slot->tag != 0) {
            *key = slot->key;
            *value = slot->value;
            return true;
        }
    }
    return false;
}
