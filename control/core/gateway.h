/* gateway.h - what control does for gateway sessions: open, close, presence, sending, member lists.
 *
 * Spec:    engine/wire/bus_msg.def, protocol.md section 3
 * Layer:   control/core (pure)
 * Threads: the loop's
 * Limits:  CTL_SENDS_MAX and CTL_OPENS_MAX questions in flight
 * Idiom:   a message of the bus comes in, effects go to world->sink; what needs the store goes out as an op through
 *          sink.ask and comes back by ctl_gateway_answered(). READY has no session_id: gatewayd writes it, and
 *          resume_gateway_url, right after "d":{ of the READY tail. SESSION_READY carries whole tails; a message is larger
 *          than NX_BUS_CHUNK_MAX only when a single tail is.
 */
#ifndef CTL_CORE_GATEWAY_H
#define CTL_CORE_GATEWAY_H

#include "control/core/world.h"
#include "engine/base/arena.h"
#include "engine/base/list.h"

enum ctl_op_kind { CTL_OP_LOGIN, CTL_OP_OPEN, CTL_OP_SEND, CTL_OP_DOUBT };

/** A question of the gateway on its way; the node embeds it in nothing, but may keep `node` with it. */
struct ctl_op {
    struct ctl_question question;
    struct nx_arena arena; /**< for the rows of the answer */
    void *node;            /**< the node's own, NULL when asked */
    /* state */
    enum ctl_op_kind kind;
    uint32_t link;
    struct nx_bus_session_open open; /**< LOGIN, OPEN */
    uint64_t session;                /**< SEND */
    uint64_t number;                 /**< SEND: gatewayd's, for the answer */
    uint64_t user_id;
    uint64_t epoch;           /**< LOGIN: of the logins when asked */
    struct nx_list_link sent; /**< SEND: in gateway.unanswered until its sender was told */
    nx_time asked_at;         /**< SEND */
    struct ctl_op *next;      /**< SEND: of the same doubt */
    uint32_t round;           /**< SEND: the question of the doubt that it waits for */
    bool is_cancelled;
    size_t size; /**< bytes of the op with its arena */
};

struct ctl_gateway_open;

/** The gateway's half of control. */
struct ctl_gateway {
    struct ctl_world *world;          /**< given */
    struct ctl_gateway_open *waiting; /**< owned ring of opens that wait */
    uint8_t *ready;                   /**< owned: where SESSION_READY is written */
    uint32_t waiting_first, waiting_count;
    struct ctl_op *opening[CTL_OPENS_MAX]; /**< opens in flight */
    uint32_t opens, sends;                 /**< in flight */
    struct nx_list unanswered;             /**< sends whose sender was told nothing, oldest first */
    bool is_held;                          /**< no open begins */
    /* counters */
    uint64_t refused_sends, refused_opens, late_sends;
};

/** Makes it. Returns NX_OK; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err ctl_gateway_init(struct ctl_gateway *gateway, struct ctl_world *world);

/** Gives its memory back; ops in flight must have been answered. */
void ctl_gateway_fini(struct ctl_gateway *gateway);

/** A shard of gatewayd is there: pushes revocations that its tokens may have outlived. KEY, SETTINGS and SYNCED are the node's. */
void ctl_gateway_link_open(struct ctl_gateway *gateway, uint32_t link, uint16_t node, uint16_t shard,
                           int64_t wall_ms);

/** A shard is gone: its sessions are over. */
void ctl_gateway_link_closed(struct ctl_gateway *gateway, uint32_t link);

/** SESSION_OPEN: answered by SESSION_OPENED, with a close code when refused (4004, 4103, 4000 overloaded). */
void ctl_gateway_session_open(struct ctl_gateway *gateway, uint32_t link,
                              const struct nx_bus_session_open *message, int64_t wall_ms);

/** SESSION_CLOSE; an unknown session is ignored. */
void ctl_gateway_session_close(struct ctl_gateway *gateway, uint32_t link,
                               const struct nx_bus_session_close *message);

/** SESSION_STATUS; an unknown session or status is ignored. */
void ctl_gateway_session_status(struct ctl_gateway *gateway, uint32_t link,
                                const struct nx_bus_session_status *message);

/**
 * MESSAGE_SEND: NEXUS_MESSAGE_REFUSED at once, or a question and NEXUS_MESSAGE_ACK, then MESSAGE_CREATE to the channel. A commit
 * that ends in an error is looked at (doubt.h) before the sender is told; the sender is told within CTL_SEND_MS, and once.
 */
void ctl_gateway_message_send(struct ctl_gateway *gateway, uint32_t link,
                              const struct nx_bus_message_send *message, int64_t wall_ms, nx_time now);

/** MEMBERS_REQUEST: GUILD_MEMBERS_CHUNK events; nothing for a guild the session is not in. */
void ctl_gateway_members_request(struct ctl_gateway *gateway, uint32_t link,
                                 const struct nx_bus_members_request *message, int64_t wall_ms);

/** What time brings, several times a second: sends that the store does not answer are refused (130000), doubts are asked again. */
void ctl_gateway_tick(struct ctl_gateway *gateway, int64_t wall_ms, nx_time now);

/**
 * Holds session opens back (true) while a shard has enough READYs to take in, or lets them go on (false). What is held
 * waits in the queue of opens.
 */
void ctl_gateway_hold(struct ctl_gateway *gateway, bool is_held, int64_t wall_ms);

/** The answer of an op that sink.ask was given; frees the op. */
void ctl_gateway_answered(struct ctl_gateway *gateway, struct ctl_op *op, const struct ctl_answer *answer,
                          int64_t wall_ms, nx_time now);

#endif
