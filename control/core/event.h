/* event.h - tails of gateway events, and their way to those who hear them.
 *
 * Spec:    bus_msg.def EVENT: the tail is "t":"NAME","d":{...}} - all of the frame after {"op":0,"s":N,
 * Layer:   control/core (pure)
 * Threads: the loop's
 * Idiom:   struct nx_json_out out = ctl_event_begin(&writer, "NAME"); ctl_object_...(&out, ...); if (ctl_event_end(...)) send
 */
#ifndef CTL_CORE_EVENT_H
#define CTL_CORE_EVENT_H

#include "control/core/object.h"
#include "control/core/world.h"

/** Intents as bit sets (Discord's positions). */
enum {
    CTL_INTENT_GUILDS = 1 << 0,
    CTL_INTENT_GUILD_MEMBERS = 1 << 1,
    CTL_INTENT_GUILD_MODERATION = 1 << 2,
    CTL_INTENT_GUILD_INVITES = 1 << 6,
    CTL_INTENT_GUILD_PRESENCES = 1 << 8,
    CTL_INTENT_GUILD_MESSAGES = 1 << 9,
    CTL_INTENT_GUILD_MESSAGE_TYPING = 1 << 11,
};

/** Starts a tail; the value of "d" comes next. */
struct nx_json_out ctl_event_begin(struct nx_writer *writer, const char *name);

/** Ends a tail; false when it did not fit or is not well-formed. */
bool ctl_event_end(struct nx_writer *writer, struct nx_json_out *out);

/** A writer over the world's scratch for one tail; the next call takes it back. */
struct nx_writer ctl_event_scratch(struct ctl_world *world);

/** Ends a tail and sends it to the guild with the fields of `event` but guild_id and tail; nothing when it did not fit. */
void ctl_event_send(struct ctl_world *world, const struct ctl_guild *guild, struct nx_writer *writer,
                    struct nx_json_out *out, struct nx_bus_event event);

/** Ends a tail and sends it to all sessions of `user` with one of `intents` (0: all). */
void ctl_event_send_user(struct ctl_world *world, const struct ctl_user *user, struct nx_writer *writer,
                         struct nx_json_out *out, uint64_t intents);

/**
 * Writes GUILD_CREATE as `member` sees the guild, but its end. A guild that is too large for one event is told as
 * unavailable, as Discord does with one that it cannot send.
 */
struct nx_json_out ctl_event_guild_create(struct ctl_world *world, const struct ctl_member *member,
                                          uint64_t intents, struct nx_writer *writer);

/** Writes GUILD_CREATE of a guild whose particulars are not told, but its end. */
struct nx_json_out ctl_event_guild_unavailable(struct ctl_world *world, const struct ctl_guild *guild,
                                               struct nx_writer *writer);

/** TYPING_START of a member. */
void ctl_event_typing(struct ctl_world *world, const struct ctl_channel *channel,
                      const struct ctl_member *member, int64_t wall_ms);

/** Tells `link` about a guild and all its channels. */
void ctl_event_guild_state(struct ctl_world *world, uint32_t link, struct ctl_guild *guild);

/** Tells all links of its guild about a channel. */
void ctl_event_channel_state(struct ctl_world *world, struct ctl_channel *channel);

/** Tells all links of its guild which channels a role set may view. */
void ctl_event_roleset_view(struct ctl_world *world, struct ctl_guild *guild, uint32_t roleset);

#endif
