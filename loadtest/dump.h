/* dump.h - what is stored in the channels of a seed, read over REST and written as a history file.
 *
 * Spec:    docs/histories.md
 * Layer:   loadtest
 * Threads: the loop's own
 * Limits:  none of its own
 */
#ifndef LOAD_DUMP_H
#define LOAD_DUMP_H

#include "loadtest/options.h"

/** Runs `nexus load dump`. Returns the exit code: 0 when every channel was read to its end. */
int load_dump_go(const struct load_options *options);

#endif
