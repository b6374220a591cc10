/* postgres_message.h - questions about messages (but their creation) and read states, asked of PostgreSQL.
 *
 * Layer:   control/store
 * Threads: the connection's
 */
#ifndef STORE_POSTGRES_MESSAGE_H
#define STORE_POSTGRES_MESSAGE_H

#include "control/store/postgres_sql.h"

/** Sends any question about messages (but their creation) and read states, see store_postgres_question_put(). An answer's texts may take `room` bytes. */
NX_MUST_USE enum nx_err store_postgres_message_put(PGconn *db, const struct ctl_question *question,
                                                   int64_t room);

/** Reads the answer to any question about messages (but their creation) and read states; returns its verdict. */
NX_MUST_USE enum nx_err store_postgres_message_take(struct store_postgres_rows *rows,
                                                    const struct ctl_question *question,
                                                    struct ctl_answer *answer);

#endif
