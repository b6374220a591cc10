/* limits.h - every cap of the impairment proxy's rules, with the reason beside it.
 *
 * Layer:   tools/impair/core (constants only)
 * Threads: any
 */
#ifndef TOOLS_IMPAIR_CORE_LIMITS_H
#define TOOLS_IMPAIR_CORE_LIMITS_H

enum {
    IMPAIR_ROUTES_MAX = 64,                 /**< listening addresses */
    IMPAIR_LINES_MAX = 64,                  /**< --do lines */
    IMPAIR_MEMORY_SIZE_DEFAULT = 512 << 20, /**< bytes of packets and streams on their way */
    IMPAIR_MEMORY_SIZE_MIN = 1 << 20,       /**< bytes; a few packets of the largest size */
    IMPAIR_IDLE_S_DEFAULT = 120,            /**< seconds until a silent UDP flow is forgotten */
    IMPAIR_LINE_SIZE_MAX = 1024,            /**< bytes of one command line */
    IMPAIR_WORDS_MAX = 32,                  /**< words of one command line */
    IMPAIR_SCRIPT_LINES_MAX = 4096,         /**< commands that wait for their time */
    IMPAIR_SCRIPT_SIZE_MAX = 1 << 20,       /**< bytes of one script */
    IMPAIR_DURATION_S_MAX = 24 * 3600, /**< any delay, window or period; keeps sums of instants in range */
    IMPAIR_BITS_MAX = 64,              /**< bits flipped in one packet */
    IMPAIR_GAP_MAX = 1024,             /**< packets that may overtake a held one */
    IMPAIR_BLOCK_SIZE = 1024,          /**< bytes of a TCP stream that count as one packet for chances */
    IMPAIR_AGENDA_ITEMS_MAX = 1 << 20, /**< packets in flight, pipes with data and commands that wait */
    IMPAIR_EVERY_NS_MIN = 1000000,     /**< shortest period of a repeated command: 1 ms */
    IMPAIR_QUEUE_SIZE_DEFAULT = 262144 /**< bytes that wait at a rate limit when no queue is set */
};

#endif
