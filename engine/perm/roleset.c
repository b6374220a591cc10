#include "engine/perm/roleset.h"

#include "engine/perm/resolve.h"

/* Open addressing with linear probing. Buckets hold id + 1 in 16 bits; at most half are used, so a probe
 * always ends. */

_Static_assert(PERM_ROLESETS_PER_GUILD_MAX < UINT16_MAX, "an id + 1 fits a bucket");

static uint32_t buckets_for(uint32_t capacity)
{
    uint32_t count = 2;
    while (count < capacity * 2) {
        count *= 2;
    }
    return count;
}

size_t perm_roleset_memory_size(uint32_t capacity)
{
    return capacity * sizeof(struct perm_roleset_entry) + buckets_for(capacity) * sizeof(uint16_t);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15); /* 2^64 over the golden ratio, odd */
    return hash ^ hash >> 29;
}

static uint32_t bucket_of(const struct perm_roleset_table *table, const struct perm_roleset_key *key)
{
    uint64_t hash = mix(table->seed, key->user_id);
    hash = mix(hash, (uint64_t)key->role_ids_count << 2 | (uint64_t)key->is_owner << 1 |
                         (uint64_t)key->is_timed_out);
    for (size_t i = 0; i < key->role_ids_count; i++) {
        hash = mix(hash, key->role_ids[i]);
    }
    return (uint32_t)(hash >> 32) & (table->buckets_count - 1);
}

static struct perm_roleset_key key_of(const struct perm_roleset_entry *entry)
{
    return (struct perm_roleset_key){
        .role_ids = entry->role_ids,
        .role_ids_count = entry->role_ids_count,
        .user_id = entry->user_id,
        .is_owner = entry->is_owner,
        .is_timed_out = entry->is_timed_out,
    };
}

static bool is_same(const struct perm_roleset_entry *entry, const struct perm_roleset_key *key)
{
    return entry->user_id == key->user_id && entry->role_ids_count == key->role_ids_count &&
           entry->is_owner == key->is_owner && entry->is_timed_out == key->is_timed_out &&
           (key->role_ids_count == 0 ||
            memcmp(entry->role_ids, key->role_ids, key->role_ids_count * sizeof(*key->role_ids)) == 0);
}

/* Returns the bucket where `key` is, or the empty one where it would go. */
static uint32_t probe(const struct perm_roleset_table *table, const struct perm_roleset_key *key)
{
    uint32_t at = bucket_of(table, key);
    while (table->buckets[at] != 0 && !is_same(&table->entries[table->buckets[at] - 1], key)) {
        at = (at + 1) & (table->buckets_count - 1);
    }
    return at;
}

static void lay_out(struct perm_roleset_table *table, void *memory, uint32_t capacity)
{
    NX_ASSERT(capacity >= 1 && capacity <= PERM_ROLESETS_PER_GUILD_MAX &&
              (uintptr_t)memory % sizeof(uint64_t) == 0);
    memset(memory, 0, perm_roleset_memory_size(capacity));
    table->entries = memory;
    table->buckets = (uint16_t *)(void *)(table->entries + capacity);
    table->capacity = capacity;
    table->buckets_count = buckets_for(capacity);
}

void perm_roleset_init(struct perm_roleset_table *table, void *memory, uint32_t capacity, uint64_t seed)
{
    *table = (struct perm_roleset_table){.seed = seed};
    lay_out(table, memory, capacity);
}

void perm_roleset_grow(struct perm_roleset_table *table, void *memory, uint32_t capacity)
{
    NX_ASSERT(capacity >= table->capacity);
    const struct perm_roleset_entry *former = table->entries;
    lay_out(table, memory, capacity);
    memcpy(table->entries, former, table->high * sizeof(*former));
    for (uint32_t id = 0; id < table->high; id++) {
        if (table->entries[id].holders != 0) {
            const struct perm_roleset_key key = key_of(&table->entries[id]);
            table->buckets[probe(table, &key)] = (uint16_t)(id + 1);
        }
    }
}

static bool is_valid(const struct perm_roleset_key *key)
{
    if (key->role_ids_count > PERM_ROLES_PER_MEMBER_MAX) {
        return false;
    }
    for (size_t i = 1; i < key->role_ids_count; i++) {
        if (key->role_ids[i - 1] >= key->role_ids[i]) {
            return false;
        }
    }
    return true;
}

