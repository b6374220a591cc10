#include "engine/wire/json_out.h"

#include "engine/base/text.h"

_Static_assert(NX_JSON_OUT_DEPTH_MAX <= 64, "one bit per level");

typedef uint8_t vector __attribute__((vector_size(16)));

struct nx_json_out nx_json_out_init(struct nx_writer *writer)
{
    return (struct nx_json_out){.writer = writer};
}

bool nx_json_out_ok(const struct nx_json_out *o)
{
    return nx_writer_ok(o->writer);
}

bool nx_json_out_done(const struct nx_json_out *o)
{
    return nx_json_out_ok(o) && o->has_root && o->depth == 0;
}

/* The one failure flag is the writer's: whoever asks it sees misuse as well as lack of room. */
static void fail(struct nx_json_out *o)
{
    o->writer->failed = true;
}

/* Writes the comma before a member or element of the innermost container. */
static void comma(struct nx_json_out *o)
{
    const uint64_t bit = (uint64_t)1 << (o->depth - 1);
    if ((o->members & bit) != 0) {
        nx_writer_u8(o->writer, ',');
    }
    o->members |= bit;
}

/* Makes the place for a value ready. */
static void value_begin(struct nx_json_out *o)
{
    if (o->depth == 0) {
        if (o->has_root) {
            fail(o);
        }
        o->has_root = true;
    } else if ((o->objects >> (o->depth - 1) & 1) == 0) {
        comma(o);
    } else {
        if (!o->has_key) {
            fail(o);
        }
        o->has_key = false;
    }
}

static void open(struct nx_json_out *o, bool is_object)
{
    value_begin(o);
    if (o->depth == NX_JSON_OUT_DEPTH_MAX) {
        fail(o);
        return;
    }
    const uint64_t bit = (uint64_t)1 << o->depth;
    o->objects = is_object ? o->objects | bit : o->objects & ~bit;
    o->members &= ~bit;
    o->depth++;
    nx_writer_u8(o->writer, is_object ? '{' : '[');
}

static void close(struct nx_json_out *o, bool is_object)
{
    if (o->depth == 0 || o->has_key || ((o->objects >> (o->depth - 1) & 1) != 0) != is_object) {
        fail(o);
        return;
    }
    o->depth--;
    nx_writer_u8(o->writer, is_object ? '}' : ']');
}

void nx_json_out_object(struct nx_json_out *o)
{
    open(o, true);
}

void nx_json_out_object_end(struct nx_json_out *o)
{
    close(o, true);
}

void nx_json_out_array(struct nx_json_out *o)
{
    open(o, false);
}

void nx_json_out_array_end(struct nx_json_out *o)
{
    close(o, false);
}

/* Returns how many bytes at `at` need no escape. */
static size_t plain_size(const uint8_t *at, size_t size)
{
    size_t i = 0;
    for (; size - i >= sizeof(vector); i += sizeof(vector)) {
        vector c;
        memcpy(&c, at + i, sizeof(c));
        const vector stop = (vector)(c == '"') | (vector)(c == '\\') | (vector)(c < 0x20);
        uint64_t halves[2];
        memcpy(halves, &stop, sizeof(halves));
        if ((halves[0] | halves[1]) != 0) {
            break;
        }
    }
    while (i < size && at[i] != '"' && at[i] != '\\' && at[i] >= 0x20) {
        i++;
    }
    return i;
}

static void escape(struct nx_writer *w, uint8_t c)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = "btn\0fr"; /* from U+0008 to U+000D; U+000B has no short form */
    if (c == '"' || c == '\\') {
        const uint8_t text[2] = {'\\', c};
        nx_writer_put(w, text, sizeof(text));
    } else if (c >= '\b' && c <= '\r' && letters[c - '\b'] != '\0') {
        const uint8_t text[2] = {'\\', (uint8_t)letters[c - '\b']};
        nx_writer_put(w, text, sizeof(text));
    } else {
        const uint8_t text[6] = {'\\', 'u', '0', '0', (uint8_t)hex[c >> 4], (uint8_t)hex[c & 15]};
        nx_writer_put(w, text, sizeof(text));
    }
}

