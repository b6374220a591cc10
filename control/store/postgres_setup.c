#include "control/store/postgres_setup.h"

#include "control/store/limits.h"
#include "engine/io/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The locks are of this database: "Nexus" in ASCII, and the next number for migrations. */
#define LOCK_OWNER     "336092984691"
#define LOCK_MIGRATION "336092984692"

const char store_postgres_setup_session[] =
    "SELECT set_config(name, value, false) FROM (VALUES ('client_min_messages', 'warning'), ('jit', 'off'),"
    " ('enable_seqscan', 'off'), ('enable_mergejoin', 'off'), ('plan_cache_mode', 'force_generic_plan'),"
    " ('default_transaction_isolation', 'read committed'), ('statement_timeout', '0'), ('lock_timeout', "
    "'5s'),"
    " ('idle_in_transaction_session_timeout', '0'), ('idle_session_timeout', '0'), ('tcp_keepalives_idle', "
    "'5'),"
    " ('client_connection_check_interval', '1s'), ('tcp_keepalives_interval', '2'), ('tcp_keepalives_count', "
    "'3')) v(name, value) UNION ALL"
    " SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = "
    "'off'";

const char store_postgres_setup_lock[] = "SELECT pg_try_advisory_lock(" LOCK_OWNER ")";

void store_postgres_setup_parameters(const char *url, const char *host_address, const char **keywords,
                                     const char **values)
{
    static const char *const pairs[][2] = {{"application_name", "nexus"}, {"client_encoding", "UTF8"},
                                           {"connect_timeout", "5"},      {"tcp_user_timeout", "5000"},
                                           {"keepalives_idle", "5"},      {"keepalives_interval", "2"},
                                           {"keepalives_count", "3"}};
    size_t count = 0;
    for (; count < sizeof pairs / sizeof *pairs; count++) {
        keywords[count] = pairs[count][0];
        values[count] = pairs[count][1];
    }
    keywords[count] = "dbname"; /* What the url says itself comes later, and so it wins. */
    values[count++] = url;
    if (host_address != NULL) {
        keywords[count] = "hostaddr";
        values[count++] = host_address;
    }
    keywords[count] = NULL;
    values[count] = NULL;
}

enum nx_err store_postgres_setup_failed(PGconn *db, const char *what, char why[STORE_WHY_SIZE])
{
    char reason[STORE_WHY_SIZE];
    snprintf(reason, sizeof reason, "%s", PQerrorMessage(db));
    for (char *at = reason; *at != '\0'; at++) {
        if (*at == '\n') {
            *at = at[1] == '\0' ? '\0' : ' ';
            if (*at == '\0') {
                break;
            }
        }
    }
    snprintf(why, STORE_WHY_SIZE, "%.80s: %.160s", what, reason);
    return NX_E_IO;
}

enum nx_err store_postgres_setup_exec(PGconn *db, const char *sql, char why[STORE_WHY_SIZE])
{
    PGresult *result = PQexec(db, sql);
    const ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK
               ? NX_OK
               : store_postgres_setup_failed(db, "PostgreSQL refused", why);
}

enum nx_err store_postgres_setup_connect(PGconn **out, const char *url, char why[STORE_WHY_SIZE])
{
    const char *keywords[16];
    const char *values[16];
    char *problem = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &problem);
    if (options == NULL) {
        snprintf(why, STORE_WHY_SIZE, "the database url cannot be read: %.160s",
                 problem != NULL ? problem : "no memory");
        why[strcspn(why, "\n")] = '\0';
        PQfreemem(problem);
        return NX_E_MALFORMED;
    }
    PQconninfoFree(options);
    store_postgres_setup_parameters(url, NULL, keywords, values);
    PGconn *db = PQconnectdbParams(keywords, values, 1);
    enum nx_err err = NX_OK;
    if (PQstatus(db) != CONNECTION_OK) {
        err = store_postgres_setup_failed(db, "PostgreSQL cannot be reached", why);
    } else if (PQserverVersion(db) < 140000) {
        snprintf(why, STORE_WHY_SIZE, "PostgreSQL must be version 14 or later, this one is %d",
                 PQserverVersion(db) / 10000);
        err = NX_E_MALFORMED;
    } else if (strcmp(PQparameterStatus(db, "server_encoding"), "UTF8") != 0) {
        snprintf(why, STORE_WHY_SIZE, "the database must have the encoding UTF8, not %.40s",
                 PQparameterStatus(db, "server_encoding"));
        err = NX_E_MALFORMED;
    }
    if (err == NX_OK) {
        err = store_postgres_setup_exec(db, store_postgres_setup_session, why);
    }
    if (err != NX_OK) {
        PQfinish(db);
        return err;
    }
    *out = db;
    return NX_OK;
}

