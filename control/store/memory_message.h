/* memory_message.h - questions about messages and read states, answered in RAM.
 *
 * Layer:   control/store
 * Threads: the loop's
 */
#ifndef STORE_MEMORY_MESSAGE_H
#define STORE_MEMORY_MESSAGE_H

#include "control/store/memory_data.h"

/** Answers any question about messages and read states; see question.h for verdicts. */
NX_MUST_USE enum nx_err store_memory_message(struct store_memory_data *data,
                                             const struct ctl_question *question, struct ctl_answer *answer);

#endif
