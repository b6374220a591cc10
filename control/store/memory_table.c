#include "control/store/memory_table.h"

#include "engine/base/assert.h"

#include <stdlib.h>

size_t store_memory_table_from(const struct store_memory_table *table, uint64_t a, uint64_t b)
{
    size_t low = 0;
    size_t high = table->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct store_memory_entry *entry = &table->entries[middle];
        if (entry->a < a || (entry->a == a && entry->b < b)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_at(const struct store_memory_table *table, size_t index, uint64_t a, uint64_t b)
{
    return index < table->count && table->entries[index].a == a && table->entries[index].b == b;
}

void *store_memory_table_get(const struct store_memory_table *table, uint64_t a, uint64_t b)
{
    const size_t index = store_memory_table_from(table, a, b);
    return is_at(table, index, a, b) ? table->entries[index].row : NULL;
}

void *store_memory_table_add(struct store_memory_table *table, uint64_t a, uint64_t b, size_t size)
{
    if (table->count == table->capacity) {
        table->capacity = table->capacity == 0 ? 16 : table->capacity * 2;
        table->entries = realloc(table->entries, table->capacity * sizeof *table->entries);
        NX_ASSERT(table->entries != NULL);
    }
    const size_t index = store_memory_table_from(table, a, b);
    NX_ASSERT(!is_at(table, index, a, b));
    memmove(&table->entries[index + 1], &table->entries[index],
            (table->count - index) * sizeof *table->entries);
    void *row = calloc(1, size);
    NX_ASSERT(row != NULL);
    table->entries[index] = (struct store_memory_entry){.a = a, .b = b, .row = row};
    table->count++;
    return row;
}

static void row_free(const struct store_memory_table *table, void *row)
{
    if (table->fini != NULL) {
        table->fini(row);
    }
    free(row);
}

void store_memory_table_remove(struct store_memory_table *table, size_t index)
{
    row_free(table, table->entries[index].row);
    table->count--;
    memmove(&table->entries[index], &table->entries[index + 1],
            (table->count - index) * sizeof *table->entries);
}

bool store_memory_table_drop(struct store_memory_table *table, uint64_t a, uint64_t b)
{
    const size_t index = store_memory_table_from(table, a, b);
    const bool is_there = is_at(table, index, a, b);
    if (is_there) {
        store_memory_table_remove(table, index);
    }
    return is_there;
}

void store_memory_table_drop_all(struct store_memory_table *table, uint64_t a)
{
    const size_t first = store_memory_table_from(table, a, 0);
    size_t end = first;
    while (end < table->count && table->entries[end].a == a) {
        row_free(table, table->entries[end++].row);
    }
    if (end > first) {
        memmove(&table->entries[first], &table->entries[end], (table->count - end) * sizeof *table->entries);
        table->count -= end - first;
    }
}

void store_memory_table_fini(struct store_memory_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        row_free(table, table->entries[i].row);
    }
    free(table->entries);
    *table = (struct store_memory_table){.fini = table->fini};
}

struct nx_bytes store_memory_table_text(struct nx_bytes bytes)
{
    if (bytes.size == 0) {
        return (struct nx_bytes){0};
    }
    void *copy = malloc(bytes.size);
    NX_ASSERT(copy != NULL);
    memcpy(copy, bytes.at, bytes.size);
    return nx_bytes_of(copy, bytes.size);
}

void store_memory_table_replace(struct nx_bytes *old, struct nx_bytes bytes)
{
    const struct nx_bytes copy = store_memory_table_text(bytes);
    free((void *)(uintptr_t)old->at); /* Owned here although it is read-only to everybody else. */
    *old = copy;
}
