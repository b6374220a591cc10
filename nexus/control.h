/* control.h - nexus control: from options to a running control daemon.
 *
 * Layer:   nexus
 * Threads: the caller's
 */
#ifndef NEXUS_CONTROL_H
#define NEXUS_CONTROL_H

#include "control/node/config.h"
#include "nexus/options.h"

#define NEXUS_VERSION "0.1.0"

/** Fills `out`; `url` (`url_room` bytes) receives the store's URL that it borrows. Returns 0 or an exit code after a clear line. */
int nexus_control_config(const struct nexus_options *options, char *url, size_t url_room,
                         struct ctld_config *out);

/** Runs `nexus control`. Returns the exit code of the process. */
int nexus_control_run(const struct nexus_options *options);

#endif
