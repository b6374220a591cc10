#include "engine/wire/prom.h"

#include "engine/base/assert.h"

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
