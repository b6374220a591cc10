#include "gatewayd/core/revoke.h"

#include "gatewayd/core/limits.h"

#include <string.h>

enum { ENTRIES_FIRST = 64 };

void gw_revoke_init(struct gw_revoke *revoke, const struct gw_memory *memory, uint64_t seed)
{
    *revoke = (struct gw_revoke){.memory = *memory};
    gw_index_init(&revoke->sids, memory, seed, GW_REVOKED_MAX);
    gw_index_init(&revoke->users, memory, seed, GW_REVOKED_MAX);
}

void gw_revoke_fini(struct gw_revoke *revoke)
{
    gw_memory_give(&revoke->memory, revoke->entries, revoke->room * sizeof(*revoke->entries));
    gw_index_fini(&revoke->sids);
    gw_index_fini(&revoke->users);
    revoke->entries = NULL;
    revoke->room = 0;
}

static struct gw_revoked *entry_at(const struct gw_revoke *revoke, uint32_t number)
{
    return &revoke->entries[number & (revoke->room - 1)];
}

static void forget_oldest(struct gw_revoke *revoke)
{
    const struct gw_revoked *entry = entry_at(revoke, revoke->first);
    struct gw_index *index = entry->sid != 0 ? &revoke->sids : &revoke->users;
    const uint64_t key = entry->sid != 0 ? entry->sid : entry->user_id;
    uint32_t number;
    if (gw_index_get(index, key, &number) && number == revoke->first) {
        gw_index_remove(index, key);
    }
    revoke->first++;
}

static void grow(struct gw_revoke *revoke)
{
    const uint32_t room = revoke->room == 0 ? ENTRIES_FIRST : revoke->room * 2;
    struct gw_revoked *entries =
        room > GW_REVOKED_MAX ? NULL : gw_memory_take(&revoke->memory, room * sizeof(*entries));
    if (entries == NULL) {
        return;
    }
    for (uint32_t n = revoke->first; n != revoke->next; n++) {
        entries[n & (room - 1)] = *entry_at(revoke, n);
    }
    gw_memory_give(&revoke->memory, revoke->entries, revoke->room * sizeof(*entries));
    revoke->entries = entries;
    revoke->room = room;
}

enum nx_err gw_revoke_add(struct gw_revoke *revoke, uint64_t user_id, uint64_t sid, uint64_t up_to,
                          uint64_t now_s)
{
    if (revoke->next - revoke->first == revoke->room) {
        grow(revoke);
        if (revoke->room == 0) {
            return NX_E_NO_MEMORY;
        }
        if (revoke->next - revoke->first == revoke->room) {
            forget_oldest(revoke);
        }
    }
    struct gw_index *index = sid != 0 ? &revoke->sids : &revoke->users;
    const enum nx_err err = gw_index_put(index, sid != 0 ? sid : user_id, revoke->next);
    if (err != NX_OK) {
        return NX_E_NO_MEMORY;
    }
    *entry_at(revoke, revoke->next) =
        (struct gw_revoked){.user_id = user_id, .sid = sid, .up_to = up_to, .at_s = now_s};
    revoke->next++;
    return NX_OK;
}

bool gw_revoke_has(const struct gw_revoke *revoke, uint64_t user_id, uint64_t sid, uint64_t issued_s)
{
    uint32_t number;
    if (gw_index_get(&revoke->sids, sid, &number)) {
        return true;
    }
    if (!gw_index_get(&revoke->users, user_id, &number)) {
        return false;
    }
    const struct gw_revoked *entry = entry_at(revoke, number);
    return sid != 0 ? sid <= entry->up_to : issued_s <= entry->at_s;
}

void gw_revoke_expire(struct gw_revoke *revoke, uint64_t now_s)
{
    while (revoke->first != revoke->next && entry_at(revoke, revoke->first)->at_s + GW_REVOKED_S < now_s) {
        forget_oldest(revoke);
    }
}
