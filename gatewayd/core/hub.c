#include "gatewayd/core/hub_parts.h"

#include "engine/base/assert.h"
#include "gatewayd/core/close_code.h"

enum { PINGS_MAX = 60 }; /* WebSocket pings between two heartbeats; more are a flood */

const struct nx_metric_info *gw_hub_metrics(size_t *count)
{
    static const struct nx_metric_info infos[] = {
#define NX_METRIC(kind, name, unit, help) NX_METRIC_INFO(struct gw_metrics, kind, name, unit, help)
#include "gatewayd/core/metrics.def"
#undef NX_METRIC
    };
    *count = sizeof(infos) / sizeof(infos[0]);
    return infos;
}

static void defaults(struct gw_hub_config *config)
{
    config->framelog_size = config->framelog_size != 0 ? config->framelog_size : GW_FRAMELOG_SIZE;
    config->sessions_max = config->sessions_max != 0 ? config->sessions_max : GW_SESSIONS_MAX;
    config->heartbeat_ms = config->heartbeat_ms != 0 ? config->heartbeat_ms : GW_HEARTBEAT_MS;
    config->identify_ms = config->identify_ms != 0 ? config->identify_ms : GW_IDENTIFY_MS;
    config->resume_ms = config->resume_ms != 0 ? config->resume_ms : GW_RESUME_MS;
}

enum nx_err gw_hub_init(struct gw_hub *hub, const struct gw_hub_config *config, nx_time now)
{
    memset(hub, 0, sizeof(*hub));
    hub->config = *config;
    defaults(&hub->config);
    const struct gw_memory *memory = &hub->config.memory;
    const enum nx_err err = gw_framelog_init(&hub->log, memory, hub->config.framelog_size, config->seed);
    if (err != NX_OK) {
        return err;
    }
    /* As many again may wait for their clients: a mass reconnect without resume must not lock everybody out. */
    gw_session_table_init(&hub->sessions, memory, hub->config.sessions_max * 2, config->seed);
    gw_guild_table_init(&hub->guilds, memory, config->seed);
    gw_fanout_init(&hub->fanout, &hub->log, &hub->sessions, &hub->guilds);
    gw_output_init(&hub->output, &hub->log, &hub->sessions, hub->config.heartbeat_ms);
    gw_revoke_init(&hub->revoke, memory, config->seed);
    gw_addr_guard_init(&hub->guard, memory, config->seed, config->has_rate_limits);
    nx_token_ring_init(&hub->keys);
    nx_wheel_init(&hub->wheel, now);
    hub->ops_rule = nx_quota_rule_of(GW_OPS_PER_MINUTE, 60 * 1000, GW_OPS_PER_MINUTE);
    hub->has_rate_limits = config->has_rate_limits;
    hub->tick_at = now;
    return NX_OK;
}

void gw_hub_fini(struct gw_hub *hub)
{
    gw_hub_send_fini(hub);
    gw_hub_unread_fini(hub);
    nx_token_ring_fini(&hub->keys);
    gw_addr_guard_fini(&hub->guard);
    gw_revoke_fini(&hub->revoke);
    gw_guild_table_fini(&hub->guilds);
    gw_session_table_fini(&hub->sessions);
    gw_framelog_fini(&hub->log);
}

bool gw_hub_is_ready(const struct gw_hub *hub, nx_time now)
{
    return hub->is_synced &&
           nx_time_since_ns(now, hub->tick_at) < (int64_t)GW_BUS_STALE_MS * NX_TIME_NS_PER_MS;
}

/* Who reconnects without resuming leaves a session behind each time: before they take the last slots, each new connection
 * ends one of them. The hand goes round, so it meets those first that it has not met for longest. */
static void make_room(struct gw_hub *hub, nx_time now)
{
    const uint32_t end = hub->sessions.slabs_count * GW_SESSION_SLAB;
    if (hub->sessions.count <
        hub->sessions.capacity_max - hub->sessions.capacity_max / GW_SESSIONS_SPARE_PART) {
        return;
    }
    for (uint32_t left = GW_EVICT_STEPS; left != 0; left--) {
        hub->evict_at = hub->evict_at + 1 < end ? hub->evict_at + 1 : 0;
        struct gw_session *session = gw_session_at(&hub->sessions, hub->evict_at);
        if (session->state == GW_SESSION_DETACHED && !session->is_over) {
            hub->metrics.evictions_total++;
            gw_hub_end(hub, now, session, GW_CLOSE_NORMAL, NULL);
            return;
        }
    }
}

