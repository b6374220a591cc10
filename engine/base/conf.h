/* conf.h - reads a configuration file of [section] and key = value, entry by entry, over borrowed bytes.
 *
 * Spec:    a subset of TOML 1.0: one-level sections, bare keys (letters, digits, - and _), basic strings on
 *          one line, decimal integers, booleans, # comments. Beyond TOML: an integer may carry a unit. Left
 *          out: dotted and quoted keys, arrays, tables in line, floats, dates, literal and multi-line
 *          strings
 * Layer:   engine/base (no I/O, no clock, no allocation)
 * Threads: any; the reader belongs to its caller
 * Limits:  NX_CONF_SIZE_MAX bytes, NX_CONF_NAME_SIZE_MAX per name, NX_CONF_VALUE_SIZE_MAX per value; the
 *          file is UTF-8
 * Idiom:   while (nx_conf_next(&conf, &entry)) { … } if (!nx_conf_ok(&conf)) { … conf.line, conf.why … }
 *          Whether a key may come twice is for the caller to say; the environment overrides by
 *          nx_conf_env_name().
 */
#ifndef NX_BASE_CONF_H
#define NX_BASE_CONF_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/base/limits.h"
#include "engine/base/writer.h"

enum nx_conf_kind {
    NX_CONF_KIND_TEXT,     /**< "…" */
    NX_CONF_KIND_INTEGER,  /**< 42 */
    NX_CONF_KIND_SIZE,     /**< 16KiB: B, KiB, MiB, GiB; in bytes */
    NX_CONF_KIND_DURATION, /**< 30s: ns, us, ms, s, min, h, d; in nanoseconds */
    NX_CONF_KIND_BOOL      /**< true or false */
};

/** One value. */
struct nx_conf_value {
    enum nx_conf_kind kind;
    int64_t integer; /**< the integer, bytes, nanoseconds, or 0 and 1 for a boolean; 0 for a text */
    struct nx_bytes
        text; /**< of a text: what stands between the quotes, escapes as written (nx_conf_text() decodes) */
    bool is_plain; /**< of a text: `text` has no escapes and can be used as it is */
};

/** One key = value line; all bytes borrowed from the file. */
struct nx_conf_entry {
    struct nx_bytes section; /**< empty before the first [section] */
    struct nx_bytes key;
    struct nx_conf_value value;
    uint32_t line; /**< 1 is the first */
};

/** A position in a file. */
struct nx_conf {
    struct nx_bytes rest;    /**< not read yet */
    struct nx_bytes section; /**< current */
    uint32_t line;           /**< of the last line read, 1 is the first; of the error when there is one */
    const char *why;         /**< static text of the error, NULL while there is none */
};

/** Starts reading `file`, borrowed until the last entry was used. */
void nx_conf_init(struct nx_conf *conf, struct nx_bytes file);

/** Reads on to the next entry; false, `out` untouched, at the end or at the first error, after which it stays
 * false. */
bool nx_conf_next(struct nx_conf *conf, struct nx_conf_entry *out);

/** Returns whether no error was met; otherwise conf->line and conf->why tell which. */
bool nx_conf_ok(const struct nx_conf *conf);

/**
 * Parses a value given outside a file (environment, command line) as `kind`: texts without quotes and
 * escapes, the others as in a file.
 *
 * Returns NX_E_MALFORMED when it is not of that kind.
 */
NX_MUST_USE enum nx_err nx_conf_parse(struct nx_bytes text, enum nx_conf_kind kind,
                                      struct nx_conf_value *out);

/** Writes a text value with its escapes (\" \\ \b \t \n \f \r \uHHHH \UHHHHHHHH) decoded to UTF-8. */
void nx_conf_text(const struct nx_conf_value *value, struct nx_writer *out);

/** Writes the environment variable that overrides `key` in `section`: "NEXUS_SECTION_KEY", - turned into _.
 */
void nx_conf_env_name(struct nx_bytes section, struct nx_bytes key, struct nx_writer *out);

#endif
