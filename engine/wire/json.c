#include "engine/wire/json.h"

#include "engine/base/text.h"

_Static_assert(NX_JSON_DEPTH_MAX <= 64, "one bit per level tells objects from arrays");
_Static_assert(NX_JSON_SIZE_MAX < UINT32_MAX, "sizes of values have 32 bits");

typedef uint8_t vector __attribute__((vector_size(16)));

/* The text being checked. */
struct check {
    const uint8_t *at;
    const uint8_t *end;
    uint64_t objects; /* bit per level, set for an object */
    unsigned depth;
};

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static const uint8_t *space_end(const uint8_t *at, const uint8_t *end)
{
    while (at < end && is_space(*at)) {
        at++;
    }
    return at;
}

/* Returns where the first quote, backslash or control character is, or `end`. */
static const uint8_t *plain_end(const uint8_t *at, const uint8_t *end)
{
    for (; (size_t)(end - at) >= sizeof(vector); at += sizeof(vector)) {
        vector c;
        memcpy(&c, at, sizeof(c));
        const vector stop = (vector)(c == '"') | (vector)(c == '\\') | (vector)(c < 0x20);
        uint64_t halves[2];
        memcpy(halves, &stop, sizeof(halves));
        if ((halves[0] | halves[1]) != 0) {
            break;
        }
    }
    while (at < end && *at != '"' && *at != '\\' && *at >= 0x20) {
        at++;
    }
    return at;
}

static int hex_digit(uint8_t c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads four hexadecimal digits; returns -1 when they are not there. */
static int32_t hex4(const uint8_t *at, const uint8_t *end)
{
    if (end - at < 4) {
        return -1;
    }
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        const int digit = hex_digit(at[i]);
        if (digit < 0) {
            return -1;
        }
        value = value << 4 | digit;
    }
    return value;
}

/* Reads the escape after a backslash and moves `*at` past it. Returns its code point, or -1 when it is none: an unknown
 * letter, missing digits, or half of a surrogate pair. */
static int32_t escape_read(const uint8_t **at, const uint8_t *end)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    if (*at == end) {
        return -1;
    }
    const uint8_t c = *(*at)++;
    if (c != 'u') {
        const char *letter = memchr(letters, c, sizeof(letters) - 1);
        return letter != NULL ? values[letter - letters] : -1;
    }
    const int32_t first = hex4(*at, end);
    if (first < 0 || (first >= 0xdc00 && first <= 0xdfff)) {
        return -1;
    }
    *at += 4;
    if (first < 0xd800 || first > 0xdbff) {
        return first;
    }
    if (end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u') {
        return -1;
    }
    const int32_t second = hex4(*at + 2, end);
    if (second < 0xdc00 || second > 0xdfff) {
        return -1;
    }
    *at += 6;
    return 0x10000 + ((first - 0xd800) << 10 | (second - 0xdc00));
}

/* Steps over a string whose opening quote is behind `at`. */
static bool string_check(struct check *c)
{
    for (;;) {
        c->at = plain_end(c->at, c->end);
        if (c->at == c->end || *c->at < 0x20) {
            return false;
        }
        if (*c->at++ == '"') {
            return true;
        }
        if (escape_read(&c->at, c->end) < 0) {
            return false;
        }
    }
}

static bool digits_check(struct check *c)
{
    const uint8_t *start = c->at;
    while (c->at < c->end && is_digit(*c->at)) {
        c->at++;
    }
    return c->at != start;
}

/* RFC 8259 section 6. */
static bool number_check(struct check *c)
{
    if (*c->at == '-') {
        c->at++;
    }
    if (c->at < c->end && *c->at == '0') {
        c->at++;
    } else if (!digits_check(c)) {
        return false;
    }
    if (c->at < c->end && *c->at == '.') {
        c->at++;
        if (!digits_check(c)) {
            return false;
        }
    }
    if (c->at < c->end && (*c->at | 0x20) == 'e') {
        c->at++;
        if (c->at < c->end && (*c->at == '+' || *c->at == '-')) {
            c->at++;
        }
        return digits_check(c);
    }
    return true;
}

static bool word_check(struct check *c, const char *word, size_t size)
{
    if ((size_t)(c->end - c->at) < size || memcmp(c->at, word, size) != 0) {
        return false;
    }
    c->at += size;
    return true;
}

