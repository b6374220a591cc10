/* copy_end.h - one end of a copy, SQLite or PostgreSQL: rows of a table out in the order of its key, or in.
 *
 * Layer:   control/store
 * Threads: the caller's
 */
#ifndef STORE_COPY_END_H
#define STORE_COPY_END_H

#include "control/store/copy.h"
#include "control/store/postgres_setup.h"
#include "control/store/sqlite_sql.h"

enum { STORE_COPY_COLUMNS_MAX = 14 };

/** A table as both stores have it. */
struct store_copy_table {
    const char *name;
    const char *columns; /**< as in SQL */
    const char *types;   /**< i integer, t text, b bytes: one for each column */
    const char *key;     /**< as in ORDER BY */
};

/** One value of a row. */
struct store_copy_value {
    int64_t integer;
    struct nx_bytes bytes; /**< borrowed until the next row */
};

/** One end. */
struct store_copy_end {
    PGconn *db; /**< owned; NULL: SQLite */
    struct store_sqlite_connection lite;
    sqlite3_stmt *rows;
    PGresult *row;
    const struct store_copy_table *table;
    int lock_fd;  /**< -1 without */
    uint8_t *out; /**< owned: a row on its way to PostgreSQL */
    size_t out_room;
};

/** All tables but meta, each after those it refers to. */
extern const struct store_copy_table store_copy_end_tables[STORE_COPY_TABLES - 1];

/** Starts reading `table`. Returns NX_OK; NX_E_IO. */
NX_MUST_USE enum nx_err store_copy_end_read(struct store_copy_end *end, const struct store_copy_table *table,
                                            char why[STORE_WHY_SIZE]);

/** Reads the next row. Returns NX_OK; NX_E_NOT_FOUND after the last; NX_E_IO. */
NX_MUST_USE enum nx_err store_copy_end_next(struct store_copy_end *end,
                                            struct store_copy_value values[STORE_COPY_COLUMNS_MAX],
                                            char why[STORE_WHY_SIZE]);

/** Starts writing `table`. Returns NX_OK; NX_E_IO. */
NX_MUST_USE enum nx_err store_copy_end_write(struct store_copy_end *end, const struct store_copy_table *table,
                                             char why[STORE_WHY_SIZE]);

/** Writes a row. Returns NX_OK; NX_E_MALFORMED when a text cannot be stored there; NX_E_IO. */
NX_MUST_USE enum nx_err store_copy_end_put(struct store_copy_end *end, const struct store_copy_value *values,
                                           char why[STORE_WHY_SIZE]);

/** Ends reading or writing a table. Returns NX_OK; NX_E_IO when not all was written. */
NX_MUST_USE enum nx_err store_copy_end_finish(struct store_copy_end *end, char why[STORE_WHY_SIZE]);

/** Runs SQL. Returns NX_OK; NX_E_IO. */
NX_MUST_USE enum nx_err store_copy_end_exec(struct store_copy_end *end, const char *sql,
                                            char why[STORE_WHY_SIZE]);

/** Closes; fine on a zeroed end whose lock_fd is -1. */
void store_copy_end_close(struct store_copy_end *end);

#endif
