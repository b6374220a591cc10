/* json_fields.h - fills a struct from a JSON object by a table, collecting what is wrong for the error body.
 *
 * Spec:    protocol.md section 2: error codes as Discord writes them in its "errors" object
 * Layer:   engine/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Limits:  64 fields per table, 16 faults per body
 * Idiom:   static const struct nx_json_field fields[] = {
 *              {"content", NX_JSON_FIELD_TEXT, 0, 0, 2000, offsetof(struct create, content)}, ...};
 *          nx_json_fields_read(root, fields, count, &scratch, &body, &present, &faults); faults.count != 0 -> 400 with
 *          nx_json_fields_errors(). Members that the table does not name are ignored.
 */
#ifndef NX_WIRE_JSON_FIELDS_H
#define NX_WIRE_JSON_FIELDS_H

#include "engine/wire/json.h"
#include "engine/wire/json_out.h"

/** What a member must be, and what is written at its offset. */
enum nx_json_field_kind {
    NX_JSON_FIELD_TEXT,   /**< struct nx_bytes; min..max are Unicode characters; NUL is refused */
    NX_JSON_FIELD_U64,    /**< uint64_t, min..max */
    NX_JSON_FIELD_I64,    /**< int64_t, min..max */
    NX_JSON_FIELD_BOOL,   /**< bool */
    NX_JSON_FIELD_ID,     /**< uint64_t, from a string or an integer */
    NX_JSON_FIELD_ARRAY,  /**< struct nx_json; min..max are elements */
    NX_JSON_FIELD_OBJECT, /**< struct nx_json */
    NX_JSON_FIELD_ANY,    /**< struct nx_json */
};

enum {
    NX_JSON_FIELD_REQUIRED = 1, /**< absent is a fault */
    NX_JSON_FIELD_NULLABLE =
        2, /**< null is taken (nothing is written, the null bit is set); else null is a fault */
};

/** One row of a table; tables are static const. */
struct nx_json_field {
    const char *name;
    uint8_t kind;  /**< enum nx_json_field_kind */
    uint8_t flags; /**< NX_JSON_FIELD_REQUIRED | NX_JSON_FIELD_NULLABLE */
    int64_t min;   /**< least length or value */
    int64_t max;   /**< greatest length or value; 0 together with min 0 means no limit */
    size_t offset; /**< where in the target struct the result goes */
};

/** Discord's codes of a fault. */
enum nx_json_fault_code {
    NX_JSON_FAULT_REQUIRED,     /**< BASE_TYPE_REQUIRED */
    NX_JSON_FAULT_LENGTH,       /**< BASE_TYPE_BAD_LENGTH */
    NX_JSON_FAULT_STRING,       /**< STRING_TYPE_CONVERT: not a string, or one with NUL */
    NX_JSON_FAULT_NUMBER,       /**< NUMBER_TYPE_COERCE */
    NX_JSON_FAULT_NUMBER_RANGE, /**< NUMBER_TYPE_RANGE */
    NX_JSON_FAULT_BOOLEAN,      /**< BOOLEAN_TYPE_CONVERT */
    NX_JSON_FAULT_ID,           /**< NUMBER_TYPE_COERCE, worded for snowflakes */
    NX_JSON_FAULT_LIST,         /**< LIST_TYPE_CONVERT */
    NX_JSON_FAULT_OBJECT,       /**< DICT_TYPE_CONVERT */
    NX_JSON_FAULT_CHOICE,       /**< BASE_TYPE_CHOICES; for handlers with rules of their own */
};

/** One thing that is wrong. */
struct nx_json_fault {
    const char *name; /**< the member; static text */
    int64_t min;      /**< allowed range, for the message */
    int64_t max;
    uint8_t code; /**< enum nx_json_fault_code */
};

/** Everything that is wrong with one object; the first NX_JSON_FAULTS_MAX are kept. Zero it before use. */
struct nx_json_faults {
    size_t count; /**< 0..NX_JSON_FAULTS_MAX */
    struct nx_json_fault at[NX_JSON_FAULTS_MAX];
};

/** Which members were there. Bit n stands for row n of the table. */
struct nx_json_present {
    uint64_t values; /**< a value was written */
    uint64_t nulls;  /**< null was sent and allowed */
};

/**
 * Reads the members that `fields` (`fields_count` <= 64 rows) names from `object` into `target`; text with
 * escapes is resolved into `scratch`. Rows that are absent or at fault leave `target` untouched. Faults are
 * added to `faults`; of repeated members only the last counts. Something that is no object is one DICT fault
 * named "_object".
 *
 * Returns NX_OK, also with faults; NX_E_FULL when `scratch` is too small (the size of the JSON text is always
 * enough).
 */
NX_MUST_USE enum nx_err nx_json_fields_read(struct nx_json object, const struct nx_json_field *fields,
                                            size_t fields_count, struct nx_writer *scratch, void *target,
                                            struct nx_json_present *present, struct nx_json_faults *faults);

/** Adds a fault found by the caller's own rules; dropped when the list is full. `name` is kept. */
void nx_json_fields_fault(struct nx_json_faults *faults, const char *name, enum nx_json_fault_code code,
                          int64_t min, int64_t max);

/** Writes the value of Discord's "errors" member: {"name":{"_errors":[{"code":...,"message":...}]},...}. */
void nx_json_fields_errors(struct nx_json_out *out, const struct nx_json_faults *faults);

#endif
