/* password.h - hashes and checks passwords with argon2id; slow on purpose.
 *
 * Spec:    RFC 9106; parameters m = 19 MiB, t = 2, p = 1; PHC string form
 * Layer:   engine/crypto (libargon2; no I/O, no clock)
 * Threads: any; about 30 ms of CPU and 19 MiB of heap per call, so only on workers, never on a shard
 * Limits:  password 1..NX_PASSWORD_SIZE_MAX bytes (the length people may choose is decided elsewhere);
 *          encoded form with its NUL NX_PASSWORD_ENCODED_MAX
 * Idiom:   hash at registration, verify at login; verify against a decoy when the account does not exist.
 */
#ifndef NX_CRYPTO_PASSWORD_H
#define NX_CRYPTO_PASSWORD_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"

enum {
    NX_PASSWORD_SIZE_MAX = 1024,    /**< bytes of a password */
    NX_PASSWORD_ENCODED_MAX = 128,  /**< bytes of the encoded form with its NUL */
    NX_PASSWORD_MEMORY_KIB = 19456, /**< m of new hashes, KiB */
    NX_PASSWORD_PASSES = 2,         /**< t of new hashes */
    NX_PASSWORD_LANES = 1,          /**< p of new hashes; more would start threads */
};

/** Hashes `password` with a fresh 16-byte salt into `encoded`, a NUL-terminated string.
 *  Returns NX_E_FULL when the password is empty or longer than NX_PASSWORD_SIZE_MAX (before any work),
 *  NX_E_NO_MEMORY when 19 MiB cannot be had, NX_E_IO when there is no randomness; `encoded` is then
 * untouched. */
NX_MUST_USE enum nx_err nx_password_hash(struct nx_bytes password, char encoded[NX_PASSWORD_ENCODED_MAX]);

/** Checks `password` against what nx_password_hash() wrote; the comparison takes constant time.
 *  Returns NX_E_AUTH when it is another password, NX_E_FULL when it is empty or too long (before any work),
 *  NX_E_MALFORMED when `encoded` is not argon2id version 19 with m <= 64 MiB, t <= 8, p = 1 and at most
 *  NX_PASSWORD_ENCODED_MAX - 1 characters, NX_E_NO_MEMORY when the memory cannot be had. */
NX_MUST_USE enum nx_err nx_password_verify(const char *encoded, struct nx_bytes password);

/** Returns whether `encoded` was made with other parameters than new hashes are, so that the next login
 * should replace it. */
bool nx_password_is_outdated(const char *encoded);

#endif