/* Steps over a value that is no array or object. */
static bool scalar_check(struct check *c)
{
    switch (*c->at) {
    case '"':
        c->at++;
        return string_check(c);
    case 't':
        return word_check(c, "true", 4);
    case 'f':
        return word_check(c, "false", 5);
    case 'n':
        return word_check(c, "null", 4);
    default:
        return number_check(c);
    }
}

static bool key_check(struct check *c)
{
    c->at = space_end(c->at, c->end);
    if (c->at == c->end || *c->at++ != '"' || !string_check(c)) {
        return false;
    }
    c->at = space_end(c->at, c->end);
    return c->at < c->end && *c->at++ == ':';
}

/* After a value: closes containers until a comma opens the next one. Returns false for a breach; `*is_end` tells that
 * the outermost value is complete. */
static bool rest_check(struct check *c, bool *is_end)
{
    while (c->depth != 0) {
        const bool is_object = (c->objects >> (c->depth - 1) & 1) != 0;
        c->at = space_end(c->at, c->end);
        if (c->at == c->end) {
            return false;
        }
        const uint8_t byte = *c->at++;
        if (byte == ',') {
            *is_end = false;
            return !is_object || key_check(c);
        }
        if (byte != (is_object ? '}' : ']')) {
            return false;
        }
        c->depth--;
    }
    *is_end = true;
    return true;
}

/* Opens the container at `at`. `*is_empty` tells that it closed at once. */
static enum nx_err container_check(struct check *c, bool *is_empty)
{
    const bool is_object = *c->at++ == '{';
    if (c->depth == NX_JSON_DEPTH_MAX) {
        return NX_E_FULL;
    }
    const uint64_t bit = (uint64_t)1 << c->depth;
    c->objects = is_object ? c->objects | bit : c->objects & ~bit;
    c->depth++;
    c->at = space_end(c->at, c->end);
    *is_empty = c->at < c->end && *c->at == (is_object ? '}' : ']');
    if (*is_empty) {
        c->at++;
        c->depth--;
        return NX_OK;
    }
    return !is_object || key_check(c) ? NX_OK : NX_E_MALFORMED;
}

/* Steps over one value of any kind, without recursion. */
static enum nx_err value_check(struct check *c)
{
    for (bool is_end = false; !is_end;) {
        c->at = space_end(c->at, c->end);
        if (c->at == c->end) {
            return NX_E_MALFORMED;
        }
        if (*c->at == '{' || *c->at == '[') {
            bool is_empty;
            const enum nx_err err = container_check(c, &is_empty);
            if (err != NX_OK) {
                return err;
            }
            if (!is_empty) {
                continue;
            }
        } else if (!scalar_check(c)) {
            return NX_E_MALFORMED;
        }
        if (!rest_check(c, &is_end)) {
            return NX_E_MALFORMED;
        }
    }
    return NX_OK;
}

static uint8_t kind_of(uint8_t first)
{
    static const char firsts[] = "nft\"[{";
    static const uint8_t kinds[] = {NX_JSON_NULL,   NX_JSON_FALSE, NX_JSON_TRUE,
                                    NX_JSON_STRING, NX_JSON_ARRAY, NX_JSON_OBJECT};
    const char *at = memchr(firsts, first, sizeof(firsts) - 1);
    return at != NULL ? kinds[at - firsts] : NX_JSON_NUMBER;
}

/* Makes a value of the checked characters `at`..`end`. */
static struct nx_json value_of(const uint8_t *at, const uint8_t *end, bool has_escapes)
{
    const uint8_t kind = kind_of(*at);
    const size_t quotes = kind == NX_JSON_STRING ? 1 : 0;
    return (struct nx_json){.at = at + quotes,
                            .size = (uint32_t)((size_t)(end - at) - 2 * quotes),
                            .kind = kind,
                            .has_escapes = has_escapes};
}

enum nx_err nx_json_open(struct nx_bytes text, struct nx_json *out)
{
    if (text.size > NX_JSON_SIZE_MAX) {
        return NX_E_FULL;
    }
    if (text.size == 0 || !nx_text_is_utf8(text)) {
        return NX_E_MALFORMED;
    }
    struct check c = {.at = text.at, .end = text.at + text.size};
    c.at = space_end(c.at, c.end);
    const uint8_t *start = c.at;
    const enum nx_err err = value_check(&c);
    if (err != NX_OK || space_end(c.at, c.end) != c.end) {
        return err != NX_OK ? err : NX_E_MALFORMED;
    }
    const bool has_escapes = *start == '"' && memchr(start, '\\', (size_t)(c.at - start)) != NULL;
    *out = value_of(start, c.at, has_escapes);
    return NX_OK;
}

