#include "control/store/postgres_batch.h"

#include "engine/io/clock.h"

#include <string.h>

/** Whether control keeps in memory what the question changes: then it must know whether it was changed. */
static bool is_kept_in_memory(enum ctl_question_kind kind)
{
    return kind != CTL_ASK_MESSAGE_CREATE && kind != CTL_ASK_READ_STATE_PUT;
}

static void send_questions(struct store_postgres_batch *batch, struct store_postgres_context *context,
                           struct store_postgres_link *link)
{
    for (uint32_t i = 0; i < batch->count;) {
        struct store_request *request = batch->requests[i];
        uint32_t taken = 1;
        enum nx_err err;
        if (request->question.kind == CTL_ASK_MESSAGE_CREATE) {
            err =
                store_postgres_question_put_messages(context, &batch->requests[i], batch->count - i, &taken);
        } else {
            err = store_postgres_question_put(context, link->db, request);
        }
        if (err == NX_OK) {
            batch->steps[batch->steps_count++] =
                (struct store_postgres_step){.first = (uint16_t)i, .count = (uint16_t)taken};
            store_postgres_link_sent(link, 1);
        } else {
            request->answer = (struct ctl_answer){.verdict = err};
        }
        i += taken;
    }
}

void store_postgres_batch_send(struct store_postgres_batch *batch, struct store_postgres_context *context,
                               struct store_postgres_link *link)
{
    context->db = link->db;
    batch->steps_count = 0;
    batch->results = 0;
    batch->is_committed = false;
    batch->is_over = false;
    batch->sqlstate[0] = '\0';
    batch->sent_at = nx_clock_now();
    bool has_mark = false;
    for (uint32_t i = 0; i < batch->count; i++) {
        struct store_request *request = batch->asked[i].request;
        batch->requests[i] = request;
        batch->marks[i] = request->arena != NULL ? nx_arena_save(request->arena) : 0;
        has_mark = has_mark || is_kept_in_memory(request->question.kind);
    }
    batch->mark = has_mark ? batch->mark : 0;
    uint32_t sent = store_postgres_sql_send(link->db, STORE_PG_BEGIN, NULL, 0) == NX_OK;
    send_questions(batch, context, link);
    if (has_mark) {
        sent += STORE_PG_SEND(link->db, MARK, STORE_PG_INT(batch->mark)) == NX_OK;
    }
    sent += store_postgres_sql_send(link->db, STORE_PG_COMMIT, NULL, 0) == NX_OK;
    store_postgres_link_sent(link, sent);
    store_postgres_link_sync(link);
}

static void take(struct store_postgres_batch *batch, struct store_postgres_context *context,
                 const struct store_postgres_step *step, const PGresult *result)
{
    struct store_request *request = batch->requests[step->first];
    if (request->question.kind == CTL_ASK_MESSAGE_CREATE) {
        store_postgres_question_take_messages(context, result, &batch->requests[step->first], step->count);
    } else {
        store_postgres_question_take(context, result, request);
    }
}

void store_postgres_batch_result(struct store_postgres_batch *batch, struct store_postgres_context *context,
                                 const PGresult *result)
{
    const ExecStatusType status = PQresultStatus(result);
    const uint32_t at = batch->results++;
    const uint32_t commit_at = 1 + batch->steps_count + (batch->mark != 0);
    if (status == PGRES_PIPELINE_SYNC) {
        batch->is_over = true;
        return;
    }
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        if (state != NULL && batch->sqlstate[0] == '\0') {
            strncpy(batch->sqlstate, state, sizeof batch->sqlstate - 1);
        }
        return;
    }
    if (at >= 1 && at <= batch->steps_count) {
        take(batch, context, &batch->steps[at - 1], result);
    } else if (at == commit_at) {
        /* A transaction that has failed answers its COMMIT with ROLLBACK. */
        union {
            const PGresult *given;
            PGresult *wanted; /* libpq reads only, but says otherwise */
        } tag = {.given = result};
        batch->is_committed = strcmp(PQcmdStatus(tag.wanted), "COMMIT") == 0;
    }
}

bool store_postgres_batch_may_retry(const struct store_postgres_batch *batch)
{
    /* Connection, read-only, resources, operator, system: the next question would fare no better. */
    static const char *const hopeless[] = {"08", "25", "53", "55", "57", "58"};
    for (size_t i = 0; i < sizeof hopeless / sizeof *hopeless; i++) {
        if (strncmp(batch->sqlstate, hopeless[i], 2) == 0) {
            return false;
        }
    }
    return true;
}

enum nx_err store_postgres_batch_verdict(const struct store_postgres_batch *batch)
{
    if (strcmp(batch->sqlstate, "23505") == 0) {
        return NX_E_CONFLICT;
    }
    return strcmp(batch->sqlstate, "23503") == 0 ? NX_E_NOT_FOUND : NX_E_UNAVAILABLE;
}

void store_postgres_batch_restore(struct store_postgres_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        if (batch->requests[i]->arena != NULL) {
            nx_arena_restore(batch->requests[i]->arena, batch->marks[i]);
        }
    }
}
