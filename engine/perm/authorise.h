/* authorise.h - the one question "may they?", asked by REST, gateway and media alike.
 *
 * Layer:   engine/perm (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Idiom:   fill a scope with what the action touches, name the bits it needs, act on PERM_VERDICT_ALLOW only.
 * HIDDEN is answered exactly as if the thing did not exist, FORBIDDEN says so.
 */
#ifndef PERM_AUTHORISE_H
#define PERM_AUTHORISE_H

#include "engine/perm/perm.h"

/** The answer. */
enum perm_verdict {
    PERM_VERDICT_HIDDEN,    /**< they may not even know that it is there (404) */
    PERM_VERDICT_FORBIDDEN, /**< they see it, but may not do this (403) */
    PERM_VERDICT_ALLOW,
};

/** What the action touches; borrowed. */
struct perm_scope {
    const struct perm_guild *guild;
    const struct perm_channel *channel; /**< NULL: an action on the guild itself */

    /* A member or role that is acted upon; the subject must outrank it. */
    bool has_target;
    bool target_is_owner;
    int32_t target_top; /**< the member's highest position or the role's own */

    uint64_t granted; /**< permissions a role or an overwrite gains or loses by the action; 0 = none */
};

/** Returns whether `subject` may do what needs all of the bits `required` in `scope`. HIDDEN for somebody who
 * is not a member and, in a channel, for somebody without VIEW_CHANNEL there; FORBIDDEN when a required bit
 * is missing (an unnamed one always is), the target is not outranked, or more is granted than the subject
 * has. */
enum perm_verdict perm_authorise(const struct perm_subject *subject, uint64_t required,
                                 const struct perm_scope *scope);

#endif
