#include "engine/base/assert.h"
#include "engine/base/reader.h"
#include "engine/crypto/seal.h"
#include "gatewayd/core/close_code.h"
#include "gatewayd/core/hub_parts.h"

/* Joins a session to the guilds listed and, when it was in others before, takes it out of those. */
static void join_guilds(struct gw_hub *hub, struct gw_session *session, struct nx_bytes guilds)
{
    for (uint32_t i = session->refs_count; i-- > 0;) {
        const struct gw_ref ref = session->refs[i];
        const uint64_t id = gw_guild_at(&hub->guilds, ref.guild)->id;
        struct nx_reader r = nx_reader_init(guilds.at, guilds.size);
        bool is_listed = false;
        while (nx_reader_left(&r) >= NX_BUS_GUILD_ENTRY_SIZE && !is_listed) {
            is_listed = nx_reader_u64(&r) == id;
            (void)nx_reader_u32(&r);
        }
        if (!is_listed) {
            gw_hub_input_subscribed(hub, session, &ref);
            gw_fanout_leave(&hub->fanout, ref.guild, ref.member);
        }
    }
    struct nx_reader r = nx_reader_init(guilds.at, guilds.size);
    while (nx_reader_left(&r) >= NX_BUS_GUILD_ENTRY_SIZE) {
        const uint64_t id = nx_reader_u64(&r);
        const uint32_t roleset = nx_reader_u32(&r);
        uint32_t slot;
        if (gw_guild_add(&hub->guilds, id, &slot) != NX_OK ||
            gw_guild_join(&hub->guilds, &hub->sessions, slot, session, roleset) != NX_OK) {
            hub->metrics.no_memory_total++;
        }
    }
}

void gw_hub_open_refuse(struct gw_hub *hub, nx_time now, struct gw_session *session)
{
    hub->metrics.resumes_refused_total++;
    session->is_open = false;
    gw_hub_leave_all(hub, session);
    gw_session_burst_close(&hub->sessions, session);
    gw_session_user_remove(&hub->sessions, session);
    if (session->ring != NULL && gw_session_ring_open(&hub->sessions, session, 1) != NX_OK) {
        NX_UNREACHABLE(); /* It has its ring: only emptied. */
    }
    gw_session_state_set(&hub->sessions, session, GW_SESSION_HELLO);
    nx_wheel_set(&hub->wheel, &session->timer, nx_time_add_ms(now, hub->config.identify_ms));
    session->flags &= (uint8_t)~GW_SESSION_HOLD;
    session->user_id = 0;
    session->owed |= GW_OWED_INVALID;
    gw_fanout_mark_urgent(&hub->fanout, session);
}

static void refused(struct gw_hub *hub, nx_time now, struct gw_session *session, uint16_t code)
{
    session->is_open = false;
    if (session->is_rejoining || session->reason == NX_BUS_OPEN_IDENTIFY) {
        gw_hub_end(hub, now, session, code, "refused by the service");
    } else {
        gw_hub_open_refuse(hub, now, session);
    }
}

static bool open_ring(struct gw_hub *hub, nx_time now, struct gw_session *session, uint32_t dispatches)
{
    const bool is_restored = session->reason == NX_BUS_OPEN_RESTORE;
    const uint32_t base = is_restored ? session->want_seq : 0;
    const uint32_t own = is_restored && dispatches != 0 ? 1 : 0; /* RESUMED, before what is to be fetched */
    session->flags |= GW_SESSION_HOLD;
    if (dispatches > UINT32_MAX / 4 ||
        gw_session_ring_open(&hub->sessions, session, base + 1 + own + dispatches) != NX_OK) {
        return false;
    }
    if (session->reason == NX_BUS_OPEN_MOVE) {
        gw_session_state_set(&hub->sessions, session, GW_SESSION_RESUMING);
        return true;
    }
    if (is_restored && dispatches == 0) {
        gw_hub_resumed(hub, now, session);
        return true;
    }
    gw_hub_live(hub, now, session);
    const struct nx_bytes resumed = nx_bytes_text("\"t\":\"RESUMED\",\"d\":{}}");
    return gw_session_burst_open(&hub->sessions, session, base + 1) == NX_OK &&
           (own == 0 || gw_session_burst_add(&hub->sessions, session, &resumed, 1) == NX_OK);
}

