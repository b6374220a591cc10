/* rest_entry.h - HTTP requests of the API on their way to control and back.
 *
 * Spec:    engine/wire/bus_msg.def REST_*; protocol.md sections 1 and 2
 * Layer:   gatewayd/node
 * Threads: own shard
 * Limits:  GW_BODY_MAX bytes of body, GW_REST_MS for the answer; one request per connection at a time
 */
#ifndef GW_NODE_REST_ENTRY_H
#define GW_NODE_REST_ENTRY_H

#include "gatewayd/node/conn.h"

/** Returns whether control serves this path. */
bool gw_rest_entry_is_path(struct nx_bytes path);

/** Keeps of the head of `request` what control is to know, encoded in conn->http->forwarded. Returns NX_OK;
 *  NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err gw_rest_entry_keep(struct gw_conn *conn, const struct nx_http1_request *request);

/** Sends the request whose body is complete; on failure answers 503. */
void gw_rest_entry_send(struct gw_conn *conn);

/** The client of a pending request is gone, or it took too long: control is told. */
void gw_rest_entry_cancel(struct gw_conn *conn);

/** REST_RESPONSE or REST_BODY from control. */
void gw_rest_entry_frame(struct gw_shard *shard, const struct nx_bus_frame *frame);

/** The bus is down: every pending request is answered 503. */
void gw_rest_entry_fail_all(struct gw_shard *shard);

#endif
