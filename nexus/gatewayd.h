/* gatewayd.h - nexus gatewayd: from options to a running gateway.
 *
 * Layer:   nexus
 * Threads: the caller's
 */
#ifndef NEXUS_GATEWAYD_H
#define NEXUS_GATEWAYD_H

#include "nexus/options.h"

/** Runs `nexus gatewayd`, or its echo mode. Returns the exit code of the process. */
int nexus_gatewayd_run(const struct nexus_options *options);

#endif
