/* Goal: both versions of the PROXY header, at every prefix, and nothing else. */
#include "gatewayd/core/proxy.h"
#include "tests/lib/check.h"

#include <stdio.h>

static void check_prefixes(struct nx_bytes whole)
{
    for (size_t cut = 0; cut < whole.size; cut++) {
        struct nx_addr source = {0};
        size_t size = 0;
        CHECK(gw_proxy_is_likely(nx_bytes_slice(whole, 0, cut)), "prefix of %zu", cut);
        CHECK(gw_proxy_parse(nx_bytes_slice(whole, 0, cut), &source, &size) == NX_E_TRUNCATED,
              "prefix of %zu", cut);
    }
}

TEST(proxy, version_1_names_the_client)
{
    static const char text[] = "PROXY TCP4 203.0.113.7 192.0.2.1 5000 443\r\nGET";
    struct nx_addr source = {0};
    size_t size = 0;
    CHECK(gw_proxy_parse(nx_bytes_text(text), &source, &size) == NX_OK, "parses");
    CHECK(size == sizeof(text) - 4 && source.ip[0] == 203 && source.ip[3] == 7 && source.port == 5000, "%zu",
          size);
    check_prefixes(nx_bytes_of(text, size));
    CHECK(gw_proxy_parse(nx_bytes_text("PROXY UNKNOWN\r\n"), &source, &size) == NX_OK && size == 15,
          "unknown");
}

TEST(proxy, version_2_names_the_client)
{
    static const uint8_t bytes[] = {0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54,
                                    0x0A, 0x21, 0x11, 0,    15,   203,  0,    113,  7,    192,  0,
                                    2,    1,    0x13, 0x88, 1,    0xbb, 4,    0,    0};
    struct nx_addr source = {0};
    size_t size = 0;
    CHECK(gw_proxy_parse(nx_bytes_of(bytes, sizeof(bytes)), &source, &size) == NX_OK, "parses");
    CHECK(size == sizeof(bytes) && source.ip[0] == 203 && source.port == 5000, "%zu", size);
    check_prefixes(nx_bytes_of(bytes, size));
}

TEST(proxy, refuses_everything_else)
{
    static const char *const bad[] = {"GET / HTTP/1.1\r\n",
                                      "PROXY TCP4 1.2.3.4\r\n",
                                      "PROXY TCP4 ::1 ::1 1 2\r\n",
                                      "PROXY TCP4 1.2.3.4 1.2.3.4 99999 1\r\n",
                                      "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n",
                                      "PROXY TCP9 1.2.3.4 1.2.3.4 1 1\r\n",
                                      "PROXY TCP4 1.2.3.4 1.2.3.4 0000001x 1\r\n",
                                      "PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n",
                                      "PROXY TCP4 :0 1.2.3.4 1 1\r\n",
                                      "PROXY TCP6 [::1] ::1 1 1\r\n",
                                      "PROXY TCP6 fe80::1%2 ::1 1 1\r\n",
                                      "PROXY TCP4 1.2.3.4 here 1 1\r\n",
                                      "PROXY TCP4 1.2.3.4 ::1 1 1\r\n",
                                      "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
                                      "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct nx_addr source = {.family = 9};
        size_t size = 0;
        CHECK(gw_proxy_parse(nx_bytes_text(bad[i]), &source, &size) == NX_E_MALFORMED && source.family == 9,
              "%s", bad[i]);
    }
}

TEST(proxy, version_2_refuses_what_the_specification_leaves_open)
{
    /* Command and version, family and protocol, bytes that follow. */
    static const uint8_t bad[][3] = {{0x22, 0x11, 12}, {0x11, 0x11, 12}, {0x21, 0x41, 36},
                                     {0x21, 0x13, 12}, {0x21, 0x11, 11}, {0x21, 0x21, 35}};
    uint8_t bytes[16 + 36] = {0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A};
    struct nx_addr source = {.family = 9};
    size_t size = 0;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        bytes[12] = bad[i][0];
        bytes[13] = bad[i][1];
        bytes[15] = bad[i][2];
        CHECK(gw_proxy_parse(nx_bytes_of(bytes, 16U + bad[i][2]), &source, &size) == NX_E_MALFORMED &&
                  source.family == 9,
              "case %zu", i);
    }
    bytes[12] = 0x20; /* LOCAL: the family is not looked at */
    bytes[13] = 0xff;
    bytes[15] = 0;
    CHECK(gw_proxy_parse(nx_bytes_of(bytes, 16), &source, &size) == NX_OK && size == 16 && source.family == 9,
          "local");
}

static bool is_ten(const void *context, const struct nx_addr *addr)
{
    (void)context;
    return addr->family == NX_ADDR_FAMILY_IPV4 && addr->ip[0] == 10;
}

/* The first byte of the client's address that `lines` name, 0 when they name none. */
static int forwarded(const char *lines)
{
    static struct nx_http1_request request;
    char head[512];
    struct nx_addr client = {0};
    snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", lines);
    CHECK(nx_http1_request_parse(nx_bytes_text(head), 0, &request) == NX_OK, "%s", lines);
    return gw_proxy_forwarded(&request.headers, is_ten, NULL, &client) ? client.ip[0] : 0;
}

TEST(proxy, forwarded_for_is_the_last_address_that_is_no_proxy)
{
    CHECK(forwarded("") == 0, "no line");
    CHECK(forwarded("X-Forwarded-For: 20.0.0.1\r\n") == 20, "one");
    CHECK(forwarded("X-Forwarded-For: 30.0.0.1, 20.0.0.1\r\n") == 20, "what the client says comes first");
    CHECK(forwarded("X-Forwarded-For: 30.0.0.1, 20.0.0.1, 10.1.1.1\r\n") == 20, "behind two proxies");
    CHECK(forwarded("X-Forwarded-For: 10.1.1.1\r\n") == 0, "a proxy is no client");
    CHECK(forwarded("X-Forwarded-For: 30.0.0.1\r\nx-forwarded-for: 20.0.0.1\r\n") == 20,
          "a proxy that appends a line");
    CHECK(forwarded("X-Forwarded-For: 127.0.0.1\r\nAccept: a\r\nX-Forwarded-For: 20.0.0.1, 10.1.1.1\r\n") ==
              20,
          "lines are one list");
    CHECK(forwarded("X-Forwarded-For: 30.0.0.1, unknown\r\n") == 0, "nothing before what cannot be read");
}
