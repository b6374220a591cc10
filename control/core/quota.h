/* quota.h - rate limits: one token bucket per (what, who), in a table that cannot grow.
 *
 * Layer:   control/core (pure)
 * Threads: the loop's
 * Limits:  CTL_QUOTA_SLOTS buckets; when a neighbourhood is full the bucket that is nearest to full again is forgotten
 * Idiom:   a key is a keyed hash of bucket name, major parameter and subject; a rule is a constant of the route
 */
#ifndef CTL_CORE_QUOTA_H
#define CTL_CORE_QUOTA_H

#include "control/core/limits.h"
#include "control/core/memory.h"
#include "engine/base/err.h"
#include "engine/base/quota.h"

/** One remembered bucket. */
struct ctl_quota_slot {
    uint64_t key; /**< 0 free */
    struct nx_quota quota;
};

/** The table. */
struct ctl_quota {
    struct ctl_quota_slot *slots; /**< owned: CTL_QUOTA_SLOTS */
    uint64_t seed;
};

/** What came of taking a token; for the headers. */
struct ctl_quota_state {
    bool is_allowed;
    uint32_t limit;     /**< tokens of a full bucket */
    uint32_t remaining; /**< whole tokens left */
    int64_t reset_ms;   /**< until the bucket is full */
    int64_t retry_ms;   /**< until one token is there; 0 when allowed */
    uint64_t bucket;    /**< opaque id of what is limited, without the subject */
};

/** Makes an empty table. Returns NX_OK; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err ctl_quota_init(struct ctl_quota *quota, const struct ctl_memory *memory,
                                       uint64_t seed);

/** Gives the memory back. */
void ctl_quota_fini(struct ctl_quota *quota, const struct ctl_memory *memory);

/** Takes one token of bucket (`what`, `major`, `subject`) under `rule` at `now`. */
struct ctl_quota_state ctl_quota_take(struct ctl_quota *quota, const struct nx_quota_rule *rule, nx_time now,
                                      uint64_t what, uint64_t major, uint64_t subject);

/** Tells what ctl_quota_take() would say, taking nothing. */
struct ctl_quota_state ctl_quota_look(struct ctl_quota *quota, const struct nx_quota_rule *rule, nx_time now,
                                      uint64_t what, uint64_t major, uint64_t subject);

/** Returns a keyed hash of a text, for `what`, `major` or `subject`. */
uint64_t ctl_quota_hash(const struct ctl_quota *quota, struct nx_bytes text);

#endif
