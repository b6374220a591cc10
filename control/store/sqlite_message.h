/* sqlite_message.h - questions about messages and read states, answered by SQLite.
 *
 * Layer:   control/store
 * Threads: the connection's
 */
#ifndef STORE_SQLITE_MESSAGE_H
#define STORE_SQLITE_MESSAGE_H

#include "control/store/sqlite_sql.h"

/** Answers any question about messages and read states; see question.h for verdicts. */
NX_MUST_USE enum nx_err store_sqlite_message(struct store_sqlite_connection *c,
                                             const struct ctl_question *question, struct ctl_answer *answer);

/** Removes up to STORE_SWEEP_ROWS rows of deleted channels; clears has_dead_channels when none is left. Returns NX_OK; NX_E_UNAVAILABLE. */
NX_MUST_USE enum nx_err store_sqlite_message_sweep_dead(struct store_sqlite_connection *c);

/**
 * Looks at the next STORE_SWEEP_ROWS nonces and removes those older than STORE_NONCE_MS at `now_ms`; *is_over after the
 * last. Returns NX_OK; NX_E_UNAVAILABLE.
 */
NX_MUST_USE enum nx_err store_sqlite_message_sweep_nonces(struct store_sqlite_connection *c, int64_t now_ms,
                                                          bool *is_over);

#endif
