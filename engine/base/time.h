/* time.h - monotonic instants and durations that cannot be mixed by accident.
 *
 * Layer:   engine/base (no I/O, no clock, no allocation)
 * Threads: any; values
 * Idiom:   an instant is a struct, a duration an int64_t whose name ends in its unit (_ns, _us, _ms, _s).
 *          Cores get "now" as an argument; only engine/io and engine/sim read clocks.
 */
#ifndef NX_BASE_TIME_H
#define NX_BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

/** A monotonic instant, nanoseconds since an arbitrary start; never negative. */
typedef struct {
    int64_t ns;
} nx_time;

enum { NX_TIME_NS_PER_US = 1000, NX_TIME_NS_PER_MS = 1000000, NX_TIME_NS_PER_S = 1000000000 };

/** The instant that never comes: the deadline of something that waits for nothing. */
#define NX_TIME_NEVER ((nx_time){INT64_MAX})

/** Returns `at` moved by `duration_ns`; saturates at NX_TIME_NEVER. */
static inline nx_time nx_time_add_ns(nx_time at, int64_t duration_ns)
{
    int64_t sum;
    return __builtin_add_overflow(at.ns, duration_ns, &sum) ? NX_TIME_NEVER : (nx_time){sum};
}

/** Returns `at` moved by `duration_ms` milliseconds; saturates at NX_TIME_NEVER. */
static inline nx_time nx_time_add_ms(nx_time at, int64_t duration_ms)
{
    int64_t duration_ns;
    return __builtin_mul_overflow(duration_ms, (int64_t)NX_TIME_NS_PER_MS, &duration_ns)
               ? NX_TIME_NEVER
               : nx_time_add_ns(at, duration_ns);
}

/** Returns the nanoseconds from `start` to `end`; negative when `end` is earlier. */
static inline int64_t nx_time_since_ns(nx_time end, nx_time start)
{
    return end.ns - start.ns;
}

/** Returns whether `a` is earlier than `b`. */
static inline bool nx_time_before(nx_time a, nx_time b)
{
    return a.ns < b.ns;
}

/** Returns the earlier of two instants. */
static inline nx_time nx_time_min(nx_time a, nx_time b)
{
    return a.ns < b.ns ? a : b;
}

#endif
