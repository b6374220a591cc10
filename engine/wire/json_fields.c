#include "engine/wire/json_fields.h"

#include "engine/base/assert.h"
#include "engine/base/text.h"

static const char *const code_texts[] = {
    [NX_JSON_FAULT_REQUIRED] = "BASE_TYPE_REQUIRED",    [NX_JSON_FAULT_LENGTH] = "BASE_TYPE_BAD_LENGTH",
    [NX_JSON_FAULT_STRING] = "STRING_TYPE_CONVERT",     [NX_JSON_FAULT_NUMBER] = "NUMBER_TYPE_COERCE",
    [NX_JSON_FAULT_NUMBER_RANGE] = "NUMBER_TYPE_RANGE", [NX_JSON_FAULT_BOOLEAN] = "BOOLEAN_TYPE_CONVERT",
    [NX_JSON_FAULT_ID] = "NUMBER_TYPE_COERCE",          [NX_JSON_FAULT_LIST] = "LIST_TYPE_CONVERT",
    [NX_JSON_FAULT_OBJECT] = "DICT_TYPE_CONVERT",       [NX_JSON_FAULT_CHOICE] = "BASE_TYPE_CHOICES",
};

void nx_json_fields_fault(struct nx_json_faults *faults, const char *name, enum nx_json_fault_code code,
                          int64_t min, int64_t max)
{
    if (faults->count < NX_JSON_FAULTS_MAX) {
        faults->at[faults->count++] =
            (struct nx_json_fault){.name = name, .min = min, .max = max, .code = (uint8_t)code};
    }
}

static bool is_limited(const struct nx_json_field *field)
{
    return field->min != 0 || field->max != 0;
}

static bool is_in_range(const struct nx_json_field *field, uint64_t size)
{
    return !is_limited(field) || (size >= (uint64_t)field->min && size <= (uint64_t)field->max);
}

static void fault(struct nx_json_faults *faults, const struct nx_json_field *field,
                  enum nx_json_fault_code code)
{
    nx_json_fields_fault(faults, field->name, code, field->min, field->max);
}

/* The outcome of one row: was it written, and did the scratch suffice. */
static bool text_read(const struct nx_json_field *field, struct nx_json value, struct nx_writer *scratch,
                      void *at, struct nx_json_faults *faults, enum nx_err *err)
{
    struct nx_bytes text;
    if (value.kind != NX_JSON_STRING || nx_json_string_has_nul(value)) {
        fault(faults, field, NX_JSON_FAULT_STRING);
        return false;
    }
    *err = nx_json_string(value, scratch, &text);
    if (*err != NX_OK) {
        return false;
    }
    if (is_limited(field) && !is_in_range(field, nx_text_points(text))) {
        fault(faults, field, NX_JSON_FAULT_LENGTH);
        return false;
    }
    memcpy(at, &text, sizeof(text));
    return true;
}

static bool number_read(const struct nx_json_field *field, struct nx_json value, void *at,
                        struct nx_json_faults *faults)
{
    uint64_t u64 = 0;
    int64_t i64 = 0;
    bool is_ok;
    bool is_fitting = true;
    switch (field->kind) {
    case NX_JSON_FIELD_ID:
        is_ok = nx_json_id(value, &u64) == NX_OK;
        break;
    case NX_JSON_FIELD_U64:
        is_ok = nx_json_u64(value, &u64) == NX_OK;
        is_fitting = is_in_range(field, u64);
        break;
    default:
        is_ok = nx_json_i64(value, &i64) == NX_OK;
        is_fitting = !is_limited(field) || (i64 >= field->min && i64 <= field->max);
        break;
    }
    if (!is_ok || !is_fitting) {
        fault(faults, field,
              field->kind == NX_JSON_FIELD_ID ? NX_JSON_FAULT_ID
              : is_ok                         ? NX_JSON_FAULT_NUMBER_RANGE
                                              : NX_JSON_FAULT_NUMBER);
        return false;
    }
    if (field->kind == NX_JSON_FIELD_I64) {
        memcpy(at, &i64, sizeof(i64));
    } else {
        memcpy(at, &u64, sizeof(u64));
    }
    return true;
}

/* Rows whose value is handed over as it is. */
static bool value_read(const struct nx_json_field *field, struct nx_json value, void *at,
                       struct nx_json_faults *faults)
{
    if (field->kind == NX_JSON_FIELD_ARRAY && value.kind != NX_JSON_ARRAY) {
        fault(faults, field, NX_JSON_FAULT_LIST);
        return false;
    }
    if (field->kind == NX_JSON_FIELD_OBJECT && value.kind != NX_JSON_OBJECT) {
        fault(faults, field, NX_JSON_FAULT_OBJECT);
        return false;
    }
    if (field->kind == NX_JSON_FIELD_ARRAY && is_limited(field) &&
        !is_in_range(field, nx_json_count(value))) {
        fault(faults, field, NX_JSON_FAULT_LENGTH);
        return false;
    }
    memcpy(at, &value, sizeof(value));
    return true;
}

