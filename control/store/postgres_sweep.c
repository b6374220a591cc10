#include "control/store/postgres_sweep.h"

#include <string.h>

void store_postgres_sweep_send(struct store_postgres_sweep *sweep,
                               const struct store_postgres_context *context, struct store_postgres_link *link,
                               int64_t now_ms)
{
    enum nx_err err = NX_E_NOT_FOUND;
    if (context->has_dead_channels) {
        err = STORE_PG_SEND(link->db, SWEEP_DEAD, STORE_PG_INT(STORE_SWEEP_ROWS));
    } else if (now_ms >= sweep->due_ms) {
        err = STORE_PG_SEND(link->db, SWEEP_NONCES, STORE_PG_INT(sweep->channel_id),
                            STORE_PG_INT(sweep->author_id),
                            STORE_PG_TEXT(nx_bytes_of(sweep->nonce, sweep->nonce_size)),
                            STORE_PG_INT(now_ms - STORE_NONCE_MS), STORE_PG_INT(STORE_SWEEP_ROWS));
    }
    if (err == NX_OK) {
        sweep->is_under_way = true;
        store_postgres_link_sent(link, 1);
        store_postgres_link_sync(link);
    }
}

static void end_pass(struct store_postgres_sweep *sweep, int64_t now_ms)
{
    *sweep = (struct store_postgres_sweep){.is_under_way = sweep->is_under_way,
                                           .due_ms = now_ms + STORE_NONCE_SWEEP_MS};
}

void store_postgres_sweep_result(struct store_postgres_sweep *sweep, struct store_postgres_context *context,
                                 const PGresult *result, int64_t now_ms)
{
    const struct store_postgres_rows rows = {.result = result};
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_PIPELINE_SYNC) {
        sweep->is_under_way = false;
        return;
    }
    if (status != PGRES_TUPLES_OK) { /* Not now: the next pass tries again. */
        context->has_dead_channels = false;
        end_pass(sweep, now_ms);
        return;
    }
    const uint64_t count = PQntuples(result) > 0 ? store_postgres_sql_u64(&rows, 0) : 0;
    if (context->has_dead_channels) {
        context->has_dead_channels = count != 0;
        return;
    }
    if (count < STORE_SWEEP_ROWS) {
        end_pass(sweep, now_ms);
        return;
    }
    const struct nx_bytes nonce = store_postgres_sql_borrow(&rows, 3);
    sweep->channel_id = store_postgres_sql_i64(&rows, 1);
    sweep->author_id = store_postgres_sql_i64(&rows, 2);
    sweep->nonce_size = 0;
    if (nonce.size > sizeof sweep->nonce) {
        sweep->author_id++; /* Not to be remembered: go on behind its author. */
    } else if (nonce.size != 0) {
        memcpy(sweep->nonce, nonce.at, nonce.size);
        sweep->nonce_size = nonce.size;
    }
}

void store_postgres_sweep_lost(struct store_postgres_sweep *sweep, int64_t now_ms)
{
    if (sweep->is_under_way) {
        sweep->is_under_way = false;
        sweep->due_ms = now_ms + STORE_NONCE_SWEEP_MS;
    }
}
