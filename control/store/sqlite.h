/* sqlite.h - the store on one machine's disk: SQLite in WAL mode, one writer, a few readers.
 *
 * Layer:   control/store
 * Threads: as store.h; one writer thread, STORE_READERS reader threads and one for checkpoints, all of engine/io/worker
 * Limits:  control/store/limits.h
 * Idiom:   With a loop it is a control: it takes PATH.lock, so that a second one refuses, and the next owner epoch.
 *          Without a loop it is a tool beside a control: no lock, no epoch, no threads, only store_ask_now(); it must
 *          be given another node number than the control's.
 */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include "control/store/backend.h"
#include "control/store/migrate.h"

/** "sqlite:PATH". */
extern const struct store_backend store_sqlite_backend;

/** As store_open() with other migrations than this program's, for tests of migration. */
NX_MUST_USE enum nx_err store_sqlite_open_with(struct store **out, const struct store_config *config,
                                               const struct store_migration *migrations, size_t count,
                                               char why[STORE_WHY_SIZE]);

/** Runs SQL on the writer's connection while nothing is under way, for tests and repair. Returns NX_OK; NX_E_IO. */
NX_MUST_USE enum nx_err store_sqlite_exec(struct store *store, const char *sql);

#endif
