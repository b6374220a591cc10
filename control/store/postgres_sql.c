#include "control/store/postgres_sql.h"

#include "engine/base/assert.h"
#include "engine/base/text.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_MAX = 24, OID_BYTEA = 17, OID_INT8 = 20, OID_TEXT = 25, OID_TEXTS = 1009, OID_INT8S = 1016 };
enum { ARRAY_HEAD_SIZE = 20, ARRAY_COUNT_AT = 12, ARRAY_ROOM_FIRST = 4096 };

static const struct {
    const char *types;
    const char *text;
} statements[STORE_PG_COUNT] = {
#define STORE_PG(name, types, text) [STORE_PG_##name] = {types, text},
#include "control/store/postgres_sql.def"
#undef STORE_PG
};

static Oid oid_of(char type)
{
    switch (type) {
    case 'i':
        return OID_INT8;
    case 't':
        return OID_TEXT;
    case 'b':
        return OID_BYTEA;
    case 'I':
        return OID_INT8S;
    default:
        NX_ASSERT(type == 'T');
        return OID_TEXTS;
    }
}

static void name_of(size_t statement, char out[16])
{
    snprintf(out, 16, "s%zu", statement);
}

enum nx_err store_postgres_sql_prepare(PGconn *db)
{
    for (size_t i = 0; i < STORE_PG_COUNT; i++) {
        Oid types[VALUES_MAX];
        char name[16];
        const size_t count = strlen(statements[i].types);
        NX_ASSERT(count <= VALUES_MAX);
        for (size_t k = 0; k < count; k++) {
            types[k] = oid_of(statements[i].types[k]);
        }
        name_of(i, name);
        if (PQsendPrepare(db, name, statements[i].text, (int)count, types) != 1) {
            return NX_E_UNAVAILABLE;
        }
    }
    return NX_OK;
}

static void put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

static void put_i64(uint8_t *at, int64_t value)
{
    put_u32(at, (uint32_t)((uint64_t)value >> 32));
    put_u32(at + 4, (uint32_t)(uint64_t)value);
}

bool store_postgres_sql_is_text(struct nx_bytes text)
{
    return text.size == 0 || (memchr(text.at, 0, text.size) == NULL && nx_text_is_utf8(text));
}

enum nx_err store_postgres_sql_send(PGconn *db, enum store_postgres_sql name,
                                    const struct store_postgres_value *values, size_t count)
{
    const char *at[VALUES_MAX];
    int sizes[VALUES_MAX];
    int formats[VALUES_MAX];
    uint8_t integers[VALUES_MAX][8];
    NX_ASSERT(count == strlen(statements[name].types));
    for (size_t i = 0; i < count; i++) {
        const struct store_postgres_value *value = &values[i];
        formats[i] = 1;
        if (value->kind == STORE_POSTGRES_INTEGER) {
            put_i64(integers[i], value->integer);
            at[i] = (const char *)integers[i];
            sizes[i] = sizeof integers[i];
            continue;
        }
        if (value->kind == STORE_POSTGRES_TEXT && !store_postgres_sql_is_text(value->bytes)) {
            return NX_E_MALFORMED;
        }
        at[i] = value->bytes.at != NULL ? (const char *)value->bytes.at : "";
        sizes[i] = (int)value->bytes.size;
    }
    char text[16];
    name_of(name, text);
    return PQsendQueryPrepared(db, text, (int)count, at, sizes, formats, 1) == 1 ? NX_OK : NX_E_UNAVAILABLE;
}

/* ---- arrays ---- */

static uint8_t *array_grow(struct store_postgres_array *array, size_t size)
{
    while (array->room - array->used < size) {
        const size_t room = array->room == 0 ? ARRAY_ROOM_FIRST : array->room * 2;
        uint8_t *at = realloc(array->at, room);
        NX_ASSERT(at != NULL);
        array->at = at;
        array->room = room;
    }
    uint8_t *at = array->at + array->used;
    array->used += size;
    return at;
}

void store_postgres_sql_array_begin(struct store_postgres_array *array, bool is_text)
{
    array->used = 0;
    array->count = 0;
    array->is_text = is_text;
    uint8_t *head = array_grow(array, ARRAY_HEAD_SIZE);
    put_u32(head, 1); /* dimensions */
    put_u32(head + 4, 0);
    put_u32(head + 8, is_text ? OID_TEXT : OID_INT8);
    put_u32(head + ARRAY_COUNT_AT, 0);
    put_u32(head + 16, 1); /* lower bound */
}

