/* postgres_sql.h - the statements of the PostgreSQL store, their values on the way there and the columns on the way back.
 *
 * Layer:   control/store (the only users of libpq are the postgres*.c)
 * Threads: one thread at a time
 * Limits:  everything travels in binary: bigint, text, bytea and arrays of them
 * Idiom:   STORE_PG_SEND(db, USER_GET, STORE_PG_INT(id)); text that PostgreSQL would refuse (a NUL, no UTF-8) is refused here,
 *          so that it spoils nobody else's transaction
 */
#ifndef STORE_POSTGRES_SQL_H
#define STORE_POSTGRES_SQL_H

#include "control/core/question.h"

#include <libpq-fe.h>

/** Every prepared statement. */
enum store_postgres_sql {
#define STORE_PG(name, types, text) STORE_PG_##name,
#include "control/store/postgres_sql.def"
#undef STORE_PG
    STORE_PG_COUNT
};

/** First column of what a writing question gives back. */
enum store_postgres_verdict {
    STORE_PG_DONE,
    STORE_PG_NOT_FOUND,
    STORE_PG_CONFLICT,
    STORE_PG_AUTH,
    STORE_PG_EXPIRED,
    STORE_PG_FULL,
    STORE_PG_NO_ROOM,
    STORE_PG_AUTH_KEPT, /**< refused, and what it changed stays */
    STORE_PG_FENCED,    /**< a later control owns the channel */
    STORE_PG_BEHIND     /**< the channel has a message with a larger id already */
};

/** A value to bind. */
struct store_postgres_value {
    enum { STORE_POSTGRES_INTEGER, STORE_POSTGRES_TEXT, STORE_POSTGRES_BYTES } kind;
    int64_t integer;
    struct nx_bytes bytes;
};

/** An array to bind, in the format of the wire; owns its memory and keeps it. */
struct store_postgres_array {
    uint8_t *at;
    size_t used;
    size_t room;
    uint32_t count;
    bool is_text;
};

#define STORE_PG_INT(value)                                                                                  \
    ((struct store_postgres_value){.kind = STORE_POSTGRES_INTEGER, .integer = (int64_t)(value)})
#define STORE_PG_TEXT(value) ((struct store_postgres_value){.kind = STORE_POSTGRES_TEXT, .bytes = (value)})
#define STORE_PG_HASH(value)                                                                                 \
    ((struct store_postgres_value){.kind = STORE_POSTGRES_BYTES,                                             \
                                   .bytes = nx_bytes_of((value), CTL_HASH_SIZE)})
#define STORE_PG_ARRAY(array) (store_postgres_sql_array_value(array))

#define STORE_PG_VALUES(...)                                                                                 \
    ((const struct store_postgres_value[]){__VA_ARGS__}),                                                    \
        sizeof((const struct store_postgres_value[]){__VA_ARGS__}) / sizeof(struct store_postgres_value)

/** Sends a statement with its values, see store_postgres_sql_send(). */
#define STORE_PG_SEND(db, name, ...)                                                                         \
    store_postgres_sql_send((db), STORE_PG_##name, STORE_PG_VALUES(__VA_ARGS__))

/** Sends all PREPAREs on a pipeline, one result each. Returns NX_OK; NX_E_UNAVAILABLE when the connection is lost. */
NX_MUST_USE enum nx_err store_postgres_sql_prepare(PGconn *db);

/**
 * Sends a prepared statement on a pipeline. Returns NX_OK; NX_E_MALFORMED when a text cannot be stored (nothing is sent);
 * NX_E_UNAVAILABLE when the connection is lost.
 */
NX_MUST_USE enum nx_err store_postgres_sql_send(PGconn *db, enum store_postgres_sql name,
                                                const struct store_postgres_value *values, size_t count);

/** Returns whether PostgreSQL can store `text`: UTF-8 without NUL. */
bool store_postgres_sql_is_text(struct nx_bytes text);

/** Makes `array` empty, for texts or for bigints. Aborts without memory. */
void store_postgres_sql_array_begin(struct store_postgres_array *array, bool is_text);

/** Appends a bigint. Aborts without memory. */
void store_postgres_sql_array_int(struct store_postgres_array *array, int64_t value);

/** Appends a text. Aborts without memory. */
void store_postgres_sql_array_text(struct store_postgres_array *array, struct nx_bytes text);

/** Returns the array as a value, borrowed until it changes. */
struct store_postgres_value store_postgres_sql_array_value(struct store_postgres_array *array);

/** Frees the array's memory. */
void store_postgres_sql_array_fini(struct store_postgres_array *array);

/** Rows on their way into an answer. */
struct store_postgres_rows {
    const PGresult *result;
    struct nx_arena *arena; /**< NULL: texts come back empty */
    int row;
    bool is_arena_full; /**< the answer did not fit */
};

/** Returns a bigint column as an unsigned id, count or bit set; 0 for NULL. */
uint64_t store_postgres_sql_u64(const struct store_postgres_rows *rows, int column);

/** Returns a bigint column that was stored from 32 bits. */
uint32_t store_postgres_sql_u32(const struct store_postgres_rows *rows, int column);

/** Returns a bigint column as it is. */
int64_t store_postgres_sql_i64(const struct store_postgres_rows *rows, int column);

/** Borrows a text column until the result is cleared. */
struct nx_bytes store_postgres_sql_borrow(const struct store_postgres_rows *rows, int column);

/** Copies a text column into the arena; empty without an arena, is_arena_full when it does not fit. */
struct nx_bytes store_postgres_sql_text(struct store_postgres_rows *rows, int column);

/** Returns the verdict in the first column: NX_E_NOT_FOUND without a row. */
enum nx_err store_postgres_sql_verdict(const struct store_postgres_rows *rows);

/** Takes room for `count` rows of `size` bytes and answers with them; NULL when they do not fit. */
void *store_postgres_sql_list(struct store_postgres_rows *rows, struct ctl_answer *answer, size_t size,
                              uint32_t count);

#endif
