#include "loadtest/options.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum kind { FLAG, TEXT, NUMBER, NUMBER64, SECONDS, SIZE, URL, PIDS, MODE, VIA };
enum { WS = 1, RAW = 2, FANOUT = 4, DUMP = 8, ALL = 7, SECONDS_MAX = 7 * 24 * 3600 };

struct option {
    const char *name;
    enum kind kind;
    unsigned modes;
    size_t offset;
    uint64_t max; /* NUMBER */
};

#define AT(field) offsetof(struct load_options, field)

static const struct option OPTIONS[] = {
    {"url", URL, ALL | DUMP, 0, 0},
    {"insecure", FLAG, ALL | DUMP, AT(is_insecure), 0},
    {"path", TEXT, ALL, AT(path), 0},
    {"seed", TEXT, WS | DUMP, AT(seed), 0},
    {"history", TEXT, WS | DUMP, AT(history), 0},
    {"skip", NUMBER, WS, AT(skip), UINT32_MAX},
    {"bus", TEXT, FANOUT, AT(bus), 0},
    {"sessions", NUMBER, ALL, AT(sessions), LOAD_SESSIONS_MAX},
    {"connect-rate", NUMBER, ALL, AT(connect_rate), 10000000},
    {"sources", NUMBER, ALL, AT(sources), 60000},
    {"publishers", NUMBER, WS, AT(publishers), LOAD_STREAMS_MAX},
    {"channels", NUMBER, WS, AT(channels), LOAD_STREAMS_MAX},
    {"mode", MODE, RAW | FANOUT, 0, 0},
    {"rooms", NUMBER, RAW | FANOUT, AT(rooms), LOAD_STREAMS_MAX},
    {"rate", NUMBER, ALL, AT(rate), 10000000},
    {"closed", NUMBER, ALL, AT(closed), 1 << 20},
    {"size", SIZE, ALL, AT(size), 0},
    {"duration", SECONDS, ALL, AT(duration_ms), 0},
    {"warmup", SECONDS, ALL, AT(warmup_ms), 0},
    {"settle", SECONDS, ALL, AT(settle_ms), 0},
    {"heartbeat", NUMBER, WS, AT(heartbeat_ms), 3600000},
    {"probes", NUMBER, FANOUT, AT(probes), 1024},
    {"probe-seed", TEXT, FANOUT, AT(probe_seed), 0},
    {"intents", NUMBER64, WS | FANOUT, AT(intents), UINT64_MAX},
    {"via", VIA, WS, 0, 0},
    {"compress", FLAG, ALL, AT(is_compressed), 0},
    {"reconnect", FLAG, WS | FANOUT, AT(reconnects), 0},
    {"json", TEXT, ALL, AT(json), 0},
    {"server-pids", PIDS, ALL, AT(pids), 0},
    {"server-pid", PIDS, ALL, AT(parents), 0},
};

/* Plain digits only; false for anything else or more than `max`. */
static bool number_read(const char *text, uint64_t max, uint64_t *out)
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
    return value <= max;
}

/* "10" or "0.25". */
static bool seconds_read(const char *text, uint32_t *out_ms)
{
    char whole[16];
    const char *dot = strchr(text, '.');
    const size_t size = dot != NULL ? (size_t)(dot - text) : strlen(text);
    uint64_t seconds;
    uint64_t ms = 0;
    if (size >= sizeof(whole)) {
        return false;
    }
    memcpy(whole, text, size);
    whole[size] = '\0';
    if (!number_read(whole, SECONDS_MAX, &seconds)) {
        return false;
    }
    if (dot != NULL) {
        char fraction[4] = "000";
        const size_t digits = strlen(dot + 1);
        if (digits == 0 || digits > 3) {
            return false;
        }
        memcpy(fraction, dot + 1, digits);
        if (!number_read(fraction, 999, &ms)) {
            return false;
        }
    }
    *out_ms = (uint32_t)(seconds * 1000 + ms);
    return true;
}

static bool pids_read(const char *text, uint32_t *pids, uint32_t *count)
{
    while (*text != '\0') {
        char one[16];
        uint64_t pid;
        const char *comma = strchr(text, ',');
        const size_t size = comma != NULL ? (size_t)(comma - text) : strlen(text);
        if (size >= sizeof(one) || *count == LOAD_PIDS_MAX) {
            return false;
        }
        memcpy(one, text, size);
        one[size] = '\0';
        if (!number_read(one, 1 << 22, &pid) || pid == 0) {
            return false;
        }
        pids[(*count)++] = (uint32_t)pid;
        text += size + (comma != NULL);
    }
    return *count != 0;
}

