/* rest_link.h - REST requests between the bus and control/api: copies them in, drives their steps, sends the answers.
 *
 * Layer:   control/node
 * Threads: the loop's
 * Limits:  CTLD_REQUESTS_MAX in flight; bodies up to API_BODY_SIZE_MAX
 */
#ifndef CTLD_NODE_REST_LINK_H
#define CTLD_NODE_REST_LINK_H

#include "control/node/state.h"

/** A request begins; its body may be complete already. */
void ctld_rest_link_request(struct ctld_node *node, struct ctld_shard *shard,
                            const struct nx_bus_rest_request *message);

/** More of a body; unknown requests are ignored. */
void ctld_rest_link_body(struct ctld_node *node, struct ctld_shard *shard,
                         const struct nx_bus_rest_body *message);

/** The client is gone; what was asked of the store still happens. */
void ctld_rest_link_cancel(struct ctld_node *node, struct ctld_shard *shard,
                           const struct nx_bus_rest_cancel *message);

/** Answers 503 to what the store has not answered for CTL_SEND_MS, where asking again is harmless: sends, edits, deletes. */
void ctld_rest_link_tick(struct ctld_node *node, nx_time now);

/** The shard is gone: nobody waits for its requests any more. */
void ctld_rest_link_drop(struct ctld_node *node, uint32_t shard);

/** Frees all requests and the arenas kept for reuse; when store and workers are closed. */
void ctld_rest_link_fini(struct ctld_node *node);

#endif
