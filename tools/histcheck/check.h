/* check.h - proves what histories claim: nothing acknowledged is lost, doubled, reordered, invented or shown to strangers.
 *
 * Spec:    docs/histories.md
 * Layer:   tools
 * Threads: any; no state between calls
 * Limits:  2^31 records in all, TOOL_CHECK_FILES_MAX files
 * Idiom:   everything is given at once (files are mapped), read several times in order and judged; what is wrong is counted by
 *          kind, and the first of each kind are told.
 */
#ifndef TOOL_HISTCHECK_CHECK_H
#define TOOL_HISTCHECK_CHECK_H

#include "engine/base/err.h"
#include "engine/base/metric.h"

#include <stdint.h>
#include <stdio.h>

enum { TOOL_CHECK_RECORD_SIZE = 48, TOOL_CHECK_FILES_MAX = 256, TOOL_CHECK_ROLES = 4 };

/** One file: its bytes with the head. */
struct tool_check_file {
    const char *name;
    const uint8_t *bytes;
    uint64_t size;
};

/** What can be wrong. */
enum tool_check_fault {
    TOOL_CHECK_MALFORMED,      /**< the file is no history, or a record means nothing */
    TOOL_CHECK_ACK_UNSENT,     /**< acknowledged, but this client never sent it */
    TOOL_CHECK_ACK_LOST,       /**< acknowledged and not stored */
    TOOL_CHECK_ACK_DIFFERS,    /**< stored under another channel, seq, author or content than acknowledged */
    TOOL_CHECK_TWO_IDS,        /**< one nonce, two ids */
    TOOL_CHECK_REFUSED_STORED, /**< refused for good and stored all the same */
    TOOL_CHECK_INVENTED,       /**< stored, but nobody sent it */
    TOOL_CHECK_STORED_TWICE,   /**< one id stored twice */
    TOOL_CHECK_STORED_GAP,     /**< a number of a channel is not stored */
    TOOL_CHECK_STORED_ORDER, /**< the order of ids is not the order of numbers, or a number is there twice */
    TOOL_CHECK_NOT_DUMPED,   /**< a channel whose stored messages were not given to their end */
    TOOL_CHECK_UNSTORED,     /**< delivered or fetched and not stored */
    TOOL_CHECK_CHANGED,      /**< delivered or fetched otherwise than stored */
    TOOL_CHECK_FOREIGN,      /**< seen by somebody who is no member */
    TOOL_CHECK_TOO_EARLY,    /**< delivered before it was sent */
    TOOL_CHECK_DUPLICATE,    /**< delivered twice to one client */
    TOOL_CHECK_ORDER,        /**< delivered after a higher number */
    TOOL_CHECK_EDIT_FIRST,   /**< edited or deleted before it was created */
    TOOL_CHECK_MISSING,      /**< a member never got it */
    TOOL_CHECK_BASELINE,     /**< sent after a member came, yet numbered as if before */
    TOOL_CHECK_NOT_BACK,     /**< a client that was not there, or not up to date, at the end */
    TOOL_CHECK_IDENTIFIED_AGAIN, /**< a session was not resumed */
    TOOL_CHECK_FAULTS
};

/** The verdict. */
struct tool_check_result {
    uint64_t faults[TOOL_CHECK_FAULTS];
    uint64_t records;
    uint64_t clients;
    uint64_t channels;
    uint64_t sent;      /**< different messages */
    uint64_t resent;    /**< sendings beyond the first */
    uint64_t acked;     /**< different messages */
    uint64_t stored;    /**< tombstones included */
    uint64_t unacked;   /**< stored, never acknowledged: the answer was lost */
    uint64_t delivered; /**< live */
    uint64_t fetched;
    uint64_t resumes;
    uint64_t resyncs;
    uint64_t kills[TOOL_CHECK_ROLES];
    /** From the server's return to RESUMED or READY, or to NEXUS_RESYNC for who was not cut; by role that was killed. */
    struct nx_metric_histogram back_ns[TOOL_CHECK_ROLES];
    struct nx_metric_histogram back_all_ns;
};

/**
 * Judges `files`. The first faults of each kind go to `say` as lines (NULL: nowhere).
 * Returns NX_OK when it could be judged: faults are in `out`; NX_E_NO_MEMORY; NX_E_FULL past the limits.
 */
NX_MUST_USE enum nx_err tool_check_run(const struct tool_check_file *files, uint32_t files_count, FILE *say,
                                       struct tool_check_result *out);

/** Returns the fault's name, as it is printed. */
const char *tool_check_fault_name(enum tool_check_fault fault);

/** Returns the name of a role that was killed. */
const char *tool_check_role_name(uint32_t role);

/** Returns the number of faults of all kinds. */
uint64_t tool_check_faults(const struct tool_check_result *result);

#endif
