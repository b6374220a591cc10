#include "control/store/copy_end.h"

#include "engine/base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SQL_SIZE_MAX = 1024, COPY_HEAD_SIZE = 19 };

const struct store_copy_table store_copy_end_tables[STORE_COPY_TABLES - 1] = {
    {"users", "id, username, name_key, global_name, email, password_hash, flags, created_ms", "itttttii",
     "id"},
    {"logins", "sid, user_id, created_ms, used_ms, expires_ms, agent, generation", "iiiiiti", "sid"},
    {"login_hashes", "hash, sid, generation, replaced_ms", "biii", "hash"},
    {"guilds", "id, owner_id, name, description", "iitt", "id"},
    {"roles", "id, guild_id, name, permissions, position, color, flags", "iitiiii", "id"},
    {"channels",
     "id, guild_id, last_seq, last_message_id, owner_epoch, type, position, parent_id, slowmode_s, "
     "bitrate_bps,"
     " user_limit, flags, name, topic",
     "iiiiiiiiiiiitt", "id"},
    {"overwrites", "channel_id, target_id, type, allow, deny", "iiiii", "channel_id, target_id"},
    {"members", "guild_id, user_id, nick, joined_ms, timeout_until_ms", "iitii", "guild_id, user_id"},
    {"member_roles", "guild_id, user_id, role_id", "iii", "guild_id, user_id, role_id"},
    {"bans", "guild_id, user_id, reason", "iit", "guild_id, user_id"},
    {"invites", "code, guild_id, channel_id, inviter_id, created_ms, expires_ms, uses_max, uses", "tiiiiiii",
     "code"},
    {"messages", "id, channel_id, seq, author_id, type, is_deleted, edited_ms, nonce, content", "iiiiiiitt",
     "id"},
    {"nonces", "channel_id, author_id, nonce, message_id, created_ms", "iitii",
     "channel_id, author_id, nonce"},
    {"dead_channels", "channel_id", "i", "channel_id"},
    {"read_states", "user_id, channel_id, last_message_id, mention_count", "iiii", "user_id, channel_id"},
};

static enum nx_err failed(struct store_copy_end *end, char why[STORE_WHY_SIZE])
{
    const char *what = end->table != NULL ? end->table->name : "the copy";
    if (end->db != NULL) {
        return store_postgres_setup_failed(end->db, what, why);
    }
    snprintf(why, STORE_WHY_SIZE, "%.60s: %.120s", what, sqlite3_errmsg(end->lite.db));
    return NX_E_IO;
}

enum nx_err store_copy_end_exec(struct store_copy_end *end, const char *sql, char why[STORE_WHY_SIZE])
{
    if (end->db != NULL) {
        return store_postgres_setup_exec(end->db, sql, why);
    }
    end->table = NULL;
    return sqlite3_exec(end->lite.db, sql, NULL, NULL, NULL) == SQLITE_OK ? NX_OK : failed(end, why);
}

/* ---- out ---- */

enum nx_err store_copy_end_read(struct store_copy_end *end, const struct store_copy_table *table,
                                char why[STORE_WHY_SIZE])
{
    char sql[SQL_SIZE_MAX];
    end->table = table;
    snprintf(sql, sizeof sql, "SELECT %s FROM %s ORDER BY %s", table->columns, table->name, table->key);
    if (end->db == NULL) {
        return sqlite3_prepare_v2(end->lite.db, sql, -1, &end->rows, NULL) == SQLITE_OK ? NX_OK
                                                                                        : failed(end, why);
    }
    return PQsendQueryParams(end->db, sql, 0, NULL, NULL, NULL, NULL, 1) == 1 &&
                   PQsetSingleRowMode(end->db) == 1
               ? NX_OK
               : failed(end, why);
}

static enum nx_err next_postgres(struct store_copy_end *end, struct store_copy_value *values,
                                 char why[STORE_WHY_SIZE])
{
    PQclear(end->row);
    end->row = PQgetResult(end->db);
    if (PQresultStatus(end->row) != PGRES_SINGLE_TUPLE) {
        return PQresultStatus(end->row) == PGRES_TUPLES_OK ? NX_E_NOT_FOUND : failed(end, why);
    }
    const struct store_postgres_rows rows = {.result = end->row};
    for (int i = 0; end->table->types[i] != '\0'; i++) {
        if (end->table->types[i] == 'i') {
            values[i].integer = store_postgres_sql_i64(&rows, i);
        } else {
            values[i].bytes = store_postgres_sql_borrow(&rows, i);
        }
    }
    return NX_OK;
}

enum nx_err store_copy_end_next(struct store_copy_end *end,
                                struct store_copy_value values[STORE_COPY_COLUMNS_MAX],
                                char why[STORE_WHY_SIZE])
{
    if (end->db != NULL) {
        return next_postgres(end, values, why);
    }
    const int code = sqlite3_step(end->rows);
    if (code != SQLITE_ROW) {
        return code == SQLITE_DONE ? NX_E_NOT_FOUND : failed(end, why);
    }
    for (int i = 0; end->table->types[i] != '\0'; i++) {
        if (end->table->types[i] == 'i') {
            values[i].integer = sqlite3_column_int64(end->rows, i);
        } else {
            const void *at = end->table->types[i] == 'b' ? sqlite3_column_blob(end->rows, i)
                                                         : (const void *)sqlite3_column_text(end->rows, i);
            values[i].bytes = nx_bytes_of(at, (size_t)sqlite3_column_bytes(end->rows, i));
        }
    }
    return NX_OK;
}

/* ---- in ---- */

