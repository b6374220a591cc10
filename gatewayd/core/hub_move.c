/* The export of a session: u8 found; then u64 user_id, sid, intents, u32 capabilities, u8 status, u32 first s, u32 next s,
 * and per dispatch that is still there u32 s, u32 size, tail. Big-endian. */
#include "engine/base/assert.h"
#include "engine/base/reader.h"
#include "gatewayd/core/close_code.h"
#include "gatewayd/core/hub_parts.h"

enum { MOVE_HEAD = 1 + 8 * 3 + 4 + 1 + 4 + 4, MOVE_FRAME = 8, CHANNEL_CATEGORY = 4 };

/* Visits what the ring still has; void dispatches and those gone from the log are left out. */
static const struct gw_frame *visit(const struct gw_hub *hub, const struct gw_session *session, uint32_t s)
{
    const uint32_t position = session->ring[s & session->ring_mask];
    if (!gw_framelog_has(&hub->log, position)) {
        return NULL;
    }
    const struct gw_frame *frame = gw_framelog_at(&hub->log, position);
    return (frame->flags & GW_FRAME_VOID) != 0 ? NULL : frame;
}

/* The oldest s from which on nothing is gone from the log. */
static uint32_t first_whole(const struct gw_hub *hub, const struct gw_session *session)
{
    uint32_t first = session->head;
    while (first != session->tail &&
           gw_framelog_has(&hub->log, session->ring[(first - 1) & session->ring_mask])) {
        first--;
    }
    return first;
}

uint8_t *gw_hub_move_export(struct gw_hub *hub, nx_time now, struct gw_session *session, size_t *size)
{
    const bool is_found = session != NULL && session->ring != NULL && session->burst == NULL &&
                          !session->is_over &&
                          (session->state == GW_SESSION_READY || session->state == GW_SESSION_DETACHED);
    size_t need = MOVE_HEAD;
    uint32_t first = 0;
    if (is_found) {
        for (uint32_t i = 0; i < session->refs_count; i++) {
            gw_hub_unread_flush(hub, now,
                                session->refs[i].guild); /* Nobody would tell it on the new shard. */
            gw_fanout_catch_up(&hub->fanout, session->refs[i].guild, session->refs[i].member);
        }
        first = first_whole(hub, session);
        for (uint32_t s = first; s != session->head; s++) {
            const struct gw_frame *frame = visit(hub, session, s);
            need += frame != NULL ? MOVE_FRAME + frame->size : 0;
        }
    }
    uint8_t *bytes = gw_memory_take(&hub->config.memory, need);
    if (bytes != NULL) {
        struct nx_writer w = nx_writer_init(bytes, need);
        nx_writer_u8(&w, is_found ? 1 : 0);
        nx_writer_u64(&w, is_found ? session->user_id : 0);
        nx_writer_u64(&w, is_found ? session->sid : 0);
        nx_writer_u64(&w, is_found ? session->intents : 0);
        nx_writer_u32(&w, is_found ? session->capabilities : 0);
        nx_writer_u8(&w, is_found ? session->status : 0);
        nx_writer_u32(&w, first);
        nx_writer_u32(&w, is_found ? session->head : 0);
        for (uint32_t s = first; is_found && s != session->head; s++) {
            const struct gw_frame *frame = visit(hub, session, s);
            if (frame != NULL) {
                nx_writer_u32(&w, s);
                nx_writer_u32(&w, frame->size);
                nx_writer_bytes_put(&w, gw_framelog_tail(frame));
            }
        }
        NX_ASSERT(nx_writer_ok(&w) && w.size == need);
        *size = need;
    }
    if (session != NULL && (session->state == GW_SESSION_READY || session->state == GW_SESSION_DETACHED)) {
        session->is_open = false; /* Control has moved it already. */
        gw_hub_leave_all(hub, session);
        gw_hub_end(hub, now, session, GW_CLOSE_REPLACED, "replaced");
    }
    return bytes;
}

