/* bus_server.h - the bus as control sees it: accepts gatewayd's links, pairs them into shards, hands messages on.
 *
 * Spec:    engine/wire/bus_msg.def, docs/protocol/bus.md
 * Layer:   control/node
 * Threads: the loop's
 */
#ifndef CTLD_NODE_BUS_SERVER_H
#define CTLD_NODE_BUS_SERVER_H

#include "control/node/state.h"

/** Listens on config.bus. Returns NX_OK or what nx_listener_open() returns. */
NX_MUST_USE enum nx_err ctld_bus_server_open(struct ctld_node *node);

/** Stops listening and closes every connection. */
void ctld_bus_server_close(struct ctld_node *node);

/** Returns the realtime (or bulk) connection of shard `number`, NULL while it is down. */
struct ctld_conn *ctld_bus_server_conn(struct ctld_node *node, uint32_t number, enum nx_bus_link kind);

/** Gives up on a shard that takes no more: both its links are closed; it comes back and is told everything anew. */
void ctld_bus_server_reset(struct ctld_node *node, uint32_t number);

#endif
