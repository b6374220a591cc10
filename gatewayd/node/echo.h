/* echo.h - a plain WebSocket echo server on the gateway's own connection code, for conformance suites.
 *
 * Spec:    RFC 6455, RFC 7692
 * Layer:   gatewayd/node
 * Threads: own shard
 * Limits:  GW_ECHO_MESSAGE_MAX bytes of a message; reading pauses at GW_ECHO_PENDING_MAX bytes unsent
 */
#ifndef GW_NODE_ECHO_H
#define GW_NODE_ECHO_H

#include "gatewayd/node/conn.h"

/** Serves on `where` with one shard until SIGTERM or SIGINT; prints the address on `log_fd`. Returns NX_OK after an orderly
 *  end, or why it could not start. */
NX_MUST_USE enum nx_err gw_echo_run(const struct nx_endpoint *where, int log_fd);

/** Sends a message back, compressed when that was agreed. */
void gw_echo_message(struct gw_conn *conn, bool is_text, struct nx_bytes payload);

/** Answers a ping. */
void gw_echo_pong(struct gw_conn *conn, struct nx_bytes payload);

/** Sends a close frame with `code` and `reason` and ends the connection behind it. */
void gw_echo_close(struct gw_conn *conn, uint16_t code, struct nx_bytes reason);

#endif
