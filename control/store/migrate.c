#include "control/store/migrate.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

static enum nx_err failed(sqlite3 *db, const char *what, char why[STORE_WHY_SIZE])
{
    snprintf(why, STORE_WHY_SIZE, "%s: %s", what, sqlite3_errmsg(db));
    return NX_E_IO;
}

/** Compares what the database remembers with `list`; writes how many steps it has seen. */
static enum nx_err seen(sqlite3 *db, const struct store_migration *list, size_t count, size_t *out,
                        char why[STORE_WHY_SIZE])
{
    sqlite3_stmt *rows = NULL;
    if (sqlite3_prepare_v2(db, "SELECT version, name, checksum FROM schema_migrations ORDER BY version", -1,
                           &rows, NULL) != SQLITE_OK) {
        return failed(db, "cannot read the schema's version", why);
    }
    enum nx_err err = NX_OK;
    size_t version = 0;
    int step;
    while (err == NX_OK && (step = sqlite3_step(rows)) == SQLITE_ROW) {
        version++;
        const char *checksum = (const char *)sqlite3_column_text(rows, 2);
        if (sqlite3_column_int64(rows, 0) != (sqlite3_int64)version) {
            snprintf(why, STORE_WHY_SIZE, "the database lacks schema version %zu but has a later one",
                     version);
            err = NX_E_MALFORMED;
        } else if (version > count) {
            snprintf(why, STORE_WHY_SIZE,
                     "the database has schema version %zu or later, this program knows up to %zu: start a "
                     "newer one",
                     version, count);
            err = NX_E_MALFORMED;
        } else if (checksum == NULL || strcmp(checksum, list[version - 1].checksum) != 0) {
            snprintf(why, STORE_WHY_SIZE,
                     "schema version %zu of the database is not this program's %s (checksums differ)",
                     version, list[version - 1].name);
            err = NX_E_MALFORMED;
        }
    }
    if (err == NX_OK && step != SQLITE_DONE) {
        err = failed(db, "cannot read the schema's version", why);
    }
    sqlite3_finalize(rows);
    if (err == NX_OK) {
        *out = version;
    }
    return err;
}

static enum nx_err record(sqlite3 *db, size_t version, const struct store_migration *step, int64_t now_ms,
                          char why[STORE_WHY_SIZE])
{
    sqlite3_stmt *row = NULL;
    enum nx_err err = NX_OK;
    if (sqlite3_prepare_v2(db, "INSERT INTO schema_migrations VALUES (?, ?, ?, ?)", -1, &row, NULL) !=
            SQLITE_OK ||
        sqlite3_bind_int64(row, 1, (sqlite3_int64)version) != SQLITE_OK ||
        sqlite3_bind_text(row, 2, step->name, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_text(row, 3, step->checksum, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_int64(row, 4, now_ms) != SQLITE_OK || sqlite3_step(row) != SQLITE_DONE) {
        err = failed(db, "cannot record a schema version", why);
    }
    sqlite3_finalize(row);
    return err;
}

/** Runs inside a transaction: applies the first step that is missing, if any. */
static enum nx_err apply_next(sqlite3 *db, const struct store_migration *list, size_t count, int64_t now_ms,
                              bool *is_done, char why[STORE_WHY_SIZE])
{
    if (sqlite3_exec(
            db,
            "CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL,"
            " checksum TEXT NOT NULL, applied_ms INTEGER NOT NULL) STRICT",
            NULL, NULL, NULL) != SQLITE_OK) {
        return failed(db, "cannot create the schema", why);
    }
    size_t version = 0;
    enum nx_err err = seen(db, list, count, &version, why);
    if (err != NX_OK) {
        return err;
    }
    *is_done = version == count;
    if (*is_done) {
        return NX_OK;
    }
    for (size_t i = 0; i < STORE_MIGRATION_PARTS_MAX && list[version].parts[i] != NULL; i++) {
        if (sqlite3_exec(db, list[version].parts[i], NULL, NULL, NULL) != SQLITE_OK) {
            return failed(db, list[version].name, why);
        }
    }
    return record(db, version + 1, &list[version], now_ms, why);
}

enum nx_err store_migrate(sqlite3 *db, const struct store_migration *list, size_t count, int64_t now_ms,
                          char why[STORE_WHY_SIZE])
{
    /* The version is read again inside each transaction: another program may be migrating at the same time. */
    for (bool is_done = false; !is_done;) {
        if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) {
            return failed(db, "cannot write to the database", why);
        }
        enum nx_err err = apply_next(db, list, count, now_ms, &is_done, why);
        if (err == NX_OK && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
            err = failed(db, "cannot commit the schema", why);
        }
        if (err != NX_OK) {
            sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
            return err;
        }
    }
    return NX_OK;
}
