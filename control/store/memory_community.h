/* memory_community.h - questions about guilds, roles, channels, overwrites, members and bans, answered in RAM.
 *
 * Layer:   control/store
 * Threads: the loop's
 */
#ifndef STORE_MEMORY_COMMUNITY_H
#define STORE_MEMORY_COMMUNITY_H

#include "control/store/memory_data.h"

/** Answers any question about guilds, roles, channels, overwrites, members and bans; see question.h for verdicts. */
NX_MUST_USE enum nx_err store_memory_community(struct store_memory_data *data,
                                               const struct ctl_question *question,
                                               struct ctl_answer *answer);

/**
 * Returns whether this member could be added: NX_OK; NX_E_AUTH when banned; NX_E_CONFLICT when already a member;
 * NX_E_NOT_FOUND without such a guild, user or role.
 */
NX_MUST_USE enum nx_err store_memory_community_may_join(const struct store_memory_data *data,
                                                        const struct ctl_member_row *member);

/** Adds a member for whom store_memory_community_may_join() said NX_OK. */
void store_memory_community_join(struct store_memory_data *data, const struct ctl_member_row *member);

#endif
