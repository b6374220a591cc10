/* login.h - which login sessions are known to be alive, and which were revoked so lately that their tokens still verify.
 *
 * Layer:   control/core (pure)
 * Threads: the loop's
 * Limits:  CTL_LOGINS_MAX alive ones are remembered, CTL_REVOKED_MAX revocations
 * Idiom:   a sid that is not remembered is unknown, not dead: the store is asked (LOGINS_LIST of the user) and the result
 *          noted. So a restart of control brings no revoked token back to life.
 */
#ifndef CTL_CORE_LOGIN_H
#define CTL_CORE_LOGIN_H

#include "control/core/limits.h"
#include "control/core/memory.h"
#include "engine/base/err.h"
#include "engine/base/map.h"

/** One revocation. */
struct ctl_login_revoked {
    uint64_t user_id;
    uint64_t sid; /**< 0: all logins of the user up to `up_to` */
    uint64_t up_to;
    int64_t until_ms; /**< when the last token of it is over */
};

/** The register. */
struct ctl_login {
    struct nx_map alive;               /**< sid to 1 */
    void *alive_memory;                /**< owned */
    struct ctl_login_revoked *revoked; /**< owned ring */
    uint32_t revoked_count, revoked_next;
    uint64_t
        epoch; /**< counts revocations: an answer of the store asked for before the last one is asked for again */
};

/** Makes an empty register. Returns NX_OK; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err ctl_login_init(struct ctl_login *login, const struct ctl_memory *memory,
                                       uint64_t seed);

/** Gives the memory back. */
void ctl_login_fini(struct ctl_login *login, const struct ctl_memory *memory);

/** Returns whether `sid` is remembered as alive. */
bool ctl_login_is_alive(const struct ctl_login *login, uint64_t sid);

/** Remembers `sid` as alive. */
void ctl_login_note(struct ctl_login *login, uint64_t sid);

/** Forgets `sid` (0: all, because the sids of the user are not known here, and those up to `up_to` are meant) and notes the
 *  revocation at `wall_ms`. */
void ctl_login_revoke(struct ctl_login *login, uint64_t user_id, uint64_t sid, uint64_t up_to,
                      int64_t wall_ms);

/** Steps through revocations whose tokens still verify at `wall_ms`; start with `*cursor` 0. */
bool ctl_login_revoked_next(const struct ctl_login *login, int64_t wall_ms, uint32_t *cursor,
                            struct ctl_login_revoked *out);

#endif
