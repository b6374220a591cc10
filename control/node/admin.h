/* admin.h - runs the commands of nexus admin inside the daemon that owns the store.
 *
 * Layer:   control/node
 * Threads: the loop's
 * Limits:  one command at a time per connection
 * Idiom:   whoever can open the bus socket is the operator: its directory is private. Commands take the same path as REST:
 *          question, commit, ctl_apply_*, so a running server and its clients see the change at once.
 */
#ifndef CTLD_NODE_ADMIN_H
#define CTLD_NODE_ADMIN_H

#include "control/node/state.h"

/** A connection said it is an administrator's: conn->admin is made, or the connection closed. */
void ctld_admin_open(struct ctld_conn *conn);

/** A command line: `arguments`, each ended by a NUL byte. Ignored while another runs. */
void ctld_admin_request(struct ctld_admin *admin, struct nx_bytes arguments);

/** There is room for more output again. */
void ctld_admin_room(struct ctld_admin *admin);

/** The connection is gone; what runs ends quietly. */
void ctld_admin_gone(struct ctld_admin *admin);

/** Frees commands that were cut off; when store and workers are closed. */
void ctld_admin_fini(struct ctld_node *node);

#endif
