/* shape.h - a rate limit with a queue before it: when does this packet leave?
 *
 * Layer:   tools/impair/core (no I/O, no clock, no allocation)
 * Threads: own thread
 * Limits:  the queue is not kept, only how long it is
 * Idiom:   a token bucket as one instant, as engine/base/quota.h: when it would be full again. What does not fit now
 *          is told how long it waits.
 */
#ifndef TOOLS_IMPAIR_CORE_SHAPE_H
#define TOOLS_IMPAIR_CORE_SHAPE_H

#include "tools/impair/core/setting.h"

/** One direction's bucket; all zero is full. */
struct impair_shape {
    nx_time full_at; /**< when the bucket is full again if nothing more is taken */
};

/**
 * Takes `size` bytes at `now` and sets `leaves` to when they may go: `now` without a rate limit. A packet larger than
 * the bucket waits for what is missing.
 *
 * Returns false, nothing taken, when more would wait than `queue` allows; NULL for a queue without end.
 */
bool impair_shape_take(struct impair_shape *shape, const struct impair_setting *setting,
                       const struct impair_setting_queue *queue, nx_time now, size_t size, nx_time *leaves);

#endif
