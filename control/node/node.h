/* node.h - the control daemon: store, rules and bus on one loop.
 *
 * Layer:   control/node
 * Threads: the loop is the caller's thread; the store and password hashing have workers of their own
 * Idiom:   one per process under engine/io; several may share a loop under engine/sim
 */
#ifndef CTLD_NODE_NODE_H
#define CTLD_NODE_NODE_H

#include "control/node/config.h"
#include "engine/io/loop.h"

struct ctld_node;

enum { CTLD_WHY_SIZE = 320 };

/**
 * Opens a node on `loop`: keys, store, directory, workers, the listening bus socket.
 * `why` receives one clear line on failure. Returns NX_OK; otherwise what failed: keys (NX_E_IO, NX_E_MALFORMED), store (see
 * store_open()), bus (see nx_listener_bind()), NX_E_NO_MEMORY.
 */
NX_MUST_USE enum nx_err ctld_node_open(struct ctld_node **out, struct nx_loop *loop,
                                       const struct ctld_config *config, char why[CTLD_WHY_SIZE]);

/** Answers what is under way as far as the store allows, closes the store and frees everything. */
void ctld_node_close(struct ctld_node *node);

/** Runs a control daemon until SIGTERM or SIGINT. Returns the exit code of the process, after a clear line on an error. */
int ctld_node_run(const struct ctld_config *config);

#endif
