#include "engine/base/conf.h"

#include "engine/base/text.h"
#include "engine/base/time.h"

/* What a unit multiplies by, and what kind it makes. Longest first where one ends another is not needed: the
 * whole rest of the number has to match. */
static const struct {
    const char *name;
    enum nx_conf_kind kind;
    int64_t factor;
} units[] = {
    {"B", NX_CONF_KIND_SIZE, 1},
    {"KiB", NX_CONF_KIND_SIZE, 1 << 10},
    {"MiB", NX_CONF_KIND_SIZE, 1 << 20},
    {"GiB", NX_CONF_KIND_SIZE, 1 << 30},
    {"ns", NX_CONF_KIND_DURATION, 1},
    {"us", NX_CONF_KIND_DURATION, NX_TIME_NS_PER_US},
    {"ms", NX_CONF_KIND_DURATION, NX_TIME_NS_PER_MS},
    {"s", NX_CONF_KIND_DURATION, NX_TIME_NS_PER_S},
    {"min", NX_CONF_KIND_DURATION, 60LL * NX_TIME_NS_PER_S},
    {"h", NX_CONF_KIND_DURATION, 3600LL * NX_TIME_NS_PER_S},
    {"d", NX_CONF_KIND_DURATION, 86400LL * NX_TIME_NS_PER_S},
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static bool is_name_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static void skip_blanks(struct nx_bytes *line)
{
    while (line->size > 0 && is_blank(line->at[0])) {
        line->at++;
        line->size--;
    }
}

static struct nx_bytes take_name(struct nx_bytes *line)
{
    size_t size = 0;
    while (size < line->size && is_name_char(line->at[size])) {
        size++;
    }
    const struct nx_bytes name = nx_bytes_of(line->at, size);
    *line = nx_bytes_slice(*line, size, SIZE_MAX);
    return name;
}

static bool take_char(struct nx_bytes *line, char c)
{
    if (line->size == 0 || line->at[0] != (uint8_t)c) {
        return false;
    }
    *line = nx_bytes_slice(*line, 1, SIZE_MAX);
    return true;
}

/* Parses -?digits[unit]; no leading zero, as TOML. */
static bool parse_number(struct nx_bytes text, struct nx_conf_value *out)
{
    const bool is_negative = take_char(&text, '-');
    int64_t value = 0;
    size_t digits = 0;
    for (; digits < text.size && text.at[digits] >= '0' && text.at[digits] <= '9'; digits++) {
        if ((digits > 0 && text.at[0] == '0') || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, text.at[digits] - '0', &value)) {
            return false;
        }
    }
    /* Gathered below zero, where the range is larger by one. */
    if (digits == 0 || (!is_negative && __builtin_sub_overflow(0, value, &value))) {
        return false;
    }
    const struct nx_bytes unit = nx_bytes_slice(text, digits, SIZE_MAX);
    *out = (struct nx_conf_value){.kind = NX_CONF_KIND_INTEGER, .integer = value};
    if (unit.size == 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (nx_bytes_is(unit, units[i].name)) {
            out->kind = units[i].kind;
            return !is_negative && !__builtin_mul_overflow(value, units[i].factor, &out->integer);
        }
    }
    return false;
}

static bool parse_bool(struct nx_bytes text, struct nx_conf_value *out)
{
    const bool is_true = nx_bytes_is(text, "true");
    if (!is_true && !nx_bytes_is(text, "false")) {
        return false;
    }
    *out = (struct nx_conf_value){.kind = NX_CONF_KIND_BOOL, .integer = is_true};
    return true;
}

static bool take_hex(struct nx_bytes *text, size_t digits, uint32_t *out)
{
    uint32_t value = 0;
    for (size_t i = 0; i < digits; i++) {
        const uint8_t c = i < text->size ? text->at[i] : 0;
        const uint8_t low = c | 0x20;
        if (c >= '0' && c <= '9') {
            value = value << 4 | (uint32_t)(c - '0');
        } else if (low >= 'a' && low <= 'f') {
            value = value << 4 | (uint32_t)(low - 'a' + 10);
        } else {
            return false;
        }
    }
    *text = nx_bytes_slice(*text, digits, SIZE_MAX);
    *out = value;
    return true;
}

