/* memory_account.h - questions about users and their login sessions, answered in RAM.
 *
 * Layer:   control/store
 * Threads: the loop's
 */
#ifndef STORE_MEMORY_ACCOUNT_H
#define STORE_MEMORY_ACCOUNT_H

#include "control/store/memory_data.h"

/** Answers any question about users and their login sessions; see question.h for verdicts. */
NX_MUST_USE enum nx_err store_memory_account(struct store_memory_data *data,
                                             const struct ctl_question *question, struct ctl_answer *answer);

#endif
