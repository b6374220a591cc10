#include "control/core/table.h"

#include "engine/base/limits.h"

#include "engine/base/assert.h"

void ctl_table_fini(struct ctl_table *table, const struct ctl_memory *memory)
{
    ctl_memory_give(memory, table->entries, table->room * sizeof(*table->entries));
    ctl_memory_give(memory, table->map_memory, table->room == 0 ? 0 : nx_map_size_needed(table->room));
    *table = (struct ctl_table){.entries = NULL};
}

static enum nx_err grow(struct ctl_table *table, const struct ctl_memory *memory, uint64_t seed)
{
    const uint32_t room = table->room == 0 ? 4 : table->room * 2;
    if (room > NX_MAP_CAPACITY_MAX) {
        return NX_E_NO_MEMORY;
    }
    struct ctl_table_entry *entries = memory->take(memory->context, room * sizeof(*entries));
    void *map_memory = memory->take(memory->context, nx_map_size_needed(room));
    if (entries == NULL || map_memory == NULL) {
        ctl_memory_give(memory, entries, room * sizeof(*entries));
        ctl_memory_give(memory, map_memory, nx_map_size_needed(room));
        return NX_E_NO_MEMORY;
    }
    struct nx_map map;
    nx_map_init(&map, map_memory, room, seed);
    for (uint32_t i = 0; i < table->count; i++) {
        entries[i] = table->entries[i];
        const enum nx_err err = nx_map_put(&map, entries[i].id, i);
        NX_ASSERT(err == NX_OK);
    }
    const uint32_t count = table->count;
    ctl_table_fini(table, memory);
    *table = (struct ctl_table){
        .entries = entries, .map = map, .map_memory = map_memory, .count = count, .room = room};
    return NX_OK;
}

enum nx_err ctl_table_put(struct ctl_table *table, const struct ctl_memory *memory, uint64_t seed,
                          uint64_t id, void *item)
{
    uint32_t index;
    if (table->room != 0 && nx_map_get(&table->map, id, &index)) {
        table->entries[index].item = item;
        return NX_OK;
    }
    if (table->count == table->room) {
        const enum nx_err err = grow(table, memory, seed);
        if (err != NX_OK) {
            return err;
        }
    }
    const enum nx_err err = nx_map_put(&table->map, id, table->count);
    NX_ASSERT(err == NX_OK);
    table->entries[table->count++] = (struct ctl_table_entry){.id = id, .item = item};
    return NX_OK;
}

void *ctl_table_get(const struct ctl_table *table, uint64_t id)
{
    uint32_t index;
    return table->room != 0 && nx_map_get(&table->map, id, &index) ? table->entries[index].item : NULL;
}

void *ctl_table_remove(struct ctl_table *table, uint64_t id)
{
    uint32_t index;
    if (table->room == 0 || !nx_map_get(&table->map, id, &index)) {
        return NULL;
    }
    void *item = table->entries[index].item;
    nx_map_remove(&table->map, id);
    const uint32_t last = --table->count;
    if (index != last) {
        table->entries[index] = table->entries[last];
        const enum nx_err err = nx_map_put(&table->map, table->entries[index].id, index);
        NX_ASSERT(err == NX_OK);
    }
    return item;
}
