/* config.h - what a control daemon is told at start.
 *
 * Layer:   control/node
 * Threads: before start
 */
#ifndef CTLD_NODE_CONFIG_H
#define CTLD_NODE_CONFIG_H

#include "engine/io/stream.h"

#include <stdbool.h>
#include <stdint.h>

/** Everything; texts are borrowed for the life of the daemon. */
struct ctld_config {
    const char *data;          /**< data directory: keys live in it */
    const char *store_url;     /**< "sqlite:PATH" or "memory:" */
    struct nx_endpoint bus;    /**< where gatewayd connects */
    const char *public_url;    /**< base URL of clients, may be empty */
    const char *version;       /**< of the program */
    uint32_t commit_window_us; /**< 0..2000 */
    uint16_t node;             /**< 0..1023 */
    int ready_fd;              /**< a byte is written here when it serves; -1 none */
    bool has_rate_limits;
    bool is_loopback;         /**< listens on loopback only: load-test tokens are accepted */
    bool has_kernel_6_1_only; /**< use no kernel feature newer than Linux 6.1 */
};

#endif
