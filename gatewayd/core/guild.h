/* guild.h - who listens to what on one shard: guilds, their channels, and the sessions in them.
 *
 * Layer:   gatewayd/core (pure)
 * Threads: own shard
 * Limits:  GW_GUILDS_MAX guilds, GW_CHANNELS_MAX channels, GW_MEMBERS_MAX sessions per guild
 * Idiom:   control decides who belongs and who may view; this only keeps the sets. Members lie in one flat array that a
 *          delivery walks from end to end; each knows all that the decision needs, so nothing is looked up on the way.
 *          Whoever changes rights or members settles what is pending first: see fanout.h.
 */
#ifndef GW_CORE_GUILD_H
#define GW_CORE_GUILD_H

#include "engine/base/bytes.h"
#include "engine/base/time.h"
#include "gatewayd/core/index.h"
#include "gatewayd/core/session.h"

#define GW_GUILD_NONE UINT32_MAX

enum gw_member_flag {
    GW_MEMBER_SELECTIVE = 1, /**< gets events of the channels it looks at only (op 64) */
    GW_MEMBER_SEVERAL = 2,   /**< looks at more than the one in `channel`: the session has the list */
    GW_MEMBER_MEMBERS = 4,   /**< looks at the member list */
    GW_MEMBER_ASKED = 8,     /**< its SUBSCRIBE is answered once its rights are known */
};

/** A session in a guild. 32 bytes, two to a cache line. */
struct gw_member {
    uint64_t intents; /**< copied from the session */
    uint32_t session; /**< index */
    uint32_t roleset; /**< what it may view */
    uint32_t since;   /**< number of the first frame of the guild that is for it */
    uint32_t channel; /**< slot of the first channel it looks at; GW_GUILD_NONE: none */
    uint32_t flags;   /**< enum gw_member_flag */
    uint32_t reserved;
};

/** A channel and who may view it. */
struct gw_channel {
    uint64_t id;
    uint64_t last_seq;   /**< of its newest message */
    uint64_t *view;      /**< owned: bit per role set */
    uint32_t view_words; /**< words at `view` */
    uint32_t guild;      /**< slot */
    uint32_t next;       /**< next channel of the guild, or next free slot */
    uint8_t type;
    bool is_used;
    bool is_unread;    /**< NEXUS_UNREAD is due */
    nx_time unread_at; /**< when it was told last */
};

/** A guild with sessions on this shard. */
struct gw_guild {
    uint64_t id;
    struct gw_member *members; /**< owned */
    uint32_t members_count;    /**< sessions of this shard */
    uint32_t members_room;
    uint32_t selective_count; /**< members that chose channels to look at */
    uint32_t total_count;     /**< members of the whole guild, as control says */
    uint32_t channels_first;  /**< slot; GW_GUILD_NONE: none */
    uint32_t pending_first;   /**< position of the oldest frame not in a pass yet */
    uint32_t pending_last;
    uint32_t pending_count;
    uint32_t next_number; /**< number of the next frame of this guild */
    uint32_t queue_next;  /**< next guild of the same queue, or next free slot */
    bool is_queued;
    bool is_large;   /**< members' events only for those who look */
    bool has_missed; /**< control came back with messages that were never told here */
    bool is_used;
};

/** The guilds of a shard. */
struct gw_guilds {
    struct gw_memory memory; /**< given */
    struct gw_guild *guilds; /**< owned, grown by doubling: pointers into it die when a guild is added */
    uint32_t guilds_room;
    uint32_t guilds_free; /**< first free slot */
    uint32_t guilds_count;
    struct gw_channel *channels; /**< owned, grown by doubling */
    uint32_t channels_room;
    uint32_t channels_free;
    uint32_t channels_count;
    struct gw_index guild_ids;
    struct gw_index channel_ids;
    uint64_t members_bytes; /**< held by member arrays */
    uint64_t views_bytes;   /**< held by view sets */
};

/** Prepares an empty set. */
void gw_guild_table_init(struct gw_guilds *guilds, const struct gw_memory *memory, uint64_t seed);

/** Gives all memory back. */
void gw_guild_table_fini(struct gw_guilds *guilds);

/** Returns the guild in `slot`, which is used. */
static inline struct gw_guild *gw_guild_at(const struct gw_guilds *guilds, uint32_t slot)
{
    return &guilds->guilds[slot];
}

/** Returns the channel in `slot`, which is used. */
static inline struct gw_channel *gw_guild_channel_at(const struct gw_guilds *guilds, uint32_t slot)
{
    return &guilds->channels[slot];
}

/** Returns the slot of the guild called `id`, or GW_GUILD_NONE. */
uint32_t gw_guild_find(const struct gw_guilds *guilds, uint64_t id);

/** Returns the slot of the channel called `id` in the guild in slot `guild`, or GW_GUILD_NONE. */
uint32_t gw_guild_channel_find(const struct gw_guilds *guilds, uint32_t guild, uint64_t id);

/** Finds or makes the guild called `id`. Returns NX_OK; NX_E_FULL; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err gw_guild_add(struct gw_guilds *guilds, uint64_t id, uint32_t *slot);

/** Forgets the guild in `slot` with its channels; it has no member and nothing pending. */
void gw_guild_remove(struct gw_guilds *guilds, uint32_t slot);

/** Finds or makes a channel and replaces who may view it: bit i of byte i/8 of `view` is role set i.
 *  Returns NX_OK; NX_E_FULL; NX_E_NO_MEMORY; NX_E_CONFLICT when the id is a channel of another guild. */
NX_MUST_USE enum nx_err gw_guild_channel_set(struct gw_guilds *guilds, uint32_t guild, uint64_t id,
                                             uint8_t type, uint64_t last_seq, struct nx_bytes view);

/** Forgets the channel in `slot`; nobody looks at it any more. */
void gw_guild_channel_remove(struct gw_guilds *guilds, uint32_t slot);

/** Says whether one role set may view the channel in `slot`. Returns NX_OK; NX_E_NO_MEMORY; NX_E_MALFORMED for a role
 *  set past PERM_ROLESETS_PER_GUILD_MAX. */
NX_MUST_USE enum nx_err gw_guild_channel_view(struct gw_guilds *guilds, uint32_t slot, uint32_t roleset,
                                              bool may);

/** Returns whether `roleset` may view `channel`. */
static inline bool gw_guild_may_view(const struct gw_channel *channel, uint32_t roleset)
{
    return roleset / 64 < channel->view_words && (channel->view[roleset / 64] >> (roleset % 64) & 1) != 0;
}

/** Makes `session` a member of the guild in `slot`, from the next frame on. Returns NX_OK, also when it is one already
 *  (its role set is then replaced); NX_E_FULL; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err gw_guild_join(struct gw_guilds *guilds, struct gw_sessions *sessions, uint32_t slot,
                                      struct gw_session *session, uint32_t roleset);

/** Takes member `index` out: the last one moves into its place. The caller has settled both (fanout.h). */
void gw_guild_leave(struct gw_guilds *guilds, struct gw_sessions *sessions, uint32_t slot, uint32_t index);

/** Replaces what a member looks at in the guild in `slot`: `channels_count` slots of channels it may view; `channels`
 *  NULL means everything again.
 *  Returns NX_OK; NX_E_FULL; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err gw_guild_subscribe(struct gw_guilds *guilds, struct gw_sessions *sessions,
                                           uint32_t slot, uint32_t index, const uint32_t *channels,
                                           uint32_t channels_count, bool wants_members);

/** Returns the bytes that guilds, channels, members and views hold. */
uint64_t gw_guild_bytes(const struct gw_guilds *guilds);

#endif
