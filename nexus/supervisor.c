#include "nexus/supervisor.h"

#include "engine/io/clock.h"
#include "engine/io/cpu.h"
#include "engine/io/file.h"
#include "engine/io/signal.h"
#include "engine/io/stream.h"
#include "nexus/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ARGUMENTS_MAX = 64,
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MAX_MS = 5000,
    BACKOFF_WAITING_MS =
        500,           /* of one that only waits for what it needs, a database that restarts for example */
    STABLE_MS = 10000, /* a child that ran this long starts over without delay */
    STOP_GRACE_MS = 5000,
    BIND_WAIT_MS = 3000, /* children of a supervisor that was killed still let go of their sockets */
    BIND_STEP_MS = 10
};

enum role { GATEWAYD, CONTROL, ROLES_COUNT };

static const char *const NAMES[ROLES_COUNT] = {"gatewayd", "control"};

struct child {
    pid_t pid; /* 0: not running */
    nx_time started;
    nx_time restart_at; /* NX_TIME_NEVER while running */
    int backoff_ms;
    int ready_fd; /* read end: one byte when it serves; -1 after that */
    bool is_ready;
};

struct supervisor {
    const struct nexus_options *options;
    int arguments_count;
    char **arguments;
    char listen_fds[1024];
    int listen_fd_list[NEXUS_SHARDS_MAX];
    uint32_t shards;
    int admin_fd;
    int bus_fd;
    struct nx_addr listen;
    nx_time bind_end;
    pid_t pid;
    struct child children[ROLES_COUNT];
    bool is_announced;
    bool is_stopping;
};

/* Waits a little for an address that is in use: until BIND_WAIT_MS after the start, for all of them together. */
static enum nx_err bind_patiently(const struct supervisor *s, const struct nx_endpoint *where, bool is_shared,
                                  int *fd, struct nx_addr *bound)
{
    enum nx_err err = nx_listener_bind(where, is_shared, fd, bound);
    while (err == NX_E_IN_USE && nx_time_before(nx_clock_now(), s->bind_end)) {
        usleep(BIND_STEP_MS * 1000);
        err = nx_listener_bind(where, is_shared, fd, bound);
    }
    return err;
}

static bool endpoint_bind(const struct supervisor *s, const char *what, const char *text, bool is_shared,
                          int *fd, struct nx_addr *bound)
{
    struct nx_endpoint where = {.kind = NX_ENDPOINT_ADDR};
    if (nx_addr_parse(nx_bytes_text(text), &where.addr) != NX_OK) {
        fprintf(stderr, "nexus: %s address \"%s\" is not ADDRESS:PORT\n", what, text);
        return false;
    }
    if (bound->port != 0) {
        where.addr.port = bound->port;
    }
    const enum nx_err err = bind_patiently(s, &where, is_shared, fd, bound);
    if (err != NX_OK) {
        fprintf(stderr, "nexus: cannot listen for %s on %s: %s\n", what, text, nx_err_text(err));
        return false;
    }
    return true;
}

/* One TCP socket per shard, so that the kernel spreads connections and each shard accepts its own. */
static bool sockets_open(struct supervisor *s)
{
    const struct nexus_settings *settings = &s->options->settings;
    s->shards =
        settings->server_shards.number != 0 ? (uint32_t)settings->server_shards.number : nx_cpu_count();
    size_t size = 0;
    int fd;
    /* Sockets that share a port would share it with another server of the same user too: first one that does not. */
    if (!endpoint_bind(s, "clients", settings->server_listen.text, false, &fd, &s->listen)) {
        return false;
    }
    close(fd);
    for (uint32_t i = 0; i < s->shards; i++) {
        if (!endpoint_bind(s, "clients", settings->server_listen.text, true, &fd, &s->listen)) {
            return false;
        }
        s->listen_fd_list[i] = fd;
        size +=
            (size_t)snprintf(s->listen_fds + size, sizeof(s->listen_fds) - size, i == 0 ? "%d" : ",%d", fd);
    }
    s->admin_fd = -1;
    struct nx_addr admin = {.port = 0};
    if (settings->server_admin.text[0] != '\0' &&
        !endpoint_bind(s, "metrics", settings->server_admin.text, false, &s->admin_fd, &admin)) {
        return false;
    }
    return true;
}

/* The children's own: bound by whoever they run as. */
static bool bus_open(struct supervisor *s)
{
    struct nx_endpoint bus = {.kind = NX_ENDPOINT_UNIX};
    if (strlen(s->options->bus) >= sizeof(bus.path)) {
        fprintf(stderr,
                "nexus: the path of the bus socket is longer than %zu bytes: %s; choose a shorter --data or "
                "--bus\n",
                sizeof(bus.path) - 1, s->options->bus);
        return false;
    }
    memcpy(bus.path, s->options->bus, strlen(s->options->bus) + 1);
    struct nx_addr none;
    const enum nx_err err = bind_patiently(s, &bus, false, &s->bus_fd, &none);
    if (err != NX_OK) {
        fprintf(stderr, "nexus: cannot make the bus socket %s: %s\n", s->options->bus, nx_err_text(err));
        return false;
    }
    return true;
}

