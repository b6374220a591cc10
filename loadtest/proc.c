#include "loadtest/proc.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATH_SIZE = 128, LINE_SIZE = 512 };

static bool line_read(const char *path, const char *prefix, char line[LINE_SIZE])
{
    FILE *file = fopen(path, "re");
    bool is_found = false;
    if (file == NULL) {
        return false;
    }
    while (!is_found && fgets(line, LINE_SIZE, file) != NULL) {
        is_found = strncmp(line, prefix, strlen(prefix)) == 0;
    }
    (void)fclose(file);
    return is_found;
}

/* Calls `each` with the path of every thread's directory. */
static bool threads_each(uint32_t pid, void (*each)(const char *path, void *context), void *context)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task", pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL) {
        return false;
    }
    for (struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks)) {
        char thread[PATH_SIZE];
        if (entry->d_name[0] != '.' && strlen(entry->d_name) < 16) {
            (void)snprintf(thread, sizeof(thread), "%.40s/%.16s", path, entry->d_name);
            each(thread, context);
        }
    }
    (void)closedir(tasks);
    return true;
}

static void cpu_add(const char *thread, void *context)
{
    uint64_t *sum = context;
    char path[PATH_SIZE];
    char line[LINE_SIZE];
    (void)snprintf(path, sizeof(path), "%.100s/schedstat", thread);
    if (line_read(path, "", line)) {
        *sum += strtoull(line, NULL, 10);
    }
}

enum nx_err load_proc_read(const uint32_t *pids, size_t count, struct load_proc_use *out)
{
    struct load_proc_use use = {0};
    for (size_t i = 0; i < count; i++) {
        char path[PATH_SIZE];
        char line[LINE_SIZE];
        (void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/status", pids[i]);
        if (!line_read(path, "VmRSS:", line) || !threads_each(pids[i], cpu_add, &use.cpu_ns)) {
            return NX_E_NOT_FOUND;
        }
        use.rss_bytes += strtoull(line + strlen("VmRSS:"), NULL, 10) * 1024;
    }
    *out = use;
    return NX_OK;
}

struct children {
    uint32_t *out;
    size_t room;
    size_t count;
};

static void children_add(const char *thread, void *context)
{
    struct children *children = context;
    char path[PATH_SIZE];
    char line[LINE_SIZE];
    (void)snprintf(path, sizeof(path), "%.100s/children", thread);
    if (!line_read(path, "", line)) {
        return;
    }
    char *end = line;
    for (char *at = line; children->count < children->room; at = end) {
        const unsigned long pid = strtoul(at, &end, 10);
        if (end == at) {
            return;
        }
        children->out[children->count++] = (uint32_t)pid;
    }
}

size_t load_proc_children(uint32_t pid, uint32_t *out, size_t room)
{
    struct children children = {.out = out, .room = room};
    (void)threads_each(pid, children_add, &children);
    return children.count;
}

uint64_t load_proc_own_cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}