/* From here on the text is known to be well-formed, and everything looked for is there. */

static const uint8_t *string_end(const uint8_t *at, const uint8_t *end, bool *has_escapes)
{
    *has_escapes = false;
    for (at++;; at += 2) {
        at = plain_end(at, end);
        if (at == end || *at == '"') {
            return at < end ? at + 1 : at;
        }
        *has_escapes = true;
    }
}

static const uint8_t *container_end(const uint8_t *at, const uint8_t *end)
{
    for (unsigned depth = 0; at < end;) {
        bool has_escapes;
        if (*at == '"') {
            at = string_end(at, end, &has_escapes);
            continue;
        }
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        at++;
        if (depth == 0) {
            return at;
        }
    }
    return end;
}

/* Takes the value at `*at` and moves past it. */
static struct nx_json value_take(const uint8_t **at, const uint8_t *end)
{
    const uint8_t *start = *at;
    bool has_escapes = false;
    if (*start == '"') {
        *at = string_end(start, end, &has_escapes);
    } else if (*start == '{' || *start == '[') {
        *at = container_end(start, end);
    } else {
        while (*at < end && !is_space(**at) && **at != ',' && **at != ']' && **at != '}') {
            (*at)++;
        }
    }
    return value_of(start, *at, has_escapes);
}

struct nx_json_walk nx_json_walk(struct nx_json container)
{
    if (container.kind != NX_JSON_OBJECT && container.kind != NX_JSON_ARRAY) {
        return (struct nx_json_walk){0};
    }
    return (struct nx_json_walk){
        .at = container.at + 1, .end = container.at + container.size, .kind = container.kind};
}

/* Steps to the next member or element; returns false at the closing bracket. */
static bool walk_step(struct nx_json_walk *walk)
{
    walk->at = space_end(walk->at, walk->end);
    if (*walk->at == ',') {
        walk->at = space_end(walk->at + 1, walk->end);
    }
    return *walk->at != '}' && *walk->at != ']';
}

bool nx_json_object_next(struct nx_json_walk *walk, struct nx_json *key, struct nx_json *value)
{
    if (walk->kind != NX_JSON_OBJECT || !walk_step(walk)) {
        return false;
    }
    *key = value_take(&walk->at, walk->end);
    walk->at = space_end(walk->at, walk->end);
    walk->at = space_end(walk->at + 1, walk->end); /* the colon */
    *value = value_take(&walk->at, walk->end);
    return true;
}

bool nx_json_array_next(struct nx_json_walk *walk, struct nx_json *value)
{
    if (walk->kind != NX_JSON_ARRAY || !walk_step(walk)) {
        return false;
    }
    *value = value_take(&walk->at, walk->end);
    return true;
}

bool nx_json_find(struct nx_json object, const char *name, struct nx_json *value)
{
    struct nx_json_walk walk = nx_json_walk(object);
    struct nx_json key;
    struct nx_json one;
    bool is_found = false;
    while (nx_json_object_next(&walk, &key, &one)) {
        if (nx_json_string_is(key, name)) {
            *value = one;
            is_found = true;
        }
    }
    return is_found;
}

size_t nx_json_count(struct nx_json container)
{
    struct nx_json_walk walk = nx_json_walk(container);
    struct nx_json key;
    struct nx_json value;
    size_t count = 0;
    while (container.kind == NX_JSON_OBJECT ? nx_json_object_next(&walk, &key, &value)
                                            : nx_json_array_next(&walk, &value)) {
        count++;
    }
    return count;
}

struct nx_bytes nx_json_raw(struct nx_json value)
{
    if (value.at == NULL) {
        return nx_bytes_text("null");
    }
    const size_t quotes = value.kind == NX_JSON_STRING ? 1 : 0;
    return nx_bytes_of(value.at - quotes, value.size + 2 * quotes);
}

/* Takes the next character of a string, escapes resolved, as 1 to 4 bytes of UTF-8 (a raw byte at a time). */
static size_t character_take(const uint8_t **at, const uint8_t *end, uint8_t out[4])
{
    if (**at != '\\') {
        out[0] = *(*at)++;
        return 1;
    }
    (*at)++;
    const uint32_t point = (uint32_t)escape_read(at, end);
    if (point < 0x80) {
        out[0] = (uint8_t)point;
        return 1;
    }
    const size_t size = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size; i-- > 0;) {
        out[i] = (uint8_t)(0x80 | (point >> 6 * (size - 1 - i) & 0x3f));
    }
    out[0] = (uint8_t)(leads[size] | point >> 6 * (size - 1));
    return size;
}

