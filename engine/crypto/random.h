/* random.h - unpredictable bytes for secrets: keys, salts, refresh tokens, invite codes.
 *
 * Layer:   engine/crypto (OpenSSL's generator, seeded by the kernel)
 * Threads: any
 * Idiom:   cores that need randomness they can replay take an nx_prng; only what an attacker must not guess
 * comes from here.
 */
#ifndef NX_CRYPTO_RANDOM_H
#define NX_CRYPTO_RANDOM_H

#include "engine/base/err.h"

#include <stddef.h>

/** Fills `size` bytes at `out`. Returns NX_E_IO when the generator cannot be seeded; `out` must then not be
 * used. */
NX_MUST_USE enum nx_err nx_random_fill(void *out, size_t size);

#endif
