#include "control/node/move.h"

#include "control/store/copy.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { URL_SIZE_MAX = 4096, EXIT_UNAVAILABLE = 69 };

static int run(const char *from, const char *to)
{
    struct store_copy_report report = {0};
    char why[STORE_WHY_SIZE] = "";
    const enum nx_err err = store_copy_run(from, to, STORE_COPY_MOVE, &report, why);
    if (err != NX_OK) {
        fprintf(stderr, "nexus admin: nothing was moved: %s\n", why);
        return err == NX_E_IN_USE ? EXIT_UNAVAILABLE : 1;
    }
    for (size_t i = 0; i < STORE_COPY_TABLES && report.tables[i].name != NULL; i++) {
        printf("%-14s %10llu rows  checksum %016llx\n", report.tables[i].name,
               (unsigned long long)report.tables[i].rows, (unsigned long long)report.tables[i].checksum);
    }
    printf("%llu rows, written and read back the same\n", (unsigned long long)report.rows);
    return 0;
}

int ctld_move_run(const char *from, const char *to)
{
    const int code = run(from, to);
    if (code == 0) {
        printf("the old database is as it was; start the server with the new one: --database URL\n");
    }
    return code;
}

/** Where the backup is brought to this program's version before it is read. */
static void work_path(const char *path, char *out, const char *end)
{
    snprintf(out, URL_SIZE_MAX, "%.3900s.restore%s", path, end);
}

int ctld_move_restore(const char *path, const char *to)
{
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    char url[URL_SIZE_MAX + 16];
    char work[URL_SIZE_MAX];
    char why[STORE_WHY_SIZE] = "";
    if (access(path, R_OK) != 0) {
        fprintf(stderr, "nexus admin: %s cannot be read\n", path);
        return 1;
    }
    work_path(path, work, "");
    enum nx_err err = store_copy_file(path, work, why);
    if (err != NX_OK) {
        fprintf(stderr, "nexus admin: %s\n", why);
        return 1;
    }
    snprintf(url, sizeof url, "sqlite:%s", work);
    const int code = run(url, to);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        work_path(path, work, ends[i]);
        (void)unlink(work);
    }
    return code;
}
