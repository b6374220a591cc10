/* tcp.h - TCP routes: a connection to the target for each that came, bytes passed on as the settings say.
 *
 * Layer:   tools/impair
 * Threads: own thread
 * Limits:  the kernel accepts and answers for us: what is delayed are the bytes and the ends, not the handshake; who
 *          waits for memory or a slow reader is not read from
 */
#ifndef TOOLS_IMPAIR_TCP_H
#define TOOLS_IMPAIR_TCP_H

#include "tools/impair/proxy.h"

/** Listens. Returns NX_E_IO with errno. */
NX_MUST_USE enum nx_err impair_tcp_route_open(struct impair_proxy_route *route);

/** Closes the route and its connections. */
void impair_tcp_route_close(struct impair_proxy_route *route);

/** Writes what is due in one direction of a connection. */
void impair_tcp_stream_due(struct impair_item *item);

/** Accepts again after descriptors ran out. */
void impair_tcp_accept_due(struct impair_item *item);

/** Resets the connection with that index, or all. */
void impair_tcp_reset(struct impair_proxy_route *route, uint32_t flow);

/** Looks again at what waits, after a setting changed. */
void impair_tcp_wake(struct impair_proxy_route *route);

/** Reads again where memory was wanting, when there is some. */
void impair_tcp_feed_starved(struct impair_proxy *proxy);

#endif
