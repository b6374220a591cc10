/* doubt.h - messages whose commit ended in an error: whether they were written is asked, and what was written is told.
 *
 * Spec:    architecture.md section 4: commit, then acknowledge, then fan out
 * Layer:   control/core (pure)
 * Threads: the loop's
 * Limits:  CTL_DOUBTS_MAX channels at a time; beyond them a channel's next message shows its gap. CTL_DOUBT_ROWS messages
 *          per question
 * Idiom:   who gets NX_E_UNAVAILABLE for a MESSAGE_CREATE calls ctl_doubt_note(). The store is asked what follows the last
 *          message of the channel that was told: that is told now, whoever wrote it is acknowledged, and the others may try
 *          again. A store that does not answer is asked again by ctl_doubt_tick(). An answer may also come too early, for a
 *          connection to a database can break before its commit is done: so it is asked a few times.
 */
#ifndef CTL_CORE_DOUBT_H
#define CTL_CORE_DOUBT_H

#include "control/core/world.h"

struct ctl_gateway;

/** A channel in doubt. */
struct ctl_doubt {
    uint64_t channel_id;
    uint64_t after_seq;     /**< told or looked at up to here */
    struct ctl_op *waiting; /**< sends that want to know, oldest first, by op->next */
    nx_time due;            /**< of the next question, while none is on its way */
    uint32_t round;         /**< number of the question on its way, or of the last one */
    uint32_t rounds_left;   /**< further questions that find nothing before the doubt is over */
    bool is_asked;
};

/** A message for `channel_id` may have been written or not: asks. Without memory nothing happens. */
void ctl_doubt_note(struct ctl_world *world, uint64_t channel_id, int64_t wall_ms);

/** As above, for a send of the gateway that waits for the answer. Returns whether it does: then
 *  ctl_gateway_message_resolved() comes, exactly once. */
bool ctl_doubt_wait(struct ctl_world *world, struct ctl_op *send, int64_t wall_ms);

/** The answer to a question; the op is the caller's to free. */
void ctl_doubt_answered(struct ctl_gateway *gateway, struct ctl_op *op, const struct ctl_answer *answer,
                        int64_t wall_ms, nx_time now);

/** Asks again where that is due. */
void ctl_doubt_tick(struct ctl_world *world, int64_t wall_ms, nx_time now);

/** Gives the memory back; nobody waits any more. */
void ctl_doubt_fini(struct ctl_world *world);

#endif
