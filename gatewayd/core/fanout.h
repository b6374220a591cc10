/* fanout.h - one event to many sessions: encoded once, handed out in slices, written once per session.
 *
 * Spec:    architecture.md section 3 (turns have a budget) and 4
 * Layer:   gatewayd/core (pure)
 * Threads: own shard
 * Limits:  GW_PASS_FRAMES_MAX frames per pass; a quarter of the frame log may be waiting, then everything is handed out
 *          at once
 * Idiom:   publish puts a frame on its guild's list and queues the guild. step walks members, giving each all frames of
 *          the pass at once (its position goes into the session's ring: 4 bytes, no reference); what arrives meanwhile
 *          waits for the next pass, so a loaded guild coalesces. next hands out sessions with something to write.
 *
 * Small guilds go first and whole; of the large ones one pass is under way at a time. Rights are those at the moment of
 * handing out, so whoever changes them calls settle (or catch_up for one member) before.
 */
#ifndef GW_CORE_FANOUT_H
#define GW_CORE_FANOUT_H

#include "gatewayd/core/framelog.h"
#include "gatewayd/core/guild.h"
#include "gatewayd/core/limits.h"
#include "gatewayd/core/session.h"

/** A frame of the pass under way with all that decides who gets it. */
struct gw_pass_frame {
    uint64_t intents;
    uint64_t except_user_id;
    const uint64_t *view;  /**< of a channel: bit per role set */
    uint32_t view_words;   /**< words at `view` */
    uint32_t channel_slot; /**< GW_GUILD_NONE: not known, or the whole guild */
    uint32_t position;
    uint32_t size;
    uint32_t number;
    uint32_t flags;  /**< enum gw_frame_flag */
    bool is_channel; /**< not of the whole guild */
};

/** A pass over the members of one guild. */
struct gw_pass {
    uint32_t guild;  /**< slot; GW_GUILD_NONE: none under way */
    uint32_t cursor; /**< next member */
    uint32_t count;  /**< frames */
    uint32_t units;  /**< log units of the frames */
    struct gw_pass_frame frames[GW_PASS_FRAMES_MAX];
};

/** A first-in first-out list of sessions or guilds, linked by index. */
struct gw_queue {
    uint32_t first;
    uint32_t last;
    uint32_t count;
};

/** The fan-out of a shard. */
struct gw_fanout {
    struct gw_framelog *log;      /**< given */
    struct gw_sessions *sessions; /**< given */
    struct gw_guilds *guilds;     /**< given */
    struct gw_queue small;        /**< guilds with frames and at most GW_SMALL_GUILD members */
    struct gw_queue large;        /**< the others */
    struct gw_queue dirty;        /**< sessions to be flushed */
    struct gw_queue urgent;       /**< sessions to be flushed first */
    uint64_t waiting_units;       /**< log units of frames not handed out */
    uint64_t deliveries_count;    /**< positions handed to sessions, ever */
    uint64_t dropped_count;       /**< replaceable frames that a session behind was spared, ever */
    uint64_t slow_count;          /**< sessions given up as slow, ever */
    uint64_t passes_count;        /**< passes begun, ever */
    struct gw_pass pass;          /**< of a large guild */
};

/** Binds the parts together. */
void gw_fanout_init(struct gw_fanout *fanout, struct gw_framelog *log, struct gw_sessions *sessions,
                    struct gw_guilds *guilds);

/** Appends an event of the guild in `slot` to the log and queues it. Returns NX_OK; NX_E_FULL for a tail too long. */
NX_MUST_USE enum nx_err gw_fanout_publish(struct gw_fanout *fanout, uint32_t slot,
                                          const struct gw_frame_info *info, struct nx_bytes tail);

/** Appends a frame and hands it to one session. Returns NX_OK; NX_E_FULL for a tail too long. */
NX_MUST_USE enum nx_err gw_fanout_private(struct gw_fanout *fanout, struct gw_session *session,
                                          struct nx_bytes tail);

/** Hands the frame at `position` (with a tail of `size` bytes) to one session. */
void gw_fanout_give(struct gw_fanout *fanout, struct gw_session *session, uint32_t position, uint32_t size);

/** Hands out what is pending to about `members_max` members more. Returns whether there is more to hand out. */
bool gw_fanout_step(struct gw_fanout *fanout, uint32_t members_max);

/** Hands everything of the guild in `slot` out now, without sending: before its channels or rights change. */
void gw_fanout_settle(struct gw_fanout *fanout, uint32_t slot);

/** Hands everything out now. */
void gw_fanout_settle_all(struct gw_fanout *fanout);

/** Hands everything pending of the guild in `slot` to one member now: before its rights change or it leaves. */
void gw_fanout_catch_up(struct gw_fanout *fanout, uint32_t slot, uint32_t index);

/** Takes member `index` out of the guild in `slot`, after it and the member that moves into its place were caught up. */
void gw_fanout_leave(struct gw_fanout *fanout, uint32_t slot, uint32_t index);

/** Puts `session` on the list of those to be flushed, unless it is there or blocked. */
void gw_fanout_mark(struct gw_fanout *fanout, struct gw_session *session);

/** Puts `session` on the list of those that are flushed first. */
void gw_fanout_mark_urgent(struct gw_fanout *fanout, struct gw_session *session);

/** Takes the next session off the urgent list, or with `is_urgent` false off the other one; NULL when it is empty. Those whose
 *  connection is gone are passed over. */
struct gw_session *gw_fanout_next(struct gw_fanout *fanout, bool is_urgent);

/** Ends a session's connection: a close frame with `code` is owed, nothing else is sent. `reason` is static or NULL. */
void gw_fanout_doom(struct gw_fanout *fanout, struct gw_session *session, uint16_t code, const char *reason);

/** Returns whether so much is waiting that no more should be read from the bus for now. */
static inline bool gw_fanout_is_behind(const struct gw_fanout *fanout)
{
    return fanout->waiting_units > fanout->log->units / 8;
}

/** Returns whether there is anything to hand out. */
static inline bool gw_fanout_has_work(const struct gw_fanout *fanout)
{
    return fanout->small.count != 0 || fanout->large.count != 0 || fanout->pass.guild != GW_GUILD_NONE;
}

#endif
