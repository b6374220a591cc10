/* logger.h - prints what the shards wrote into their log rings, from a thread of its own.
 *
 * Layer:   engine/io (records and format: engine/base/log.h)
 * Threads: open, add, remove, flush and close from any; a slow descriptor holds up only the logger's thread, and the rings
 *          count what they lose meanwhile
 * Limits:  NX_LOGGER_LOGS_MAX logs; a record is printed at most NX_LOGGER_DELAY_MS after it was written
 */
#ifndef NX_IO_LOGGER_H
#define NX_IO_LOGGER_H

#include "engine/base/err.h"
#include "engine/base/log.h"

enum { NX_LOGGER_DELAY_MS = 100 };

struct nx_logger;

/** Starts the thread; lines go to `fd` (borrowed until close). Returns NX_OK; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err nx_logger_open(struct nx_logger **out, int fd);

/** Drains `log` from now on; it must live until it is removed. Returns NX_OK; NX_E_FULL past NX_LOGGER_LOGS_MAX. */
NX_MUST_USE enum nx_err nx_logger_add(struct nx_logger *logger, struct nx_log *log);

/** Prints what `log` still holds and forgets it. */
void nx_logger_remove(struct nx_logger *logger, struct nx_log *log);

/** Prints everything written so far before it returns. */
void nx_logger_flush(struct nx_logger *logger);

/** Prints the rest and ends the thread. */
void nx_logger_close(struct nx_logger *logger);

#endif
