/* revoke.h - logins whose tokens are not good any more although they have not expired.
 *
 * Layer:   gatewayd/core (pure)
 * Threads: own shard
 * Limits:  GW_REVOKED_MAX entries for GW_REVOKED_S; when full the oldest is forgotten
 * Idiom:   a ring in order of arrival and an index over it; consulted at IDENTIFY and RESUME.
 */
#ifndef GW_CORE_REVOKE_H
#define GW_CORE_REVOKE_H

#include "gatewayd/core/index.h"

/** One revocation. */
struct gw_revoked {
    uint64_t user_id; /**< set when the whole user is meant, and then sid is 0 */
    uint64_t sid;
    uint64_t up_to; /**< the whole user: logins with a larger id came later and are good */
    uint64_t at_s;  /**< seconds since 1970; what has no login is good again when issued later */
};

/** The list of a shard. */
struct gw_revoke {
    struct gw_memory memory;    /**< given */
    struct gw_revoked *entries; /**< owned; NULL until the first */
    uint32_t room;              /**< entries allocated, a power of two */
    uint32_t first;             /**< number of the oldest entry, counted for ever */
    uint32_t next;              /**< number of the next one */
    struct gw_index sids;       /**< sid -> number */
    struct gw_index users;      /**< user id -> number */
};

/** Prepares an empty list. */
void gw_revoke_init(struct gw_revoke *revoke, const struct gw_memory *memory, uint64_t seed);

/** Gives the memory back. */
void gw_revoke_fini(struct gw_revoke *revoke);

/** Remembers that since `now_s` a login, or with `sid` 0 every login of the user up to the id `up_to`, is over. Without
 *  memory the oldest entry is forgotten for it. Returns NX_OK; NX_E_NO_MEMORY when not even the first one fits. */
NX_MUST_USE enum nx_err gw_revoke_add(struct gw_revoke *revoke, uint64_t user_id, uint64_t sid,
                                      uint64_t up_to, uint64_t now_s);

/** Returns whether a token of this login is revoked. Logins are compared by the order of their ids, not by clocks;
 *  `issued_s` counts only for tokens without a login (`sid` 0). */
bool gw_revoke_has(const struct gw_revoke *revoke, uint64_t user_id, uint64_t sid, uint64_t issued_s);

/** Forgets what is older than GW_REVOKED_S. Cost: what is forgotten. */
void gw_revoke_expire(struct gw_revoke *revoke, uint64_t now_s);

#endif
