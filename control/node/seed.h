/* seed.h - nexus admin seed: many users in many guilds for load tests, and a token for each.
 *
 * Layer:   control/node
 * Threads: the loop's
 * Limits:  SEED_WINDOW questions in flight; 10,000 users take a few seconds
 * Idiom:   users cannot log in (their password hash matches nothing); their tokens are of the load-test kind, valid for a
 *          day, and refused by a node that listens off loopback.
 */
#ifndef CTLD_NODE_SEED_H
#define CTLD_NODE_SEED_H

#include "control/node/admin_state.h"

/** The command: seed --users N --guilds G; prints one JSON line per user. */
enum ctld_admin_next ctld_seed_run(struct ctld_admin *admin);

/** Output has room again. */
void ctld_seed_go_on(struct ctld_admin *admin);

/** The administrator is gone: asks no more and frees `admin` when the last answer is there. */
void ctld_seed_stop(struct ctld_admin *admin);

#endif
