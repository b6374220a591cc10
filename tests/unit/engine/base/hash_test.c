/* Goal: the byte hash is SipHash-2-4 by the official vectors; the integer hash is keyed and spreads. */
#include "engine/base/hash.h"
#include "tests/lib/check.h"

/* vectors_sip64 of the reference implementation: key 00..0f, input 00..n-1 for n = 0..63. */
static const uint64_t vectors[64] = {
    0x726fdb47dd0e0e31ULL, 0x74f839c593dc67fdULL, 0x0d6c8009d9a94f5aULL, 0x85676696d7fb7e2dULL,
    0xcf2794e0277187b7ULL, 0x18765564cd99a68dULL, 0xcbc9466e58fee3ceULL, 0xab0200f58b01d137ULL,
    0x93f5f5799a932462ULL, 0x9e0082df0ba9e4b0ULL, 0x7a5dbbc594ddb9f3ULL, 0xf4b32f46226bada7ULL,
    0x751e8fbc860ee5fbULL, 0x14ea5627c0843d90ULL, 0xf723ca908e7af2eeULL, 0xa129ca6149be45e5ULL,
    0x3f2acc7f57c29bdbULL, 0x699ae9f52cbe4794ULL, 0x4bc1b3f0968dd39cULL, 0xbb6dc91da77961bdULL,
    0xbed65cf21aa2ee98ULL, 0xd0f2cbb02e3b67c7ULL, 0x93536795e3a33e88ULL, 0xa80c038ccd5ccec8ULL,
    0xb8ad50c6f649af94ULL, 0xbce192de8a85b8eaULL, 0x17d835b85bbb15f3ULL, 0x2f2e6163076bcfadULL,
    0xde4daaaca71dc9a5ULL, 0xa6a2506687956571ULL, 0xad87a3535c49ef28ULL, 0x32d892fad841c342ULL,
    0x7127512f72f27cceULL, 0xa7f32346f95978e3ULL, 0x12e0b01abb051238ULL, 0x15e034d40fa197aeULL,
    0x314dffbe0815a3b4ULL, 0x027990f029623981ULL, 0xcadcd4e59ef40c4dULL, 0x9abfd8766a33735cULL,
    0x0e3ea96b5304a7d0ULL, 0xad0c42d6fc585992ULL, 0x187306c89bc215a9ULL, 0xd4a60abcf3792b95ULL,
    0xf935451de4f21df2ULL, 0xa9538f0419755787ULL, 0xdb9acddff56ca510ULL, 0xd06c98cd5c0975ebULL,
    0xe612a3cb9ecba951ULL, 0xc766e62cfcadaf96ULL, 0xee64435a9752fe72ULL, 0xa192d576b245165aULL,
    0x0a8787bf8ecb74b2ULL, 0x81b3e73d20b49b6fULL, 0x7fa8220ba3b2eceaULL, 0x245731c13ca42499ULL,
    0xb78dbfaf3a8d83bdULL, 0xea1ad565322a1a0bULL, 0x60e61c23a3795013ULL, 0x6606d7e446282b93ULL,
    0x6ca4ecb15c5f91e1ULL, 0x9f626da15c9625f3ULL, 0xe51b38608ef25f57ULL, 0x958a324ceb064572ULL,
};

TEST(hash, sip_matches_the_official_vectors)
{
    uint8_t key[16];
    uint8_t input[64];
    for (uint8_t i = 0; i < 64; i++) {
        key[i % 16] = i % 16;
        input[i] = i;
    }
    for (size_t n = 0; n < 64; n++) {
        CHECK(nx_hash_sip(key, input, n) == vectors[n], "size %zu", n);
    }
}

TEST(hash, u64_depends_on_every_bit_of_seed_and_value)
{
    for (int bit = 0; bit < 64; bit++) {
        int flipped_by_value = 0;
        int flipped_by_seed = 0;
        for (uint64_t i = 0; i < 64; i++) {
            const uint64_t base = nx_hash_u64(i, i * 3);
            flipped_by_value += __builtin_popcountll(base ^ nx_hash_u64(i, (i * 3) ^ 1ULL << bit));
            flipped_by_seed += __builtin_popcountll(base ^ nx_hash_u64(i ^ 1ULL << bit, i * 3));
        }
        CHECK(flipped_by_value > 64 * 28 && flipped_by_value < 64 * 36, "value bit %d: %d", bit,
              flipped_by_value);
        CHECK(flipped_by_seed > 64 * 28 && flipped_by_seed < 64 * 36, "seed bit %d: %d", bit,
              flipped_by_seed);
    }
}
