#include "engine/base/assert.h"
#include "engine/base/id.h"
#include "engine/base/reader.h"
#include "engine/crypto/seal.h"
#include "engine/crypto/wipe.h"
#include "gatewayd/core/close_code.h"
#include "gatewayd/core/hub.h"
#include "gatewayd/core/intent.h"

/* Decodes into `message` or counts; an early return keeps the handlers flat. */
#define DECODE(name)                                                                                         \
    struct nx_bus_##name message;                                                                            \
    if (nx_bus_##name##_get(payload, &message) != NX_OK) {                                                   \
        hub->metrics.bus_malformed_total++;                                                                  \
        return NX_E_MALFORMED;                                                                               \
    }

static enum nx_err on_key(struct gw_hub *hub, struct nx_bytes payload)
{
    DECODE(key)
    struct nx_token_key key = {.kid = message.kid};
    if (message.state == 2) {
        nx_token_ring_drop(&hub->keys, message.kid);
        return NX_OK;
    }
    if (message.secret.size != sizeof(key.secret)) {
        hub->metrics.bus_malformed_total++;
        return NX_E_MALFORMED;
    }
    memcpy(key.secret, message.secret.at, sizeof(key.secret));
    enum nx_err err = nx_token_ring_add(&hub->keys, &key);
    if (err == NX_OK && message.state == 1) {
        err = nx_token_ring_use(&hub->keys, key.kid);
    }
    nx_wipe(&key, sizeof(key));
    return err == NX_OK ? NX_OK : NX_E_MALFORMED;
}

static bool starts(struct nx_bytes text, const char *start)
{
    return nx_bytes_is(nx_bytes_slice(text, 0, strlen(start)), start);
}

/* http(s)://host/path becomes ws(s)://host/gateway. */
static void set_url(struct gw_hub *hub, struct nx_bytes url)
{
    const size_t scheme = starts(url, "https://") ? 8 : starts(url, "http://") ? 7 : 0;
    size_t end = scheme;
    while (end < url.size && url.at[end] != '/' && url.at[end] > ' ' && url.at[end] < 0x7f &&
           url.at[end] != '"' && url.at[end] != '\\') {
        end++;
    }
    struct nx_writer w = nx_writer_init(hub->resume_url, sizeof(hub->resume_url) - 1);
    if (scheme != 0 && end > scheme) {
        nx_writer_text(&w, scheme == 8 ? "wss://" : "ws://");
        nx_writer_bytes_put(&w, nx_bytes_slice(url, scheme, end - scheme));
        nx_writer_text(&w, "/gateway");
    }
    hub->resume_url[nx_writer_ok(&w) ? w.size : 0] = '\0';
}

static enum nx_err on_settings(struct gw_hub *hub, struct nx_bytes payload)
{
    DECODE(settings)
    hub->has_rate_limits = message.rate_limits != 0;
    gw_addr_guard_set(&hub->guard, hub->has_rate_limits);
    if (message.url.size != 0) {
        set_url(hub, message.url);
    } else if (hub->config.public_url != NULL) {
        set_url(hub, nx_bytes_text(hub->config.public_url));
    }
    return NX_OK;
}

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

static void refused(struct gw_hub *hub, nx_time now, struct gw_session *session, uint16_t code)
{
    session->is_open = false;
    if (session->is_rejoining || session->reason == NX_BUS_OPEN_IDENTIFY) {
        gw_hub_end(hub, now, session, code, "refused by the service");
        return;
    }
    /* The session cannot be continued, but the client may identify on this connection. */
    hub->metrics.resumes_refused_total++;
    gw_hub_leave_all(hub, session);
    gw_session_burst_close(&hub->sessions, session);
    gw_session_user_remove(&hub->sessions, session);
    gw_session_state_set(&hub->sessions, session, GW_SESSION_HELLO);
    nx_wheel_set(&hub->wheel, &session->timer, nx_time_add_ms(now, hub->config.identify_ms));
    session->flags &= (uint8_t)~GW_SESSION_HOLD;
    session->user_id = 0;
    session->owed |= GW_OWED_INVALID;
    gw_fanout_mark_urgent(&hub->fanout, session);
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
    gw_session_state_set(&hub->sessions, session, GW_SESSION_READY);
    session->heard_at = now;
    nx_wheel_set(&hub->wheel, &session->timer,
                 nx_time_add_ms(now, (int64_t)hub->config.heartbeat_ms * 3 / 2));
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
    if (starts(tail, ready)) {
        return add_ready(hub, session, wall_ms, tail, sizeof(ready) - 1);
    }
    return gw_session_burst_add(&hub->sessions, session, &tail, 1) == NX_OK;
}

