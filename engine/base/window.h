/* window.h - how much happened in the last so many seconds.
 *
 * Layer:   engine/base (no I/O, no clock, no allocation)
 * Threads: own shard
 * Limits:  NX_WINDOW_BUCKETS parts, the sum covers the span less at most one part; sums stay below 2^64
 * Idiom:   add what happens, ask for the sum; time is an argument and an earlier one counts as the newest
 *          seen.
 */
#ifndef NX_BASE_WINDOW_H
#define NX_BASE_WINDOW_H

#include "engine/base/limits.h"
#include "engine/base/time.h"

/** One sliding sum. */
struct nx_window {
    int64_t part_ns;                   /**< given: time of one bucket */
    int64_t newest;                    /**< number of the newest bucket, instant / part_ns */
    uint64_t sum;                      /**< of all buckets */
    uint64_t parts[NX_WINDOW_BUCKETS]; /**< bucket n at n % NX_WINDOW_BUCKETS */
};

/** Starts an empty window over the last `span_ns`, at least NX_WINDOW_BUCKETS nanoseconds. */
void nx_window_init(struct nx_window *window, int64_t span_ns);

/** Adds `amount` at `now`. */
void nx_window_add(struct nx_window *window, nx_time now, uint64_t amount);

/** Returns the sum of what was added in the span that ends with `now`. */
uint64_t nx_window_sum(struct nx_window *window, nx_time now);

/** Returns the sum as a rate per second, rounded down; too low until one span has passed since the first add.
 */
uint64_t nx_window_rate_per_s(struct nx_window *window, nx_time now);

#endif
