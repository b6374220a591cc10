/* gateway_parts.h - what the files of the gateway's half of control need of each other.
 *
 * Layer:   control/core (pure); for gateway*.c only
 * Threads: the loop's
 */
#ifndef CTL_CORE_GATEWAY_PARTS_H
#define CTL_CORE_GATEWAY_PARTS_H

#include "control/core/gateway.h"
#include "engine/wire/json_out.h"

/** Takes an op with `room` bytes of arena from the world's memory; NULL when there is none. */
struct ctl_op *ctl_gateway_op_take(struct ctl_gateway *gateway, enum ctl_op_kind kind, uint32_t link,
                                   size_t room);

/** Hands op->question, its own fields filled, to the store. */
void ctl_gateway_op_ask(struct ctl_gateway *gateway, struct ctl_op *op, enum ctl_question_kind kind,
                        int64_t wall_ms);

/** Ends a tail and sends it to one session, as the answer to its send `number` (0: no answer); nothing when it did not fit. */
void ctl_gateway_tell(struct ctl_gateway *gateway, uint32_t link, uint64_t session, uint64_t number,
                      struct nx_writer *w, struct nx_json_out *out);

/** The answer to a message that a session sent: acknowledge, then tell the channel. Returns whether the op is over; if not,
 *  ctl_gateway_message_resolved() comes. */
bool ctl_gateway_message_answered(struct ctl_gateway *gateway, struct ctl_op *op,
                                  const struct ctl_answer *answer, int64_t wall_ms);

/** What became of a send whose commit ended in an error: `row`, or NULL when nothing was found. Frees the op. */
void ctl_gateway_message_resolved(struct ctl_gateway *gateway, struct ctl_op *op,
                                  const struct ctl_message_row *row);

/** Refuses what the store has not answered for CTL_SEND_MS. */
void ctl_gateway_message_tick(struct ctl_gateway *gateway, nx_time now);

/** Gives an op back. */
void ctl_gateway_op_give(struct ctl_gateway *gateway, struct ctl_op *op);

#endif
