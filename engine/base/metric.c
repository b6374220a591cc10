#include "engine/base/metric.h"

#include "engine/base/assert.h"

enum { STEPS = 1 << NX_METRIC_STEP_BITS };

static const uint64_t VALUE_MAX = (1ULL << NX_METRIC_VALUE_BITS) - 1;

/* Values below 32 have a bucket each; from there on each doubling is cut into 32, and the bucket is the
 * doubling's number and the 5 bits behind the leading one. */
static unsigned bucket_of(uint64_t value)
{
    value = value < VALUE_MAX ? value : VALUE_MAX;
    if (value < STEPS) {
        return (unsigned)value;
    }
    const int shift = 63 - __builtin_clzll(value) - NX_METRIC_STEP_BITS;
    return (unsigned)(shift << NX_METRIC_STEP_BITS) + (unsigned)(value >> shift);
}

/* The middle of a bucket, rounded down. */
static uint64_t value_of(unsigned bucket)
{
    if (bucket < STEPS) {
        return bucket;
    }
    const unsigned shift = bucket / STEPS - 1;
    const uint64_t low = (uint64_t)(bucket % STEPS + STEPS) << shift;
    return low + ((1ULL << shift) - 1) / 2;
}

void nx_metric_histogram_add(struct nx_metric_histogram *histogram, uint64_t value)
{
    histogram->count++;
    histogram->sum += value;
    histogram->max = value > histogram->max ? value : histogram->max;
    histogram->buckets[bucket_of(value)]++;
}

void nx_metric_histogram_merge(struct nx_metric_histogram *into, const struct nx_metric_histogram *from)
{
    into->count += from->count;
    into->sum += from->sum;
    into->max = from->max > into->max ? from->max : into->max;
    for (unsigned i = 0; i < NX_METRIC_BUCKETS; i++) {
        into->buckets[i] += from->buckets[i];
    }
}

uint64_t nx_metric_histogram_percentile(const struct nx_metric_histogram *histogram, double percent)
{
    if (histogram->count == 0) {
        return 0;
    }
    NX_ASSERT(percent >= 0 && percent <= 100);
    const double exact = (double)histogram->count * percent / 100;
    uint64_t rank = (uint64_t)exact;
    rank += (double)rank < exact; /* Rounded up: the smallest rank that covers so many. */
    rank = rank == 0 ? 1 : rank;
    rank = rank < histogram->count ? rank : histogram->count;
    uint64_t seen = 0;
    unsigned bucket = 0;
    while ((seen += histogram->buckets[bucket]) < rank) {
        bucket++;
    }
    const uint64_t value = value_of(bucket);
    return value < histogram->max ? value : histogram->max;
}

uint64_t nx_metric_histogram_at_most(const struct nx_metric_histogram *histogram, uint64_t value)
{
    uint64_t seen = 0;
    for (unsigned i = 0, last = bucket_of(value); i <= last; i++) {
        seen += histogram->buckets[i];
    }
    return seen;
}

void nx_metric_merge(const struct nx_metric_info *infos, size_t infos_count, void *into, const void *from)
{
    for (size_t i = 0; i < infos_count; i++) {
        void *to = (uint8_t *)into + infos[i].offset;
        const void *add = (const uint8_t *)from + infos[i].offset;
        switch (infos[i].kind) {
        case NX_METRIC_COUNTER:
            *(uint64_t *)to += *(const uint64_t *)add;
            break;
        case NX_METRIC_GAUGE:
            *(int64_t *)to += *(const int64_t *)add;
            break;
        case NX_METRIC_HISTOGRAM:
            nx_metric_histogram_merge(to, add);
            break;
        }
    }
}
