#include "gatewayd/core/fanout.h"

#include "engine/base/assert.h"
#include "gatewayd/core/close_code.h"
#include "gatewayd/core/intent.h"

static const struct gw_queue queue_empty = {.first = GW_SESSION_NONE, .last = GW_SESSION_NONE};

void gw_fanout_init(struct gw_fanout *fanout, struct gw_framelog *log, struct gw_sessions *sessions,
                    struct gw_guilds *guilds)
{
    *fanout = (struct gw_fanout){.log = log,
                                 .sessions = sessions,
                                 .guilds = guilds,
                                 .small = queue_empty,
                                 .large = queue_empty,
                                 .dirty = queue_empty,
                                 .urgent = queue_empty};
    fanout->pass.guild = GW_GUILD_NONE;
}

/* ---- sessions that have something to write ---- */

void gw_fanout_mark(struct gw_fanout *fanout, struct gw_session *session)
{
    if ((session->flags & (GW_SESSION_DIRTY | GW_SESSION_BLOCKED | GW_SESSION_COMMITTED)) != 0 ||
        session->conn == GW_SESSION_NONE) {
        return;
    }
    session->flags |= GW_SESSION_DIRTY;
    session->next_dirty = GW_SESSION_NONE;
    if (fanout->dirty.last == GW_SESSION_NONE) {
        fanout->dirty.first = session->index;
    } else {
        gw_session_at(fanout->sessions, fanout->dirty.last)->next_dirty = session->index;
    }
    fanout->dirty.last = session->index;
    fanout->dirty.count++;
}

void gw_fanout_mark_urgent(struct gw_fanout *fanout, struct gw_session *session)
{
    if ((session->flags & GW_SESSION_URGENT) != 0 || session->conn == GW_SESSION_NONE) {
        return;
    }
    session->flags |= GW_SESSION_URGENT;
    session->next_urgent = GW_SESSION_NONE;
    if (fanout->urgent.last == GW_SESSION_NONE) {
        fanout->urgent.first = session->index;
    } else {
        gw_session_at(fanout->sessions, fanout->urgent.last)->next_urgent = session->index;
    }
    fanout->urgent.last = session->index;
    fanout->urgent.count++;
}

struct gw_session *gw_fanout_next(struct gw_fanout *fanout, bool is_urgent)
{
    struct gw_queue *queue = is_urgent ? &fanout->urgent : &fanout->dirty;
    while (queue->first != GW_SESSION_NONE) {
        struct gw_session *session = gw_session_at(fanout->sessions, queue->first);
        queue->first = is_urgent ? session->next_urgent : session->next_dirty;
        if (queue->first == GW_SESSION_NONE) {
            queue->last = GW_SESSION_NONE;
        } else if (!is_urgent) {
            __builtin_prefetch(gw_session_at(fanout->sessions, queue->first));
        }
        queue->count--;
        session->flags &= (uint8_t) ~(is_urgent ? GW_SESSION_URGENT : GW_SESSION_DIRTY);
        if (session->conn != GW_SESSION_NONE) {
            return session;
        }
    }
    return NULL;
}

void gw_fanout_doom(struct gw_fanout *fanout, struct gw_session *session, uint16_t code, const char *reason)
{
    if ((session->flags & GW_SESSION_DOOMED) == 0) {
        session->flags |= GW_SESSION_DOOMED;
        session->owed |= GW_OWED_CLOSE;
        session->close_code = code;
        session->close_reason = reason;
        gw_fanout_mark_urgent(fanout, session);
    }
}

/* ---- frames to sessions ---- */

static inline void give(struct gw_fanout *fanout, struct gw_session *session, uint32_t position,
                        uint32_t size, uint32_t flags)
{
    /* Not NEXUS_UNREAD: after the last of a burst nothing replaces it. */
    if ((flags & (GW_FRAME_REPLACEABLE | GW_FRAME_UNREAD)) == GW_FRAME_REPLACEABLE &&
        (gw_session_unsent(session) > GW_UNSENT_MAX / 2 || session->unsent_size > GW_UNSENT_SIZE_MAX / 2)) {
        fanout->dropped_count++;
        return;
    }
    if (!gw_session_push(fanout->sessions, session, position, size)) {
        fanout->slow_count++;
        gw_fanout_doom(fanout, session, GW_CLOSE_SLOW, "slow consumer");
        /* A doomed session slides, so that what it misses is the oldest and not this one. */
        (void)gw_session_push(fanout->sessions, session, position, size);
        return;
    }
    if (session->unsent_size > GW_UNSENT_SIZE_MAX && session->unsent_size > session->unsent_limit &&
        session->state == GW_SESSION_READY && (session->flags & GW_SESSION_DOOMED) == 0) {
        fanout->slow_count++;
        gw_fanout_doom(fanout, session, GW_CLOSE_SLOW, "slow consumer");
    }
    fanout->deliveries_count++;
}

