/* migrate.h - brings the schema of a SQLite database to this program's version: forward only, checked, step by step.
 *
 * Layer:   control/store
 * Threads: the opener's
 * Limits:  versions 1..n without gaps; a released step never changes, which its checksum proves
 * Idiom:   each step is one transaction that also records version, name, checksum and time in schema_migrations, so
 *          that a crash leaves the version before or the version after
 */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H

#include "control/store/store.h"

struct sqlite3;

enum { STORE_MIGRATION_PARTS_MAX = 4 };

/** One step; its version is its place in the list, from 1. */
struct store_migration {
    const char *name;                             /**< such as "0001_init" */
    const char *parts[STORE_MIGRATION_PARTS_MAX]; /**< statements, in order; NULL after the last */
    const char *checksum; /**< SHA-256 of all parts, 64 lower-case hexadecimal digits */
};

/** The steps of this program, in order. */
extern const struct store_migration store_migrations[];

/** Number of steps in store_migrations. */
extern const size_t store_migrations_count;

/**
 * Applies the steps of `list` that `db` has not seen. `now_ms` is recorded with each. `why` receives one clear line on
 * failure. Returns NX_OK; NX_E_MALFORMED when the database is of a newer version or was made by other steps than
 * these; NX_E_IO when it cannot be read or written.
 */
NX_MUST_USE enum nx_err store_migrate(struct sqlite3 *db, const struct store_migration *list, size_t count,
                                      int64_t now_ms, char why[STORE_WHY_SIZE]);

#endif