enum nx_err load_options_url(const char *url, struct load_options *out)
{
    bool is_tls = false;
    if (strncmp(url, "ws://", 5) == 0 || strncmp(url, "http://", 7) == 0) {
        is_tls = false;
    } else if (strncmp(url, "wss://", 6) == 0 || strncmp(url, "https://", 8) == 0) {
        is_tls = true;
    } else {
        return NX_E_MALFORMED;
    }
    const char *host = strstr(url, "://") + 3;
    size_t size = strlen(host);
    if (size != 0 && host[size - 1] == '/') {
        size--;
    }
    if (size == 0 || size >= sizeof(out->host)) {
        return NX_E_MALFORMED;
    }
    struct nx_addr server;
    if (strncmp(host, "localhost", 9) == 0 && (size == 9 || host[9] == ':')) {
        char numeric[LOAD_OPTIONS_HOST_SIZE];
        (void)snprintf(numeric, sizeof(numeric), "127.0.0.1%.*s", (int)(size - 9), host + 9);
        if (nx_addr_parse(nx_bytes_text(numeric), &server) != NX_OK) {
            return NX_E_MALFORMED;
        }
    } else if (nx_addr_parse(nx_bytes_of(host, size), &server) != NX_OK) {
        return NX_E_MALFORMED;
    }
    if (server.port == 0) {
        server.port = is_tls ? 443 : 80;
    }
    out->server = server;
    out->is_tls = is_tls;
    memcpy(out->host, host, size);
    out->host[size] = '\0';
    return NX_OK;
}

static bool mode_set(struct load_options *out, const char *value)
{
    static const char *const NAMES[] = {"max1", "max8", "rooms"};
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (strcmp(value, NAMES[i]) == 0) {
            out->pattern = (enum load_options_pattern)i;
            return true;
        }
    }
    return false;
}

static bool value_set(struct load_options *out, const struct option *option, const char *value)
{
    void *at = (uint8_t *)out + option->offset;
    uint64_t number = 0;
    switch (option->kind) {
    case FLAG:
        *(bool *)at = true;
        return true;
    case TEXT:
        *(const char **)at = value;
        return *value != '\0';
    case NUMBER:
        if (!number_read(value, option->max, &number)) {
            return false;
        }
        *(uint32_t *)at = (uint32_t)number;
        return true;
    case NUMBER64:
        return number_read(value, option->max, (uint64_t *)at);
    case SECONDS:
        return seconds_read(value, at);
    case SIZE:
        if (!number_read(value, LOAD_SIZE_MAX, &number) || number < LOAD_SIZE_MIN) {
            return false;
        }
        *(uint32_t *)at = (uint32_t)number;
        return true;
    case URL:
        return load_options_url(value, out) == NX_OK;
    case PIDS:
        return pids_read(value, at, option->offset == AT(pids) ? &out->pids_count : &out->parents_count);
    case MODE:
        return mode_set(out, value);
    case VIA:
        out->is_rest = strcmp(value, "rest") == 0;
        return out->is_rest || strcmp(value, "gateway") == 0;
    }
    return false;
}

static const struct option *option_find(const char *argument, unsigned mode)
{
    for (size_t i = 0; i < sizeof(OPTIONS) / sizeof(OPTIONS[0]); i++) {
        if (strncmp(argument, "--", 2) == 0 && strcmp(argument + 2, OPTIONS[i].name) == 0) {
            return (OPTIONS[i].modes & mode) != 0 ? &OPTIONS[i] : NULL;
        }
    }
    return NULL;
}

