/* Goal: the subset reads as TOML would, units scale exactly, and every mistake is told with its line. */
#include "engine/base/conf.h"
#include "tests/lib/check.h"

static const char sample[] = "# Nexus\r\n"
                             "top = 1\n"
                             "\n"
                             "  [server]  # where\n"
                             "listen = \"0.0.0.0:8080\" # all\n"
                             "\tname=\"a \\\"b\\\" \\\\ \\t \\u00e9 \\U0001F600 # not a comment\"\n"
                             "idle-timeout = 30s\r\n"
                             "max_body = 16KiB\n"
                             "tls = false\n"
                             "[limits]\n"
                             "burst = -5";

TEST(conf, reads_entries_in_order)
{
    static const struct {
        const char *section, *key;
        enum nx_conf_kind kind;
        int64_t integer;
        uint32_t line;
    } expected[] = {
        {"", "top", NX_CONF_KIND_INTEGER, 1, 2},
        {"server", "listen", NX_CONF_KIND_TEXT, 0, 5},
        {"server", "name", NX_CONF_KIND_TEXT, 0, 6},
        {"server", "idle-timeout", NX_CONF_KIND_DURATION, 30000000000LL, 7},
        {"server", "max_body", NX_CONF_KIND_SIZE, 16384, 8},
        {"server", "tls", NX_CONF_KIND_BOOL, 0, 9},
        {"limits", "burst", NX_CONF_KIND_INTEGER, -5, 11},
    };
    struct nx_conf conf;
    struct nx_conf_entry entry;
    nx_conf_init(&conf, nx_bytes_text(sample));
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        CHECK(nx_conf_next(&conf, &entry), "entry %zu", i);
        CHECK(nx_bytes_is(entry.section, expected[i].section) && nx_bytes_is(entry.key, expected[i].key),
              "names %zu", i);
        CHECK(entry.value.kind == expected[i].kind && entry.value.integer == expected[i].integer, "value %zu",
              i);
        CHECK(entry.line == expected[i].line, "entry %zu on line %u", i, entry.line);
        uint8_t memory[64];
        struct nx_writer out = nx_writer_init(memory, sizeof(memory));
        nx_conf_text(&entry.value, &out);
        if (i == 1) {
            CHECK(entry.value.is_plain && nx_bytes_is(entry.value.text, "0.0.0.0:8080"), "plain text");
            CHECK(nx_bytes_is(nx_writer_bytes(&out), "0.0.0.0:8080"), "decoded");
        }
        if (i == 2) {
            CHECK(!entry.value.is_plain, "has escapes");
            CHECK(
                nx_bytes_is(nx_writer_bytes(&out), "a \"b\" \\ \t \xc3\xa9 \xf0\x9f\x98\x80 # not a comment"),
                "decoded");
        }
    }
    CHECK(!nx_conf_next(&conf, &entry) && nx_conf_ok(&conf), "end");
}

TEST(conf, mistakes_are_told_with_their_line)
{
    static const struct {
        const char *text;
        uint32_t line;
    } cases[] = {
        {"a", 1},
        {"\n\na b = 1", 3},
        {"a =", 1},
        {"a = # nothing", 1},
        {"= 1", 1},
        {"a.b = 1", 1},
        {"\"a\" = 1", 1},
        {"a = 1\n[", 2},
        {"[]", 1},
        {"[a", 1},
        {"[a]]", 1},
        {"[a.b]", 1},
        {"[a] x", 1},
        {"a = 1 2", 1},
        {"a = 01", 1},
        {"a = 1.5", 1},
        {"a = +1", 1},
        {"a = 1 KiB", 1},
        {"a = 1kib", 1},
        {"a = 1KB", 1},
        {"a = s", 1},
        {"a = -1s", 1},
        {"a = --1", 1},
        {"a = -", 1},
        {"a = True", 1},
        {"a = text", 1},
        {"a = 'text'", 1},
        {"a = \"open", 1},
        {"a = \"open\\\"", 1},
        {"a = \"x\" y", 1},
        {"a = \"\\x41\"", 1},
        {"a = \"\\u12\"", 1},
        {"a = \"\\ud800\"", 1},
        {"a = \"\\U00110000\"", 1},
        {"a = \"two\nlines\"", 1},
        {"a = \"\x01\"", 1},
        {"a = \"\x7f\"", 1},
        {"a = \"\xff\"", 1},
        {"# \xc3", 1},
        {"a = 9223372036854775808", 1},
        {"a = -9223372036854775809", 1},
        {"a = 9007199254740992KiB", 1},
        {"a = 106752d", 1},
        {"a = 1\rb = 2", 1},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa = 1", 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nx_conf conf;
        struct nx_conf_entry entry;
        nx_conf_init(&conf, nx_bytes_text(cases[i].text));
        while (nx_conf_next(&conf, &entry)) {
        }
        CHECK(!nx_conf_ok(&conf) && conf.line == cases[i].line, "\"%s\" line %u", cases[i].text, conf.line);
        CHECK(!nx_conf_next(&conf, &entry) && !nx_conf_ok(&conf), "\"%s\" stays", cases[i].text);
    }
}

