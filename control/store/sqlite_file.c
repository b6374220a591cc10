#include "control/store/sqlite_file.h"

#include "control/store/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

/** Takes PATH.lock, which the kernel gives back however this process ends. */
enum nx_err store_sqlite_file_lock(const char *database, int *out, char why[STORE_WHY_SIZE])
{
    char path[STORE_PATH_SIZE_MAX + 8];
    snprintf(path, sizeof path, "%s.lock", database);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        snprintf(why, STORE_WHY_SIZE, "%.180s: cannot be created or opened", path);
        return NX_E_IO;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        const enum nx_err err = errno == EWOULDBLOCK ? NX_E_IN_USE : NX_E_IO;
        snprintf(why, STORE_WHY_SIZE, "%.160s: another control holds this database", database);
        close(fd);
        return err;
    }
    *out = fd;
    return NX_OK;
}

/** Makes the names in the folder of `path` survive a power cut. */
static void folder_flush(const char *path)
{
    char folder[STORE_PATH_SIZE_MAX + 8];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL) {
        slash[slash == folder] = '\0';
    }
    const int fd = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd); /* Not every file system can; those that cannot do not need it. */
        close(fd);
    }
}

/** Creates the file for its owner only; what SQLite puts beside it inherits that. */
enum nx_err store_sqlite_file_create(const char *database, char why[STORE_WHY_SIZE])
{
    /* Never opened when it is there: closing it again would take away the locks SQLite has on it in this process. */
    const int fd = open(database, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) {
        return NX_OK;
    }
    if (fd < 0) {
        snprintf(why, STORE_WHY_SIZE, "%.180s: cannot be created", database);
        return NX_E_IO;
    }
    close(fd);
    folder_flush(database);
    return NX_OK;
}

/** Reads where the last control stopped and takes the next epoch. */
enum nx_err store_sqlite_file_begin(struct store_sqlite_connection *c, uint16_t node, bool is_control,
                                    char why[STORE_WHY_SIZE])
{
    sqlite3_stmt *at = NULL;
    enum nx_err err = store_sqlite_sql_plain(c, STORE_SQL_BEGIN_WRITE);
    if (err == NX_OK) {
        err = store_sqlite_sql_row(c, is_control ? STORE_SQL_EPOCH_NEXT : STORE_SQL_EPOCH_GET, NULL, 0, &at);
    }
    if (err == NX_OK) {
        c->epoch = store_sqlite_sql_u64(at, 0);
        err = store_sqlite_sql_row(c, STORE_SQL_LAST_ID, NULL, 0, &at);
    }
    if (err == NX_OK) {
        store_sqlite_sql_mint_after(c, node, store_sqlite_sql_u64(at, 0));
        err = STORE_SQL_ROW(c, &at, DEAD_GET, STORE_SQL_INT(1));
        c->has_dead_channels = err == NX_OK;
        err = err == NX_E_NOT_FOUND ? NX_OK : err;
    }
    store_sqlite_sql_end(c);
    if (err == NX_OK) {
        err = store_sqlite_sql_plain(c, STORE_SQL_COMMIT);
    }
    if (err != NX_OK) {
        snprintf(why, STORE_WHY_SIZE, "the database cannot be written: %.80s", sqlite3_errmsg(c->db));
        return NX_E_IO;
    }
    return NX_OK;
}

/** Copies into a new file that nobody knows yet: without a journal, and flushed once at the end. */
static bool copy_flushed(sqlite3 *from, const char *path)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    sqlite3 *to = NULL;
    bool is_good = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
                   sqlite3_exec(to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL,
                                NULL) == SQLITE_OK;
    sqlite3_backup *backup = is_good ? sqlite3_backup_init(to, "main", from, "main") : NULL;
    is_good = backup != NULL && sqlite3_backup_step(backup, -1) == SQLITE_DONE;
    is_good = sqlite3_backup_finish(backup) == SQLITE_OK && is_good;
    is_good = sqlite3_close(to) == SQLITE_OK && is_good;
    is_good = is_good && fsync(fd) == 0;
    close(fd);
    return is_good;
}

enum nx_err store_sqlite_file_backup(const char *database, const char *path)
{
    struct store_sqlite_connection from;
    char part[STORE_PATH_SIZE_MAX + 8];
    char why[STORE_WHY_SIZE];
    if (strlen(path) >= STORE_PATH_SIZE_MAX ||
        store_sqlite_sql_open(&from, database, false, STORE_READ_CACHE_KIB, why) != NX_OK) {
        return NX_E_IO;
    }
    /* The name comes last: under `path` there is a whole copy or what was there before, also after a power cut. */
    snprintf(part, sizeof part, "%s.part", path);
    const bool is_good = copy_flushed(from.db, part) && rename(part, path) == 0;
    if (is_good) {
        folder_flush(path);
    } else {
        (void)unlink(part);
    }
    store_sqlite_sql_close(&from);
    return is_good ? NX_OK : NX_E_IO;
}