struct gw_session *gw_hub_connect(struct gw_hub *hub, nx_time now, uint32_t conn, bool is_compressed,
                                  bool is_loopback)
{
    make_room(hub, now);
    struct gw_session *session = gw_session_take(&hub->sessions);
    if (session == NULL) {
        return NULL;
    }
    hub->metrics.connections_total++;
    session->conn = conn;
    session->flags |= is_compressed ? GW_SESSION_COMPRESSED : 0;
    session->is_loopback = is_loopback;
    session->owed = GW_OWED_HELLO;
    session->heard_at = now;
    nx_wheel_set(&hub->wheel, &session->timer, nx_time_add_ms(now, hub->config.identify_ms));
    gw_fanout_mark_urgent(&hub->fanout, session);
    return session;
}

void gw_hub_ping(struct gw_hub *hub, nx_time now, struct gw_session *session, struct nx_bytes payload)
{
    (void)now;
    if ((session->flags & GW_SESSION_DOOMED) != 0) {
        return;
    }
    if (hub->has_rate_limits && ++session->pings_count > PINGS_MAX) {
        hub->metrics.rate_limited_total++;
        gw_fanout_doom(&hub->fanout, session, GW_CLOSE_POLICY, "ping flood");
        return;
    }
    /* A pong that is half sent must stay what it is; RFC 6455 section 5.5.3 lets us answer only the newest ping. */
    if (session->cut == GW_CUT_OWED && session->cut_owed == GW_OWED_PONG) {
        return;
    }
    if (payload.size != 0 && session->pong == NULL) {
        session->pong = gw_slab_take(&hub->sessions.pongs);
        if (session->pong == NULL) {
            hub->metrics.no_memory_total++;
            return;
        }
    }
    if (session->pong != NULL) {
        session->pong[0] = (uint8_t)payload.size;
        if (payload.size != 0) {
            memcpy(session->pong + 1, payload.at, payload.size);
        }
    }
    session->owed |= GW_OWED_PONG;
    gw_fanout_mark_urgent(&hub->fanout, session);
}

void gw_hub_leave_all(struct gw_hub *hub, struct gw_session *session)
{
    while (session->refs_count != 0) {
        const struct gw_ref ref = session->refs[session->refs_count - 1];
        gw_fanout_leave(&hub->fanout, ref.guild, ref.member);
    }
}

static void unguard(struct gw_hub *hub, struct gw_session *session)
{
    if (session->is_guarded) {
        gw_addr_guard_left(&hub->guard, session->addr_key);
        session->is_guarded = false;
    }
}

/* Gives the slot back; control is told when it knows of it. */
static void over(struct gw_hub *hub, struct gw_session *session, struct gw_verdict *out)
{
    out->kind = GW_VERDICT_NONE;
    if (session->is_open) {
        out->kind = GW_VERDICT_CLOSE;
        out->as.close = (struct nx_bus_session_close){.session = gw_session_handle(session)};
    }
    unguard(hub, session);
    nx_wheel_cancel(&hub->wheel, &session->timer);
    gw_hub_leave_all(hub, session);
    gw_session_give(&hub->sessions, session);
}

static bool is_final(uint16_t code)
{
    switch (code) {
    case GW_CLOSE_NORMAL:
    case GW_CLOSE_GOING_AWAY:
    case GW_CLOSE_NOT_AUTHENTICATED:
    case GW_CLOSE_AUTH_FAILED:
    case GW_CLOSE_ALREADY:
    case GW_CLOSE_INVALID_SEQ:
    case GW_CLOSE_INVALID_VERSION:
    case GW_CLOSE_INVALID_INTENTS:
    case GW_CLOSE_DISABLED:
    case GW_CLOSE_LOST:
        return true;
    default:
        return false;
    }
}

void gw_hub_disconnect(struct gw_hub *hub, nx_time now, struct gw_session *session, uint16_t code,
                       struct gw_verdict *out)
{
    out->kind = GW_VERDICT_NONE;
    out->session = NULL;
    out->ousted = NULL;
    const bool is_own = (session->flags & GW_SESSION_DOOMED) != 0 && is_final(session->close_code);
    if (session->state != GW_SESSION_READY || session->is_over || is_own || is_final(code)) {
        over(hub, session, out);
        return;
    }
    unguard(hub, session);
    session->conn = GW_SESSION_NONE;
    session->flags &= (uint8_t) ~(GW_SESSION_BLOCKED | GW_SESSION_DOOMED | GW_SESSION_COMMITTED |
                                  GW_SESSION_ABORT | GW_SESSION_COMPRESSED);
    session->owed = 0;
    session->acks_count = 0;
    session->cut = GW_CUT_NONE;
    session->cut_size = 0;
    gw_session_state_set(&hub->sessions, session, GW_SESSION_DETACHED);
    nx_wheel_set(&hub->wheel, &session->timer, nx_time_add_ms(now, hub->config.resume_ms));
    gw_hub_status(session, out);
}

