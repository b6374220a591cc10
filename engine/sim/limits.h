/* limits.h - every cap of engine/sim.
 *
 * Layer:   engine/sim (constants only)
 * Threads: any
 */
#ifndef NX_SIM_LIMITS_H
#define NX_SIM_LIMITS_H

enum {
    NX_SIM_HOSTS_MAX = 64,         /**< hosts of one simulation */
    NX_SIM_SOCKETS_MAX = 128,      /**< listening sockets of all hosts */
    NX_SIM_BACKLOG_MAX = 64,       /**< connections that wait to be accepted, per socket */
    NX_SIM_FILES_MAX = 64,         /**< files on the simulated disk */
    NX_SIM_CONNECT_TRIES_MAX = 6,  /**< lost connection requests until NX_E_TIMEOUT */
    NX_SIM_CONNECT_RETRY_MS = 500, /**< before a lost connection request is sent again; doubles */
    NX_SIM_RESEND_MS_MAX = 250,    /**< until lost bytes are sent again after a partition */
    NX_SIM_TURN_READY_MAX = 64,    /**< streams that one turn serves */
    NX_SIM_LOGS_MAX = 16           /**< logs one logger drains */
};

#endif
