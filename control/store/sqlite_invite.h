/* sqlite_invite.h - questions about invites, answered by SQLite.
 *
 * Layer:   control/store
 * Threads: the connection's
 */
#ifndef STORE_SQLITE_INVITE_H
#define STORE_SQLITE_INVITE_H

#include "control/store/sqlite_sql.h"

/** Answers any question about invites; see question.h for verdicts. */
NX_MUST_USE enum nx_err store_sqlite_invite(struct store_sqlite_connection *c,
                                            const struct ctl_question *question, struct ctl_answer *answer);

#endif
