/* fanout.h - `nexus load fanout`: the stand-in for control and the sessions in one process, gatewayd between them.
 *
 * Layer:   loadtest
 * Threads: the loop's own
 * Limits:  LOAD_SESSIONS_MAX sessions
 */
#ifndef LOAD_FANOUT_H
#define LOAD_FANOUT_H

#include "loadtest/options.h"

/** Runs it. Returns the exit code. */
int load_fanout_go(const struct load_options *options);

#endif
