#include "control/store/memory_message.h"

#include "control/store/limits.h"
#include "engine/base/assert.h"
#include "engine/base/hash.h"

#include <stdlib.h>

enum { PAGE_MAX = 100 };

static uint64_t nonce_hash(const struct ctl_question *q, uint64_t seed)
{
    uint8_t key[16];
    const uint64_t author = nx_hash_u64(seed, q->message_create.author_id);
    memcpy(key, &q->message_create.channel_id, sizeof(uint64_t));
    memcpy(key + sizeof(uint64_t), &author, sizeof(uint64_t));
    return nx_hash_sip(key, q->message_create.nonce.at, q->message_create.nonce.size);
}

static void copy_message(struct store_memory_data *data, const struct ctl_message_row *from,
                         struct ctl_message_row *to)
{
    *to = *from;
    to->nonce = store_memory_data_text(data, from->nonce);
    to->content = store_memory_data_text(data, from->content);
}

static void answer_message(struct store_memory_data *data, const struct ctl_message_row *row,
                           bool is_duplicate, struct ctl_answer *answer)
{
    answer->message.id = row->id;
    answer->message.seq = row->seq;
    answer->message.is_duplicate = is_duplicate;
    copy_message(data, row, &answer->message.row);
}

static void append(struct store_memory_channel *channel, const struct ctl_message_row *row)
{
    if (channel->row.last_seq == channel->messages_capacity) {
        channel->messages_capacity = channel->messages_capacity == 0 ? 64 : channel->messages_capacity * 2;
        channel->messages =
            realloc(channel->messages, channel->messages_capacity * sizeof *channel->messages);
        NX_ASSERT(channel->messages != NULL);
    }
    struct ctl_message_row *message = malloc(sizeof *message);
    NX_ASSERT(message != NULL);
    *message = *row;
    message->content = store_memory_table_text(row->content);
    message->nonce = store_memory_table_text(row->nonce);
    channel->messages[channel->row.last_seq++] = message;
    channel->row.last_message_id = row->id;
}

static enum nx_err message_create(struct store_memory_data *data, const struct ctl_question *q,
                                  struct ctl_answer *answer)
{
    struct store_memory_channel *channel =
        store_memory_table_get(&data->channels, 0, q->message_create.channel_id);
    if (channel == NULL) {
        return NX_E_NOT_FOUND;
    }
    const bool has_nonce = q->message_create.nonce.size != 0;
    const uint64_t first = has_nonce ? nonce_hash(q, 1) : 0;
    const uint64_t second = has_nonce ? nonce_hash(q, 2) : 0;
    struct store_memory_nonce *nonce =
        has_nonce ? store_memory_table_get(&data->nonces, first, second) : NULL;
    if (nonce != NULL && nonce->created_ms + STORE_NONCE_MS > q->now_ms) {
        answer_message(data, channel->messages[nonce->seq - 1], true, answer);
        return NX_OK;
    }
    const struct ctl_message_row row = {.id = nx_id_next(&data->mint, q->now_ms),
                                        .channel_id = q->message_create.channel_id,
                                        .seq = channel->row.last_seq + 1,
                                        .author_id = q->message_create.author_id,
                                        .type = q->message_create.type,
                                        .content = q->message_create.content,
                                        .nonce = q->message_create.nonce};
    append(channel, &row);
    if (has_nonce) {
        if (nonce == NULL) {
            nonce = store_memory_table_add(&data->nonces, first, second, sizeof *nonce);
        }
        *nonce = (struct store_memory_nonce){
            .channel_id = row.channel_id, .seq = row.seq, .created_ms = q->now_ms};
    }
    answer->message.id = row.id;
    answer->message.seq = row.seq;
    answer->message.row = row;
    return NX_OK;
}

