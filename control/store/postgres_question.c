#include "control/store/postgres_question.h"

#include "control/store/postgres_account.h"
#include "control/store/postgres_community.h"
#include "control/store/postgres_invite.h"
#include "control/store/postgres_message.h"
#include "engine/base/assert.h"

enum nx_err store_postgres_question_put(struct store_postgres_context *context, PGconn *db,
                                        const struct store_request *request)
{
    const struct ctl_question *question = &request->question;
    const enum ctl_question_kind kind = question->kind; /* The enum lists the kinds noun by noun. */
    NX_ASSERT(kind != CTL_ASK_MESSAGE_CREATE);
    const int64_t room =
        request->arena == NULL ? INT64_MAX : (int64_t)(request->arena->size - request->arena->used);
    if (kind <= CTL_ASK_LOGIN_REVOKE) {
        return store_postgres_account_put(context, db, question, room);
    }
    if (kind <= CTL_ASK_BANS_LIST) {
        return store_postgres_community_put(context, db, question);
    }
    if (kind <= CTL_ASK_INVITE_DELETE) {
        return store_postgres_invite_put(db, question);
    }
    return kind == CTL_ASK_STATS ? store_postgres_sql_send(db, STORE_PG_STATS, NULL, 0)
                                 : store_postgres_message_put(db, question, room);
}

static enum nx_err take_stats(const struct store_postgres_rows *rows, struct ctl_answer *answer)
{
    answer->stats = (struct ctl_stats_row){
        .users = store_postgres_sql_u64(rows, 0),
        .guilds = store_postgres_sql_u64(rows, 1),
        .channels = store_postgres_sql_u64(rows, 2),
        .members = store_postgres_sql_u64(rows, 3),
        .messages = store_postgres_sql_u64(rows, 4),
        .logins = store_postgres_sql_u64(rows, 5),
        .database_bytes = store_postgres_sql_u64(rows, 6),
    };
    return NX_OK;
}

static enum nx_err take(struct store_postgres_context *context, struct store_postgres_rows *rows,
                        const struct ctl_question *question, struct ctl_answer *answer)
{
    const enum ctl_question_kind kind = question->kind;
    if (kind <= CTL_ASK_LOGIN_REVOKE) {
        return store_postgres_account_take(rows, question, answer);
    }
    if (kind <= CTL_ASK_BANS_LIST) {
        return store_postgres_community_take(context, rows, question, answer);
    }
    if (kind <= CTL_ASK_INVITE_DELETE) {
        return store_postgres_invite_take(rows, question, answer);
    }
    return kind == CTL_ASK_STATS ? take_stats(rows, answer)
                                 : store_postgres_message_take(rows, question, answer);
}

/** Ends an answer: one that did not fit gives back what it took of the arena. */
static void finish(struct store_request *request, enum nx_err verdict, bool is_arena_full, size_t mark)
{
    if (verdict == NX_OK && is_arena_full) {
        verdict = NX_E_NO_MEMORY;
    }
    if (verdict == NX_E_NO_MEMORY) {
        if (request->arena != NULL) {
            nx_arena_restore(request->arena, mark);
        }
        request->answer = (struct ctl_answer){0};
    }
    request->answer.verdict = verdict;
}

void store_postgres_question_take(struct store_postgres_context *context, const PGresult *result,
                                  struct store_request *request)
{
    const size_t mark = request->arena != NULL ? nx_arena_save(request->arena) : 0;
    struct store_postgres_rows rows = {.result = result, .arena = request->arena};
    request->answer = (struct ctl_answer){0};
    const enum nx_err verdict = take(context, &rows, &request->question, &request->answer);
    finish(request, verdict, rows.is_arena_full, mark);
}

/* ---- message creations, many in one statement ---- */

static uint32_t nonce_slot(const struct ctl_question *q)
{
    uint64_t hash = q->message_create.channel_id * 0x9e3779b97f4a7c15U ^ q->message_create.author_id;
    for (size_t i = 0; i < q->message_create.nonce.size; i++) {
        hash = (hash ^ q->message_create.nonce.at[i]) * 0x100000001b3U;
    }
    return (uint32_t)((hash ^ hash >> 32) % STORE_POSTGRES_NONCE_SLOTS);
}

/** Notes the nonce; false when a message of this statement has it already. */
static bool note_nonce(struct store_postgres_context *context, const struct ctl_question *q)
{
    uint32_t slot = nonce_slot(q);
    for (; context->nonces[slot] != NULL; slot = (slot + 1) % STORE_POSTGRES_NONCE_SLOTS) {
        const struct ctl_question *other = context->nonces[slot];
        if (other->message_create.channel_id == q->message_create.channel_id &&
            other->message_create.author_id == q->message_create.author_id &&
            nx_bytes_equal(other->message_create.nonce, q->message_create.nonce)) {
            return false;
        }
    }
    context->nonces[slot] = q;
    return true;
}

