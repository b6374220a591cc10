#include "engine/io/clock.h"

#include <time.h>

nx_time nx_clock_now(void)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (nx_time){(int64_t)at.tv_sec * NX_TIME_NS_PER_S + at.tv_nsec};
}

int64_t nx_clock_wall_ms(void)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_REALTIME, &at);
    return (int64_t)at.tv_sec * 1000 + at.tv_nsec / NX_TIME_NS_PER_MS;
}
