#include "engine/base/window.h"

#include "engine/base/assert.h"

/* Drops the buckets that `now` has left behind; at most one round of them. */
static void move_to(struct nx_window *window, nx_time now)
{
    const int64_t bucket = now.ns / window->part_ns;
    const int64_t steps = bucket - window->newest;
    for (int64_t i = 1; i <= steps && i <= NX_WINDOW_BUCKETS; i++) {
        uint64_t *part = &window->parts[(window->newest + i) % NX_WINDOW_BUCKETS];
        window->sum -= *part;
        *part = 0;
    }
    if (steps > 0) {
        window->newest = bucket;
    }
}

void nx_window_init(struct nx_window *window, int64_t span_ns)
{
    NX_ASSERT(span_ns >= NX_WINDOW_BUCKETS);
    *window = (struct nx_window){.part_ns = span_ns / NX_WINDOW_BUCKETS};
}

void nx_window_add(struct nx_window *window, nx_time now, uint64_t amount)
{
    move_to(window, now);
    window->parts[window->newest % NX_WINDOW_BUCKETS] += amount;
    window->sum += amount;
}

uint64_t nx_window_sum(struct nx_window *window, nx_time now)
{
    move_to(window, now);
    return window->sum;
}

uint64_t nx_window_rate_per_s(struct nx_window *window, nx_time now)
{
    const uint64_t sum = nx_window_sum(window, now);
    const uint64_t span_ns = (uint64_t)window->part_ns * NX_WINDOW_BUCKETS;
    /* A 64-bit product would overflow at 18 GB in the window. */
    return sum / span_ns * NX_TIME_NS_PER_S +
           (uint64_t)((double)(sum % span_ns) * (double)NX_TIME_NS_PER_S / (double)span_ns);
}