void gw_hub_status(struct gw_session *session, struct gw_verdict *out)
{
    /* One that is being told again to control: SESSION_OPEN carries it, or rejoined() sees the difference. */
    if (session->is_open && !session->is_rejoining) {
        session->told_status = gw_hub_status_of(session);
        session->is_status_owed = false;
        out->kind = GW_VERDICT_STATUS;
        out->as.status = (struct nx_bus_session_status){.session = gw_session_handle(session),
                                                        .status = session->told_status};
    }
}

bool gw_hub_status_next(struct gw_hub *hub, uint32_t *cursor, struct nx_bus_session_status *out)
{
    const uint32_t end = hub->sessions.slabs_count * GW_SESSION_SLAB;
    while (*cursor < end) {
        struct gw_session *session = gw_session_at(&hub->sessions, (*cursor)++);
        struct gw_verdict verdict = {.kind = GW_VERDICT_NONE};
        if (session->state != GW_SESSION_FREE && session->is_status_owed) {
            gw_hub_status(session, &verdict);
        }
        if (verdict.kind == GW_VERDICT_STATUS) {
            *out = verdict.as.status;
            return true;
        }
    }
    hub->has_statuses_owed = false;
    return false;
}

void gw_hub_undelivered(struct gw_hub *hub, nx_time now, const struct gw_verdict *verdict)
{
    if (verdict->kind == GW_VERDICT_OPEN) {
        struct gw_session *session = gw_session_find(&hub->sessions, verdict->as.open.session);
        if (session != NULL && !session->is_rejoining) {
            session->is_open = false;
            gw_fanout_doom(&hub->fanout, session, GW_CLOSE_UNKNOWN, "unavailable");
        }
    } else if (verdict->kind == GW_VERDICT_STATUS) {
        struct gw_session *session = gw_session_find(&hub->sessions, verdict->as.status.session);
        if (session != NULL) {
            session->is_status_owed = true;
            hub->has_statuses_owed = true;
        }
    } else if (verdict->kind == GW_VERDICT_MESSAGE) {
        (void)gw_hub_send_answered(hub, verdict->as.message.number);
        gw_hub_send_wait(hub, now, &verdict->as.message);
    }
}

void gw_hub_end(struct gw_hub *hub, nx_time now, struct gw_session *session, uint16_t code,
                const char *reason)
{
    session->is_over = true;
    if (session->conn != GW_SESSION_NONE) {
        gw_fanout_doom(&hub->fanout, session, code, reason);
    } else {
        nx_wheel_set(&hub->wheel, &session->timer, now);
    }
}

static void heartbeat_due(struct gw_hub *hub, nx_time now, struct gw_session *session)
{
    const int64_t grace_ms = (int64_t)hub->config.heartbeat_ms * 3 / 2;
    const nx_time end = nx_time_add_ms(session->heard_at, grace_ms);
    if (nx_time_before(now, end)) {
        nx_wheel_set(&hub->wheel, &session->timer, end);
    } else {
        hub->metrics.timeouts_total++;
        gw_fanout_doom(&hub->fanout, session, GW_CLOSE_TIMEOUT, "no heartbeat");
    }
}

bool gw_hub_timeout(struct gw_hub *hub, nx_time now, struct gw_verdict *out)
{
    struct nx_wheel_timer *timer = nx_wheel_pop(&hub->wheel, now);
    out->kind = GW_VERDICT_NONE;
    if (timer == NULL) {
        return false;
    }
    struct gw_session *session = NX_LIST_ITEM(timer, struct gw_session, timer);
    switch ((enum gw_session_state)session->state) {
    case GW_SESSION_HELLO:
        hub->metrics.timeouts_total++;
        gw_fanout_doom(&hub->fanout, session, GW_CLOSE_TIMEOUT, "no IDENTIFY");
        break;
    case GW_SESSION_OPENING:
    case GW_SESSION_RESUMING:
        gw_fanout_doom(&hub->fanout, session, GW_CLOSE_UNKNOWN, "unavailable");
        break;
    case GW_SESSION_READY:
        heartbeat_due(hub, now, session);
        break;
    case GW_SESSION_DETACHED:
        over(hub, session, out);
        break;
    case GW_SESSION_FREE:
        NX_UNREACHABLE();
    }
    return true;
}