/* READY gets what only the gateway knows, right behind "d":{ . */
static bool add_ready(struct gw_hub *hub, struct gw_session *session, int64_t wall_ms, struct nx_bytes tail,
                      size_t splice)
{
    uint8_t text[NX_SEAL_TEXT_SIZE + GW_HUB_URL_MAX + 128];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    nx_writer_text(&w, "\"session_id\":\"");
    if (gw_hub_input_session_id(hub, session, wall_ms, &w) != NX_OK) {
        return false;
    }
    nx_writer_u8(&w, '"');
    if (hub->resume_url[0] != '\0') {
        nx_writer_text(&w, ",\"resume_gateway_url\":\"");
        nx_writer_text(&w, hub->resume_url);
        nx_writer_u8(&w, '"');
    }
    nx_writer_text(&w, ",\"resume_window\":{\"seconds\":");
    nx_writer_decimal(&w, hub->config.resume_ms / 1000);
    nx_writer_text(&w, ",\"events\":");
    nx_writer_decimal(&w, GW_REPLAY_MIN);
    nx_writer_u8(&w, '}');
    if (splice < tail.size && tail.at[splice] != '}') {
        nx_writer_u8(&w, ',');
    }
    NX_ASSERT(nx_writer_ok(&w));
    const struct nx_bytes parts[3] = {nx_bytes_slice(tail, 0, splice), nx_writer_bytes(&w),
                                      nx_bytes_slice(tail, splice, tail.size)};
    return gw_session_burst_add(&hub->sessions, session, parts, 3) == NX_OK;
}

static bool add_tail(struct gw_hub *hub, struct gw_session *session, int64_t wall_ms, struct nx_bytes tail)
{
    static const char ready[] = "\"t\":\"READY\",\"d\":{";
    if (session->burst == NULL) {
        return gw_fanout_private(&hub->fanout, session, tail) == NX_OK;
    }
    if (nx_bytes_is(nx_bytes_slice(tail, 0, sizeof(ready) - 1), ready)) {
        return add_ready(hub, session, wall_ms, tail, sizeof(ready) - 1);
    }
    return gw_session_burst_add(&hub->sessions, session, &tail, 1) == NX_OK;
}

/* The first dispatches travel on the bulk link and may overtake SESSION_OPENED: they waited as they came. */
static bool replay_early(struct gw_hub *hub, nx_time now, struct gw_session *session, int64_t wall_ms,
                         struct gw_burst *early, struct gw_verdict *out)
{
    bool is_ok = true;
    if (session->reason == NX_BUS_OPEN_MOVE && early->size != 0) { /* It holds the export of the old shard. */
        uint32_t size;
        memcpy(&size, early->bytes, sizeof(size));
        gw_hub_move_import(hub, now, gw_session_handle(session),
                           nx_bytes_of(early->bytes + sizeof(size), size), out);
        return true;
    }
    for (size_t at = 0; at < early->size && is_ok;) {
        uint32_t size;
        memcpy(&size, early->bytes + at, sizeof(size));
        is_ok = add_tail(hub, session, wall_ms, nx_bytes_of(early->bytes + at + sizeof(size), size));
        at += sizeof(size) + size;
    }
    if (session->burst != NULL) {
        session->burst->is_complete = early->is_complete;
        gw_fanout_mark_urgent(&hub->fanout, session);
    }
    return is_ok;
}

/* No shard has the session any more: those who can fetch what they missed go on, as after a crash. */
static bool may_restore(const struct gw_session *session)
{
    return !session->is_rejoining && session->reason == NX_BUS_OPEN_MOVE && !session->is_bot &&
           (session->capabilities & NX_BUS_CAPABILITY_RESYNC) != 0;
}

static void restore(struct gw_hub *hub, nx_time now, struct gw_session *session, struct gw_verdict *out)
{
    hub->metrics.restores_total++;
    gw_session_burst_close(&hub->sessions, session);
    session->reason = NX_BUS_OPEN_RESTORE;
    nx_wheel_set(&hub->wheel, &session->timer, nx_time_add_ms(now, GW_OPEN_MS));
    out->kind = GW_VERDICT_OPEN;
    out->as.open = (struct nx_bus_session_open){.session = gw_session_handle(session),
                                                .reason = NX_BUS_OPEN_RESTORE,
                                                .user_id = session->user_id,
                                                .sid = session->sid,
                                                .intents = session->intents,
                                                .capabilities = session->capabilities,
                                                .status = session->status,
                                                .old_session = session->origin,
                                                .old_shard = session->origin_shard};
}

static bool has_missed(const struct gw_hub *hub, const struct gw_session *session)
{
    bool found = false;
    for (uint32_t i = 0; i < session->refs_count && !found; i++) {
        found = gw_guild_at(&hub->guilds, session->refs[i].guild)->has_missed;
    }
    return found;
}

/* Control knows a session again that has lived on without it. */
static void rejoined(struct gw_hub *hub, nx_time now, struct gw_session *session, struct nx_bytes guilds)
{
    session->is_rejoining = false;
    join_guilds(hub, session, guilds);
    if ((session->capabilities & NX_BUS_CAPABILITY_RESYNC) == 0 && has_missed(hub, session)) {
        gw_hub_end(hub, now, session, GW_CLOSE_LOST, "events were missed"); /* no gap is silent */
        return;
    }
    for (uint32_t i = 0; i < session->refs_count; i++) {
        gw_hub_input_subscribed(hub, session, &session->refs[i]);
    }
    /* What changed while it waited to be opened went by: nobody there knew the session. */
    if (session->told_status != gw_hub_status_of(session)) {
        session->is_status_owed = true;
        hub->has_statuses_owed = true;
    }
}