void gw_hub_move_forget(struct gw_hub *hub, nx_time now, uint64_t handle, uint64_t user_id, uint64_t sid)
{
    struct gw_session *session = gw_session_find(&hub->sessions, handle);
    if (session != NULL && session->user_id == user_id && session->sid == sid && !session->is_over &&
        (session->state == GW_SESSION_READY || session->state == GW_SESSION_DETACHED)) {
        gw_hub_end(hub, now, session, GW_CLOSE_REPLACED, "replaced");
    }
}

static void no_memory(struct gw_hub *hub, nx_time now, struct gw_session *session)
{
    hub->metrics.no_memory_total++;
    gw_hub_end(hub, now, session, GW_CLOSE_UNKNOWN, "out of memory");
}

/* What arrived here since SESSION_OPENED. */
struct live {
    uint32_t positions[GW_RING_SIZE_MAX];
    uint32_t count;
};

static void live_take(const struct gw_session *session, struct live *live)
{
    live->count = 0;
    for (uint32_t s = session->tail; s != session->head; s++) {
        live->positions[live->count++] = session->ring[s & session->ring_mask];
    }
}

static void live_give(struct gw_hub *hub, struct gw_session *session, const struct live *live)
{
    for (uint32_t i = 0; i < live->count; i++) {
        if (gw_framelog_has(&hub->log, live->positions[i])) {
            gw_fanout_give(&hub->fanout, session, live->positions[i],
                           gw_framelog_at(&hub->log, live->positions[i])->size);
        }
    }
}

/* NEXUS_RESYNC for every channel that the session may view; returns how many, UINT32_MAX without memory. */
static uint32_t add_resyncs(struct gw_hub *hub, struct gw_session *session)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < session->refs_count; i++) {
        const struct gw_guild *guild = gw_guild_at(&hub->guilds, session->refs[i].guild);
        const uint32_t roleset = guild->members[session->refs[i].member].roleset;
        const struct gw_channel *channel;
        for (uint32_t at = guild->channels_first; at != GW_GUILD_NONE; at = channel->next) {
            channel = gw_guild_channel_at(&hub->guilds, at);
            if (channel->type == CHANNEL_CATEGORY || !gw_guild_may_view(channel, roleset)) {
                continue;
            }
            uint8_t tail[128];
            struct nx_writer w = nx_writer_init(tail, sizeof(tail));
            nx_writer_text(&w, "\"t\":\"NEXUS_RESYNC\",\"d\":{\"channel_id\":\"");
            nx_writer_decimal(&w, channel->id);
            nx_writer_text(&w, "\",\"last_seq\":");
            nx_writer_decimal(&w, channel->last_seq);
            nx_writer_text(&w, "}}");
            const struct nx_bytes part = nx_writer_bytes(&w);
            if (gw_session_burst_add(&hub->sessions, session, &part, 1) != NX_OK) {
                return UINT32_MAX;
            }
            count++;
        }
    }
    return count;
}

/* The old shard does not have all that the client misses, but the client can fetch it: RESUMED, NEXUS_RESYNC per channel,
 * then what arrived here. This shard has heard all that happened since the session began here. */
static void resync(struct gw_hub *hub, nx_time now, struct gw_session *session)
{
    const struct nx_bytes resumed = nx_bytes_text("\"t\":\"RESUMED\",\"d\":{}}");
    const uint32_t first_s = session->want_seq + 1;
    struct live live;
    live_take(session, &live);
    if (gw_session_burst_open(&hub->sessions, session, first_s) != NX_OK ||
        gw_session_burst_add(&hub->sessions, session, &resumed, 1) != NX_OK) {
        no_memory(hub, now, session);
        return;
    }
    const uint32_t resyncs = add_resyncs(hub, session);
    if (resyncs == UINT32_MAX ||
        gw_session_ring_open(&hub->sessions, session, first_s + 1 + resyncs) != NX_OK) {
        no_memory(hub, now, session);
        return;
    }
    session->burst->is_complete = true;
    gw_session_state_set(&hub->sessions, session, GW_SESSION_DETACHED);
    live_give(hub, session, &live);
    session->unsent_limit = session->unsent_size + GW_UNSENT_SIZE_MAX;
    hub->metrics.restores_total++;
    gw_hub_live(hub, now, session);
    gw_fanout_mark_urgent(&hub->fanout, session);
}

