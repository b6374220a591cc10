#include "control/store/postgres_link.h"

#include "engine/base/assert.h"
#include "engine/io/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_MS = 5000, RETRY_MS_FIRST = 50, RETRY_MS_MAX = 1000, RETRY_NOW_MS = 5 };

/* Results while preparing: session, [end of the former session, lock, epoch,] statements, sync. */
enum { SETUP_SESSION, SETUP_END_FORMER, SETUP_LOCK, SETUP_META, SETUP_STATEMENTS };

static void on_ready(void *context, uint32_t events);
static void on_timer(void *context);

static void want(struct store_postgres_link *link)
{
    if (link->loop == NULL || link->db == NULL) {
        return;
    }
    const int left = PQflush(link->db);
    nx_poll_want(&link->poll, left == 1 ? NX_POLL_READABLE | NX_POLL_WRITABLE : NX_POLL_READABLE);
}

/** Ends the connection and plans the next try. */
static void give_up(struct store_postgres_link *link)
{
    nx_poll_close(&link->poll);
    PQfinish(link->db);
    link->db = NULL;
    link->pending = 0;
    link->state = STORE_POSTGRES_DOWN;
    if (link->loop == NULL) {
        return;
    }
    int64_t delay_ms = RETRY_NOW_MS;
    if (link->tries > 0) {
        delay_ms = (int64_t)RETRY_MS_FIRST << (link->tries < 6 ? link->tries - 1 : 5);
        delay_ms = delay_ms < RETRY_MS_MAX ? delay_ms : RETRY_MS_MAX;
        delay_ms = delay_ms / 2 + (int64_t)nx_prng_below(&link->prng, (uint32_t)delay_ms);
    }
    link->tries++;
    nx_timer_set_ms(link->loop, &link->timer, delay_ms);
}

void store_postgres_link_drop(struct store_postgres_link *link)
{
    if (link->state == STORE_POSTGRES_DOWN) {
        return;
    }
    const bool was_ready = link->state == STORE_POSTGRES_READY;
    if (was_ready) {
        char why[STORE_WHY_SIZE];
        (void)store_postgres_setup_failed(link->db, "store.postgres_lost why", why);
        fprintf(stderr, "%s\n", why);
        link->lost_count++;
        link->tries = 0;
    }
    give_up(link);
    if (was_ready) {
        link->events->lost(link->context);
    }
}

/* ---- connecting on the loop ---- */

static bool send_plain(struct store_postgres_link *link, const char *sql)
{
    link->pending++;
    return PQsendQueryParams(link->db, sql, 0, NULL, NULL, NULL, NULL, 0) == 1;
}

/** Sends everything a fresh connection needs; the results are read by prepared(). */
static void prepare(struct store_postgres_link *link)
{
    char end_former[256];
    /* The server may not have noticed yet that our former session is gone, or that session may be stuck in a commit. */
    snprintf(
        end_former, sizeof end_former,
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = %d"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        link->backend_pid);
    link->state = STORE_POSTGRES_PREPARING;
    link->setup_result = 0;
    bool is_good = PQsetnonblocking(link->db, 1) == 0 && PQenterPipelineMode(link->db) == 1 &&
                   send_plain(link, store_postgres_setup_session);
    if (link->owner_epoch != 0) {
        is_good =
            is_good && send_plain(link, end_former) && send_plain(link, store_postgres_setup_lock) &&
            send_plain(link,
                       "SELECT value FROM meta WHERE key IN ('owner_epoch', 'last_batch') ORDER BY key DESC");
    }
    if (!is_good || store_postgres_sql_prepare(link->db) != NX_OK) {
        give_up(link);
        return;
    }
    link->pending += STORE_PG_COUNT;
    store_postgres_link_sync(link);
}

/** Reads one result of prepare(); false when the connection cannot be used. */
static bool prepared(struct store_postgres_link *link, const PGresult *result)
{
    const ExecStatusType status = PQresultStatus(result);
    int at = link->setup_result++;
    if (link->owner_epoch == 0 && at > SETUP_SESSION) {
        at = SETUP_STATEMENTS;
    }
    if (status == PGRES_PIPELINE_SYNC) {
        return true;
    }
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        return at == SETUP_END_FORMER &&
               status != PGRES_PIPELINE_ABORTED; /* Not allowed: it ends by itself. */
    }
    if (at == SETUP_LOCK) {
        return PQgetvalue(result, 0, 0)[0] == 't';
    }
    if (at == SETUP_META && PQntuples(result) == 2) {
        if (strtoull(PQgetvalue(result, 0, 0), NULL, 10) != link->owner_epoch) {
            link->events->replaced(link->context);
            return false;
        }
        link->last_batch = strtoull(PQgetvalue(result, 1, 0), NULL, 10);
    }
    return true;
}

static void connected(struct store_postgres_link *link)
{
    nx_timer_cancel(link->loop, &link->timer);
    link->state = STORE_POSTGRES_READY;
    link->backend_pid = PQbackendPID(link->db);
    link->tries = 0;
    fprintf(stderr, "store.postgres_back pid=%d\n", link->backend_pid);
    link->events->ready(link->context);
}

/* ---- results ---- */

