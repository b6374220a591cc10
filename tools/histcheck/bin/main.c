/* histcheck: reads the histories of a run and what is stored, and says whether anything was lost, doubled or invented.
 *
 * usage: histcheck FILE|FOLDER...     (docs/histories.md)
 * exit:  0 nothing is wrong, 1 something is, 2 it could not be judged */
#include "tools/histcheck/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_UNJUDGED = 2, PATH_SIZE = 4096 };

static struct tool_check_file files[TOOL_CHECK_FILES_MAX];
static uint32_t files_count;

static bool file_map(const char *path)
{
    struct stat is;
    if (files_count == TOOL_CHECK_FILES_MAX) {
        (void)fprintf(stderr, "histcheck: more than %d files\n", TOOL_CHECK_FILES_MAX);
        return false;
    }
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *bytes = MAP_FAILED;
    if (fd >= 0 && fstat(fd, &is) == 0 && is.st_size != 0) {
        bytes = mmap(NULL, (size_t)is.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    if (bytes == MAP_FAILED) {
        (void)fprintf(stderr, "histcheck: cannot read %s: %s\n", path,
                      errno != 0 ? strerror(errno) : "it is empty");
        return false;
    }
    files[files_count++] =
        (struct tool_check_file){.name = strdup(path), .bytes = bytes, .size = (uint64_t)is.st_size};
    return true;
}

static bool path_take(const char *path)
{
    DIR *folder = opendir(path);
    bool is_good = true;
    if (folder == NULL) {
        return file_map(path);
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL && is_good; entry = readdir(folder)) {
        const char *dot = strrchr(entry->d_name, '.');
        char name[PATH_SIZE];
        if (dot != NULL && strcmp(dot, ".hist") == 0) {
            (void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
            is_good = file_map(name);
        }
    }
    (void)closedir(folder);
    return is_good;
}

static void back_print(const char *name, const struct nx_metric_histogram *h, bool is_last)
{
    (void)printf("\"%s\":{\"count\":%" PRIu64 ",\"p50\":%.1f,\"p95\":%.1f,\"p99\":%.1f,\"max\":%.1f}%s", name,
                 h->count, (double)nx_metric_histogram_percentile(h, 50) / 1e6,
                 (double)nx_metric_histogram_percentile(h, 95) / 1e6,
                 (double)nx_metric_histogram_percentile(h, 99) / 1e6, (double)h->max / 1e6,
                 is_last ? "" : ",");
}

static void result_print(const struct tool_check_result *r)
{
    const struct {
        const char *name;
        uint64_t value;
    } COUNTS[] = {{"records", r->records}, {"clients", r->clients}, {"channels", r->channels},
                  {"sent", r->sent},       {"resent", r->resent},   {"acked", r->acked},
                  {"stored", r->stored},   {"unacked", r->unacked}, {"delivered", r->delivered},
                  {"fetched", r->fetched}, {"resumes", r->resumes}, {"resyncs", r->resyncs}};
    (void)printf("{\"faults\":%" PRIu64 ",\"found\":{", tool_check_faults(r));
    const char *comma = "";
    for (int i = 0; i < TOOL_CHECK_FAULTS; i++) {
        if (r->faults[i] != 0) {
            (void)printf("%s\"%s\":%" PRIu64, comma, tool_check_fault_name((enum tool_check_fault)i),
                         r->faults[i]);
            comma = ",";
        }
    }
    (void)printf("}");
    for (size_t i = 0; i < sizeof(COUNTS) / sizeof(COUNTS[0]); i++) {
        (void)printf(",\"%s\":%" PRIu64, COUNTS[i].name, COUNTS[i].value);
    }
    (void)printf(",\"kills\":{");
    for (uint32_t i = 0; i < TOOL_CHECK_ROLES; i++) {
        (void)printf("%s\"%s\":%" PRIu64, i == 0 ? "" : ",", tool_check_role_name(i), r->kills[i]);
    }
    (void)printf("},\"back_ms\":{");
    for (uint32_t i = 0; i < TOOL_CHECK_ROLES; i++) {
        back_print(tool_check_role_name(i), &r->back_ns[i], false);
    }
    back_print("all", &r->back_all_ns, true);
    (void)printf("}}\n");
}

int main(int argc, char **argv)
{
    static struct tool_check_result result;
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        (void)fprintf(stderr, "usage: histcheck FILE|FOLDER...\n");
        return argc < 2 ? EXIT_UNJUDGED : 0;
    }
    for (int i = 1; i < argc; i++) {
        if (!path_take(argv[i])) {
            return EXIT_UNJUDGED;
        }
    }
    const enum nx_err err = tool_check_run(files, files_count, stderr, &result);
    if (err != NX_OK) {
        (void)fprintf(stderr, "histcheck: %s\n", nx_err_text(err));
        return EXIT_UNJUDGED;
    }
    result_print(&result);
    return tool_check_faults(&result) != 0;
}