/** Whether the server may be there in a moment: it does not answer, or it says that it is starting. */
static bool is_starting(const char *url)
{
    const char *keywords[16];
    const char *values[16];
    store_postgres_setup_parameters(url, NULL, keywords, values);
    const PGPing ping = PQpingParams(keywords, values, 1);
    return ping == PQPING_NO_RESPONSE || ping == PQPING_REJECT;
}

enum nx_err store_postgres_setup_connect_waiting(PGconn **out, const char *url, char why[STORE_WHY_SIZE])
{
    const nx_time start = nx_clock_now();
    sigset_t ends;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGINT);
    for (uint32_t tries = 0;; tries++) {
        const enum nx_err err = store_postgres_setup_connect(out, url, why);
        if (err != NX_E_IO || !is_starting(url) ||
            nx_time_since_ns(nx_clock_now(), start) > (int64_t)STORE_PG_START_S * NX_TIME_NS_PER_S) {
            return err;
        }
        if (tries == 0) {
            fprintf(stderr, "store.postgres_awaited for_s=%d why=%s\n", STORE_PG_START_S, why);
        }
        const struct timespec pause = {.tv_sec = tries < 4 ? 0 : 1, .tv_nsec = tries < 4 ? 250000000 : 0};
        if (sigtimedwait(&ends, NULL, &pause) > 0) {
            return err;
        }
    }
}

enum nx_err store_postgres_setup_own(PGconn *db, char why[STORE_WHY_SIZE])
{
    /* The session of a control that has just ended may need a moment to end as well. */
    static const char wait[] = "SET lock_timeout = '2s'";
    static const char take[] = "SELECT pg_advisory_lock(" LOCK_OWNER ")";
    enum nx_err err = store_postgres_setup_exec(db, wait, why);
    if (err != NX_OK) {
        return err;
    }
    PGresult *result = PQexec(db, take);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        const bool is_taken = state != NULL && strcmp(state, "55P03") == 0;
        err = store_postgres_setup_failed(db, "PostgreSQL refused the owner's lock", why);
        if (is_taken) {
            snprintf(why, STORE_WHY_SIZE, "another control holds this database");
            err = NX_E_IN_USE;
        }
    }
    PQclear(result);
    return err == NX_OK ? store_postgres_setup_exec(db, "SET lock_timeout = '5s'", why) : err;
}

/* ---- migrations ---- */

/** Compares what the database remembers with `list`; writes how many steps it has seen. */
static enum nx_err seen(PGconn *db, const struct store_migration *list, size_t count, size_t *out,
                        char why[STORE_WHY_SIZE])
{
    PGresult *rows = PQexec(db, "SELECT version, checksum FROM schema_migrations ORDER BY version");
    enum nx_err err = NX_OK;
    if (PQresultStatus(rows) != PGRES_TUPLES_OK) {
        err = store_postgres_setup_failed(db, "cannot read the schema's version", why);
    }
    const size_t found = (size_t)PQntuples(rows);
    for (size_t i = 0; i < found && err == NX_OK; i++) {
        const unsigned long version = strtoul(PQgetvalue(rows, (int)i, 0), NULL, 10);
        if (version != i + 1) {
            snprintf(why, STORE_WHY_SIZE, "the database lacks schema version %zu but has a later one", i + 1);
            err = NX_E_MALFORMED;
        } else if (version > count) {
            snprintf(why, STORE_WHY_SIZE,
                     "the database has schema version %lu or later, this program knows up to %zu: start a "
                     "newer one",
                     version, count);
            err = NX_E_MALFORMED;
        } else if (strcmp(PQgetvalue(rows, (int)i, 1), list[i].checksum) != 0) {
            snprintf(why, STORE_WHY_SIZE,
                     "schema version %lu of the database is not this program's %s (checksums differ)",
                     version, list[i].name);
            err = NX_E_MALFORMED;
        }
    }
    PQclear(rows);
    if (err == NX_OK) {
        *out = found;
    }
    return err;
}

