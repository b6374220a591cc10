/* supervisor.h - nexus serve: holds the listening sockets, starts gatewayd and control, restarts whichever ends.
 *
 * Layer:   nexus
 * Threads: one; it only waits for signals and children
 * Limits:  a child that ends within 10 s of its start is restarted after 0.1 s, doubling up to 5 s
 * Idiom:   sockets live here, so a restart of a child refuses nobody: connections wait in the kernel's backlog.
 */
#ifndef NEXUS_SUPERVISOR_H
#define NEXUS_SUPERVISOR_H

#include "nexus/options.h"

/**
 * Makes the data directory and nexus.toml when they are missing, binds, starts the children with `arguments` (those of
 * serve) and runs until SIGTERM or SIGINT; then gatewayd drains first, control ends last.
 * Returns the exit code of the process.
 */
int nexus_supervisor_run(const struct nexus_options *options, int count, char **arguments);

#endif