static uint32_t free_id(struct perm_roleset_table *table)
{
    if (table->high < table->capacity) {
        return table->high++;
    }
    uint32_t id = 0; /* rare and bounded by 4096: role changes are seldom, holes are what drops left */
    while (table->entries[id].holders != 0) {
        id++;
    }
    return id;
}

enum nx_err perm_roleset_intern(struct perm_roleset_table *table, const struct perm_roleset_key *key,
                                uint32_t *id)
{
    if (!is_valid(key)) {
        return NX_E_MALFORMED;
    }
    const uint32_t at = probe(table, key);
    if (table->buckets[at] == 0) {
        if (table->count == table->capacity) {
            return NX_E_FULL;
        }
        const uint32_t fresh = free_id(table);
        struct perm_roleset_entry *entry = &table->entries[fresh];
        *entry = (struct perm_roleset_entry){
            .user_id = key->user_id,
            .role_ids_count = (uint16_t)key->role_ids_count,
            .is_owner = key->is_owner,
            .is_timed_out = key->is_timed_out,
        };
        for (size_t i = 0; i < key->role_ids_count; i++) {
            entry->role_ids[i] = key->role_ids[i];
        }
        table->buckets[at] = (uint16_t)(fresh + 1);
        table->count++;
    }
    *id = table->buckets[at] - 1U;
    table->entries[*id].holders++;
    return NX_OK;
}

uint32_t perm_roleset_find(const struct perm_roleset_table *table, const struct perm_roleset_key *key)
{
    if (!is_valid(key)) {
        return PERM_ROLESET_NONE;
    }
    const uint16_t found = table->buckets[probe(table, key)];
    return found != 0 ? found - 1U : PERM_ROLESET_NONE;
}

const struct perm_roleset_entry *perm_roleset_get(const struct perm_roleset_table *table, uint32_t id)
{
    return id < table->high && table->entries[id].holders != 0 ? &table->entries[id] : NULL;
}

void perm_roleset_hold(struct perm_roleset_table *table, uint32_t id)
{
    NX_ASSERT(perm_roleset_get(table, id) != NULL);
    table->entries[id].holders++;
}

/* Empties bucket `hole` and pulls later entries of the same run back, so that no probe stops too early. */
static void remove_bucket(struct perm_roleset_table *table, uint32_t hole)
{
    const uint32_t mask = table->buckets_count - 1;
    for (uint32_t at = (hole + 1) & mask; table->buckets[at] != 0; at = (at + 1) & mask) {
        const struct perm_roleset_key key = key_of(&table->entries[table->buckets[at] - 1]);
        const uint32_t home = bucket_of(table, &key);
        if (((at - home) & mask) >= ((at - hole) & mask)) { /* its home is not after the hole */
            table->buckets[hole] = table->buckets[at];
            hole = at;
        }
    }
    table->buckets[hole] = 0;
}

bool perm_roleset_drop(struct perm_roleset_table *table, uint32_t id)
{
    NX_ASSERT(perm_roleset_get(table, id) != NULL);
    if (table->entries[id].holders > 1) {
        table->entries[id].holders--;
        return false;
    }
    const struct perm_roleset_key key = key_of(&table->entries[id]);
    remove_bucket(table, probe(table, &key));
    table->entries[id].holders = 0;
    table->count--;
    return true;
}

uint64_t perm_roleset_permissions(const struct perm_roleset_table *table, uint32_t id,
                                  const struct perm_guild *guild, const struct perm_channel *channel)
{
    const struct perm_roleset_entry *entry = perm_roleset_get(table, id);
    NX_ASSERT(entry != NULL);
    /* user_id 0 is nobody's, so a shared set meets no overwrite of a member. */
    const struct perm_subject subject = {
        .user_id = entry->user_id,
        .role_ids = entry->role_ids,
        .role_ids_count = entry->role_ids_count,
        .is_member = true,
        .is_owner = entry->is_owner,
        .is_timed_out = entry->is_timed_out,
    };
    return channel != NULL ? perm_resolve_channel(guild, channel, &subject)
                           : perm_resolve_guild(guild, &subject);
}

void perm_roleset_map(const struct perm_roleset_table *table, const struct perm_guild *guild,
                      const struct perm_channel *channel, uint64_t required, struct perm_bitmap *out)
{
    *out = perm_bitmap_init(out->words, out->words_count);
    for (uint32_t id = 0; id < table->high; id++) {
        if (table->entries[id].holders != 0 &&
            (required & ~perm_roleset_permissions(table, id, guild, channel)) == 0) {
            perm_bitmap_set(out, id);
        }
    }
}