nx_time gw_hub_deadline(const struct gw_hub *hub)
{
    return nx_wheel_deadline(&hub->wheel);
}

bool gw_hub_drain_next(struct gw_hub *hub, uint32_t *cursor)
{
    hub->is_draining = true;
    const uint32_t end = hub->sessions.slabs_count * GW_SESSION_SLAB;
    while (*cursor < end) {
        struct gw_session *session = gw_session_at(&hub->sessions, (*cursor)++);
        if (session->state != GW_SESSION_FREE && session->conn != GW_SESSION_NONE &&
            (session->flags & GW_SESSION_DOOMED) == 0) {
            session->owed |= GW_OWED_RECONNECT;
            gw_fanout_doom(&hub->fanout, session, GW_CLOSE_DRAINING, hub->resume_url);
            return true;
        }
    }
    return false;
}

void gw_hub_bus_down(struct gw_hub *hub)
{
    hub->is_synced = false;
    gw_hub_send_lost(hub);
}

/* What control forgot of one session: its rights, that it is open, and how far its opening had come. */
static void control_forgot(struct gw_hub *hub, nx_time now, struct gw_session *session)
{
    for (uint32_t i = 0; i < session->refs_count; i++) {
        const struct gw_ref ref = session->refs[i];
        gw_guild_at(&hub->guilds, ref.guild)->members[ref.member].roleset = NX_BUS_ROLESET_NONE;
    }
    if (session->state == GW_SESSION_OPENING || session->state == GW_SESSION_RESUMING ||
        session->burst != NULL) {
        gw_hub_end(hub, now, session, GW_CLOSE_UNKNOWN, "unavailable");
    } else if (session->state == GW_SESSION_READY || session->state == GW_SESSION_DETACHED) {
        session->is_rejoining = true;
    }
    session->is_open = false;
    session->is_status_owed = false;
}

void gw_hub_bus_up(struct gw_hub *hub, nx_time now)
{
    hub->is_synced = true;
    gw_fanout_settle_all(&hub->fanout); /* What came before was told with the rights of then. */
    for (uint32_t slot = 0; slot < hub->guilds.guilds_room; slot++) {
        hub->guilds.guilds[slot].has_missed = false;
    }
    const uint32_t end = hub->sessions.slabs_count * GW_SESSION_SLAB;
    for (uint32_t at = 0; at < end; at++) {
        struct gw_session *session = gw_session_at(&hub->sessions, at);
        if (session->state != GW_SESSION_FREE) {
            control_forgot(hub, now, session);
        }
    }
}

enum nx_err gw_hub_rewind(struct gw_hub *hub, struct gw_session *session, uint64_t seq)
{
    if (seq >= session->head) {
        return NX_E_MALFORMED;
    }
    const uint32_t next = (uint32_t)seq + 1;
    if (session->burst != NULL || session->ring == NULL || next < session->tail) {
        return NX_E_NOT_FOUND;
    }
    uint32_t size = 0;
    for (uint32_t s = next; s != session->head; s++) {
        const uint32_t position = session->ring[s & session->ring_mask];
        if (!gw_framelog_has(&hub->log, position)) {
            return NX_E_NOT_FOUND;
        }
        size += gw_framelog_at(&hub->log, position)->size;
    }
    session->sent = next;
    session->unsent_size = size;
    session->unsent_limit = size + GW_UNSENT_SIZE_MAX;
    session->cut = GW_CUT_NONE;
    session->cut_size = 0;
    return NX_OK;
}

void gw_hub_live(struct gw_hub *hub, nx_time now, struct gw_session *session)
{
    gw_session_state_set(&hub->sessions, session, GW_SESSION_READY);
    session->heard_at = now;
    nx_wheel_set(&hub->wheel, &session->timer,
                 nx_time_add_ms(now, (int64_t)hub->config.heartbeat_ms * 3 / 2));
    unguard(hub, session);
}

void gw_hub_resumed(struct gw_hub *hub, nx_time now, struct gw_session *session)
{
    gw_hub_live(hub, now, session);
    session->flags &= (uint8_t)~GW_SESSION_HOLD;
    if (gw_fanout_private(&hub->fanout, session, nx_bytes_text("\"t\":\"RESUMED\",\"d\":{}}")) != NX_OK) {
        hub->metrics.no_memory_total++;
    }
    gw_fanout_mark_urgent(&hub->fanout, session);
}
