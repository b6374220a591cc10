/* metric.h - counters, gauges and histograms as plain integers, listed once in a layer's metrics.def.
 *
 * Layer:   engine/base (no I/O, no clock, no allocation)
 * Threads: own shard; to scrape, a shard copies or merges its struct and posts it
 * Limits:  histograms hold 0..2^42-1 (nanoseconds: 73 minutes; larger counts as the largest) in buckets 1/32
 *          wide: an answer is at most 1.6 % off; 9.5 KiB each
 * Idiom:   metrics.def has rows NX_METRIC(COUNTER|GAUGE|HISTOGRAM, name, "unit", "help"); then
 *
 *              struct gw_metrics {
 *              #define NX_METRIC(kind, name, unit, help) NX_METRIC_FIELD_##kind(name)
 *              #include "gatewayd/core/metrics.def"
 *              #undef NX_METRIC
 *              };
 *              static const struct nx_metric_info infos[] = {
 *              #define NX_METRIC(kind, name, unit, help) NX_METRIC_INFO(struct gw_metrics, kind, name, …)
 *              #include "gatewayd/core/metrics.def"
 *              #undef NX_METRIC
 *              };
 */
#ifndef NX_BASE_METRIC_H
#define NX_BASE_METRIC_H

#include <stddef.h>
#include <stdint.h>

enum nx_metric_kind {
    NX_METRIC_COUNTER,  /**< uint64_t, only rises */
    NX_METRIC_GAUGE,    /**< int64_t, rises and falls; the shards' values add up */
    NX_METRIC_HISTOGRAM /**< struct nx_metric_histogram */
};

#define NX_METRIC_FIELD_COUNTER(name)   uint64_t name;
#define NX_METRIC_FIELD_GAUGE(name)     int64_t name;
#define NX_METRIC_FIELD_HISTOGRAM(name) struct nx_metric_histogram name;
#define NX_METRIC_INFO(type, kind, name, unit, help)                                                         \
    {#name, unit, help, NX_METRIC_##kind, offsetof(type, name)},

/** What one row of a metrics.def says. */
struct nx_metric_info {
    const char *name; /**< literal, lower_case */
    const char *unit; /**< literal: "", "bytes", "ns", … */
    const char *help; /**< literal, one sentence */
    enum nx_metric_kind kind;
    size_t offset; /**< bytes into the layer's struct */
};

enum {
    NX_METRIC_STEP_BITS = 5,   /**< 32 buckets for each doubling */
    NX_METRIC_VALUE_BITS = 42, /**< values below 2^42 */
    NX_METRIC_BUCKETS = (NX_METRIC_VALUE_BITS - NX_METRIC_STEP_BITS + 1) << NX_METRIC_STEP_BITS
};

/** How values are spread; all zero is empty. */
struct nx_metric_histogram {
    uint64_t count; /**< values added */
    uint64_t sum;   /**< of the values, unclamped */
    uint64_t max;   /**< largest value added, unclamped */
    uint64_t buckets[NX_METRIC_BUCKETS];
};

/** Adds `value` once. Cost: constant. */
void nx_metric_histogram_add(struct nx_metric_histogram *histogram, uint64_t value);

/** Adds everything in `from` to `into`. */
void nx_metric_histogram_merge(struct nx_metric_histogram *into, const struct nx_metric_histogram *from);

/**
 * Returns the value that `percent` (0..100) of all values do not exceed, at most 1.6 % off and never above
 * the largest seen; 0 when the histogram is empty.
 */
uint64_t nx_metric_histogram_percentile(const struct nx_metric_histogram *histogram, double percent);

/** Returns how many values were at most `value`, counting its whole bucket. */
uint64_t nx_metric_histogram_at_most(const struct nx_metric_histogram *histogram, uint64_t value);

/** Adds the struct `from` to the struct `into`, both laid out as the `infos_count` rows say. */
void nx_metric_merge(const struct nx_metric_info *infos, size_t infos_count, void *into, const void *from);

#endif
