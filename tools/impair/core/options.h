/* options.h - the command line of the impairment proxy.
 *
 * Layer:   tools/impair/core (no I/O, no clock, no allocation)
 * Threads: any; values
 */
#ifndef TOOLS_IMPAIR_CORE_OPTIONS_H
#define TOOLS_IMPAIR_CORE_OPTIONS_H

#include "engine/base/addr.h"
#include "tools/impair/core/limits.h"
#include "tools/impair/core/setting.h"

/** One --udp or --tcp. */
struct impair_options_route {
    enum impair_setting_protocol protocol;
    struct nx_addr listen; /**< port 0: the kernel chooses */
    struct nx_addr target;
};

/** What was said; texts are borrowed from the arguments, NULL when not given. */
struct impair_options {
    bool is_help;
    uint64_t seed;
    uint64_t memory_max; /**< bytes */
    int64_t idle_ns;
    int64_t duration_ns; /**< 0 for until told to end */
    const char *script;  /**< file */
    const char *control; /**< path of the Unix socket */
    const char *json;    /**< file for the final statistics */
    uint32_t lines_count;
    const char *lines[IMPAIR_LINES_MAX]; /**< of --do */
    uint32_t routes_count;
    struct impair_options_route routes[IMPAIR_ROUTES_MAX];
};

/**
 * Parses the arguments after the program's name.
 *
 * Returns NX_E_MALFORMED and sets `why` to a static text and `where` to the argument that is wrong.
 */
NX_MUST_USE enum nx_err impair_options_parse(int argc, char *const *argv, struct impair_options *out,
                                             const char **why, const char **where);

/** Returns the text of --help. */
const char *impair_options_help(void);

#endif
