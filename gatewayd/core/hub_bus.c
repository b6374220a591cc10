#include "engine/base/assert.h"
#include "engine/base/id.h"
#include "engine/base/reader.h"
#include "engine/crypto/seal.h"
#include "engine/crypto/wipe.h"
#include "gatewayd/core/close_code.h"
#include "gatewayd/core/hub_parts.h"
#include "gatewayd/core/intent.h"

static enum nx_err on_key(struct gw_hub *hub, struct nx_bytes payload)
{
    GW_HUB_DECODE(key)
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
    GW_HUB_DECODE(settings)
    hub->has_rate_limits = message.rate_limits != 0;
    gw_addr_guard_set(&hub->guard, hub->has_rate_limits);
    if (message.url.size != 0) {
        set_url(hub, message.url);
    } else if (hub->config.public_url != NULL) {
        set_url(hub, nx_bytes_text(hub->config.public_url));
    }
    return NX_OK;
}

static enum nx_err on_revoke(struct gw_hub *hub, nx_time now, int64_t wall_ms, struct nx_bytes payload)
{
    GW_HUB_DECODE(revoke)
    /* Control tells it again to a shard that comes back: who has logged in since then is not meant. */
    const uint64_t at_ms = message.at_ms != 0 ? message.at_ms : (uint64_t)wall_ms;
    const uint64_t up_to = message.up_to != 0 ? message.up_to : nx_id_from_ms((int64_t)at_ms + 1) - 1;
    if (gw_revoke_add(&hub->revoke, message.user_id, message.sid, up_to, at_ms / 1000) != NX_OK) {
        hub->metrics.no_memory_total++;
    }
    gw_revoke_expire(&hub->revoke, (uint64_t)(wall_ms / 1000));
    const uint16_t code = message.close_code != 0 ? message.close_code : GW_CLOSE_AUTH_FAILED;
    struct gw_session *session = gw_session_user_first(&hub->sessions, message.user_id);
    while (session != NULL) {
        if (message.sid == 0 ? session->sid <= up_to : session->sid == message.sid) {
            gw_hub_end(hub, now, session, code, "session revoked");
        }
        session = gw_session_user_next(&hub->sessions, session);
    }
    return NX_OK;
}

static enum nx_err on_event(struct gw_hub *hub, nx_time now, struct nx_bytes payload)
{
    GW_HUB_DECODE(event)
    hub->metrics.events_total++;
    const uint32_t slot = gw_guild_find(&hub->guilds, message.guild_id);
    if (slot == GW_GUILD_NONE) {
        hub->metrics.events_unknown_total++;
        return NX_OK;
    }
    uint32_t channel = GW_GUILD_NONE;
    if (message.seq != 0 && message.channel_id != 0) {
        channel = gw_guild_channel_find(&hub->guilds, slot, message.channel_id);
    }
    if (channel != GW_GUILD_NONE && gw_guild_channel_at(&hub->guilds, channel)->last_seq < message.seq) {
        gw_guild_channel_at(&hub->guilds, channel)->last_seq = message.seq;
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
    if (channel != GW_GUILD_NONE) {
        gw_hub_unread_note(hub, now, channel, message.intents);
    }
    return NX_OK;
}

static enum nx_err on_user_event(struct gw_hub *hub, struct nx_bytes payload)
{
    GW_HUB_DECODE(user_event)
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
    GW_HUB_DECODE(session_event)
    hub->metrics.events_total++;
    struct gw_session *session = gw_session_find(&hub->sessions, message.session);
    if (session == NULL) {
        hub->metrics.events_unknown_total++;
    } else if (message.number != 0 && !gw_hub_send_answered(hub, message.number)) {
        hub->metrics.sends_late_total++; /* It was refused meanwhile: one answer is enough. */
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
        return gw_hub_open_opened(hub, now, wall_ms, frame->payload, out);
    case NX_BUS_MSG_SESSION_READY:
        return gw_hub_open_ready(hub, now, wall_ms, frame->payload);
    case NX_BUS_MSG_SESSION_MOVE:
        return gw_hub_open_move(hub, frame->payload, out);
    case NX_BUS_MSG_SESSION_END:
        return gw_hub_open_end(hub, now, frame->payload);
    case NX_BUS_MSG_REVOKE:
        return on_revoke(hub, now, wall_ms, frame->payload);
    case NX_BUS_MSG_GUILD_STATE:
        return gw_hub_guild_state(hub, frame->payload);
    case NX_BUS_MSG_CHANNEL_STATE:
        return gw_hub_guild_channel_state(hub, frame->payload);
    case NX_BUS_MSG_CHANNEL_GONE:
        return gw_hub_guild_channel_gone(hub, frame->payload);
    case NX_BUS_MSG_GUILD_GONE:
        return gw_hub_guild_gone(hub, frame->payload);
    case NX_BUS_MSG_ROLESET_VIEW:
        return gw_hub_guild_roleset_view(hub, frame->payload);
    case NX_BUS_MSG_MEMBER_ROLESET:
        return gw_hub_guild_member(hub, frame->payload);
    case NX_BUS_MSG_EVENT:
        return on_event(hub, now, frame->payload);
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
        session->told_status = gw_hub_status_of(session);
        session->is_status_owed = false;
        *out = (struct nx_bus_session_open){
            .session = gw_session_handle(session),
            .reason = NX_BUS_OPEN_RESTORE,
            .old_session = session->origin != 0 ? session->origin : gw_session_handle(session),
            .old_shard = session->origin != 0 ? session->origin_shard : hub->config.shard,
            .user_id = session->user_id,
            .sid = session->sid,
            .intents = session->intents,
            .capabilities = session->capabilities,
            .status = session->told_status};
        return true;
    }
    return false;
}
