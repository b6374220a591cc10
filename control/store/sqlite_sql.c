#include "control/store/sqlite_sql.h"

#include "control/store/limits.h"
#include "engine/base/assert.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const texts[STORE_SQL_COUNT] = {
#define STORE_SQL(name, text) [STORE_SQL_##name] = text,
#include "control/store/sqlite_sql.def"
#undef STORE_SQL
};

static enum nx_err refuse(struct store_sqlite_connection *c, const char *path, const char *what, char *why)
{
    snprintf(why, 256, "%.120s: %s: %.80s", path, what,
             c->db != NULL ? sqlite3_errmsg(c->db) : "out of memory");
    store_sqlite_sql_close(c);
    return NX_E_IO;
}

enum nx_err store_sqlite_sql_open(struct store_sqlite_connection *c, const char *path, bool is_writer,
                                  int cache_kib, char *why)
{
    *c = (struct store_sqlite_connection){0};
    const int flags =
        (is_writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &c->db, flags, NULL) != SQLITE_OK) {
        return refuse(c, path, "cannot open the database", why);
    }
    sqlite3_extended_result_codes(c->db, 1);
    sqlite3_busy_timeout(c->db, STORE_BUSY_MS);
    char pragmas[256];
    snprintf(pragmas, sizeof pragmas, "PRAGMA cache_size = -%d; PRAGMA temp_store = MEMORY; %s", cache_kib,
             is_writer
                 ? "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
                   " PRAGMA foreign_keys = ON;"
                 : "PRAGMA query_only = ON;");
    if (sqlite3_exec(c->db, pragmas, NULL, NULL, NULL) != SQLITE_OK) {
        return refuse(c, path, "cannot use the database", why);
    }
    c->rows = malloc((size_t)CTL_QUESTION_ROWS_MAX * STORE_SQLITE_ROW_SIZE_MAX);
    if (c->rows == NULL) {
        return refuse(c, path, "cannot prepare", why);
    }
    return NX_OK;
}

void store_sqlite_sql_close(struct store_sqlite_connection *c)
{
    for (size_t i = 0; i < STORE_SQL_COUNT; i++) {
        sqlite3_finalize(c->statements[i]);
    }
    sqlite3_close(c->db);
    free(c->rows);
    *c = (struct store_sqlite_connection){0};
}

void store_sqlite_sql_keep_log(struct store_sqlite_connection *c)
{
    if (c->db != NULL) {
        sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
}

static enum nx_err broken(struct store_sqlite_connection *c)
{
    c->is_broken = true;
    return NX_E_UNAVAILABLE;
}

static enum nx_err translate(struct store_sqlite_connection *c, int code)
{
    switch (code) {
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return NX_E_NOT_FOUND;
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return NX_E_CONFLICT;
    default:
        return broken(c);
    }
}

/** Returns the statement, prepared and reset; NULL when it cannot be prepared. */
static sqlite3_stmt *statement_of(struct store_sqlite_connection *c, enum store_sqlite_sql name)
{
    if (c->statements[name] == NULL) {
        if (sqlite3_prepare_v3(c->db, texts[name], -1, SQLITE_PREPARE_PERSISTENT, &c->statements[name],
                               NULL) != SQLITE_OK) {
            return NULL;
        }
    } else {
        sqlite3_reset(c->statements[name]);
    }
    return c->statements[name];
}

static int bind(sqlite3_stmt *statement, const struct store_sqlite_value *values, size_t count)
{
    int code = SQLITE_OK;
    for (size_t i = 0; i < count && code == SQLITE_OK; i++) {
        const struct store_sqlite_value *value = &values[i];
        const char *at = value->bytes.at != NULL ? (const char *)value->bytes.at : "";
        switch (value->kind) {
        case STORE_SQLITE_INTEGER:
            code = sqlite3_bind_int64(statement, (int)i + 1, value->integer);
            break;
        case STORE_SQLITE_TEXT:
            code =
                sqlite3_bind_text64(statement, (int)i + 1, at, value->bytes.size, SQLITE_STATIC, SQLITE_UTF8);
            break;
        case STORE_SQLITE_BLOB:
            code = sqlite3_bind_blob64(statement, (int)i + 1, at, value->bytes.size, SQLITE_STATIC);
            break;
        }
    }
    return code;
}

static void remember(struct store_sqlite_connection *c, sqlite3_stmt *statement)
{
    for (uint32_t i = 0; i < c->open_count; i++) {
        if (c->open[i] == statement) {
            return;
        }
    }
    NX_ASSERT(c->open_count < STORE_SQLITE_OPEN_MAX);
    c->open[c->open_count++] = statement;
}

enum nx_err store_sqlite_sql_row(struct store_sqlite_connection *c, enum store_sqlite_sql name,
                                 const struct store_sqlite_value *values, size_t count, sqlite3_stmt **out)
{
    sqlite3_stmt *statement = statement_of(c, name);
    if (statement == NULL || bind(statement, values, count) != SQLITE_OK) {
        return broken(c);
    }
    const int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        remember(c, statement);
        *out = statement;
        return NX_OK;
    }
    sqlite3_reset(statement);
    return code == SQLITE_DONE ? NX_E_NOT_FOUND : translate(c, code);
}

