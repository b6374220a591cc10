/* io_sweep.c - lets the k-th call of the disk fail, for every k and every kind of call, and looks at what the store makes of it.
 *
 * Spec:    no crash; a refusal with a retryable error within 2 s; nothing acknowledged is lost, not even when the power goes
 *          right afterwards; the store answers again when the disk does, without being opened anew
 * Layer:   tests/fault
 * usage:   io_sweep [STRIDE [KIND [FIRST LAST]]]   every STRIDE-th k [1]; KIND is one line of the table it prints
 *          io_sweep --forget K                     flushes that fail, K times over, on a kernel that forgets the pages of
 *                                                  the database whose flush failed
 *          io_sweep --full                         a disk that runs full under load
 *          Exit code: 0 all held; 1 not; 2 usage
 */
#include "control/store/sqlite.h"
#include "engine/io/clock.h"
#include "engine/io/loop.h"
#include "tests/fault/disk.h"
#include "tests/fault/script.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ANSWER_MS_MAX = 2000 };

static const struct kind {
    const char *name;
    enum disk_call call;
    int code;
} kinds[] = {
    {"open", DISK_OPEN, SQLITE_CANTOPEN},
    {"read", DISK_READ, SQLITE_IOERR_READ},
    {"read_short", DISK_READ, DISK_SHORT},
    {"write", DISK_WRITE, SQLITE_IOERR_WRITE},
    {"write_short", DISK_WRITE, DISK_SHORT},
    {"write_full", DISK_WRITE, SQLITE_FULL},
    {"truncate", DISK_TRUNCATE, SQLITE_IOERR_TRUNCATE},
    {"sync", DISK_SYNC, SQLITE_IOERR_FSYNC},
    {"size", DISK_SIZE, SQLITE_IOERR_FSTAT},
    {"shared", DISK_SHARED, SQLITE_IOERR_SHMMAP},
    {"delete", DISK_DELETE, SQLITE_IOERR_DELETE},
    {"access", DISK_ACCESS, SQLITE_IOERR_ACCESS},
};

enum { SYNC = 7, KINDS = sizeof kinds / sizeof *kinds };

static char folder[80];
static char after[80];
static bool forgets_database;
static char doing[160]; /* for the one who looks at a crash */

static void on_crash(int signal)
{
    (void)!write(STDERR_FILENO, doing, strlen(doing));
    (void)!write(STDERR_FILENO, "\n", 1);
    (void)!raise(signal);
}

static void on_cut(void)
{
}

static struct nx_loop *loop_open(void)
{
    struct nx_loop *loop = NULL;
    char why[NX_LOOP_WHY_SIZE];
    if (nx_loop_open(&loop, &(struct nx_loop_config){.cpu = -1, .streams_max = 16}, why) != NX_OK) {
        fprintf(stderr, "io_sweep: %s\n", why);
        exit(1);
    }
    return loop;
}

/** One run with this fault; returns how many such calls came. */
static uint64_t run(struct script *s, const struct disk_fault *fault, bool has_loop)
{
    *s = (struct script){.folder = folder, .loop = has_loop ? loop_open() : NULL};
    disk_install(folder, fault->from);
    disk_fault_set(fault);
    script_run(s);
    const uint64_t seen = disk_fault_seen();
    disk_fault_set(NULL);
    script_recover(s);
    /* What a power cut would leave now, then the end in order. */
    const uint32_t said = s->said_count;
    disk_cut_set(&(struct disk_cut){.folder = after, .on_cut = on_cut});
    disk_cut_now();
    if (s->store != NULL) {
        script_close(s);
    }
    disk_remove();
    disk_install(after, 1);
    script_check(s, after, "a.db", said);
    if (s->backed_up != UINT32_MAX) {
        script_check(s, after, "b.db", s->backed_up);
    }
    disk_remove();
    disk_install(folder, 1);
    script_check(s, folder, "a.db", s->said_count);
    disk_remove();
    if (s->loop != NULL) {
        nx_loop_close(s->loop);
    }
    script_empty(folder);
    script_empty(after);
    if (s->slowest_ms > ANSWER_MS_MAX && s->why[0] == '\0') {
        snprintf(s->why, sizeof s->why, "an answer took %ld ms", (long)s->slowest_ms);
    }
    return seen;
}

static bool sweep(const struct kind *kind, bool has_loop, bool lasts, uint64_t stride, uint64_t first,
                  uint64_t last)
{
    static struct script s;
    uint64_t runs = 0;
    uint64_t refused = 0;
    uint64_t bad = 0;
    int64_t slowest_ms = 0;
    const char *loop_text = has_loop ? "threads" : "alone";
    const char *lasts_text = lasts ? "lasting" : "once";
    for (uint64_t k = first; k <= last; k += stride) {
        snprintf(doing, sizeof doing, "%s %s %s at call %lu", kind->name, loop_text, lasts_text,
                 (unsigned long)k);
        const struct disk_fault fault = {.calls = 1U << kind->call,
                                         .from = k,
                                         .count = lasts ? UINT64_MAX : 1,
                                         .code = kind->code,
                                         .forgets_database = forgets_database};
        (void)run(&s, &fault, has_loop);
        runs++;
        refused += s.refused > 0;
        slowest_ms = s.slowest_ms > slowest_ms ? s.slowest_ms : slowest_ms;
        if (s.why[0] != '\0') {
            bad++;
            printf("  %s: %s\n", doing, s.why);
        }
    }
    printf("{\"kind\":\"%s\",\"store\":\"%s\",\"failure\":\"%s\",\"runs\":%lu,\"with_refusals\":%lu,"
           "\"slowest_ms\":%ld,"
           "\"bad\":%lu}\n",
           kind->name, loop_text, lasts_text, (unsigned long)runs, (unsigned long)refused, (long)slowest_ms,
           (unsigned long)bad);
    fflush(stdout);
    return bad == 0;
}