static enum nx_err record(PGconn *db, size_t version, const struct store_migration *step, int64_t now_ms,
                          char why[STORE_WHY_SIZE])
{
    char number[24];
    char now[24];
    const char *const values[] = {number, step->name, step->checksum, now};
    snprintf(number, sizeof number, "%zu", version);
    snprintf(now, sizeof now, "%lld", (long long)now_ms);
    PGresult *result = PQexecParams(db, "INSERT INTO schema_migrations VALUES ($1, $2, $3, $4)", 4, NULL,
                                    values, NULL, NULL, 0);
    const ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    return status == PGRES_COMMAND_OK
               ? NX_OK
               : store_postgres_setup_failed(db, "cannot record a schema version", why);
}

/** Runs inside a transaction: applies the first step that is missing, if any. */
static enum nx_err apply_next(PGconn *db, const struct store_migration *list, size_t count, int64_t now_ms,
                              bool *is_done, char why[STORE_WHY_SIZE])
{
    enum nx_err err = store_postgres_setup_exec(
        db,
        "SELECT pg_advisory_xact_lock(" LOCK_MIGRATION ");"
        " CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL,"
        " checksum TEXT NOT NULL, applied_ms BIGINT NOT NULL)",
        why);
    size_t version = 0;
    if (err == NX_OK) {
        err = seen(db, list, count, &version, why);
    }
    *is_done = version == count;
    if (err != NX_OK || *is_done) {
        return err;
    }
    for (size_t i = 0; i < STORE_MIGRATION_PARTS_MAX && list[version].parts[i] != NULL && err == NX_OK; i++) {
        err = store_postgres_setup_exec(db, list[version].parts[i], why);
    }
    return err == NX_OK ? record(db, version + 1, &list[version], now_ms, why) : err;
}

enum nx_err store_postgres_setup_migrate(PGconn *db, const struct store_migration *list, size_t count,
                                         int64_t now_ms, char why[STORE_WHY_SIZE])
{
    for (bool is_done = false; !is_done;) {
        enum nx_err err = store_postgres_setup_exec(db, "BEGIN", why);
        if (err == NX_OK) {
            err = apply_next(db, list, count, now_ms, &is_done, why);
        }
        if (err == NX_OK) {
            err = store_postgres_setup_exec(db, "COMMIT", why);
        }
        if (err != NX_OK) {
            PQclear(PQexec(db, "ROLLBACK"));
            return err;
        }
    }
    return NX_OK;
}

/* ---- beginning ---- */

static enum nx_err ask_number(PGconn *db, const char *sql, uint64_t *out, char why[STORE_WHY_SIZE])
{
    PGresult *result = PQexec(db, sql);
    enum nx_err err = NX_OK;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        err = store_postgres_setup_failed(db, "the database cannot be written", why);
    } else {
        *out = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
    }
    PQclear(result);
    return err;
}

enum nx_err store_postgres_setup_begin(PGconn *db, struct store_postgres_context *context, uint16_t node,
                                       bool is_control, char why[STORE_WHY_SIZE])
{
    uint64_t last = 0;
    uint64_t dead = 0;
    enum nx_err err =
        ask_number(db,
                   is_control ? "UPDATE meta SET value = value + 1 WHERE key = 'owner_epoch' RETURNING value"
                              : "SELECT value FROM meta WHERE key = 'owner_epoch'",
                   &context->epoch, why);
    if (err == NX_OK) {
        err = ask_number(db,
                         "SELECT greatest((SELECT max(id) FROM messages), (SELECT max(id) FROM users),"
                         " (SELECT max(last_message_id) FROM channels), 0)",
                         &last, why);
    }
    if (err == NX_OK) {
        err = ask_number(db, "SELECT count(*) FROM (SELECT FROM dead_channels LIMIT 1) d", &dead, why);
    }
    if (err != NX_OK) {
        return err;
    }
    nx_id_init(&context->mint, node, last == 0 ? 0 : nx_id_from_ms(nx_id_ms(last) + 1) - 1);
    context->has_dead_channels = dead != 0;
    return NX_OK;
}

