#include "gatewayd/node/bus_link.h"

#include "gatewayd/node/conn.h"
#include "gatewayd/node/rest_entry.h"

static const struct nx_link_events rt_events;
static const struct nx_link_events bulk_events;

static void retry_later(struct gw_shard *shard)
{
    struct gw_bus *bus = &shard->bus;
    if (bus->is_stopping || bus->is_rt_open || bus->is_bulk_open) {
        return;
    }
    bus->backoff_ms = bus->backoff_ms == 0 ? GW_BUS_BACKOFF_MIN_MS : bus->backoff_ms * 2;
    bus->backoff_ms = bus->backoff_ms > GW_BUS_BACKOFF_MAX_MS ? GW_BUS_BACKOFF_MAX_MS : bus->backoff_ms;
    nx_timer_set_ms(shard->loop, &bus->retry, bus->backoff_ms);
}

static void connect_now(void *context)
{
    struct gw_shard *shard = context;
    struct gw_bus *bus = &shard->bus;
    if (bus->is_stopping || bus->is_rt_open || bus->is_bulk_open) {
        return;
    }
    bus->is_rt_open = nx_link_connect(&bus->rt, shard->loop, &shard->node->config->bus, GW_BUS_QUEUE_MAX,
                                      &rt_events, shard) == NX_OK;
    bus->is_bulk_open = bus->is_rt_open && nx_link_connect(&bus->bulk, shard->loop, &shard->node->config->bus,
                                                           GW_BUS_QUEUE_MAX, &bulk_events, shard) == NX_OK;
    if (!bus->is_bulk_open && bus->is_rt_open) {
        nx_link_close(&bus->rt);
    }
    retry_later(shard);
}

void gw_bus_link_open(struct gw_shard *shard)
{
    nx_timer_init(&shard->bus.retry, connect_now, shard);
    connect_now(shard);
}

void gw_bus_link_close(struct gw_shard *shard)
{
    shard->bus.is_stopping = true;
    nx_timer_cancel(shard->loop, &shard->bus.retry);
    if (shard->bus.is_rt_open) {
        nx_link_close(&shard->bus.rt);
    }
    if (shard->bus.is_bulk_open) {
        nx_link_close(&shard->bus.bulk);
    }
}

void gw_bus_link_fini(struct gw_shard *shard)
{
    nx_link_fini(&shard->bus.rt);
    nx_link_fini(&shard->bus.bulk);
}

static void greet(struct gw_shard *shard, struct nx_link *link, enum nx_bus_link kind)
{
    const struct nx_bus_hello hello = {.version = NX_BUS_VERSION,
                                       .node = shard->node->config->node,
                                       .shard = (uint16_t)shard->index,
                                       .link = (uint8_t)kind,
                                       .boot = shard->node->boot};
    if (NX_LINK_PUT(link, hello, &hello) != NX_OK) {
        nx_link_close(link);
    }
}

static void on_rt_up(void *context)
{
    struct gw_shard *shard = context;
    shard->bus.is_rt_up = true;
    greet(shard, &shard->bus.rt, NX_BUS_LINK_RT);
}

static void on_bulk_up(void *context)
{
    struct gw_shard *shard = context;
    shard->bus.is_bulk_up = true;
    greet(shard, &shard->bus.bulk, NX_BUS_LINK_BULK);
}

static void on_down(struct gw_shard *shard, const char *which, enum nx_err why)
{
    struct gw_bus *bus = &shard->bus;
    if (bus->is_rt_up || bus->is_bulk_up) {
        NX_LOG(&shard->log, WARN, "bus.down", NX_LOG_TEXT("link", which), NX_LOG_ERR("reason", why));
    }
    gw_hub_bus_down(&shard->hub);
    gw_rest_entry_fail_all(shard);
    bus->is_reopening = false;
    bus->is_paused = false;
    /* The two belong together: control forgets a shard when either is gone. */
    if (bus->is_rt_open) {
        nx_link_close(&bus->rt);
    }
    if (bus->is_bulk_open) {
        nx_link_close(&bus->bulk);
    }
    retry_later(shard);
    gw_shard_kick(shard);
}

