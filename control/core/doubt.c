#include "control/core/doubt.h"

#include "control/core/apply.h"
#include "control/core/gateway_parts.h"
#include "engine/base/assert.h"

enum {
    ROUNDS = 3, /* questions after the last doubt arose: at once, and two more */
    RETRY_MS = 1000,
    ROOM = CTL_DOUBT_ROWS * (CTL_CONTENT_MAX * 4 + CTL_NONCE_MAX + sizeof(struct ctl_message_row) + 64),
};

static void ask(struct ctl_world *world, struct ctl_doubt *doubt, int64_t wall_ms)
{
    const size_t size = sizeof(struct ctl_op) + ROOM;
    struct ctl_op *op = world->memory.take(world->memory.context, size);
    if (op == NULL) {
        return; /* The tick comes back. */
    }
    *op = (struct ctl_op){.kind = CTL_OP_DOUBT, .size = size};
    nx_arena_init(&op->arena, op + 1, ROOM);
    op->question.kind = CTL_ASK_MESSAGES_LIST;
    op->question.now_ms = wall_ms;
    op->question.messages_list.channel_id = doubt->channel_id;
    op->question.messages_list.page = CTL_PAGE_AFTER_SEQ;
    op->question.messages_list.anchor = doubt->after_seq;
    op->question.messages_list.limit = CTL_DOUBT_ROWS;
    doubt->is_asked = true;
    doubt->round++;
    world->sink.ask(world->sink.context, op);
}

static struct ctl_doubt *find_or_make(struct ctl_world *world, uint64_t channel_id)
{
    const struct ctl_channel *channel = ctl_directory_channel(&world->directory, channel_id);
    struct ctl_doubt *doubt = ctl_table_get(&world->doubts, channel_id);
    if (doubt != NULL || channel == NULL || world->doubts.count >= CTL_DOUBTS_MAX) {
        return doubt;
    }
    doubt = ctl_memory_take(&world->memory, sizeof(*doubt));
    if (doubt == NULL ||
        ctl_table_put(&world->doubts, &world->memory, world->seed, channel_id, doubt) != NX_OK) {
        ctl_memory_give(&world->memory, doubt, sizeof(*doubt));
        return NULL;
    }
    /* Answers come in the order of commits: what failed is behind all that was told until now. */
    *doubt = (struct ctl_doubt){.channel_id = channel_id, .after_seq = channel->last_seq};
    return doubt;
}

static void forget(struct ctl_world *world, struct ctl_doubt *doubt)
{
    NX_ASSERT(doubt->waiting == NULL && !doubt->is_asked);
    ctl_table_remove(&world->doubts, doubt->channel_id);
    ctl_memory_give(&world->memory, doubt, sizeof(*doubt));
}

static struct ctl_doubt *note(struct ctl_world *world, uint64_t channel_id, int64_t wall_ms)
{
    struct ctl_doubt *doubt = find_or_make(world, channel_id);
    if (doubt != NULL) {
        doubt->rounds_left = ROUNDS;
        if (!doubt->is_asked) {
            ask(world, doubt, wall_ms);
        }
    }
    return doubt;
}

void ctl_doubt_note(struct ctl_world *world, uint64_t channel_id, int64_t wall_ms)
{
    (void)note(world, channel_id, wall_ms);
}

bool ctl_doubt_wait(struct ctl_world *world, struct ctl_op *send, int64_t wall_ms)
{
    /* A question that is on its way already may have been asked of a moment before this commit. */
    const struct ctl_doubt *before = ctl_table_get(&world->doubts, send->question.message_create.channel_id);
    const bool is_late = before != NULL && before->is_asked;
    struct ctl_doubt *doubt = note(world, send->question.message_create.channel_id, wall_ms);
    if (doubt == NULL || !doubt->is_asked) {
        return false;
    }
    send->round = doubt->round + (is_late ? 1 : 0);
    send->next = NULL;
    struct ctl_op **end = &doubt->waiting;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = send;
    return true;
}

