/* Properties: every value found by walking lies inside the text and opens alone as the same value (skipping = parsing); the
 * text written from the walk opens again and, written once more, is the same; strings are UTF-8 of the size told; field
 * tables take or refuse but never read outside; another reader takes the same texts and finds the same values in them. */
#include "engine/base/text.h"
#include "engine/wire/json.h"
#include "engine/wire/json_fields.h"
#include "engine/wire/json_out.h"

#include <jansson.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { TEXT_MAX = 4096, ROOM = 8 * TEXT_MAX };

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static struct nx_bytes resolve(struct nx_json value, uint8_t *room)
{
    struct nx_writer scratch = nx_writer_init(room, TEXT_MAX);
    struct nx_bytes text;
    require(nx_json_string(value, &scratch, &text) == NX_OK);
    require(text.size == nx_json_string_size(value) && text.size <= value.size && nx_text_is_utf8(text));
    require(nx_json_string_has_nul(value) == (text.size != 0 && memchr(text.at, 0, text.size) != NULL));
    return text;
}

static void check_alone(struct nx_json value, struct nx_bytes text)
{
    const struct nx_bytes raw = nx_json_raw(value);
    require(raw.at >= text.at && raw.at + raw.size <= text.at + text.size);
    struct nx_json again;
    require(nx_json_open(raw, &again) == NX_OK && again.kind == value.kind && again.at == value.at &&
            again.size == value.size);
    require(again.has_escapes == value.has_escapes);
}

/* The walk's depth is capped by the reader, so recursion is fine here. */
static void copy(struct nx_json value, struct nx_bytes text, struct nx_json_out *out, bool is_deep)
{
    uint8_t room[TEXT_MAX];
    struct nx_json_walk walk = nx_json_walk(value);
    struct nx_json key;
    struct nx_json one;
    if (is_deep) {
        check_alone(value, text);
    }
    switch (value.kind) {
    case NX_JSON_OBJECT:
        nx_json_out_object(out);
        while (nx_json_object_next(&walk, &key, &one)) {
            nx_json_out_key_bytes(out, resolve(key, room));
            copy(one, text, out, is_deep);
        }
        nx_json_out_object_end(out);
        break;
    case NX_JSON_ARRAY:
        nx_json_out_array(out);
        while (nx_json_array_next(&walk, &one)) {
            copy(one, text, out, is_deep);
        }
        nx_json_out_array_end(out);
        break;
    case NX_JSON_STRING:
        nx_json_out_string(out, resolve(value, room));
        break;
    default:
        nx_json_out_raw(out, nx_json_raw(value));
        break;
    }
}

static struct nx_bytes write(struct nx_json root, struct nx_bytes text, uint8_t *room, bool is_deep)
{
    struct nx_writer w = nx_writer_init(room, ROOM);
    struct nx_json_out out = nx_json_out_init(&w);
    copy(root, text, &out, is_deep);
    require(nx_json_out_done(&out));
    return nx_writer_bytes(&w);
}

static void check_fields(struct nx_json root)
{
    struct target {
        struct nx_bytes text;
        uint64_t id;
        int64_t number;
        struct nx_json list;
        struct nx_json object;
        uint64_t count;
        bool flag;
    } target = {0};
    static const struct nx_json_field fields[] = {
        {"a", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_REQUIRED, 1, 10, offsetof(struct target, text)},
        {"b", NX_JSON_FIELD_ID, NX_JSON_FIELD_NULLABLE, 0, 0, offsetof(struct target, id)},
        {"c", NX_JSON_FIELD_I64, 0, -5, 5, offsetof(struct target, number)},
        {"d", NX_JSON_FIELD_ARRAY, 0, 0, 3, offsetof(struct target, list)},
        {"e", NX_JSON_FIELD_OBJECT, 0, 0, 0, offsetof(struct target, object)},
        {"f", NX_JSON_FIELD_BOOL, 0, 0, 0, offsetof(struct target, flag)},
        {"h", NX_JSON_FIELD_U64, 0, 2, 9, offsetof(struct target, count)},
    };
    enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };
    uint8_t room[TEXT_MAX];
    struct nx_writer scratch = nx_writer_init(room, sizeof(room));
    struct nx_json_present present;
    struct nx_json_faults faults = {0};
    require(nx_json_fields_read(root, fields, FIELDS, &scratch, &target, &present, &faults) == NX_OK);
    require((present.values & present.nulls) == 0 && target.number >= -5 && target.number <= 5);
    require((present.values & 1) != 0 || faults.count != 0);
    require((present.values & 16) == 0 || target.object.kind == NX_JSON_OBJECT);
    require((present.values & 64) == 0 || (target.count >= 2 && target.count <= 9));
    require(present.values >> FIELDS == 0 && present.nulls >> FIELDS == 0);
}

