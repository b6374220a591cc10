/* history.h - what every client saw and did, as fixed-size records for tools/histcheck.
 *
 * Spec:    docs/histories.md
 * Layer:   loadtest
 * Threads: the loop's own
 * Limits:  48 bytes a record; a file is as long as the disk allows
 * Idiom:   buffered and never flushed in between: a record costs about as much as a memcpy. An error is remembered and told
 *          by load_history_close().
 */
#ifndef LOAD_HISTORY_H
#define LOAD_HISTORY_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"

#include <stdio.h>

enum { LOAD_HISTORY_RECORD_SIZE = 48, LOAD_HISTORY_BUFFER_SIZE = 1 << 20 };

/** What a record tells; the numbers are the file's. */
enum load_history_kind {
    LOAD_HISTORY_CLIENT = 1,     /**< id: user */
    LOAD_HISTORY_JOIN = 2,       /**< channel, seq: its last one at that moment */
    LOAD_HISTORY_LEAVE = 3,      /**< channel */
    LOAD_HISTORY_SEND = 4,       /**< channel, hash, code: attempt from 1 */
    LOAD_HISTORY_ACK = 5,        /**< channel, id, seq, hash */
    LOAD_HISTORY_REFUSE = 6,     /**< channel, hash, extra: code; flags: final */
    LOAD_HISTORY_DELIVER = 7,    /**< channel, id, seq, hash */
    LOAD_HISTORY_EDIT = 8,       /**< channel, id, seq */
    LOAD_HISTORY_DELETE = 9,     /**< channel, id, seq */
    LOAD_HISTORY_DOWN = 10,      /**< code: close code, 0 for none */
    LOAD_HISTORY_READY = 11,     /**< identified */
    LOAD_HISTORY_RESUMED = 12,   /**< seq: the session's number */
    LOAD_HISTORY_RESYNC = 13,    /**< channel, seq: its last one */
    LOAD_HISTORY_FETCH = 14,     /**< channel, seq: after it, extra: up to it */
    LOAD_HISTORY_FETCHED = 15,   /**< channel, id, seq, hash; flags: deleted, edited */
    LOAD_HISTORY_CAUGHT_UP = 16, /**< channel, seq: up to it */
    LOAD_HISTORY_END = 17,       /**< code: 1 when ready and caught up */
    LOAD_HISTORY_STORED = 18,    /**< channel, id, seq, hash, ns: author; flags: deleted, edited */
    LOAD_HISTORY_DUMPED = 19,    /**< channel, seq: its last one */
    LOAD_HISTORY_LEFT = 21,      /**< the harness: user id is no member of the channel any more */
    LOAD_HISTORY_ENTERED = 22,   /**< the harness: user id asks to be one again */
    LOAD_HISTORY_MARK = 20       /**< written by the harness: code: role, flags: 0 killed, 1 back */
};

enum load_history_flag {
    LOAD_HISTORY_DELETED = 1, /**< FETCHED, STORED: a tombstone */
    LOAD_HISTORY_EDITED = 2,  /**< FETCHED, STORED: the content is not the first one */
    LOAD_HISTORY_FINAL = 1    /**< REFUSE: it is not tried again */
};

/** One record; what a kind does not name is 0. */
struct load_history_record {
    uint8_t kind; /**< enum load_history_kind */
    uint8_t flags;
    uint16_t code;
    uint32_t client; /**< number of the client in its file */
    uint64_t channel;
    uint64_t id;
    uint64_t hash; /**< load_history_hash() of the content; it stands for the nonce too */
    uint32_t seq;
    uint32_t extra;
    uint64_t author; /**< STORED: in place of the time */
};

/** One file being written; zero is none, and everything put is dropped. */
struct load_history {
    FILE *file;      /**< owned */
    uint8_t *buffer; /**< owned */
    uint64_t count;  /**< records put */
    bool has_failed;
};

/**
 * Opens `path`; a directory gets a file of its own, named after the process.
 * Returns NX_OK; NX_E_IO; NX_E_NO_MEMORY.
 */
NX_MUST_USE enum nx_err load_history_open(struct load_history *history, const char *path);

/** Writes `record`, which happened at `ns` (monotonic). */
void load_history_put(struct load_history *history, int64_t ns, const struct load_history_record *record);

/** Writes `record` as its 48 bytes; `time` is what stands in the place of the instant. */
void load_history_encode(uint8_t out[LOAD_HISTORY_RECORD_SIZE], uint64_t time,
                         const struct load_history_record *record);

/** Closes the file. Returns NX_OK; NX_E_IO when anything of it could not be written. */
NX_MUST_USE enum nx_err load_history_close(struct load_history *history);

/** Returns the 64-bit FNV-1a hash of a message's content. */
uint64_t load_history_hash(struct nx_bytes content);

#endif
