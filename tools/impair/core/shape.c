#include "tools/impair/core/shape.h"

#include "tools/impair/core/limits.h"

__extension__ typedef unsigned __int128 wide;

enum { BITS_PER_BYTE = 8 };

/* Returns how long `size` bytes take at the rate, or the longest duration. */
static int64_t cost_ns(uint64_t size, uint64_t rate_bps)
{
    const wide ns = (wide)size * BITS_PER_BYTE * NX_TIME_NS_PER_S / rate_bps;
    const int64_t longest = (int64_t)IMPAIR_DURATION_S_MAX * NX_TIME_NS_PER_S;
    return ns > (wide)longest ? longest : (int64_t)ns;
}

static uint64_t size_of(int64_t ns, uint64_t rate_bps)
{
    return (uint64_t)((wide)(uint64_t)ns * rate_bps / BITS_PER_BYTE / NX_TIME_NS_PER_S);
}

static bool fits(const struct impair_setting_queue *queue, int64_t wait_ns, uint64_t rate_bps)
{
    if (queue->wait_ns != 0) {
        return wait_ns <= queue->wait_ns;
    }
    return size_of(wait_ns, rate_bps) <=
           (queue->size != 0 ? queue->size : (uint64_t)IMPAIR_QUEUE_SIZE_DEFAULT);
}

bool impair_shape_take(struct impair_shape *shape, const struct impair_setting *setting,
                       const struct impair_setting_queue *queue, nx_time now, size_t size, nx_time *leaves)
{
    if (setting->rate_bps == 0) {
        *leaves = now;
        return true;
    }
    const nx_time start = nx_time_before(shape->full_at, now) ? now : shape->full_at;
    const nx_time full_at = nx_time_add_ns(start, cost_ns(size, setting->rate_bps));
    const nx_time earliest = nx_time_add_ns(full_at, -cost_ns(setting->bucket_size, setting->rate_bps));
    const nx_time at = nx_time_before(earliest, now) ? now : earliest;
    if (queue != NULL && !fits(queue, nx_time_since_ns(at, now), setting->rate_bps)) {
        return false;
    }
    shape->full_at = full_at;
    *leaves = at;
    return true;
}
