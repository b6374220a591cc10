#include "engine/wire/prom.h"

#include "engine/base/assert.h"
#include "engine/wire/limits.h"

enum { DECIMALS_MAX = 18 /* 10^18 fits 64 bits */ };

static const char *const kinds[] = {
    [NX_PROM_COUNTER] = "counter",
    [NX_PROM_GAUGE] = "gauge",
    [NX_PROM_HISTOGRAM] = "histogram",
};

/* Escapes as the format asks: backslash and line feed everywhere, quotes in label values. */
static void escaped(struct nx_writer *w, struct nx_bytes text, bool is_label)
{
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.at[i];
        if (c == '\n') {
            nx_writer_text(w, "\\n");
        } else if (c == '\\' || (c == '"' && is_label)) {
            const uint8_t pair[2] = {'\\', c};
            nx_writer_put(w, pair, sizeof(pair));
        } else {
            nx_writer_u8(w, c);
        }
    }
}

void nx_prom_family(struct nx_writer *w, const char *name, const char *help, enum nx_prom_kind kind)
{
    nx_writer_text(w, "# HELP ");
    nx_writer_text(w, name);
    nx_writer_u8(w, ' ');
    escaped(w, nx_bytes_text(help), false);
    nx_writer_text(w, "\n# TYPE ");
    nx_writer_text(w, name);
    nx_writer_u8(w, ' ');
    nx_writer_text(w, kinds[kind]);
    nx_writer_u8(w, '\n');
}

/* Writes `value` x 10^-decimals without trailing zeros. */
static void scaled(struct nx_writer *w, uint64_t value, uint8_t decimals)
{
    NX_ASSERT(decimals <= DECIMALS_MAX);
    uint64_t unit = 1;
    for (uint8_t i = 0; i < decimals; i++) {
        unit *= 10;
    }
    nx_writer_decimal(w, value / unit);
    uint64_t rest = value % unit;
    if (rest == 0) {
        return;
    }
    nx_writer_u8(w, '.');
    while (rest != 0) {
        unit /= 10;
        nx_writer_u8(w, (uint8_t)('0' + rest / unit));
        rest %= unit;
    }
}

/* Writes name, suffix and labels; `bound` is the value of "le", NULL for none. */
static void sample_head(struct nx_writer *w, const char *name, const char *suffix,
                        const struct nx_prom_label *labels, size_t labels_count, const struct nx_bytes *bound)
{
    nx_writer_text(w, name);
    nx_writer_text(w, suffix);
    const struct nx_prom_label le = {.name = "le", .value = bound != NULL ? *bound : (struct nx_bytes){0}};
    const size_t count = labels_count + (bound != NULL ? 1 : 0);
    for (size_t i = 0; i < count; i++) {
        const struct nx_prom_label *label = i < labels_count ? &labels[i] : &le;
        nx_writer_u8(w, i == 0 ? '{' : ',');
        nx_writer_text(w, label->name);
        nx_writer_text(w, "=\"");
        escaped(w, label->value, true);
        nx_writer_u8(w, '"');
    }
    nx_writer_text(w, count != 0 ? "} " : " ");
}

void nx_prom_sample(struct nx_writer *w, const char *name, const struct nx_prom_label *labels,
                    size_t labels_count, int64_t value, uint8_t decimals)
{
    sample_head(w, name, "", labels, labels_count, NULL);
    if (value < 0) {
        nx_writer_u8(w, '-');
    }
    scaled(w, value < 0 ? ~(uint64_t)value + 1 : (uint64_t)value, decimals);
    nx_writer_u8(w, '\n');
}

void nx_prom_sample_u64(struct nx_writer *w, const char *name, const struct nx_prom_label *labels,
                        size_t labels_count, uint64_t value)
{
    sample_head(w, name, "", labels, labels_count, NULL);
    nx_writer_decimal(w, value);
    nx_writer_u8(w, '\n');
}

void nx_prom_histogram(struct nx_writer *w, const char *name, const struct nx_prom_label *labels,
                       size_t labels_count, const struct nx_prom_histogram *histogram)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= histogram->bounds_count; i++) {
        uint8_t text[40];
        struct nx_writer bound = nx_writer_init(text, sizeof(text));
        if (i < histogram->bounds_count) {
            scaled(&bound, histogram->bounds[i], histogram->decimals);
        } else {
            nx_writer_text(&bound, "+Inf");
        }
        count += histogram->counts[i];
        const struct nx_bytes le = nx_writer_bytes(&bound);
        sample_head(w, name, "_bucket", labels, labels_count, &le);
        nx_writer_decimal(w, count);
        nx_writer_u8(w, '\n');
    }
    sample_head(w, name, "_sum", labels, labels_count, NULL);
    scaled(w, histogram->sum, histogram->decimals);
    nx_writer_u8(w, '\n');
    sample_head(w, name, "_count", labels, labels_count, NULL);
    nx_writer_decimal(w, count);
    nx_writer_u8(w, '\n');
}

