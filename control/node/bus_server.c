#include "control/node/bus_server.h"

#include "control/node/admin.h"
#include "control/node/effects.h"
#include "control/node/outbox.h"
#include "control/node/rest_link.h"

#include <stdlib.h>

static void conn_free(struct ctld_conn *conn)
{
    nx_timer_cancel(conn->node->loop, &conn->hello);
    nx_list_remove(&conn->member);
    nx_link_fini(&conn->link);
    ctld_outbox_fini(conn);
    free(conn);
}

struct ctld_conn *ctld_bus_server_conn(struct ctld_node *node, uint32_t number, enum nx_bus_link kind)
{
    return node->shards[number].conns[kind];
}

void ctld_bus_server_reset(struct ctld_node *node, uint32_t number)
{
    struct ctld_shard *shard = &node->shards[number];
    for (int kind = 0; kind < 2; kind++) {
        if (shard->conns[kind] != NULL) {
            nx_link_close(&shard->conns[kind]->link);
        }
    }
}

/* ---- a shard comes and goes ---- */

static void keys_send(struct ctld_node *node, struct ctld_conn *conn)
{
    for (uint32_t i = 0; i < node->ring.keys_count; i++) {
        const struct nx_token_slot *slot = &node->ring.keys[i];
        const struct nx_bus_key key = {
            .kid = slot->kid,
            .secret = nx_bytes_of(slot->secret, sizeof(slot->secret)),
            .state = i == node->ring.current ? 1 : 0,
        };
        (void)CTLD_OUTBOX_PUT(conn, key, &key);
    }
}

/* Both links are up: everything a shard must know before it may open sessions, SYNCED last. */
static void shard_online(struct ctld_shard *shard)
{
    struct ctld_node *node = shard->node;
    struct ctld_conn *conn = shard->conns[NX_BUS_LINK_RT];
    const struct nx_bus_settings settings = {
        .rate_limits = node->config->has_rate_limits ? 1 : 0,
        .url = nx_bytes_text(node->config->public_url),
    };
    const struct nx_bus_synced synced = {.boot = node->boot};
    shard->is_online = true;
    keys_send(node, conn);
    (void)CTLD_OUTBOX_PUT(conn, settings, &settings);
    ctl_gateway_link_open(&node->gateway, shard->number, shard->node_number, shard->shard_number,
                          nx_loop_wall_ms(node->loop));
    (void)CTLD_OUTBOX_PUT(conn, synced, &synced);
}

static void shard_offline(struct ctld_shard *shard)
{
    struct ctld_node *node = shard->node;
    ctld_bus_server_reset(node, shard->number);
    if (shard->is_online) {
        shard->is_online = false;
        ctld_rest_link_drop(node, shard->number);
        if (!node->is_closing) {
            ctl_gateway_link_closed(&node->gateway, shard->number);
        }
    }
    if (shard->conns[0] == NULL && shard->conns[1] == NULL) {
        shard->is_used = false;
    }
}

static struct ctld_shard *shard_find(struct ctld_node *node, const struct nx_bus_hello *hello)
{
    struct ctld_shard *free_one = NULL;
    for (uint32_t i = 0; i < CTL_LINKS_MAX; i++) {
        struct ctld_shard *shard = &node->shards[i];
        if (!shard->is_used) {
            free_one = free_one == NULL ? shard : free_one;
        } else if (shard->node_number == hello->node && shard->shard_number == hello->shard &&
                   shard->boot == hello->boot) {
            return shard;
        }
    }
    if (free_one != NULL) {
        free_one->is_used = true;
        free_one->boot = hello->boot;
        free_one->node_number = hello->node;
        free_one->shard_number = hello->shard;
    }
    return free_one;
}

static void hello_handle(struct ctld_conn *conn, struct nx_bytes payload)
{
    struct ctld_node *node = conn->node;
    struct nx_bus_hello hello;
    if (conn->shard != NULL || nx_bus_hello_get(payload, &hello) != NX_OK ||
        hello.version != NX_BUS_VERSION || hello.link > NX_BUS_LINK_ADMIN || conn->admin != NULL) {
        nx_link_close(&conn->link);
        return;
    }
    if (hello.link == NX_BUS_LINK_ADMIN) {
        conn->kind = NX_BUS_LINK_ADMIN;
        nx_timer_cancel(node->loop, &conn->hello);
        ctld_admin_open(conn);
        return;
    }
    struct ctld_shard *shard = shard_find(node, &hello);
    if (shard == NULL || shard->conns[hello.link] != NULL) {
        /* No number is left, or the old connection is not down yet: it comes again. */
        nx_link_close(&conn->link);
        return;
    }
    conn->kind = (enum nx_bus_link)hello.link;
    conn->shard = shard;
    shard->conns[hello.link] = conn;
    nx_timer_cancel(node->loop, &conn->hello);
    const struct nx_bus_hello answer = {
        .version = NX_BUS_VERSION,
        .node = node->config->node,
        .shard = hello.shard,
        .link = hello.link,
        .boot = node->boot,
    };
    (void)NX_LINK_PUT(&conn->link, hello, &answer);
    if (shard->conns[NX_BUS_LINK_RT] != NULL && shard->conns[NX_BUS_LINK_BULK] != NULL) {
        shard_online(shard);
    }
}

/* ---- messages ---- */

/* Decodes into `m` and runs the statement; a message that does not decode closes the link: the peer is broken. */
#define ON(NAME, name, statement)                                                                            \
    case NX_BUS_MSG_##NAME: {                                                                                \
        struct nx_bus_##name m;                                                                              \
        if (nx_bus_##name##_get(frame->payload, &m) != NX_OK) {                                              \
            nx_link_close(&conn->link);                                                                      \
            return;                                                                                          \
        }                                                                                                    \
        statement;                                                                                           \
        return;                                                                                              \
    }

