/* roleset.h - the distinct combinations of roles in a guild, numbered, so that a thousand members share one
 * answer.
 *
 * Layer:   engine/perm (no I/O, no clock, no allocation)
 * Threads: a table belongs to one thread
 * Limits:  PERM_ROLESETS_PER_GUILD_MAX ids, PERM_ROLES_PER_MEMBER_MAX roles in one
 * Idiom:   a member holds one id: perm_roleset_intern when roles change, perm_roleset_drop of the former one.
 * A member who is named by an overwrite of any channel, the owner and people in timeout get ids of their own
 * kind through the key. Per channel and question one bitmap: perm_roleset_map when roles, overwrites or sets
 * change.
 */
#ifndef PERM_ROLESET_H
#define PERM_ROLESET_H

#include "engine/perm/bitmap.h"
#include "engine/perm/perm.h"

/** No role set. */
#define PERM_ROLESET_NONE UINT32_MAX

/** What makes members equal for every permission of the guild; borrowed. */
struct perm_roleset_key {
    const uint64_t *role_ids; /**< ascending, each once, without @everyone */
    size_t role_ids_count;    /**< at most PERM_ROLES_PER_MEMBER_MAX */
    uint64_t user_id;         /**< the member if some channel's overwrite names them, else 0 */
    bool is_owner;
    bool is_timed_out;
};

/** One combination. */
struct perm_roleset_entry {
    uint64_t role_ids[PERM_ROLES_PER_MEMBER_MAX];
    uint64_t user_id;
    uint32_t holders; /**< members that hold the id; 0 = free */
    uint16_t role_ids_count;
    bool is_owner;
    bool is_timed_out;
};

/** The combinations of one guild. */
struct perm_roleset_table {
    /* given */
    struct perm_roleset_entry *entries; /**< index = id */
    uint16_t *buckets;                  /**< hash table of id + 1; 0 = empty */
    /* state */
    uint32_t capacity;      /**< entries */
    uint32_t buckets_count; /**< a power of two, at least twice the capacity */
    uint32_t count;         /**< entries in use */
    uint32_t high;          /**< ids from here on have never been used */
    uint64_t seed;          /**< of the hash */
};

/** Returns the bytes perm_roleset_init() needs for `capacity` ids (1 to PERM_ROLESETS_PER_GUILD_MAX). */
size_t perm_roleset_memory_size(uint32_t capacity);

/** Makes an empty table in `memory`, which has perm_roleset_memory_size(capacity) bytes, is aligned to 8 and
 * stays the caller's; `seed` makes the hash unpredictable to those who choose role combinations. */
void perm_roleset_init(struct perm_roleset_table *table, void *memory, uint32_t capacity, uint64_t seed);

/** Moves the table to larger `memory` for `capacity` ids (at least the present capacity); all ids stay valid.
 * The former memory goes back to the caller. */
void perm_roleset_grow(struct perm_roleset_table *table, void *memory, uint32_t capacity);

/** Finds or makes the id of `key`, counts one more holder and writes it to `id`; the smallest free id is not
 * promised. Returns NX_E_MALFORMED when the roles are not strictly ascending or too many, NX_E_FULL when the
 * table is full: grow it and ask again, or at PERM_ROLESETS_PER_GUILD_MAX refuse the change of roles. */
NX_MUST_USE enum nx_err perm_roleset_intern(struct perm_roleset_table *table,
                                            const struct perm_roleset_key *key, uint32_t *id);

/** Returns the id of `key` without counting a holder, or PERM_ROLESET_NONE. */
uint32_t perm_roleset_find(const struct perm_roleset_table *table, const struct perm_roleset_key *key);

/** Counts one more holder of `id`, which must be in use. */
void perm_roleset_hold(struct perm_roleset_table *table, uint32_t id);

/** Counts one holder of `id` less and returns whether that was the last: the id is then free, may be given to
 * another combination, and the caller clears it in its bitmaps. */
bool perm_roleset_drop(struct perm_roleset_table *table, uint32_t id);

/** Returns the combination `id`, or NULL when it is not in use; borrowed until the table changes. */
const struct perm_roleset_entry *perm_roleset_get(const struct perm_roleset_table *table, uint32_t id);

/** Returns the permissions that members with `id` (in use) have in `channel`, or in the guild itself when it
 * is NULL. */
uint64_t perm_roleset_permissions(const struct perm_roleset_table *table, uint32_t id,
                                  const struct perm_guild *guild, const struct perm_channel *channel);

/** Rewrites `out` to the ids in use whose members have all bits of `required` in `channel` (or, when NULL, in
 * the guild itself). `out` has words for the table's capacity. Cost: one resolution per id in use. */
void perm_roleset_map(const struct perm_roleset_table *table, const struct perm_guild *guild,
                      const struct perm_channel *channel, uint64_t required, struct perm_bitmap *out);

#endif
