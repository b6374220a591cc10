/* Goal: random bytes fill exactly what was asked; comparison and wiping do what they say. */
#include "engine/crypto/equal.h"
#include "engine/crypto/random.h"
#include "engine/crypto/wipe.h"

#include "tests/lib/check.h"

#include <stdint.h>

TEST(random, fills_exactly_what_was_asked)
{
    for (size_t size = 0; size <= 64; size++) {
        uint8_t bytes[66] = {0};
        uint8_t seen[66] = {0};
        for (int round = 0; round < 40; round++) {
            CHECK(nx_random_fill(bytes + 1, size) == NX_OK, "size %zu", size);
            for (size_t i = 0; i < sizeof(bytes); i++) {
                seen[i] |= bytes[i];
            }
        }
        CHECK(seen[0] == 0 && seen[size + 1] == 0, "outside of %zu bytes", size);
        for (size_t i = 1; i <= size; i++) {
            CHECK(seen[i] != 0, "byte %zu of %zu stayed zero 40 times", i, size);
        }
    }
}

TEST(random, fills_more_than_one_chunk)
{
    static uint8_t bytes[(2 << 20) + 32];
    CHECK(nx_random_fill(bytes, sizeof(bytes)) == NX_OK, "two MiB");
    const uint8_t zeros[32] = {0};
    CHECK(!nx_equal(bytes + sizeof(bytes) - 32, zeros, 32), "the last chunk stayed zero");
}

TEST(equal, sees_every_single_bit)
{
    uint8_t a[33] = {0};
    uint8_t b[33] = {0};
    CHECK(nx_equal(a, b, sizeof(a)) && nx_equal(a, b, 0), "same bytes");
    for (size_t bit = 0; bit < sizeof(a) * 8; bit++) {
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(!nx_equal(a, b, sizeof(a)), "bit %zu", bit);
        b[bit / 8] = 0;
    }
}

TEST(wipe, leaves_zeros_and_the_neighbours)
{
    uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    nx_wipe(bytes + 2, 4);
    const uint8_t wanted[8] = {1, 2, 0, 0, 0, 0, 7, 8};
    CHECK(nx_equal(bytes, wanted, sizeof(bytes)), "wiped exactly four bytes");
}
