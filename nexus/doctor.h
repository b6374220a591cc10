/* doctor.h - nexus doctor: can this machine run Nexus well? One PASS, WARN or FAIL line per question, with what to do.
 *
 * Layer:   nexus
 * Threads: the caller's
 */
#ifndef NEXUS_DOCTOR_H
#define NEXUS_DOCTOR_H

#include "nexus/options.h"

/** Runs every check. Returns 0 when none failed, 1 otherwise. */
int nexus_doctor_run(const struct nexus_options *options);

#endif
