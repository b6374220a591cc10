/* hierarchy.h - who may act upon whom, and who may give what.
 *
 * Spec:    Discord's role hierarchy: only strictly lower positions, the owner above all and below nobody;
 * nobody gives a permission they do not have. Layer:   engine/perm (no I/O, no clock, no allocation) Threads:
 * any; no state Idiom:   asked in addition to the permission bit, never instead of it; perm_authorise() does
 * both.
 */
#ifndef PERM_HIERARCHY_H
#define PERM_HIERARCHY_H

#include "engine/perm/perm.h"

/** Returns whether an actor whose highest role is at `actor_top` stands above a target (member or role) at
 * `target_top`. Equal positions do not; an owner stands above everybody else and is never stood above.
 * ADMINISTRATOR does not matter. */
static inline bool perm_outranks(int32_t actor_top, bool actor_is_owner, int32_t target_top,
                                 bool target_is_owner)
{
    return !target_is_owner && (actor_is_owner || actor_top > target_top);
}

/** Returns whether somebody with `actor` permissions may give or take the permissions `granted` in a role or
 * an overwrite: all of them are the actor's own. ADMINISTRATOR may give every named bit; unknown bits nobody.
 */
static inline bool perm_may_grant(uint64_t actor, uint64_t granted)
{
    const uint64_t own = (actor & PERM_ADMINISTRATOR) != 0 ? PERM_ALL : actor & PERM_ALL;
    return (granted & ~own) == 0;
}

#endif