void gw_fanout_give(struct gw_fanout *fanout, struct gw_session *session, uint32_t position, uint32_t size)
{
    if (session->ring != NULL) {
        give(fanout, session, position, size, 0);
        gw_fanout_mark(fanout, session);
    }
}

static bool wants(const struct gw_fanout *fanout, const struct gw_member *member,
                  const struct gw_pass_frame *frame, bool is_large)
{
    if ((int32_t)(frame->number - member->since) < 0 || !gw_intent_wants(member->intents, frame->intents)) {
        return false;
    }
    if (frame->is_channel) {
        if (member->roleset / 64 >= frame->view_words ||
            (frame->view[member->roleset / 64] >> (member->roleset % 64) & 1) == 0) {
            return false;
        }
        const bool is_elsewhere =
            (member->flags & GW_MEMBER_SELECTIVE) != 0 && member->channel != frame->channel_slot &&
            ((member->flags & GW_MEMBER_SEVERAL) == 0 ||
             !gw_session_channel_has(gw_session_at(fanout->sessions, member->session), frame->channel_slot));
        if (is_elsewhere != ((frame->flags & GW_FRAME_UNREAD) != 0)) {
            return false;
        }
    }
    if ((frame->flags & GW_FRAME_MEMBERS) != 0 && is_large && (member->flags & GW_MEMBER_MEMBERS) == 0) {
        return false;
    }
    return frame->except_user_id == 0 ||
           gw_session_at(fanout->sessions, member->session)->user_id != frame->except_user_id;
}

static inline void deliver(struct gw_fanout *fanout, const struct gw_pass *pass,
                           const struct gw_member *member, bool is_large)
{
    struct gw_session *session = NULL;
    for (uint32_t i = 0; i < pass->count; i++) {
        const struct gw_pass_frame *frame = &pass->frames[i];
        if (wants(fanout, member, frame, is_large)) {
            session = gw_session_at(fanout->sessions, member->session);
            give(fanout, session, frame->position, frame->size, frame->flags);
        }
    }
    if (session != NULL) {
        gw_fanout_mark(fanout, session);
    }
}

static void queue_guild(struct gw_fanout *fanout, uint32_t slot)
{
    struct gw_guild *guild = gw_guild_at(fanout->guilds, slot);
    if (guild->is_queued) {
        return;
    }
    struct gw_queue *queue = guild->members_count <= GW_SMALL_GUILD ? &fanout->small : &fanout->large;
    guild->is_queued = true;
    guild->queue_next = GW_GUILD_NONE;
    if (queue->last == GW_GUILD_NONE) {
        queue->first = slot;
    } else {
        gw_guild_at(fanout->guilds, queue->last)->queue_next = slot;
    }
    queue->last = slot;
    queue->count++;
}

static uint32_t unqueue_guild(struct gw_fanout *fanout, struct gw_queue *queue)
{
    const uint32_t slot = queue->first;
    struct gw_guild *guild = gw_guild_at(fanout->guilds, slot);
    queue->first = guild->queue_next;
    if (queue->first == GW_GUILD_NONE) {
        queue->last = GW_GUILD_NONE;
    }
    queue->count--;
    guild->is_queued = false;
    return slot;
}

static void unqueue_this(struct gw_fanout *fanout, uint32_t slot)
{
    struct gw_queue *queues[2] = {&fanout->small, &fanout->large};
    for (int i = 0; i < 2 && gw_guild_at(fanout->guilds, slot)->is_queued; i++) {
        for (uint32_t n = queues[i]->count; n > 0; n--) {
            const uint32_t at = unqueue_guild(fanout, queues[i]);
            if (at == slot) {
                continue;
            }
            struct gw_guild *guild = gw_guild_at(fanout->guilds, at);
            guild->is_queued = true;
            guild->queue_next = GW_GUILD_NONE;
            if (queues[i]->last == GW_GUILD_NONE) {
                queues[i]->first = at;
            } else {
                gw_guild_at(fanout->guilds, queues[i]->last)->queue_next = at;
            }
            queues[i]->last = at;
            queues[i]->count++;
        }
    }
}

