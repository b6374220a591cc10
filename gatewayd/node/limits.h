/* limits.h - every cap and default of gatewayd/node, with the reason beside it.
 *
 * Layer:   gatewayd/node
 * Threads: any; constants
 */
#ifndef GW_NODE_LIMITS_H
#define GW_NODE_LIMITS_H

enum {
    GW_BODY_MAX = 64 * 1024,     /**< bytes of a REST request body; then 413 */
    GW_PIPELINE_MAX = 32 * 1024, /**< bytes of requests behind the one being served; then reading pauses */
    GW_REQUESTS_SIZE_MAX =
        64 << 20, /**< bytes of larger requests on their way in, per shard; nobody has logged in yet */
    GW_RESPONSE_MAX = 16 << 20,   /**< bytes of one response waiting to be taken */
    GW_TLS_MS = 5 * 1000,         /**< for the TLS handshake; reliability.md 8 */
    GW_HEAD_MS = 10 * 1000,       /**< for a request head, in all */
    GW_KEEP_ALIVE_MS = 60 * 1000, /**< between requests */
    GW_BODY_RATE_MIN = 1024,      /**< bytes per second of a body, after GW_HEAD_MS */
    GW_REST_MS = 30 * 1000,       /**< for control's answer; then 504 */
    GW_SEND_MS = 30 * 1000,       /**< without progress of a response */
    GW_LINGER_MS = 2 * 1000,      /**< after our FIN for the client's */
    GW_WS_CLOSE_MS = 3 * 1000,    /**< for a close frame to leave and be answered */
    GW_SLOW_CLOSE_MS = 6 * 1000, /**< the same for a slow consumer: it has to read what is before the frame */
    GW_TICK_MS = 100,            /**< timers of sessions are looked at so often */
    GW_HANDSHAKE_THREADS = 1,    /**< per shard: 2,500 new TLS connections per core and second */
    GW_HANDSHAKES_MAX = 512,     /**< handshakes queued per shard; then new ones are closed */
    GW_BUS_QUEUE_MAX = 4 << 20,  /**< bytes unsent on one link */
    GW_BUS_BACKOFF_MIN_MS = 50,  /**< between attempts to reach control */
    GW_BUS_BACKOFF_MAX_MS = 1000,
    GW_ECHO_MESSAGE_MAX = 16 << 20,  /**< bytes of one message in echo mode */
    GW_ECHO_FRAGMENTS_MAX = 1 << 20, /**< frames of one message in echo mode */
    GW_ECHO_PENDING_MAX = 4 << 20,   /**< bytes unsent before reading pauses */
    GW_FRAGMENTS_MAX = 64,           /**< frames of one client payload */
    GW_CONN_SLAB = 256,              /**< connections added at a time */
    GW_CONN_SLABS_MAX = 4096,
    GW_PROXIES_MAX = 32, /**< trusted proxy addresses */
    GW_DRAIN_MS = 10 * 1000,
    GW_DRAIN_STEP_MS = 50,
    GW_ADMIN_TEXT_MAX = 128 * 1024, /**< bytes of /metrics */
    GW_SCRATCH_SIZE = 64 * 1024,    /**< bytes for plaintext on its way into TLS */
    GW_REQUEST_ID_MAX = 64,
};

#endif
