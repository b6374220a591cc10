#include "tools/impair/core/tally.h"

static const struct nx_metric_info INFOS[] = {
#define NX_METRIC(kind, name, unit, help) NX_METRIC_INFO(struct impair_tally, kind, name, unit, help)
#include "tools/impair/core/tally.def"
#undef NX_METRIC
};

static void histogram_write(const struct nx_metric_histogram *h, struct nx_writer *out)
{
    nx_writer_text(out, "{\"p50\":");
    nx_writer_decimal(out, nx_metric_histogram_percentile(h, 50));
    nx_writer_text(out, ",\"p99\":");
    nx_writer_decimal(out, nx_metric_histogram_percentile(h, 99));
    nx_writer_text(out, ",\"max\":");
    nx_writer_decimal(out, h->max);
    nx_writer_text(out, "}");
}

void impair_tally_write(const struct impair_tally *tally, struct nx_writer *out)
{
    for (size_t i = 0; i < sizeof(INFOS) / sizeof(INFOS[0]); i++) {
        const void *at = (const uint8_t *)tally + INFOS[i].offset;
        nx_writer_text(out, i == 0 ? "{\"" : ",\"");
        nx_writer_text(out, INFOS[i].name);
        if (INFOS[i].kind == NX_METRIC_HISTOGRAM) {
            nx_writer_text(out, "_");
            nx_writer_text(out, INFOS[i].unit);
            nx_writer_text(out, "\":");
            histogram_write(at, out);
        } else {
            nx_writer_text(out, "\":");
            nx_writer_decimal(out, *(const uint64_t *)at);
        }
    }
    nx_writer_text(out, "}");
}
