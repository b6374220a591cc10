/* ws.h - `nexus load ws`: identified sessions of a whole server, publishers among them, every delivery checked.
 *
 * Layer:   loadtest
 * Threads: the loop's own
 * Limits:  LOAD_SESSIONS_MAX sessions, LOAD_STREAMS_MAX publishers
 */
#ifndef LOAD_WS_H
#define LOAD_WS_H

#include "loadtest/options.h"

/** Runs it. Returns the exit code. */
int load_ws_go(const struct load_options *options);

#endif
