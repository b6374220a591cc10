/* hash.h - keyed hashes for tables whose keys come from outside.
 *
 * Spec:    SipHash-2-4 (Aumasson, Bernstein) for bytes; SipHash-1-3 without its size word for integers
 * Layer:   engine/base (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Limits:  not for signatures or passwords; the key keeps strangers from choosing collisions, nothing more
 */
#ifndef NX_BASE_HASH_H
#define NX_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/** Returns the SipHash-2-4 of `size` bytes at `bytes` under `key`; `bytes` may be NULL only when `size` is 0.
 */
uint64_t nx_hash_sip(const uint8_t key[16], const void *bytes, size_t size);

/** Returns a keyed hash of one integer; cheaper than nx_hash_sip(), same protection against chosen
 * collisions. */
uint64_t nx_hash_u64(uint64_t seed, uint64_t value);

#endif
