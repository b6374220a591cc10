/* sqlite_account.h - questions about users and their login sessions, answered by SQLite.
 *
 * Layer:   control/store
 * Threads: the connection's
 * Idiom:   each function answers the question of its name inside a transaction and returns the verdict; question.h
 *          says what it means
 */
#ifndef STORE_SQLITE_ACCOUNT_H
#define STORE_SQLITE_ACCOUNT_H

#include "control/store/sqlite_sql.h"

/** Answers any question about users and logins; see question.h for verdicts. */
NX_MUST_USE enum nx_err store_sqlite_account(struct store_sqlite_connection *c,
                                             const struct ctl_question *question, struct ctl_answer *answer);

#endif