static void on_rt_down(void *context, enum nx_err why)
{
    struct gw_shard *shard = context;
    shard->bus.is_rt_open = false;
    on_down(shard, "realtime", why);
    shard->bus.is_rt_up = false;
}

static void on_bulk_down(void *context, enum nx_err why)
{
    struct gw_shard *shard = context;
    shard->bus.is_bulk_open = false;
    on_down(shard, "bulk", why);
    shard->bus.is_bulk_up = false;
}

/* Tells control of the sessions that live on, as far as the link has room. */
static void reopen_some(struct gw_shard *shard)
{
    struct nx_bus_session_open open;
    while (shard->bus.is_reopening && nx_link_pending(&shard->bus.rt) < GW_BUS_QUEUE_MAX / 2) {
        if (!gw_hub_bus_reopen(&shard->hub, &shard->bus.reopen_cursor, &open)) {
            shard->bus.is_reopening = false;
            break;
        }
        if (NX_LINK_PUT(&shard->bus.rt, session_open, &open) != NX_OK) {
            nx_link_close(&shard->bus.rt);
            break;
        }
    }
}

/* Tells what the link had no room for when it happened. */
static void statuses_some(struct gw_shard *shard)
{
    struct gw_hub *hub = &shard->hub;
    struct nx_bus_session_status status;
    uint32_t cursor = 0;
    while (hub->has_statuses_owed && hub->is_synced &&
           nx_link_pending(&shard->bus.rt) < GW_BUS_QUEUE_MAX / 2 &&
           gw_hub_status_next(hub, &cursor, &status)) {
        if (NX_LINK_PUT(&shard->bus.rt, session_status, &status) != NX_OK) {
            const struct gw_verdict verdict = {.kind = GW_VERDICT_STATUS, .as.status = status};
            gw_hub_undelivered(hub, nx_loop_now(shard->loop), &verdict);
            break;
        }
    }
}

/* Messages that waited for control: first those that can go, then the end of those that have waited too long. */
static void sends_some(struct gw_shard *shard)
{
    struct gw_hub *hub = &shard->hub;
    struct nx_bus_message_send message;
    const nx_time now = nx_loop_now(shard->loop);
    while (shard->bus.is_rt_up && nx_link_pending(&shard->bus.rt) < GW_BUS_QUEUE_MAX / 2 &&
           gw_hub_send_next(hub, now, &message)) {
        if (NX_LINK_PUT(&shard->bus.rt, message_send, &message) != NX_OK) {
            const struct gw_verdict verdict = {.kind = GW_VERDICT_MESSAGE, .as.message = message};
            gw_hub_undelivered(hub, now,
                               &verdict); /* Sessions keep their order: what is behind it waits longer. */
            break;
        }
    }
    gw_hub_send_expire(hub, now);
}

static void on_room(void *context)
{
    reopen_some(context);
    statuses_some(context);
    sends_some(context);
}

void gw_bus_link_tick(struct gw_shard *shard)
{
    if (shard->bus.is_rt_up) {
        reopen_some(shard);
        statuses_some(shard);
    }
    sends_some(shard);
}

static bool on_hello(struct gw_shard *shard, struct nx_link *link, const struct nx_bus_frame *frame)
{
    struct nx_bus_hello hello;
    if (frame->number != NX_BUS_MSG_HELLO) {
        return false;
    }
    if (nx_bus_hello_get(frame->payload, &hello) != NX_OK || hello.version != NX_BUS_VERSION) {
        NX_LOG(&shard->log, ERROR, "bus.version", NX_LOG_U64("theirs", hello.version));
        nx_link_close(link);
        return true;
    }
    shard->bus.peer_boot = hello.boot;
    return true;
}

static void to_hub(struct gw_shard *shard, const struct nx_bus_frame *frame)
{
    struct gw_verdict verdict;
    const enum nx_err err = gw_hub_bus_input(&shard->hub, nx_loop_now(shard->loop),
                                             nx_loop_wall_ms(shard->loop), frame, &verdict);
    if (err == NX_E_MALFORMED) {
        NX_LOG(&shard->log, WARN, "bus.malformed", NX_LOG_U64("number", frame->number));
    }
    if (err == NX_OK && verdict.kind == GW_VERDICT_EXPORT) {
        gw_shard_export(shard, verdict.session, verdict.new_shard, verdict.new_session);
    } else if (err == NX_OK) {
        gw_bus_link_verdict(shard, &verdict);
    }
    gw_shard_kick(shard);
}