enum nx_err store_copy_end_write(struct store_copy_end *end, const struct store_copy_table *table,
                                 char why[STORE_WHY_SIZE])
{
    static const char head[COPY_HEAD_SIZE] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0"; /* no flags, no extension */
    char sql[SQL_SIZE_MAX];
    end->table = table;
    if (end->db == NULL) {
        char places[2 * STORE_COPY_COLUMNS_MAX + 1] = "";
        for (size_t i = 0; table->types[i] != '\0'; i++) {
            memcpy(places + 2 * i, i == 0 ? " ?" : ",?", 3);
        }
        snprintf(sql, sizeof sql, "INSERT INTO %s (%s) VALUES (%s)", table->name, table->columns, places);
        return sqlite3_prepare_v2(end->lite.db, sql, -1, &end->rows, NULL) == SQLITE_OK ? NX_OK
                                                                                        : failed(end, why);
    }
    snprintf(sql, sizeof sql, "COPY %s (%s) FROM STDIN WITH (FORMAT binary)", table->name, table->columns);
    PGresult *result = PQexec(end->db, sql);
    const bool is_good =
        PQresultStatus(result) == PGRES_COPY_IN && PQputCopyData(end->db, head, sizeof head) == 1;
    PQclear(result);
    return is_good ? NX_OK : failed(end, why);
}

static void put_number(uint8_t *at, uint64_t value, int size)
{
    for (int i = 0; i < size; i++) {
        at[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    }
}

static enum nx_err put_postgres(struct store_copy_end *end, const struct store_copy_value *values,
                                char why[STORE_WHY_SIZE])
{
    const char *types = end->table->types;
    size_t size = 2;
    for (size_t i = 0; types[i] != '\0'; i++) {
        if (types[i] == 't' && !store_postgres_sql_is_text(values[i].bytes)) {
            snprintf(why, STORE_WHY_SIZE,
                     "%s: a text with a NUL or that is no UTF-8 cannot be stored in PostgreSQL",
                     end->table->name);
            return NX_E_MALFORMED;
        }
        size += 4 + (types[i] == 'i' ? 8 : values[i].bytes.size);
    }
    if (size > end->out_room) {
        uint8_t *grown = realloc(end->out, 2 * size);
        if (grown == NULL) {
            snprintf(why, STORE_WHY_SIZE, "no memory for a row of %zu bytes", size);
            return NX_E_IO;
        }
        end->out = grown;
        end->out_room = 2 * size;
    }
    uint8_t *at = end->out;
    put_number(at, strlen(types), 2);
    at += 2;
    for (size_t i = 0; types[i] != '\0'; i++) {
        const size_t field = types[i] == 'i' ? 8 : values[i].bytes.size;
        put_number(at, field, 4);
        at += 4;
        if (types[i] == 'i') {
            put_number(at, (uint64_t)values[i].integer, 8);
        } else if (field != 0) {
            memcpy(at, values[i].bytes.at, field);
        }
        at += field;
    }
    return PQputCopyData(end->db, (const char *)end->out, (int)size) == 1 ? NX_OK : failed(end, why);
}

enum nx_err store_copy_end_put(struct store_copy_end *end, const struct store_copy_value *values,
                               char why[STORE_WHY_SIZE])
{
    if (end->db != NULL) {
        return put_postgres(end, values, why);
    }
    for (int i = 0; end->table->types[i] != '\0'; i++) {
        const struct nx_bytes bytes = values[i].bytes;
        const char *at = bytes.at != NULL ? (const char *)bytes.at : "";
        switch (end->table->types[i]) {
        case 'i':
            (void)sqlite3_bind_int64(end->rows, i + 1, values[i].integer);
            break;
        case 't':
            (void)sqlite3_bind_text64(end->rows, i + 1, at, bytes.size, SQLITE_STATIC, SQLITE_UTF8);
            break;
        default:
            (void)sqlite3_bind_blob64(end->rows, i + 1, at, bytes.size, SQLITE_STATIC);
            break;
        }
    }
    const int code = sqlite3_step(end->rows);
    sqlite3_reset(end->rows);
    return code == SQLITE_DONE ? NX_OK : failed(end, why);
}

/* ---- the end ---- */

static enum nx_err finish_postgres(struct store_copy_end *end, char why[STORE_WHY_SIZE])
{
    enum nx_err err = NX_OK;
    PQclear(end->row);
    end->row = NULL;
    PGresult *result = PQgetResult(end->db);
    if (PQresultStatus(result) == PGRES_COPY_IN) {
        static const char trailer[2] = {'\377', '\377'};
        const bool is_sent =
            PQputCopyData(end->db, trailer, sizeof trailer) == 1 && PQputCopyEnd(end->db, NULL) == 1;
        PQclear(result);
        result = PQgetResult(end->db);
        err = is_sent && PQresultStatus(result) == PGRES_COMMAND_OK ? NX_OK : failed(end, why);
    }
    while (result != NULL) {
        PQclear(result);
        result = PQgetResult(end->db);
    }
    return err;
}

enum nx_err store_copy_end_finish(struct store_copy_end *end, char why[STORE_WHY_SIZE])
{
    if (end->db != NULL) {
        return finish_postgres(end, why);
    }
    sqlite3_finalize(end->rows);
    end->rows = NULL;
    return NX_OK;
}

void store_copy_end_close(struct store_copy_end *end)
{
    PQclear(end->row);
    PQfinish(end->db);
    sqlite3_finalize(end->rows);
    store_sqlite_sql_close(&end->lite);
    if (end->lock_fd >= 0) {
        close(end->lock_fd);
    }
    free(end->out);
    *end = (struct store_copy_end){.lock_fd = -1};
}
