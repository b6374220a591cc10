/* prng.h - a seeded generator of pseudo-random numbers, the only randomness a core has.
 *
 * Spec:    xoshiro256** 1.0 (Blackman, Vigna), state filled by splitmix64
 * Layer:   engine/base (no I/O, no clock, no allocation)
 * Threads: own shard; the generator belongs to its caller
 * Limits:  predictable: never for keys, tokens or anything an attacker may not guess (engine/crypto has
 *          those)
 * Idiom:   one generator in the core's config, seeded by the node; same seed, same numbers, on every
 *          machine.
 */
#ifndef NX_BASE_PRNG_H
#define NX_BASE_PRNG_H

#include <stddef.h>
#include <stdint.h>

/** The state of one generator; set by nx_prng_init() only. */
struct nx_prng {
    uint64_t state[4];
};

/** Starts the sequence that belongs to `seed`; every seed is good, 0 included. */
void nx_prng_init(struct nx_prng *prng, uint64_t seed);

/** Returns the next 64 random bits. */
uint64_t nx_prng_u64(struct nx_prng *prng);

/** Returns a number in 0..bound-1, each equally likely; `bound` is at least 1. Draws again in rare cases. */
uint64_t nx_prng_below(struct nx_prng *prng, uint64_t bound);

/** Fills `size` bytes at `bytes`; the same on little- and big-endian machines. */
void nx_prng_fill(struct nx_prng *prng, void *bytes, size_t size);

#endif
