/* sqlite_file.h - the files of a SQLite store: who may hold them, how they begin, how they are copied.
 *
 * Layer:   control/store
 * Threads: the opener's
 */
#ifndef STORE_SQLITE_FILE_H
#define STORE_SQLITE_FILE_H

#include "control/store/sqlite_sql.h"
#include "control/store/store.h"

/**
 * Takes DATABASE.lock, which the kernel gives back however this process ends; *out is closed to give it back.
 * Returns NX_OK; NX_E_IN_USE when another control has it; NX_E_IO when it cannot be created.
 */
NX_MUST_USE enum nx_err store_sqlite_file_lock(const char *database, int *out, char why[STORE_WHY_SIZE]);

/** Creates an empty database file that only its owner may read, unless there is one. Returns NX_OK; NX_E_IO. */
NX_MUST_USE enum nx_err store_sqlite_file_create(const char *database, char why[STORE_WHY_SIZE]);

/**
 * Reads where the last writer stopped and prepares `c` to mint for `node`; a control takes the next owner epoch.
 * Returns NX_OK; NX_E_IO.
 */
NX_MUST_USE enum nx_err store_sqlite_file_begin(struct store_sqlite_connection *c, uint16_t node,
                                                bool is_control, char why[STORE_WHY_SIZE]);

/**
 * Copies the database to `path` while others use it, by way of `path`.part; what was at `path` is replaced by the whole
 * copy or stays. NX_OK means that the copy survives a power cut. Returns NX_OK; NX_E_IO.
 */
NX_MUST_USE enum nx_err store_sqlite_file_backup(const char *database, const char *path);

#endif
