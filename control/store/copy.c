#include "control/store/copy.h"

#include "control/store/copy_end.h"
#include "control/store/limits.h"
#include "control/store/sqlite_file.h"
#include "engine/base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PREFIX_SQLITE "sqlite:"

enum { PATH_SIZE = STORE_PATH_SIZE_MAX + 8 };

/** A copy under way. */
struct copying {
    struct store_copy_end from;
    struct store_copy_end to;
    struct store_copy_report *report;
    char path[PATH_SIZE]; /* SQLite: where the copy belongs */
    char part[PATH_SIZE]; /* and where it is made */
};

static const char *path_of(const char *url)
{
    return strncmp(url, PREFIX_SQLITE, strlen(PREFIX_SQLITE)) == 0 ? url + strlen(PREFIX_SQLITE) : NULL;
}

static bool is_postgres(const char *url)
{
    return strncmp(url, "postgresql:", 11) == 0 || strncmp(url, "postgres:", 9) == 0;
}

/** Brings the schema of the database at `url` to this program's version, as any tool does. */
static enum nx_err migrate(const char *url, char why[STORE_WHY_SIZE])
{
    struct store *store = NULL;
    const enum nx_err err = store_open(&store, &(struct store_config){.url = url}, why);
    if (err == NX_OK) {
        store_close(store);
    }
    return err;
}

/* ---- rows ---- */

static const uint8_t checksum_key[16] = {0};

static uint64_t add_to_checksum(uint64_t checksum, const struct store_copy_table *table,
                                const struct store_copy_value *values)
{
    for (size_t i = 0; table->types[i] != '\0'; i++) {
        const uint64_t value = table->types[i] == 'i'
                                   ? (uint64_t)values[i].integer
                                   : nx_hash_sip(checksum_key, values[i].bytes.at, values[i].bytes.size);
        checksum = (checksum ^ value) * 0x9e3779b97f4a7c15U;
        checksum ^= checksum >> 29;
    }
    return checksum;
}

static enum nx_err copy_table(struct copying *c, const struct store_copy_table *table, uint64_t *rows,
                              uint64_t *checksum, char why[STORE_WHY_SIZE])
{
    struct store_copy_value values[STORE_COPY_COLUMNS_MAX] = {0};
    enum nx_err err = store_copy_end_read(&c->from, table, why);
    if (err == NX_OK) {
        err = store_copy_end_write(&c->to, table, why);
    }
    while (err == NX_OK) {
        err = store_copy_end_next(&c->from, values, why);
        if (err == NX_OK) {
            err = store_copy_end_put(&c->to, values, why);
        }
        if (err == NX_OK) {
            *checksum = add_to_checksum(*checksum, table, values);
            ++*rows;
        }
    }
    if (err != NX_E_NOT_FOUND) {
        return err;
    }
    err = store_copy_end_finish(&c->from, why);
    return err == NX_OK ? store_copy_end_finish(&c->to, why) : err;
}

/** Reads the copy back. */
static enum nx_err check_table(struct copying *c, const struct store_copy_table *table, uint64_t rows,
                               uint64_t checksum, char why[STORE_WHY_SIZE])
{
    struct store_copy_value values[STORE_COPY_COLUMNS_MAX] = {0};
    uint64_t found_rows = 0;
    uint64_t found_checksum = 0;
    enum nx_err err = store_copy_end_read(&c->to, table, why);
    while (err == NX_OK) {
        err = store_copy_end_next(&c->to, values, why);
        if (err == NX_OK) {
            found_checksum = add_to_checksum(found_checksum, table, values);
            found_rows++;
        }
    }
    if (err != NX_E_NOT_FOUND) {
        return err;
    }
    err = store_copy_end_finish(&c->to, why);
    if (err == NX_OK && (found_rows != rows || found_checksum != checksum)) {
        snprintf(why, STORE_WHY_SIZE, "%s: %llu rows were read back where %llu were written, or they differ",
                 table->name, (unsigned long long)found_rows, (unsigned long long)rows);
        err = NX_E_IO;
    }
    return err;
}

static enum nx_err copy_epoch(struct copying *c, char why[STORE_WHY_SIZE])
{
    static const struct store_copy_table meta = {"meta", "value", "i",
                                                 "key DESC"}; /* owner_epoch before last_batch */
    struct store_copy_value values[STORE_COPY_COLUMNS_MAX] = {0};
    char sql[128];
    enum nx_err err = store_copy_end_read(&c->from, &meta, why);
    if (err == NX_OK) {
        err = store_copy_end_next(&c->from, values, why);
    }
    const uint64_t epoch = (uint64_t)values[0].integer;
    if (err == NX_OK) {
        err = store_copy_end_finish(&c->from, why);
    }
    snprintf(sql, sizeof sql, "UPDATE meta SET value = %llu WHERE key = 'owner_epoch'",
             (unsigned long long)epoch);
    return err == NX_OK ? store_copy_end_exec(&c->to, sql, why) : err;
}

