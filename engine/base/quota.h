/* quota.h - a token bucket: so many at once, so many per time.
 *
 * Layer:   engine/base (no I/O, no clock, no allocation)
 * Threads: own shard
 * Limits:  8 bytes per bucket; rate times burst so that burst / rate stays below 100 years
 * Idiom:   the rule is shared and constant, the bucket is one instant: when it would be full again. A zeroed
 *          bucket is full. Time is an argument and may stand still; going back is treated as standing still
 *          would be, fewer tokens, never more.
 */
#ifndef NX_BASE_QUOTA_H
#define NX_BASE_QUOTA_H

#include "engine/base/time.h"

#include <stdbool.h>
#include <stdint.h>

/** What a bucket allows. */
struct nx_quota_rule {
    int64_t interval_ns; /**< time that earns one token */
    uint32_t burst;      /**< tokens of a full bucket, at least 1 */
};

/** One bucket; all zero is full. */
struct nx_quota {
    nx_time full_at; /**< when the bucket is full again if nothing more is taken */
};

/** Returns the rule "`count` (1 or more) per `period_ms` (1 or more), at most `burst` (1 or more) at once".
 */
struct nx_quota_rule nx_quota_rule_of(uint32_t count, int64_t period_ms, uint32_t burst);

/** Returns the rule "`rate` per second, at most `burst` at once". */
static inline struct nx_quota_rule nx_quota_per_s(uint32_t rate, uint32_t burst)
{
    return nx_quota_rule_of(rate, 1000, burst);
}

/** Takes `cost` tokens when so many are there; false, nothing taken, when not. A cost above the burst never
 * fits. */
bool nx_quota_take(struct nx_quota *quota, const struct nx_quota_rule *rule, nx_time now, uint32_t cost);

/** Returns the whole tokens there are at `now`, 0..burst. */
uint32_t nx_quota_left(const struct nx_quota *quota, const struct nx_quota_rule *rule, nx_time now);

/** Returns the milliseconds, rounded up, until `cost` (at most the burst) tokens are there; 0 when they are.
 */
int64_t nx_quota_wait_ms(const struct nx_quota *quota, const struct nx_quota_rule *rule, nx_time now,
                         uint32_t cost);

/** Returns the milliseconds, rounded up, until the bucket is full. */
int64_t nx_quota_full_ms(const struct nx_quota *quota, nx_time now);

#endif
