/* hmac_sha1.h - HMAC-SHA1 with both padded key blocks hashed once: STUN's integrity and the older SRTP profile.
 *
 * Spec:    RFC 2104, RFC 2202 (vectors); for protocols that fix it (RFC 8489 section 14.5, RFC 3711 section 4.2.1)
 * Layer:   engine/crypto (OpenSSL; no I/O, no clock)
 * Threads: a value; computing only reads the key, so any thread may
 * Limits:  no allocation; about 0.15 us and 4 hash blocks more than the message has
 * Idiom:   nx_hmac_sha1_init once per key, nx_hmac_sha1_compute per message, nx_wipe() the struct when done. It may be
 *          copied and moved.
 */
#ifndef NX_CRYPTO_HMAC_SHA1_H
#define NX_CRYPTO_HMAC_SHA1_H

#include "engine/base/bytes.h"

enum { NX_HMAC_SHA1_SIZE = 20 }; /* bytes, the output of SHA-1 */

/** A key, ready for use; opaque states of the hash after the inner and the outer block. */
struct nx_hmac_sha1 {
    uint64_t inner[12];
    uint64_t outer[12];
};

/** Keys `hmac` with `key` of any size, which is not kept. */
void nx_hmac_sha1_init(struct nx_hmac_sha1 *hmac, struct nx_bytes key);

/** Writes the code of the concatenation of the `count` runs at `parts` into `out`. */
void nx_hmac_sha1_compute(const struct nx_hmac_sha1 *hmac, const struct nx_bytes *parts, unsigned count,
                          uint8_t out[NX_HMAC_SHA1_SIZE]);

#endif
