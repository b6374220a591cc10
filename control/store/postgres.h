/* postgres.h - the store in a PostgreSQL database: one writing session that owns it, a few that read.
 *
 * Layer:   control/store
 * Threads: the loop's only: libpq in pipeline mode, its descriptors watched by the loop
 * Limits:  control/store/limits.h
 * Idiom:   A batch of writing questions is one transaction, sent whole with its COMMIT; up to STORE_PG_BATCHES are under way,
 *          so that the server never waits for us, and they commit in the order sent. A question is one statement that refuses by
 *          a row, not by an error; should a statement fail all the same, its batch is rolled back and asked again one question
 *          at a time, so that only the failing one is refused. What was under way when the connection is lost may have been
 *          committed or not: it is answered NX_E_UNAVAILABLE, and asking again with the same nonce tells.
 *          With a loop it is a control: its session holds an advisory lock. Without a loop it is a tool beside a control.
 */
#ifndef STORE_POSTGRES_H
#define STORE_POSTGRES_H

#include "control/store/backend.h"
#include "control/store/migrate.h"

/** "postgresql://...", what libpq takes. */
extern const struct store_backend store_postgres_backend;

/** "postgres://...", the same under its other name. */
extern const struct store_backend store_postgres_backend_short;

/** As store_open() with other migrations than this program's, for tests of migration. */
NX_MUST_USE enum nx_err store_postgres_open_with(struct store **out, const struct store_config *config,
                                                 const struct store_migration *migrations, size_t count,
                                                 char why[STORE_WHY_SIZE]);

/** Runs SQL on a connection of its own, for tests and repair. Returns NX_OK; NX_E_IO. */
NX_MUST_USE enum nx_err store_postgres_exec(struct store *store, const char *sql);

#endif
