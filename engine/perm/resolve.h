/* resolve.h - which permissions a member has, in the guild and in a channel.
 *
 * Spec:    Discord's order: (1) @everyone, (2) roles, then in the channel (3) deny and (4) allow of
 * @everyone, (5) deny and (6) allow of all roles together, (7) deny and (8) allow of the member; owner and
 * ADMINISTRATOR have everything and pass over all overwrites. Implied afterwards: without VIEW_CHANNEL
 * nothing; without SEND_MESSAGES neither MENTION_EVERYONE, SEND_TTS_MESSAGES, ATTACH_FILES nor EMBED_LINKS;
 * timed out only VIEW_CHANNEL and READ_MESSAGE_HISTORY. Layer:   engine/perm (no I/O, no clock, no
 * allocation) Threads: any; no state Limits:  time is overwrites x roles of the member in the worst case (100
 * x 64) Idiom:   perm_resolve_guild for what is outside of channels, perm_resolve_channel inside; the parts
 * they are made of are public for callers that hold the values in another shape. Bits without a name never
 * come out.
 */
#ifndef PERM_RESOLVE_H
#define PERM_RESOLVE_H

#include "engine/perm/perm.h"

/** Returns steps 1 and 2: `everyone` joined with the permissions of the `roles_count` roles at `roles`, or
 * PERM_ALL for an owner or when one of them has ADMINISTRATOR. */
uint64_t perm_resolve_base(uint64_t everyone, const struct perm_role *roles, size_t roles_count,
                           bool is_owner);

/** Returns steps 3 to 8 on `base` (from perm_resolve_base) without the implied rules; PERM_ALL when `base`
 * has ADMINISTRATOR. `guild_id` names the overwrite of @everyone; of `subject` only user_id and role_ids are
 * looked at. */
uint64_t perm_resolve_overwrites(uint64_t base, const struct perm_channel *channel, uint64_t guild_id,
                                 const struct perm_subject *subject);

/** Returns `permissions` in a channel without what the missing ones imply; whoever has ADMINISTRATOR keeps
 * everything. */
uint64_t perm_resolve_implied(uint64_t permissions, bool is_timed_out);

/** Returns what `subject` may do in `guild` outside of channels: base permissions, cut down when timed out, 0
 * for somebody who is not a member. Role overwrites of channels play no part. */
uint64_t perm_resolve_guild(const struct perm_guild *guild, const struct perm_subject *subject);

/** Returns what `subject` may do in `channel` of `guild`, implied rules included; 0 for somebody who is not a
 * member. */
uint64_t perm_resolve_channel(const struct perm_guild *guild, const struct perm_channel *channel,
                              const struct perm_subject *subject);

/** Returns the role `id` of `guild`, or NULL; borrowed from the guild. Cost: log2 of the roles. */
const struct perm_role *perm_resolve_role(const struct perm_guild *guild, uint64_t id);

/** Returns the highest position among the subject's roles; 0 when there is none. */
int32_t perm_resolve_top(const struct perm_guild *guild, const struct perm_subject *subject);

#endif
