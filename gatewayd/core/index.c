#include "gatewayd/core/index.h"

#include "engine/base/assert.h"

enum { INDEX_CAPACITY_FIRST = 256 };

void gw_index_init(struct gw_index *index, const struct gw_memory *memory, uint64_t seed,
                   uint32_t capacity_max)
{
    *index = (struct gw_index){.memory = *memory, .seed = seed, .capacity_max = capacity_max};
}

void gw_index_fini(struct gw_index *index)
{
    gw_memory_give(&index->memory, index->block, index->block_size);
    index->block = NULL;
    index->map = (struct nx_map){0};
}

static enum nx_err grow(struct gw_index *index)
{
    const uint32_t now = index->map.capacity;
    if (now >= index->capacity_max) {
        return NX_E_FULL;
    }
    uint32_t capacity = now == 0 ? INDEX_CAPACITY_FIRST : now * 2;
    capacity = capacity > index->capacity_max ? index->capacity_max : capacity;
    const size_t size = nx_map_size_needed(capacity);
    void *block = gw_memory_take(&index->memory, size);
    if (block == NULL) {
        return NX_E_NO_MEMORY;
    }
    struct nx_map map;
    nx_map_init(&map, block, capacity, index->seed);
    if (index->block != NULL) {
        uint32_t cursor = 0;
        uint64_t key;
        uint32_t slot;
        while (nx_map_next(&index->map, &cursor, &key, &slot)) {
            const enum nx_err err = nx_map_put(&map, key, slot);
            NX_ASSERT(err == NX_OK);
        }
        gw_memory_give(&index->memory, index->block, index->block_size);
    }
    index->map = map;
    index->block = block;
    index->block_size = size;
    return NX_OK;
}

enum nx_err gw_index_put(struct gw_index *index, uint64_t key, uint32_t slot)
{
    if (index->block != NULL) {
        const enum nx_err err = nx_map_put(&index->map, key, slot);
        if (err != NX_E_FULL) {
            return err;
        }
    }
    const enum nx_err err = grow(index);
    return err != NX_OK ? err : nx_map_put(&index->map, key, slot);
}

bool gw_index_get(const struct gw_index *index, uint64_t key, uint32_t *slot)
{
    return index->block != NULL && nx_map_get(&index->map, key, slot);
}

void gw_index_remove(struct gw_index *index, uint64_t key)
{
    if (index->block != NULL) {
        (void)nx_map_remove(&index->map, key);
    }
}

void gw_index_clear(struct gw_index *index)
{
    if (index->block != NULL) {
        nx_map_clear(&index->map);
    }
}
