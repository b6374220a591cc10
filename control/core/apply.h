/* apply.h - what happens when the store has committed: the directory changes, and everybody who must know is told.
 *
 * Layer:   control/core (pure)
 * Threads: the loop's
 * Idiom:   one function per committed fact, called by REST handlers, the gateway and admin tools alike, never before the
 *          commit. Rights go out before the events that need them. A failure (NX_E_NO_MEMORY and such) means that memory
 *          and store differ: the node must stop serving and load again.
 */
#ifndef CTL_CORE_APPLY_H
#define CTL_CORE_APPLY_H

#include "control/core/world.h"

/** An account is new or changed; USER_UPDATE to itself when it has sessions. */
NX_MUST_USE enum nx_err ctl_apply_user(struct ctl_world *world, const struct ctl_user_row *row);

/** The login `sid` is over: tokens and sessions of it end with `close_code`. */
void ctl_apply_login_revoked(struct ctl_world *world, uint64_t user_id, uint64_t sid, uint16_t close_code,
                             int64_t wall_ms);

/** Every login of the user up to the id `up_to` is over: take world->mint.last when the store is asked, for logins made after
 *  that are not meant. Ids and not clocks decide: a clock set back must save nobody, nor may two things in one second. */
void ctl_apply_logins_revoked(struct ctl_world *world, uint64_t user_id, uint64_t up_to, uint16_t close_code,
                              int64_t wall_ms);

/** A guild was created by its owner. */
NX_MUST_USE enum nx_err ctl_apply_guild_created(struct ctl_world *world, const struct ctl_guild_row *guild,
                                                const struct ctl_role_row *everyone,
                                                const struct ctl_channel_row *channel, int64_t joined_ms);

/** A guild's own fields changed; GUILD_UPDATE. */
NX_MUST_USE enum nx_err ctl_apply_guild_updated(struct ctl_world *world, const struct ctl_guild_row *row);

/** A guild is gone; GUILD_DELETE. */
void ctl_apply_guild_deleted(struct ctl_world *world, struct ctl_guild *guild);

/** A role is new or changed; rights, then GUILD_ROLE_CREATE or _UPDATE. */
NX_MUST_USE enum nx_err ctl_apply_role(struct ctl_world *world, const struct ctl_role_row *row);

/** Roles of a guild have new positions; GUILD_ROLE_UPDATE of each. */
void ctl_apply_roles_moved(struct ctl_world *world, struct ctl_guild *guild,
                           const struct ctl_position_row *rows, uint32_t rows_count);

/** A role is gone; rights, then GUILD_ROLE_DELETE. */
NX_MUST_USE enum nx_err ctl_apply_role_deleted(struct ctl_world *world, struct ctl_guild *guild,
                                               uint64_t role_id);

/**
 * A channel is new or changed, together with all its overwrites unless they are NULL: nobody sees it between the two;
 * rights, then CHANNEL_CREATE or _UPDATE.
 */
NX_MUST_USE enum nx_err ctl_apply_channel(struct ctl_world *world, const struct ctl_channel_row *row,
                                          const struct ctl_overwrite_set *overwrites);

/** Channels have new places; CHANNEL_UPDATE of each. */
void ctl_apply_channels_moved(struct ctl_world *world, const struct ctl_position_row *rows,
                              uint32_t rows_count);

/** A channel is gone; CHANNEL_DELETE. */
void ctl_apply_channel_deleted(struct ctl_world *world, struct ctl_channel *channel);

/** An overwrite is new or changed; rights, then CHANNEL_UPDATE. */
NX_MUST_USE enum nx_err ctl_apply_overwrite(struct ctl_world *world, const struct ctl_overwrite_row *row);

/** An overwrite is gone; rights, then CHANNEL_UPDATE. */
NX_MUST_USE enum nx_err ctl_apply_overwrite_deleted(struct ctl_world *world, struct ctl_channel *channel,
                                                    uint64_t target_id);

/** Somebody joined; their sessions hear the guild from now on: GUILD_CREATE to them, GUILD_MEMBER_ADD to the others. */
NX_MUST_USE enum nx_err ctl_apply_member_added(struct ctl_world *world, const struct ctl_member_row *row);

/** Roles, nick or timeout of a member changed; rights, then GUILD_MEMBER_UPDATE. */
NX_MUST_USE enum nx_err ctl_apply_member_updated(struct ctl_world *world, const struct ctl_member_row *row);

/** A member left, was kicked or banned; rights, GUILD_DELETE to them, GUILD_MEMBER_REMOVE to the others. */
void ctl_apply_member_removed(struct ctl_world *world, struct ctl_member *member);

/** Somebody was banned or not any more; GUILD_BAN_ADD or _REMOVE. */
void ctl_apply_ban(struct ctl_world *world, struct ctl_guild *guild, uint64_t user_id, bool is_banned);

/** A message was stored; MESSAGE_CREATE with its seq. Nothing when one with this seq or a larger one was told before. */
void ctl_apply_message_created(struct ctl_world *world, struct ctl_channel *channel,
                               const struct ctl_message_row *row, struct nx_bytes nonce);

/** A message was edited; MESSAGE_UPDATE. */
void ctl_apply_message_edited(struct ctl_world *world, struct ctl_channel *channel,
                              const struct ctl_message_row *row);

/** A message was deleted; MESSAGE_DELETE. */
void ctl_apply_message_deleted(struct ctl_world *world, struct ctl_channel *channel, uint64_t message_id,
                               uint64_t seq);

/** A read state moved; MESSAGE_ACK to the user's other sessions. */
void ctl_apply_read_state(struct ctl_world *world, const struct ctl_user *user,
                          const struct ctl_read_state_row *row);

/** An invitation is new or gone; INVITE_CREATE or _DELETE. */
void ctl_apply_invite(struct ctl_world *world, const struct ctl_invite_row *row, bool is_new);

#endif