/** Returns how many calls of this kind a run without failures makes; 0 when that went wrong. */
static uint64_t calls_of(const struct kind *kind, bool has_loop)
{
    static struct script s;
    const struct disk_fault none = {
        .calls = 1U << kind->call, .from = UINT64_MAX, .count = 1, .code = kind->code};
    snprintf(doing, sizeof doing, "%s without a failure", kind->name);
    const uint64_t calls = run(&s, &none, has_loop);
    if (s.why[0] != '\0') {
        printf("  %s: %s\n", doing, s.why);
    }
    return s.why[0] == '\0' && s.refused == 0 ? calls : 0;
}

/* ---- a disk that runs full ---- */

static void full_say(const char *phase, const struct script *s, uint32_t said, uint32_t refused,
                     uint32_t reads)
{
    printf("{\"phase\":\"%s\",\"said\":%u,\"refused\":%u,\"reads_answered\":%u,\"slowest_ms\":%ld}\n", phase,
           said, refused, reads, (long)s->slowest_ms);
}

/** Rounds of many at once and a read after each. */
static void full_rounds(struct script *s, int rounds, uint32_t *said, uint32_t *refused, uint32_t *reads)
{
    *said = *refused = *reads = 0;
    for (int i = 0; i < rounds; i++) {
        uint32_t no = 0;
        *said += script_crowd(s, &no);
        *refused += no;
        *reads += script_read(s);
    }
}

/** Three times over: room, none, room again. Nobody opens the store anew. */
static bool full_run(void)
{
    enum { ROUNDS = 20 };
    static struct script s;
    s = (struct script){.folder = folder, .loop = loop_open()};
    disk_install(folder, 1);
    script_run(&s);
    bool is_good = s.refused == 0;
    for (int i = 0; i < 3; i++) {
        uint32_t said;
        uint32_t refused;
        uint32_t reads;
        disk_room_set((uint64_t)i * 10000);
        full_rounds(&s, ROUNDS, &said, &refused, &reads);
        full_say("full", &s, said, refused, reads);
        is_good = is_good && refused > 0 && reads == ROUNDS;
        disk_room_set(UINT64_MAX);
        full_rounds(&s, ROUNDS, &said, &refused, &reads);
        full_say("room again", &s, said, refused, reads);
        is_good = is_good && refused == 0 && said > 0 && reads == ROUNDS;
    }
    script_close(&s);
    script_check(&s, folder, "a.db", s.said_count);
    disk_remove();
    nx_loop_close(s.loop);
    script_empty(folder);
    if (s.why[0] != '\0' || s.slowest_ms > ANSWER_MS_MAX) {
        printf("  %s\n", s.why);
        is_good = false;
    }
    return is_good;
}

int main(int argc, char **argv)
{
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.32s/io_sweep_XXXXXX", base != NULL ? base : P_tmpdir);
    if (mkdtemp(folder) == NULL) {
        fprintf(stderr, "io_sweep: no folder\n");
        return 1;
    }
    snprintf(after, sizeof after, "%.60s_after", folder);
    (void)mkdir(after, 0700);
    (void)!signal(SIGALRM, SIG_DFL);
    static const int crashes[] = {SIGABRT, SIGSEGV, SIGBUS};
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) {
        (void)!sigaction(crashes[i],
                         &(struct sigaction){.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND}, NULL);
    }
    if (argc == 2 && strcmp(argv[1], "--full") == 0) {
        const bool is_full_good = full_run();
        rmdir(folder);
        rmdir(after);
        return is_full_good ? 0 : 1;
    }
    const bool is_forgetting = argc == 3 && strcmp(argv[1], "--forget") == 0;
    for (uint64_t i = 0; is_forgetting && i < strtoul(argv[2], NULL, 10); i++) {
        forgets_database = true;
        const struct kind *kind = &kinds[SYNC];
        if (!sweep(kind, true, false, 1, 1, calls_of(kind, true))) {
            return 1;
        }
    }
    if (is_forgetting) {
        return 0;
    }
    const uint64_t stride = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
    const char *only = argc > 2 ? argv[2] : NULL;
    const uint64_t first = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
    const uint64_t last = argc > 4 ? strtoul(argv[4], NULL, 10) : UINT64_MAX;
    bool is_good = true;
    for (size_t i = 0; i < KINDS; i++) {
        for (int variant = 0; variant < 4 && (only == NULL || strcmp(only, kinds[i].name) == 0); variant++) {
            const bool has_loop = (variant & 1) != 0;
            const uint64_t calls = calls_of(&kinds[i], has_loop);
            is_good = is_good && calls > 0;
            is_good =
                sweep(&kinds[i], has_loop, (variant & 2) != 0, stride, first, last < calls ? last : calls) &&
                is_good;
        }
    }
    rmdir(folder);
    rmdir(after);
    return is_good ? 0 : 1;
}
