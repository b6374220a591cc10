/* wipe.h - forgets secrets in memory; the compiler cannot leave it out.
 *
 * Layer:   engine/crypto (no I/O, no clock)
 * Threads: any
 * Idiom:   nx_wipe(&key, sizeof(key)) before a secret's memory goes back or out of scope.
 */
#ifndef NX_CRYPTO_WIPE_H
#define NX_CRYPTO_WIPE_H

#include <stddef.h>
#include <string.h>

/** Overwrites `size` bytes at `secret` with zeros. */
static inline void nx_wipe(void *secret, size_t size)
{
    explicit_bzero(secret, size);
}

#endif