TEST(conf, units_scale)
{
    static const struct {
        const char *text;
        enum nx_conf_kind kind;
        int64_t integer;
    } cases[] = {
        {"0", NX_CONF_KIND_INTEGER, 0},
        {"9223372036854775807", NX_CONF_KIND_INTEGER, INT64_MAX},
        {"-9223372036854775808", NX_CONF_KIND_INTEGER, INT64_MIN},
        {"7B", NX_CONF_KIND_SIZE, 7},
        {"3MiB", NX_CONF_KIND_SIZE, 3 << 20},
        {"5GiB", NX_CONF_KIND_SIZE, 5LL << 30},
        {"7ns", NX_CONF_KIND_DURATION, 7},
        {"7us", NX_CONF_KIND_DURATION, 7000},
        {"5ms", NX_CONF_KIND_DURATION, 5000000},
        {"2min", NX_CONF_KIND_DURATION, 120000000000LL},
        {"1h", NX_CONF_KIND_DURATION, 3600000000000LL},
        {"1d", NX_CONF_KIND_DURATION, 86400000000000LL},
        {"true", NX_CONF_KIND_BOOL, 1},
        {"false", NX_CONF_KIND_BOOL, 0},
        {"plain \"text\"", NX_CONF_KIND_TEXT, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (enum nx_conf_kind kind = NX_CONF_KIND_TEXT; kind <= NX_CONF_KIND_BOOL; kind++) {
            struct nx_conf_value value = {.integer = 77};
            const enum nx_err err = nx_conf_parse(nx_bytes_text(cases[i].text), kind, &value);
            if (kind == cases[i].kind) {
                CHECK(err == NX_OK && value.integer == cases[i].integer, "%s", cases[i].text);
            } else if (kind != NX_CONF_KIND_TEXT) {
                CHECK(err == NX_E_MALFORMED && value.integer == 77, "%s as kind %d", cases[i].text,
                      (int)kind);
            }
        }
    }
    struct nx_conf_value value;
    CHECK(nx_conf_parse(nx_bytes_text("\xff"), NX_CONF_KIND_TEXT, &value) == NX_E_MALFORMED, "not UTF-8");
    CHECK(nx_conf_parse(nx_bytes_text(""), NX_CONF_KIND_TEXT, &value) == NX_OK && value.text.size == 0,
          "empty text");
    CHECK(nx_conf_parse(nx_bytes_text(""), NX_CONF_KIND_INTEGER, &value) == NX_E_MALFORMED, "empty integer");
}

TEST(conf, every_prefix_ends_or_is_told)
{
    for (size_t size = 0; size <= sizeof(sample) - 1; size++) {
        struct nx_conf conf;
        struct nx_conf_entry entry;
        nx_conf_init(&conf, nx_bytes_of(sample, size));
        int entries = 0;
        while (nx_conf_next(&conf, &entry)) {
            entries++;
        }
        CHECK(entries <= 7 && (nx_conf_ok(&conf) || conf.line <= 11), "prefix of %zu", size);
    }
}

TEST(conf, environment_names)
{
    uint8_t memory[64];
    struct nx_writer out = nx_writer_init(memory, sizeof(memory));
    nx_conf_env_name(nx_bytes_text("server"), nx_bytes_text("idle-timeout_2"), &out);
    CHECK(nx_bytes_is(nx_writer_bytes(&out), "NEXUS_SERVER_IDLE_TIMEOUT_2"), "with section");
    out = nx_writer_init(memory, sizeof(memory));
    nx_conf_env_name(nx_bytes_text(""), nx_bytes_text("top"), &out);
    CHECK(nx_bytes_is(nx_writer_bytes(&out), "NEXUS_TOP"), "without");
}
