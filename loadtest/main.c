#include "loadtest/main.h"

#include "loadtest/dump.h"
#include "loadtest/fanout.h"
#include "loadtest/options.h"
#include "loadtest/raw.h"
#include "loadtest/ws.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_USAGE = 2 };

static const struct {
    const char *name;
    enum load_options_mode mode;
    int (*go)(const struct load_options *options);
    const char *text;
} MODES[] = {
    {"ws", LOAD_OPTIONS_WS, load_ws_go, "gateway sessions from a seed file: durable messages end to end"},
    {"raw", LOAD_OPTIONS_RAW, load_raw_go, "plain WebSocket rooms: any server that repeats to a room"},
    {"fanout", LOAD_OPTIONS_FANOUT, load_fanout_go,
     "stands in for control and injects events: gatewayd alone"},
    {"dump", LOAD_OPTIONS_DUMP, load_dump_go,
     "reads what is stored in the channels of a seed, for histcheck"},
};

enum { MODES_COUNT = sizeof(MODES) / sizeof(MODES[0]) };

static int usage(FILE *to)
{
    (void)fprintf(to, "usage: nexus load MODE [options]\n\n");
    for (size_t i = 0; i < MODES_COUNT; i++) {
        (void)fprintf(to, "  %-8s %s\n", MODES[i].name, MODES[i].text);
    }
    (void)fprintf(to, "\nnexus load MODE --help shows the options. The result is one line of JSON.\n");
    return to == stdout ? 0 : EXIT_USAGE;
}

int load_main(int argc, char **argv)
{
    char why[LOAD_OPTIONS_WHY_SIZE];
    struct load_options options;
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        return usage(stdout);
    }
    for (size_t i = 0; i < MODES_COUNT; i++) {
        if (strcmp(name, MODES[i].name) != 0) {
            continue;
        }
        if (load_options_parse(MODES[i].mode, argc - 2, argv + 2, &options, why) != NX_OK) {
            (void)fprintf(stderr, "nexus load %s: %s. Try --help.\n", name, why);
            return EXIT_USAGE;
        }
        if (options.is_help) {
            (void)fputs(load_options_help(options.mode), stdout);
            return 0;
        }
        (void)signal(SIGPIPE, SIG_IGN);
        return MODES[i].go(&options);
    }
    (void)fprintf(stderr, "nexus load: what is \"%.40s\"?\n", name);
    return usage(stderr);
}