bool store_sqlite_sql_next(struct store_sqlite_connection *c, sqlite3_stmt *statement)
{
    const int code = sqlite3_step(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        c->is_broken = true;
    }
    return code == SQLITE_ROW;
}

enum nx_err store_sqlite_sql_write(struct store_sqlite_connection *c, enum store_sqlite_sql name,
                                   const struct store_sqlite_value *values, size_t count)
{
    sqlite3_stmt *statement = statement_of(c, name);
    if (statement == NULL || bind(statement, values, count) != SQLITE_OK) {
        return broken(c);
    }
    int code;
    do {
        code = sqlite3_step(statement);
    } while (code == SQLITE_ROW);
    sqlite3_reset(statement);
    return code == SQLITE_DONE ? NX_OK : translate(c, code);
}

enum nx_err store_sqlite_sql_plain(struct store_sqlite_connection *c, enum store_sqlite_sql name)
{
    return store_sqlite_sql_write(c, name, NULL, 0);
}

enum nx_err store_sqlite_sql_changed(const struct store_sqlite_connection *c)
{
    return sqlite3_changes(c->db) > 0 ? NX_OK : NX_E_NOT_FOUND;
}

void store_sqlite_sql_end(struct store_sqlite_connection *c)
{
    while (c->open_count > 0) {
        sqlite3_reset(c->open[--c->open_count]);
    }
}

void store_sqlite_sql_mint_after(struct store_sqlite_connection *c, uint16_t node, uint64_t last)
{
    nx_id_init(&c->mint, node, last == 0 ? 0 : nx_id_from_ms(nx_id_ms(last) + 1) - 1);
}

uint64_t store_sqlite_sql_u64(sqlite3_stmt *statement, int column)
{
    return (uint64_t)sqlite3_column_int64(statement, column);
}

uint32_t store_sqlite_sql_u32(sqlite3_stmt *statement, int column)
{
    return (uint32_t)sqlite3_column_int64(statement, column);
}

struct nx_bytes store_sqlite_sql_borrow(sqlite3_stmt *statement, int column)
{
    const void *at = sqlite3_column_text(statement, column);
    return nx_bytes_of(at, (size_t)sqlite3_column_bytes(statement, column));
}

struct nx_bytes store_sqlite_sql_text(struct store_sqlite_connection *c, sqlite3_stmt *statement, int column)
{
    struct nx_bytes copy = {0};
    const struct nx_bytes text = store_sqlite_sql_borrow(statement, column);
    if (c->arena != NULL && text.size != 0 && nx_arena_copy(c->arena, text, &copy) != NX_OK) {
        c->is_arena_full = true;
    }
    return copy;
}

enum nx_err store_sqlite_sql_list(struct store_sqlite_connection *c, struct ctl_answer *answer, size_t size,
                                  uint32_t count)
{
    NX_ASSERT(c->arena != NULL && size <= STORE_SQLITE_ROW_SIZE_MAX);
    void *rows = nx_arena_take(c->arena, size * count, _Alignof(max_align_t));
    if (rows == NULL) {
        return NX_E_NO_MEMORY;
    }
    memcpy(rows, c->rows, size * count);
    answer->list.rows = rows;
    answer->list.rows_count = count;
    return c->is_broken ? NX_E_UNAVAILABLE : NX_OK;
}
