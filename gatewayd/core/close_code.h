/* close_code.h - the codes that the gateway closes a WebSocket with.
 *
 * Spec:    protocol.md section 3; 4000 to 4014 as Discord, ours from 4100
 * Layer:   gatewayd/core
 * Threads: any; constants
 */
#ifndef GW_CORE_CLOSE_CODE_H
#define GW_CORE_CLOSE_CODE_H

enum gw_close {
    GW_CLOSE_NORMAL = 1000,            /**< ends the session */
    GW_CLOSE_GOING_AWAY = 1001,        /**< ends the session */
    GW_CLOSE_POLICY = 1008,            /**< ping flood */
    GW_CLOSE_UNKNOWN = 4000,           /**< try again, resume */
    GW_CLOSE_UNKNOWN_OP = 4001,        /**< an opcode that clients do not send */
    GW_CLOSE_DECODE = 4002,            /**< no JSON, or not of the op's shape */
    GW_CLOSE_NOT_AUTHENTICATED = 4003, /**< an op before IDENTIFY */
    GW_CLOSE_AUTH_FAILED = 4004,       /**< the token is not good */
    GW_CLOSE_ALREADY = 4005,           /**< IDENTIFY twice */
    GW_CLOSE_INVALID_SEQ = 4007,       /**< a seq from the future, or somebody else's session */
    GW_CLOSE_RATE_LIMITED = 4008,      /**< too many payloads */
    GW_CLOSE_TIMEOUT = 4009,           /**< no IDENTIFY in time, or no heartbeat */
    GW_CLOSE_INVALID_VERSION = 4012,   /**< ?v= is not one of ours */
    GW_CLOSE_INVALID_INTENTS = 4013,   /**< intents that do not exist */
    GW_CLOSE_DRAINING = 4100, /**< reconnect, to the URL in the reason when there is one, and resume */
    GW_CLOSE_SLOW = 4101,     /**< the client reads too slowly; resume is possible */
    GW_CLOSE_REPLACED = 4102, /**< the session was resumed by another connection */
    GW_CLOSE_DISABLED = 4103, /**< the account is disabled; do not reconnect */
    GW_CLOSE_LOST = 4104,     /**< what was to be replayed is gone */
};

#endif
