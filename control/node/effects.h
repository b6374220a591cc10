/* effects.h - carries out what the rules decide: bus messages to the shards, questions to the store.
 *
 * Layer:   control/node
 * Threads: the loop's
 * Idiom:   a shard whose link takes no more is reset, never skipped: it comes back and is told everything anew, so that no
 *          event is lost without anybody knowing.
 */
#ifndef CTLD_NODE_EFFECTS_H
#define CTLD_NODE_EFFECTS_H

#include "control/node/state.h"

/** Returns the sink of `node`. */
struct ctl_sink ctld_effects_sink(struct ctld_node *node);

/** A link has room again, or is gone: session opens that were held back for it go on. */
void ctld_effects_room(struct ctld_node *node);

/** Frees the operations kept for reuse. */
void ctld_effects_fini(struct ctld_node *node);

#endif
