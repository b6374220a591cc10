/* limits.h - every cap of control/api.
 *
 * Layer:   control/api
 * Threads: any; constants
 */
#ifndef API_API_LIMITS_H
#define API_API_LIMITS_H

enum {
    API_IDS_MAX = 3,               /**< ids in one path */
    API_BODY_SIZE_MAX = 64 * 1024, /**< bytes of a JSON body; nothing we take is near it */
    API_HEADERS_SIZE_MAX = 2048,   /**< bytes of response headers */
    API_ARENA_SIZE =
        256 * 1024,           /**< bytes of arena a request needs for itself; rows of answers come on top */
    API_ROWS_SIZE = 2 << 20,  /**< bytes for the rows of an answer: a page of bans with the longest reasons */
    API_STATE_SIZE = 1024,    /**< bytes that a handler may keep between its steps */
    API_RANDOM_SIZE = 64,     /**< unpredictable bytes per request */
    API_TEXT_SIZE_MAX = 64,   /**< bytes of a text parameter in a path, such as an invite code */
    API_POSITIONS_MAX = 500,  /**< rows of one reordering */
    API_IDEMPOTENCY_MAX = 64, /**< bytes of an Idempotency-Key, as of a nonce, which it is for messages */
};

#endif
