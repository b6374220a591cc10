#include "tools/impair/core/options.h"

enum option { UDP, TCP, SEED, SCRIPT, DO, CONTROL, JSON, DURATION, IDLE, MEMORY, OPTIONS };

static const char *const NAMES[OPTIONS] = {"--udp",     "--tcp",  "--seed",     "--script", "--do",
                                           "--control", "--json", "--duration", "--idle",   "--memory"};

static const char HELP[] =
    "usage: impair --udp LISTEN=TARGET --tcp LISTEN=TARGET ... [options]\n\n"
    "A proxy that harms what passes it: each LISTEN address and port is forwarded to its TARGET. Port 0 is "
    "chosen by\n"
    "the kernel; the first line printed says which. The last line printed is the statistics.\n\n"
    "  --udp LISTEN=TARGET    a UDP route, for example 127.0.0.1:0=127.0.0.1:8080; [::1]:0 for IPv6\n"
    "  --tcp LISTEN=TARGET    a TCP route\n"
    "  --seed N               same seed, same decisions [1]\n"
    "  --do LINE              a command at the start; may be repeated\n"
    "  --script FILE          commands with their times\n"
    "  --control PATH         a Unix socket that takes commands and answers ok or error\n"
    "  --json FILE            write the final statistics there too\n"
    "  --duration TIME        end by itself [on SIGINT, SIGTERM or quit]\n"
    "  --idle TIME            until a silent UDP flow is forgotten [2min]\n"
    "  --memory SIZE          of everything on its way [512MiB]\n\n"
    "A command is [TIME [every PERIOD]] VERB [udp|tcp] [up|down] [route=N] [flow=N] ARGUMENTS:\n"
    "  set KEY=VALUE...       change the direction up (to the target), down, or both\n"
    "  clear                  everything off\n"
    "  blackout TIME|off      UDP packets that come are lost, TCP bytes wait\n"
    "  rebind                 UDP flows get a new source port towards the target\n"
    "  reset                  TCP connections are reset on both sides\n"
    "  stats, quit\n\n"
    "Keys, of UDP and TCP: delay=TIME jitter=TIME curve=uniform|normal|exponential flip=CHANCE bits=N\n"
    "  rate=RATE bucket=SIZE queue=SIZE|TIME\n"
    "of UDP: loss=CHANCE burst=ENTER,LEAVE[,LOSS[,GOODLOSS]] order=keep|free reorder=CHANCE gap=N hold=TIME\n"
    "  duplicate=CHANCE\n"
    "of TCP: chunk=SIZE[-SIZE] pause=TIME reset=CHANCE reset-after=SIZE (chances are per KiB of the stream)\n"
    "A chance is 5% or 0.05, a time 250us 1.5ms 2s 1min, a size 1500 64KiB 2MiB, a rate 500kbit 2mbit "
    "1gbit.\n";

static bool number_parse(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value)) {
            return false;
        }
    }
    *out = value;
    return true;
}

/* Each _set function returns NULL when all is well, else what is wrong. */
static const char *route_set(struct impair_options *o, enum impair_setting_protocol protocol,
                             const char *text)
{
    const char *equals = strchr(text, '=');
    struct impair_options_route route = {.protocol = protocol};
    if (o->routes_count == IMPAIR_ROUTES_MAX) {
        return "there are too many routes";
    }
    if (equals == NULL || nx_addr_parse(nx_bytes_of(text, (size_t)(equals - text)), &route.listen) != NX_OK ||
        nx_addr_parse(nx_bytes_text(equals + 1), &route.target) != NX_OK || route.target.port == 0) {
        return "a route is ADDR:PORT=ADDR:PORT";
    }
    o->routes[o->routes_count++] = route;
    return NULL;
}

static const char *value_set(struct impair_options *o, enum option option, const char *value)
{
    const struct nx_bytes text = nx_bytes_text(value);
    switch (option) {
    case UDP:
        return route_set(o, IMPAIR_SETTING_UDP, value);
    case TCP:
        return route_set(o, IMPAIR_SETTING_TCP, value);
    case SEED:
        return number_parse(value, &o->seed) ? NULL : "a seed is a number";
    case SCRIPT:
        o->script = value;
        return NULL;
    case DO:
        if (o->lines_count == IMPAIR_LINES_MAX) {
            return "there are too many commands; write a script";
        }
        o->lines[o->lines_count++] = value;
        return NULL;
    case CONTROL:
        o->control = value;
        return NULL;
    case JSON:
        o->json = value;
        return NULL;
    case DURATION:
        return impair_setting_duration(text, &o->duration_ns) == NX_OK ? NULL : "that is no duration";
    case IDLE:
        return impair_setting_duration(text, &o->idle_ns) == NX_OK && o->idle_ns > 0 ? NULL
                                                                                     : "that is no duration";
    case MEMORY:
        return impair_setting_size(text, &o->memory_max) == NX_OK && o->memory_max >= IMPAIR_MEMORY_SIZE_MIN
                   ? NULL
                   : "that is no size of at least 1MiB";
    case OPTIONS:
        break;
    }
    return "there is no such option";
}

enum nx_err impair_options_parse(int argc, char *const *argv, struct impair_options *out, const char **why,
                                 const char **where)
{
    struct impair_options o = {.seed = 1,
                               .memory_max = IMPAIR_MEMORY_SIZE_DEFAULT,
                               .idle_ns = (int64_t)IMPAIR_IDLE_S_DEFAULT * NX_TIME_NS_PER_S};
    const char *wrong = NULL;
    int i = 0;
    for (; i < argc && wrong == NULL; i++) {
        enum option option = 0;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            o.is_help = true;
            *out = o;
            return NX_OK;
        }
        while (option < OPTIONS && strcmp(argv[i], NAMES[option]) != 0) {
            option++;
        }
        if (option == OPTIONS) {
            wrong = "there is no such option";
        } else if (i + 1 == argc) {
            wrong = "the option needs a value";
        } else {
            wrong = value_set(&o, option, argv[++i]);
        }
    }
    if (wrong == NULL && o.routes_count == 0) {
        wrong = "there is no route: --udp or --tcp LISTEN=TARGET";
    }
    if (wrong != NULL) {
        *why = wrong;
        *where = i > 0 ? argv[i - 1] : "";
        return NX_E_MALFORMED;
    }
    *out = o;
    return NX_OK;
}

const char *impair_options_help(void)
{
    return HELP;
}
