/* viewers.h - who may view which channel before and after a change, told to the shards and to those for whom it changes.
 *
 * Layer:   control/core (pure)
 * Threads: the loop's
 * Idiom:   take what was (ctl_viewers_refresh, ctl_viewers_of), change the directory, tell what is. Shards hear of rights
 *          before anybody hears of channels.
 */
#ifndef CTL_CORE_VIEWERS_H
#define CTL_CORE_VIEWERS_H

#include "control/core/world.h"

/** Channels of a guild that one member may view, by index. */
struct ctl_viewers {
    uint64_t bits[(CTL_CHANNELS_PER_GUILD_MAX + 63) / 64];
};

/** What `member` may view now. */
struct ctl_viewers ctl_viewers_of(struct ctl_guild *guild, const struct ctl_member *member);

/** CHANNEL_CREATE and CHANNEL_DELETE to `member` for what appeared and vanished since `before`. */
void ctl_viewers_tell(struct ctl_world *world, const struct ctl_member *member,
                      const struct ctl_viewers *before);

/** Brings every bitmap up to date while somebody listens, so that what changes afterwards can be told apart. */
void ctl_viewers_refresh(struct ctl_world *world, struct ctl_guild *guild);

/** After a change that left every member's role set id alone: tells shards and members what it means for each channel. */
void ctl_viewers_roles_changed(struct ctl_world *world, struct ctl_guild *guild);

/** Tells the shards which role set a member has now. */
void ctl_viewers_tell_roleset(struct ctl_world *world, const struct ctl_member *member);

/**
 * The channel's overwrites become `set` in one step: put in force piece by piece, a set would show the channel to people
 * for whom neither the old nor the new one opens it. Of a new channel nobody is told. Returns what loading does.
 */
NX_MUST_USE enum nx_err ctl_viewers_set_overwrites(struct ctl_world *world, struct ctl_channel *channel,
                                                   const struct ctl_overwrite_set *set, bool is_new);

#endif