bool nx_json_string_is(struct nx_json value, const char *text)
{
    if (value.kind != NX_JSON_STRING) {
        return false;
    }
    if (!value.has_escapes) {
        return nx_bytes_is(nx_bytes_of(value.at, value.size), text);
    }
    const uint8_t *at = value.at;
    const uint8_t *end = at + value.size;
    while (at < end) {
        uint8_t bytes[4];
        const size_t size = character_take(&at, end, bytes);
        for (size_t i = 0; i < size; i++, text++) {
            if (*text == '\0' || (uint8_t)*text != bytes[i]) {
                return false;
            }
        }
    }
    return *text == '\0';
}

/* Returns the size of a string once escapes are resolved, and whether U+0000 is in it. */
static size_t string_scan(struct nx_json value, bool *has_nul)
{
    *has_nul = false;
    if (value.kind != NX_JSON_STRING || !value.has_escapes) {
        return value.kind == NX_JSON_STRING ? value.size : 0;
    }
    const uint8_t *at = value.at;
    const uint8_t *end = at + value.size;
    size_t size = 0;
    while (at < end) {
        uint8_t bytes[4];
        size += character_take(&at, end, bytes);
        *has_nul |= bytes[0] == 0;
    }
    return size;
}

bool nx_json_string_has_nul(struct nx_json value)
{
    bool has_nul;
    (void)string_scan(value, &has_nul);
    return has_nul;
}

size_t nx_json_string_size(struct nx_json value)
{
    bool has_nul;
    return string_scan(value, &has_nul);
}

enum nx_err nx_json_string(struct nx_json value, struct nx_writer *scratch, struct nx_bytes *out)
{
    if (value.kind != NX_JSON_STRING) {
        return NX_E_UNSUPPORTED;
    }
    if (!value.has_escapes) {
        *out = nx_bytes_of(value.at, value.size);
        return NX_OK;
    }
    const size_t size = nx_json_string_size(value);
    if (!nx_writer_ok(scratch) || scratch->room - scratch->size < size) {
        return NX_E_FULL;
    }
    uint8_t *start = nx_writer_skip(scratch, size);
    uint8_t *target = start;
    const uint8_t *at = value.at;
    const uint8_t *end = at + value.size;
    while (at < end) {
        uint8_t bytes[4];
        const size_t count = character_take(&at, end, bytes);
        memcpy(target, bytes, count);
        target += count;
    }
    *out = nx_bytes_of(start, size);
    return NX_OK;
}

static bool digits_read(const uint8_t *at, size_t size, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        if (!is_digit(at[i]) || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(at[i] - '0'), &value)) {
            return false;
        }
    }
    if (size == 0) {
        return false;
    }
    *out = value;
    return true;
}

enum nx_err nx_json_u64(struct nx_json value, uint64_t *out)
{
    return value.kind == NX_JSON_NUMBER && digits_read(value.at, value.size, out) ? NX_OK : NX_E_UNSUPPORTED;
}

enum nx_err nx_json_i64(struct nx_json value, int64_t *out)
{
    if (value.kind != NX_JSON_NUMBER) {
        return NX_E_UNSUPPORTED;
    }
    const bool is_negative = value.at[0] == '-';
    uint64_t size;
    if (!digits_read(value.at + is_negative, value.size - is_negative, &size) ||
        size > (uint64_t)INT64_MAX + is_negative) {
        return NX_E_UNSUPPORTED;
    }
    *out = is_negative ? (int64_t)(~size + 1) : (int64_t)size;
    return NX_OK;
}

enum nx_err nx_json_bool(struct nx_json value, bool *out)
{
    if (value.kind != NX_JSON_TRUE && value.kind != NX_JSON_FALSE) {
        return NX_E_UNSUPPORTED;
    }
    *out = value.kind == NX_JSON_TRUE;
    return NX_OK;
}

enum nx_err nx_json_id(struct nx_json value, uint64_t *out)
{
    if (value.kind == NX_JSON_NUMBER) {
        return nx_json_u64(value, out);
    }
    if (value.kind != NX_JSON_STRING || value.has_escapes || (value.size > 1 && value.at[0] == '0') ||
        !digits_read(value.at, value.size, out)) {
        return NX_E_UNSUPPORTED;
    }
    return NX_OK;
}