/* The first dispatches travel on the bulk link and may overtake SESSION_OPENED: they waited as they came. */
static bool replay_early(struct gw_hub *hub, nx_time now, struct gw_session *session, int64_t wall_ms,
                         struct gw_burst *early)
{
    bool is_ok = true;
    if (session->reason == NX_BUS_OPEN_MOVE && early->size != 0) { /* It holds the export of the old shard. */
        uint32_t size;
        memcpy(&size, early->bytes, sizeof(size));
        gw_hub_move_import(hub, now, gw_session_handle(session),
                           nx_bytes_of(early->bytes + sizeof(size), size));
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

/* A session that was moved before is known to its client by the name of the shard that it left, where control finds nothing:
 * those who can fetch what they missed go on, as after a crash. */
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
                                                .status = session->status};
}

static enum nx_err on_session_opened(struct gw_hub *hub, nx_time now, int64_t wall_ms,
                                     struct nx_bytes payload, struct gw_verdict *out)
{
    DECODE(session_opened)
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
        session->is_rejoining = false;
        join_guilds(hub, session, message.guilds);
        return NX_OK;
    }
    session->user_id = message.user_id;
    session->sid = session->sid != 0 ? session->sid : message.sid;
    struct gw_burst *early = session->burst;
    session->burst = NULL;
    bool is_ok = gw_session_user_add(&hub->sessions, session) == NX_OK &&
                 open_ring(hub, now, session, message.dispatches);
    if (early != NULL) {
        is_ok = is_ok && replay_early(hub, now, session, wall_ms, early);
        gw_session_burst_free(&hub->sessions, early);
    }
    if (!is_ok) {
        hub->metrics.no_memory_total++;
        gw_hub_end(hub, now, session, GW_CLOSE_UNKNOWN, "out of memory");
        return NX_OK;
    }
    if (session->is_guarded && session->state == GW_SESSION_READY) {
        gw_addr_guard_left(&hub->guard, session->addr_key);
        session->is_guarded = false;
    }
    join_guilds(hub, session, message.guilds);
    return NX_OK;
}