static enum nx_err copy_all(struct copying *c, char why[STORE_WHY_SIZE])
{
    enum nx_err err = copy_epoch(c, why);
    c->report->rows = 0;
    for (size_t i = 0; i < STORE_COPY_TABLES - 1 && err == NX_OK; i++) {
        const struct store_copy_table *table = &store_copy_end_tables[i];
        uint64_t rows = 0;
        uint64_t checksum = 0;
        err = copy_table(c, table, &rows, &checksum, why);
        if (err == NX_OK) {
            err = check_table(c, table, rows, checksum, why);
        }
        c->report->tables[i].name = table->name;
        c->report->tables[i].rows = rows;
        c->report->tables[i].checksum = checksum;
        c->report->rows += rows;
    }
    return err;
}

/* ---- the ends ---- */

static enum nx_err open_from(struct copying *c, const char *url, enum store_copy_kind kind,
                             char why[STORE_WHY_SIZE])
{
    struct store_copy_end *end = &c->from;
    const char *path = path_of(url);
    enum nx_err err = NX_OK;
    if (path != NULL) {
        if (access(path, R_OK) != 0) {
            snprintf(why, STORE_WHY_SIZE, "%.180s: %.60s", path, strerror(errno));
            return NX_E_NOT_FOUND;
        }
        if (kind == STORE_COPY_MOVE) {
            err = store_sqlite_file_lock(path, &end->lock_fd, why);
        }
        if (err == NX_OK && kind == STORE_COPY_MOVE) {
            err = migrate(url, why);
        }
        if (err == NX_OK) {
            err = store_sqlite_sql_open(&end->lite, path, false, STORE_READ_CACHE_KIB, why);
        }
        return err == NX_OK ? store_copy_end_exec(end, "BEGIN", why) : err;
    }
    if (kind == STORE_COPY_MOVE) {
        err = migrate(url, why);
    }
    if (err == NX_OK) {
        err = store_postgres_setup_connect(&end->db, url, why);
    }
    if (err == NX_OK && kind == STORE_COPY_MOVE) {
        err = store_postgres_setup_own(end->db, why);
    }
    return err == NX_OK ? store_copy_end_exec(end,
                                              "SET enable_seqscan = on;"
                                              " BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                                              why)
                        : err;
}

/** Whether the end has rows of a community. */
static enum nx_err check_empty(struct store_copy_end *end, char why[STORE_WHY_SIZE])
{
    struct store_copy_value values[STORE_COPY_COLUMNS_MAX];
    for (size_t i = 0; i < STORE_COPY_TABLES - 1; i++) {
        enum nx_err err = store_copy_end_read(end, &store_copy_end_tables[i], why);
        if (err == NX_OK) {
            err = store_copy_end_next(end, values, why);
        }
        if (err == NX_OK) {
            snprintf(why, STORE_WHY_SIZE, "there is a community already: the table %s has rows",
                     store_copy_end_tables[i].name);
            err = NX_E_CONFLICT;
        }
        if (err != NX_E_NOT_FOUND) {
            return err;
        }
        err = store_copy_end_finish(end, why);
        if (err != NX_OK) {
            return err;
        }
    }
    return NX_OK;
}

static void remove_database(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char name[PATH_SIZE + 8];
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        (void)unlink(name);
    }
}

/** A database that is there already must be an empty one. */
static enum nx_err check_place(struct copying *c, enum store_copy_kind kind, char why[STORE_WHY_SIZE])
{
    struct store_copy_end there = {.lock_fd = -1};
    if (access(c->path, F_OK) != 0 || kind == STORE_COPY_BACKUP) {
        return NX_OK;
    }
    enum nx_err err = store_sqlite_sql_open(&there.lite, c->path, false, STORE_READ_CACHE_KIB, why);
    if (err == NX_OK) {
        err = check_empty(&there, why);
    }
    store_copy_end_close(&there);
    return err;
}

