/* Goal: the sum covers the span, less at most one part, for any steps of time. */
#include "engine/base/prng.h"
#include "engine/base/window.h"
#include "tests/lib/check.h"

enum { EVENTS = 20000 };

TEST(window, sum_lies_between_the_sums_of_15_and_16_parts)
{
    struct nx_window window;
    const int64_t span_ns = 1600;
    nx_window_init(&window, span_ns);
    static int64_t at[EVENTS];
    static uint64_t amount[EVENTS];
    struct nx_prng prng;
    nx_prng_init(&prng, 6);
    nx_time now = {5};
    int first = 0;
    for (int i = 0; i < EVENTS; i++) {
        now.ns += (int64_t)nx_prng_below(&prng, i % 100 == 0 ? 5000 : 150);
        at[i] = now.ns;
        amount[i] = nx_prng_below(&prng, 1000);
        nx_window_add(&window, now, amount[i]);
        uint64_t most = 0;
        uint64_t least = 0;
        while (at[first] <= now.ns - span_ns) {
            first++;
        }
        for (int k = first; k <= i; k++) {
            most += amount[k];
            least += at[k] > now.ns - span_ns + span_ns / NX_WINDOW_BUCKETS ? amount[k] : 0;
        }
        const uint64_t sum = nx_window_sum(&window, now);
        CHECK(sum <= most && sum >= least, "%llu at %d", (unsigned long long)sum, i);
    }
    now.ns += span_ns;
    CHECK(nx_window_sum(&window, now) == 0, "all gone");
}

TEST(window, rate_and_time_that_goes_back)
{
    struct nx_window window;
    nx_window_init(&window, 2LL * NX_TIME_NS_PER_S);
    nx_window_add(&window, (nx_time){10LL * NX_TIME_NS_PER_S}, 3000);
    CHECK(nx_window_rate_per_s(&window, (nx_time){11LL * NX_TIME_NS_PER_S}) == 1500, "per second");
    nx_window_add(&window, (nx_time){NX_TIME_NS_PER_S}, 1000);
    CHECK(nx_window_sum(&window, (nx_time){0}) == 4000, "counted as now");
    nx_window_add(&window, (nx_time){11LL * NX_TIME_NS_PER_S}, 1ULL << 50);
    const uint64_t rate = nx_window_rate_per_s(&window, (nx_time){11LL * NX_TIME_NS_PER_S});
    CHECK(rate >= (1ULL << 49) && rate <= (1ULL << 49) + 4000, "no overflow: %llu", (unsigned long long)rate);
}
