/* Goal: order and extension are right around every wrap and at the half-way point. */
#include "engine/base/prng.h"
#include "engine/base/seq.h"
#include "tests/lib/check.h"

TEST(seq, order_of_16_bits_is_the_sign_of_the_distance)
{
    const uint16_t starts[] = {0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff};
    for (size_t s = 0; s < sizeof(starts) / sizeof(starts[0]); s++) {
        for (int32_t step = -32768; step <= 32767; step++) {
            const uint16_t other = (uint16_t)(starts[s] + step);
            CHECK(nx_seq_diff16(other, starts[s]) == step, "%d from %d", step, starts[s]);
            CHECK(nx_seq_before16(starts[s], other) == (step > 0), "%d from %d", step, starts[s]);
            CHECK(nx_seq_before16(other, starts[s]) == (step < 0 && step > -32768), "%d from %d", step,
                  starts[s]);
        }
    }
}

TEST(seq, order_of_32_bits_wraps)
{
    CHECK(nx_seq_diff32(3, 0xfffffffe) == 5, "over the wrap");
    CHECK(nx_seq_diff32(0xfffffffe, 3) == -5, "back over the wrap");
    CHECK(nx_seq_diff32(0x80000000U, 0) == -0x80000000LL, "half way");
    CHECK(nx_seq_before32(0xffffffff, 0) && !nx_seq_before32(0, 0xffffffff), "wrap");
    CHECK(!nx_seq_before32(0, 0x80000000U) && !nx_seq_before32(0x80000000U, 0), "no order half way");
    CHECK(!nx_seq_before32(7, 7), "equal");
}

TEST(seq, extension_follows_a_shuffled_stream_over_many_wraps)
{
    struct nx_prng prng;
    nx_prng_init(&prng, 1);
    struct nx_seq narrow = {0};
    struct nx_seq wide = {0};
    const uint64_t start = 0x1fff0;
    (void)nx_seq_extend16(&narrow, (uint16_t)start);
    (void)nx_seq_extend32(&wide, (uint32_t)(start * 60000));
    for (uint64_t n = 0; n < 400000; n++) {
        const uint64_t truth = start + n + nx_prng_below(&prng, 16000) - 8000;
        const uint64_t full = nx_seq_extend16(&narrow, (uint16_t)truth);
        CHECK(full == truth - (start & ~0xffffULL) + 0x10000, "number %llu", (unsigned long long)truth);
        const uint64_t stamp = nx_seq_extend32(&wide, (uint32_t)(truth * 60000));
        const uint64_t base = (start * 60000) & ~0xffffffffULL;
        CHECK(stamp == truth * 60000 - base + 0x100000000ULL, "stamp %llu", (unsigned long long)truth);
    }
}

TEST(seq, older_than_the_first_stays_above_zero)
{
    struct nx_seq seq = {0};
    CHECK(nx_seq_extend16(&seq, 2) == 0x10002, "first");
    CHECK(nx_seq_extend16(&seq, 0xffff) == 0xffff, "three before it");
    CHECK(nx_seq_extend16(&seq, 3) == 0x10003 && seq.newest == 0x10003, "newest moved on");
}

TEST(seq, a_late_packet_does_not_move_the_newest_back)
{
    struct nx_seq narrow = {0};
    struct nx_seq wide = {0};
    CHECK(nx_seq_extend16(&narrow, 30000) == 0x10000 + 30000, "first");
    CHECK(nx_seq_extend16(&narrow, 10000) == 0x10000 + 10000, "late");
    CHECK(nx_seq_extend16(&narrow, 50000) == 0x10000 + 50000,
          "further from the late one than half the range");
    CHECK(nx_seq_extend32(&wide, 3000000000U) == 0x100000000ULL + 3000000000U, "first");
    CHECK(nx_seq_extend32(&wide, 1000000000U) == 0x100000000ULL + 1000000000U, "late");
    CHECK(nx_seq_extend32(&wide, 4000000000U) == 0x100000000ULL + 4000000000U, "further than half the range");
}