/* The child re-executes this binary under its role's name, keeping only the sockets that are its own. */
static void child_exec(struct supervisor *s, enum role role, int ready_fd)
{
    char fd[ROLES_COUNT + 2][16];
    char *argv[ARGUMENTS_MAX + 16];
    int count = 0;
    char shards[16];
    argv[count++] = "nexus";
    argv[count++] = role == GATEWAYD ? "gatewayd" : "control";
    for (int i = 0; i < s->arguments_count && i < ARGUMENTS_MAX; i++) {
        argv[count++] = s->arguments[i];
    }
    if (role == GATEWAYD) {
        snprintf(shards, sizeof(shards), "%u", s->shards);
        argv[count++] = "--shards";
        argv[count++] = shards;
        argv[count++] = "--listen-fds";
        argv[count++] = s->listen_fds;
        if (s->admin_fd >= 0) {
            snprintf(fd[0], sizeof(fd[0]), "%d", s->admin_fd);
            argv[count++] = "--admin-fd";
            argv[count++] = fd[0];
        }
        close(s->bus_fd);
    } else {
        snprintf(fd[1], sizeof(fd[1]), "%d", s->bus_fd);
        argv[count++] = "--bus-fd";
        argv[count++] = fd[1];
        for (uint32_t i = 0; i < s->shards; i++) {
            close(s->listen_fd_list[i]);
        }
        if (s->admin_fd >= 0) {
            close(s->admin_fd);
        }
    }
    snprintf(fd[2], sizeof(fd[2]), "%d", ready_fd);
    argv[count++] = "--ready-fd";
    argv[count++] = fd[2];
    argv[count] = NULL;
    /* A supervisor that dies takes its children along at once: draining to nobody would only keep clients, and the
     * sockets that the next supervisor needs, on a gateway without control. Nothing acknowledged depends on their end. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != s->pid) {
        _exit(NEXUS_EXIT_UNAVAILABLE); /* it died before that was asked for */
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv("/proc/self/exe", argv);
    fprintf(stderr, "nexus: cannot start %s: %s\n", NAMES[role], strerror(errno));
    _exit(NEXUS_EXIT_UNAVAILABLE);
}

static void child_start(struct supervisor *s, enum role role)
{
    struct child *child = &s->children[role];
    int ready[2] = {-1, -1};
    if (pipe(ready) != 0) {
        child->restart_at = nx_time_add_ms(nx_clock_now(), BACKOFF_MAX_MS);
        return;
    }
    fcntl(ready[0], F_SETFD, FD_CLOEXEC);
    fcntl(ready[0], F_SETFL, O_NONBLOCK);
    const pid_t pid = fork();
    if (pid == 0) {
        child_exec(s, role, ready[1]);
    }
    close(ready[1]);
    child->started = nx_clock_now();
    if (pid < 0) {
        close(ready[0]);
        child->restart_at = nx_time_add_ms(child->started, BACKOFF_MAX_MS);
        return;
    }
    child->pid = pid;
    child->ready_fd = ready[0];
    child->is_ready = false;
    child->restart_at = NX_TIME_NEVER;
}

static void announce(struct supervisor *s)
{
    bool is_ready = true;
    for (int i = 0; i < ROLES_COUNT; i++) {
        struct child *child = &s->children[i];
        char byte;
        if (child->ready_fd >= 0 && read(child->ready_fd, &byte, 1) == 1) {
            child->is_ready = true;
            close(child->ready_fd);
            child->ready_fd = -1;
        }
        is_ready = is_ready && child->is_ready;
    }
    if (!is_ready || s->is_announced) {
        return;
    }
    s->is_announced = true;
    const char *scheme = s->options->settings.tls_cert.text[0] != '\0' ? "https" : "http";
    static const uint8_t any[16] = {0};
    char host[64] = "localhost";
    if (memcmp(s->listen.ip, any, sizeof(any)) != 0 && !nx_addr_is_loopback(&s->listen)) {
        struct nx_writer w = nx_writer_init(host, sizeof(host) - 1);
        nx_addr_format_ip(&s->listen, &w);
        host[w.size] = '\0';
    }
    printf("Nexus is running at %s://%s:%u\n", scheme, host, s->listen.port);
    fflush(stdout);
}

/* Returns an exit code when the whole must end, else -1. */
static int child_ended(struct supervisor *s, enum role role, int status)
{
    struct child *child = &s->children[role];
    const int64_t ran_ms = nx_time_since_ns(nx_clock_now(), child->started) / NX_TIME_NS_PER_MS;
    const bool was_ready = child->is_ready;
    child->pid = 0;
    child->is_ready = false;
    if (child->ready_fd >= 0) {
        close(child->ready_fd);
        child->ready_fd = -1;
    }
    if (s->is_stopping) {
        return -1;
    }
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (!was_ready && !s->is_announced &&
        (code == NEXUS_EXIT_CONFIG || code == NEXUS_EXIT_USAGE || code == NEXUS_EXIT_UNAVAILABLE)) {
        return code; /* it said why; trying again would say it again */
    }
    const int most_ms = code == NEXUS_EXIT_UNAVAILABLE ? BACKOFF_WAITING_MS : BACKOFF_MAX_MS;
    child->backoff_ms = ran_ms >= STABLE_MS || child->backoff_ms == 0 ? BACKOFF_FIRST_MS
                        : child->backoff_ms * 2 > most_ms             ? most_ms
                                                                      : child->backoff_ms * 2;
    const int delay_ms = ran_ms >= STABLE_MS ? 0 : child->backoff_ms;
    child->restart_at = nx_time_add_ms(nx_clock_now(), delay_ms);
    fprintf(stderr, "supervisor.child_ended role=%s pid_ran_ms=%lld code=%d restart_in_ms=%d\n", NAMES[role],
            (long long)ran_ms, code, delay_ms);
    return -1;
}

