/* stats.h - what all shards count, gathered by letter and shown on the admin address.
 *
 * Layer:   gatewayd/node
 * Threads: asked on shard 0; every shard fills in its own part
 * Limits:  one scrape at a time; another meanwhile is answered 503
 */
#ifndef GW_NODE_STATS_H
#define GW_NODE_STATS_H

#include "gatewayd/node/conn.h"

/** Answers with the sums of all shards: Prometheus text, or JSON for the load tool. */
void gw_stats_answer(struct gw_conn *conn, bool is_json);

/** Logs one line per pool of this shard: the memory bill. */
void gw_stats_bill(struct gw_shard *shard);

#endif
