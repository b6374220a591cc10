#include "control/store/sqlite_message.h"

#include "control/store/limits.h"
#include "engine/base/assert.h"

enum { PAGE_MAX = 100 };

static void read_message(struct store_sqlite_connection *c, sqlite3_stmt *at, struct ctl_message_row *row)
{
    *row = (struct ctl_message_row){
        .id = store_sqlite_sql_u64(at, 0),
        .channel_id = store_sqlite_sql_u64(at, 1),
        .seq = store_sqlite_sql_u64(at, 2),
        .author_id = store_sqlite_sql_u64(at, 3),
        .type = (uint8_t)store_sqlite_sql_u32(at, 4),
        .is_deleted = store_sqlite_sql_u32(at, 5) != 0,
        .edited_ms = (int64_t)store_sqlite_sql_u64(at, 6),
        .nonce = store_sqlite_sql_text(c, at, 7),
        .content = store_sqlite_sql_text(c, at, 8),
    };
}

static void answer_message(struct ctl_answer *answer, const struct ctl_message_row *row, bool is_duplicate)
{
    answer->message.id = row->id;
    answer->message.seq = row->seq;
    answer->message.is_duplicate = is_duplicate;
    answer->message.row = *row;
}

/** The messages of a deleted channel are still there until the sweep has come by. */
static enum nx_err channel_is_there(struct store_sqlite_connection *c, uint64_t channel_id)
{
    sqlite3_stmt *at = NULL;
    return STORE_SQL_ROW(c, &at, CHANNEL_HEAD, STORE_SQL_INT(channel_id));
}

/** Answers with the message that has this nonce already. Returns NX_OK; NX_E_NOT_FOUND when there is none. */
static enum nx_err find_duplicate(struct store_sqlite_connection *c, const struct ctl_question *q,
                                  struct ctl_answer *answer)
{
    sqlite3_stmt *at = NULL;
    enum nx_err err =
        STORE_SQL_ROW(c, &at, NONCE_GET, STORE_SQL_INT(q->message_create.channel_id),
                      STORE_SQL_INT(q->message_create.author_id), STORE_SQL_TEXT(q->message_create.nonce));
    if (err != NX_OK) {
        return err;
    }
    const uint64_t id = store_sqlite_sql_u64(at, 0);
    if ((int64_t)store_sqlite_sql_u64(at, 1) + STORE_NONCE_MS <= q->now_ms) {
        return NX_E_NOT_FOUND;
    }
    err = channel_is_there(c, q->message_create.channel_id);
    if (err == NX_OK) {
        err = STORE_SQL_ROW(c, &at, MESSAGE_GET, STORE_SQL_INT(id));
    }
    if (err == NX_OK) {
        struct ctl_message_row row;
        read_message(c, at, &row);
        answer_message(answer, &row, true);
    }
    return err;
}

/** Gives the message its id and seq. Nothing is written when this fails. */
static enum nx_err advance_channel(struct store_sqlite_connection *c, const struct ctl_question *q,
                                   struct ctl_message_row *row)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        sqlite3_stmt *at = NULL;
        row->id = nx_id_next(&c->mint, q->now_ms);
        enum nx_err err =
            STORE_SQL_ROW(c, &at, CHANNEL_ADVANCE, STORE_SQL_INT(row->id), STORE_SQL_INT(c->epoch),
                          STORE_SQL_INT(row->channel_id), STORE_SQL_INT(c->epoch), STORE_SQL_INT(row->id));
        if (err == NX_OK) {
            row->seq = store_sqlite_sql_u64(at, 0);
        } else if (err == NX_E_NOT_FOUND) {
            err = STORE_SQL_ROW(c, &at, CHANNEL_HEAD, STORE_SQL_INT(row->channel_id));
            if (err == NX_OK && store_sqlite_sql_u64(at, 2) > c->epoch) {
                return NX_E_UNAVAILABLE; /* A later control owns the channel. */
            }
            if (err == NX_OK) {
                /* A tool beside us has written here with a larger id: go on behind it. */
                store_sqlite_sql_mint_after(c, c->mint.node, store_sqlite_sql_u64(at, 1));
                store_sqlite_sql_end(c);
                continue;
            }
        }
        store_sqlite_sql_end(c);
        return err;
    }
    return NX_E_UNAVAILABLE;
}

