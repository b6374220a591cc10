/* Goal: the generator is the published one, and its helpers are even and repeatable. */
#include "engine/base/prng.h"
#include "tests/lib/check.h"

#include <string.h>

TEST(prng, outputs_match_the_published_sequence)
{
    static const uint64_t expected[] = {11520,
                                        0,
                                        1509978240,
                                        1215971899390074240ULL,
                                        1216172134540287360ULL,
                                        607988272756665600ULL,
                                        16172922978634559625ULL,
                                        8476171486693032832ULL};
    struct nx_prng prng = {.state = {1, 2, 3, 4}};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        CHECK(nx_prng_u64(&prng) == expected[i], "output %zu", i);
    }
}

TEST(prng, the_state_is_filled_by_splitmix64)
{
    struct nx_prng prng;
    nx_prng_init(&prng, 1234567);
    const uint64_t expected[4] = {6457827717110365317ULL, 3203168211198807973ULL, 9817491932198370423ULL,
                                  4593380528125082431ULL};
    CHECK(memcmp(prng.state, expected, sizeof(expected)) == 0, "state of seed 1234567");
}

TEST(prng, below_is_in_range_and_even)
{
    struct nx_prng prng;
    nx_prng_init(&prng, 0);
    unsigned counts[7] = {0};
    for (int i = 0; i < 70000; i++) {
        const uint64_t n = nx_prng_below(&prng, 7);
        CHECK(n < 7, "in range");
        counts[n]++;
    }
    for (int i = 0; i < 7; i++) {
        CHECK(counts[i] > 9600 && counts[i] < 10400, "%d came %u times", i, counts[i]);
    }
    CHECK(nx_prng_below(&prng, 1) == 0, "only one number");
    /* A bound of 3/4 of the range shows the bias of a plain modulo: the lowest third would come twice as often. */
    unsigned low = 0;
    for (int i = 0; i < 30000; i++) {
        low += nx_prng_below(&prng, 3ULL << 62) < 1ULL << 62;
    }
    CHECK(low > 9500 && low < 10500, "lowest third came %u times", low);
}

TEST(prng, fill_repeats_and_respects_the_size)
{
    uint8_t a[21];
    uint8_t b[21];
    memset(a, 0xee, sizeof(a));
    for (size_t size = 0; size <= 20; size++) {
        struct nx_prng first;
        struct nx_prng second;
        nx_prng_init(&first, 9);
        nx_prng_init(&second, 9);
        memset(b, 0xee, sizeof(b));
        nx_prng_fill(&first, a, size);
        nx_prng_fill(&second, b, size);
        CHECK(memcmp(a, b, size) == 0 && b[size] == 0xee, "size %zu", size);
    }
    struct nx_prng prng;
    nx_prng_init(&prng, 9);
    const uint64_t word = nx_prng_u64(&prng);
    CHECK(a[0] == (uint8_t)word && a[7] == (uint8_t)(word >> 56), "little-endian");
}
