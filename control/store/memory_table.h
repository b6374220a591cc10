/* memory_table.h - rows of the memory store, ordered by a key of two numbers.
 *
 * Layer:   control/store
 * Threads: the loop's
 * Limits:  memory; a row's address never changes until it is removed
 * Idiom:   one table per noun; the key of a member is (guild, user), of a user (0, id). Order makes every list and
 *          every run the same.
 */
#ifndef STORE_MEMORY_TABLE_H
#define STORE_MEMORY_TABLE_H

#include "engine/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** One place of a table. */
struct store_memory_entry {
    uint64_t a;
    uint64_t b;
    void *row; /**< owned; malloc */
};

/** A table; zeroed is empty and its rows own nothing. */
struct store_memory_table {
    struct store_memory_entry *entries;
    size_t count;
    size_t capacity;
    void (*fini)(void *row); /**< given: frees what a row owns; NULL when it owns nothing */
};

/** Returns the row of (a, b), or NULL. */
void *store_memory_table_get(const struct store_memory_table *table, uint64_t a, uint64_t b);

/** Returns the index of the first row whose key is not below (a, b). */
size_t store_memory_table_from(const struct store_memory_table *table, uint64_t a, uint64_t b);

/** Adds a zeroed row of `size` bytes under (a, b), which must be free. Aborts without memory. */
void *store_memory_table_add(struct store_memory_table *table, uint64_t a, uint64_t b, size_t size);

/** Removes the row at `index` and frees it. */
void store_memory_table_remove(struct store_memory_table *table, size_t index);

/** Removes the row of (a, b) if it is there; returns whether it was. */
bool store_memory_table_drop(struct store_memory_table *table, uint64_t a, uint64_t b);

/** Removes all rows whose first key is `a`. */
void store_memory_table_drop_all(struct store_memory_table *table, uint64_t a);

/** Frees the table. */
void store_memory_table_fini(struct store_memory_table *table);

/** Returns a copy of `bytes` that the caller frees through the pointer; aborts without memory. */
struct nx_bytes store_memory_table_text(struct nx_bytes bytes);

/** Frees the text at `old` and replaces it by a copy of `bytes`. */
void store_memory_table_replace(struct nx_bytes *old, struct nx_bytes bytes);

#endif