static int children_reap(struct supervisor *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (int i = 0; i < ROLES_COUNT; i++) {
            if (s->children[i].pid == pid) {
                const int code = child_ended(s, (enum role)i, status);
                if (code >= 0) {
                    return code;
                }
            }
        }
    }
    return -1;
}

static void child_stop(struct supervisor *s, enum role role, int64_t grace_ms)
{
    const nx_time end = nx_time_add_ms(nx_clock_now(), grace_ms);
    struct child *child = &s->children[role];
    if (child->pid != 0) {
        kill(child->pid, SIGTERM);
    }
    while (child->pid != 0) {
        children_reap(s);
        if (child->pid == 0) {
            break;
        }
        if (!nx_time_before(nx_clock_now(), end)) {
            fprintf(stderr, "supervisor.child_killed role=%s\n", NAMES[role]);
            kill(child->pid, SIGKILL);
            waitpid(child->pid, NULL, 0);
            child->pid = 0;
            break;
        }
        usleep(20000);
    }
}

static bool data_prepare(const struct nexus_options *options)
{
    enum nx_err err = nx_file_folders_make(options->data, 0700);
    if (err != NX_OK) {
        fprintf(stderr, "nexus: cannot make the data directory %s: %s\n", options->data, strerror(errno));
        return false;
    }
    if (access(options->config, F_OK) != 0) {
        err = nexus_settings_write(options->config);
        if (err != NX_OK) {
            fprintf(stderr, "nexus: cannot write %s: %s\n", options->config, strerror(errno));
            return false;
        }
    }
    return true;
}

static int64_t wait_ms(const struct supervisor *s)
{
    nx_time next = nx_time_add_ms(nx_clock_now(), s->is_announced ? 60000 : 20);
    for (int i = 0; i < ROLES_COUNT; i++) {
        if (s->children[i].pid == 0) {
            next = nx_time_min(next, s->children[i].restart_at);
        }
    }
    const int64_t left_ms = nx_time_since_ns(next, nx_clock_now()) / NX_TIME_NS_PER_MS;
    return left_ms > 0 ? left_ms : 0;
}

static int watch(struct supervisor *s)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    for (;;) {
        const int64_t ms = wait_ms(s);
        const struct timespec timeout = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
        const int number = sigtimedwait(&set, NULL, &timeout);
        if (number == SIGTERM || number == SIGINT) {
            return 0;
        }
        if (number == SIGHUP) {
            for (int i = 0; i < ROLES_COUNT; i++) {
                if (s->children[i].pid != 0) {
                    kill(s->children[i].pid, SIGHUP);
                }
            }
        }
        const int code = children_reap(s);
        if (code >= 0) {
            return code;
        }
        announce(s);
        for (int i = ROLES_COUNT - 1; i >= 0; i--) {
            if (s->children[i].pid == 0 && !nx_time_before(nx_clock_now(), s->children[i].restart_at)) {
                child_start(s, (enum role)i);
            }
        }
    }
}

int nexus_supervisor_run(const struct nexus_options *options, int count, char **arguments)
{
    struct supervisor s = {.options = options, .arguments_count = count, .arguments = arguments};
    if (count > ARGUMENTS_MAX) {
        fprintf(stderr, "nexus: more than %d arguments\n", ARGUMENTS_MAX);
        return NEXUS_EXIT_USAGE;
    }
    for (int i = 0; i < ROLES_COUNT; i++) {
        s.children[i].ready_fd = -1;
    }
    nx_signal_block();
    s.pid = getpid();
    s.bind_end = nx_time_add_ms(nx_clock_now(), BIND_WAIT_MS);
    if (!data_prepare(options) || !sockets_open(&s)) {
        return NEXUS_EXIT_UNAVAILABLE;
    }
    int code = nexus_privileges_drop(options, true);
    if (code == 0 && !bus_open(&s)) {
        code = NEXUS_EXIT_UNAVAILABLE;
    }
    if (code != 0) {
        return code;
    }
    child_start(&s, CONTROL);
    child_start(&s, GATEWAYD);
    code = watch(&s);
    s.is_stopping = true;
    child_stop(&s, GATEWAYD, options->settings.server_drain.number / NX_TIME_NS_PER_MS + STOP_GRACE_MS);
    child_stop(&s, CONTROL, STOP_GRACE_MS);
    unlink(options->bus);
    return code;
}
