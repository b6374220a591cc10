/* json_out.h - writes JSON into a caller's writer; commas and colons take care of themselves.
 *
 * Spec:    RFC 8259
 * Layer:   engine/wire (no I/O, no clock, no allocation)
 * Threads: any; belongs to its caller
 * Limits:  64 levels; size by the writer's room
 * Idiom:   write everything, then ask nx_json_out_ok() once: it is false when the text did not fit, went
 *          too deep, or a key was missing or misplaced (the writer then counts as failed too). Text is taken as valid UTF-8.
 */
#ifndef NX_WIRE_JSON_OUT_H
#define NX_WIRE_JSON_OUT_H

#include "engine/base/writer.h"
#include "engine/wire/limits.h"

/** One JSON text being written. */
struct nx_json_out {
    struct nx_writer *writer; /**< given */
    uint64_t objects;         /**< state: bit per level, set for an object */
    uint64_t members;         /**< state: bit per level, set once it has a member */
    uint8_t depth;            /**< state: open arrays and objects */
    bool has_key;             /**< state: a key was written and its value comes next */
    bool has_root;            /**< state: a value was written at the top */
};

/** Starts one text at the writer's current position. */
struct nx_json_out nx_json_out_init(struct nx_writer *writer);

/** Returns whether everything fitted so far and nothing was misplaced. */
bool nx_json_out_ok(const struct nx_json_out *o);

/** Returns whether the text is complete: ok, one value at the top, nothing open. */
bool nx_json_out_done(const struct nx_json_out *o);

/** Opens an object. */
void nx_json_out_object(struct nx_json_out *o);

/** Closes the object opened last. */
void nx_json_out_object_end(struct nx_json_out *o);

/** Opens an array. */
void nx_json_out_array(struct nx_json_out *o);

/** Closes the array opened last. */
void nx_json_out_array_end(struct nx_json_out *o);

/** Writes a member's name; `name` is escaped where it must be. */
void nx_json_out_key(struct nx_json_out *o, const char *name);

/** Writes a member's name that may need escaping. */
void nx_json_out_key_bytes(struct nx_json_out *o, struct nx_bytes name);

/** Writes a string, escaped; `text` is valid UTF-8. U+2028 and U+2029 stay as they are. */
void nx_json_out_string(struct nx_json_out *o, struct nx_bytes text);

/** Writes a NUL-terminated string, escaped. */
void nx_json_out_text(struct nx_json_out *o, const char *text);

/** Writes an integer. */
void nx_json_out_u64(struct nx_json_out *o, uint64_t value);

/** Writes an integer. */
void nx_json_out_i64(struct nx_json_out *o, int64_t value);

/** Writes `value_milli` thousandths as a number with up to three decimals: 1500 gives 1.5. */
void nx_json_out_milli(struct nx_json_out *o, int64_t value_milli);

/** Writes a 64-bit id as a string of digits, as every id of the protocol is. */
void nx_json_out_id(struct nx_json_out *o, uint64_t id);

/** Writes an id, or null when it is 0. */
void nx_json_out_id_or_null(struct nx_json_out *o, uint64_t id);

/** Writes true or false. */
void nx_json_out_bool(struct nx_json_out *o, bool value);

/** Writes null. */
void nx_json_out_null(struct nx_json_out *o);

/** Writes a value that is JSON already, unchecked. */
void nx_json_out_raw(struct nx_json_out *o, struct nx_bytes json);

/** Writes a time as a string, "2015-01-01T00:00:00.000Z"; `unix_ms` is clamped to the years 0000 to 9999. */
void nx_json_out_time(struct nx_json_out *o, int64_t unix_ms);

#endif
