/* Goal: one spelling per meaning in, the canonical spelling out, and nothing in a log that names a person. */
#include "engine/base/addr.h"
#include "tests/lib/check.h"

#include <stdio.h>

static const char *format(const struct nx_addr *addr, void (*how)(const struct nx_addr *, struct nx_writer *))
{
    static char text[NX_ADDR_TEXT_SIZE_MAX + 1];
    struct nx_writer out = nx_writer_init(text, NX_ADDR_TEXT_SIZE_MAX);
    how(addr, &out);
    text[out.size] = '\0';
    return nx_writer_ok(&out) ? text : "(too long)";
}

TEST(addr, good_texts_parse_and_format)
{
    static const struct {
        const char *text, *formatted, *redacted;
    } cases[] = {
        {"127.0.0.1:8080", "127.0.0.1:8080", "127.0.x.x"},
        {"203.0.113.255", "203.0.113.255:0", "203.0.x.x"},
        {"0.0.0.0:65535", "0.0.0.0:65535", "0.0.x.x"},
        {":8080", "0.0.0.0:8080", "0.0.x.x"},
        {":0", "0.0.0.0:0", "0.0.x.x"},
        {"::", "[::]:0", "0:0:x"},
        {"[::]:1", "[::]:1", "0:0:x"},
        {"::1", "[::1]:0", "0:0:x"},
        {"[::1]", "[::1]:0", "0:0:x"},
        {"[2001:DB8::aBc]:443", "[2001:db8::abc]:443", "2001:db8:x"},
        {"2001:db8:0:0:1:0:0:1", "[2001:db8::1:0:0:1]:0", "2001:db8:x"},
        {"2001:db8:0:1:1:1:1:1", "[2001:db8:0:1:1:1:1:1]:0", "2001:db8:x"},
        {"2001:0:0:1:0:0:0:1", "[2001:0:0:1::1]:0", "2001:0:x"},
        {"1::", "[1::]:0", "1:0:x"},
        {"1:2:3:4:5:6:7::", "[1:2:3:4:5:6:7:0]:0", "1:2:x"},
        {"::2:3:4:5:6:7:8", "[0:2:3:4:5:6:7:8]:0", "0:2:x"},
        {"1:2:3:4:5:6:7:8", "[1:2:3:4:5:6:7:8]:0", "1:2:x"},
        {"0001:2:3:4:5:6:1.2.3.4", "[1:2:3:4:5:6:102:304]:0", "1:2:x"},
        {"::ffff:203.0.113.9", "[::ffff:203.0.113.9]:0", "203.0.x.x"},
        {"[::ffff:cb00:7109]:5", "[::ffff:203.0.113.9]:5", "203.0.x.x"},
        {"[fe80::1%3]:9", "[fe80::1%3]:9", "fe80:0:x"},
        {"fe80::1%4294967295", "[fe80::1%4294967295]:0", "fe80:0:x"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nx_addr addr;
        CHECK(nx_addr_parse(nx_bytes_text(cases[i].text), &addr) == NX_OK, "%s", cases[i].text);
        const char *formatted = format(&addr, nx_addr_format);
        CHECK(strcmp(formatted, cases[i].formatted) == 0, "%s gave %s", cases[i].text, formatted);
        struct nx_addr again;
        CHECK(nx_addr_parse(nx_bytes_text(formatted), &again) == NX_OK && nx_addr_equal(&addr, &again), "%s",
              formatted);
        const char *redacted = format(&addr, nx_addr_redacted);
        CHECK(strcmp(redacted, cases[i].redacted) == 0, "%s redacted to %s", cases[i].text, redacted);
    }
}

TEST(addr, bad_texts_are_malformed)
{
    static const char *const texts[] = {"",
                                        ":",
                                        "::1:",
                                        "1.2.3",
                                        "1.2.3.4.5",
                                        "1.2.3.256",
                                        "01.2.3.4",
                                        "1.2.3.4:",
                                        "1.2.3.4:65536",
                                        "1.2.3.4:080",
                                        "1.2.3.4:8x",
                                        "1.2.3.4 ",
                                        " 1.2.3.4",
                                        "1.2.3.4:-1",
                                        "1.2.3.4:+1",
                                        ":x",
                                        ":99999",
                                        "localhost",
                                        "localhost:80",
                                        "[::1",
                                        "::1]",
                                        "[::1]80",
                                        "[::1]:",
                                        "[::1]:65536",
                                        "[1.2.3.4]:80",
                                        ":::",
                                        "1:::2",
                                        "1::2::3",
                                        "1:2:3:4:5:6:7",
                                        "1:2:3:4:5:6:7:8:9",
                                        "1:2:3:4:5:6:7:8::",
                                        "::1:2:3:4:5:6:7:8",
                                        "1:2:3:4::5:6:7:8",
                                        "12345::",
                                        "g::",
                                        "1:",
                                        ":1:2",
                                        "::1.2.3",
                                        "::1.2.3.4.5",
                                        "::256.2.3.4",
                                        "1:2:3:4:5:6:7:1.2.3.4",
                                        "::1.2.3.4:5",
                                        "fe80::1%",
                                        "fe80::1%0",
                                        "fe80::1%01",
                                        "fe80::1%eth0",
                                        "fe80::1%4294967296",
                                        "1.2.3.4%1",
                                        "[]",
                                        "[]:1",
                                        "[::]x",
                                        "%1",
                                        "1.2.3.4\t"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct nx_addr addr = {.family = 77};
        CHECK(nx_addr_parse(nx_bytes_text(texts[i]), &addr) == NX_E_MALFORMED, "\"%s\"", texts[i]);
        CHECK(addr.family == 77, "out untouched by \"%s\"", texts[i]);
    }
    struct nx_addr addr;
    CHECK(nx_addr_parse(nx_bytes_of("1.2.3.4\0", 8), &addr) == NX_E_MALFORMED, "a NUL is a character");
    CHECK(nx_addr_parse(nx_bytes_of(NULL, 0), &addr) == NX_E_MALFORMED, "nothing");
}

static struct nx_addr parsed(const char *text)
{
    struct nx_addr addr = {0};
    CHECK(nx_addr_parse(nx_bytes_text(text), &addr) == NX_OK, "%s", text);
    return addr;
}

TEST(addr, an_ip_alone_has_no_port_and_no_brackets)
{
    static const char *const good[] = {"127.0.0.1", "::", "::1", "fe80::1%2", "::ffff:1.2.3.4"};
    static const char *const bad[] = {"",      "127.0.0.1:80", "127.0.0.1:0", ":0",   ":80",
                                      "[::1]", "[::1]:80",     "1.2.3",       "::1 ", "1.2.3.4/8"};
    struct nx_addr addr = {.family = 9};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(nx_addr_parse_ip(nx_bytes_text(bad[i]), &addr) == NX_E_MALFORMED && addr.family == 9, "%s",
              bad[i]);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct nx_addr same;
        CHECK(nx_addr_parse_ip(nx_bytes_text(good[i]), &addr) == NX_OK &&
                  nx_addr_parse(nx_bytes_text(good[i]), &same) == NX_OK && nx_addr_equal(&addr, &same),
              "%s", good[i]);
    }
}