static void append(struct store_postgres_context *context, const struct ctl_question *q)
{
    struct store_postgres_array *a = context->arrays;
    store_postgres_sql_array_int(&a[0], (int64_t)nx_id_next(&context->mint, q->now_ms));
    store_postgres_sql_array_int(&a[1], (int64_t)q->message_create.channel_id);
    store_postgres_sql_array_int(&a[2], (int64_t)q->message_create.author_id);
    store_postgres_sql_array_int(&a[3], q->message_create.type);
    store_postgres_sql_array_int(&a[4], q->now_ms);
    store_postgres_sql_array_text(&a[5], q->message_create.nonce);
    store_postgres_sql_array_text(&a[6], q->message_create.content);
}

enum nx_err store_postgres_question_put_messages(struct store_postgres_context *context,
                                                 struct store_request *const *requests, uint32_t count,
                                                 uint32_t *taken)
{
    struct store_postgres_array *a = context->arrays;
    for (size_t i = 0; i < STORE_POSTGRES_ARRAYS; i++) {
        store_postgres_sql_array_begin(&a[i], i >= 5);
    }
    memset(context->nonces, 0, sizeof context->nonces);
    uint32_t i = 0;
    for (; i < count && requests[i]->question.kind == CTL_ASK_MESSAGE_CREATE; i++) {
        const struct ctl_question *q = &requests[i]->question;
        if (q->message_create.nonce.size != 0 && !note_nonce(context, q)) {
            break;
        }
        const bool is_good = store_postgres_sql_is_text(q->message_create.content) &&
                             store_postgres_sql_is_text(q->message_create.nonce);
        requests[i]->answer = (struct ctl_answer){.verdict = is_good ? NX_OK : NX_E_MALFORMED};
        if (is_good) {
            append(context, q);
        }
    }
    *taken = i;
    return STORE_PG_SEND(context->db, MESSAGES_CREATE, STORE_PG_ARRAY(&a[0]), STORE_PG_ARRAY(&a[1]),
                         STORE_PG_ARRAY(&a[2]), STORE_PG_ARRAY(&a[3]), STORE_PG_ARRAY(&a[4]),
                         STORE_PG_ARRAY(&a[5]), STORE_PG_ARRAY(&a[6]), STORE_PG_INT(context->epoch),
                         STORE_PG_INT(STORE_NONCE_MS));
}

/** Reads one row of the statement; see its last SELECT for the columns. */
static void take_message(struct store_postgres_context *context, struct store_postgres_rows *rows,
                         struct store_request *request)
{
    const struct ctl_question *q = &request->question;
    const size_t mark = request->arena != NULL ? nx_arena_save(request->arena) : 0;
    const int64_t code = store_postgres_sql_i64(rows, 1);
    request->answer = (struct ctl_answer){0};
    rows->arena = request->arena;
    rows->is_arena_full = false;
    if (code == STORE_PG_BEHIND) {
        /* A tool beside us has written here with a larger id: go on behind it. */
        const uint64_t last = store_postgres_sql_u64(rows, 5);
        const uint64_t behind = nx_id_from_ms(nx_id_ms(last) + 1) - 1;
        if (behind > context->mint.last) {
            nx_id_init(&context->mint, context->mint.node, behind);
        }
        request->answer.verdict = NX_E_EXPIRED;
        return;
    }
    if (code != STORE_PG_DONE) {
        request->answer.verdict = code == STORE_PG_NOT_FOUND ? NX_E_NOT_FOUND : NX_E_UNAVAILABLE;
        return;
    }
    struct ctl_message_row row = {.id = store_postgres_sql_u64(rows, 2),
                                  .channel_id = q->message_create.channel_id,
                                  .seq = store_postgres_sql_u64(rows, 3),
                                  .author_id = q->message_create.author_id,
                                  .type = q->message_create.type,
                                  .nonce = q->message_create.nonce,
                                  .content = q->message_create.content};
    const bool is_duplicate = store_postgres_sql_u64(rows, 4) != 0;
    if (is_duplicate) {
        row.author_id = store_postgres_sql_u64(rows, 6);
        row.type = (uint8_t)store_postgres_sql_u32(rows, 7);
        row.is_deleted = store_postgres_sql_u64(rows, 8) != 0;
        row.edited_ms = store_postgres_sql_i64(rows, 9);
        row.nonce = store_postgres_sql_text(rows, 10);
        row.content = store_postgres_sql_text(rows, 11);
    }
    request->answer.message.id = row.id;
    request->answer.message.seq = row.seq;
    request->answer.message.is_duplicate = is_duplicate;
    request->answer.message.row = row;
    finish(request, NX_OK, rows->is_arena_full, mark);
}

void store_postgres_question_take_messages(struct store_postgres_context *context, const PGresult *result,
                                           struct store_request *const *requests, uint32_t count)
{
    struct store_postgres_rows rows = {.result = result};
    for (uint32_t i = 0; i < count; i++) {
        if (requests[i]->answer.verdict == NX_E_MALFORMED) {
            continue;
        }
        if (rows.row < PQntuples(result)) {
            take_message(context, &rows, requests[i]);
            rows.row++;
        } else {
            requests[i]->answer = (struct ctl_answer){.verdict = NX_E_UNAVAILABLE};
        }
    }
}
