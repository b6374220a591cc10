/* Goal: what leaves keeps to the rate and the bucket, and the queue takes no more than it may. */
#include "tools/impair/core/shape.h"

#include "tests/lib/check.h"
#include "tools/impair/core/limits.h"

static struct impair_setting limited(uint64_t rate_bps, uint64_t bucket_size)
{
    struct impair_setting s;
    impair_setting_init(&s);
    s.rate_bps = rate_bps;
    s.bucket_size = bucket_size;
    return s;
}

TEST(shape, without_a_rate_everything_leaves_at_once)
{
    const struct impair_setting s = limited(0, 1);
    struct impair_shape shape = {0};
    nx_time leaves = {0};
    CHECK(impair_shape_take(&shape, &s, &s.queue, (nx_time){7}, 1 << 20, &leaves) && leaves.ns == 7,
          "leaves");
}

TEST(shape, a_full_bucket_goes_at_once_and_the_rest_at_the_rate)
{
    /* 8 Mbit/s: a byte in a microsecond. */
    const struct impair_setting s = limited(8000000, 3000);
    struct impair_shape shape = {0};
    const nx_time now = {1000000000};
    for (int i = 0; i < 10; i++) {
        nx_time leaves = {0};
        CHECK(impair_shape_take(&shape, &s, NULL, now, 1000, &leaves), "refused");
        const int64_t expected = i < 3 ? 0 : (i - 2) * 1000000LL;
        CHECK(nx_time_since_ns(leaves, now) == expected, "packet %d leaves after %lld", i,
              (long long)nx_time_since_ns(leaves, now));
    }
}

TEST(shape, over_a_long_time_the_rate_is_the_rate)
{
    const struct impair_setting s = limited(1000000, 1500);
    struct impair_shape shape = {0};
    nx_time last = {0};
    uint64_t size = 0;
    for (int64_t at = 0; at < 10LL * NX_TIME_NS_PER_S; at += NX_TIME_NS_PER_MS) {
        nx_time leaves;
        if (impair_shape_take(&shape, &s, &s.queue, (nx_time){at}, 500, &leaves)) {
            size += 500;
            last = leaves;
        }
    }
    const double rate = (double)size * 8 / ((double)last.ns / 1e9);
    CHECK(rate > 0.99e6 && rate < 1.02e6, "%.0f bit/s", rate);
}

TEST(shape, a_packet_larger_than_the_bucket_waits_for_what_is_missing)
{
    const struct impair_setting s = limited(8000000, 100);
    struct impair_shape shape = {0};
    nx_time leaves;
    CHECK(impair_shape_take(&shape, &s, NULL, (nx_time){0}, 1100, &leaves) && leaves.ns == 1000000, "%lld",
          (long long)leaves.ns);
}

TEST(shape, a_queue_is_limited_in_bytes_or_in_time)
{
    struct impair_setting s = limited(8000000, 1000);
    for (int by_time = 0; by_time < 2; by_time++) {
        struct impair_shape shape = {0};
        int taken = 0;
        s.queue = (struct impair_setting_queue){.size = by_time ? 0 : 5000, .wait_ns = by_time ? 5000000 : 0};
        for (int i = 0; i < 100; i++) {
            nx_time leaves;
            taken += impair_shape_take(&shape, &s, &s.queue, (nx_time){0}, 1000, &leaves);
        }
        CHECK(taken == 6, "one goes at once, five wait: %d", taken);
        nx_time leaves;
        CHECK(impair_shape_take(&shape, &s, &s.queue, (nx_time){1000000}, 1000, &leaves) &&
                  leaves.ns == 6000000,
              "a millisecond later there is room for one");
        CHECK(!impair_shape_take(&shape, &s, &s.queue, (nx_time){1000000}, 1000, &leaves),
              "and only for one");
    }
}

TEST(shape, extremes_do_not_overflow)
{
    const struct impair_setting slow = limited(1, 1);
    const struct impair_setting fast = limited(1000000000000, UINT64_C(1) << 50);
    struct impair_shape shape = {0};
    nx_time leaves;
    CHECK(!impair_shape_take(&shape, &slow, &slow.queue, (nx_time){0}, IMPAIR_QUEUE_SIZE_DEFAULT * 2,
                             &leaves) ||
              leaves.ns > 0,
          "slow");
    CHECK(impair_shape_take(&shape, &fast, NULL, (nx_time){5}, SIZE_MAX / 16, &leaves) && leaves.ns >= 5,
          "fast");
}
