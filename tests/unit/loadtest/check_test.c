/* Goal: a receiver's record names every loss, repetition and wrong order, as a plain set of numbers would. */
#include "engine/base/prng.h"
#include "loadtest/check.h"
#include "tests/lib/check.h"

#include <string.h>

TEST(check, in_order_is_all_new)
{
    struct load_check check = {0};
    for (uint32_t i = 1; i <= 1000; i++) {
        CHECK(load_check_add(&check, i) == LOAD_CHECK_NEW, "%u", i);
    }
    CHECK(check.count == 1000 && check.highest == 1000, "count %u", check.count);
}

TEST(check, repetitions_are_duplicates_however_old)
{
    struct load_check check = {0};
    for (uint32_t i = 1; i <= 200; i++) {
        (void)load_check_add(&check, i);
    }
    for (uint32_t i = 1; i <= 200; i++) {
        CHECK(load_check_add(&check, i) == LOAD_CHECK_DUPLICATE, "%u", i);
    }
    CHECK(load_check_add(&check, 0) == LOAD_CHECK_DUPLICATE && check.count == 200, "no number 0");
}

TEST(check, gaps_are_missing_until_they_come)
{
    struct load_check check = {0};
    CHECK(load_check_add(&check, 1) == LOAD_CHECK_NEW, "1");
    CHECK(load_check_add(&check, 4) == LOAD_CHECK_NEW, "4");
    CHECK(check.highest - check.count == 2, "two are missing");
    CHECK(load_check_add(&check, 3) == LOAD_CHECK_LATE, "3 after 4");
    CHECK(load_check_add(&check, 3) == LOAD_CHECK_DUPLICATE, "3 again");
    CHECK(load_check_add(&check, 2) == LOAD_CHECK_LATE, "2");
    CHECK(check.highest == check.count, "complete");
    CHECK(load_check_add(&check, UINT32_MAX) == LOAD_CHECK_NEW && check.count == 5, "the largest");
}

TEST(check, agrees_with_a_set_within_its_window)
{
    enum { NUMBERS = 4000, JITTER = LOAD_CHECK_WINDOW - 1 };
    static uint8_t seen[NUMBERS + 1];
    struct nx_prng prng;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct load_check check = {0};
        uint32_t highest = 0;
        uint32_t count = 0;
        memset(seen, 0, sizeof(seen));
        nx_prng_init(&prng, seed);
        for (uint32_t base = 1; base + JITTER <= NUMBERS; base += (uint32_t)nx_prng_below(&prng, 3)) {
            uint32_t number = base + (uint32_t)nx_prng_below(&prng, JITTER);
            if (highest > number && highest - number >= LOAD_CHECK_WINDOW) {
                continue;
            }
            enum load_check_verdict want = number > highest ? LOAD_CHECK_NEW : LOAD_CHECK_LATE;
            want = seen[number] != 0 ? LOAD_CHECK_DUPLICATE : want;
            count += seen[number] == 0;
            seen[number] = 1;
            highest = number > highest ? number : highest;
            const enum load_check_verdict got = load_check_add(&check, number);
            CHECK(got == want, "seed %d: %u is %d, not %d", (int)seed, number, (int)got, (int)want);
            CHECK(check.count == count && check.highest == highest, "seed %d: counts at %u", (int)seed,
                  number);
        }
    }
}
