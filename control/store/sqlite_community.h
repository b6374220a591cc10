/* sqlite_community.h - questions about guilds, roles, channels, overwrites, members and bans, answered by SQLite.
 *
 * Layer:   control/store
 * Threads: the connection's
 */
#ifndef STORE_SQLITE_COMMUNITY_H
#define STORE_SQLITE_COMMUNITY_H

#include "control/store/sqlite_sql.h"

/** Answers any question about guilds, roles, channels, overwrites, members and bans; see question.h for verdicts. */
NX_MUST_USE enum nx_err store_sqlite_community(struct store_sqlite_connection *c,
                                               const struct ctl_question *question,
                                               struct ctl_answer *answer);

/**
 * Adds a member with its roles. Returns NX_OK; NX_E_NOT_FOUND without such a guild, user or role; NX_E_CONFLICT when
 * already a member; NX_E_AUTH when banned.
 */
NX_MUST_USE enum nx_err store_sqlite_community_join(struct store_sqlite_connection *c,
                                                    const struct ctl_member_row *member);

#endif
