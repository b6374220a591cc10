/* catchup.h - how much of its channel one client has, and what it must fetch after NEXUS_RESYNC.
 *
 * Spec:    docs/protocol/gateway.md, "Resume"
 * Layer:   loadtest
 * Threads: any; values
 * Limits:  one channel
 * Idiom:   only NEXUS_RESYNC makes it fetch, never a gap that it sees by itself: a gap that the server does not announce is
 *          a fault, and healing it would hide it from the history's checker.
 */
#ifndef LOAD_CATCHUP_H
#define LOAD_CATCHUP_H

#include <stdbool.h>
#include <stdint.h>

/** What a client has; all zero is nothing known. */
struct load_catchup {
    uint32_t have;   /**< everything up to it */
    uint32_t seen;   /**< the highest heard live */
    uint32_t wanted; /**< what is being fetched ends here */
    bool is_based;   /**< `have` means something */
    bool is_fetching;
};

/** The channel stood at `seq` when the client came: what is older is not its concern. Counts only once. */
void load_catchup_base(struct load_catchup *catchup, uint32_t seq);

/** A message was heard live. */
void load_catchup_live(struct load_catchup *catchup, uint32_t seq);

/**
 * The server says that the channel stands at `last_seq` and that everything after it will be heard live. Returns whether a
 * fetch after `have` must begin; while one runs it only goes further.
 */
bool load_catchup_resync(struct load_catchup *catchup, uint32_t last_seq);

/** The fetch has reached `wanted`. */
void load_catchup_done(struct load_catchup *catchup);

#endif
