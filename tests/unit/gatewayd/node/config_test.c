/* Goal: whom the gateway believes about a client's address is exactly who was named. */
#include "gatewayd/node/config.h"

#include "tests/lib/check.h"

#include <stdio.h>
#include <string.h>

static bool is_proxy(const struct gw_node_config *config, const char *text)
{
    struct nx_addr addr;
    CHECK(nx_addr_parse(nx_bytes_text(text), &addr) == NX_OK, "%s", text);
    return gw_config_is_proxy(config, &addr);
}

TEST(config, nobody_is_a_proxy_by_default)
{
    struct gw_node_config config;
    gw_config_init(&config);
    CHECK(config.has_rate_limits && config.proxies_count == 0, "defaults");
    CHECK(!is_proxy(&config, "127.0.0.1") && !is_proxy(&config, "::1"), "nobody is trusted");
    CHECK(gw_config_proxies(&config, nx_bytes_text("")) == NX_OK && config.proxies_count == 0, "no text");
    CHECK(gw_config_proxies(&config, nx_bytes_text(" , ,")) == NX_OK && config.proxies_count == 0,
          "no names");
}

TEST(config, trusts_an_address_or_all_that_begin_like_it)
{
    struct gw_node_config config;
    gw_config_init(&config);
    const enum nx_err err =
        gw_config_proxies(&config, nx_bytes_text("10.1.2.3, 192.168.128.0/17,fd00::/8 ,::1"));
    CHECK(err == NX_OK && config.proxies_count == 4, "%s", nx_err_text(err));
    static const struct {
        const char *text;
        bool is_trusted;
    } CASES[] = {{"10.1.2.3", true},      {"10.1.2.2", false},       {"11.1.2.3", false},
                 {"192.168.128.0", true}, {"192.168.255.255", true}, {"192.168.127.255", false},
                 {"fd12::9", true},       {"fc12::9", false},        {"::1", true},
                 {"::2", false},          {"::ffff:10.1.2.3", true}, {"::ffff:10.1.2.4", false},
                 {"0.0.0.1", false},      {"a01:203::", false}};
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        CHECK(is_proxy(&config, CASES[i].text) == CASES[i].is_trusted, "%s", CASES[i].text);
    }
}

TEST(config, no_bits_is_everybody_of_the_family)
{
    struct gw_node_config config;
    gw_config_init(&config);
    CHECK(gw_config_proxies(&config, nx_bytes_text("0.0.0.0/0")) == NX_OK, "parses");
    CHECK(is_proxy(&config, "203.0.113.9") && !is_proxy(&config, "2001:db8::1"), "of IPv4 only");
}

TEST(config, refuses_what_is_no_address)
{
    static const char *const CASES[] = {"10.0.0.1/", "10.0.0.1/33",       "10.0.0.1/-1", "10.0.0.1/1x",
                                        "::1/129",   "::1/0128",          "/8",          "host",
                                        "10.0.0",    "10.0.0.1 10.0.0.2", "10.0.0.1/ 8", "10.0.0.1//8",
                                        ":0",        "10.0.0.1:80",       "[::1]/64",    "10.0.0.1:0/8"};
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct gw_node_config config;
        gw_config_init(&config);
        CHECK(gw_config_proxies(&config, nx_bytes_text(CASES[i])) == NX_E_MALFORMED, "%s", CASES[i]);
        CHECK(config.proxies_count == 0, "%s is kept", CASES[i]);
    }
}

TEST(config, takes_as_many_as_there_is_room_for)
{
    struct gw_node_config config;
    gw_config_init(&config);
    char text[16];
    for (int i = 0; i < GW_PROXIES_MAX; i++) {
        snprintf(text, sizeof(text), "10.0.0.%d", i);
        CHECK(gw_config_proxies(&config, nx_bytes_text(text)) == NX_OK, "%d", i);
    }
    CHECK(gw_config_proxies(&config, nx_bytes_text("10.0.1.0")) == NX_E_FULL, "one more");
    CHECK(!is_proxy(&config, "10.0.1.0") && is_proxy(&config, "10.0.0.31"), "the last that fits");
}
