/* udp.h - UDP routes: flows by the address they come from, each with a socket of its own towards the target.
 *
 * Layer:   tools/impair
 * Threads: own thread
 * Limits:  a flow is forgotten after the idle time; a listening address that is not specific (0.0.0.0, ::) answers from
 *          whatever address the kernel chooses
 */
#ifndef TOOLS_IMPAIR_UDP_H
#define TOOLS_IMPAIR_UDP_H

#include "tools/impair/proxy.h"

/** Makes the buffers that all routes share. Returns NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err impair_udp_open(struct impair_proxy *proxy);

/** Frees them, after the routes were closed. */
void impair_udp_close(struct impair_proxy *proxy);

/** Listens. Returns NX_E_NO_MEMORY, or NX_E_IO with errno. */
NX_MUST_USE enum nx_err impair_udp_route_open(struct impair_proxy_route *route);

/** Closes the route's flows and frees its table; what is on its way must be gone from the agenda. */
void impair_udp_route_close(struct impair_proxy_route *route);

/** Sends a packet that is due, with others at the next impair_udp_flush(). */
void impair_udp_parcel_due(struct impair_proxy *proxy, struct impair_item *item);

/** Frees a packet that is taken off the agenda and not sent. */
void impair_udp_parcel_drop(struct impair_proxy *proxy, struct impair_item *item);

/** Looks whether a flow is idle. */
void impair_udp_flow_due(struct impair_item *item, nx_time now);

/** Sends what was gathered. */
void impair_udp_flush(struct impair_proxy *proxy);

/** Gives the flow with that index, or all, a new socket and so a new source port. */
void impair_udp_rebind(struct impair_proxy_route *route, uint32_t flow);

/** Adds what the kernel dropped since the last time to the tallies. */
void impair_udp_drops_collect(struct impair_proxy_route *route);

#endif