enum nx_err store_postgres_setup_prepare(PGconn *db, char why[STORE_WHY_SIZE])
{
    if (PQenterPipelineMode(db) != 1 || store_postgres_sql_prepare(db) != NX_OK || PQpipelineSync(db) != 1) {
        return store_postgres_setup_failed(db, "PostgreSQL takes no statements", why);
    }
    enum nx_err err = NX_OK;
    for (bool is_over = false; !is_over;) {
        PGresult *result = PQgetResult(db);
        const ExecStatusType status = PQresultStatus(result);
        is_over = status == PGRES_PIPELINE_SYNC || PQstatus(db) != CONNECTION_OK;
        if (result != NULL && err == NX_OK && !is_over && status != PGRES_COMMAND_OK) {
            err = store_postgres_setup_failed(db, "PostgreSQL refused a statement", why);
        }
        PQclear(result);
    }
    if (err == NX_OK && PQstatus(db) != CONNECTION_OK) {
        err = store_postgres_setup_failed(db, "PostgreSQL went away", why);
    }
    return err;
}

/* ---- loading ---- */

/** Streams the rows of `sql` to `on_row`, one at a time. Returns NX_OK; NX_E_IO. */
static enum nx_err stream(PGconn *db, const char *sql,
                          void (*on_row)(void *context, struct store_postgres_rows *rows), void *context)
{
    if (PQsendQueryParams(db, sql, 0, NULL, NULL, NULL, NULL, 1) != 1 || PQsetSingleRowMode(db) != 1) {
        return NX_E_IO;
    }
    enum nx_err err = NX_OK;
    PGresult *result;
    while ((result = PQgetResult(db)) != NULL) {
        const ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_SINGLE_TUPLE) {
            struct store_postgres_rows rows = {.result = result};
            on_row(context, &rows);
        } else if (status != PGRES_TUPLES_OK) {
            err = NX_E_IO;
        }
        PQclear(result);
    }
    return err;
}

static void load_user(void *context, struct store_postgres_rows *rows)
{
    const struct store_loader *loader = context;
    const struct ctl_user_row row = {
        .id = store_postgres_sql_u64(rows, 0),
        .username = store_postgres_sql_borrow(rows, 1),
        .name_key = store_postgres_sql_borrow(rows, 2),
        .global_name = store_postgres_sql_borrow(rows, 3),
        .email = store_postgres_sql_borrow(rows, 4),
        .flags = store_postgres_sql_u64(rows, 5),
        .created_ms = store_postgres_sql_i64(rows, 6),
    };
    loader->user(loader->context, &row);
}

static void load_guild(void *context, struct store_postgres_rows *rows)
{
    const struct store_loader *loader = context;
    const struct ctl_guild_row row = {.id = store_postgres_sql_u64(rows, 0),
                                      .owner_id = store_postgres_sql_u64(rows, 1),
                                      .name = store_postgres_sql_borrow(rows, 2),
                                      .description = store_postgres_sql_borrow(rows, 3)};
    loader->guild(loader->context, &row);
}

static void load_role(void *context, struct store_postgres_rows *rows)
{
    const struct store_loader *loader = context;
    const struct ctl_role_row row = {
        .id = store_postgres_sql_u64(rows, 0),
        .guild_id = store_postgres_sql_u64(rows, 1),
        .name = store_postgres_sql_borrow(rows, 2),
        .permissions = store_postgres_sql_u64(rows, 3),
        .position = store_postgres_sql_u32(rows, 4),
        .color = store_postgres_sql_u32(rows, 5),
        .flags = store_postgres_sql_u32(rows, 6),
    };
    loader->role(loader->context, &row);
}

