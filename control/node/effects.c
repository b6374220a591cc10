#include "control/node/effects.h"

#include "control/node/bus_server.h"
#include "control/node/outbox.h"

#include <stdlib.h>

#define EFFECT(name, kind)                                                                                   \
    static void put_##name(void *context, uint32_t number, const struct nx_bus_##name *message)              \
    {                                                                                                        \
        struct ctld_node *node = context;                                                                    \
        struct ctld_conn *conn = ctld_bus_server_conn(node, number, kind);                                   \
        if (conn != NULL && CTLD_OUTBOX_PUT(conn, name, message) != NX_OK) {                                 \
            ctld_bus_server_reset(node, number);                                                             \
        }                                                                                                    \
    }

EFFECT(session_opened, NX_BUS_LINK_RT)
EFFECT(session_move, NX_BUS_LINK_RT)
EFFECT(session_end, NX_BUS_LINK_RT)
EFFECT(revoke, NX_BUS_LINK_RT)
EFFECT(guild_state, NX_BUS_LINK_RT)
EFFECT(channel_state, NX_BUS_LINK_RT)
EFFECT(channel_gone, NX_BUS_LINK_RT)
EFFECT(guild_gone, NX_BUS_LINK_RT)
EFFECT(roleset_view, NX_BUS_LINK_RT)
EFFECT(member_roleset, NX_BUS_LINK_RT)
EFFECT(event, NX_BUS_LINK_RT)
EFFECT(user_event, NX_BUS_LINK_RT)
EFFECT(session_event, NX_BUS_LINK_RT)

/* A READY can be large: while a shard has enough of them to take in, no further session is opened. */
static void put_session_ready(void *context, uint32_t number, const struct nx_bus_session_ready *message)
{
    struct ctld_node *node = context;
    struct ctld_conn *conn = ctld_bus_server_conn(node, number, NX_BUS_LINK_BULK);
    if (conn == NULL) {
        return;
    }
    if (CTLD_OUTBOX_PUT(conn, session_ready, message) != NX_OK) {
        ctld_bus_server_reset(node, number);
    } else if (!node->gateway.is_held && nx_link_is_busy(&conn->link)) {
        ctl_gateway_hold(&node->gateway, true, nx_loop_wall_ms(node->loop));
    }
}

void ctld_effects_room(struct ctld_node *node)
{
    for (uint32_t i = 0; i < CTL_LINKS_MAX; i++) {
        struct ctld_conn *conn = ctld_bus_server_conn(node, i, NX_BUS_LINK_BULK);
        if (conn != NULL && (ctld_outbox_waiting(conn) != 0 || nx_link_is_busy(&conn->link))) {
            return;
        }
    }
    if (node->gateway.is_held && !node->is_closing) {
        ctl_gateway_hold(&node->gateway, false, nx_loop_wall_ms(node->loop));
    }
}

static struct ctld_op *op_take(struct ctld_node *node)
{
    struct ctld_op *op = node->ops_free;
    if (op != NULL) {
        node->ops_free = op->next_free;
        return op;
    }
    return malloc(sizeof(*op));
}

static void op_answered(struct store_request *request)
{
    struct ctld_op *op = NX_LIST_ITEM(request, struct ctld_op, store);
    struct ctld_node *node = op->node;
    node->busy_count--;
    ctl_gateway_answered(&node->gateway, op->op, &request->answer, nx_loop_wall_ms(node->loop),
                         nx_loop_now(node->loop));
    op->next_free = node->ops_free;
    node->ops_free = op;
}

/* Answers later with NX_E_UNAVAILABLE what the store does not take: the rules must not be re-entered from here. */
struct refusal {
    struct nx_loop_task task;
    struct ctld_node *node;
    struct ctl_op *op;
};

static bool refused_run(void *context)
{
    struct refusal *refusal = context;
    struct ctld_node *node = refusal->node;
    const struct ctl_answer answer = {.verdict = NX_E_UNAVAILABLE};
    struct ctl_op *op = refusal->op;
    nx_loop_task_sleep(node->loop, &refusal->task);
    free(refusal);
    node->busy_count--;
    ctl_gateway_answered(&node->gateway, op, &answer, nx_loop_wall_ms(node->loop), nx_loop_now(node->loop));
    return false;
}

static void refuse(struct ctld_node *node, struct ctl_op *op)
{
    struct refusal *refusal = calloc(1, sizeof(*refusal));
    if (refusal == NULL) {
        abort(); /* not even 64 bytes: the supervisor starts us anew */
    }
    refusal->node = node;
    refusal->op = op;
    node->busy_count++;
    nx_loop_task_init(&refusal->task, NX_LOOP_PRIORITY, refused_run, refusal);
    nx_loop_task_wake(node->loop, &refusal->task);
}

static void ask(void *context, struct ctl_op *op)
{
    struct ctld_node *node = context;
    struct ctld_op *carried = op_take(node);
    if (carried == NULL) {
        refuse(node, op);
        return;
    }
    *carried = (struct ctld_op){.node = node, .op = op};
    carried->store.question = op->question;
    carried->store.arena = &op->arena;
    carried->store.answered = op_answered;
    if (store_ask(node->store, &carried->store) != NX_OK) {
        carried->next_free = node->ops_free;
        node->ops_free = carried;
        refuse(node, op);
        return;
    }
    node->busy_count++;
}

struct ctl_sink ctld_effects_sink(struct ctld_node *node)
{
    return (struct ctl_sink){
        .context = node,
        .session_opened = put_session_opened,
        .session_ready = put_session_ready,
        .session_move = put_session_move,
        .session_end = put_session_end,
        .revoke = put_revoke,
        .guild_state = put_guild_state,
        .channel_state = put_channel_state,
        .channel_gone = put_channel_gone,
        .guild_gone = put_guild_gone,
        .roleset_view = put_roleset_view,
        .member_roleset = put_member_roleset,
        .event = put_event,
        .user_event = put_user_event,
        .session_event = put_session_event,
        .ask = ask,
    };
}

void ctld_effects_fini(struct ctld_node *node)
{
    while (node->ops_free != NULL) {
        struct ctld_op *op = node->ops_free;
        node->ops_free = op->next_free;
        free(op);
    }
}
