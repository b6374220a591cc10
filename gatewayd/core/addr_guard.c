#include "gatewayd/core/addr_guard.h"

#include "gatewayd/core/limits.h"

enum { ENTRIES_FIRST = 64, SWEEP_MAX = 32 };

void gw_addr_guard_init(struct gw_addr_guard *guard, const struct gw_memory *memory, uint64_t seed,
                        bool is_on)
{
    *guard = (struct gw_addr_guard){.memory = *memory,
                                    .rule = nx_quota_per_s(GW_ADDRESS_NEW_PER_S, GW_ADDRESS_OPEN_MAX),
                                    .open_max = GW_ADDRESS_OPEN_MAX,
                                    .is_on = is_on};
    gw_index_init(&guard->keys, memory, seed, GW_ADDRESSES_MAX);
}

void gw_addr_guard_fini(struct gw_addr_guard *guard)
{
    gw_memory_give(&guard->memory, guard->entries, guard->entries_room * sizeof(*guard->entries));
    gw_index_fini(&guard->keys);
    guard->entries = NULL;
    guard->entries_room = 0;
}

void gw_addr_guard_set(struct gw_addr_guard *guard, bool is_on)
{
    guard->is_on = is_on;
}

static bool grow(struct gw_addr_guard *guard)
{
    const uint32_t room = guard->entries_room == 0 ? ENTRIES_FIRST : guard->entries_room * 2;
    if (room > GW_ADDRESSES_MAX) {
        return false;
    }
    struct gw_addr_entry *entries = gw_memory_take(&guard->memory, room * sizeof(*entries));
    if (entries == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < guard->entries_room; i++) {
        entries[i] = guard->entries[i];
    }
    gw_memory_give(&guard->memory, guard->entries, guard->entries_room * sizeof(*entries));
    guard->sweep = guard->entries_room;
    guard->entries = entries;
    guard->entries_room = room;
    return true;
}

/* Finds an entry that nothing is known of any more; looks at SWEEP_MAX of them. */
static struct gw_addr_entry *free_entry(struct gw_addr_guard *guard, nx_time now)
{
    for (int grown = 0; grown < 2; grown++) {
        const uint32_t most = guard->entries_room < SWEEP_MAX ? guard->entries_room : SWEEP_MAX;
        for (uint32_t i = 0; i < most; i++) {
            struct gw_addr_entry *entry = &guard->entries[guard->sweep];
            guard->sweep = (guard->sweep + 1) % guard->entries_room;
            if (entry->uses == 0) {
                return entry;
            }
            if (entry->open_count == 0 && nx_quota_full_ms(&entry->fresh, now) == 0) {
                gw_index_remove(&guard->keys, entry->key);
                return entry;
            }
        }
        if (!grow(guard)) {
            break;
        }
    }
    return NULL;
}

bool gw_addr_guard_enter(struct gw_addr_guard *guard, uint64_t key, nx_time now)
{
    uint32_t at;
    if (!gw_index_get(&guard->keys, key, &at)) {
        struct gw_addr_entry *entry = free_entry(guard, now);
        if (entry == NULL) {
            return !guard->is_on; /* More addresses at a time than we can count: nobody new for the moment. */
        }
        at = (uint32_t)(entry - guard->entries);
        if (gw_index_put(&guard->keys, key, at) != NX_OK) {
            entry->uses = 0;
            return !guard->is_on;
        }
        *entry = (struct gw_addr_entry){.key = key, .uses = 1};
    }
    struct gw_addr_entry *entry = &guard->entries[at];
    if (guard->is_on &&
        (entry->open_count >= guard->open_max || !nx_quota_take(&entry->fresh, &guard->rule, now, 1))) {
        return false;
    }
    entry->open_count++;
    return true;
}

void gw_addr_guard_left(struct gw_addr_guard *guard, uint64_t key)
{
    uint32_t at;
    if (gw_index_get(&guard->keys, key, &at) && guard->entries[at].open_count > 0) {
        guard->entries[at].open_count--;
    }
}
