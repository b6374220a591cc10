/* command.h - one line of a script or of the control socket: when, what, and for whom.
 *
 *     [TIME [every PERIOD]] VERB [SCOPE...] [ARGUMENTS]       # comment
 *
 *     set    udp|tcp|up|down|route=N... key=value...    changes these keys, the others stay
 *     clear  udp|tcp|up|down|route=N...                 everything off, a blackout too
 *     blackout udp|tcp|up|down|route=N... DURATION|off  nothing passes from now on for so long
 *     rebind route=N|flow=N...                          new source ports towards the target (UDP)
 *     reset  route=N|flow=N...                          both sides of connections get a reset (TCP)
 *     stats                                             the statistics as one line
 *     quit                                              ends the proxy as a signal would
 *
 * Layer:   tools/impair/core (no I/O, no clock, no allocation)
 * Threads: any; values
 * Limits:  IMPAIR_LINE_SIZE_MAX bytes, IMPAIR_WORDS_MAX words
 * Idiom:   a word of scope narrows; without one everything is meant. TIME counts from the start in a script, from now
 *          on the control socket.
 */
#ifndef TOOLS_IMPAIR_CORE_COMMAND_H
#define TOOLS_IMPAIR_CORE_COMMAND_H

#include "tools/impair/core/setting.h"

enum impair_command_verb {
    IMPAIR_COMMAND_NOTHING, /**< an empty line or a comment */
    IMPAIR_COMMAND_SET,
    IMPAIR_COMMAND_CLEAR,
    IMPAIR_COMMAND_BLACKOUT,
    IMPAIR_COMMAND_REBIND,
    IMPAIR_COMMAND_RESET,
    IMPAIR_COMMAND_STATS,
    IMPAIR_COMMAND_QUIT
};

/** Every route, every flow. */
#define IMPAIR_COMMAND_ALL UINT32_MAX

/** One parsed line. */
struct impair_command {
    bool has_time;
    int64_t at_ns;    /**< when, 0 without a time */
    int64_t every_ns; /**< and again so often, 0 for once */
    enum impair_command_verb verb;
    unsigned protocols;            /**< bits */
    unsigned directions;           /**< bits 1 << direction */
    uint32_t route;                /**< IMPAIR_COMMAND_ALL for every */
    uint32_t flow;                 /**< IMPAIR_COMMAND_ALL for every */
    struct impair_setting setting; /**< of SET: the keys of `mask` */
    uint32_t mask;
    int64_t duration_ns; /**< of BLACKOUT; 0 ends one */
};

/**
 * Parses `line`, without its line feed.
 *
 * Returns NX_E_MALFORMED and sets `why` to a static text when it is no command; `out` is untouched then.
 */
NX_MUST_USE enum nx_err impair_command_parse(struct nx_bytes line, struct impair_command *out,
                                             const char **why);

/** Returns whether the command means this direction of this route, of `protocol`. */
bool impair_command_matches(const struct impair_command *command, enum impair_setting_protocol protocol,
                            uint32_t route, enum impair_setting_direction direction);

/** Changes `setting` as a SET, CLEAR or BLACKOUT says at `now`; nothing for the others. */
void impair_command_apply(const struct impair_command *command, struct impair_setting *setting, nx_time now);

/** Where the reading of a script is. */
struct impair_command_script {
    struct nx_bytes rest;
    uint32_t line;   /**< of the line read last, 1 is the first */
    const char *why; /**< static text of the error, NULL while there is none */
};

/** Starts reading `text`, borrowed until the end. */
void impair_command_script_init(struct impair_command_script *script, struct nx_bytes text);

/** Reads on to the next command, empty lines skipped; false, `out` untouched, at the end and at the first error,
 * after which it stays false: `why` tells which it was. */
bool impair_command_script_next(struct impair_command_script *script, struct impair_command *out);

#endif
