/* postgres_invite.h - questions about invites, asked of PostgreSQL.
 *
 * Layer:   control/store
 * Threads: the connection's
 */
#ifndef STORE_POSTGRES_INVITE_H
#define STORE_POSTGRES_INVITE_H

#include "control/store/postgres_sql.h"

/** Sends any question about invites, see store_postgres_question_put(). */
NX_MUST_USE enum nx_err store_postgres_invite_put(PGconn *db, const struct ctl_question *question);

/** Reads the answer to any question about invites; returns its verdict. */
NX_MUST_USE enum nx_err store_postgres_invite_take(struct store_postgres_rows *rows,
                                                   const struct ctl_question *question,
                                                   struct ctl_answer *answer);

#endif