enum nx_err gw_fanout_publish(struct gw_fanout *fanout, uint32_t slot, const struct gw_frame_info *info,
                              struct nx_bytes tail)
{
    if (fanout->waiting_units > fanout->log->units / 4) {
        gw_fanout_settle_all(fanout);
    }
    uint32_t position;
    const enum nx_err err = gw_framelog_append(fanout->log, info, tail, &position);
    if (err != NX_OK) {
        return err;
    }
    struct gw_guild *guild = gw_guild_at(fanout->guilds, slot);
    if (guild->pending_count == 0) {
        guild->pending_first = position;
    } else {
        gw_framelog_at(fanout->log, guild->pending_last)->next = position;
    }
    guild->pending_last = position;
    guild->pending_count++;
    guild->next_number++;
    fanout->waiting_units += gw_framelog_at(fanout->log, position)->units;
    queue_guild(fanout, slot);
    return NX_OK;
}

enum nx_err gw_fanout_private(struct gw_fanout *fanout, struct gw_session *session, struct nx_bytes tail)
{
    const struct gw_frame_info info = {0};
    uint32_t position;
    if (fanout->waiting_units > fanout->log->units / 4) {
        gw_fanout_settle_all(fanout);
    }
    const enum nx_err err = gw_framelog_append(fanout->log, &info, tail, &position);
    if (err == NX_OK) {
        gw_fanout_give(fanout, session, position, (uint32_t)tail.size);
    }
    return err;
}

static void pass_frame(struct gw_fanout *fanout, uint32_t slot, uint32_t position, uint32_t number,
                       struct gw_pass_frame *out)
{
    const struct gw_frame *frame = gw_framelog_at(fanout->log, position);
    *out = (struct gw_pass_frame){.intents = frame->intents,
                                  .except_user_id = frame->except_user_id,
                                  .channel_slot = GW_GUILD_NONE,
                                  .position = position,
                                  .size = frame->size,
                                  .number = number,
                                  .flags = frame->flags};
    if (frame->channel_id != 0) {
        /* A channel that is not known (any more) may be viewed by nobody: no words. */
        out->is_channel = true;
        out->channel_slot = gw_guild_channel_find(fanout->guilds, slot, frame->channel_id);
        if (out->channel_slot != GW_GUILD_NONE) {
            const struct gw_channel *channel = gw_guild_channel_at(fanout->guilds, out->channel_slot);
            out->view = channel->view;
            out->view_words = channel->view_words;
        }
    }
}

/* Moves up to GW_PASS_FRAMES_MAX frames from the guild's list into `pass`. */
static void pass_begin(struct gw_fanout *fanout, struct gw_pass *pass, uint32_t slot)
{
    struct gw_guild *guild = gw_guild_at(fanout->guilds, slot);
    pass->guild = slot;
    pass->cursor = 0;
    pass->count = 0;
    pass->units = 0;
    uint32_t number = guild->next_number - guild->pending_count;
    while (guild->pending_count != 0 && pass->count < GW_PASS_FRAMES_MAX) {
        const uint32_t position = guild->pending_first;
        NX_ASSERT(
            gw_framelog_has(fanout->log, position)); /* publish settles long before the log comes round */
        const struct gw_frame *frame = gw_framelog_at(fanout->log, position);
        if ((frame->flags & GW_FRAME_VOID) == 0) {
            pass_frame(fanout, slot, position, number, &pass->frames[pass->count++]);
        }
        pass->units += frame->units;
        guild->pending_first = frame->next;
        guild->pending_count--;
        number++;
    }
    fanout->passes_count++;
}

