#include "engine/base/prng.h"

#include "engine/base/assert.h"

static uint64_t rotate_left(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

void nx_prng_init(struct nx_prng *prng, uint64_t seed)
{
    /* splitmix64: four different outputs, so the state cannot be all zero, the one state that never moves. */
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15ULL;
        uint64_t z = seed;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
        prng->state[i] = z ^ z >> 31;
    }
}

uint64_t nx_prng_u64(struct nx_prng *prng)
{
    uint64_t *s = prng->state;
    const uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t nx_prng_below(struct nx_prng *prng, uint64_t bound)
{
    NX_ASSERT(bound > 0);
    /* The 2^64 mod bound lowest draws are thrown away, so that what remains is a whole multiple of bound. */
    const uint64_t surplus = (0 - bound) % bound;
    uint64_t draw;
    do {
        draw = nx_prng_u64(prng);
    } while (draw < surplus);
    return draw % bound;
}

void nx_prng_fill(struct nx_prng *prng, void *bytes, size_t size)
{
    uint8_t *at = bytes;
    uint64_t draw = 0;
    for (size_t i = 0; i < size; i++) {
        draw = i % 8 == 0 ? nx_prng_u64(prng) : draw >> 8;
        at[i] = (uint8_t)draw;
    }
}
