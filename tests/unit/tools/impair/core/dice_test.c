/* Goal: the numbers are those of the seed and have the distributions that they are named after. */
#include "tools/impair/core/dice.h"

#include "tests/lib/check.h"

#include <math.h>
#include <string.h>

enum { DRAWS = 200000, WIDTH = 1000000 };

TEST(dice, a_packet_has_the_same_numbers_every_time)
{
    for (uint64_t n = 0; n < 100; n++) {
        struct impair_dice a;
        struct impair_dice b;
        struct impair_dice other;
        impair_dice_init(&a, impair_dice_key(42, 1, 2, 0), IMPAIR_DICE_PACKET, n);
        impair_dice_init(&b, impair_dice_key(42, 1, 2, 0), IMPAIR_DICE_PACKET, n);
        impair_dice_init(&other, impair_dice_key(42, 1, 2, 1), IMPAIR_DICE_PACKET, n);
        CHECK(memcmp(&a, &b, sizeof(a)) == 0, "packet %llu differs", (unsigned long long)n);
        CHECK(memcmp(&a, &other, sizeof(a)) != 0, "both directions are alike");
    }
}

TEST(dice, keys_of_near_flows_are_unlike)
{
    static uint64_t keys[64];
    size_t count = 0;
    for (uint64_t seed = 0; seed < 4; seed++) {
        for (uint32_t at = 0; at < 16; at++) {
            keys[count++] = impair_dice_key(seed, at >> 3, at >> 1 & 3, at & 1);
        }
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            CHECK(keys[i] != keys[j], "%zu and %zu", i, j);
        }
    }
}

TEST(dice, a_chance_is_as_often_as_it_says)
{
    static const uint32_t chances[] = {0, 1000000, 50000000, 500000000, 990000000, IMPAIR_DICE_CERTAIN};
    for (size_t i = 0; i < sizeof(chances) / sizeof(chances[0]); i++) {
        const double p = chances[i] / 1e9;
        int hits = 0;
        for (uint64_t n = 0; n < DRAWS; n++) {
            struct impair_dice dice;
            impair_dice_init(&dice, impair_dice_key(3, 0, 0, 0), IMPAIR_DICE_PACKET, n);
            hits += impair_dice_chance(&dice, chances[i]);
        }
        CHECK((hits - p * DRAWS) * (hits - p * DRAWS) <= 16 * DRAWS * p * (1 - p), "chance %f: %d of %d", p,
              hits, DRAWS);
    }
}

/* Mean, deviation, smallest and largest of many draws, one pair of dice each. */
struct spread {
    double mean;
    double variance; /* of the draws divided by WIDTH */
    int64_t min;
    int64_t max;
    double above; /* part of the draws above WIDTH */
};

static struct spread spread_of(int64_t (*draw)(struct impair_dice *, int64_t))
{
    struct spread s = {.min = INT64_MAX, .max = INT64_MIN};
    double squares = 0;
    for (uint64_t n = 0; n < DRAWS; n++) {
        struct impair_dice dice;
        impair_dice_init(&dice, impair_dice_key(9, 0, 0, 0), IMPAIR_DICE_SEGMENT, n);
        const int64_t value = draw(&dice, WIDTH);
        s.mean += (double)value / DRAWS;
        squares += (double)value * (double)value / DRAWS;
        s.min = value < s.min ? value : s.min;
        s.max = value > s.max ? value : s.max;
        s.above += value > WIDTH ? 1.0 / DRAWS : 0;
    }
    s.variance = (squares - s.mean * s.mean) / WIDTH / WIDTH;
    return s;
}

TEST(dice, curves_are_what_they_are_called)
{
    const struct spread uniform = spread_of(impair_dice_uniform);
    CHECK(uniform.min >= -WIDTH && uniform.max <= WIDTH, "uniform leaves its width");
    CHECK(fabs(uniform.mean) < 0.01 * WIDTH && fabs(uniform.variance - 1.0 / 3) < 0.01, "uniform %f %f",
          uniform.mean, uniform.variance);
    const struct spread normal = spread_of(impair_dice_normal);
    CHECK(normal.min >= -6 * WIDTH && normal.max <= 6 * WIDTH, "normal leaves six deviations");
    CHECK(fabs(normal.mean) < 0.01 * WIDTH && fabs(normal.variance - 1) < 0.02, "normal %f %f", normal.mean,
          normal.variance);
    CHECK(fabs(normal.above - 0.1587) < 0.005, "normal: %f above one deviation", normal.above);
    const struct spread late = spread_of(impair_dice_exponential);
    CHECK(late.min >= 0 && late.max <= 32LL * WIDTH, "exponential leaves its range");
    CHECK(fabs(late.mean - WIDTH) < 0.01 * WIDTH && fabs(late.variance - 1) < 0.04, "exponential %f %f",
          late.mean, late.variance);
    CHECK(fabs(late.above - 0.36788) < 0.005, "exponential: %f above the mean", late.above);
}

TEST(dice, a_day_of_jitter_does_not_overflow)
{
    const int64_t day_ns = 24LL * 3600 * 1000000000;
    for (uint64_t n = 0; n < 10000; n++) {
        struct impair_dice dice;
        impair_dice_init(&dice, n, IMPAIR_DICE_SEGMENT, n);
        const int64_t normal = impair_dice_normal(&dice, day_ns);
        const int64_t late = impair_dice_exponential(&dice, day_ns);
        CHECK(normal >= -6 * day_ns && normal <= 6 * day_ns && late >= 0 && late <= 32 * day_ns, "%lld %lld",
              (long long)normal, (long long)late);
    }
}
