/* bus_link.h - the two links of a shard to control: kept up, greeted, and their messages handed on.
 *
 * Spec:    docs/protocol/bus.md
 * Layer:   gatewayd/node
 * Threads: own shard
 * Limits:  GW_BUS_QUEUE_MAX bytes unsent per link
 */
#ifndef GW_NODE_BUS_LINK_H
#define GW_NODE_BUS_LINK_H

#include "gatewayd/node/shard.h"

/** Starts connecting; it is tried again for ever. */
void gw_bus_link_open(struct gw_shard *shard);

/** Closes both links and stops trying. */
void gw_bus_link_close(struct gw_shard *shard);

/** Frees the links' buffers, after the loop has stopped. */
void gw_bus_link_fini(struct gw_shard *shard);

/** Sends what a verdict says; when that is not possible the hub is told. */
void gw_bus_link_verdict(struct gw_shard *shard, const struct gw_verdict *verdict);

/** The fan-out has caught up: reads on if reading was paused. */
void gw_bus_link_relax(struct gw_shard *shard);

/** Goes on telling control of the sessions that live on, when there was no room for all at once; call it now and then. */
void gw_bus_link_tick(struct gw_shard *shard);

#endif