static void pass_run(struct gw_fanout *fanout, struct gw_pass *pass, uint32_t members_max)
{
    const struct gw_guild *guild = gw_guild_at(fanout->guilds, pass->guild);
    const uint32_t left = guild->members_count - pass->cursor;
    const uint32_t end = pass->cursor + (members_max < left ? members_max : left);
    for (uint32_t i = pass->cursor; i < end; i++) {
        if (i + 4 < end) {
            const struct gw_session *ahead = gw_session_at(fanout->sessions, guild->members[i + 4].session);
            __builtin_prefetch(ahead, 1);
        }
        deliver(fanout, pass, &guild->members[i], guild->is_large);
    }
    pass->cursor = end;
    if (end == guild->members_count) {
        fanout->waiting_units -= pass->units;
        pass->guild = GW_GUILD_NONE;
    }
}

bool gw_fanout_step(struct gw_fanout *fanout, uint32_t members_max)
{
    uint32_t left = members_max;
    struct gw_pass pass;
    while (fanout->small.count != 0 && left != 0) {
        const uint32_t slot = unqueue_guild(fanout, &fanout->small);
        const uint32_t members = gw_guild_at(fanout->guilds, slot)->members_count;
        if (fanout->pass.guild == slot) {
            pass_run(fanout, &fanout->pass, UINT32_MAX); /* It has shrunk since: older frames first. */
        }
        pass_begin(fanout, &pass, slot);
        pass_run(fanout, &pass, UINT32_MAX);
        if (gw_guild_at(fanout->guilds, slot)->pending_count != 0) {
            queue_guild(fanout, slot);
        }
        left -= members < left ? members : left;
    }
    if (left != 0 && fanout->pass.guild == GW_GUILD_NONE && fanout->large.count != 0) {
        pass_begin(fanout, &fanout->pass, unqueue_guild(fanout, &fanout->large));
    }
    if (left != 0 && fanout->pass.guild != GW_GUILD_NONE) {
        const uint32_t slot = fanout->pass.guild;
        pass_run(fanout, &fanout->pass, left);
        if (fanout->pass.guild == GW_GUILD_NONE && gw_guild_at(fanout->guilds, slot)->pending_count != 0) {
            queue_guild(fanout, slot);
        }
    }
    return gw_fanout_has_work(fanout);
}

void gw_fanout_settle(struct gw_fanout *fanout, uint32_t slot)
{
    if (fanout->pass.guild == slot) {
        pass_run(fanout, &fanout->pass, UINT32_MAX);
    }
    struct gw_guild *guild = gw_guild_at(fanout->guilds, slot);
    while (guild->pending_count != 0) {
        struct gw_pass pass;
        pass_begin(fanout, &pass, slot);
        pass_run(fanout, &pass, UINT32_MAX);
    }
    if (guild->is_queued) {
        unqueue_this(fanout, slot);
    }
}

void gw_fanout_settle_all(struct gw_fanout *fanout)
{
    while (gw_fanout_step(fanout, UINT32_MAX)) {
    }
}

void gw_fanout_catch_up(struct gw_fanout *fanout, uint32_t slot, uint32_t index)
{
    struct gw_guild *guild = gw_guild_at(fanout->guilds, slot);
    struct gw_member *member = &guild->members[index];
    if (fanout->pass.guild == slot && index >= fanout->pass.cursor) {
        deliver(fanout, &fanout->pass, member, guild->is_large);
    }
    struct gw_pass one = {.guild = slot, .count = 1};
    uint32_t position = guild->pending_first;
    uint32_t number = guild->next_number - guild->pending_count;
    for (uint32_t i = 0; i < guild->pending_count; i++, number++) {
        const struct gw_frame *frame = gw_framelog_at(fanout->log, position);
        if ((frame->flags & GW_FRAME_VOID) == 0) {
            pass_frame(fanout, slot, position, number, &one.frames[0]);
            deliver(fanout, &one, member, guild->is_large);
        }
        position = frame->next;
    }
    member->since = guild->next_number;
}

void gw_fanout_leave(struct gw_fanout *fanout, uint32_t slot, uint32_t index)
{
    const struct gw_guild *guild = gw_guild_at(fanout->guilds, slot);
    gw_fanout_catch_up(fanout, slot, index);
    if (index + 1 != guild->members_count) {
        /* The last member moves to a place that the cursor may have passed. */
        gw_fanout_catch_up(fanout, slot, guild->members_count - 1);
    }
    gw_guild_leave(fanout->guilds, fanout->sessions, slot, index);
    if (fanout->pass.guild == slot && fanout->pass.cursor > guild->members_count) {
        fanout->pass.cursor = guild->members_count;
    }
}
