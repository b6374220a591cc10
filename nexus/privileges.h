/* privileges.h - who started as root becomes somebody who may do less, before anything from outside is read.
 *
 * Spec:    docs/decisions/0004-privileges.md
 * Layer:   nexus
 * Threads: before start
 * Idiom:   bind what only root may, nexus_privileges_drop(), then start the rest. Errors are printed here.
 */
#ifndef NEXUS_PRIVILEGES_H
#define NEXUS_PRIVILEGES_H

#include "nexus/options.h"

/**
 * As root: becomes the account of the setting server.user, by default "nexus" when there is one, for good; the data
 * directory and what Nexus keeps in it are handed over first. "root" stays root. As anybody else: nothing, unless another
 * account is asked for. `is_first` prints that root is kept for want of an account.
 *
 * Returns 0; NEXUS_EXIT_CONFIG when there is no such account or it cannot be had; NEXUS_EXIT_UNAVAILABLE when it cannot use
 * the data directory.
 */
int nexus_privileges_drop(const struct nexus_options *options, bool is_first);

/**
 * As root: becomes the owner of the data directory, so that what is written there can be read by the server later. Returns 0;
 * NEXUS_EXIT_UNAVAILABLE when that cannot be had.
 */
int nexus_privileges_of_data(const struct nexus_options *options);

#endif
