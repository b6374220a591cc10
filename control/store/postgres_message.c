#include "control/store/postgres_message.h"

#include "engine/base/assert.h"

enum { PAGE_MAX = 100 };

static int64_t clamp(uint64_t value)
{
    return value < INT64_MAX ? (int64_t)value : INT64_MAX - 1;
}

static enum nx_err put_page(PGconn *db, const struct ctl_question *q)
{
    const uint32_t asked = q->messages_list.limit;
    const struct store_postgres_value limit = STORE_PG_INT(asked == 0         ? 1
                                                           : asked > PAGE_MAX ? PAGE_MAX
                                                                              : asked);
    const struct store_postgres_value channel = STORE_PG_INT(q->messages_list.channel_id);
    const int64_t anchor = clamp(q->messages_list.anchor);
    switch (q->messages_list.page) {
    case CTL_PAGE_LATEST:
        return STORE_PG_SEND(db, PAGE_LATEST, channel, STORE_PG_INT(0), limit);
    case CTL_PAGE_BEFORE:
        return STORE_PG_SEND(db, PAGE_BEFORE, channel, STORE_PG_INT(anchor - 1), limit);
    case CTL_PAGE_AFTER:
        return STORE_PG_SEND(db, PAGE_AFTER, channel, STORE_PG_INT(anchor), limit);
    case CTL_PAGE_AROUND:
        return STORE_PG_SEND(db, PAGE_AROUND, channel, STORE_PG_INT(anchor), limit);
    case CTL_PAGE_AFTER_SEQ:
        return STORE_PG_SEND(db, PAGE_AFTER_SEQ, channel, STORE_PG_INT(anchor), limit);
    }
    NX_ASSERT(false);
    return NX_E_UNSUPPORTED;
}

enum nx_err store_postgres_message_put(PGconn *db, const struct ctl_question *question, int64_t room)
{
    const struct ctl_question *q = question;
    switch (q->kind) {
    case CTL_ASK_MESSAGE_EDIT:
        return STORE_PG_SEND(db, MESSAGE_EDIT, STORE_PG_INT(q->message_edit.channel_id),
                             STORE_PG_INT(q->message_edit.message_id),
                             STORE_PG_INT(q->message_edit.author_id), STORE_PG_TEXT(q->message_edit.content),
                             STORE_PG_INT(q->now_ms > 0 ? q->now_ms : 1), STORE_PG_INT(room));
    case CTL_ASK_MESSAGE_DELETE:
        return STORE_PG_SEND(db, MESSAGE_DELETE, STORE_PG_INT(q->message_delete.channel_id),
                             STORE_PG_INT(q->message_delete.message_id), STORE_PG_INT(room));
    case CTL_ASK_MESSAGE_GET:
        return STORE_PG_SEND(db, MESSAGE_GET, STORE_PG_INT(q->message_get.channel_id),
                             STORE_PG_INT(q->message_get.message_id));
    case CTL_ASK_MESSAGES_LIST:
        return put_page(db, q);
    case CTL_ASK_READ_STATE_PUT:
        return STORE_PG_SEND(db, READ_STATE_PUT, STORE_PG_INT(q->read_state_put.user_id),
                             STORE_PG_INT(q->read_state_put.channel_id),
                             STORE_PG_INT(clamp(q->read_state_put.message_id)));
    case CTL_ASK_READ_STATES_LIST:
        return STORE_PG_SEND(db, READ_STATES_LIST, STORE_PG_INT(q->read_states_list.user_id),
                             STORE_PG_INT(CTL_QUESTION_ROWS_MAX));
    default:
        NX_ASSERT(false);
        return NX_E_UNSUPPORTED;
    }
}

static void read_message(struct store_postgres_rows *rows, struct ctl_message_row *row)
{
    *row = (struct ctl_message_row){
        .id = store_postgres_sql_u64(rows, 1),
        .channel_id = store_postgres_sql_u64(rows, 2),
        .seq = store_postgres_sql_u64(rows, 3),
        .author_id = store_postgres_sql_u64(rows, 4),
        .type = (uint8_t)store_postgres_sql_u32(rows, 5),
        .is_deleted = store_postgres_sql_u64(rows, 6) != 0,
        .edited_ms = store_postgres_sql_i64(rows, 7),
        .nonce = store_postgres_sql_text(rows, 8),
        .content = store_postgres_sql_text(rows, 9),
    };
}

static enum nx_err take_page(struct store_postgres_rows *rows, struct ctl_answer *answer)
{
    const int found = PQntuples(rows->result);
    if (found == 0) {
        return NX_E_NOT_FOUND;
    }
    const int count =
        PQgetisnull(rows->result, 0, 1) != 0 ? 0 : found; /* The channel is there, the page empty. */
    struct ctl_message_row *list = store_postgres_sql_list(rows, answer, sizeof *list, (uint32_t)count);
    for (; list != NULL && rows->row < count; rows->row++) {
        read_message(rows, &list[rows->row]);
    }
    return NX_OK;
}

static enum nx_err take_read_states(struct store_postgres_rows *rows, struct ctl_answer *answer)
{
    const int count = PQntuples(rows->result);
    struct ctl_read_state_row *list = store_postgres_sql_list(rows, answer, sizeof *list, (uint32_t)count);
    for (; list != NULL && rows->row < count; rows->row++) {
        list[rows->row] = (struct ctl_read_state_row){.channel_id = store_postgres_sql_u64(rows, 0),
                                                      .last_message_id = store_postgres_sql_u64(rows, 1),
                                                      .mention_count = store_postgres_sql_u32(rows, 2)};
    }
    return NX_OK;
}

enum nx_err store_postgres_message_take(struct store_postgres_rows *rows, const struct ctl_question *question,
                                        struct ctl_answer *answer)
{
    if (question->kind == CTL_ASK_MESSAGES_LIST) {
        return take_page(rows, answer);
    }
    if (question->kind == CTL_ASK_READ_STATES_LIST) {
        return take_read_states(rows, answer);
    }
    const enum nx_err verdict = store_postgres_sql_verdict(rows);
    if (verdict != NX_OK) {
        return verdict;
    }
    if (question->kind == CTL_ASK_READ_STATE_PUT) {
        answer->read_state.last_message_id = store_postgres_sql_u64(rows, 1);
        return NX_OK;
    }
    struct ctl_message_row row;
    read_message(rows, &row);
    if (question->kind == CTL_ASK_MESSAGE_EDIT) {
        row.content = question->message_edit.content;
    }
    answer->message.id = row.id;
    answer->message.seq = row.seq;
    answer->message.row = row;
    return NX_OK;
}