TEST(addr, limit_keys_count_whom_they_should)
{
    static const struct {
        const char *a, *b;
        bool is_same;
    } cases[] = {
        {"1.2.3.4:1", "1.2.3.4:2", true},
        {"1.2.3.4", "1.2.3.5", false},
        {"1.2.3.4", "::ffff:1.2.3.4", true},
        {"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
        {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
        {"1.2.3.4", "::1.2.3.4", false},
        {"0.0.0.1", "::1", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct nx_addr a = parsed(cases[i].a);
        const struct nx_addr b = parsed(cases[i].b);
        CHECK((nx_addr_limit_key(&a) == nx_addr_limit_key(&b)) == cases[i].is_same, "%s %s", cases[i].a,
              cases[i].b);
    }
}

TEST(addr, equality_hash_and_loopback)
{
    const uint8_t key[16] = {1};
    const struct nx_addr a = parsed("[fe80::1%3]:9");
    struct nx_addr b = a;
    CHECK(nx_addr_equal(&a, &b) && nx_addr_hash(&a, key) == nx_addr_hash(&b, key), "equal");
    b.port = 8;
    CHECK(!nx_addr_equal(&a, &b) && nx_addr_hash(&a, key) != nx_addr_hash(&b, key), "port");
    b = a;
    b.scope = 4;
    CHECK(!nx_addr_equal(&a, &b) && nx_addr_hash(&a, key) != nx_addr_hash(&b, key), "scope");
    b = a;
    b.ip[15] = 2;
    CHECK(!nx_addr_equal(&a, &b) && nx_addr_hash(&a, key) != nx_addr_hash(&b, key), "ip");
    const char *const local[] = {"127.0.0.1", "127.255.0.1:80", "::1", "::ffff:127.0.0.1"};
    const char *const remote[] = {"128.0.0.1", "::2", "1::1", "::ffff:1.0.0.127", "0.0.0.0", "::"};
    for (size_t i = 0; i < 4; i++) {
        const struct nx_addr addr = parsed(local[i]);
        CHECK(nx_addr_is_loopback(&addr), "%s", local[i]);
    }
    for (size_t i = 0; i < 6; i++) {
        const struct nx_addr addr = parsed(remote[i]);
        CHECK(!nx_addr_is_loopback(&addr), "%s", remote[i]);
    }
    const struct nx_addr none = {0};
    CHECK(!nx_addr_is_loopback(&none) && strcmp(format(&none, nx_addr_format), "none") == 0, "none");
}
