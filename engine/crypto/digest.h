/* digest.h - SHA-1 and SHA-256 of bytes that lie in memory as a whole.
 *
 * Spec:    FIPS 180-4. SHA-1 is for the WebSocket accept value and STUN only, never for trust.
 * Layer:   engine/crypto (OpenSSL EVP; no I/O, no clock)
 * Threads: any; the algorithms are fetched once per process
 * Limits:  one short-lived OpenSSL allocation per call; a loop over many messages wants struct nx_hmac or its
 * like Idiom:   nx_digest_sha256(text.at, text.size, out)
 */
#ifndef NX_CRYPTO_DIGEST_H
#define NX_CRYPTO_DIGEST_H

#include "engine/base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { NX_DIGEST_SHA1_SIZE = 20, NX_DIGEST_SHA256_SIZE = 32 }; /* bytes, FIPS 180-4 section 1 */

/** Writes the SHA-1 of `size` bytes at `data` (NULL only when `size` is 0) into `out`.
 *  Returns NX_E_NO_MEMORY when OpenSSL cannot allocate; `out` is then untouched. */
NX_MUST_USE enum nx_err nx_digest_sha1(const void *data, size_t size, uint8_t out[NX_DIGEST_SHA1_SIZE]);

/** Writes the SHA-256 of `size` bytes at `data` (NULL only when `size` is 0) into `out`.
 *  Returns NX_E_NO_MEMORY when OpenSSL cannot allocate; `out` is then untouched. */
NX_MUST_USE enum nx_err nx_digest_sha256(const void *data, size_t size, uint8_t out[NX_DIGEST_SHA256_SIZE]);

#endif
