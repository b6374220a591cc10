/* postgres_community.h - questions about guilds, roles, channels, overwrites, members and bans, asked of PostgreSQL.
 *
 * Layer:   control/store
 * Threads: the connection's
 */
#ifndef STORE_POSTGRES_COMMUNITY_H
#define STORE_POSTGRES_COMMUNITY_H

#include "control/store/postgres_question.h"

/** Sends any question about guilds, roles, channels, overwrites, members and bans, see store_postgres_question_put(). */
NX_MUST_USE enum nx_err store_postgres_community_put(struct store_postgres_context *context, PGconn *db,
                                                     const struct ctl_question *question);

/** Reads the answer to any question about guilds, roles, channels, overwrites, members and bans; returns its verdict. */
NX_MUST_USE enum nx_err store_postgres_community_take(struct store_postgres_context *context,
                                                      struct store_postgres_rows *rows,
                                                      const struct ctl_question *question,
                                                      struct ctl_answer *answer);

#endif
