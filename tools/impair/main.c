#include "tools/impair/control.h"
#include "tools/impair/core/options.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, READY_SIZE_MAX = 16384, DESCRIPTORS_WANTED = 1 << 20 };

/* The signals that end it, as a descriptor. */
struct ending {
    struct impair_poll_watch watch;
    struct impair_proxy *proxy;
};

static void on_signal_ready(struct impair_poll_watch *watch, uint32_t events)
{
    struct ending *ending = NX_LIST_ITEM(watch, struct ending, watch);
    (void)events;
    ending->proxy->is_over = true;
}

static bool ending_open(struct ending *ending, struct impair_proxy *proxy)
{
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    *ending = (struct ending){.proxy = proxy};
    ending->watch.on_ready = on_signal_ready;
    ending->watch.fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (ending->watch.fd < 0) {
        return false;
    }
    impair_poll_set(&proxy->poll, &ending->watch, EPOLLIN);
    return true;
}

/* As many descriptors as the system gives: two for each connection. */
static void descriptors_raise(void)
{
    struct rlimit limit = {DESCRIPTORS_WANTED, DESCRIPTORS_WANTED};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool routes_open(struct impair_proxy *proxy, const struct impair_options *options)
{
    for (uint32_t i = 0; i < options->routes_count; i++) {
        const struct impair_options_route *route = &options->routes[i];
        const enum nx_err err = impair_proxy_route(proxy, route->protocol, &route->listen, &route->target);
        if (err != NX_OK) {
            (void)fprintf(stderr, "impair: route %u: %s: %s\n", i, nx_err_text(err), strerror(errno));
            return false;
        }
    }
    return true;
}

static bool lines_do(struct impair_proxy *proxy, const struct impair_options *options)
{
    for (uint32_t i = 0; i < options->lines_count; i++) {
        struct impair_command command;
        const char *why = "there is no such route";
        if (impair_command_parse(nx_bytes_text(options->lines[i]), &command, &why) != NX_OK ||
            impair_proxy_command(proxy, &command, proxy->start) != NX_OK) {
            (void)fprintf(stderr, "impair: --do \"%s\": %s\n", options->lines[i], why);
            return false;
        }
    }
    return true;
}

static bool script_do(struct impair_proxy *proxy, const char *path, struct nx_bytes text)
{
    struct impair_command_script script;
    struct impair_command command;
    impair_command_script_init(&script, text);
    while (impair_command_script_next(&script, &command)) {
        if (impair_proxy_command(proxy, &command, proxy->start) != NX_OK) {
            script.why = "there is no such route, or there are too many commands";
        }
    }
    if (script.why != NULL) {
        (void)fprintf(stderr, "impair: %s:%u: %s\n", path, script.line, script.why);
    }
    return script.why == NULL;
}

static bool script_read(struct impair_proxy *proxy, const char *path)
{
    uint8_t *text = malloc(IMPAIR_SCRIPT_SIZE_MAX + 1);
    FILE *file = text == NULL ? NULL : fopen(path, "rb");
    if (file == NULL) {
        (void)fprintf(stderr, "impair: %s: %s\n", path, strerror(errno));
        free(text);
        return false;
    }
    const size_t size = fread(text, 1, IMPAIR_SCRIPT_SIZE_MAX + 1, file);
    const bool is_done = script_do(proxy, path, nx_bytes_of(text, size));
    (void)fclose(file);
    free(text);
    return is_done;
}

static void ready_print(const struct impair_proxy *proxy)
{
    char text[READY_SIZE_MAX];
    struct nx_writer out = nx_writer_init(text, sizeof(text));
    impair_proxy_ready_write(proxy, &out);
    (void)printf("%.*s\n", (int)out.size, text);
    (void)fflush(stdout);
}

static bool json_write(struct impair_proxy *proxy, const char *path)
{
    static char text[IMPAIR_STATS_SIZE_MAX];
    struct nx_writer out = nx_writer_init(text, sizeof(text));
    FILE *file = fopen(path, "wb");
    impair_proxy_stats_write(proxy, &out);
    nx_writer_text(&out, "\n");
    const bool is_written = file != NULL && fwrite(text, 1, out.size, file) == out.size;
    if (!is_written || fclose(file) != 0) {
        (void)fprintf(stderr, "impair: %s: %s\n", path, strerror(errno));
        return false;
    }
    return true;
}

static bool run(struct impair_proxy *proxy, const struct impair_options *options)
{
    struct impair_control control;
    struct ending ending;
    bool is_good = ending_open(&ending, proxy) && routes_open(proxy, options) && lines_do(proxy, options) &&
                   (options->script == NULL || script_read(proxy, options->script));
    if (!is_good) {
        return false;
    }
    if (options->control != NULL && impair_control_open(&control, proxy, options->control) != NX_OK) {
        (void)fprintf(stderr, "impair: %s: %s\n", options->control, strerror(errno));
        return false;
    }
    if (options->duration_ns != 0) {
        impair_proxy_end_at(proxy, nx_time_add_ns(proxy->start, options->duration_ns));
    }
    ready_print(proxy);
    impair_proxy_run(proxy);
    impair_proxy_stats_print(proxy);
    is_good = options->json == NULL || json_write(proxy, options->json);
    if (options->control != NULL) {
        impair_control_close(&control);
    }
    (void)close(ending.watch.fd);
    return is_good;
}

int main(int argc, char **argv)
{
    static struct impair_options options;
    static struct impair_proxy proxy;
    const char *why;
    const char *where;
    if (impair_options_parse(argc - 1, argv + 1, &options, &why, &where) != NX_OK) {
        (void)fprintf(stderr, "impair: %s (%s). Try --help.\n", why, where);
        return EXIT_USAGE;
    }
    if (options.is_help) {
        (void)fputs(impair_options_help(), stdout);
        return 0;
    }
    descriptors_raise();
    const enum nx_err err = impair_proxy_open(&proxy, options.seed, options.memory_max, options.idle_ns);
    if (err != NX_OK) {
        (void)fprintf(stderr, "impair: %s\n", nx_err_text(err));
        return 1;
    }
    const bool is_good = run(&proxy, &options);
    impair_proxy_close(&proxy);
    return is_good ? 0 : 1;
}