/* Walks both readers' values side by side. */
static void compare(struct nx_json value, const json_t *other)
{
    uint8_t room[TEXT_MAX];
    struct nx_json one;
    switch (json_typeof(other)) {
    case JSON_NULL:
        require(value.kind == NX_JSON_NULL);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        require(value.kind == (json_is_true(other) ? NX_JSON_TRUE : NX_JSON_FALSE));
        break;
    case JSON_INTEGER: {
        int64_t number;
        require(value.kind == NX_JSON_NUMBER && nx_json_i64(value, &number) == NX_OK &&
                number == json_integer_value(other));
        break;
    }
    case JSON_REAL: {
        char text[TEXT_MAX + 1];
        int64_t number;
        require(value.kind == NX_JSON_NUMBER && value.size <= TEXT_MAX);
        memcpy(text, value.at, value.size);
        text[value.size] = '\0';
        require(strtod(text, NULL) == json_real_value(other) && nx_json_i64(value, &number) != NX_OK);
        break;
    }
    case JSON_STRING:
        require(value.kind == NX_JSON_STRING &&
                nx_bytes_equal(resolve(value, room),
                               nx_bytes_of(json_string_value(other), json_string_length(other))));
        break;
    case JSON_ARRAY: {
        struct nx_json_walk walk = nx_json_walk(value);
        require(value.kind == NX_JSON_ARRAY && nx_json_count(value) == json_array_size(other));
        for (size_t i = 0; i < json_array_size(other); i++) {
            require(nx_json_array_next(&walk, &one));
            compare(one, json_array_get(other, i));
        }
        break;
    }
    case JSON_OBJECT: {
        const char *key;
        json_t *member;
        require(value.kind == NX_JSON_OBJECT && nx_json_count(value) >= json_object_size(other));
        json_object_foreach((json_t *)(uintptr_t)other, key, member)
        {
            require(nx_json_find(value, key, &one));
            compare(one, member);
        }
        break;
    }
    }
}

/* What it does not know how to hold (huge numbers, NUL in keys, our cap of depth) tells nothing. */
static void check_other(struct nx_bytes text, enum nx_err err, struct nx_json root)
{
    json_error_t error;
    if (text.size != 0 && memchr(text.at, 0, text.size) != NULL) {
        require(err != NX_OK); /* which it overlooks behind a number */
        return;
    }
    json_t *other = json_loadb((const char *)text.at, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    const enum json_error_code code = other == NULL ? json_error_code(&error) : json_error_unknown;
    if (err == NX_OK) {
        require(other != NULL || code == json_error_numeric_overflow || code == json_error_null_byte_in_key);
    } else {
        require(other == NULL || err == NX_E_FULL);
    }
    if (err == NX_OK && other != NULL) {
        compare(root, other);
    }
    json_decref(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static uint8_t first[ROOM];
    static uint8_t second[ROOM];
    struct nx_json root = {0};
    const struct nx_bytes text = nx_bytes_of(bytes, size);
    if (size > TEXT_MAX) {
        return 0;
    }
    const enum nx_err err = nx_json_open(text, &root);
    check_other(text, err, root);
    if (err != NX_OK) {
        return 0;
    }
    check_fields(root);
    const struct nx_bytes once = write(root, text, first, size < 600);
    struct nx_json again;
    require(nx_json_open(once, &again) == NX_OK && again.kind == root.kind);
    const struct nx_bytes twice = write(again, once, second, false);
    require(nx_bytes_equal(once, twice));
    return 0;
}
