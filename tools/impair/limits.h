/* limits.h - every cap of the impairment proxy's sockets and memory, with the reason beside it.
 *
 * Layer:   tools/impair (constants only)
 * Threads: any
 */
#ifndef TOOLS_IMPAIR_LIMITS_H
#define TOOLS_IMPAIR_LIMITS_H

enum {
    IMPAIR_DATAGRAM_SIZE_MAX = 65535,        /**< bytes of one UDP packet */
    IMPAIR_BATCH_MAX = 64,                   /**< packets in one system call */
    IMPAIR_ROUNDS_MAX = 4,                   /**< such calls for one socket before others get their turn */
    IMPAIR_EVENTS_MAX = 256,                 /**< sockets of one turn */
    IMPAIR_EVENTS_PER_RELEASE = 16,          /**< sockets read before what is due is sent */
    IMPAIR_FLOW_BUCKETS = 4096,              /**< of the table of UDP flows; a power of 2 */
    IMPAIR_SOCKET_BUFFER_SIZE = 32 << 20,    /**< bytes the kernel keeps for the proxy when it is late */
    IMPAIR_STREAM_QUEUE_SIZE_MAX = 1 << 20,  /**< bytes on their way in one direction of a TCP connection */
    IMPAIR_READ_SIZE_MAX = 65536,            /**< bytes of one read from a stream */
    IMPAIR_READ_SIZE_SHAPED_MIN = 1460,      /**< bytes of one read when a rate limit makes them small */
    IMPAIR_PIECES_MAX = 256,                 /**< writes to one connection before others get their turn */
    IMPAIR_ACCEPTS_MAX = 64,                 /**< connections accepted before others get their turn */
    IMPAIR_ACCEPT_PAUSE_MS = 50,             /**< without descriptors, until accepting is tried again */
    IMPAIR_BACKLOG = 4096,                   /**< connections the kernel keeps for the proxy */
    IMPAIR_CONTROL_CLIENTS_MAX = 16,         /**< of the control socket */
    IMPAIR_STATS_SIZE_MAX = 4096 + 64 * 3072 /**< bytes of the statistics of all routes */
};

#endif
