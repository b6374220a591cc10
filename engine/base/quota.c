#include "engine/base/quota.h"

#include "engine/base/assert.h"

static int64_t fill_ns(const struct nx_quota_rule *rule, uint32_t tokens)
{
    int64_t ns;
    return __builtin_mul_overflow(rule->interval_ns, (int64_t)tokens, &ns) ? INT64_MAX : ns;
}

/* Time the bucket is short of being full. Bounded by the whole bucket, so that a clock that went back, or a
 * rule that became smaller, locks nobody out for longer than an empty bucket would. */
static int64_t missing_ns(const struct nx_quota *quota, const struct nx_quota_rule *rule, nx_time now)
{
    if (!nx_time_before(now, quota->full_at)) {
        return 0;
    }
    const int64_t missing = nx_time_since_ns(quota->full_at, now);
    const int64_t whole = fill_ns(rule, rule->burst);
    return missing < whole ? missing : whole;
}

static int64_t to_ms(int64_t ns)
{
    return ns / NX_TIME_NS_PER_MS + (ns % NX_TIME_NS_PER_MS != 0);
}

struct nx_quota_rule nx_quota_rule_of(uint32_t count, int64_t period_ms, uint32_t burst)
{
    NX_ASSERT(count > 0 && period_ms > 0 && period_ms <= INT64_MAX / NX_TIME_NS_PER_MS && burst > 0);
    const int64_t interval_ns = period_ms * NX_TIME_NS_PER_MS / count;
    return (struct nx_quota_rule){.interval_ns = interval_ns > 0 ? interval_ns : 1, .burst = burst};
}

bool nx_quota_take(struct nx_quota *quota, const struct nx_quota_rule *rule, nx_time now, uint32_t cost)
{
    if (cost > nx_quota_left(quota, rule, now)) {
        return false;
    }
    quota->full_at = nx_time_add_ns(now, missing_ns(quota, rule, now) + fill_ns(rule, cost));
    return true;
}

uint32_t nx_quota_left(const struct nx_quota *quota, const struct nx_quota_rule *rule, nx_time now)
{
    return (uint32_t)((fill_ns(rule, rule->burst) - missing_ns(quota, rule, now)) / rule->interval_ns);
}

int64_t nx_quota_wait_ms(const struct nx_quota *quota, const struct nx_quota_rule *rule, nx_time now,
                         uint32_t cost)
{
    NX_ASSERT(cost <= rule->burst);
    const int64_t wait = missing_ns(quota, rule, now) - fill_ns(rule, rule->burst - cost);
    return wait > 0 ? to_ms(wait) : 0;
}

int64_t nx_quota_full_ms(const struct nx_quota *quota, nx_time now)
{
    return nx_time_before(now, quota->full_at) ? to_ms(nx_time_since_ns(quota->full_at, now)) : 0;
}
