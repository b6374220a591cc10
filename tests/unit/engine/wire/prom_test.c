/* Goal: a scraper reads what we write. Method: golden texts. */
#include "engine/wire/prom.h"

#include "tests/lib/check.h"

TEST(prom, families_and_samples_are_written_as_the_format_says)
{
    char text[2048];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    const struct nx_prom_label labels[] = {{"shard", nx_bytes_text("0")},
                                           {"path", nx_bytes_text("a\"\\\nb")}};
    nx_prom_family(&w, "nexus_messages_total", "Messages\\ per\nline \"x\"", NX_PROM_COUNTER);
    nx_prom_sample_u64(&w, "nexus_messages_total", labels, 2, UINT64_MAX);
    nx_prom_sample(&w, "nexus_messages_total", NULL, 0, 12, 0);
    nx_prom_family(&w, "nexus_lag_seconds", "Lag.", NX_PROM_GAUGE);
    nx_prom_sample(&w, "nexus_lag_seconds", NULL, 0, -1500000000, 9);
    nx_prom_sample(&w, "nexus_lag_seconds", NULL, 0, INT64_MIN, 18);
    CHECK(nx_writer_ok(&w), "fits");
    CHECK(nx_bytes_is(nx_writer_bytes(&w),
                      "# HELP nexus_messages_total Messages\\\\ per\\nline \"x\"\n"
                      "# TYPE nexus_messages_total counter\n"
                      "nexus_messages_total{shard=\"0\",path=\"a\\\"\\\\\\nb\"} 18446744073709551615\n"
                      "nexus_messages_total 12\n"
                      "# HELP nexus_lag_seconds Lag.\n"
                      "# TYPE nexus_lag_seconds gauge\n"
                      "nexus_lag_seconds -1.5\n"
                      "nexus_lag_seconds -9.223372036854775808\n"),
          "%.*s", (int)w.size, text);
}

TEST(prom, histograms_are_cumulative)
{
    char text[1024];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    const uint64_t bounds[] = {1000000, 2500000000};
    const uint64_t counts[] = {3, 0, 2};
    const struct nx_prom_label label = {"op", nx_bytes_text("x")};
    const struct nx_prom_histogram histogram = {
        .bounds = bounds, .counts = counts, .bounds_count = 2, .sum = 7000000001, .decimals = 9};
    nx_prom_histogram(&w, "h", &label, 1, &histogram);
    CHECK(nx_bytes_is(nx_writer_bytes(&w),
                      "h_bucket{op=\"x\",le=\"0.001\"} 3\nh_bucket{op=\"x\",le=\"2.5\"} 3\n"
                      "h_bucket{op=\"x\",le=\"+Inf\"} 5\nh_sum{op=\"x\"} 7.000000001\nh_count{op=\"x\"} 5\n"),
          "%.*s", (int)w.size, text);
}

TEST(prom, metrics_of_a_layer_are_written_from_their_table)
{
    struct metrics {
        uint64_t messages;
        uint64_t busy;
        int64_t sessions;
        struct nx_metric_histogram lag;
        struct nx_metric_histogram sizes;
    };
    static const struct nx_metric_info infos[] = {
        NX_METRIC_INFO(struct metrics, COUNTER, messages, "", "Messages.")
            NX_METRIC_INFO(struct metrics, COUNTER, busy, "ns", "Busy.")
                NX_METRIC_INFO(struct metrics, GAUGE, sessions, "", "Sessions.")
                    NX_METRIC_INFO(struct metrics, HISTOGRAM, lag, "ms", "Lag.")
                        NX_METRIC_INFO(struct metrics, HISTOGRAM, sizes, "bytes", "Sizes.")};
    static struct metrics metrics = {.messages = 5, .busy = 1500000000, .sessions = -2};
    nx_metric_histogram_add(&metrics.lag, 3);
    nx_metric_histogram_add(&metrics.sizes, 17);
    nx_metric_histogram_add(&metrics.sizes, (uint64_t)1 << 40);
    static char text[8192];
    struct nx_writer w = nx_writer_init(text, sizeof(text) - 1);
    nx_prom_metrics(&w, "nexus", infos, 5, &metrics, NULL, 0);
    CHECK(nx_writer_ok(&w), "fits");
    text[w.size] = '\0';
    static const char *const lines[] = {
        "# TYPE nexus_messages_total counter\nnexus_messages_total 5\n",
        "nexus_busy_seconds_total 1.5\n",
        "# TYPE nexus_sessions gauge\nnexus_sessions -2\n",
        "# TYPE nexus_lag_seconds histogram\nnexus_lag_seconds_bucket{le=\"0.001\"} 0\n",
        "nexus_lag_seconds_bucket{le=\"0.002\"} 0\nnexus_lag_seconds_bucket{le=\"0.005\"} 1\n",
        "nexus_lag_seconds_bucket{le=\"50\"} 1\n",
        "nexus_lag_seconds_bucket{le=\"+Inf\"} 1\nnexus_lag_seconds_sum 0.003\n",
        "nexus_sizes_bytes_bucket{le=\"16\"} 0\nnexus_sizes_bytes_bucket{le=\"64\"} 1\n",
        "nexus_sizes_bytes_bucket{le=\"1073741824\"} 1\nnexus_sizes_bytes_bucket{le=\"+Inf\"} 2\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        CHECK(strstr(text, lines[i]) != NULL, "line %zu in:\n%s", i, text);
    }
}
