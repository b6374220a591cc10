/* memory_invite.h - questions about invites, answered in RAM.
 *
 * Layer:   control/store
 * Threads: the loop's
 */
#ifndef STORE_MEMORY_INVITE_H
#define STORE_MEMORY_INVITE_H

#include "control/store/memory_data.h"

/** Answers any question about invites; see question.h for verdicts. */
NX_MUST_USE enum nx_err store_memory_invite(struct store_memory_data *data,
                                            const struct ctl_question *question, struct ctl_answer *answer);

#endif
