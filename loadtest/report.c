#include "loadtest/report.h"

#include <inttypes.h>
#include <stdio.h>

enum { JSON_MAX = 16384, NS_PER_MILLI_OF_MS = 1000 };

static const char *const PHASES[] = {"waiting",   "connecting", "settling", "warming up",
                                     "measuring", "draining",   "done"};

static double ms_of(uint64_t ns)
{
    return (double)ns / NX_TIME_NS_PER_MS;
}

void load_report_progress(struct load_run *run, int64_t now_ns)
{
    const double seconds = (double)(now_ns - run->shown_ns) / NX_TIME_NS_PER_S;
    const uint64_t deliveries = run->tally.deliveries - run->shown_deliveries;
    (void)fprintf(stderr,
                  "%-10s connected %" PRIu32 "/%" PRIu32 " failed %" PRIu32 " lost %" PRIu32
                  "  %.0f deliveries/s  outstanding %" PRIu32 "  p50 %.2f p99 %.2f ms\n",
                  PHASES[run->phase], run->ready_count, run->clients_count, run->failed_count,
                  run->lost_count, (double)deliveries / seconds, run->tally.outstanding,
                  ms_of(nx_metric_histogram_percentile(&run->tally.latency_ns, 50)),
                  ms_of(nx_metric_histogram_percentile(&run->tally.latency_ns, 99)));
    run->shown_ns = now_ns;
    run->shown_deliveries = run->tally.deliveries;
}

static void number(struct nx_json_out *o, const char *key, uint64_t value)
{
    nx_json_out_key(o, key);
    nx_json_out_u64(o, value);
}

/* Three decimals. */
static void fraction(struct nx_json_out *o, const char *key, double value)
{
    nx_json_out_key(o, key);
    nx_json_out_milli(o, (int64_t)(value * 1000 + (value < 0 ? -0.5 : 0.5)));
}

void load_report_histogram(struct nx_json_out *o, const char *key, const struct nx_metric_histogram *h)
{
    static const struct {
        const char *name;
        double percent;
    } POINTS[] = {{"p50", 50}, {"p90", 90}, {"p95", 95}, {"p99", 99}, {"p999", 99.9}};
    nx_json_out_key(o, key);
    nx_json_out_object(o);
    number(o, "count", h->count);
    for (size_t i = 0; i < sizeof(POINTS) / sizeof(POINTS[0]); i++) {
        fraction(o, POINTS[i].name, ms_of(nx_metric_histogram_percentile(h, POINTS[i].percent)));
    }
    fraction(o, "max", ms_of(h->max));
    nx_json_out_object_end(o);
}

