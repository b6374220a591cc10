/* tally.h - the statistics of one direction of one route.
 *
 * Layer:   tools/impair/core (no I/O, no clock, no allocation)
 * Threads: own thread
 */
#ifndef TOOLS_IMPAIR_CORE_TALLY_H
#define TOOLS_IMPAIR_CORE_TALLY_H

#include "engine/base/metric.h"
#include "engine/base/writer.h"

/** All counters; tally.def explains each. */
struct impair_tally {
#define NX_METRIC(kind, name, unit, help) NX_METRIC_FIELD_##kind(name)
#include "tools/impair/core/tally.def"
#undef NX_METRIC
};

/** Writes the tally as a JSON object: counters by name, `late_us` as {"p50","p99","max"}. */
void impair_tally_write(const struct impair_tally *tally, struct nx_writer *out);

#endif
