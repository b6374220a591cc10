/* proxy.h - whom a trusted load balancer speaks for: its PROXY protocol header, or X-Forwarded-For.
 *
 * Spec:    "The PROXY protocol", versions 1 and 2 (HAProxy); UNKNOWN and LOCAL keep the peer's address; TLVs are skipped
 * Layer:   gatewayd/core (pure)
 * Threads: any; no state
 * Limits:  GW_PROXY_HEADER_MAX bytes
 */
#ifndef GW_CORE_PROXY_H
#define GW_CORE_PROXY_H

#include "engine/base/addr.h"
#include "engine/wire/http1.h"

enum { GW_PROXY_HEADER_MAX = 536 }; /* version 2: 16 + 216 of addresses + TLVs; version 1: 107 */

/** Returns whether `bytes` begin, as far as they go, like a PROXY header. */
bool gw_proxy_is_likely(struct nx_bytes bytes);

/**
 * Reads the header at the start of `bytes`, strictly: both addresses and ports must be there and of the family named; `*size` receives its length. `*source` is written only when the header names
 * an address.
 * Returns NX_OK; NX_E_TRUNCATED when more bytes are needed; NX_E_MALFORMED otherwise.
 */
NX_MUST_USE enum nx_err gw_proxy_parse(struct nx_bytes bytes, struct nx_addr *source, size_t *size);

/**
 * Finds the client in the X-Forwarded-For lines of a trusted proxy's request: the last address that is no proxy itself.
 * Whatever stands before it is what the client says, and so is everything before an element that is no address. Lines
 * count as one list in their order: some proxies append a line of their own instead of an element.
 * `is_proxy` answers for canonical addresses. Returns whether there is one; `*client` is written only then.
 */
bool gw_proxy_forwarded(const struct nx_http1_headers *headers,
                        bool (*is_proxy)(const void *context, const struct nx_addr *addr),
                        const void *context, struct nx_addr *client);

#endif
