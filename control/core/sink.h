/* sink.h - where effects of decisions go: one function per bus message, and the store.
 *
 * Layer:   control/core (pure): the rules push, control/node encodes and sends
 * Threads: the loop's
 * Idiom:   `link` is the number the node gave the shard's pair of links. Bytes are borrowed until the call returns. Effects
 *          of one decision come in the order in which they must be sent; on one link nothing may overtake.
 */
#ifndef CTL_CORE_SINK_H
#define CTL_CORE_SINK_H

#include "control/core/question.h"
#include "engine/wire/bus.h"

struct ctl_op;

/** All functions must be there. session_ready travels on the shard's bulk link, all others on its realtime link. */
struct ctl_sink {
    void *context;
    void (*session_opened)(void *context, uint32_t link, const struct nx_bus_session_opened *message);
    void (*session_ready)(void *context, uint32_t link, const struct nx_bus_session_ready *message);
    void (*session_move)(void *context, uint32_t link, const struct nx_bus_session_move *message);
    void (*session_end)(void *context, uint32_t link, const struct nx_bus_session_end *message);
    void (*revoke)(void *context, uint32_t link, const struct nx_bus_revoke *message);
    void (*guild_state)(void *context, uint32_t link, const struct nx_bus_guild_state *message);
    void (*channel_state)(void *context, uint32_t link, const struct nx_bus_channel_state *message);
    void (*channel_gone)(void *context, uint32_t link, const struct nx_bus_channel_gone *message);
    void (*guild_gone)(void *context, uint32_t link, const struct nx_bus_guild_gone *message);
    void (*roleset_view)(void *context, uint32_t link, const struct nx_bus_roleset_view *message);
    void (*member_roleset)(void *context, uint32_t link, const struct nx_bus_member_roleset *message);
    void (*event)(void *context, uint32_t link, const struct nx_bus_event *message);
    void (*user_event)(void *context, uint32_t link, const struct nx_bus_user_event *message);
    void (*session_event)(void *context, uint32_t link, const struct nx_bus_session_event *message);
    /**
     * Asks the store op->question; rows of the answer go to op->arena. The node calls ctl_gateway_answered() exactly once,
     * later, never from inside this call; with the verdict NX_E_UNAVAILABLE when the store takes no more.
     */
    void (*ask)(void *context, struct ctl_op *op);
};

#endif
