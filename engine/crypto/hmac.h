/* hmac.h - HMAC-SHA256 with a context that is keyed once and used for many messages.
 *
 * Spec:    RFC 2104, RFC 4231 (vectors)
 * Layer:   engine/crypto (OpenSSL EVP; no I/O, no clock)
 * Threads: a struct nx_hmac belongs to one thread at a time; the one-shot function to any
 * Limits:  about 0.4 us per message of 300 bytes; OpenSSL 3.0 makes two small allocations inside each and
 * frees them Idiom:   nx_hmac_open once per key; nx_hmac_compute per message; nx_hmac_close wipes the key.
 */
#ifndef NX_CRYPTO_HMAC_H
#define NX_CRYPTO_HMAC_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"

enum { NX_HMAC_SIZE = 32 }; /* bytes, the output of SHA-256 */

struct evp_mac_ctx_st;

/** A keyed context; zeroed memory is a closed one. */
struct nx_hmac {
    struct evp_mac_ctx_st *mac; /**< owned; reused for every message */
};

/** Keys `hmac` with `key` (any size, copied). Returns NX_E_NO_MEMORY when OpenSSL cannot allocate. */
NX_MUST_USE enum nx_err nx_hmac_open(struct nx_hmac *hmac, struct nx_bytes key);

/** Wipes the key and frees the context; a closed one may be closed again. */
void nx_hmac_close(struct nx_hmac *hmac);

/** Writes the code of the concatenation of `prefix` and `data` into `out`; about 0.5 us for 300 bytes, no
 * allocation. Returns NX_E_NO_MEMORY when OpenSSL refuses, which it does not for an open context; `out` is
 * then untouched. */
NX_MUST_USE enum nx_err nx_hmac_compute(struct nx_hmac *hmac, struct nx_bytes prefix, struct nx_bytes data,
                                        uint8_t out[NX_HMAC_SIZE]);

/** Writes the code of `data` under `key` into `out`; for single use.
 *  Returns NX_E_NO_MEMORY when OpenSSL cannot allocate; `out` is then untouched. */
NX_MUST_USE enum nx_err nx_hmac_sha256(struct nx_bytes key, struct nx_bytes data, uint8_t out[NX_HMAC_SIZE]);

#endif
