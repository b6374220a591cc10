/* sqlite_batch.h - runs questions on a connection: many writing ones in one commit, many reading ones on one snapshot.
 *
 * Layer:   control/store
 * Threads: the connection's
 * Idiom:   after a failure of the transaction every question of the batch is answered NX_E_UNAVAILABLE and nothing of
 *          it is written
 */
#ifndef STORE_SQLITE_BATCH_H
#define STORE_SQLITE_BATCH_H

#include "control/store/sqlite_sql.h"
#include "control/store/store.h"

/** Answers `count` writing questions in order, in one transaction; true when it was committed. */
bool store_sqlite_batch_write(struct store_sqlite_connection *c, struct store_request *const *requests,
                              uint32_t count);

/** Answers `count` reading questions on one snapshot. */
void store_sqlite_batch_read(struct store_sqlite_connection *c, struct store_request *const *requests,
                             uint32_t count);

/** Does one step of the writer's housekeeping: deleted channels first, then old nonces. True when a nonce pass ended. */
bool store_sqlite_batch_sweep(struct store_sqlite_connection *c, int64_t now_ms);

#endif