static void on_frame(void *context, const struct nx_bus_frame *frame)
{
    struct ctld_conn *conn = context;
    struct ctld_node *node = conn->node;
    if (frame->number == NX_BUS_MSG_HELLO) {
        hello_handle(conn, frame->payload);
        return;
    }
    if (conn->admin != NULL && frame->number == NX_BUS_MSG_ADMIN_REQUEST) {
        struct nx_bus_admin_request request;
        if (nx_bus_admin_request_get(frame->payload, &request) == NX_OK) {
            ctld_admin_request(conn->admin, request.arguments);
        }
        return;
    }
    if (conn->shard == NULL || !conn->shard->is_online) {
        nx_link_close(&conn->link);
        return;
    }
    struct ctl_gateway *gateway = &node->gateway;
    const uint32_t link = conn->shard->number;
    const int64_t wall_ms = nx_loop_wall_ms(node->loop);
    const nx_time now = nx_loop_now(node->loop);
    switch (frame->number) {
        ON(SESSION_OPEN, session_open, ctl_gateway_session_open(gateway, link, &m, wall_ms))
        ON(SESSION_CLOSE, session_close, ctl_gateway_session_close(gateway, link, &m))
        ON(SESSION_STATUS, session_status, ctl_gateway_session_status(gateway, link, &m))
        ON(MESSAGE_SEND, message_send, ctl_gateway_message_send(gateway, link, &m, wall_ms, now))
        ON(MEMBERS_REQUEST, members_request, ctl_gateway_members_request(gateway, link, &m, wall_ms))
        ON(REST_REQUEST, rest_request, ctld_rest_link_request(node, conn->shard, &m))
        ON(REST_BODY, rest_body, ctld_rest_link_body(node, conn->shard, &m))
        ON(REST_CANCEL, rest_cancel, ctld_rest_link_cancel(node, conn->shard, &m))
    default:
        return; /* from a newer gatewayd: skipped */
    }
}

static void on_up(void *context)
{
    struct ctld_conn *conn = context;
    nx_timer_set_ms(conn->node->loop, &conn->hello, CTLD_HELLO_MS);
}

static void on_room(void *context)
{
    struct ctld_conn *conn = context;
    if (conn->admin != NULL) {
        ctld_admin_room(conn->admin);
    } else {
        ctld_outbox_drain(conn);
        ctld_effects_room(conn->node);
    }
}

static void on_down(void *context, enum nx_err why)
{
    struct ctld_conn *conn = context;
    struct ctld_shard *shard = conn->shard;
    (void)why;
    if (shard != NULL) {
        shard->conns[conn->kind] = NULL;
        shard_offline(shard);
        ctld_effects_room(conn->node);
    }
    if (conn->admin != NULL) {
        ctld_admin_gone(conn->admin);
    }
    conn_free(conn);
}

static void on_hello_due(void *context)
{
    struct ctld_conn *conn = context;
    nx_link_close(&conn->link);
}

static const struct nx_link_events LINK_EVENTS = {
    .up = on_up, .frame = on_frame, .room = on_room, .down = on_down};

static void on_accept(void *context, struct nx_accepted *accepted)
{
    struct ctld_node *node = context;
    struct ctld_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL) {
        return;
    }
    conn->node = node;
    nx_timer_init(&conn->hello, on_hello_due, conn);
    nx_list_push_back(&node->conns, &conn->member);
    if (nx_link_accept(&conn->link, node->loop, accepted, CTLD_LINK_QUEUE_MAX, &LINK_EVENTS, conn) != NX_OK) {
        conn_free(conn);
    }
}

static void on_tick(void *context)
{
    struct ctld_node *node = context;
    const struct nx_bus_tick tick = {.wall_ms = (uint64_t)nx_loop_wall_ms(node->loop)};
    for (uint32_t i = 0; i < CTL_LINKS_MAX; i++) {
        if (node->shards[i].is_online) {
            (void)CTLD_OUTBOX_PUT(node->shards[i].conns[NX_BUS_LINK_RT], tick, &tick);
        }
    }
    nx_timer_set_ms(node->loop, &node->tick, CTLD_TICK_MS);
}

static void on_rules(void *context)
{
    struct ctld_node *node = context;
    const nx_time now = nx_loop_now(node->loop);
    ctl_gateway_tick(&node->gateway, nx_loop_wall_ms(node->loop), now);
    ctld_rest_link_tick(node, now);
    nx_timer_set_ms(node->loop, &node->rules, CTLD_RULES_TICK_MS);
}

enum nx_err ctld_bus_server_open(struct ctld_node *node)
{
    nx_list_init(&node->conns);
    for (uint32_t i = 0; i < CTL_LINKS_MAX; i++) {
        node->shards[i].node = node;
        node->shards[i].number = i;
    }
    nx_timer_init(&node->tick, on_tick, node);
    nx_timer_init(&node->rules, on_rules, node);
    const enum nx_err err =
        nx_listener_open(node->loop, &node->listener, &node->config->bus, on_accept, node);
    if (err == NX_OK) {
        nx_timer_set_ms(node->loop, &node->tick, CTLD_TICK_MS);
        nx_timer_set_ms(node->loop, &node->rules, CTLD_RULES_TICK_MS);
    }
    return err;
}

void ctld_bus_server_close(struct ctld_node *node)
{
    nx_timer_cancel(node->loop, &node->tick);
    nx_timer_cancel(node->loop, &node->rules);
    nx_listener_close(&node->listener);
    NX_LIST_EACH(at, &node->conns)
    {
        nx_link_close(&NX_LIST_ITEM(at, struct ctld_conn, member)->link);
    }
}
