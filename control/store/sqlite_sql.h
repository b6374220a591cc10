/* sqlite_sql.h - one SQLite connection: its statements, bound values, columns, and what the question under way needs.
 *
 * Layer:   control/store (the only users of sqlite3.h are the sqlite_*.c and migrate.c)
 * Threads: one thread at a time
 * Limits:  STORE_SQLITE_OPEN_MAX statements stepped at once inside one question
 * Idiom:   STORE_SQL_WRITE(c, USER_PASSWORD, STORE_SQL_TEXT(hash), STORE_SQL_INT(id)); a statement that gave a row stays
 *          open until it is run again or the question ends. An error that is not a broken constraint marks the
 *          connection broken: the whole transaction is rolled back.
 */
#ifndef STORE_SQLITE_SQL_H
#define STORE_SQLITE_SQL_H

#include "control/core/question.h"
#include "engine/base/id.h"

#include <sqlite3.h>

/** Every prepared statement. */
enum store_sqlite_sql {
#define STORE_SQL(name, text) STORE_SQL_##name,
#include "control/store/sqlite_sql.def"
#undef STORE_SQL
    STORE_SQL_COUNT
};

enum { STORE_SQLITE_OPEN_MAX = 16, STORE_SQLITE_ROW_SIZE_MAX = 128, STORE_SQLITE_NONCE_MAX = 512 };

/** One connection. */
struct store_sqlite_connection {
    sqlite3 *db;
    sqlite3_stmt *statements[STORE_SQL_COUNT]; /**< prepared at first use */
    sqlite3_stmt *open[STORE_SQLITE_OPEN_MAX]; /**< to be reset at the end of the question */
    uint32_t open_count;
    struct nx_id_mint mint; /**< writer: makes message and user ids in commit order */
    uint64_t epoch;         /**< writer: owner_epoch of this control */
    struct nx_arena *arena; /**< of the question under way; NULL: texts come back empty */
    uint8_t *rows;          /**< CTL_QUESTION_ROWS_MAX rows of an answer before their number is known */
    bool is_arena_full;     /**< the answer did not fit */
    bool is_broken;         /**< the transaction cannot go on */
    bool is_kept;           /**< what the question wrote stays although its verdict is not NX_OK */
    bool has_dead_channels; /**< writer: the sweep has work */
    struct {
        uint64_t channel_id;
        uint64_t author_id;
        uint8_t nonce[STORE_SQLITE_NONCE_MAX];
        size_t nonce_size;
    } sweep; /**< writer: where the pass over the nonces stands; zeroed at its end */
};

/** A value to bind. */
struct store_sqlite_value {
    enum { STORE_SQLITE_INTEGER, STORE_SQLITE_TEXT, STORE_SQLITE_BLOB } kind;
    int64_t integer;
    struct nx_bytes bytes;
};

#define STORE_SQL_INT(value)                                                                                 \
    ((struct store_sqlite_value){.kind = STORE_SQLITE_INTEGER, .integer = (int64_t)(value)})
#define STORE_SQL_TEXT(value) ((struct store_sqlite_value){.kind = STORE_SQLITE_TEXT, .bytes = (value)})
#define STORE_SQL_HASH(value)                                                                                \
    ((struct store_sqlite_value){.kind = STORE_SQLITE_BLOB, .bytes = nx_bytes_of((value), CTL_HASH_SIZE)})

#define STORE_SQL_VALUES(...)                                                                                \
    ((const struct store_sqlite_value[]){__VA_ARGS__}),                                                      \
        sizeof((const struct store_sqlite_value[]){__VA_ARGS__}) / sizeof(struct store_sqlite_value)

/** Runs a statement for its first row: NX_OK and *out, NX_E_NOT_FOUND without a row, else as store_sqlite_sql_write(). */
#define STORE_SQL_ROW(c, out, name, ...)                                                                     \
    store_sqlite_sql_row((c), STORE_SQL_##name, STORE_SQL_VALUES(__VA_ARGS__), (out))

/** Runs a statement to its end, see store_sqlite_sql_write(). */
#define STORE_SQL_WRITE(c, name, ...)                                                                        \
    store_sqlite_sql_write((c), STORE_SQL_##name, STORE_SQL_VALUES(__VA_ARGS__))

/**
 * Opens `path`, for reading only or for both; `cache_kib` bounds its page cache. Returns NX_OK; NX_E_IO with a line in
 * `why` (256 bytes).
 */
NX_MUST_USE enum nx_err store_sqlite_sql_open(struct store_sqlite_connection *c, const char *path,
                                              bool is_writer, int cache_kib, char *why);

/** Finalises the statements and closes; fine on a zeroed connection. */
void store_sqlite_sql_close(struct store_sqlite_connection *c);

/** Closing this connection, be it the last, will neither write the log back nor remove it; fine on a zeroed connection. */
void store_sqlite_sql_keep_log(struct store_sqlite_connection *c);

/** Binds `values` and steps to the first row; see STORE_SQL_ROW. */
NX_MUST_USE enum nx_err store_sqlite_sql_row(struct store_sqlite_connection *c, enum store_sqlite_sql name,
                                             const struct store_sqlite_value *values, size_t count,
                                             sqlite3_stmt **out);

/** Steps an open statement to its next row: true when there is one. */
bool store_sqlite_sql_next(struct store_sqlite_connection *c, sqlite3_stmt *statement);

/**
 * Binds `values` and runs the statement to its end. Returns NX_OK; NX_E_NOT_FOUND when a foreign key has no target;
 * NX_E_CONFLICT when a key is taken; NX_E_UNAVAILABLE for everything else (the connection is then broken).
 */
NX_MUST_USE enum nx_err store_sqlite_sql_write(struct store_sqlite_connection *c, enum store_sqlite_sql name,
                                               const struct store_sqlite_value *values, size_t count);

/** Runs a statement without values, such as BEGIN; as store_sqlite_sql_write(). */
NX_MUST_USE enum nx_err store_sqlite_sql_plain(struct store_sqlite_connection *c, enum store_sqlite_sql name);

/** Returns NX_OK when the last write changed a row, else NX_E_NOT_FOUND. */
NX_MUST_USE enum nx_err store_sqlite_sql_changed(const struct store_sqlite_connection *c);

/** Resets the statements that the question left open. */
void store_sqlite_sql_end(struct store_sqlite_connection *c);

/** Lets the mint of `node` go on behind `last`, whichever node made it: in the next millisecond. */
void store_sqlite_sql_mint_after(struct store_sqlite_connection *c, uint16_t node, uint64_t last);

/** Returns an integer column as an unsigned id, count or bit set. */
uint64_t store_sqlite_sql_u64(sqlite3_stmt *statement, int column);

/** Returns an integer column that was stored from 32 bits. */
uint32_t store_sqlite_sql_u32(sqlite3_stmt *statement, int column);

/** Borrows a text column until the statement moves. */
struct nx_bytes store_sqlite_sql_borrow(sqlite3_stmt *statement, int column);

/** Copies a text column into the question's arena; empty without an arena, is_arena_full when it does not fit. */
struct nx_bytes store_sqlite_sql_text(struct store_sqlite_connection *c, sqlite3_stmt *statement, int column);

/** Answers with the first `count` rows of `size` bytes gathered in c->rows. Returns NX_OK; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err store_sqlite_sql_list(struct store_sqlite_connection *c, struct ctl_answer *answer,
                                              size_t size, uint32_t count);

#endif