/* What the options need of each other. */
static const char *contradiction(const struct load_options *o)
{
    const bool has_seed = o->mode == LOAD_OPTIONS_WS || o->mode == LOAD_OPTIONS_DUMP;
    if (has_seed && o->seed == NULL) {
        return "--seed FILE is needed (write one with nexus admin seed)";
    }
    if (o->mode == LOAD_OPTIONS_DUMP) {
        return o->history == NULL ? "--history FILE is needed: where the dump goes" : NULL;
    }
    if (o->mode == LOAD_OPTIONS_FANOUT && o->bus == NULL) {
        return "--bus PATH is needed: the socket that gatewayd connects to";
    }
    if (o->history != NULL && (o->is_rest || !o->reconnects)) {
        return "--history needs --reconnect and --via gateway";
    }
    if ((o->probes != 0) != (o->probe_seed != NULL)) {
        return "--probes and --probe-seed belong together";
    }
    if (o->rate != 0 && o->closed != 0) {
        return "--rate and --closed exclude each other";
    }
    if (o->mode != LOAD_OPTIONS_WS && (o->sessions == 0 || o->rooms == 0 || o->sessions < o->rooms)) {
        return "--sessions must be at least --rooms, and both at least 1";
    }
    if (o->mode != LOAD_OPTIONS_WS && o->pattern == LOAD_OPTIONS_ROOMS && o->rate == 0 && o->closed == 0) {
        return "--mode rooms needs --rate or --closed";
    }
    if (o->duration_ms == 0) {
        return "--duration must be more than 0";
    }
    return NULL;
}

static void defaults_late(struct load_options *o)
{
    if (o->mode != LOAD_OPTIONS_WS && o->pattern != LOAD_OPTIONS_ROOMS) {
        o->rooms = 1;
        if (o->rate == 0 && o->closed == 0) {
            o->closed = o->pattern == LOAD_OPTIONS_MAX1 ? 1 : 8;
        }
    } else if (o->mode != LOAD_OPTIONS_WS && o->rooms == 0) {
        o->rooms = o->sessions >= 10 ? o->sessions / 10 : 1;
    }
    if (o->path == NULL) {
        o->path = o->mode == LOAD_OPTIONS_RAW ? "/?room=" : "/gateway?v=1&encoding=json";
    }
}

enum nx_err load_options_parse(enum load_options_mode mode, int argc, char *const *argv,
                               struct load_options *out, char why[LOAD_OPTIONS_WHY_SIZE])
{
    struct load_options o = {
        .mode = mode,
        .sessions = mode == LOAD_OPTIONS_WS ? 0 : 10000,
        .size = 150,
        .duration_ms = 10000,
        .warmup_ms = 2000,
        .settle_ms = 1000,
        .intents = 1 << 0 | 1 << 9 | 1 << 15, /* guilds, messages, their content */
    };
    (void)!load_options_url("ws://127.0.0.1:8080", &o);
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            o.is_help = true;
            *out = o;
            return NX_OK;
        }
        const struct option *option = option_find(argv[i], 1U << mode);
        if (option == NULL) {
            (void)snprintf(why, LOAD_OPTIONS_WHY_SIZE, "what is \"%.80s\"?", argv[i]);
            return NX_E_MALFORMED;
        }
        const bool has_value = option->kind != FLAG;
        if (has_value && i + 1 == argc) {
            (void)snprintf(why, LOAD_OPTIONS_WHY_SIZE, "--%s needs a value", option->name);
            return NX_E_MALFORMED;
        }
        i += has_value;
        if (!value_set(&o, option, argv[i])) {
            (void)snprintf(why, LOAD_OPTIONS_WHY_SIZE, "--%s cannot be \"%.80s\"", option->name, argv[i]);
            return NX_E_MALFORMED;
        }
    }
    defaults_late(&o);
    const char *wrong = contradiction(&o);
    if (wrong != NULL) {
        (void)snprintf(why, LOAD_OPTIONS_WHY_SIZE, "%s", wrong);
        return NX_E_MALFORMED;
    }
    *out = o;
    return NX_OK;
}

#define HELP_COMMON                                                                                          \
    "  --connect-rate N    connections begun per second; 0 as fast as the server takes them [0]\n"           \
    "  --sources K         client addresses 127.0.0.2 and up [one per 20,000 connections]\n"                 \
    "  --rate M            messages per second in all, sent whatever comes back (open loop)\n"               \
    "  --closed K          messages outstanding in all: the next leaves when one reached everybody\n"        \
    "  --size BYTES        64 to 3900 [150]\n"                                                               \
    "  --duration S        measured seconds [10]\n"                                                          \
    "  --warmup S          seconds of the same load before [2]\n"                                            \
    "  --settle S          idle seconds after connecting, then memory is read [1]\n"                         \
    "  --compress          offer permessage-deflate\n"                                                       \
    "  --insecure          accept any certificate (wss)\n"                                                   \
    "  --server-pid PID    measure CPU and memory of the children of PID (a supervisor), or of PID when it " \
    "has none\n"                                                                                             \
    "  --server-pids LIST  measure CPU and memory of exactly these, comma-separated\n"                       \
    "  --json FILE         write the result there too\n"