/** Advances the channel and inserts; what fails after the first write breaks the batch, so there is no savepoint. */
static enum nx_err insert_message(struct store_sqlite_connection *c, const struct ctl_question *q,
                                  struct ctl_message_row *row)
{
    enum nx_err err = advance_channel(c, q, row);
    if (err != NX_OK) {
        return err;
    }
    err = STORE_SQL_WRITE(c, MESSAGE_INSERT, STORE_SQL_INT(row->id), STORE_SQL_INT(row->channel_id),
                          STORE_SQL_INT(row->seq), STORE_SQL_INT(row->author_id), STORE_SQL_INT(row->type),
                          STORE_SQL_TEXT(row->nonce), STORE_SQL_TEXT(row->content));
    if (err == NX_OK && row->nonce.size != 0) {
        err = STORE_SQL_WRITE(c, NONCE_PUT, STORE_SQL_INT(row->channel_id), STORE_SQL_INT(row->author_id),
                              STORE_SQL_TEXT(row->nonce), STORE_SQL_INT(row->id), STORE_SQL_INT(q->now_ms));
    }
    if (err != NX_OK) {
        c->is_broken = true;
        err = NX_E_UNAVAILABLE;
    }
    return err;
}

static enum nx_err message_create(struct store_sqlite_connection *c, const struct ctl_question *q,
                                  struct ctl_answer *answer)
{
    if (q->message_create.nonce.size != 0) {
        const enum nx_err err = find_duplicate(c, q, answer);
        if (err != NX_E_NOT_FOUND) {
            return err;
        }
    }
    struct ctl_message_row row = {.channel_id = q->message_create.channel_id,
                                  .author_id = q->message_create.author_id,
                                  .type = q->message_create.type,
                                  .content = q->message_create.content,
                                  .nonce = q->message_create.nonce};
    const enum nx_err err = insert_message(c, q, &row);
    if (err == NX_OK) {
        answer_message(answer, &row, false);
    }
    return err;
}

/** Reads the message `id` of `channel_id` if it is there and not deleted. */
static enum nx_err find(struct store_sqlite_connection *c, uint64_t channel_id, uint64_t id,
                        struct ctl_message_row *row)
{
    sqlite3_stmt *at = NULL;
    const enum nx_err err = STORE_SQL_ROW(c, &at, MESSAGE_GET, STORE_SQL_INT(id));
    if (err != NX_OK) {
        return err;
    }
    read_message(c, at, row);
    store_sqlite_sql_end(c);
    return row->channel_id == channel_id && !row->is_deleted ? channel_is_there(c, channel_id)
                                                             : NX_E_NOT_FOUND;
}

static enum nx_err message_edit(struct store_sqlite_connection *c, const struct ctl_question *q,
                                struct ctl_answer *answer)
{
    struct ctl_message_row row;
    enum nx_err err = find(c, q->message_edit.channel_id, q->message_edit.message_id, &row);
    if (err != NX_OK) {
        return err;
    }
    if (row.author_id != q->message_edit.author_id) {
        return NX_E_AUTH;
    }
    row.content = q->message_edit.content;
    row.edited_ms = q->now_ms > 0 ? q->now_ms : 1;
    err = STORE_SQL_WRITE(c, MESSAGE_EDIT, STORE_SQL_TEXT(row.content), STORE_SQL_INT(row.edited_ms),
                          STORE_SQL_INT(row.id));
    if (err == NX_OK) {
        answer_message(answer, &row, false);
    }
    return err;
}

static enum nx_err message_delete(struct store_sqlite_connection *c, const struct ctl_question *q,
                                  struct ctl_answer *answer)
{
    struct ctl_message_row row;
    enum nx_err err = find(c, q->message_delete.channel_id, q->message_delete.message_id, &row);
    if (err == NX_OK) {
        err = STORE_SQL_WRITE(c, MESSAGE_DELETE, STORE_SQL_INT(row.id));
    }
    if (err == NX_OK) {
        row.is_deleted = true;
        row.content = (struct nx_bytes){0};
        answer_message(answer, &row, false);
    }
    return err;
}