/** Whether `result` says that the session ends, rather than that a statement failed. */
static bool is_end(const struct store_postgres_link *link, const PGresult *result)
{
    if (PQstatus(link->db) != CONNECTION_OK) {
        return true;
    }
    if (PQresultStatus(result) != PGRES_FATAL_ERROR) {
        return false;
    }
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return state == NULL || strncmp(state, "57P", 3) == 0;
}

/** Gives the results that are there; may be called by what it calls. Returns false when the connection is lost. */
static bool pump(struct store_postgres_link *link, bool may_block)
{
    int empty = 0;
    while (link->pending > 0 && (may_block || PQisBusy(link->db) == 0)) {
        PGresult *result = PQgetResult(link->db);
        if (result == NULL) {
            if (++empty > 1) { /* One ends each statement; more mean that nothing is there. */
                break;
            }
            continue;
        }
        empty = 0;
        if (is_end(link, result)) {
            PQclear(result);
            return false;
        }
        link->pending--;
        const uint32_t lost_count = link->lost_count;
        bool is_good = true;
        if (link->state == STORE_POSTGRES_PREPARING) {
            is_good = prepared(link, result);
            if (is_good && PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
                connected(link);
            }
        } else {
            link->events->result(link->context, result);
        }
        PQclear(result);
        if (link->lost_count != lost_count || link->db == NULL) {
            return true; /* Given up and told by what was called. */
        }
        if (!is_good) {
            return false;
        }
    }
    return PQstatus(link->db) == CONNECTION_OK;
}

static void on_ready(void *context, uint32_t events)
{
    struct store_postgres_link *link = context;
    (void)events;
    if (link->state == STORE_POSTGRES_CONNECTING) {
        const PostgresPollingStatusType status = PQconnectPoll(link->db);
        /* libpq may have gone on to another address, and so to another descriptor. */
        if (status != PGRES_POLLING_FAILED && PQsocket(link->db) != link->poll.fd) {
            nx_poll_close(&link->poll);
            if (nx_poll_open(link->loop, &link->poll, PQsocket(link->db), on_ready, link) != NX_OK) {
                give_up(link);
                return;
            }
        }
        if (status == PGRES_POLLING_FAILED) {
            give_up(link);
        } else if (status == PGRES_POLLING_OK) {
            prepare(link);
        } else {
            nx_poll_want(&link->poll, status == PGRES_POLLING_WRITING ? NX_POLL_WRITABLE : NX_POLL_READABLE);
        }
        return;
    }
    if (PQconsumeInput(link->db) != 1 || !pump(link, false)) {
        store_postgres_link_drop(link);
        return;
    }
    want(link);
}

static void on_timer(void *context)
{
    struct store_postgres_link *link = context;
    if (link->state != STORE_POSTGRES_DOWN) { /* The try takes too long. */
        give_up(link);
        return;
    }
    const char *keywords[16];
    const char *values[16];
    store_postgres_setup_parameters(link->url, link->host_address[0] != '\0' ? link->host_address : NULL,
                                    keywords, values);
    link->db = PQconnectStartParams(keywords, values, 1);
    link->state = STORE_POSTGRES_CONNECTING;
    if (PQstatus(link->db) == CONNECTION_BAD ||
        nx_poll_open(link->loop, &link->poll, PQsocket(link->db), on_ready, link) != NX_OK) {
        give_up(link);
        return;
    }
    nx_poll_want(&link->poll, NX_POLL_WRITABLE);
    nx_timer_set_ms(link->loop, &link->timer, CONNECT_MS);
}

/* ---- the owner's side ---- */

enum nx_err store_postgres_link_open(struct store_postgres_link *link, PGconn *db)
{
    link->db = db;
    link->state = STORE_POSTGRES_READY;
    link->backend_pid = PQbackendPID(db);
    if (link->loop == NULL) {
        return NX_OK;
    }
    const char *address = PQhostaddr(db);
    if (address != NULL && PQhost(db) != NULL && PQhost(db)[0] != '/' && strchr(link->url, ',') == NULL) {
        snprintf(link->host_address, sizeof link->host_address, "%s", address);
    }
    nx_prng_init(&link->prng, (uint64_t)nx_clock_now().ns ^ (uint64_t)link->backend_pid << 32);
    nx_timer_init(&link->timer, on_timer, link);
    if (PQsetnonblocking(db, 1) != 0) {
        return NX_E_FULL;
    }
    const enum nx_err err = nx_poll_open(link->loop, &link->poll, PQsocket(db), on_ready, link);
    if (err == NX_OK) {
        want(link);
    }
    return err;
}

void store_postgres_link_close(struct store_postgres_link *link)
{
    if (link->loop != NULL && link->events != NULL) {
        nx_poll_close(&link->poll);
        nx_timer_cancel(link->loop, &link->timer);
    }
    PQfinish(link->db);
    link->db = NULL;
    link->state = STORE_POSTGRES_DOWN;
}

void store_postgres_link_sent(struct store_postgres_link *link, uint32_t count)
{
    link->pending += count;
}

void store_postgres_link_sync(struct store_postgres_link *link)
{
    link->pending += PQpipelineSync(link->db) == 1;
    want(link);
}

void store_postgres_link_flush(struct store_postgres_link *link)
{
    want(link);
}

void store_postgres_link_wait(struct store_postgres_link *link)
{
    NX_ASSERT(link->loop == NULL);
    if (!pump(link, true)) {
        store_postgres_link_drop(link);
    }
}
