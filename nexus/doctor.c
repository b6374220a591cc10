#include "nexus/doctor.h"

#include "engine/base/addr.h"
#include "engine/io/clock.h"
#include "engine/io/cpu.h"
#include "engine/io/loop.h"
#include "engine/io/stream.h"
#include "engine/io/tls.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

enum verdict { PASS, WARN, FAIL };

static int failures;

__attribute__((format(printf, 3, 4))) static void tell(enum verdict verdict, const char *what,
                                                       const char *format, ...)
{
    static const char *const WORDS[] = {"PASS", "WARN", "FAIL"};
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    printf("%s  %-14s %s\n", WORDS[verdict], what, text);
    failures += verdict == FAIL ? 1 : 0;
}

static long file_number(const char *path)
{
    char text[64] = "";
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return -1;
    }
    const char *line = fgets(text, sizeof(text), file);
    fclose(file);
    return line != NULL ? strtol(line, NULL, 10) : -1;
}

static void kernel_check(void)
{
    struct utsname name;
    int major = 0;
    int minor = 0;
    if (uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
        (major > 6 || (major == 6 && minor >= 1))) {
        tell(PASS, "kernel", "Linux %s", name.release);
    } else {
        tell(FAIL, "kernel", "Linux %s is older than 6.1", name.release);
    }
}

static void ring_check(const struct nexus_options *options)
{
    struct nx_loop *loop = NULL;
    char why[NX_LOOP_WHY_SIZE] = "";
    const struct nx_loop_config config = {
        .streams_max = (uint32_t)options->settings.limits_sessions.number,
        .features =
            options->settings.server_kernel_6_1.number != 0 ? NX_LOOP_FEATURES_6_1 : NX_LOOP_FEATURES_ALL,
        .cpu = -1,
    };
    if (nx_loop_open(&loop, &config, why) != NX_OK) {
        tell(FAIL, "io_uring", "%s", why);
        return;
    }
    tell(PASS, "io_uring", "a loop for %u streams opens, %.1f MiB", config.streams_max,
         (double)nx_loop_stats(loop)->memory_bytes / (1 << 20));
    nx_loop_close(loop);
}

static void files_check(const struct nexus_options *options)
{
    struct rlimit files;
    const int64_t wanted = options->settings.limits_sessions.number + 1024;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        tell(WARN, "open files", "the limit cannot be read");
    } else if ((int64_t)files.rlim_max < wanted) {
        tell(WARN, "open files",
             "at most %llu per process; %lld are needed for limits.sessions: raise LimitNOFILE",
             (unsigned long long)files.rlim_max, (long long)wanted);
    } else {
        tell(PASS, "open files", "up to %llu per process", (unsigned long long)files.rlim_max);
    }
}

static void account_check(const struct nexus_options *options)
{
    const char *wanted = options->settings.server_user.text;
    const char *name = wanted[0] != '\0' ? wanted : "nexus";
    const bool is_there = getpwnam(name) != NULL;
    if (geteuid() != 0) {
        tell(PASS, "account", "not root");
    } else if (is_there) {
        tell(PASS, "account", "started as root it becomes %s", name);
    } else {
        tell(wanted[0] != '\0' ? FAIL : WARN, "account", "there is no account %s%s", name,
             wanted[0] != '\0' ? "" : ": it will run as root; make one, or set server.user");
    }
}

static void data_check(const struct nexus_options *options)
{
    struct statvfs disk;
    char path[NEXUS_PATH_MAX + 32];
    if (access(options->data, F_OK) != 0) {
        tell(PASS, "data", "%s will be made at the first start", options->data);
        return;
    }
    snprintf(path, sizeof(path), "%s/.doctor", options->data);
    const int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || statvfs(options->data, &disk) != 0) {
        tell(FAIL, "data", "%s is not writable", options->data);
        return;
    }
    const nx_time start = nx_clock_now();
    bool is_synced = true;
    for (int i = 0; i < 16 && is_synced; i++) {
        is_synced = pwrite(fd, "x", 1, 0) == 1 && fdatasync(fd) == 0;
    }
    const double sync_ms = (double)nx_time_since_ns(nx_clock_now(), start) / 16e6;
    close(fd);
    unlink(path);
    const double free_gib = (double)disk.f_bavail * (double)disk.f_frsize / (1 << 30);
    if (!is_synced) {
        tell(FAIL, "data", "%s cannot be written through to its disk", options->data);
    } else {
        tell(free_gib < 1 ? WARN : PASS, "disk space", "%.1f GiB free%s", free_gib,
             free_gib < 1 ? ", less than 1 GiB" : "");
        tell(sync_ms > 20 ? WARN : PASS, "disk sync", "%.2f ms per commit%s", sync_ms,
             sync_ms > 20 ? ": every acknowledged message waits for it" : "");
    }
}

static void port_check(const char *what, const char *text)
{
    struct nx_endpoint where = {.kind = NX_ENDPOINT_ADDR};
    struct nx_addr bound;
    int fd = -1;
    if (text[0] == '\0' || nx_addr_parse(nx_bytes_text(text), &where.addr) != NX_OK) {
        return;
    }
    const enum nx_err err = nx_listener_bind(&where, false, &fd, &bound);
    if (err == NX_OK) {
        tell(PASS, what, "%s is free", text);
        close(fd);
    } else {
        tell(WARN, what, "%s: %s%s", text, nx_err_text(err), err == NX_E_IN_USE ? " (a running Nexus?)" : "");
    }
}

static void tls_check(const struct nexus_options *options)
{
    const struct nexus_settings *s = &options->settings;
    struct nx_tls_context *context = NULL;
    char why[NX_TLS_WHY_SIZE] = "";
    if (s->tls_cert.text[0] == '\0') {
        tell(WARN, "tls", "off: browsers allow camera and microphone only on https or localhost");
        return;
    }
    if (nx_tls_context_open(&context, s->tls_cert.text, s->tls_key.text, why) != NX_OK) {
        tell(FAIL, "tls", "%s", why);
        return;
    }
    tell(PASS, "tls", "certificate and key belong together");
    nx_tls_context_close(context);
}

static void system_check(void)
{
    const long backlog = file_number("/proc/sys/net/core/somaxconn");
    const long disabled = file_number("/proc/sys/kernel/io_uring_disabled");
    const long rmem = file_number("/proc/sys/net/core/rmem_max");
    tell(backlog >= 0 && backlog < 4096 ? WARN : PASS, "backlog", "net.core.somaxconn is %ld%s", backlog,
         backlog >= 0 && backlog < 4096 ? "; 4096 takes reconnect storms better" : "");
    if (disabled > 0) {
        tell(disabled == 2 || geteuid() != 0 ? FAIL : WARN, "io_uring", "kernel.io_uring_disabled is %ld",
             disabled);
    }
    tell(rmem >= 0 && rmem < 1 << 20 ? WARN : PASS, "udp buffers", "net.core.rmem_max is %ld%s", rmem,
         rmem >= 0 && rmem < 1 << 20 ? "; media wants 1 MiB or more" : "");
    tell(PASS, "cpus", "%u in the affinity mask: as many shards", nx_cpu_count());
}

int nexus_doctor_run(const struct nexus_options *options)
{
    failures = 0;
    kernel_check();
    ring_check(options);
    files_check(options);
    system_check();
    account_check(options);
    data_check(options);
    tls_check(options);
    port_check("listen", options->settings.server_listen.text);
    port_check("admin", options->settings.server_admin.text);
    printf("%s\n",
           failures == 0 ? "This machine can run Nexus." : "Change what FAIL says before starting Nexus.");
    return failures == 0 ? 0 : 1;
}
