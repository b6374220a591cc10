/* Properties: every value found by walking lies inside the text and opens alone as the same value (skipping = parsing); the
 * text written from the walk opens again and, written once more, is the same; strings are UTF-8 of the size told; field
 * tables take or refuse but never read outside. */
#include "engine/base/text.h"
#include "engine/wire/json.h"
#include "engine/wire/json_fields.h"
#include "engine/wire/json_out.h"

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
    } target = {0};
    static const struct nx_json_field fields[] = {
        {"a", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_REQUIRED, 1, 10, offsetof(struct target, text)},
        {"b", NX_JSON_FIELD_ID, NX_JSON_FIELD_NULLABLE, 0, 0, offsetof(struct target, id)},
        {"c", NX_JSON_FIELD_I64, 0, -5, 5, offsetof(struct target, number)},
        {"d", NX_JSON_FIELD_ARRAY, 0, 0, 3, offsetof(struct target, list)},
    };
    uint8_t room[TEXT_MAX];
    struct nx_writer scratch = nx_writer_init(room, sizeof(room));
    struct nx_json_present present;
    struct nx_json_faults faults = {0};
    require(nx_json_fields_read(root, fields, 4, &scratch, &target, &present, &faults) == NX_OK);
    require((present.values & present.nulls) == 0 && target.number >= -5 && target.number <= 5);
    require((present.values & 1) != 0 || faults.count != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static uint8_t first[ROOM];
    static uint8_t second[ROOM];
    struct nx_json root;
    const struct nx_bytes text = nx_bytes_of(bytes, size);
    if (size > TEXT_MAX || nx_json_open(text, &root) != NX_OK) {
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
