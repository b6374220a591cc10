/* proxy.h - the PROXY protocol header that a trusted load balancer puts before the client's own bytes.
 *
 * Spec:    "The PROXY protocol", versions 1 and 2 (HAProxy); UNKNOWN and LOCAL keep the peer's address; TLVs are skipped
 * Layer:   gatewayd/core (pure)
 * Threads: any; no state
 * Limits:  GW_PROXY_HEADER_MAX bytes
 */
#ifndef GW_CORE_PROXY_H
#define GW_CORE_PROXY_H

#include "engine/base/addr.h"

enum { GW_PROXY_HEADER_MAX = 536 }; /* version 2: 16 + 216 of addresses + TLVs; version 1: 107 */

/** Returns whether `bytes` begin, as far as they go, like a PROXY header. */
bool gw_proxy_is_likely(struct nx_bytes bytes);

/**
 * Reads the header at the start of `bytes`; `*size` receives its length. `*source` is written only when the header names
 * an address.
 * Returns NX_OK; NX_E_TRUNCATED when more bytes are needed; NX_E_MALFORMED otherwise.
 */
NX_MUST_USE enum nx_err gw_proxy_parse(struct nx_bytes bytes, struct nx_addr *source, size_t *size);

#endif
