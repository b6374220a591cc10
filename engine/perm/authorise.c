#include "engine/perm/authorise.h"

#include "engine/perm/hierarchy.h"
#include "engine/perm/resolve.h"

enum perm_verdict perm_authorise(const struct perm_subject *subject, uint64_t required,
                                 const struct perm_scope *scope)
{
    if (!subject->is_member) {
        return PERM_VERDICT_HIDDEN;
    }
    const uint64_t permissions = scope->channel != NULL
                                     ? perm_resolve_channel(scope->guild, scope->channel, subject)
                                     : perm_resolve_guild(scope->guild, subject);
    if (scope->channel != NULL && (permissions & PERM_VIEW_CHANNEL) == 0) {
        return PERM_VERDICT_HIDDEN;
    }
    if ((required & ~permissions) != 0 || !perm_may_grant(permissions, scope->granted)) {
        return PERM_VERDICT_FORBIDDEN;
    }
    if (scope->has_target && !perm_outranks(perm_resolve_top(scope->guild, subject), subject->is_owner,
                                            scope->target_top, scope->target_is_owner)) {
        return PERM_VERDICT_FORBIDDEN;
    }
    return PERM_VERDICT_ALLOW;
}
