/* report.h - what a run says: a line per second while it goes, JSON at its end.
 *
 * Layer:   loadtest
 * Threads: the loop's own
 */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include "engine/wire/json_out.h"
#include "loadtest/run.h"
#include "loadtest/session.h"

/** Writes one line about the last second to stderr. */
void load_report_progress(struct load_run *run, int64_t now_ns);

/** Writes member `key` with the percentiles of `h`, nanoseconds shown as milliseconds. */
void load_report_histogram(struct nx_json_out *o, const char *key, const struct nx_metric_histogram *h);

/** Writes member "closes": why sessions ended. */
void load_report_closes(struct nx_json_out *o, const struct load_session_stats *stats);

/** Prints the result as JSON, to options->json too. Returns the exit code: 0 good, 1 something is wrong. */
int load_report_result(struct load_run *run);

#endif