static void on_rt_frame(void *context, const struct nx_bus_frame *frame)
{
    struct gw_shard *shard = context;
    if (on_hello(shard, &shard->bus.rt, frame)) {
        return;
    }
    to_hub(shard, frame);
    if (frame->number == NX_BUS_MSG_SYNCED) {
        shard->bus.backoff_ms = 0;
        shard->bus.is_reopening = true;
        shard->bus.reopen_cursor = 0;
        reopen_some(shard);
        NX_LOG(&shard->log, INFO, "bus.synced", NX_LOG_U64("shard", shard->index));
    }
    if (!shard->bus.is_paused && gw_fanout_is_behind(&shard->hub.fanout)) {
        shard->bus.is_paused = true;
        nx_link_pause(&shard->bus.rt, true);
    }
}

void gw_bus_link_relax(struct gw_shard *shard)
{
    if (shard->bus.is_paused && !gw_fanout_is_behind(&shard->hub.fanout)) {
        shard->bus.is_paused = false;
        nx_link_pause(&shard->bus.rt, false);
    }
}

static void on_bulk_frame(void *context, const struct nx_bus_frame *frame)
{
    struct gw_shard *shard = context;
    if (on_hello(shard, &shard->bus.bulk, frame)) {
        return;
    }
    if (frame->number == NX_BUS_MSG_REST_RESPONSE || frame->number == NX_BUS_MSG_REST_BODY) {
        gw_rest_entry_frame(shard, frame);
    } else {
        to_hub(shard, frame);
    }
}

static const struct nx_link_events rt_events = {
    .up = on_rt_up, .frame = on_rt_frame, .room = on_room, .down = on_rt_down};
static const struct nx_link_events bulk_events = {
    .up = on_bulk_up, .frame = on_bulk_frame, .room = on_room, .down = on_bulk_down};

void gw_bus_link_verdict(struct gw_shard *shard, const struct gw_verdict *verdict)
{
    struct nx_link *rt = &shard->bus.rt;
    enum nx_err err = NX_OK;
    if (verdict->kind == GW_VERDICT_NONE) {
        return;
    }
    /* Before SYNCED control knows no session: a message about one would cost the link. */
    if (!shard->bus.is_rt_up || !shard->hub.is_synced) {
        gw_hub_undelivered(&shard->hub, nx_loop_now(shard->loop), verdict);
        return;
    }
    switch (verdict->kind) {
    case GW_VERDICT_OPEN:
        err = NX_LINK_PUT(rt, session_open, &verdict->as.open);
        if (verdict->as.open.reason == NX_BUS_OPEN_RESTORE && verdict->as.open.old_session != 0) {
            const struct gw_session *session =
                gw_session_find(&shard->hub.sessions, verdict->as.open.session);
            if (session != NULL) {
                gw_shard_forget(shard, verdict->as.open.old_shard, verdict->as.open.old_session, session);
            }
        }
        break;
    case GW_VERDICT_CLOSE:
        err = NX_LINK_PUT(rt, session_close, &verdict->as.close);
        break;
    case GW_VERDICT_STATUS:
        err = NX_LINK_PUT(rt, session_status, &verdict->as.status);
        break;
    case GW_VERDICT_MESSAGE:
        err = NX_LINK_PUT(rt, message_send, &verdict->as.message);
        break;
    case GW_VERDICT_MEMBERS:
        err = NX_LINK_PUT(rt, members_request, &verdict->as.members);
        break;
    case GW_VERDICT_EXPORT:
    case GW_VERDICT_NONE:
        break;
    }
    if (err != NX_OK) {
        gw_hub_undelivered(&shard->hub, nx_loop_now(shard->loop), verdict);
        if (verdict->kind == GW_VERDICT_CLOSE) {
            nx_link_close(rt); /* Control must not believe in a session that is gone: it learns all anew. */
        }
    }
}