enum nx_err gw_hub_open_opened(struct gw_hub *hub, nx_time now, int64_t wall_ms, struct nx_bytes payload,
                               struct gw_verdict *out)
{
    GW_HUB_DECODE(session_opened)
    struct gw_session *session = gw_session_find(&hub->sessions, message.session);
    const bool is_opening = session != NULL && session->state == GW_SESSION_OPENING;
    if (session == NULL || (!is_opening && !session->is_rejoining)) {
        hub->metrics.events_unknown_total++;
        return NX_OK;
    }
    /* A refusal names nobody. */
    const bool is_other =
        message.close_code == 0 && session->user_id != 0 && message.user_id != session->user_id;
    if (message.close_code == GW_CLOSE_TIMEOUT && may_restore(session)) {
        restore(hub, now, session, out);
        return NX_OK;
    }
    if (message.close_code != 0 || is_other) {
        refused(hub, now, session, is_other ? GW_CLOSE_AUTH_FAILED : message.close_code);
        return NX_OK;
    }
    if (session->is_rejoining) {
        rejoined(hub, now, session, message.guilds);
        return NX_OK;
    }
    session->user_id = message.user_id;
    session->sid = session->sid != 0 ? session->sid : message.sid;
    struct gw_burst *early = session->burst;
    session->burst = NULL;
    bool is_ok = gw_session_user_add(&hub->sessions, session) == NX_OK &&
                 open_ring(hub, now, session, message.dispatches);
    join_guilds(hub, session, message.guilds);
    if (early != NULL) {
        is_ok = is_ok && replay_early(hub, now, session, wall_ms, early, out);
        gw_session_burst_free(&hub->sessions, early);
    }
    if (!is_ok) {
        hub->metrics.no_memory_total++;
        gw_hub_end(hub, now, session, GW_CLOSE_UNKNOWN, "out of memory");
        return NX_OK;
    }
    return NX_OK;
}

enum nx_err gw_hub_open_ready(struct gw_hub *hub, nx_time now, int64_t wall_ms, struct nx_bytes payload)
{
    GW_HUB_DECODE(session_ready)
    struct gw_session *session = gw_session_find(&hub->sessions, message.session);
    const bool is_early = session != NULL && session->state == GW_SESSION_OPENING;
    if (session == NULL || session->is_over ||
        (!is_early && session->state != GW_SESSION_READY && session->state != GW_SESSION_DETACHED)) {
        hub->metrics.events_unknown_total++;
        return NX_OK;
    }
    if (is_early && gw_session_burst_open(&hub->sessions, session, 0) != NX_OK) {
        hub->metrics.no_memory_total++;
        gw_hub_end(hub, now, session, GW_CLOSE_UNKNOWN, "out of memory");
        return NX_OK;
    }
    struct nx_reader r = nx_reader_init(message.tails.at, message.tails.size);
    while (nx_reader_left(&r) != 0) {
        const uint32_t size = nx_reader_u32(&r);
        const struct nx_bytes tail = nx_reader_bytes(&r, size);
        if (!nx_reader_ok(&r)) {
            hub->metrics.bus_malformed_total++;
            gw_hub_end(hub, now, session, GW_CLOSE_UNKNOWN, "internal error");
            return NX_E_MALFORMED;
        }
        if (is_early ? gw_session_burst_add(&hub->sessions, session, &tail, 1) != NX_OK
                     : !add_tail(hub, session, wall_ms, tail)) {
            hub->metrics.no_memory_total++;
            gw_hub_end(hub, now, session, GW_CLOSE_UNKNOWN, "out of memory");
            return NX_OK;
        }
    }
    if (message.is_last != 0 && session->burst != NULL) {
        session->burst->is_complete = true;
        if (!is_early && session->burst->start == session->burst->size &&
            (session->flags & GW_SESSION_COMMITTED) == 0) {
            gw_session_burst_close(&hub->sessions, session);
            session->flags &= (uint8_t)~GW_SESSION_HOLD;
        }
    }
    if (!is_early) {
        gw_fanout_mark_urgent(&hub->fanout, session);
    }
    return NX_OK;
}

enum nx_err gw_hub_open_move(struct gw_hub *hub, struct nx_bytes payload, struct gw_verdict *out)
{
    GW_HUB_DECODE(session_move)
    out->kind = GW_VERDICT_EXPORT;
    out->session = gw_session_find(&hub->sessions, message.session);
    out->new_shard = message.new_shard;
    out->new_session = message.new_session;
    return NX_OK;
}

enum nx_err gw_hub_open_end(struct gw_hub *hub, nx_time now, struct nx_bytes payload)
{
    GW_HUB_DECODE(session_end)
    struct gw_session *session = gw_session_find(&hub->sessions, message.session);
    if (session == NULL || session->is_over) {
        return NX_OK;
    }
    session->is_open = false;
    /* Its client may have come back meanwhile: told to resume, it is restored. */
    gw_hub_end(hub, now, session, GW_CLOSE_UNKNOWN, "too many sessions");
    return NX_OK;
}
