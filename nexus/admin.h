/* admin.h - nexus admin: sends a command to the running control, or runs it in a control of its own when none runs.
 *
 * Layer:   nexus
 * Threads: the caller's
 */
#ifndef NEXUS_ADMIN_H
#define NEXUS_ADMIN_H

/** Runs `nexus admin` with the arguments after the word admin. Returns the exit code of the process. */
int nexus_admin_run(int count, char **arguments);

#endif