static enum nx_err open_to_sqlite(struct copying *c, const char *path, enum store_copy_kind kind,
                                  char why[STORE_WHY_SIZE])
{
    char url[PATH_SIZE + 16];
    struct store_copy_end *end = &c->to;
    if (path[0] == '\0' || strlen(path) >= STORE_PATH_SIZE_MAX - 8) {
        snprintf(why, STORE_WHY_SIZE, "the path is empty or too long");
        return NX_E_MALFORMED;
    }
    snprintf(c->path, sizeof c->path, "%s", path);
    enum nx_err err = kind == STORE_COPY_MOVE ? store_sqlite_file_lock(path, &end->lock_fd, why) : NX_OK;
    if (err == NX_OK) {
        err = check_place(c, kind, why);
    }
    if (err != NX_OK) {
        return err;
    }
    snprintf(c->part, sizeof c->part, "%s.part", path);
    remove_database(c->part); /* of a copy that was cut short */
    snprintf(url, sizeof url, PREFIX_SQLITE "%s", c->part);
    err = migrate(url, why);
    if (err == NX_OK) {
        err = store_sqlite_sql_open(&end->lite, c->part, true, STORE_CACHE_KIB, why);
    }
    /* Nobody knows the file yet: it is flushed once, at the end. */
    return err == NX_OK
               ? store_copy_end_exec(end, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN", why)
               : err;
}

static enum nx_err open_to(struct copying *c, const char *url, enum store_copy_kind kind,
                           char why[STORE_WHY_SIZE])
{
    struct store_copy_end *end = &c->to;
    const char *path = path_of(url);
    if (path != NULL) {
        return open_to_sqlite(c, path, kind, why);
    }
    enum nx_err err = migrate(url, why);
    if (err == NX_OK) {
        err = store_postgres_setup_connect(&end->db, url, why);
    }
    if (err == NX_OK) {
        err = store_postgres_setup_own(end->db, why);
    }
    if (err == NX_OK) {
        err = store_copy_end_exec(end, "BEGIN", why);
    }
    return err == NX_OK ? check_empty(end, why) : err;
}

static bool flush(const char *path, int flags)
{
    const int fd = open(path, flags | O_CLOEXEC);
    const bool is_good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return is_good;
}

/** Gives the copy its name, or commits it. */
static enum nx_err complete(struct copying *c, char why[STORE_WHY_SIZE])
{
    enum nx_err err = store_copy_end_exec(&c->to, "COMMIT", why);
    if (err != NX_OK || c->to.db != NULL) {
        return err == NX_OK ? store_copy_end_exec(&c->to, "ANALYZE", why) : err;
    }
    store_sqlite_sql_close(&c->to.lite);
    char folder[PATH_SIZE];
    snprintf(folder, sizeof folder, "%s", c->path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL) {
        slash[slash == folder] = '\0';
    }
    if (!flush(c->part, O_RDWR)) {
        snprintf(why, STORE_WHY_SIZE, "%.180s: %.60s", c->part, strerror(errno));
        return NX_E_IO;
    }
    remove_database(c->path); /* It was empty, or an older backup. */
    if (rename(c->part, c->path) != 0) {
        snprintf(why, STORE_WHY_SIZE, "%.180s: %.60s", c->path, strerror(errno));
        return NX_E_IO;
    }
    (void)flush(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY);
    return NX_OK;
}

enum nx_err store_copy_run(const char *from, const char *to, enum store_copy_kind kind,
                           struct store_copy_report *report, char why[STORE_WHY_SIZE])
{
    struct copying c = {.from.lock_fd = -1, .to.lock_fd = -1, .report = report};
    if ((path_of(from) == NULL && !is_postgres(from)) || (path_of(to) == NULL && !is_postgres(to))) {
        snprintf(why, STORE_WHY_SIZE, "the urls must be sqlite:PATH or postgresql://...");
        return NX_E_MALFORMED;
    }
    enum nx_err err = open_from(&c, from, kind, why);
    if (err == NX_OK) {
        err = open_to(&c, to, kind, why);
    }
    if (err == NX_OK) {
        err = copy_all(&c, why);
    }
    if (err == NX_OK) {
        err = complete(&c, why);
    }
    store_copy_end_close(&c.from);
    store_copy_end_close(&c.to);
    if (err != NX_OK && c.part[0] != '\0') {
        remove_database(c.part);
    }
    return err;
}

enum nx_err store_copy_file(const char *from, const char *to, char why[STORE_WHY_SIZE])
{
    remove_database(to);
    if (store_sqlite_file_backup(from, to) != NX_OK) {
        snprintf(why, STORE_WHY_SIZE, "%.100s cannot be copied to %.100s", from, to);
        return NX_E_IO;
    }
    return NX_OK;
}