void store_postgres_sql_array_int(struct store_postgres_array *array, int64_t value)
{
    NX_ASSERT(!array->is_text);
    uint8_t *at = array_grow(array, 12);
    put_u32(at, 8);
    put_i64(at + 4, value);
    array->count++;
}

void store_postgres_sql_array_text(struct store_postgres_array *array, struct nx_bytes text)
{
    NX_ASSERT(array->is_text);
    uint8_t *at = array_grow(array, 4 + text.size);
    put_u32(at, (uint32_t)text.size);
    if (text.size != 0) {
        memcpy(at + 4, text.at, text.size);
    }
    array->count++;
}

struct store_postgres_value store_postgres_sql_array_value(struct store_postgres_array *array)
{
    put_u32(array->at + ARRAY_COUNT_AT, array->count);
    return (struct store_postgres_value){.kind = STORE_POSTGRES_BYTES,
                                         .bytes = nx_bytes_of(array->at, array->used)};
}

void store_postgres_sql_array_fini(struct store_postgres_array *array)
{
    free(array->at);
    *array = (struct store_postgres_array){0};
}

/* ---- columns ---- */

int64_t store_postgres_sql_i64(const struct store_postgres_rows *rows, int column)
{
    if (PQgetisnull(rows->result, rows->row, column) != 0) {
        return 0;
    }
    NX_ASSERT(PQgetlength(rows->result, rows->row, column) == 8);
    const uint8_t *at = (const uint8_t *)PQgetvalue(rows->result, rows->row, column);
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) {
        value = value << 8 | at[i];
    }
    return (int64_t)value;
}

uint64_t store_postgres_sql_u64(const struct store_postgres_rows *rows, int column)
{
    return (uint64_t)store_postgres_sql_i64(rows, column);
}

uint32_t store_postgres_sql_u32(const struct store_postgres_rows *rows, int column)
{
    return (uint32_t)store_postgres_sql_i64(rows, column);
}

struct nx_bytes store_postgres_sql_borrow(const struct store_postgres_rows *rows, int column)
{
    return nx_bytes_of((const uint8_t *)PQgetvalue(rows->result, rows->row, column),
                       (size_t)PQgetlength(rows->result, rows->row, column));
}

struct nx_bytes store_postgres_sql_text(struct store_postgres_rows *rows, int column)
{
    struct nx_bytes copy = {0};
    const struct nx_bytes text = store_postgres_sql_borrow(rows, column);
    if (rows->arena != NULL && text.size != 0 && nx_arena_copy(rows->arena, text, &copy) != NX_OK) {
        rows->is_arena_full = true;
    }
    return copy;
}

enum nx_err store_postgres_sql_verdict(const struct store_postgres_rows *rows)
{
    static const enum nx_err verdicts[] = {[STORE_PG_DONE] = NX_OK,
                                           [STORE_PG_NOT_FOUND] = NX_E_NOT_FOUND,
                                           [STORE_PG_CONFLICT] = NX_E_CONFLICT,
                                           [STORE_PG_AUTH] = NX_E_AUTH,
                                           [STORE_PG_EXPIRED] = NX_E_EXPIRED,
                                           [STORE_PG_FULL] = NX_E_FULL,
                                           [STORE_PG_NO_ROOM] = NX_E_NO_MEMORY,
                                           [STORE_PG_AUTH_KEPT] = NX_E_AUTH,
                                           [STORE_PG_FENCED] = NX_E_UNAVAILABLE,
                                           [STORE_PG_BEHIND] = NX_E_UNAVAILABLE};
    if (PQntuples(rows->result) <= rows->row) {
        return NX_E_NOT_FOUND;
    }
    const uint64_t verdict = store_postgres_sql_u64(rows, 0);
    return verdict < sizeof verdicts / sizeof *verdicts ? verdicts[verdict] : NX_E_UNAVAILABLE;
}

void *store_postgres_sql_list(struct store_postgres_rows *rows, struct ctl_answer *answer, size_t size,
                              uint32_t count)
{
    NX_ASSERT(rows->arena != NULL);
    void *list = nx_arena_take(rows->arena, size * count, alignof(max_align_t));
    if (list == NULL) {
        rows->is_arena_full = true;
        return NULL;
    }
    answer->list.rows = list;
    answer->list.rows_count = count;
    return list;
}