static const char HELP_WS[] =
    "usage: nexus load ws --seed FILE [options]\n\n"
    "Holds identified sessions, publishes messages, and checks every delivery.\n\n"
    "  --url URL           ws://ADDR:PORT or wss://ADDR:PORT [ws://127.0.0.1:8080]\n"
    "  --seed FILE         users, as nexus admin seed writes them\n"
    "  --sessions N        how many of them [all]\n"
    "  --skip N            leave the first N to another process [0]\n"
    "  --channels C        channels published in: the first C guilds of the seed [all]\n"
    "  --publishers P      sessions that publish, spread over the channels [one per channel]\n"
    "  --via gateway|rest  how messages are sent: op 67 or POST [gateway]\n"
    "  --intents BITS      of IDENTIFY [33281: guilds, messages, content]\n"
    "  --reconnect         a cut session comes back after a jittered pause and resumes, fetches what "
    "NEXUS_RESYNC\n"
    "                      tells, and messages without an answer are sent again with their nonce\n"
    "  --history PATH      what every client saw, for histcheck; a folder gets a file per process\n"
    "  --heartbeat MS      a heartbeat so often, its answer timed (heartbeat_ms) [as the server says]\n"
    "  --path TARGET       of the gateway [/gateway?v=1&encoding=json]\n" HELP_COMMON
    "\nWithout --rate and --closed it only connects and holds. SIGTERM ends the measuring early. Exit code "
    "0: "
    "nothing\n"
    "lost, repeated or out of order.\n";

static const char HELP_RAW[] =
    "usage: nexus load raw [options]\n\n"
    "Plain WebSocket clients of a server that repeats to a room what one of its members says.\n\n"
    "  --url URL           ws://ADDR:PORT [ws://127.0.0.1:8080]\n"
    "  --path PREFIX       request target, the room number is appended [/?room=]\n"
    "  --sessions N        connections [10000]\n"
    "  --mode max1|max8    one room, 1 or 8 broadcasts outstanding [max1]\n"
    "  --mode rooms        --rooms R rooms, with --rate or --closed [sessions / 10]\n" HELP_COMMON;

static const char HELP_FANOUT[] =
    "usage: nexus load fanout --bus PATH [options]\n\n"
    "Stands in for control on the bus, holds the sessions, injects events and checks every delivery. Start "
    "it first,\n"
    "then `nexus gatewayd --bus PATH`.\n\n"
    "  --bus PATH          Unix socket to listen on\n"
    "  --url URL           of gatewayd [ws://127.0.0.1:8080]\n"
    "  --sessions N        [10000]\n"
    "  --mode max1|max8    one channel, 1 or 8 events outstanding [max1]\n"
    "  --mode rooms        --rooms R channels, with --rate or --closed [sessions / 10]\n"
    "  --size BYTES        of a delivered WebSocket payload, about\n"
    "  --intents BITS      of IDENTIFY [33281]\n"
    "  --reconnect         a cut session comes back and resumes\n"
    "  --probes K          K more users in a guild where nothing happens, for another process\n"
    "  --probe-seed FILE   their tokens, for nexus load ws --heartbeat\n"
    "  --path TARGET       of the gateway [/gateway?v=1&encoding=json]\n" HELP_COMMON;

static const char HELP_DUMP[] =
    "usage: nexus load dump --seed FILE --history FILE [--url URL] [--insecure]\n\n"
    "Reads the whole history of every channel of the seed over REST and writes it for histcheck.\n";

const char *load_options_help(enum load_options_mode mode)
{
    return mode == LOAD_OPTIONS_DUMP  ? HELP_DUMP
           : mode == LOAD_OPTIONS_WS  ? HELP_WS
           : mode == LOAD_OPTIONS_RAW ? HELP_RAW
                                      : HELP_FANOUT;
}
