/* limits.h - every cap of gatewayd/core, with the reason beside it.
 *
 * Layer:   gatewayd/core
 * Threads: any; constants
 */
#ifndef GW_CORE_LIMITS_H
#define GW_CORE_LIMITS_H

enum {
    GW_PAYLOAD_MAX = 16 * 1024,        /**< bytes of one client payload; protocol.md section 3 */
    GW_HEARTBEAT_MS = 30 * 1000,       /**< told in HELLO; protocol.md section 3 */
    GW_HEARTBEAT_GRACE_MS = 45 * 1000, /**< 1.5 intervals without a heartbeat end the connection */
    GW_IDENTIFY_MS = 10 * 1000,        /**< from HELLO to IDENTIFY or RESUME */
    GW_OPEN_MS = 20 * 1000,            /**< from IDENTIFY to the answer of control */
    GW_RESUME_MS = 120 * 1000,         /**< a detached session lives so long; protocol.md section 3 */
    GW_STALL_MS = 10 * 1000,           /**< a socket that takes nothing for so long is cut (R12) */
    GW_BUS_STALE_MS = 30 * 1000,       /**< without a TICK for so long no new rights are granted */
    GW_BUS_SILENT_MS = 3 * 1000,       /**< without a TICK for so long control is away, as far as sends go */
    GW_SEND_WAIT_MS = 1500,            /**< a send waits so long for control; then it is refused */
    GW_SEND_ANSWER_MS = 300,           /**< more for the answer; control itself refuses after 1,400 ms */
    GW_SENDS_OUT_MAX = 4096,           /**< sends of one shard that control has not answered */
    GW_SENDS_WAITING_MAX = 1024,       /**< sends of one shard that wait */
    GW_SENDS_WAITING_SIZE_MAX = 4 << 20, /**< bytes of them */
    GW_OPS_PER_MINUTE = 120,             /**< client payloads in 60 s, all at once if it likes */
    GW_CLOSE_REASON_MAX = 123,           /**< bytes of a close reason, RFC 6455 section 5.5 */

    GW_RING_SIZE_MIN = 64,        /**< frame positions of a fresh session */
    GW_REPLAY_MIN = 256,          /**< newest dispatches that a resume can repeat, told in READY */
    GW_RING_SIZE_MAX = 4096,      /**< most dispatches that a detached session gathers */
    GW_UNSENT_MAX = 1024,         /**< most dispatches unsent of a live one; more and it is a slow consumer */
    GW_RING_GROWTH = 4,           /**< factor of one growth step: 64, 256, 1024, 4096 */
    GW_UNSENT_SIZE_MAX = 1 << 20, /**< bytes unsent of one session before it is a slow consumer */
    GW_BURST_SIZE_MAX = 16 << 20, /**< bytes of READY and what follows it for one session */

    GW_FRAMELOG_SIZE = 16 << 20,    /**< bytes of a shard's log of event frames */
    GW_FRAMELOG_SIZE_MIN = 1 << 20, /**< bytes; a tail may be an eighth of it */
    GW_KEYS_MAX = 8192,             /**< replaceable keys remembered; then all are forgotten */

    GW_SESSIONS_MAX = 20000, /**< per shard; RLIMIT_NOFILE of the target machine */
    GW_SESSIONS_SPARE_PART =
        10, /**< when less than a tenth of the slots is free, those without a client make room */
    GW_EVICT_STEPS = 256,             /**< slots looked at for one of them */
    GW_SESSION_SLAB = 1024,           /**< sessions added at a time */
    GW_SESSION_SLABS_MAX = 1024,      /**< 1 M sessions in all */
    GW_SESSION_GUILDS_MAX = 2500,     /**< guilds of one session, as Discord's shards */
    GW_SUBSCRIPTIONS_MAX = 256,       /**< channels of one guild that a session looks at */
    GW_UNREAD_MS = 1000,              /**< a channel's NEXUS_UNREAD is told at most once in so long */
    GW_UNREAD_CHANNELS_MAX = 1 << 15, /**< channels whose NEXUS_UNREAD is due later; a power of two */
    GW_GUILDS_MAX = 1 << 20,          /**< guilds of one shard */
    GW_CHANNELS_MAX = 1 << 22,        /**< channels of one shard */
    GW_MEMBERS_MAX = 1 << 20,         /**< sessions of one guild on one shard */
    GW_PASS_FRAMES_MAX = 64,          /**< frames handed to the members in one pass */
    GW_SMALL_GUILD = 128,             /**< members; such a guild is handed out whole, before any large one */

    GW_NONCE_MAX = 64,       /**< bytes of a message nonce */
    GW_BOT_TOKEN_MAX = 256,  /**< bytes */
    GW_MEMBER_IDS_MAX = 100, /**< user ids of one op 8, as Discord */

    GW_REVOKED_MAX = 1 << 15, /**< logins remembered as revoked; the oldest is forgotten first */
    GW_REVOKED_S = 25 * 3600, /**< seconds a revocation is remembered: longer than any access token */

    GW_ADDRESS_OPEN_MAX = 50,  /**< unauthenticated connections of one address; reliability.md 8 */
    GW_ADDRESS_NEW_PER_S = 20, /**< new connections of one address and second; reliability.md 8 */
    GW_ADDRESSES_MAX = 8192,   /**< addresses counted at a time */
};

#endif
