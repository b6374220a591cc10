/* Goal: every value finds a bucket at most 1/32 wide that contains it, percentiles agree with a sorted array. */
#include "engine/base/metric.h"
#include "engine/base/prng.h"
#include "tests/lib/check.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

TEST(metric, percentiles_agree_with_a_sorted_array)
{
    enum { VALUES = 20000 };
    static uint64_t values[VALUES];
    static struct nx_metric_histogram histogram;
    struct nx_prng prng;
    nx_prng_init(&prng, 8);
    for (int i = 0; i < VALUES; i++) {
        values[i] = nx_prng_below(&prng, 1ULL << (1 + nx_prng_below(&prng, 42)));
        nx_metric_histogram_add(&histogram, values[i]);
    }
    qsort(values, VALUES, sizeof(values[0]), compare);
    const double percents[] = {0, 0.01, 1, 10, 50, 90, 99, 99.9, 99.99, 100};
    for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
        size_t rank = (size_t)(percents[i] * VALUES / 100 + 0.999999);
        rank = rank == 0 ? 1 : rank;
        const double exact = (double)values[rank - 1];
        const double got = (double)nx_metric_histogram_percentile(&histogram, percents[i]);
        CHECK(got >= exact * 0.984 - 1 && got <= exact * 1.016 + 1, "p%g is %g, not %g", percents[i], got,
              exact);
    }
    for (uint64_t edge = 1; edge < 1ULL << 42; edge *= 4) {
        uint64_t exact = 0;
        while (exact < VALUES && values[exact] < edge) {
            exact++;
        }
        CHECK(nx_metric_histogram_at_most(&histogram, edge - 1) == exact, "at most %llu",
              (unsigned long long)(edge - 1));
    }
    CHECK(histogram.count == VALUES && histogram.max == values[VALUES - 1], "count and max");
}

TEST(metric, single_values_come_back_within_the_bound)
{
    static struct nx_metric_histogram histogram;
    CHECK(nx_metric_histogram_percentile(&histogram, 50) == 0, "empty");
    for (int bit = 0; bit < 64; bit++) {
        for (int step = -1; step <= 1; step++) {
            const uint64_t value = ((uint64_t)1 << bit) + (uint64_t)(int64_t)step;
            memset(&histogram, 0, sizeof(histogram));
            nx_metric_histogram_add(&histogram, value);
            const uint64_t got = nx_metric_histogram_percentile(&histogram, 50);
            const uint64_t clamped = value < (1ULL << 42) ? value : (1ULL << 42) - 1;
            const uint64_t off = got > clamped ? got - clamped : clamped - got;
            CHECK(off <= clamped / 64 + (clamped >= 64) && histogram.max == value, "%llu gave %llu",
                  (unsigned long long)value, (unsigned long long)got);
        }
    }
}

#define ROWS(ROW)                                                                                            \
    ROW(COUNTER, frames, "", "Frames sent.")                                                                 \
    ROW(GAUGE, sessions, "", "Sessions now.")                                                                \
    ROW(HISTOGRAM, latency, "ns", "Time to deliver.")

struct metrics {
#define ROW(kind, name, unit, help) NX_METRIC_FIELD_##kind(name)
    ROWS(ROW)
#undef ROW
};

static const struct nx_metric_info infos[] = {
#define ROW(kind, name, unit, help) NX_METRIC_INFO(struct metrics, kind, name, unit, help)
    ROWS(ROW)
#undef ROW
};

TEST(metric, shards_add_up)
{
    static struct metrics a;
    static struct metrics b;
    a.frames = 3;
    b.frames = 4;
    a.sessions = 10;
    b.sessions = -2;
    nx_metric_histogram_add(&a.latency, 10);
    nx_metric_histogram_add(&b.latency, 20);
    nx_metric_histogram_add(&b.latency, 30);
    nx_metric_merge(infos, sizeof(infos) / sizeof(infos[0]), &a, &b);
    CHECK(a.frames == 7 && a.sessions == 8 && b.frames == 4, "counters and gauges");
    CHECK(a.latency.count == 3 && a.latency.sum == 60 && a.latency.max == 30, "histogram");
    CHECK(nx_metric_histogram_percentile(&a.latency, 50) == 20, "median");
    CHECK(strcmp(infos[2].name, "latency") == 0 && infos[2].kind == NX_METRIC_HISTOGRAM, "info");
}