void load_report_closes(struct nx_json_out *o, const struct load_session_stats *stats)
{
    nx_json_out_key(o, "closes");
    nx_json_out_array(o);
    for (uint32_t i = 0; i < stats->closes_count; i++) {
        nx_json_out_object(o);
        number(o, "code", stats->closes[i].code);
        nx_json_out_key(o, "why");
        nx_json_out_text(o, stats->closes[i].why == NX_OK ? "closed" : nx_err_text(stats->closes[i].why));
        number(o, "count", stats->closes[i].count);
        nx_json_out_object_end(o);
    }
    nx_json_out_array_end(o);
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

/* A server that was started anew in between has used less than before: then nothing is known. */
static double used_us(const struct load_run_mark *from, const struct load_run_mark *to)
{
    return to->server.cpu_ns > from->server.cpu_ns ? (double)(to->server.cpu_ns - from->server.cpu_ns) / 1000
                                                   : 0;
}

static void server(struct nx_json_out *o, const struct load_run *run)
{
    const double measured_us = used_us(&run->measure_begin, &run->measure_end);
    const double connect_us = used_us(&run->start, &run->idle);
    const double grown = (double)run->idle.server.rss_bytes - (double)run->start.server.rss_bytes;
    nx_json_out_key(o, "server");
    nx_json_out_object(o);
    fraction(o, "cpu_us_per_delivery", ratio(measured_us, (double)run->tally.measured.deliveries));
    fraction(o, "cpu_us_per_message", ratio(measured_us, (double)run->tally.measured.messages));
    fraction(o, "cpu_s", measured_us / 1e6);
    fraction(o, "cpu_us_per_connect", ratio(connect_us, run->ready_count));
    number(o, "rss_start_bytes", run->start.server.rss_bytes);
    number(o, "rss_idle_bytes", run->idle.server.rss_bytes);
    number(o, "rss_bytes", run->measure_end.server.rss_bytes);
    number(o, "rss_max_bytes", run->rss_max);
    fraction(o, "rss_per_session_bytes", ratio(grown, run->ready_count));
    nx_json_out_key(o, "pids");
    nx_json_out_array(o);
    for (uint32_t i = 0; i < run->pids_count; i++) {
        nx_json_out_u64(o, run->pids[i]);
    }
    nx_json_out_array_end(o);
    nx_json_out_object_end(o);
}

static void result(struct nx_json_out *o, struct load_run *run, uint64_t lost)
{
    const struct load_tally *t = &run->tally;
    const double seconds = (double)(run->measure_end.ns - run->measure_begin.ns) / NX_TIME_NS_PER_S;
    const double connect_s = (double)(run->last_ready_ns - run->first_start_ns) / NX_TIME_NS_PER_S;
    nx_json_out_object(o);
    nx_json_out_key(o, "failure");
    if (run->failure != NULL) {
        nx_json_out_text(o, run->failure);
    } else {
        nx_json_out_null(o);
    }
    number(o, "sessions", run->clients_count);
    number(o, "connected", run->ready_count);
    number(o, "failed", run->failed_count);
    number(o, "cut", run->lost_count);
    fraction(o, "connects_per_s", ratio(run->ready_count, connect_s));
    fraction(o, "connect_p99_ms", ms_of(nx_metric_histogram_percentile(&run->connect_ns, 99)));
    fraction(o, "identify_p99_ms", ms_of(nx_metric_histogram_percentile(&run->identify_ns, 99)));
    fraction(o, "measured_s", seconds);
    number(o, "streams", t->streams_count);
    number(o, "messages", t->measured.messages);
    number(o, "acks", t->measured.acks);
    number(o, "deliveries", t->measured.deliveries);
    fraction(o, "messages_per_s", ratio((double)t->measured.messages, seconds));
    fraction(o, "deliveries_per_s", ratio((double)t->measured.deliveries, seconds));
    number(o, "messages_all", load_tally_published(t));
    number(o, "deliveries_all", t->deliveries);
    number(o, "lost", lost);
    number(o, "duplicates", t->duplicates);
    number(o, "reordered", t->reordered);
    number(o, "refused", t->refused);
    number(o, "unsent", run->publish_refused);
    number(o, "foreign", t->foreign);
    number(o, "protocol_errors", run->net.protocol_errors);
    load_report_histogram(o, "latency_ms", &t->latency_ns);
    load_report_histogram(o, "last_ms", &t->last_ns);
    load_report_histogram(o, "ack_ms", &t->ack_ns);
    server(o, run);
    fraction(o, "client_cpu_s",
             (double)(run->measure_end.client_cpu_ns - run->measure_begin.client_cpu_ns) / 1e9);
    number(o, "received_bytes", run->measure_end.received_bytes - run->measure_begin.received_bytes);
    if (run->ops->report != NULL) {
        run->ops->report(run, o);
    }
    nx_json_out_object_end(o);
}

int load_report_result(struct load_run *run)
{
    uint8_t text[JSON_MAX];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    struct nx_json_out o = nx_json_out_init(&w);
    const uint64_t lost = load_run_missing(run);
    result(&o, run, lost);
    if (!nx_json_out_done(&o)) {
        (void)fprintf(stderr, "nexus load: the result does not fit\n");
        return 1;
    }
    (void)printf("%.*s\n", (int)w.size, (const char *)text);
    (void)fflush(stdout);
    if (run->options->json != NULL) {
        FILE *file = fopen(run->options->json, "we");
        const bool is_written =
            file != NULL && fwrite(text, 1, w.size, file) == w.size && fputc('\n', file) != EOF;
        if ((file != NULL && fclose(file) != 0) || !is_written) {
            (void)fprintf(stderr, "nexus load: cannot write %s\n", run->options->json);
            return 1;
        }
    }
    if (run->failure != NULL) {
        (void)fprintf(stderr, "nexus load: %s\n", run->failure);
    }
    const bool is_good = run->failure == NULL && lost == 0 && run->tally.duplicates == 0 &&
                         run->tally.reordered == 0 && run->net.protocol_errors == 0 &&
                         run->ready_count == run->clients_count;
    return is_good ? 0 : 1;
}
