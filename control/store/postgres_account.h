/* postgres_account.h - questions about users and their login sessions, asked of PostgreSQL.
 *
 * Layer:   control/store
 * Threads: the connection's
 */
#ifndef STORE_POSTGRES_ACCOUNT_H
#define STORE_POSTGRES_ACCOUNT_H

#include "control/store/postgres_question.h"

/** Sends any question about users and their login sessions, see store_postgres_question_put(). An answer's texts may take `room` bytes. */
NX_MUST_USE enum nx_err store_postgres_account_put(struct store_postgres_context *context, PGconn *db,
                                                   const struct ctl_question *question, int64_t room);

/** Reads the answer to any question about users and their login sessions; returns its verdict. */
NX_MUST_USE enum nx_err store_postgres_account_take(struct store_postgres_rows *rows,
                                                    const struct ctl_question *question,
                                                    struct ctl_answer *answer);

#endif
