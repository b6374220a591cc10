/* move.h - the administrator's moves of a whole community: to another database, or back from a backup.
 *
 * Layer:   control/node
 * Threads: the caller's; no server may run on either database
 */
#ifndef CTLD_NODE_MOVE_H
#define CTLD_NODE_MOVE_H

#include "engine/base/err.h"

/**
 * Copies the database at url `from` into the empty one at url `to`, prints a line for each table, and says what to do next.
 * Returns the exit code of the process, after a clear line on an error.
 */
int ctld_move_run(const char *from, const char *to);

/** Puts the backup file at `path` into the empty database at url `to`; the file is left as it is. Returns an exit code. */
int ctld_move_restore(const char *path, const char *to);

#endif
