#include "engine/base/hash.h"

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate_left(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline uint64_t load_le64(const uint8_t *p)
{
    uint64_t word = 0;
    for (int i = 7; i >= 0; i--) {
        word = word << 8 | p[i];
    }
    return word;
}

static inline struct sip sip_init(uint64_t k0, uint64_t k1)
{
    return (struct sip){k0 ^ 0x736f6d6570736575ULL, k1 ^ 0x646f72616e646f6dULL, k0 ^ 0x6c7967656e657261ULL,
                        k1 ^ 0x7465646279746573ULL};
}

static inline void sip_rounds(struct sip *s, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        s->v0 += s->v1;
        s->v1 = rotate_left(s->v1, 13) ^ s->v0;
        s->v0 = rotate_left(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotate_left(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotate_left(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotate_left(s->v1, 17) ^ s->v2;
        s->v2 = rotate_left(s->v2, 32);
    }
}

static inline void sip_word(struct sip *s, uint64_t word, int rounds)
{
    s->v3 ^= word;
    sip_rounds(s, rounds);
    s->v0 ^= word;
}

static inline uint64_t sip_end(struct sip *s, int rounds)
{
    s->v2 ^= 0xff;
    sip_rounds(s, rounds);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t nx_hash_sip(const uint8_t key[16], const void *bytes, size_t size)
{
    struct sip s = sip_init(load_le64(key), load_le64(key + 8));
    const uint8_t *at = bytes;
    size_t left = size;
    for (; left >= 8; left -= 8, at += 8) {
        sip_word(&s, load_le64(at), 2);
    }
    uint64_t last = (uint64_t)size << 56;
    for (size_t i = 0; i < left; i++) {
        last |= (uint64_t)at[i] << (8 * i);
    }
    sip_word(&s, last, 2);
    return sip_end(&s, 4);
}

uint64_t nx_hash_u64(uint64_t seed, uint64_t value)
{
    /* The size word is constant for integers and would cost a round for nothing, so it is left out. */
    struct sip s = sip_init(seed, ~seed);
    sip_word(&s, value, 1);
    return sip_end(&s, 3);
}