static bool field_read(const struct nx_json_field *field, struct nx_json value, struct nx_writer *scratch,
                       void *at, struct nx_json_faults *faults, enum nx_err *err)
{
    bool flag;
    switch (field->kind) {
    case NX_JSON_FIELD_TEXT:
        return text_read(field, value, scratch, at, faults, err);
    case NX_JSON_FIELD_U64:
    case NX_JSON_FIELD_I64:
    case NX_JSON_FIELD_ID:
        return number_read(field, value, at, faults);
    case NX_JSON_FIELD_BOOL:
        if (nx_json_bool(value, &flag) != NX_OK) {
            fault(faults, field, NX_JSON_FAULT_BOOLEAN);
            return false;
        }
        memcpy(at, &flag, sizeof(flag));
        return true;
    default:
        return value_read(field, value, at, faults);
    }
}

enum nx_err nx_json_fields_read(struct nx_json object, const struct nx_json_field *fields,
                                size_t fields_count, struct nx_writer *scratch, void *target,
                                struct nx_json_present *present, struct nx_json_faults *faults)
{
    struct nx_json values[NX_JSON_FIELDS_MAX];
    uint64_t seen = 0;
    NX_ASSERT(fields_count <= NX_JSON_FIELDS_MAX);
    *present = (struct nx_json_present){0};
    if (object.kind != NX_JSON_OBJECT) {
        nx_json_fields_fault(faults, "_object", NX_JSON_FAULT_OBJECT, 0, 0);
        return NX_OK;
    }
    struct nx_json_walk walk = nx_json_walk(object);
    struct nx_json key;
    struct nx_json value;
    while (nx_json_object_next(&walk, &key, &value)) {
        for (size_t i = 0; i < fields_count; i++) {
            if (nx_json_string_is(key, fields[i].name)) {
                values[i] = value; /* the last of repeated members stays */
                seen |= (uint64_t)1 << i;
                break;
            }
        }
    }
    enum nx_err err = NX_OK;
    for (size_t i = 0; i < fields_count && err == NX_OK; i++) {
        const struct nx_json_field *field = &fields[i];
        const uint64_t bit = (uint64_t)1 << i;
        if ((seen & bit) == 0) {
            if ((field->flags & NX_JSON_FIELD_REQUIRED) != 0) {
                fault(faults, field, NX_JSON_FAULT_REQUIRED);
            }
        } else if (values[i].kind == NX_JSON_NULL && (field->flags & NX_JSON_FIELD_NULLABLE) != 0) {
            present->nulls |= bit;
        } else if (field_read(field, values[i], scratch, (uint8_t *)target + field->offset, faults, &err)) {
            present->values |= bit;
        }
    }
    return err;
}

static void i64_text(struct nx_writer *w, int64_t value)
{
    if (value < 0) {
        nx_writer_u8(w, '-');
    }
    nx_writer_decimal(w, value < 0 ? ~(uint64_t)value + 1 : (uint64_t)value);
}

static void message(struct nx_writer *w, const struct nx_json_fault *fault)
{
    static const char *const texts[] = {
        [NX_JSON_FAULT_REQUIRED] = "This field is required",
        [NX_JSON_FAULT_LENGTH] = " in length.",
        [NX_JSON_FAULT_STRING] = "Could not interpret the value as string.",
        [NX_JSON_FAULT_NUMBER] = "Value is not int.",
        [NX_JSON_FAULT_NUMBER_RANGE] = ".",
        [NX_JSON_FAULT_BOOLEAN] = "Must be either true or false.",
        [NX_JSON_FAULT_ID] = "Value is not snowflake.",
        [NX_JSON_FAULT_LIST] = "Only iterables may be used in a ListType",
        [NX_JSON_FAULT_OBJECT] = "Only dictionaries may be used in a DictType",
        [NX_JSON_FAULT_CHOICE] = "Value must be one of the allowed choices.",
    };
    if (fault->code == NX_JSON_FAULT_LENGTH || fault->code == NX_JSON_FAULT_NUMBER_RANGE) {
        nx_writer_text(w, "Must be between ");
        i64_text(w, fault->min);
        nx_writer_text(w, " and ");
        i64_text(w, fault->max);
    }
    nx_writer_text(w, texts[fault->code]);
}

void nx_json_fields_errors(struct nx_json_out *out, const struct nx_json_faults *faults)
{
    nx_json_out_object(out);
    for (size_t i = 0; i < faults->count; i++) {
        uint8_t text[128];
        struct nx_writer w = nx_writer_init(text, sizeof(text));
        message(&w, &faults->at[i]);
        nx_json_out_key(out, faults->at[i].name);
        nx_json_out_object(out);
        nx_json_out_key(out, "_errors");
        nx_json_out_array(out);
        nx_json_out_object(out);
        nx_json_out_key(out, "code");
        nx_json_out_text(out, code_texts[faults->at[i].code]);
        nx_json_out_key(out, "message");
        nx_json_out_string(out, nx_writer_bytes(&w));
        nx_json_out_object_end(out);
        nx_json_out_array_end(out);
        nx_json_out_object_end(out);
    }
    nx_json_out_object_end(out);
}
