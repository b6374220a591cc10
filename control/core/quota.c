#include "control/core/quota.h"

#include "engine/base/assert.h"
#include "engine/base/hash.h"

enum { NEIGHBOURS = 8 }; /* slots that one key may live in */

enum nx_err ctl_quota_init(struct ctl_quota *quota, const struct ctl_memory *memory, uint64_t seed)
{
    *quota = (struct ctl_quota){.seed = seed};
    quota->slots = ctl_memory_take(memory, CTL_QUOTA_SLOTS * sizeof(*quota->slots));
    return quota->slots == NULL ? NX_E_NO_MEMORY : NX_OK;
}

void ctl_quota_fini(struct ctl_quota *quota, const struct ctl_memory *memory)
{
    ctl_memory_give(memory, quota->slots, CTL_QUOTA_SLOTS * sizeof(*quota->slots));
    quota->slots = NULL;
}

static uint64_t key_of(const struct ctl_quota *quota, uint64_t what, uint64_t major, uint64_t subject)
{
    const uint64_t key = nx_hash_u64(nx_hash_u64(nx_hash_u64(quota->seed, what), major), subject);
    return key == 0 ? 1 : key;
}

static struct ctl_quota_slot *find(struct ctl_quota *quota, uint64_t key)
{
    struct ctl_quota_slot *victim = NULL;
    for (uint64_t i = 0; i < NEIGHBOURS; i++) {
        struct ctl_quota_slot *slot = &quota->slots[(key + i) % CTL_QUOTA_SLOTS];
        if (slot->key == key) {
            return slot;
        }
        if (victim == NULL || slot->quota.full_at.ns < victim->quota.full_at.ns) {
            victim = slot;
        }
    }
    *victim = (struct ctl_quota_slot){.key = key};
    return victim;
}

static struct ctl_quota_state state_of(const struct ctl_quota *quota, const struct ctl_quota_slot *slot,
                                       const struct nx_quota_rule *rule, nx_time now, uint64_t what,
                                       uint64_t major)
{
    return (struct ctl_quota_state){.limit = rule->burst,
                                    .remaining = nx_quota_left(&slot->quota, rule, now),
                                    .reset_ms = nx_quota_full_ms(&slot->quota, now),
                                    .retry_ms = nx_quota_wait_ms(&slot->quota, rule, now, 1),
                                    .bucket = nx_hash_u64(nx_hash_u64(quota->seed, what), major)};
}

struct ctl_quota_state ctl_quota_take(struct ctl_quota *quota, const struct nx_quota_rule *rule, nx_time now,
                                      uint64_t what, uint64_t major, uint64_t subject)
{
    struct ctl_quota_slot *slot = find(quota, key_of(quota, what, major, subject));
    const bool is_allowed = nx_quota_take(&slot->quota, rule, now, 1);
    struct ctl_quota_state state = state_of(quota, slot, rule, now, what, major);
    state.is_allowed = is_allowed;
    if (is_allowed) {
        state.retry_ms = 0;
    }
    return state;
}

struct ctl_quota_state ctl_quota_look(struct ctl_quota *quota, const struct nx_quota_rule *rule, nx_time now,
                                      uint64_t what, uint64_t major, uint64_t subject)
{
    const struct ctl_quota_slot *slot = find(quota, key_of(quota, what, major, subject));
    struct ctl_quota_state state = state_of(quota, slot, rule, now, what, major);
    state.is_allowed = state.remaining != 0;
    return state;
}

uint64_t ctl_quota_hash(const struct ctl_quota *quota, struct nx_bytes text)
{
    uint8_t key[16];
    memcpy(key, &quota->seed, 8);
    memset(key + 8, 0x5a, 8);
    return nx_hash_sip(key, text.at, text.size);
}
