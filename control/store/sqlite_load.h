/* sqlite_load.h - reads at start what control keeps in memory.
 *
 * Layer:   control/store
 * Threads: the opener's
 */
#ifndef STORE_SQLITE_LOAD_H
#define STORE_SQLITE_LOAD_H

#include "control/store/sqlite_sql.h"
#include "control/store/store.h"

/** Gives all rows to `loader`, from one snapshot. Returns NX_OK; NX_E_IO when the database cannot be read. */
NX_MUST_USE enum nx_err store_sqlite_load(struct store_sqlite_connection *c,
                                          const struct store_loader *loader);

#endif
