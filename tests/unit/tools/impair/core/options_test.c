/* Goal: the command line says what options.h promises, and mistakes are told with the argument. */
#include "tools/impair/core/options.h"

#include "tests/lib/check.h"

#include <string.h>

static enum nx_err parse(char *const *argv, struct impair_options *out, const char **why, const char **where)
{
    int argc = 0;
    while (argv[argc] != NULL) {
        argc++;
    }
    return impair_options_parse(argc, argv, out, why, where);
}

TEST(options, routes_and_values_are_understood)
{
    char *argv[] = {"--udp",      "127.0.0.1:0=127.0.0.1:80",
                    "--tcp",      "[::1]:5=[::1]:6",
                    "--seed",     "7",
                    "--do",       "stats",
                    "--do",       "quit",
                    "--memory",   "2MiB",
                    "--duration", "5s",
                    "--idle",     "1min",
                    "--script",   "s",
                    "--control",  "c",
                    "--json",     "j",
                    NULL};
    struct impair_options o;
    const char *why = NULL;
    const char *where = NULL;
    CHECK(parse(argv, &o, &why, &where) == NX_OK, "%s (%s)", why, where);
    CHECK(o.routes_count == 2 && o.routes[0].protocol == IMPAIR_SETTING_UDP && o.routes[0].listen.port == 0 &&
              o.routes[0].target.port == 80,
          "udp");
    CHECK(o.routes[1].protocol == IMPAIR_SETTING_TCP && o.routes[1].listen.family == NX_ADDR_FAMILY_IPV6 &&
              o.routes[1].target.port == 6,
          "tcp");
    CHECK(o.seed == 7 && o.lines_count == 2 && strcmp(o.lines[1], "quit") == 0 && o.memory_max == 2 << 20,
          "numbers");
    CHECK(o.duration_ns == 5LL * NX_TIME_NS_PER_S && o.idle_ns == 60LL * NX_TIME_NS_PER_S, "times");
    CHECK(strcmp(o.script, "s") == 0 && strcmp(o.control, "c") == 0 && strcmp(o.json, "j") == 0, "texts");
}

TEST(options, mistakes_are_told_with_the_argument)
{
    static char *const cases[][4] = {
        {NULL},
        {"--udp", NULL},
        {"--udp", "127.0.0.1:1", NULL},
        {"--udp", "127.0.0.1:1=127.0.0.1:0", NULL},
        {"--udp", "localhost:1=127.0.0.1:1", NULL},
        {"--what", NULL},
        {"--seed", "x", NULL},
        {"--seed", "99999999999999999999", NULL},
        {"--memory", "1KiB", NULL},
        {"--idle", "0", NULL},
        {"--duration", "5", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct impair_options o = {.seed = 99};
        const char *why = NULL;
        const char *where = NULL;
        CHECK(parse(cases[i], &o, &why, &where) == NX_E_MALFORMED && why != NULL && where != NULL &&
                  o.seed == 99,
              "case %zu", i);
    }
}

TEST(options, help_is_asked_for_with_or_without_routes)
{
    char *argv[] = {"--help", NULL};
    struct impair_options o;
    const char *why;
    const char *where;
    CHECK(parse(argv, &o, &why, &where) == NX_OK && o.is_help, "--help");
    CHECK(strstr(impair_options_help(), "usage: impair") != NULL, "the text");
}