/* Takes one escape, its backslash already taken, off the front of `text`; false when there is no such escape.
 */
static bool take_escape(struct nx_bytes *text, uint32_t *point)
{
    static const char names[] = "btnfr\"\\";
    static const char meanings[] = "\b\t\n\f\r\"\\";
    if (text->size == 0) {
        return false;
    }
    const uint8_t c = text->at[0];
    *text = nx_bytes_slice(*text, 1, SIZE_MAX);
    if (c == 'u' || c == 'U') {
        return take_hex(text, c == 'u' ? 4 : 8, point) && *point <= 0x10ffff &&
               (*point < 0xd800 || *point > 0xdfff);
    }
    const char *at = memchr(names, c, sizeof(names) - 1);
    *point = at != NULL ? (uint8_t)meanings[at - names] : 0;
    return at != NULL;
}

/* Takes a quoted text off the front of `line`, its opening quote already taken. */
static bool take_text(struct nx_bytes *line, struct nx_conf_value *out)
{
    const uint8_t *start = line->at;
    bool is_plain = true;
    while (line->size > 0) {
        const uint8_t c = line->at[0];
        const uint8_t *here = line->at;
        *line = nx_bytes_slice(*line, 1, SIZE_MAX);
        if (c == '"') {
            const size_t size = (size_t)(here - start);
            *out = (struct nx_conf_value){
                .kind = NX_CONF_KIND_TEXT, .text = nx_bytes_of(start, size), .is_plain = is_plain};
            return true;
        }
        uint32_t point;
        if ((c < ' ' && c != '\t') || c == 0x7f || (c == '\\' && !take_escape(line, &point))) {
            return false;
        }
        is_plain = is_plain && c != '\\';
    }
    return false;
}

/* Each parse_ function returns NULL when all is well, else what is wrong. */
static const char *parse_value(struct nx_bytes *line, struct nx_conf_value *out)
{
    if (take_char(line, '"')) {
        if (!take_text(line, out)) {
            return "the text has no closing quote, a control character or an unknown escape";
        }
        return out->text.size <= NX_CONF_VALUE_SIZE_MAX ? NULL : "the value is too long";
    }
    size_t size = 0;
    while (size < line->size && !is_blank(line->at[size]) && line->at[size] != '#') {
        size++;
    }
    const struct nx_bytes word = nx_bytes_of(line->at, size);
    *line = nx_bytes_slice(*line, size, SIZE_MAX);
    if (size == 0) {
        return "a value is missing";
    }
    return parse_bool(word, out) || parse_number(word, out)
               ? NULL
               : "the value is no quoted text, no true or false and no number with a known unit in range";
}

static const char *parse_line(struct nx_conf *conf, struct nx_bytes line, struct nx_conf_entry *entry,
                              bool *is_entry)
{
    *is_entry = false;
    skip_blanks(&line);
    if (take_char(&line, '[')) {
        skip_blanks(&line);
        const struct nx_bytes name = take_name(&line);
        skip_blanks(&line);
        if (name.size == 0 || name.size > NX_CONF_NAME_SIZE_MAX || !take_char(&line, ']')) {
            return "a section is [name], of letters, digits, - and _";
        }
        conf->section = name;
    } else if (line.size > 0 && line.at[0] != '#') {
        const struct nx_bytes key = take_name(&line);
        skip_blanks(&line);
        if (key.size == 0 || key.size > NX_CONF_NAME_SIZE_MAX || !take_char(&line, '=')) {
            return "a line is key = value, the key of letters, digits, - and _";
        }
        skip_blanks(&line);
        struct nx_conf_value value;
        const char *why = parse_value(&line, &value);
        if (why != NULL) {
            return why;
        }
        *entry =
            (struct nx_conf_entry){.section = conf->section, .key = key, .value = value, .line = conf->line};
        *is_entry = true;
    }
    skip_blanks(&line);
    return line.size == 0 || line.at[0] == '#' ? NULL : "only a # comment may follow";
}

