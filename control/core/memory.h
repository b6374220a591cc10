/* memory.h - where the rules get their memory from: an interface, so that they stay free of any allocator.
 *
 * Layer:   control/core (pure)
 * Threads: the loop's
 * Idiom:   take and give; the size is given back too, so that the owner can count without headers
 */
#ifndef CTL_CORE_MEMORY_H
#define CTL_CORE_MEMORY_H

#include "engine/base/bytes.h"

#include <stdbool.h>

/** Memory of somebody else. */
struct ctl_memory {
    void *(*take)(void *context, size_t size); /**< 16-byte aligned, undefined; NULL when there is none */
    void (*give)(void *context, void *memory, size_t size);
    void *context;
};

/** Takes `size` bytes, zeroed; NULL when there are none. */
static inline void *ctl_memory_take(const struct ctl_memory *memory, size_t size)
{
    void *at = memory->take(memory->context, size);
    return at == NULL ? NULL : memset(at, 0, size);
}

/** Gives back `size` bytes taken at `at`; NULL is ignored. */
static inline void ctl_memory_give(const struct ctl_memory *memory, void *at, size_t size)
{
    if (at != NULL) {
        memory->give(memory->context, at, size);
    }
}

/** Gives back an owned text and leaves it empty. */
void ctl_memory_text_drop(const struct ctl_memory *memory, struct nx_bytes *owned);

/** Replaces the owned text `owned` by a copy of `text`; false, nothing changed, when there is no memory. */
bool ctl_memory_text_set(const struct ctl_memory *memory, struct nx_bytes *owned, struct nx_bytes text);

/**
 * Makes room for one more item of `item_size` bytes in the array `*items`, which holds `count` of `*room`; grows by
 * doubling from 4. Returns false, nothing changed, when there is no memory.
 */
bool ctl_memory_grow(const struct ctl_memory *memory, void **items, size_t item_size, uint32_t count,
                     uint32_t *room);

#endif