static enum nx_err message_get(struct store_sqlite_connection *c, const struct ctl_question *q,
                               struct ctl_answer *answer)
{
    struct ctl_message_row row;
    const enum nx_err err = find(c, q->message_get.channel_id, q->message_get.message_id, &row);
    if (err == NX_OK) {
        answer_message(answer, &row, false);
    }
    return err;
}

/**
 * Finds how many messages of the channel, tombstones too, have an id up to `anchor`, which may be any id. Order of id is
 * order of seq and no seq is missing, so that an id between two messages is found by halving.
 */
static enum nx_err count_up_to(struct store_sqlite_connection *c, uint64_t channel_id, uint64_t last_seq,
                               uint64_t anchor, uint64_t *out)
{
    sqlite3_stmt *at = NULL;
    enum nx_err err = STORE_SQL_ROW(c, &at, MESSAGE_GET, STORE_SQL_INT(anchor));
    if (err == NX_OK && store_sqlite_sql_u64(at, 1) == channel_id) {
        *out = store_sqlite_sql_u64(at, 2);
        return NX_OK;
    }
    if (err != NX_OK && err != NX_E_NOT_FOUND) {
        return err;
    }
    uint64_t low = 0;
    uint64_t high = last_seq;
    while (low < high) {
        const uint64_t middle = high - (high - low) / 2;
        err = STORE_SQL_ROW(c, &at, MESSAGE_ID_AT, STORE_SQL_INT(channel_id), STORE_SQL_INT(middle));
        if (err != NX_OK) {
            return err == NX_E_NOT_FOUND ? NX_E_UNAVAILABLE : err;
        }
        if (store_sqlite_sql_u64(at, 0) <= anchor) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    *out = low;
    return NX_OK;
}

/** Appends up to `limit` messages beyond `seq` to c->rows, nearest first. */
static enum nx_err gather(struct store_sqlite_connection *c, enum store_sqlite_sql name, uint64_t channel_id,
                          uint64_t seq, uint32_t limit, uint32_t *count)
{
    struct ctl_message_row *rows = (void *)c->rows;
    sqlite3_stmt *at = NULL;
    const enum nx_err err = store_sqlite_sql_row(
        c, name, STORE_SQL_VALUES(STORE_SQL_INT(channel_id), STORE_SQL_INT(seq), STORE_SQL_INT(limit)), &at);
    if (err != NX_OK) {
        return err == NX_E_NOT_FOUND ? NX_OK : err;
    }
    bool more = true;
    for (; more; more = store_sqlite_sql_next(c, at)) {
        read_message(c, at, &rows[(*count)++]);
    }
    return NX_OK;
}

static void reverse(struct ctl_message_row *rows, uint32_t count)
{
    for (uint32_t i = 0; i < count / 2; i++) {
        const struct ctl_message_row row = rows[i];
        rows[i] = rows[count - 1 - i];
        rows[count - 1 - i] = row;
    }
}

static enum nx_err messages_list(struct store_sqlite_connection *c, const struct ctl_question *q,
                                 struct ctl_answer *answer)
{
    const uint64_t channel_id = q->messages_list.channel_id;
    const uint64_t anchor = q->messages_list.anchor < INT64_MAX ? q->messages_list.anchor : INT64_MAX - 1;
    const uint32_t asked = q->messages_list.limit;
    const uint32_t limit = asked == 0 ? 1 : asked > PAGE_MAX ? PAGE_MAX : asked;
    struct ctl_message_row *rows = (void *)c->rows;
    uint32_t count = 0;
    sqlite3_stmt *at = NULL;
    enum nx_err err = STORE_SQL_ROW(c, &at, CHANNEL_HEAD, STORE_SQL_INT(channel_id));
    if (err != NX_OK) {
        return err;
    }
    const uint64_t last_seq = store_sqlite_sql_u64(at, 0);
    uint64_t place = 0;
    switch (q->messages_list.page) {
    case CTL_PAGE_LATEST:
        err = gather(c, STORE_SQL_MESSAGES_BEFORE, channel_id, last_seq + 1, limit, &count);
        break;
    case CTL_PAGE_BEFORE:
        err = anchor == 0 ? NX_OK : count_up_to(c, channel_id, last_seq, anchor - 1, &place);
        if (err == NX_OK) {
            err = gather(c, STORE_SQL_MESSAGES_BEFORE, channel_id, place + 1, limit, &count);
        }
        break;
    case CTL_PAGE_AFTER:
    case CTL_PAGE_AROUND:
        err = count_up_to(c, channel_id, last_seq, anchor, &place);
        const uint32_t newer = q->messages_list.page == CTL_PAGE_AFTER ? limit : limit / 2;
        if (err == NX_OK && newer > 0) {
            err = gather(c, STORE_SQL_MESSAGES_AFTER, channel_id, place, newer, &count);
        }
        reverse(rows, count);
        if (err == NX_OK && newer < limit) {
            err = gather(c, STORE_SQL_MESSAGES_BEFORE, channel_id, place + 1, limit - newer, &count);
        }
        break;
    case CTL_PAGE_AFTER_SEQ:
        err = gather(c, STORE_SQL_MESSAGES_AFTER_SEQ, channel_id, anchor, limit, &count);
        break;
    }
    return err == NX_OK ? store_sqlite_sql_list(c, answer, sizeof *rows, count) : err;
}

static enum nx_err read_state_put(struct store_sqlite_connection *c, const struct ctl_question *q,
                                  struct ctl_answer *answer)
{
    sqlite3_stmt *at = NULL;
    enum nx_err err = STORE_SQL_ROW(c, &at, CHANNEL_HEAD, STORE_SQL_INT(q->read_state_put.channel_id));
    if (err != NX_OK) {
        return err;
    }
    /* An id from the future would mark as read what nobody has written yet. */
    const uint64_t last = store_sqlite_sql_u64(at, 1);
    const uint64_t wish = q->read_state_put.message_id;
    err =
        STORE_SQL_ROW(c, &at, READ_STATE_PUT, STORE_SQL_INT(q->read_state_put.user_id),
                      STORE_SQL_INT(q->read_state_put.channel_id), STORE_SQL_INT(wish < last ? wish : last));
    if (err == NX_OK) {
        answer->read_state.last_message_id = store_sqlite_sql_u64(at, 0);
    }
    return err;
}

static enum nx_err read_states_list(struct store_sqlite_connection *c, const struct ctl_question *q,
                                    struct ctl_answer *answer)
{
    struct ctl_read_state_row *rows = (void *)c->rows;
    uint32_t count = 0;
    sqlite3_stmt *at = NULL;
    const enum nx_err err =
        STORE_SQL_ROW(c, &at, READ_STATES_LIST, STORE_SQL_INT(q->read_states_list.user_id),
                      STORE_SQL_INT(CTL_QUESTION_ROWS_MAX));
    if (err != NX_OK && err != NX_E_NOT_FOUND) {
        return err;
    }
    for (bool more = err == NX_OK; more; more = store_sqlite_sql_next(c, at)) {
        rows[count++] = (struct ctl_read_state_row){.channel_id = store_sqlite_sql_u64(at, 0),
                                                    .last_message_id = store_sqlite_sql_u64(at, 1),
                                                    .mention_count = store_sqlite_sql_u32(at, 2)};
    }
    return store_sqlite_sql_list(c, answer, sizeof *rows, count);
}

enum nx_err store_sqlite_message_sweep_dead(struct store_sqlite_connection *c)
{
    sqlite3_stmt *at = NULL;
    enum nx_err err = STORE_SQL_ROW(c, &at, DEAD_GET, STORE_SQL_INT(1));
    if (err != NX_OK) {
        c->has_dead_channels = err != NX_E_NOT_FOUND;
        return err == NX_E_NOT_FOUND ? NX_OK : err;
    }
    const uint64_t channel_id = store_sqlite_sql_u64(at, 0);
    store_sqlite_sql_end(c);
    err =
        STORE_SQL_WRITE(c, DEAD_MESSAGES_DELETE, STORE_SQL_INT(channel_id), STORE_SQL_INT(STORE_SWEEP_ROWS));
    bool is_over = err == NX_OK && store_sqlite_sql_changed(c) == NX_E_NOT_FOUND;
    if (err == NX_OK) {
        err = STORE_SQL_WRITE(c, DEAD_NONCES_DELETE, STORE_SQL_INT(channel_id),
                              STORE_SQL_INT(STORE_SWEEP_ROWS));
        is_over = is_over && err == NX_OK && store_sqlite_sql_changed(c) == NX_E_NOT_FOUND;
    }
    if (err == NX_OK && is_over) {
        err = STORE_SQL_WRITE(c, DEAD_DELETE, STORE_SQL_INT(channel_id));
    }
    return err;
}

/** Remembers the nonce at the cursor as the place to go on after. */
static void mark_place(struct store_sqlite_connection *c, sqlite3_stmt *at)
{
    const struct nx_bytes nonce = store_sqlite_sql_borrow(at, 2);
    c->sweep.channel_id = store_sqlite_sql_u64(at, 0);
    c->sweep.author_id = store_sqlite_sql_u64(at, 1);
    c->sweep.nonce_size = 0;
    if (nonce.size > sizeof c->sweep.nonce) {
        c->sweep.author_id++; /* Not to be remembered: go on behind its author. */
    } else if (nonce.size != 0) {
        memcpy(c->sweep.nonce, nonce.at, nonce.size);
        c->sweep.nonce_size = nonce.size;
    }
}

enum nx_err store_sqlite_message_sweep_nonces(struct store_sqlite_connection *c, int64_t now_ms,
                                              bool *is_over)
{
    sqlite3_stmt *at = NULL;
    uint32_t seen = 0;
    const struct nx_bytes nonce = nx_bytes_of(c->sweep.nonce, c->sweep.nonce_size);
    uint8_t text[STORE_SQLITE_NONCE_MAX]; /* The cursor moves while the statement still reads its binding. */
    memcpy(text, c->sweep.nonce, sizeof text);
    enum nx_err err = STORE_SQL_ROW(
        c, &at, NONCES_FROM, STORE_SQL_INT(c->sweep.channel_id), STORE_SQL_INT(c->sweep.author_id),
        STORE_SQL_TEXT(nx_bytes_of(text, nonce.size)), STORE_SQL_INT(STORE_SWEEP_ROWS));
    if (err != NX_OK && err != NX_E_NOT_FOUND) {
        return err;
    }
    bool more = err == NX_OK;
    err = NX_OK;
    while (more && err == NX_OK) {
        seen++;
        mark_place(c, at);
        if ((int64_t)store_sqlite_sql_u64(at, 3) + STORE_NONCE_MS <= now_ms) {
            err = STORE_SQL_WRITE(c, NONCE_DELETE, STORE_SQL_INT(store_sqlite_sql_u64(at, 0)),
                                  STORE_SQL_INT(store_sqlite_sql_u64(at, 1)),
                                  STORE_SQL_TEXT(store_sqlite_sql_borrow(at, 2)));
        }
        more = store_sqlite_sql_next(c, at);
    }
    store_sqlite_sql_end(c);
    *is_over = seen < STORE_SWEEP_ROWS;
    if (*is_over) {
        memset(&c->sweep, 0, sizeof c->sweep);
    }
    return c->is_broken ? NX_E_UNAVAILABLE : err;
}

enum nx_err store_sqlite_message(struct store_sqlite_connection *c, const struct ctl_question *question,
                                 struct ctl_answer *answer)
{
    switch (question->kind) {
    case CTL_ASK_MESSAGE_CREATE:
        return message_create(c, question, answer);
    case CTL_ASK_MESSAGE_EDIT:
        return message_edit(c, question, answer);
    case CTL_ASK_MESSAGE_DELETE:
        return message_delete(c, question, answer);
    case CTL_ASK_MESSAGE_GET:
        return message_get(c, question, answer);
    case CTL_ASK_MESSAGES_LIST:
        return messages_list(c, question, answer);
    case CTL_ASK_READ_STATE_PUT:
        return read_state_put(c, question, answer);
    case CTL_ASK_READ_STATES_LIST:
        return read_states_list(c, question, answer);
    default:
        NX_ASSERT(false);
        return NX_E_UNSUPPORTED;
    }
}