static void quoted(struct nx_writer *w, struct nx_bytes text)
{
    nx_writer_u8(w, '"');
    for (size_t i = 0; i < text.size;) {
        const size_t plain = plain_size(text.at + i, text.size - i);
        nx_writer_put(w, text.at + i, plain);
        i += plain;
        if (i < text.size) {
            escape(w, text.at[i++]);
        }
    }
    nx_writer_u8(w, '"');
}

static bool key_begin(struct nx_json_out *o)
{
    if (o->depth == 0 || (o->objects >> (o->depth - 1) & 1) == 0 || o->has_key) {
        fail(o);
        return false;
    }
    comma(o);
    o->has_key = true;
    return true;
}

void nx_json_out_key_bytes(struct nx_json_out *o, struct nx_bytes name)
{
    if (key_begin(o)) {
        quoted(o->writer, name);
        nx_writer_u8(o->writer, ':');
    }
}

void nx_json_out_key(struct nx_json_out *o, const char *name)
{
    nx_json_out_key_bytes(o, nx_bytes_text(name));
}

void nx_json_out_string(struct nx_json_out *o, struct nx_bytes text)
{
    value_begin(o);
    quoted(o->writer, text);
}

void nx_json_out_text(struct nx_json_out *o, const char *text)
{
    nx_json_out_string(o, nx_bytes_text(text));
}

void nx_json_out_u64(struct nx_json_out *o, uint64_t value)
{
    value_begin(o);
    nx_writer_decimal(o->writer, value);
}

/* Writes the sign and returns the magnitude; negating as unsigned is right for INT64_MIN too. */
static uint64_t sign(struct nx_writer *w, int64_t value)
{
    if (value >= 0) {
        return (uint64_t)value;
    }
    nx_writer_u8(w, '-');
    return ~(uint64_t)value + 1;
}

void nx_json_out_i64(struct nx_json_out *o, int64_t value)
{
    value_begin(o);
    nx_writer_decimal(o->writer, sign(o->writer, value));
}

void nx_json_out_milli(struct nx_json_out *o, int64_t value_milli)
{
    value_begin(o);
    const uint64_t size = sign(o->writer, value_milli);
    nx_writer_decimal(o->writer, size / 1000);
    unsigned rest = (unsigned)(size % 1000);
    if (rest == 0) {
        return;
    }
    nx_writer_u8(o->writer, '.');
    for (unsigned unit = 100; rest != 0; unit /= 10) {
        nx_writer_u8(o->writer, (uint8_t)('0' + rest / unit));
        rest %= unit;
    }
}

void nx_json_out_id(struct nx_json_out *o, uint64_t id)
{
    value_begin(o);
    nx_writer_u8(o->writer, '"');
    nx_writer_decimal(o->writer, id);
    nx_writer_u8(o->writer, '"');
}

void nx_json_out_id_or_null(struct nx_json_out *o, uint64_t id)
{
    if (id == 0) {
        nx_json_out_null(o);
    } else {
        nx_json_out_id(o, id);
    }
}

void nx_json_out_bool(struct nx_json_out *o, bool value)
{
    value_begin(o);
    nx_writer_text(o->writer, value ? "true" : "false");
}

void nx_json_out_null(struct nx_json_out *o)
{
    value_begin(o);
    nx_writer_text(o->writer, "null");
}

void nx_json_out_raw(struct nx_json_out *o, struct nx_bytes json)
{
    value_begin(o);
    nx_writer_bytes_put(o->writer, json);
}

void nx_json_out_time(struct nx_json_out *o, int64_t unix_ms)
{
    value_begin(o);
    nx_writer_u8(o->writer, '"');
    nx_text_time_format(unix_ms, o->writer);
    nx_writer_u8(o->writer, '"');
}
