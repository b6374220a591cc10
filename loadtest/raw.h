/* raw.h - `nexus load raw`: clients of a WebSocket server that repeats to a room what one of its members says.
 *
 * Layer:   loadtest
 * Threads: the loop's own
 * Limits:  LOAD_SESSIONS_MAX clients
 */
#ifndef LOAD_RAW_H
#define LOAD_RAW_H

#include "loadtest/options.h"

/** Runs it. Returns the exit code. */
int load_raw_go(const struct load_options *options);

#endif
