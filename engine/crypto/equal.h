/* equal.h - comparison of secrets in time that does not depend on where they differ.
 *
 * Layer:   engine/crypto (OpenSSL; no I/O, no clock)
 * Threads: any
 * Idiom:   codes, tokens' hashes and tags are compared with this and never with memcmp.
 */
#ifndef NX_CRYPTO_EQUAL_H
#define NX_CRYPTO_EQUAL_H

#include <stdbool.h>
#include <stddef.h>

/** Returns whether the `size` bytes at `a` and `b` are the same; the time depends on `size` only. */
bool nx_equal(const void *a, const void *b, size_t size);

#endif
