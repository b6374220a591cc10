/* community.h - rules for what a community is made of: names, kinds of channels, permission sets that may be given.
 *
 * Layer:   control/core (pure)
 * Threads: any; no state
 * Limits:  limits.h and engine/perm/limits.h
 */
#ifndef CTL_CORE_COMMUNITY_H
#define CTL_CORE_COMMUNITY_H

#include "control/core/directory.h"

/** Returns whether channels of `type` exist here: 0 text, 2 voice, 4 category. */
bool ctl_community_channel_type_ok(uint64_t type);

/** Writes the name of a text channel as it is kept: ASCII lower case, spaces become '-'; other kinds keep theirs. */
void ctl_community_channel_name(struct nx_bytes name, uint8_t type, struct nx_writer *out);

/** Returns whether a member may be timed out until `until_ms` at `wall_ms`: in the future, at most 28 days. */
bool ctl_community_timeout_ok(int64_t until_ms, int64_t wall_ms);

/** Fills the rows of a new guild: @everyone role and the text channel "general". Names are static. */
void ctl_community_new(uint64_t guild_id, uint64_t channel_id, struct ctl_role_row *everyone,
                       struct ctl_channel_row *channel);

/** Fills the row of what the directory has; texts borrowed. */
struct ctl_guild_row ctl_community_guild_row(const struct ctl_guild *guild);
/** Fills the row of what the directory has; texts borrowed. */
struct ctl_role_row ctl_community_role_row(const struct ctl_guild *guild, uint32_t index);
/** Fills the row of what the directory has; texts borrowed. */
struct ctl_channel_row ctl_community_channel_row(const struct ctl_channel *channel);
/** Fills the row of what the directory has; texts and roles borrowed. */
struct ctl_member_row ctl_community_member_row(const struct ctl_member *member);

#endif
