#include "control/core/gateway.h"

#include "control/core/apply.h"
#include "control/core/doubt.h"
#include "control/core/event.h"
#include "control/core/gateway_parts.h"
#include "control/core/message.h"
#include "engine/base/assert.h"
#include "engine/base/text.h"

enum { SEND_ARENA = CTL_CONTENT_MAX * 4 + 1024 }; /* room for the first message of a repeated nonce */

static void send_refused(struct ctl_gateway *gateway, uint32_t link, uint64_t session, uint64_t number,
                         struct nx_bytes nonce, enum ctl_code code, int64_t retry_ms)
{
    struct nx_writer w = ctl_event_scratch(gateway->world);
    struct nx_json_out out = ctl_event_begin(&w, "NEXUS_MESSAGE_REFUSED");
    gateway->refused_sends++;
    nx_json_out_object(&out);
    nx_json_out_key(&out, "nonce");
    nx_json_out_string(&out, nonce);
    nx_json_out_key(&out, "code");
    nx_json_out_u64(&out, code);
    nx_json_out_key(&out, "message");
    nx_json_out_text(&out, ctl_message_code_text(code));
    if (retry_ms != 0) {
        nx_json_out_key(&out, "retry_after");
        nx_json_out_milli(&out, retry_ms);
    }
    nx_json_out_object_end(&out);
    ctl_gateway_tell(gateway, link, session, number, &w, &out);
}

static void send_acked(struct ctl_gateway *gateway, const struct ctl_op *op, uint64_t id, uint64_t seq)
{
    struct nx_writer w = ctl_event_scratch(gateway->world);
    struct nx_json_out out = ctl_event_begin(&w, "NEXUS_MESSAGE_ACK");
    nx_json_out_object(&out);
    nx_json_out_key(&out, "nonce");
    nx_json_out_string(&out, op->question.message_create.nonce);
    nx_json_out_key(&out, "channel_id");
    nx_json_out_id(&out, op->question.message_create.channel_id);
    nx_json_out_key(&out, "id");
    nx_json_out_id(&out, id);
    nx_json_out_key(&out, "seq");
    nx_json_out_u64(&out, seq);
    nx_json_out_object_end(&out);
    ctl_gateway_tell(gateway, op->link, op->session, op->number, &w, &out);
}

void ctl_gateway_message_send(struct ctl_gateway *gateway, uint32_t link,
                              const struct nx_bus_message_send *message, int64_t wall_ms, nx_time now)
{
    struct ctl_world *world = gateway->world;
    const struct ctl_session *session = ctl_session_registry_find(world->sessions, link, message->session);
    if (session == NULL) {
        return;
    }
    const bool has_nonce =
        message->nonce.size <= CTL_NONCE_MAX && nx_text_is_utf8(message->nonce) &&
        (message->nonce.size == 0 || memchr(message->nonce.at, 0, message->nonce.size) == NULL);
    if (!has_nonce) {
        send_refused(gateway, link, message->session, message->number, nx_bytes_of(NULL, 0),
                     CTL_CODE_INVALID_FORM, 0);
        return;
    }
    struct ctl_op *op = NULL;
    struct ctl_channel *channel;
    int64_t retry_ms = 0;
    enum ctl_code code = gateway->sends >= CTL_SENDS_MAX ? CTL_CODE_OVERLOADED : CTL_CODE_OK;
    if (code == CTL_CODE_OK) {
        code = ctl_message_may_post(world, session->user->id, message->channel_id, message->content, wall_ms,
                                    now, &channel, &retry_ms);
    }
    if (code == CTL_CODE_OK) {
        op = ctl_gateway_op_take(gateway, CTL_OP_SEND, link,
                                 SEND_ARENA + message->content.size + CTL_NONCE_MAX);
        code = op == NULL ? CTL_CODE_OVERLOADED : CTL_CODE_OK;
    }
    if (code != CTL_CODE_OK) {
        send_refused(gateway, link, message->session, message->number, message->nonce, code, retry_ms);
        return;
    }
    op->session = message->session;
    op->number = message->number;
    op->user_id = session->user->id;
    op->question.message_create.channel_id = message->channel_id;
    op->question.message_create.author_id = op->user_id;
    const enum nx_err content =
        nx_arena_copy(&op->arena, message->content, &op->question.message_create.content);
    const enum nx_err nonce = nx_arena_copy(&op->arena, message->nonce, &op->question.message_create.nonce);
    NX_ASSERT(content == NX_OK && nonce == NX_OK);
    op->asked_at = now;
    nx_list_push_back(&gateway->unanswered, &op->sent);
    gateway->sends++;
    ctl_gateway_op_ask(gateway, op, CTL_ASK_MESSAGE_CREATE, wall_ms);
}

