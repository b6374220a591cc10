/* bitmap.h - a set of role-set ids: who of a guild may see a channel, send to it, speak in it.
 *
 * Layer:   engine/perm (no I/O, no clock, no allocation)
 * Threads: the owner's; reading is safe from many while nobody writes
 * Limits:  PERM_ROLESETS_PER_GUILD_MAX ids are 64 words (512 bytes)
 * Idiom:   one bit test per member instead of a permission computation per member and message.
 */
#ifndef PERM_BITMAP_H
#define PERM_BITMAP_H

#include "engine/base/assert.h"
#include "engine/perm/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Words needed for the ids 0 to `ids_count` - 1. */
#define PERM_BITMAP_WORDS(ids_count) (((ids_count) + 63U) / 64U)

/** A set over words that somebody else owns; ids from words_count * 64 on are not in it. */
struct perm_bitmap {
    uint64_t *words;
    uint32_t words_count;
};

/** Makes an empty set over the `words_count` words at `words`. */
static inline struct perm_bitmap perm_bitmap_init(uint64_t *words, uint32_t words_count)
{
    memset(words, 0, words_count * sizeof(*words));
    return (struct perm_bitmap){.words = words, .words_count = words_count};
}

/** Returns whether `id` is in the set. */
static inline bool perm_bitmap_get(const struct perm_bitmap *set, uint32_t id)
{
    return id / 64 < set->words_count && (set->words[id / 64] >> (id % 64) & 1) != 0;
}

/** Adds `id`, which must be below words_count * 64. */
static inline void perm_bitmap_set(struct perm_bitmap *set, uint32_t id)
{
    NX_ASSERT(id / 64 < set->words_count);
    set->words[id / 64] |= UINT64_C(1) << (id % 64);
}

/** Removes `id`; one that is not in the set is ignored. */
static inline void perm_bitmap_clear(struct perm_bitmap *set, uint32_t id)
{
    if (id / 64 < set->words_count) {
        set->words[id / 64] &= ~(UINT64_C(1) << (id % 64));
    }
}

#endif
