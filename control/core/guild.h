/* guild.h - questions to one guild of the directory: members, roles, channels and what somebody may do there.
 *
 * Layer:   control/core (pure)
 * Threads: the loop's
 * Idiom:   a subject is built per question on the stack and borrows from the directory
 */
#ifndef CTL_CORE_GUILD_H
#define CTL_CORE_GUILD_H

#include "control/core/directory.h"
#include "engine/perm/authorise.h"

/** Finds a member; NULL when the user is none. */
struct ctl_member *ctl_guild_member(const struct ctl_guild *guild, uint64_t user_id);

/** Returns the index of the role `id`, or -1. */
int32_t ctl_guild_role_index(const struct ctl_guild *guild, uint64_t id);

/** The guild as permissions see it; borrowed. */
struct perm_guild ctl_guild_perm(const struct ctl_guild *guild);

/** The channel as permissions see it; borrowed. */
struct perm_channel ctl_guild_channel_perm(const struct ctl_channel *channel);

/** The user as a subject in `guild` at `wall_ms`; `member` NULL is a stranger. */
struct perm_subject ctl_guild_subject(const struct ctl_guild *guild, const struct ctl_member *member,
                                      int64_t wall_ms);

/** Role ids of a member without @everyone, ascending; borrowed until roles change. */
const uint64_t *ctl_guild_member_roles(const struct ctl_member *member, uint32_t *count);

/** Returns the permissions of `member` in `channel`, or in the guild when it is NULL. */
uint64_t ctl_guild_permissions(const struct ctl_member *member, const struct ctl_channel *channel,
                               int64_t wall_ms);

/** Returns the highest role position of `member`. */
int32_t ctl_guild_top(const struct ctl_member *member);

/** Returns whether the role set of `member` may view `channel` by its bitmap (brought up to date when needed). */
bool ctl_guild_may_view(const struct ctl_member *member, struct ctl_channel *channel);

/** Brings the channel's bitmap up to date; false when there is no memory (the bitmap is then empty: nobody may view). */
bool ctl_guild_view_refresh(const struct ctl_memory *memory, struct ctl_channel *channel);

/** Returns whether presence and member events of the guild go only to those who look. */
bool ctl_guild_is_large(const struct ctl_guild *guild);

/** Returns whether the guild has room for `more` combinations of roles, with some to spare for writes on their way: asked
 * before the store is, because afterwards it is too late to refuse. */
bool ctl_guild_has_roleset_room(const struct ctl_guild *guild, uint32_t more);

/** Returns the permissions a new guild gives everyone. */
uint64_t ctl_guild_everyone(void);

#endif
