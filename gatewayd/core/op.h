/* op.h - one payload of a gateway client: checked JSON turned into a value.
 *
 * Spec:    protocol.md section 3: ops 0 to 11 as Discord, ours from 64
 * Layer:   gatewayd/core (pure)
 * Threads: any; no state
 * Limits:  GW_PAYLOAD_MAX bytes, depth and strings by engine/wire/json.h; GW_SUBSCRIPTIONS_MAX channels,
 *          GW_MEMBER_IDS_MAX user ids
 * Idiom:   parse, then switch on `op`; texts are borrowed from the payload or the scratch.
 */
#ifndef GW_CORE_OP_H
#define GW_CORE_OP_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/base/writer.h"
#include "gatewayd/core/limits.h"

/** Opcodes, both directions. */
enum gw_op_code {
    GW_OP_DISPATCH = 0,
    GW_OP_HEARTBEAT = 1,
    GW_OP_IDENTIFY = 2,
    GW_OP_PRESENCE = 3,
    GW_OP_VOICE_STATE = 4,
    GW_OP_RESUME = 6,
    GW_OP_RECONNECT = 7,
    GW_OP_MEMBERS = 8,
    GW_OP_INVALID_SESSION = 9,
    GW_OP_HELLO = 10,
    GW_OP_HEARTBEAT_ACK = 11,
    GW_OP_SUBSCRIBE = 64,
    GW_OP_ACK_DELIVERY = 65,
    GW_OP_STATS = 66,
    GW_OP_SEND_MESSAGE = 67,
};

/** One payload. Only the fields of its op are set. */
struct gw_op {
    enum gw_op_code op;
    uint64_t seq;          /**< HEARTBEAT (0 for null), RESUME */
    struct nx_bytes token; /**< IDENTIFY, RESUME; without a "Bot " or "Bearer " in front */
    bool is_bot; /**< the token was given as "Bot …", or looks like a bot's: two parts, not three */
    struct nx_bytes session_id; /**< RESUME */
    uint64_t intents;           /**< IDENTIFY */
    uint32_t capabilities;      /**< IDENTIFY: NX_BUS_CAPABILITY_* */
    uint8_t status;             /**< IDENTIFY, PRESENCE: enum nx_bus_status */
    uint64_t guild_id;          /**< MEMBERS, SUBSCRIBE */
    uint64_t channel_id;        /**< SEND_MESSAGE */
    struct nx_bytes content;    /**< SEND_MESSAGE */
    struct nx_bytes nonce;      /**< SEND_MESSAGE, MEMBERS */
    struct nx_bytes query;      /**< MEMBERS */
    uint32_t limit;             /**< MEMBERS */
    bool wants_presences;       /**< MEMBERS */
    bool has_channels; /**< SUBSCRIBE: there is a list, be it empty; without one everything is wanted again */
    bool wants_members;                 /**< SUBSCRIBE */
    uint64_t ids[GW_SUBSCRIPTIONS_MAX]; /**< SUBSCRIBE: channels; MEMBERS: users */
    uint32_t ids_count;
};

/**
 * Parses `payload`; escaped strings are resolved into `scratch` (the size of the payload is always enough).
 *
 * Returns NX_OK; NX_E_MALFORMED (close 4002) when it is no JSON object with an integer "op", or a member of its "d" has
 * another type or is out of range; NX_E_UNSUPPORTED (close 4001) for an op that clients do not send; NX_E_FULL (an error
 * dispatch or close 4002) when a list is longer than its cap.
 */
NX_MUST_USE enum nx_err gw_op_parse(struct nx_bytes payload, struct nx_writer *scratch, struct gw_op *out);

#endif