enum { BOUNDS_MAX = 24 };

static const struct {
    const char *unit;
    uint8_t decimals;
} times[] = {{"ns", 9}, {"us", 6}, {"ms", 3}};

/* Returns the decimals that turn `unit` into seconds, or 0 when it is no time. */
static uint8_t time_decimals(const char *unit)
{
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        if (strcmp(unit, times[i].unit) == 0) {
            return times[i].decimals;
        }
    }
    return 0;
}

/* Fills in the upper bounds of the buckets; returns how many. */
static size_t bounds_of(uint8_t decimals, uint64_t bounds[BOUNDS_MAX])
{
    size_t count = 0;
    if (decimals == 0) {
        for (; count < 16; count++) {
            bounds[count] = (uint64_t)1 << 2 * count;
        }
        return count;
    }
    uint64_t unit = 1;
    for (uint8_t i = 6; i < decimals; i++) { /* 1 us, or one unit where the unit is coarser */
        unit *= 10;
    }
    for (uint8_t decade = decimals < 6 ? 6 - decimals : 0; decade < 8; decade++, unit *= 10) {
        bounds[count++] = unit;
        bounds[count++] = 2 * unit;
        bounds[count++] = 5 * unit;
    }
    return count;
}

static void histogram_metric(struct nx_writer *w, const char *name, const struct nx_prom_label *labels,
                             size_t labels_count, uint8_t decimals, const struct nx_metric_histogram *metric)
{
    uint64_t bounds[BOUNDS_MAX];
    uint64_t counts[BOUNDS_MAX + 1];
    const size_t bounds_count = bounds_of(decimals, bounds);
    uint64_t below = 0;
    for (size_t i = 0; i < bounds_count; i++) {
        const uint64_t at_most = nx_metric_histogram_at_most(metric, bounds[i]);
        counts[i] = at_most - below;
        below = at_most;
    }
    counts[bounds_count] = metric->count - below;
    const struct nx_prom_histogram histogram = {.bounds = bounds,
                                                .counts = counts,
                                                .bounds_count = bounds_count,
                                                .sum = metric->sum,
                                                .decimals = decimals};
    nx_prom_histogram(w, name, labels, labels_count, &histogram);
}

/* Writes the family's name with its NUL; returns false when it is too long. */
static bool name_of(char name[NX_PROM_NAME_SIZE_MAX + 1], const char *prefix,
                    const struct nx_metric_info *info)
{
    struct nx_writer text = nx_writer_init(name, NX_PROM_NAME_SIZE_MAX + 1);
    nx_writer_text(&text, prefix);
    nx_writer_u8(&text, '_');
    nx_writer_text(&text, info->name);
    if (info->unit[0] != '\0') {
        nx_writer_u8(&text, '_');
        nx_writer_text(&text, time_decimals(info->unit) != 0 ? "seconds" : info->unit);
    }
    nx_writer_text(&text, info->kind == NX_METRIC_COUNTER ? "_total" : "");
    nx_writer_u8(&text, '\0');
    return nx_writer_ok(&text);
}

void nx_prom_metrics(struct nx_writer *w, const char *prefix, const struct nx_metric_info *infos,
                     size_t infos_count, const void *metrics, const struct nx_prom_label *labels,
                     size_t labels_count)
{
    for (size_t i = 0; i < infos_count; i++) {
        const struct nx_metric_info *info = &infos[i];
        const uint8_t *at = (const uint8_t *)metrics + info->offset;
        const uint8_t decimals = time_decimals(info->unit);
        char name[NX_PROM_NAME_SIZE_MAX + 1];
        if (!name_of(name, prefix, info)) {
            w->failed = true;
            return;
        }
        nx_prom_family(w, name, info->help,
                       info->kind == NX_METRIC_COUNTER ? NX_PROM_COUNTER
                       : info->kind == NX_METRIC_GAUGE ? NX_PROM_GAUGE
                                                       : NX_PROM_HISTOGRAM);
        if (info->kind == NX_METRIC_HISTOGRAM) {
            histogram_metric(w, name, labels, labels_count, decimals, (const void *)at);
        } else {
            uint64_t value;
            memcpy(&value, at, sizeof(value));
            if (info->kind == NX_METRIC_COUNTER) {
                sample_head(w, name, "", labels, labels_count, NULL);
                scaled(w, value, decimals);
                nx_writer_u8(w, '\n');
            } else {
                nx_prom_sample(w, name, labels, labels_count, (int64_t)value, decimals);
            }
        }
    }
}
