/* postgres_setup.h - what a tool or control does with PostgreSQL before and beside its questions, waiting for each answer.
 *
 * Layer:   control/store
 * Threads: the opener's
 * Limits:  5 s to connect, STORE_PG_START_S until a starting server must be there
 * Idiom:   A control owns the database while its writer's session holds an advisory lock: PostgreSQL gives it back however the
 *          session ends. Each opening of a control takes the next owner epoch.
 */
#ifndef STORE_POSTGRES_SETUP_H
#define STORE_POSTGRES_SETUP_H

#include "control/store/migrate.h"
#include "control/store/postgres_question.h"

/** Settings of every connection: plans that never read a whole table, commits that wait for the disk. */
extern const char store_postgres_setup_session[];

/** Asks for the lock of the owner: one boolean, in text. */
extern const char store_postgres_setup_lock[];

/** The steps of this program for PostgreSQL, in order; as many and of the same names as store_migrations. */
extern const struct store_migration store_postgres_migrations[];

/** Number of steps in store_postgres_migrations. */
extern const size_t store_postgres_migrations_count;

/**
 * Fills the keywords and values of PQconnectStartParams() for `url`; `host_address` overrides a name that was looked up
 * before, NULL for none. Both arrays have room for 16.
 */
void store_postgres_setup_parameters(const char *url, const char *host_address, const char **keywords,
                                     const char **values);

/** Connects and waits. Returns NX_OK; NX_E_MALFORMED for a bad url or a database that is not UTF-8; NX_E_IO. */
NX_MUST_USE enum nx_err store_postgres_setup_connect(PGconn **out, const char *url, char why[STORE_WHY_SIZE]);

/**
 * As store_postgres_setup_connect(), but a server that does not answer or is starting is tried again for STORE_PG_START_S, with a
 * line on standard error; SIGTERM or SIGINT end the wait when they are blocked.
 */
NX_MUST_USE enum nx_err store_postgres_setup_connect_waiting(PGconn **out, const char *url,
                                                             char why[STORE_WHY_SIZE]);

/** Writes what went wrong on `db` as one line. Returns NX_E_IO. */
enum nx_err store_postgres_setup_failed(PGconn *db, const char *what, char why[STORE_WHY_SIZE]);

/** Runs statements without values. Returns NX_OK; NX_E_IO. */
NX_MUST_USE enum nx_err store_postgres_setup_exec(PGconn *db, const char *sql, char why[STORE_WHY_SIZE]);

/** Takes the database for this session. Returns NX_OK; NX_E_IN_USE when another control has it; NX_E_IO. */
NX_MUST_USE enum nx_err store_postgres_setup_own(PGconn *db, char why[STORE_WHY_SIZE]);

/** As store_migrate(), for PostgreSQL; several at once take turns. */
NX_MUST_USE enum nx_err store_postgres_setup_migrate(PGconn *db, const struct store_migration *list,
                                                     size_t count, int64_t now_ms, char why[STORE_WHY_SIZE]);

/** Reads where the last writer stopped and prepares to mint for `node`; a control takes the next epoch. Returns NX_OK; NX_E_IO. */
NX_MUST_USE enum nx_err store_postgres_setup_begin(PGconn *db, struct store_postgres_context *context,
                                                   uint16_t node, bool is_control, char why[STORE_WHY_SIZE]);

/** Enters the pipeline and prepares every statement. Returns NX_OK; NX_E_IO. */
NX_MUST_USE enum nx_err store_postgres_setup_prepare(PGconn *db, char why[STORE_WHY_SIZE]);

/** Gives all rows to `loader`, from one snapshot. Returns NX_OK; NX_E_IO when the database cannot be read. */
NX_MUST_USE enum nx_err store_postgres_setup_load(PGconn *db, const struct store_loader *loader);

#endif