/* The send that wrote this message, taken off the list; without a nonce the first one with the same words has to do. */
static struct ctl_op *sender_of(struct ctl_doubt *doubt, const struct ctl_message_row *row)
{
    for (struct ctl_op **link = &doubt->waiting; *link != NULL; link = &(*link)->next) {
        struct ctl_op *op = *link;
        const struct nx_bytes nonce = op->question.message_create.nonce;
        const struct nx_bytes content = op->question.message_create.content;
        if (op->user_id == row->author_id && nx_bytes_equal(nonce, row->nonce) &&
            (nonce.size != 0 || nx_bytes_equal(content, row->content))) {
            *link = op->next;
            return op;
        }
    }
    return NULL;
}

static void row_told(struct ctl_gateway *gateway, struct ctl_doubt *doubt, struct ctl_channel *channel,
                     const struct ctl_message_row *row)
{
    struct ctl_op *sender = sender_of(doubt, row);
    if (sender != NULL) {
        ctl_gateway_message_resolved(gateway, sender, row);
    }
    if (!row->is_deleted) {
        ctl_apply_message_created(gateway->world, channel, row, row->nonce);
    } else if (row->seq > channel->last_seq) {
        channel->last_seq = row->seq;
        channel->last_message_id = row->id;
    }
    doubt->after_seq = row->seq;
}

/* Those whose question was answered without their message: it was not written, or not yet. */
static void refuse_waiting(struct ctl_gateway *gateway, struct ctl_doubt *doubt)
{
    struct ctl_op **link = &doubt->waiting;
    while (*link != NULL) {
        struct ctl_op *op = *link;
        if (op->round > doubt->round) {
            link = &op->next;
            continue;
        }
        *link = op->next;
        ctl_gateway_message_resolved(gateway, op, NULL);
    }
}

void ctl_doubt_answered(struct ctl_gateway *gateway, struct ctl_op *op, const struct ctl_answer *answer,
                        int64_t wall_ms, nx_time now)
{
    struct ctl_world *world = gateway->world;
    struct ctl_doubt *doubt = ctl_table_get(&world->doubts, op->question.messages_list.channel_id);
    NX_ASSERT(doubt != NULL);
    struct ctl_channel *channel = ctl_directory_channel(&world->directory, doubt->channel_id);
    const bool is_gone = channel == NULL || answer->verdict == NX_E_NOT_FOUND;
    bool is_more = false;
    doubt->is_asked = false;
    if (!is_gone && answer->verdict == NX_OK) {
        const struct ctl_message_row *rows = answer->list.rows;
        for (uint32_t i = 0; i < answer->list.rows_count; i++) {
            row_told(gateway, doubt, channel, &rows[i]);
        }
        is_more = answer->list.rows_count == CTL_DOUBT_ROWS;
        doubt->rounds_left -= is_more || doubt->rounds_left == 0 ? 0 : 1;
    }
    if (is_more) {
        ask(world, doubt, wall_ms);
        if (doubt->is_asked) {
            for (struct ctl_op *send = doubt->waiting; send != NULL; send = send->next) {
                send->round = send->round < doubt->round ? doubt->round : send->round;
            }
            return;
        }
    }
    refuse_waiting(gateway, doubt);
    doubt->due = nx_time_add_ms(now, RETRY_MS);
    if (doubt->waiting != NULL) {
        ask(world, doubt, wall_ms);
    }
    if (doubt->waiting != NULL && !doubt->is_asked) {
        doubt->round = UINT32_MAX; /* No memory to ask: nobody waits for a question that may never go. */
        refuse_waiting(gateway, doubt);
        doubt->round = 0;
    }
    if (!doubt->is_asked && (is_gone || doubt->rounds_left == 0)) {
        forget(world, doubt);
    }
}

void ctl_doubt_tick(struct ctl_world *world, int64_t wall_ms, nx_time now)
{
    uint32_t asked = 0;
    for (uint32_t i = 0; i < world->doubts.count && asked < CTL_DOUBT_QUESTIONS_MAX; i++) {
        struct ctl_doubt *doubt = world->doubts.entries[i].item;
        if (!doubt->is_asked && !nx_time_before(now, doubt->due)) {
            doubt->due = nx_time_add_ms(now, RETRY_MS);
            ask(world, doubt, wall_ms);
            asked++;
        }
    }
}

void ctl_doubt_fini(struct ctl_world *world)
{
    while (world->doubts.count != 0) {
        struct ctl_doubt *doubt = world->doubts.entries[world->doubts.count - 1].item;
        doubt->is_asked = false;
        forget(world, doubt);
    }
    ctl_table_fini(&world->doubts, &world->memory);
}
