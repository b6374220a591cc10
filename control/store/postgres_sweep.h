/* postgres_sweep.h - housekeeping in PostgreSQL, a few rows at a time: messages of deleted channels, and old nonces.
 *
 * Layer:   control/store
 * Threads: the loop's
 * Limits:  STORE_SWEEP_ROWS rows a statement
 */
#ifndef STORE_POSTGRES_SWEEP_H
#define STORE_POSTGRES_SWEEP_H

#include "control/store/postgres_link.h"

enum { STORE_POSTGRES_SWEEP_NONCE_MAX = 512 };

/** Where the sweep stands; zeroed it begins at once. */
struct store_postgres_sweep {
    bool is_under_way; /**< its statement or its sync is still to come */
    int64_t due_ms;    /**< when the next pass over the nonces begins */
    int64_t channel_id;
    int64_t author_id;
    uint8_t nonce[STORE_POSTGRES_SWEEP_NONCE_MAX]; /**< with the two above: the place of the pass */
    size_t nonce_size;
};

/** Sends the next statement on an idle link, if there is work at `now_ms`; is_under_way says whether. */
void store_postgres_sweep_send(struct store_postgres_sweep *sweep,
                               const struct store_postgres_context *context, struct store_postgres_link *link,
                               int64_t now_ms);

/** Reads a result of its statement or sync. */
void store_postgres_sweep_result(struct store_postgres_sweep *sweep, struct store_postgres_context *context,
                                 const PGresult *result, int64_t now_ms);

/** The connection is lost: whatever held it up, not again at once. */
void store_postgres_sweep_lost(struct store_postgres_sweep *sweep, int64_t now_ms);

#endif
