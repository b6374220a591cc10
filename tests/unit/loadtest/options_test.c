/* Goal: every option does what --help says; what is wrong is refused with its name. */
#include "loadtest/options.h"
#include "tests/lib/check.h"

#include <string.h>

static char why[LOAD_OPTIONS_WHY_SIZE];

#define PARSE(mode, out, ...)                                                                                \
    load_options_parse((mode), (int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)),                      \
                       (char *[]){__VA_ARGS__}, (out), why)

static char *arg(const char *text)
{
    static char pool[4096];
    static size_t used;
    const size_t size = strlen(text) + 1;
    used = used + size > sizeof(pool) ? 0 : used;
    memcpy(pool + used, text, size);
    used += size;
    return pool + used - size;
}

#define A(text) arg(text)

TEST(options, defaults)
{
    struct load_options o;
    CHECK(PARSE(LOAD_OPTIONS_WS, &o, A("--seed"), A("f")) == NX_OK, "%s", why);
    CHECK(o.server.port == 8080 && o.server.ip[0] == 127 && !o.is_tls &&
              strcmp(o.host, "127.0.0.1:8080") == 0,
          "url");
    CHECK(o.duration_ms == 10000 && o.warmup_ms == 2000 && o.size == 150 && !o.is_rest && o.sessions == 0,
          "numbers");
    CHECK(strncmp(o.path, "/gateway", 8) == 0, "path %s", o.path);
    CHECK(load_options_parse(LOAD_OPTIONS_RAW, 0, NULL, &o, why) == NX_OK, "%s", why);
    CHECK(o.sessions == 10000 && o.rooms == 1 && o.closed == 1 && strcmp(o.path, "/?room=") == 0, "raw");
    CHECK(PARSE(LOAD_OPTIONS_RAW, &o, A("--mode"), A("max8")) == NX_OK && o.closed == 8, "max8");
    CHECK(PARSE(LOAD_OPTIONS_RAW, &o, A("--mode"), A("rooms"), A("--rate"), A("5")) == NX_OK &&
              o.rooms == 1000 && o.closed == 0,
          "rooms");
}

TEST(options, everything_set)
{
    struct load_options o;
    const enum nx_err err = PARSE(
        LOAD_OPTIONS_WS, &o, A("--seed"), A("s"), A("--url"), A("wss://127.0.0.1:8443"), A("--insecure"),
        A("--sessions"), A("7"), A("--skip"), A("3"), A("--connect-rate"), A("100"), A("--sources"), A("4"),
        A("--publishers"), A("5"), A("--channels"), A("2"), A("--closed"), A("9"), A("--size"), A("200"),
        A("--duration"), A("1.5"), A("--warmup"), A("0"), A("--settle"), A("0.25"), A("--via"), A("rest"),
        A("--compress"), A("--reconnect"), A("--json"), A("j"), A("--server-pids"), A("11,12"),
        A("--server-pid"), A("13"), A("--intents"), A("18446744073709551615"));
    CHECK(err == NX_OK, "%s", why);
    CHECK(o.is_tls && o.is_insecure && o.server.port == 8443 && o.sessions == 7 && o.skip == 3, "first");
    CHECK(o.connect_rate == 100 && o.sources == 4 && o.publishers == 5 && o.channels == 2 && o.closed == 9,
          "second");
    CHECK(o.size == 200 && o.duration_ms == 1500 && o.warmup_ms == 0 && o.settle_ms == 250 && o.is_rest,
          "third");
    CHECK(o.is_compressed && o.reconnects && strcmp(o.json, "j") == 0 && o.intents == UINT64_MAX, "fourth");
    CHECK(o.pids_count == 2 && o.pids[0] == 11 && o.pids[1] == 12 && o.parents_count == 1 &&
              o.parents[0] == 13,
          "pids");
}

