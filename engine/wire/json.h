/* json.h - reads a complete JSON text: checked once, then walked in place without errors.
 *
 * Spec:    RFC 8259, strict; UTF-8 only, no byte order mark. Lone surrogates in escapes are refused.
 *          Numbers are kept as written: 1e400 is a valid number that no integer accessor takes. Of
 *          members with the same name the last one wins.
 * Layer:   engine/wire (no I/O, no clock, no allocation, no recursion)
 * Threads: any; values borrow from the text
 * Limits:  depth 32, 64 MiB of text
 * Idiom:   nx_json_open() checks everything, so afterwards a walk cannot fail: struct nx_json_walk walk =
 *          nx_json_walk(root); while (nx_json_object_next(&walk, &key, &value)) ... To fill a struct from
 *          an object see json_fields.h.
 */
#ifndef NX_WIRE_JSON_H
#define NX_WIRE_JSON_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/base/writer.h"
#include "engine/wire/limits.h"

enum nx_json_kind {
    NX_JSON_NULL,
    NX_JSON_FALSE,
    NX_JSON_TRUE,
    NX_JSON_NUMBER,
    NX_JSON_STRING,
    NX_JSON_ARRAY,
    NX_JSON_OBJECT,
};

/** One value inside a checked text; borrows from it. A zeroed one is null. */
struct nx_json {
    const uint8_t *at; /**< its first character; for strings the first one after the quote */
    uint32_t size;     /**< characters; for strings without the quotes */
    uint8_t kind;      /**< enum nx_json_kind */
    bool has_escapes;  /**< a string that differs from its raw characters */
};

/** A walk over the members of an object or the elements of an array. */
struct nx_json_walk {
    const uint8_t *at;  /**< next character */
    const uint8_t *end; /**< one past the container's last character */
    uint8_t kind;       /**< NX_JSON_OBJECT or NX_JSON_ARRAY; anything else is an empty walk */
};

/**
 * Checks `text` completely and gives its root value.
 *
 * Returns NX_OK; NX_E_MALFORMED for any breach of the grammar, invalid UTF-8, a raw control character or a
 * lone surrogate in a string, or anything but white space after the value; NX_E_FULL past NX_JSON_DEPTH_MAX
 * levels or NX_JSON_SIZE_MAX bytes.
 */
NX_MUST_USE enum nx_err nx_json_open(struct nx_bytes text, struct nx_json *out);

/** Starts a walk over `container`; one over anything but an array or object is empty. */
struct nx_json_walk nx_json_walk(struct nx_json container);

/** Takes the next member of an object. `key` is a string value. Returns false at the end. */
bool nx_json_object_next(struct nx_json_walk *walk, struct nx_json *key, struct nx_json *value);

/** Takes the next element of an array. Returns false at the end. */
bool nx_json_array_next(struct nx_json_walk *walk, struct nx_json *value);

/** Finds the last member of `object` called `name`. Returns false when there is none or `object` is no
 * object. Cost: linear. */
bool nx_json_find(struct nx_json object, const char *name, struct nx_json *value);

/** Returns the number of elements of an array or members of an object. Cost: linear in its text. */
size_t nx_json_count(struct nx_json container);

/** Returns the characters of the value as they stand in the text, strings with their quotes; borrowed. */
struct nx_bytes nx_json_raw(struct nx_json value);

/** Returns whether the string `value` is `text` (escapes resolved). Cost: linear, no copy. */
bool nx_json_string_is(struct nx_json value, const char *text);

/** Returns whether the string `value` holds U+0000, which only an escape can write. */
bool nx_json_string_has_nul(struct nx_json value);

/** Returns the bytes of the string `value` after resolving escapes. */
size_t nx_json_string_size(struct nx_json value);

/**
 * Gives the text of a string: borrowed when it has no escapes, else resolved into `scratch`. The result is
 * valid UTF-8 and may hold NUL bytes.
 *
 * Returns NX_OK; NX_E_UNSUPPORTED when `value` is no string; NX_E_FULL when `scratch` is too small.
 */
NX_MUST_USE enum nx_err nx_json_string(struct nx_json value, struct nx_writer *scratch, struct nx_bytes *out);

/** Gives an integer without sign, fraction or exponent. Returns NX_OK; NX_E_UNSUPPORTED for anything else or
 * above 2^64 - 1. */
NX_MUST_USE enum nx_err nx_json_u64(struct nx_json value, uint64_t *out);

/** Gives an integer without fraction or exponent. Returns NX_OK; NX_E_UNSUPPORTED for anything else or
 * outside 64 bits. */
NX_MUST_USE enum nx_err nx_json_i64(struct nx_json value, int64_t *out);

/** Gives true or false. Returns NX_OK; NX_E_UNSUPPORTED for anything else. */
NX_MUST_USE enum nx_err nx_json_bool(struct nx_json value, bool *out);

/**
 * Gives an id: a string of 1 to 20 decimal digits, or an integer, 0..2^64 - 1 (clients write both).
 * Returns NX_OK; NX_E_UNSUPPORTED for anything else, also for leading zeros in a string.
 */
NX_MUST_USE enum nx_err nx_json_id(struct nx_json value, uint64_t *out);

#endif
