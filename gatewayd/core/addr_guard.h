/* addr_guard.h - how many connections one address may have open before it has authenticated, and how many per second.
 *
 * Spec:    reliability.md section 8
 * Layer:   gatewayd/core (pure)
 * Threads: own shard
 * Limits:  GW_ADDRESSES_MAX addresses; when more come at a time, new ones share one entry
 * Idiom:   counted by nx_addr_limit_key(). An entry without open connections and with a full bucket may be reused.
 */
#ifndef GW_CORE_ADDR_GUARD_H
#define GW_CORE_ADDR_GUARD_H

#include "engine/base/quota.h"
#include "gatewayd/core/index.h"

/** One address. */
struct gw_addr_entry {
    uint64_t key;
    struct nx_quota fresh; /**< new connections */
    uint32_t open_count;   /**< unauthenticated ones open */
    uint32_t uses;         /**< 0: the entry is free */
};

/** The addresses of a shard. */
struct gw_addr_guard {
    struct gw_memory memory;       /**< given */
    struct gw_addr_entry *entries; /**< owned */
    uint32_t entries_room;
    uint32_t sweep; /**< where the search for a free entry goes on */
    struct gw_index keys;
    struct nx_quota_rule rule;
    uint32_t open_max;
    bool is_on;
};

/** Prepares the guard; `is_on` false lets everybody in. */
void gw_addr_guard_init(struct gw_addr_guard *guard, const struct gw_memory *memory, uint64_t seed,
                        bool is_on);

/** Gives the memory back. */
void gw_addr_guard_fini(struct gw_addr_guard *guard);

/** Turns the limits on or off. */
void gw_addr_guard_set(struct gw_addr_guard *guard, bool is_on);

/** Asks for one more unauthenticated connection of `key` at `now`. Returns whether it may; then gw_addr_guard_left()
 *  must follow once. */
bool gw_addr_guard_enter(struct gw_addr_guard *guard, uint64_t key, nx_time now);

/** A connection of `key` is closed, or has authenticated. */
void gw_addr_guard_left(struct gw_addr_guard *guard, uint64_t key);

#endif
