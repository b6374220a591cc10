/* prom.h - writes metrics in the Prometheus text format.
 *
 * Spec:    Prometheus exposition format 0.0.4
 * Layer:   engine/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Limits:  size by the writer's room
 * Idiom:   for each family: nx_prom_family() once, then its samples; ask nx_writer_ok() at the end.
 *          Numbers are integers with a decimal exponent, so that base units (seconds from nanoseconds)
 *          need no floating point.
 */
#ifndef NX_WIRE_PROM_H
#define NX_WIRE_PROM_H

#include "engine/base/metric.h"
#include "engine/base/writer.h"

enum nx_prom_kind { NX_PROM_COUNTER, NX_PROM_GAUGE, NX_PROM_HISTOGRAM };

/** One label; the value is escaped when written. */
struct nx_prom_label {
    const char *name;
    struct nx_bytes value; /**< UTF-8 */
};

/** The buckets of one histogram. */
struct nx_prom_histogram {
    const uint64_t *bounds; /**< inclusive upper bounds, increasing, bounds_count of them */
    const uint64_t
        *counts; /**< observations per bucket, not cumulative; bounds_count + 1 of them, the last is +Inf */
    size_t bounds_count;
    uint64_t sum; /**< sum of all observations */
    uint8_t
        decimals; /**< bounds and sum count in units of 10^-decimals (9 for nanoseconds shown in seconds) */
};

/** Writes the HELP and TYPE lines of family `name`. */
void nx_prom_family(struct nx_writer *w, const char *name, const char *help, enum nx_prom_kind kind);

/** Writes one sample, `value` in units of 10^-`decimals` (0..18). */
void nx_prom_sample(struct nx_writer *w, const char *name, const struct nx_prom_label *labels,
                    size_t labels_count, int64_t value, uint8_t decimals);

/** Writes one sample of a counter that may exceed 2^63 - 1. */
void nx_prom_sample_u64(struct nx_writer *w, const char *name, const struct nx_prom_label *labels,
                        size_t labels_count, uint64_t value);

/** Writes the bucket, sum and count samples of one histogram. */
void nx_prom_histogram(struct nx_writer *w, const char *name, const struct nx_prom_label *labels,
                       size_t labels_count, const struct nx_prom_histogram *histogram);

/**
 * Writes every metric of a layer: `metrics` is laid out as the `infos_count` rows say. A row's family is called
 * "<prefix>_<name>", then its unit in base units ("ns", "us" and "ms" become "_seconds" and are scaled), then "_total" for a
 * counter. Histograms get bounds of 1, 2, 5 per decade from 1 us to 50 s for times, powers of 4 up to 4^15 otherwise.
 * Names longer than NX_PROM_NAME_SIZE_MAX fail the writer.
 */
void nx_prom_metrics(struct nx_writer *w, const char *prefix, const struct nx_metric_info *infos,
                     size_t infos_count, const void *metrics, const struct nx_prom_label *labels,
                     size_t labels_count);

#endif
