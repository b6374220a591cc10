/* postgres_link.h - one connection to PostgreSQL in pipeline mode on a loop, which comes back by itself.
 *
 * Layer:   control/store
 * Threads: the loop's
 * Limits:  STORE_PG_RETRY_MS_MAX between two tries to connect, with jitter
 * Idiom:   Statements are sent on link->db and announced with store_postgres_link_sent(); each gives one result, in order, and so
 *          does each sync. A connection that is lost tells so once: then nothing that was sent will be answered. Without a
 *          loop store_postgres_link_wait() fetches the results.
 */
#ifndef STORE_POSTGRES_LINK_H
#define STORE_POSTGRES_LINK_H

#include "control/store/postgres_setup.h"
#include "engine/base/prng.h"
#include "engine/io/poll.h"
#include "engine/io/timer.h"

/** Where a connection stands. */
enum store_postgres_link_state {
    STORE_POSTGRES_DOWN,
    STORE_POSTGRES_CONNECTING,
    STORE_POSTGRES_PREPARING, /**< session settings, the owner's lock, the statements */
    STORE_POSTGRES_READY
};

/** What its owner hears. */
struct store_postgres_link_events {
    void (*ready)(void *context);                          /**< connected again: may send */
    void (*result)(void *context, const PGresult *result); /**< of the next statement or sync sent */
    void (*lost)(void *context);                           /**< what is under way stays unanswered */
    void (*replaced)(void *context); /**< another control has owned the database meanwhile */
};

/** One connection; embedded in its owner. */
struct store_postgres_link {
    PGconn *db; /**< owned; NULL when down */
    enum store_postgres_link_state state;
    struct nx_loop *loop; /**< NULL: a tool, in blocking mode */
    const char *url;      /**< borrowed */
    uint64_t owner_epoch; /**< not 0: takes the owner's lock, and expects this epoch */
    uint64_t last_batch;  /**< owner: mark of the last batch that was committed, read when connected */
    const struct store_postgres_link_events *events;
    void *context;
    struct nx_poll poll;
    struct nx_timer timer; /**< next try, or end of this one */
    struct nx_prng prng;
    char host_address[64]; /**< of the first connection, so that no later one waits for a name server */
    int backend_pid;       /**< of this or the last connection */
    uint32_t pending;      /**< results to come */
    uint32_t tries;
    uint32_t lost_count;
    int setup_result; /**< results seen while preparing */
};

/** Takes over `db`, prepared and in pipeline mode. Returns NX_OK; NX_E_FULL when the loop has no room. */
NX_MUST_USE enum nx_err store_postgres_link_open(struct store_postgres_link *link, PGconn *db);

/** Closes; no event comes any more. Fine on a zeroed link. */
void store_postgres_link_close(struct store_postgres_link *link);

/** Says that `count` more results are to come. */
void store_postgres_link_sent(struct store_postgres_link *link, uint32_t count);

/** Sends a sync, whose result comes too, and lets everything leave. A lost connection is told later, from the loop. */
void store_postgres_link_sync(struct store_postgres_link *link);

/** Lets everything that was sent leave. */
void store_postgres_link_flush(struct store_postgres_link *link);

/** Gives the connection up, as if it were lost; it is tried again. */
void store_postgres_link_drop(struct store_postgres_link *link);

/** Without a loop: gives the results that are pending. */
void store_postgres_link_wait(struct store_postgres_link *link);

#endif