static void load_channel(void *context, struct store_postgres_rows *rows)
{
    const struct store_loader *loader = context;
    const struct ctl_channel_row row = {
        .id = store_postgres_sql_u64(rows, 0),
        .guild_id = store_postgres_sql_u64(rows, 1),
        .type = (uint8_t)store_postgres_sql_u32(rows, 2),
        .name = store_postgres_sql_borrow(rows, 3),
        .topic = store_postgres_sql_borrow(rows, 4),
        .position = store_postgres_sql_u32(rows, 5),
        .parent_id = store_postgres_sql_u64(rows, 6),
        .slowmode_s = store_postgres_sql_u32(rows, 7),
        .bitrate_bps = store_postgres_sql_u32(rows, 8),
        .user_limit = store_postgres_sql_u32(rows, 9),
        .flags = store_postgres_sql_u32(rows, 10),
        .last_seq = store_postgres_sql_u64(rows, 11),
        .last_message_id = store_postgres_sql_u64(rows, 12),
    };
    loader->channel(loader->context, &row);
}

static void load_overwrite(void *context, struct store_postgres_rows *rows)
{
    const struct store_loader *loader = context;
    const struct ctl_overwrite_row row = {.channel_id = store_postgres_sql_u64(rows, 0),
                                          .target_id = store_postgres_sql_u64(rows, 1),
                                          .type = (uint8_t)store_postgres_sql_u32(rows, 2),
                                          .allow = store_postgres_sql_u64(rows, 3),
                                          .deny = store_postgres_sql_u64(rows, 4)};
    loader->overwrite(loader->context, &row);
}

/** Members come with their roles as one bytea of big-endian numbers. */
static void load_member(void *context, struct store_postgres_rows *rows)
{
    enum { ROLES_MAX = 4096 };
    static _Thread_local uint64_t roles[ROLES_MAX];
    const struct store_loader *loader = context;
    const struct nx_bytes packed = store_postgres_sql_borrow(rows, 5);
    struct ctl_member_row row = {.guild_id = store_postgres_sql_u64(rows, 0),
                                 .user_id = store_postgres_sql_u64(rows, 1),
                                 .nick = store_postgres_sql_borrow(rows, 2),
                                 .joined_ms = store_postgres_sql_i64(rows, 3),
                                 .timeout_until_ms = store_postgres_sql_i64(rows, 4),
                                 .roles = roles};
    for (size_t i = 0; i + 8 <= packed.size && row.roles_count < ROLES_MAX; i += 8) {
        uint64_t role = 0;
        for (size_t k = 0; k < 8; k++) {
            role = role << 8 | packed.at[i + k];
        }
        roles[row.roles_count++] = role;
    }
    loader->member(loader->context, &row);
}

enum nx_err store_postgres_setup_load(PGconn *db, const struct store_loader *loader)
{
    static const struct {
        const char *sql;
        void (*on_row)(void *context, struct store_postgres_rows *rows);
    } steps[] = {
        {"SELECT id, username, name_key, global_name, email, flags, created_ms FROM users ORDER BY id",
         load_user},
        {"SELECT id, owner_id, name, description FROM guilds ORDER BY id", load_guild},
        {"SELECT id, guild_id, name, permissions, position, color, flags FROM roles ORDER BY guild_id, id",
         load_role},
        {"SELECT id, guild_id, type, name, topic, position, parent_id, slowmode_s, bitrate_bps, user_limit, "
         "flags,"
         " last_seq, last_message_id FROM channels ORDER BY guild_id, id",
         load_channel},
        {"SELECT channel_id, target_id, type, allow, deny FROM overwrites ORDER BY channel_id, target_id",
         load_overwrite},
        {"SELECT guild_id, user_id, nick, joined_ms, timeout_until_ms, (SELECT string_agg(int8send(role_id), "
         "''"
         " ORDER BY role_id) FROM member_roles r WHERE r.guild_id = m.guild_id AND r.user_id = m.user_id)"
         " FROM members m ORDER BY guild_id, user_id",
         load_member},
    };
    char why[STORE_WHY_SIZE];
    enum nx_err err = store_postgres_setup_exec(
        db, "SET enable_seqscan = on; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", why);
    for (size_t i = 0; i < sizeof steps / sizeof *steps && err == NX_OK; i++) {
        union {
            const struct store_loader *given;
            void *context;
        } to = {.given = loader};
        err = stream(db, steps[i].sql, steps[i].on_row, to.context);
    }
    const enum nx_err end = store_postgres_setup_exec(db, "COMMIT; SET enable_seqscan = off", why);
    return err == NX_OK ? end : NX_E_IO;
}
