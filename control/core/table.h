/* table.h - a growing table from a 64-bit id to a pointer, dense so that it can be walked.
 *
 * Layer:   control/core (pure)
 * Threads: the loop's
 * Limits:  48 to 100 bytes per entry while growing, 40 to 60 at rest
 * Idiom:   zeroed is empty and costs nothing; order changes when something is removed
 */
#ifndef CTL_CORE_TABLE_H
#define CTL_CORE_TABLE_H

#include "control/core/memory.h"
#include "engine/base/map.h"

/** One entry. */
struct ctl_table_entry {
    uint64_t id;
    void *item;
};

/** The table; zeroed is empty. */
struct ctl_table {
    struct ctl_table_entry *entries; /**< owned: count of them, in no useful order */
    struct nx_map map;               /**< id to index */
    void *map_memory;                /**< owned */
    uint32_t count;
    uint32_t room;
};

/** Gives all memory back; the items are the caller's. */
void ctl_table_fini(struct ctl_table *table, const struct ctl_memory *memory);

/** Sets the item of `id`, new or not; `seed` keys the hash. Returns NX_OK; NX_E_NO_MEMORY (nothing changed). */
NX_MUST_USE enum nx_err ctl_table_put(struct ctl_table *table, const struct ctl_memory *memory, uint64_t seed,
                                      uint64_t id, void *item);

/** Returns the item of `id`, or NULL. */
void *ctl_table_get(const struct ctl_table *table, uint64_t id);

/** Removes `id` and returns its item, or NULL. */
void *ctl_table_remove(struct ctl_table *table, uint64_t id);

#endif
