#include "tools/impair/core/dice.h"

#include "engine/base/hash.h"

enum { UNIT_BITS = 30, RUNS_MAX = 32 };

uint64_t impair_dice_key(uint64_t seed, uint32_t route, uint32_t flow, uint32_t direction)
{
    return nx_hash_u64(nx_hash_u64(seed, route), (uint64_t)flow << 1 | direction);
}

void impair_dice_init(struct impair_dice *dice, uint64_t key, enum impair_dice_purpose purpose,
                      uint64_t number)
{
    nx_prng_init(&dice->prng, nx_hash_u64(key + (uint64_t)purpose, number));
}

bool impair_dice_chance(struct impair_dice *dice, uint32_t ppb)
{
    /* A single draw whatever the chance is, so that setting one chance does not shift the others; the bias of
     * the remainder is 2^-34. */
    return nx_prng_u64(&dice->prng) % IMPAIR_DICE_CERTAIN < ppb;
}

uint64_t impair_dice_below(struct impair_dice *dice, uint64_t bound)
{
    return nx_prng_below(&dice->prng, bound);
}

int64_t impair_dice_uniform(struct impair_dice *dice, int64_t width)
{
    return (int64_t)nx_prng_below(&dice->prng, 2 * (uint64_t)width + 1) - width;
}

/* Returns value * numerator / 2^UNIT_BITS without overflow for durations below a day. */
static int64_t scaled(int64_t value, int64_t numerator)
{
    const int64_t unit = (int64_t)1 << UNIT_BITS;
    return value / unit * numerator + value % unit * (numerator / unit) +
           value % unit * (numerator % unit) / unit;
}

int64_t impair_dice_normal(struct impair_dice *dice, int64_t sigma)
{
    /* Twelve uniform numbers of 0..1 add up to mean 6, variance 1: near enough to a bell, and without the
     * logarithms that differ between machines. */
    int64_t sum = 0;
    for (int i = 0; i < 12; i++) {
        sum += (int64_t)(nx_prng_u64(&dice->prng) >> (64 - UNIT_BITS));
    }
    return scaled(sigma, sum - ((int64_t)6 << UNIT_BITS));
}

int64_t impair_dice_exponential(struct impair_dice *dice, int64_t mean)
{
    /* Von Neumann: numbers are drawn while each is smaller than the one before. When the run is of odd length
     * its first number is the fraction; otherwise the whole part grows by one and a new run begins. */
    for (int64_t whole = 0; whole < RUNS_MAX; whole++) {
        const uint64_t first = nx_prng_u64(&dice->prng);
        uint64_t last = first;
        unsigned length = 1;
        for (uint64_t next = nx_prng_u64(&dice->prng); next < last; next = nx_prng_u64(&dice->prng)) {
            last = next;
            length++;
        }
        if (length % 2 == 1) {
            return scaled(mean, (whole << UNIT_BITS) + (int64_t)(first >> (64 - UNIT_BITS)));
        }
    }
    return mean * RUNS_MAX;
}