void nx_conf_init(struct nx_conf *conf, struct nx_bytes file)
{
    *conf = (struct nx_conf){.rest = file};
    if (file.size > NX_CONF_SIZE_MAX) {
        conf->why = "the file is too large";
    }
}

bool nx_conf_next(struct nx_conf *conf, struct nx_conf_entry *out)
{
    while (conf->why == NULL && conf->rest.size > 0) {
        const uint8_t *feed = memchr(conf->rest.at, '\n', conf->rest.size);
        const size_t size = feed != NULL ? (size_t)(feed - conf->rest.at) : conf->rest.size;
        struct nx_bytes line = nx_bytes_of(conf->rest.at, size);
        conf->rest = nx_bytes_slice(conf->rest, size + 1, SIZE_MAX);
        conf->line++;
        if (feed != NULL && line.size > 0 && line.at[line.size - 1] == '\r') {
            line.size--;
        }
        struct nx_conf_entry entry;
        bool is_entry = false;
        conf->why =
            nx_text_is_utf8(line) ? parse_line(conf, line, &entry, &is_entry) : "the line is not UTF-8";
        if (conf->why == NULL && is_entry) {
            *out = entry;
            return true;
        }
    }
    return false;
}

bool nx_conf_ok(const struct nx_conf *conf)
{
    return conf->why == NULL;
}

enum nx_err nx_conf_parse(struct nx_bytes text, enum nx_conf_kind kind, struct nx_conf_value *out)
{
    struct nx_conf_value value = {.kind = NX_CONF_KIND_TEXT, .text = text, .is_plain = true};
    if (text.size > NX_CONF_VALUE_SIZE_MAX) {
        return NX_E_MALFORMED;
    }
    if (kind == NX_CONF_KIND_TEXT ? !nx_text_is_utf8(text)
                                  : !parse_bool(text, &value) && !parse_number(text, &value)) {
        return NX_E_MALFORMED;
    }
    if (value.kind != kind) {
        return NX_E_MALFORMED;
    }
    *out = value;
    return NX_OK;
}

static void write_point(uint32_t point, struct nx_writer *out)
{
    if (point < 0x80) {
        nx_writer_u8(out, (uint8_t)point);
        return;
    }
    const int tails = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static const uint8_t leads[] = {0, 0xc0, 0xe0, 0xf0};
    nx_writer_u8(out, (uint8_t)(leads[tails] | point >> (6 * tails)));
    for (int i = tails; i-- > 0;) {
        nx_writer_u8(out, (uint8_t)(0x80 | (point >> (6 * i) & 0x3f)));
    }
}

void nx_conf_text(const struct nx_conf_value *value, struct nx_writer *out)
{
    struct nx_bytes text = value->text;
    while (text.size > 0) {
        const uint8_t c = text.at[0];
        text = nx_bytes_slice(text, 1, SIZE_MAX);
        uint32_t point = c;
        if (c == '\\' && !value->is_plain && take_escape(&text, &point)) {
            write_point(point, out);
        } else {
            nx_writer_u8(out, c);
        }
    }
}

static void write_env(struct nx_bytes name, struct nx_writer *out)
{
    for (size_t i = 0; i < name.size; i++) {
        const uint8_t c = name.at[i];
        nx_writer_u8(out, c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c == '-' ? (uint8_t)'_' : c);
    }
}

void nx_conf_env_name(struct nx_bytes section, struct nx_bytes key, struct nx_writer *out)
{
    nx_writer_text(out, "NEXUS_");
    if (section.size > 0) {
        write_env(section, out);
        nx_writer_text(out, "_");
    }
    write_env(key, out);
}