static void move_failed(struct gw_hub *hub, nx_time now, struct gw_session *session, struct gw_verdict *out)
{
    if (!session->is_bot && (session->capabilities & NX_BUS_CAPABILITY_RESYNC) != 0) {
        resync(hub, now, session);
        return;
    }
    out->kind = GW_VERDICT_CLOSE;
    out->as.close = (struct nx_bus_session_close){.session = gw_session_handle(session)};
    gw_hub_open_refuse(hub, now, session);
}

/* Takes over what the old shard still had; false when the export is not whole. */
static bool import_frames(struct gw_hub *hub, struct gw_session *session, struct nx_reader *r)
{
    const struct gw_frame_info info = {0};
    while (nx_reader_left(r) != 0) {
        const uint32_t s = nx_reader_u32(r);
        const struct nx_bytes tail = nx_reader_bytes(r, nx_reader_u32(r));
        uint32_t position;
        if (!nx_reader_ok(r)) {
            return false;
        }
        if (s > session->want_seq && gw_framelog_append(&hub->log, &info, tail, &position) == NX_OK) {
            gw_fanout_give(&hub->fanout, session, position, (uint32_t)tail.size);
        }
    }
    return true;
}

/* The old shard may be faster than control's word to this one: what it sends waits where first dispatches do. */
static void keep_early(struct gw_hub *hub, nx_time now, struct gw_session *session, struct nx_bytes bytes)
{
    if (session->burst != NULL || gw_session_burst_open(&hub->sessions, session, 0) != NX_OK ||
        gw_session_burst_add(&hub->sessions, session, &bytes, 1) != NX_OK) {
        hub->metrics.no_memory_total++;
        gw_hub_end(hub, now, session, GW_CLOSE_UNKNOWN, "out of memory");
    }
}

void gw_hub_move_import(struct gw_hub *hub, nx_time now, uint64_t handle, struct nx_bytes bytes,
                        struct gw_verdict *out)
{
    out->kind = GW_VERDICT_NONE;
    struct gw_session *session = gw_session_find(&hub->sessions, handle);
    if (session != NULL && session->state == GW_SESSION_OPENING && session->reason == NX_BUS_OPEN_MOVE) {
        keep_early(hub, now, session, bytes);
        return;
    }
    if (session == NULL || session->state != GW_SESSION_RESUMING) {
        return;
    }
    struct nx_reader r = nx_reader_init(bytes.at, bytes.size);
    const bool is_found = nx_reader_u8(&r) == 1;
    const uint64_t user_id = nx_reader_u64(&r);
    const uint64_t sid = nx_reader_u64(&r);
    (void)nx_reader_u64(&r);
    (void)nx_reader_u32(&r);
    session->status = is_found ? nx_reader_u8(&r) : session->status;
    const uint32_t first = nx_reader_u32(&r);
    const uint32_t next = nx_reader_u32(&r);
    if (!is_found || !nx_reader_ok(&r) || user_id != session->user_id || sid != session->sid) {
        move_failed(hub, now, session, out);
        return;
    }
    if (session->want_seq >= next) {
        hub->metrics.resumes_refused_total++;
        gw_hub_end(hub, now, session, GW_CLOSE_INVALID_SEQ, "invalid seq");
        return;
    }
    if (session->want_seq + 1 < first) {
        move_failed(hub, now, session, out);
        return;
    }
    /* What arrived here since SESSION_OPENED comes behind what the old shard had. */
    struct live live;
    live_take(session, &live);
    if (gw_session_ring_open(&hub->sessions, session, session->want_seq + 1) != NX_OK) {
        no_memory(hub, now, session);
        return;
    }
    /* What a detached session gathered is more than a live one may owe: it is no slow consumer. */
    gw_session_state_set(&hub->sessions, session, GW_SESSION_DETACHED);
    const bool is_whole = import_frames(hub, session, &r);
    live_give(hub, session, &live);
    gw_session_state_set(&hub->sessions, session, GW_SESSION_RESUMING);
    if (!is_whole || session->sent != session->want_seq + 1) {
        no_memory(hub, now, session);
        return;
    }
    session->unsent_limit = session->unsent_size + GW_UNSENT_SIZE_MAX;
    hub->metrics.moves_total++;
    gw_hub_resumed(hub, now, session);
}