/* Whether the sender is to be told now: it was not told yet, and its session is still there. The link may have become
 * another shard's meanwhile; only the same session of the same user is told. */
static bool is_to_be_told(struct ctl_gateway *gateway, struct ctl_op *op)
{
    const bool is_untold = nx_list_is_linked(&op->sent);
    nx_list_remove(&op->sent);
    const struct ctl_session *session =
        ctl_session_registry_find(gateway->world->sessions, op->link, op->session);
    return is_untold && session != NULL && session->user->id == op->user_id;
}

static void tell_refused(struct ctl_gateway *gateway, struct ctl_op *op, enum ctl_code code)
{
    if (is_to_be_told(gateway, op)) {
        send_refused(gateway, op->link, op->session, op->number, op->question.message_create.nonce, code, 0);
    }
}

static void tell_acked(struct ctl_gateway *gateway, struct ctl_op *op, uint64_t id, uint64_t seq)
{
    if (is_to_be_told(gateway, op)) {
        send_acked(gateway, op, id, seq);
    }
}

bool ctl_gateway_message_answered(struct ctl_gateway *gateway, struct ctl_op *op,
                                  const struct ctl_answer *answer, int64_t wall_ms)
{
    struct ctl_world *world = gateway->world;
    const struct nx_bytes nonce = op->question.message_create.nonce;
    if (answer->verdict == NX_E_UNAVAILABLE && ctl_doubt_wait(world, op, wall_ms)) {
        return false;
    }
    gateway->sends--;
    if (answer->verdict != NX_OK) {
        tell_refused(gateway, op,
                     answer->verdict == NX_E_NOT_FOUND ? CTL_CODE_UNKNOWN_CHANNEL : CTL_CODE_OVERLOADED);
        return true;
    }
    tell_acked(gateway, op, answer->message.id, answer->message.seq);
    struct ctl_channel *channel =
        ctl_directory_channel(&world->directory, op->question.message_create.channel_id);
    if (channel != NULL && answer->message.is_duplicate) {
        /* It may have been written by a commit that seemed to fail: then nobody has heard of it yet. */
        ctl_apply_message_created(world, channel, &answer->message.row, nonce);
    } else if (channel != NULL) {
        const struct ctl_message_row row = {.id = answer->message.id,
                                            .channel_id = channel->id,
                                            .seq = answer->message.seq,
                                            .author_id = op->user_id,
                                            .content = op->question.message_create.content};
        ctl_apply_message_created(world, channel, &row, nonce);
    }
    return true;
}

void ctl_gateway_message_resolved(struct ctl_gateway *gateway, struct ctl_op *op,
                                  const struct ctl_message_row *row)
{
    gateway->sends--;
    if (row != NULL) {
        tell_acked(gateway, op, row->id, row->seq);
    } else {
        tell_refused(gateway, op, CTL_CODE_OVERLOADED);
    }
    ctl_gateway_op_give(gateway, op);
}

void ctl_gateway_message_tick(struct ctl_gateway *gateway, nx_time now)
{
    struct nx_list_link *link;
    while ((link = nx_list_front(&gateway->unanswered)) != NULL) {
        struct ctl_op *op = NX_LIST_ITEM(link, struct ctl_op, sent);
        if (nx_time_since_ns(now, op->asked_at) < (int64_t)CTL_SEND_MS * NX_TIME_NS_PER_MS) {
            return;
        }
        gateway->late_sends++;
        tell_refused(gateway, op, CTL_CODE_OVERLOADED);
    }
}