/** Returns how many messages of the channel have an id up to `anchor`. */
static uint64_t count_up_to(const struct store_memory_channel *channel, uint64_t anchor)
{
    uint64_t low = 0;
    uint64_t high = channel->row.last_seq;
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (channel->messages[middle]->id <= anchor) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct ctl_message_row *find(const struct store_memory_data *data, uint64_t channel_id, uint64_t id)
{
    const struct store_memory_channel *channel = store_memory_table_get(&data->channels, 0, channel_id);
    const uint64_t count = channel != NULL ? count_up_to(channel, id) : 0;
    struct ctl_message_row *message = count > 0 ? channel->messages[count - 1] : NULL;
    return message != NULL && message->id == id && !message->is_deleted ? message : NULL;
}

static enum nx_err message_edit(struct store_memory_data *data, const struct ctl_question *q,
                                struct ctl_answer *answer)
{
    struct ctl_message_row *message = find(data, q->message_edit.channel_id, q->message_edit.message_id);
    if (message == NULL) {
        return NX_E_NOT_FOUND;
    }
    if (message->author_id != q->message_edit.author_id) {
        return NX_E_AUTH;
    }
    struct ctl_message_row edited = *message;
    edited.content = q->message_edit.content;
    edited.edited_ms = q->now_ms > 0 ? q->now_ms : 1;
    answer_message(data, &edited, false, answer);
    answer->message.row.content = q->message_edit.content;
    if (data->is_arena_full) {
        return NX_E_NO_MEMORY;
    }
    store_memory_table_replace(&message->content, q->message_edit.content);
    message->edited_ms = edited.edited_ms;
    return NX_OK;
}

static enum nx_err message_delete(struct store_memory_data *data, const struct ctl_question *q,
                                  struct ctl_answer *answer)
{
    struct ctl_message_row *message = find(data, q->message_delete.channel_id, q->message_delete.message_id);
    if (message == NULL) {
        return NX_E_NOT_FOUND;
    }
    struct ctl_message_row deleted = *message;
    deleted.content = (struct nx_bytes){0};
    deleted.is_deleted = true;
    answer_message(data, &deleted, false, answer);
    if (data->is_arena_full) {
        return NX_E_NO_MEMORY;
    }
    store_memory_table_replace(&message->content, (struct nx_bytes){0});
    message->is_deleted = true;
    return NX_OK;
}

static enum nx_err message_get(struct store_memory_data *data, const struct ctl_question *q,
                               struct ctl_answer *answer)
{
    const struct ctl_message_row *message = find(data, q->message_get.channel_id, q->message_get.message_id);
    if (message == NULL) {
        return NX_E_NOT_FOUND;
    }
    answer_message(data, message, false, answer);
    return NX_OK;
}

/** Puts up to `limit` messages from index `at` on in direction `step` into `found`, without tombstones unless asked. */
static uint32_t gather(const struct store_memory_channel *channel, int64_t at, int64_t step, uint32_t limit,
                       bool with_deleted, const struct ctl_message_row **found)
{
    uint32_t count = 0;
    for (; at >= 0 && at < (int64_t)channel->row.last_seq && count < limit; at += step) {
        if (with_deleted || !channel->messages[at]->is_deleted) {
            found[count++] = channel->messages[at];
        }
    }
    return count;
}

static void reverse(const struct ctl_message_row **rows, uint32_t count)
{
    for (uint32_t i = 0; i < count / 2; i++) {
        const struct ctl_message_row *row = rows[i];
        rows[i] = rows[count - 1 - i];
        rows[count - 1 - i] = row;
    }
}

static enum nx_err messages_list(struct store_memory_data *data, const struct ctl_question *q,
                                 struct ctl_answer *answer)
{
    const struct store_memory_channel *channel =
        store_memory_table_get(&data->channels, 0, q->messages_list.channel_id);
    if (channel == NULL) {
        return NX_E_NOT_FOUND;
    }
    const uint32_t asked = q->messages_list.limit;
    const uint32_t limit = asked == 0 ? 1 : asked > PAGE_MAX ? PAGE_MAX : asked;
    const uint64_t anchor = q->messages_list.anchor < INT64_MAX ? q->messages_list.anchor : INT64_MAX - 1;
    const struct ctl_message_row *found[PAGE_MAX];
    uint32_t count = 0;
    switch (q->messages_list.page) {
    case CTL_PAGE_LATEST:
        count = gather(channel, (int64_t)channel->row.last_seq - 1, -1, limit, false, found);
        break;
    case CTL_PAGE_BEFORE: {
        const uint64_t place = anchor == 0 ? 0 : count_up_to(channel, anchor - 1);
        count = gather(channel, (int64_t)place - 1, -1, limit, false, found);
        break;
    }
    case CTL_PAGE_AFTER:
    case CTL_PAGE_AROUND: {
        const int64_t place = (int64_t)count_up_to(channel, anchor);
        const uint32_t newer = q->messages_list.page == CTL_PAGE_AFTER ? limit : limit / 2;
        count = gather(channel, place, 1, newer, false, found);
        reverse(found, count);
        count += gather(channel, place - 1, -1, limit - newer, false, found + count);
        break;
    }
    case CTL_PAGE_AFTER_SEQ:
        count = gather(channel, (int64_t)anchor, 1, limit, true, found);
        break;
    }
    struct ctl_message_row *rows = store_memory_data_rows(data, sizeof *rows, count);
    for (uint32_t i = 0; rows != NULL && i < count; i++) {
        copy_message(data, found[i], &rows[i]);
    }
    answer->list.rows = rows;
    answer->list.rows_count = count;
    return NX_OK;
}

static enum nx_err read_state_put(struct store_memory_data *data, const struct ctl_question *q,
                                  struct ctl_answer *answer)
{
    const uint64_t user_id = q->read_state_put.user_id;
    const uint64_t channel_id = q->read_state_put.channel_id;
    const struct store_memory_channel *channel = store_memory_table_get(&data->channels, 0, channel_id);
    if (channel == NULL || store_memory_table_get(&data->users, 0, user_id) == NULL) {
        return NX_E_NOT_FOUND;
    }
    struct ctl_read_state_row *row = store_memory_table_get(&data->read_states, user_id, channel_id);
    if (row == NULL) {
        row = store_memory_table_add(&data->read_states, user_id, channel_id, sizeof *row);
        row->channel_id = channel_id;
    }
    const uint64_t wish = q->read_state_put.message_id;
    const uint64_t last = wish < channel->row.last_message_id ? wish : channel->row.last_message_id;
    if (last >= row->last_message_id) {
        row->last_message_id = last;
        row->mention_count = 0;
    }
    answer->read_state.last_message_id = row->last_message_id;
    return NX_OK;
}

static enum nx_err read_states_list(struct store_memory_data *data, const struct ctl_question *q,
                                    struct ctl_answer *answer)
{
    const uint64_t user_id = q->read_states_list.user_id;
    const size_t first = store_memory_table_from(&data->read_states, user_id, 0);
    const size_t all = store_memory_table_from(&data->read_states, user_id + 1, 0) - first;
    const size_t count = all < CTL_QUESTION_ROWS_MAX ? all : CTL_QUESTION_ROWS_MAX;
    struct ctl_read_state_row *rows = store_memory_data_rows(data, sizeof *rows, count);
    for (size_t i = 0; rows != NULL && i < count; i++) {
        rows[i] = *(struct ctl_read_state_row *)data->read_states.entries[first + i].row;
    }
    answer->list.rows = rows;
    answer->list.rows_count = (uint32_t)count;
    return NX_OK;
}

enum nx_err store_memory_message(struct store_memory_data *data, const struct ctl_question *question,
                                 struct ctl_answer *answer)
{
    switch (question->kind) {
    case CTL_ASK_MESSAGE_CREATE:
        return message_create(data, question, answer);
    case CTL_ASK_MESSAGE_EDIT:
        return message_edit(data, question, answer);
    case CTL_ASK_MESSAGE_DELETE:
        return message_delete(data, question, answer);
    case CTL_ASK_MESSAGE_GET:
        return message_get(data, question, answer);
    case CTL_ASK_MESSAGES_LIST:
        return messages_list(data, question, answer);
    case CTL_ASK_READ_STATE_PUT:
        return read_state_put(data, question, answer);
    case CTL_ASK_READ_STATES_LIST:
        return read_states_list(data, question, answer);
    default:
        NX_ASSERT(false);
        return NX_E_UNSUPPORTED;
    }
}