TEST(options, wrong_values_are_refused_with_their_name)
{
    static const char *const PAIRS[][2] = {
        {"--sessions", "-1"},
        {"--sessions", ""},
        {"--sessions", "1x"},
        {"--sessions", "99999999999999999999"},
        {"--sessions", "131073"},
        {"--size", "63"},
        {"--size", "3901"},
        {"--duration", "1."},
        {"--duration", ".5.5"},
        {"--duration", "1.2345"},
        {"--duration", "-1"},
        {"--duration", "9999999"},
        {"--via", "mail"},
        {"--server-pids", ""},
        {"--server-pids", "1,,2"},
        {"--server-pids", "0"},
        {"--server-pids", "1,a"},
        {"--url", "127.0.0.1"},
        {"--url", "ws://"},
        {"--url", "ftp://127.0.0.1"},
        {"--url", "ws://host:1"},
        {"--url", "ws://1.2.3.4:99999"},
        {"--json", ""},
        {"--intents", "x"},
    };
    for (size_t i = 0; i < sizeof(PAIRS) / sizeof(PAIRS[0]); i++) {
        struct load_options o;
        const enum nx_err err =
            PARSE(LOAD_OPTIONS_WS, &o, A("--seed"), A("s"), A(PAIRS[i][0]), A(PAIRS[i][1]));
        CHECK(err == NX_E_MALFORMED, "%s %s", PAIRS[i][0], PAIRS[i][1]);
        CHECK(strstr(why, PAIRS[i][0]) != NULL, "%s is not in \"%s\"", PAIRS[i][0], why);
    }
}

TEST(options, what_does_not_belong_together)
{
    struct load_options o;
    CHECK(load_options_parse(LOAD_OPTIONS_WS, 0, NULL, &o, why) == NX_E_MALFORMED, "no seed");
    CHECK(load_options_parse(LOAD_OPTIONS_FANOUT, 0, NULL, &o, why) == NX_E_MALFORMED, "no bus");
    CHECK(PARSE(LOAD_OPTIONS_RAW, &o, A("--rate"), A("1"), A("--closed"), A("1")) == NX_E_MALFORMED,
          "rate and closed");
    CHECK(PARSE(LOAD_OPTIONS_RAW, &o, A("--mode"), A("rooms")) == NX_E_MALFORMED, "rooms without a pace");
    CHECK(PARSE(LOAD_OPTIONS_RAW, &o, A("--mode"), A("rooms"), A("--rate"), A("1"), A("--rooms"), A("9"),
                A("--sessions"), A("8")) == NX_E_MALFORMED,
          "fewer clients than rooms");
    CHECK(PARSE(LOAD_OPTIONS_RAW, &o, A("--duration"), A("0")) == NX_E_MALFORMED, "nothing to measure");
    CHECK(PARSE(LOAD_OPTIONS_RAW, &o, A("--seed"), A("s")) == NX_E_MALFORMED, "an option of another mode");
    CHECK(PARSE(LOAD_OPTIONS_RAW, &o, A("--size")) == NX_E_MALFORMED, "a value is missing");
    CHECK(PARSE(LOAD_OPTIONS_RAW, &o, A("x")) == NX_E_MALFORMED, "no option at all");
}

TEST(options, urls)
{
    struct load_options o = {0};
    CHECK(load_options_url("ws://localhost:81/", &o) == NX_OK && o.server.port == 81 && o.server.ip[3] == 1 &&
              strcmp(o.host, "localhost:81") == 0,
          "localhost");
    CHECK(load_options_url("wss://127.0.0.1", &o) == NX_OK && o.server.port == 443 && o.is_tls,
          "port of wss");
    CHECK(load_options_url("http://127.0.0.1", &o) == NX_OK && o.server.port == 80 && !o.is_tls,
          "port of http");
    CHECK(load_options_url("ws://[::1]:5", &o) == NX_OK && o.server.family == NX_ADDR_FAMILY_IPV6, "IPv6");
    CHECK(load_options_url("ws://localhostx:81", &o) == NX_E_MALFORMED, "another name");
}

TEST(options, help_comes_first_and_names_every_mode)
{
    struct load_options o;
    CHECK(PARSE(LOAD_OPTIONS_WS, &o, A("--help"), A("--nonsense")) == NX_OK && o.is_help, "help");
    for (int mode = LOAD_OPTIONS_WS; mode <= LOAD_OPTIONS_FANOUT; mode++) {
        CHECK(strstr(load_options_help((enum load_options_mode)mode), "--duration") != NULL, "mode %d", mode);
    }
}