static enum nx_err on_session_ready(struct gw_hub *hub, nx_time now, int64_t wall_ms, struct nx_bytes payload)
{
    DECODE(session_ready)
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

static enum nx_err on_session_move(struct gw_hub *hub, struct nx_bytes payload, struct gw_verdict *out)
{
    DECODE(session_move)
    out->kind = GW_VERDICT_EXPORT;
    out->session = gw_session_find(&hub->sessions, message.session);
    out->new_shard = message.new_shard;
    out->new_session = message.new_session;
    return NX_OK;
}

static enum nx_err on_revoke(struct gw_hub *hub, nx_time now, int64_t wall_ms, struct nx_bytes payload)
{
    DECODE(revoke)
    /* Control tells it again to a shard that comes back: who has logged in since then is not meant. */
    const uint64_t at_ms = message.at_ms != 0 ? message.at_ms : (uint64_t)wall_ms;
    if (gw_revoke_add(&hub->revoke, message.user_id, message.sid, at_ms / 1000) != NX_OK) {
        hub->metrics.no_memory_total++;
    }
    gw_revoke_expire(&hub->revoke, (uint64_t)(wall_ms / 1000));
    const uint16_t code = message.close_code != 0 ? message.close_code : GW_CLOSE_AUTH_FAILED;
    struct gw_session *session = gw_session_user_first(&hub->sessions, message.user_id);
    while (session != NULL) {
        if (message.sid == 0 ? (uint64_t)nx_id_ms(session->sid) <= at_ms : session->sid == message.sid) {
            gw_hub_end(hub, now, session, code, "session revoked");
        }
        session = gw_session_user_next(&hub->sessions, session);
    }
    return NX_OK;
}

static enum nx_err on_guild_state(struct gw_hub *hub, struct nx_bytes payload)
{
    DECODE(guild_state)
    uint32_t slot;
    if (gw_guild_add(&hub->guilds, message.guild_id, &slot) != NX_OK) {
        hub->metrics.no_memory_total++;
        return NX_OK;
    }
    gw_fanout_settle(&hub->fanout, slot);
    struct gw_guild *guild = gw_guild_at(&hub->guilds, slot);
    guild->total_count = message.members_count;
    guild->is_large = message.is_large != 0;
    return NX_OK;
}

static enum nx_err on_channel_state(struct gw_hub *hub, struct nx_bytes payload)
{
    DECODE(channel_state)
    const uint32_t slot = gw_guild_find(&hub->guilds, message.guild_id);
    if (slot == GW_GUILD_NONE) {
        hub->metrics.events_unknown_total++;
        return NX_OK;
    }
    gw_fanout_settle(&hub->fanout, slot);
    if (gw_guild_channel_set(&hub->guilds, slot, message.channel_id, message.type, message.last_seq,
                             message.view) != NX_OK) {
        hub->metrics.no_memory_total++;
    }
    return NX_OK;
}

/* Nobody looks at the channel in `channel` any more. */
static void channel_forget(struct gw_hub *hub, uint32_t slot, uint32_t channel)
{
    struct gw_guild *guild = gw_guild_at(&hub->guilds, slot);
    for (uint32_t i = 0; i < guild->members_count; i++) {
        struct gw_member *member = &guild->members[i];
        if ((member->flags & GW_MEMBER_SELECTIVE) != 0) {
            gw_session_channel_remove(gw_session_at(&hub->sessions, member->session), channel);
            member->channel = member->channel == channel ? GW_GUILD_NONE : member->channel;
        }
    }
    gw_guild_channel_remove(&hub->guilds, channel);
}

static enum nx_err on_channel_gone(struct gw_hub *hub, struct nx_bytes payload)
{
    DECODE(channel_gone)
    const uint32_t slot = gw_guild_find(&hub->guilds, message.guild_id);
    const uint32_t channel =
        slot == GW_GUILD_NONE ? GW_GUILD_NONE : gw_guild_channel_find(&hub->guilds, slot, message.channel_id);
    if (channel == GW_GUILD_NONE) {
        hub->metrics.events_unknown_total++;
        return NX_OK;
    }
    gw_fanout_settle(&hub->fanout, slot);
    channel_forget(hub, slot, channel);
    return NX_OK;
}

static enum nx_err on_guild_gone(struct gw_hub *hub, struct nx_bytes payload)
{
    DECODE(guild_gone)
    const uint32_t slot = gw_guild_find(&hub->guilds, message.guild_id);
    if (slot == GW_GUILD_NONE) {
        return NX_OK;
    }
    gw_fanout_settle(&hub->fanout, slot);
    while (gw_guild_at(&hub->guilds, slot)->members_count != 0) {
        gw_fanout_leave(&hub->fanout, slot, gw_guild_at(&hub->guilds, slot)->members_count - 1);
    }
    gw_guild_remove(&hub->guilds, slot);
    return NX_OK;
}

static enum nx_err on_roleset_view(struct gw_hub *hub, struct nx_bytes payload)
{
    DECODE(roleset_view)
    const uint32_t slot = gw_guild_find(&hub->guilds, message.guild_id);
    if (slot == GW_GUILD_NONE) {
        hub->metrics.events_unknown_total++;
        return NX_OK;
    }
    gw_fanout_settle(&hub->fanout, slot);
    uint32_t at = gw_guild_at(&hub->guilds, slot)->channels_first;
    while (at != GW_GUILD_NONE) {
        (void)!gw_guild_channel_view(&hub->guilds, at, message.roleset, false);
        at = gw_guild_channel_at(&hub->guilds, at)->next;
    }
    struct nx_reader r = nx_reader_init(message.channels.at, message.channels.size);
    while (nx_reader_left(&r) >= sizeof(uint64_t)) {
        const uint32_t channel = gw_guild_channel_find(&hub->guilds, slot, nx_reader_u64(&r));
        if (channel != GW_GUILD_NONE &&
            gw_guild_channel_view(&hub->guilds, channel, message.roleset, true) == NX_E_NO_MEMORY) {
            hub->metrics.no_memory_total++;
        }
    }
    return NX_OK;
}

static enum nx_err on_member_roleset(struct gw_hub *hub, struct nx_bytes payload)
{
    DECODE(member_roleset)
    uint32_t slot = gw_guild_find(&hub->guilds, message.guild_id);
    struct gw_session *session = gw_session_user_first(&hub->sessions, message.user_id);
    for (; session != NULL; session = gw_session_user_next(&hub->sessions, session)) {
        const struct gw_ref *ref = slot == GW_GUILD_NONE ? NULL : gw_session_ref(session, slot);
        if (message.roleset == NX_BUS_ROLESET_NONE) {
            if (ref != NULL) {
                gw_fanout_leave(&hub->fanout, slot, ref->member);
            }
            continue;
        }
        if (ref != NULL) {
            gw_fanout_catch_up(&hub->fanout, slot, ref->member);
        } else if (gw_guild_add(&hub->guilds, message.guild_id, &slot) != NX_OK) {
            hub->metrics.no_memory_total++;
            continue;
        }
        if (gw_guild_join(&hub->guilds, &hub->sessions, slot, session, message.roleset) != NX_OK) {
            hub->metrics.no_memory_total++;
        }
    }
    return NX_OK;
}

static enum nx_err on_event(struct gw_hub *hub, struct nx_bytes payload)
{
    DECODE(event)
    hub->metrics.events_total++;
    const uint32_t slot = gw_guild_find(&hub->guilds, message.guild_id);
    if (slot == GW_GUILD_NONE) {
        hub->metrics.events_unknown_total++;
        return NX_OK;
    }
    if (message.seq != 0 && message.channel_id != 0) {
        const uint32_t at = gw_guild_channel_find(&hub->guilds, slot, message.channel_id);
        if (at != GW_GUILD_NONE && gw_guild_channel_at(&hub->guilds, at)->last_seq < message.seq) {
            gw_guild_channel_at(&hub->guilds, at)->last_seq = message.seq;
        }
    }
    const struct gw_frame_info info = {.guild_id = message.guild_id,
                                       .channel_id = message.channel_id,
                                       .intents = message.intents,
                                       .except_user_id = message.except_user_id,
                                       .key = message.key,
                                       .flags = message.kind == NX_BUS_EVENT_MEMBERS ? GW_FRAME_MEMBERS : 0U};
    if (gw_fanout_publish(&hub->fanout, slot, &info, message.tail) != NX_OK) {
        hub->metrics.no_memory_total++;
    }
    return NX_OK;
}

static enum nx_err on_user_event(struct gw_hub *hub, struct nx_bytes payload)
{
    DECODE(user_event)
    hub->metrics.events_total++;
    struct gw_session *session = gw_session_user_first(&hub->sessions, message.user_id);
    for (; session != NULL; session = gw_session_user_next(&hub->sessions, session)) {
        if (gw_intent_wants(session->intents, message.intents) &&
            gw_fanout_private(&hub->fanout, session, message.tail) != NX_OK) {
            hub->metrics.no_memory_total++;
        }
    }
    return NX_OK;
}

static enum nx_err on_session_event(struct gw_hub *hub, struct nx_bytes payload)
{
    DECODE(session_event)
    hub->metrics.events_total++;
    struct gw_session *session = gw_session_find(&hub->sessions, message.session);
    if (session == NULL) {
        hub->metrics.events_unknown_total++;
    } else if (gw_fanout_private(&hub->fanout, session, message.tail) != NX_OK) {
        hub->metrics.no_memory_total++;
    }
    return NX_OK;
}

enum nx_err gw_hub_bus_input(struct gw_hub *hub, nx_time now, int64_t wall_ms,
                             const struct nx_bus_frame *frame, struct gw_verdict *out)
{
    out->kind = GW_VERDICT_NONE;
    out->session = NULL;
    out->ousted = NULL;
    hub->tick_at = now; /* Every message is a sign of life. */
    switch (frame->number) {
    case NX_BUS_MSG_TICK:
        return NX_OK;
    case NX_BUS_MSG_KEY:
        return on_key(hub, frame->payload);
    case NX_BUS_MSG_SETTINGS:
        return on_settings(hub, frame->payload);
    case NX_BUS_MSG_SYNCED:
        gw_hub_bus_up(hub, now);
        return NX_OK;
    case NX_BUS_MSG_SESSION_OPENED:
        return on_session_opened(hub, now, wall_ms, frame->payload, out);
    case NX_BUS_MSG_SESSION_READY:
        return on_session_ready(hub, now, wall_ms, frame->payload);
    case NX_BUS_MSG_SESSION_MOVE:
        return on_session_move(hub, frame->payload, out);
    case NX_BUS_MSG_REVOKE:
        return on_revoke(hub, now, wall_ms, frame->payload);
    case NX_BUS_MSG_GUILD_STATE:
        return on_guild_state(hub, frame->payload);
    case NX_BUS_MSG_CHANNEL_STATE:
        return on_channel_state(hub, frame->payload);
    case NX_BUS_MSG_CHANNEL_GONE:
        return on_channel_gone(hub, frame->payload);
    case NX_BUS_MSG_GUILD_GONE:
        return on_guild_gone(hub, frame->payload);
    case NX_BUS_MSG_ROLESET_VIEW:
        return on_roleset_view(hub, frame->payload);
    case NX_BUS_MSG_MEMBER_ROLESET:
        return on_member_roleset(hub, frame->payload);
    case NX_BUS_MSG_EVENT:
        return on_event(hub, frame->payload);
    case NX_BUS_MSG_USER_EVENT:
        return on_user_event(hub, frame->payload);
    case NX_BUS_MSG_SESSION_EVENT:
        return on_session_event(hub, frame->payload);
    default:
        hub->metrics.bus_unknown_total++;
        return NX_E_UNSUPPORTED;
    }
}

bool gw_hub_bus_reopen(struct gw_hub *hub, uint32_t *cursor, struct nx_bus_session_open *out)
{
    const uint32_t end = hub->sessions.slabs_count * GW_SESSION_SLAB;
    while (*cursor < end) {
        struct gw_session *session = gw_session_at(&hub->sessions, (*cursor)++);
        /* Those that are open came after SYNCED: control heard of them by themselves. */
        if (session->state == GW_SESSION_FREE || !session->is_rejoining || session->is_open ||
            session->is_over) {
            continue;
        }
        session->is_open = true;
        *out = (struct nx_bus_session_open){
            .session = gw_session_handle(session),
            .reason = NX_BUS_OPEN_RESTORE,
            .old_session = gw_session_handle(session),
            .old_shard = hub->config.shard,
            .user_id = session->user_id,
            .sid = session->sid,
            .intents = session->intents,
            .capabilities = session->capabilities,
            .status = session->state == GW_SESSION_READY ? session->status : (uint8_t)NX_BUS_STATUS_OFFLINE};
        return true;
    }
    return false;
}
