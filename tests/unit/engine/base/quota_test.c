/* Goal: never more than burst plus rate times time, never less when asked patiently, and honest about the wait. */
#include "engine/base/prng.h"
#include "engine/base/quota.h"
#include "tests/lib/check.h"

TEST(quota, a_fresh_bucket_gives_its_burst_and_then_its_rate)
{
    const struct nx_quota_rule rule = nx_quota_per_s(10, 5);
    struct nx_quota quota = {0};
    nx_time now = {123456789};
    for (uint32_t i = 0; i < 5; i++) {
        CHECK(nx_quota_left(&quota, &rule, now) == 5 - i && nx_quota_wait_ms(&quota, &rule, now, 1) == 0,
              "left %u", 5 - i);
        CHECK(nx_quota_take(&quota, &rule, now, 1), "token %u", i);
    }
    CHECK(!nx_quota_take(&quota, &rule, now, 1) && nx_quota_left(&quota, &rule, now) == 0, "empty");
    CHECK(nx_quota_wait_ms(&quota, &rule, now, 1) == 100 && nx_quota_wait_ms(&quota, &rule, now, 5) == 500,
          "waits");
    CHECK(nx_quota_full_ms(&quota, now) == 500, "full in");
    now = nx_time_add_ns(now, 100 * NX_TIME_NS_PER_MS - 1);
    CHECK(!nx_quota_take(&quota, &rule, now, 1) && nx_quota_wait_ms(&quota, &rule, now, 1) == 1,
          "a nanosecond early");
    now = nx_time_add_ns(now, 1);
    CHECK(nx_quota_take(&quota, &rule, now, 1) && !nx_quota_take(&quota, &rule, now, 1), "just one");
    now = nx_time_add_ms(now, 1000000);
    CHECK(nx_quota_left(&quota, &rule, now) == 5 && nx_quota_full_ms(&quota, now) == 0,
          "never above the burst");
    CHECK(!nx_quota_take(&quota, &rule, now, 6) && nx_quota_take(&quota, &rule, now, 5),
          "a cost above the burst");
    CHECK(nx_quota_take(&quota, &rule, now, 0), "nothing is always there");
}

TEST(quota, slow_rules_and_clocks_that_go_back)
{
    const struct nx_quota_rule rule = nx_quota_rule_of(1, 600000, 1);
    struct nx_quota quota = {0};
    CHECK(nx_quota_take(&quota, &rule, (nx_time){NX_TIME_NS_PER_S}, 1), "one");
    CHECK(nx_quota_wait_ms(&quota, &rule, (nx_time){NX_TIME_NS_PER_S}, 1) == 600000, "ten minutes");
    CHECK(nx_quota_wait_ms(&quota, &rule, (nx_time){0}, 1) == 600000,
          "time went back: no longer than an empty bucket");
    CHECK(!nx_quota_take(&quota, &rule, (nx_time){0}, 1), "and no tokens from it");
}

TEST(quota, never_gives_more_than_the_rule_and_waits_are_right)
{
    struct nx_prng prng;
    nx_prng_init(&prng, 4);
    const struct nx_quota_rule rule = nx_quota_rule_of(7, 1000, 20);
    struct nx_quota quota = {0};
    nx_time now = {0};
    uint64_t taken = 0;
    for (int i = 0; i < 100000; i++) {
        now = nx_time_add_ns(now, (int64_t)nx_prng_below(&prng, 200 * NX_TIME_NS_PER_MS));
        const uint32_t cost = (uint32_t)nx_prng_below(&prng, 4);
        const int64_t wait_ms = nx_quota_wait_ms(&quota, &rule, now, cost);
        const bool is_there = nx_quota_left(&quota, &rule, now) >= cost;
        CHECK((wait_ms == 0) == is_there, "wait and left agree at %d", i);
        if (!is_there) {
            CHECK(nx_quota_left(&quota, &rule, nx_time_add_ms(now, wait_ms)) >= cost,
                  "enough after the wait at %d", i);
            CHECK(nx_quota_left(&quota, &rule, nx_time_add_ms(now, wait_ms - 1)) < cost, "not before at %d",
                  i);
        }
        CHECK(nx_quota_take(&quota, &rule, now, cost) == is_there, "take at %d", i);
        taken += is_there ? cost : 0;
        CHECK(taken <= 20 + (uint64_t)(now.ns / rule.interval_ns), "taken %llu at %d",
              (unsigned long long)taken, i);
    }
    CHECK(taken > (uint64_t)(now.ns / rule.interval_ns) * 9 / 10, "and not much less: %llu",
          (unsigned long long)taken);
}
