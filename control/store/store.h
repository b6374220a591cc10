/* store.h - where control keeps what must not be lost: questions in, answers out, behind one interface.
 *
 * Layer:   control/store (sqlite.c on disk, postgres.c in a server, memory.c for simulation; the same suite of tests runs on all)
 * Threads: open, load, ask and close on the loop's thread; answers arrive there; the work is done on store threads
 * Limits:  STORE_QUESTIONS_MAX questions waiting; more are refused with NX_E_FULL
 * Idiom:   One writer answers the writing questions in the order asked. It takes all that wait (for at most 2 ms after the
 *          first), runs them in one transaction, each in its own savepoint, and commits once: group commit. Answers are
 *          posted after the commit, in order. Readers work beside it on snapshots.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "control/core/question.h"
#include "engine/base/list.h"
#include "engine/io/loop.h"

struct store;

/** A question on its way; embedded in the asking request. */
struct store_request {
    struct nx_list_link link;     /**< the store's */
    struct ctl_question question; /**< given; what it borrows lives until answered */
    struct ctl_answer answer;     /**< valid inside answered() */
    struct nx_arena *arena; /**< given: where the rows of the answer go; NULL for questions without rows */
    void (*answered)(struct store_request *request); /**< on the loop's thread, exactly once */
};

/** What a store is made of. */
struct store_config {
    const char *url;           /**< "sqlite:PATH", "postgresql://..." or "memory:" */
    struct nx_loop *loop;      /**< where answers are posted */
    uint16_t node;             /**< node number of minted ids */
    uint32_t commit_window_us; /**< longest wait of a commit for company, 0..2000 */
    uint64_t seed;             /**< memory: fault injection; 0 none */
    void (*on_stale)(
        void *
            context); /**< NULL, or told once when the database was changed behind what control keeps in memory: it
                                          must start anew, and until then no question is refused for that */
    void *stale_context;
};

/** Receives all rows that control keeps in memory, at start; rows are borrowed during the call. Guilds come before what is in them. */
struct store_loader {
    void *context;
    void (*user)(void *context, const struct ctl_user_row *row);
    void (*guild)(void *context, const struct ctl_guild_row *row);
    void (*role)(void *context, const struct ctl_role_row *row);
    void (*channel)(void *context, const struct ctl_channel_row *row);
    void (*overwrite)(void *context, const struct ctl_overwrite_row *row);
    void (*member)(void *context, const struct ctl_member_row *row);
};

/** Counters since open. */
struct store_stats {
    uint64_t questions;
    uint64_t commits;
    uint64_t commit_rows; /**< writing questions committed */
    uint64_t commit_ns_max;
    uint64_t failures; /**< answers with NX_E_UNAVAILABLE */
    uint32_t waiting;
};

enum { STORE_WHY_SIZE = 256 };

/**
 * Opens the store, creating or migrating its schema (versioned, checksummed, forward only, one transaction each).
 * `why` receives one clear line on failure. Returns NX_OK; NX_E_MALFORMED for a bad url or a schema from a newer version;
 * NX_E_IO when files cannot be used; NX_E_IN_USE when another control holds the database.
 */
NX_MUST_USE enum nx_err store_open(struct store **out, const struct store_config *config,
                                   char why[STORE_WHY_SIZE]);

/** Answers what waits, commits, and closes. */
void store_close(struct store *store);

/** Reads everything that control keeps in memory into `loader`; before the first ask. Returns NX_OK; NX_E_IO. */
NX_MUST_USE enum nx_err store_load(struct store *store, const struct store_loader *loader);

/** Asks. Returns NX_OK; NX_E_FULL when too many questions wait (nothing was queued). */
NX_MUST_USE enum nx_err store_ask(struct store *store, struct store_request *request);

/** Asks and waits for the answer, for tools without a running loop. Returns the answer's verdict. */
NX_MUST_USE enum nx_err store_ask_now(struct store *store, struct store_request *request);

/** Copies the database while it runs to `path` (online backup). Returns NX_OK; NX_E_IO; NX_E_UNSUPPORTED on memory. */
NX_MUST_USE enum nx_err store_backup(struct store *store, const char *path);

/** Returns the counters (a copy). */
struct store_stats store_stats(const struct store *store);

#endif
