/* Goal: candidates of browsers and of RFC 8839 read and write; broken ones, port 0 and other transports are refused. */
#include "sfu/wire/candidate.h"

#include "tests/lib/check.h"

TEST(candidate, reads_what_browsers_write)
{
    static const struct {
        const char *text;
        enum sfu_candidate_transport transport;
        enum sfu_candidate_type type;
        const char *host; /* when it is no address */
        uint32_t priority;
        uint16_t component;
        uint16_t port;
    } cases[] = {
        {"332795743 1 udp 2122194687 192.0.2.2 57316 typ host generation 0 network-id 1", SFU_CANDIDATE_UDP,
         SFU_CANDIDATE_HOST, NULL, 2122194687, 1, 57316},
        {"0 2 UDP 2122187006 fd00::2 38909 typ host", SFU_CANDIDATE_UDP, SFU_CANDIDATE_HOST, NULL, 2122187006,
         2, 38909},
        {"1 1 tcp 1518214911 192.0.2.2 9 typ host tcptype active generation 0", SFU_CANDIDATE_TCP_ACTIVE,
         SFU_CANDIDATE_HOST, NULL, 1518214911, 1, 9},
        {"1 1 tcp 5 192.0.2.2 443 typ host tcptype passive", SFU_CANDIDATE_TCP_PASSIVE, SFU_CANDIDATE_HOST,
         NULL, 5, 1, 443},
        {"a+/ 1 udp 7 203.0.113.141 8998 typ srflx raddr 10.0.1.1 rport 8998", SFU_CANDIDATE_UDP,
         SFU_CANDIDATE_SRFLX, NULL, 7, 1, 8998},
        {"9 1 udp 7 203.0.113.1 1 typ relay raddr 0.0.0.0 rport 0", SFU_CANDIDATE_UDP, SFU_CANDIDATE_RELAY,
         NULL, 7, 1, 1},
        {"9 1 udp 7 1b1c0a5e-8d2e-4e0e-9d5c-6b1f3a4c2d10.local 5 typ host", SFU_CANDIDATE_UDP,
         SFU_CANDIDATE_HOST, "1b1c0a5e-8d2e-4e0e-9d5c-6b1f3a4c2d10.local", 7, 1, 5},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sfu_candidate c;
        CHECK(sfu_candidate_parse(nx_bytes_text(cases[i].text), &c) == NX_OK, "%s", cases[i].text);
        CHECK(c.transport == cases[i].transport && c.type == cases[i].type, "%s", cases[i].text);
        CHECK(c.priority == cases[i].priority && c.component == cases[i].component, "%s", cases[i].text);
        CHECK(c.addr.port == cases[i].port, "%s", cases[i].text);
        CHECK((c.addr.family == NX_ADDR_FAMILY_NONE) == (cases[i].host != NULL), "%s", cases[i].text);
        CHECK(cases[i].host == NULL || nx_bytes_is(c.host, cases[i].host), "%s", cases[i].text);
        uint8_t room[256];
        struct nx_writer w = nx_writer_init(room, sizeof(room));
        sfu_candidate_write(&c, &w);
        struct sfu_candidate again;
        CHECK(nx_writer_ok(&w) &&
                  sfu_candidate_parse(nx_bytes_slice(nx_writer_bytes(&w), 10, 250), &again) == NX_OK,
              "%zu", i);
        CHECK(nx_addr_equal(&c.addr, &again.addr) && again.transport == c.transport && again.type == c.type,
              "%zu", i);
        CHECK(again.priority == c.priority && nx_bytes_equal(again.foundation, c.foundation), "%zu", i);
    }
}

TEST(candidate, refuses_what_is_broken)
{
    static const char *const broken[] = {
        "",
        "1",
        "1 1",
        "1 1 udp",
        "1 1 udp 5",
        "1 1 udp 5 1.2.3.4",
        "1 1 udp 5 1.2.3.4 5",
        "1 1 udp 5 1.2.3.4 5 typ",
        "1 1 udp 5 1.2.3.4 5 typ moon",
        "1 1 udp 5 1.2.3.4 5 host typ",
        "1 1 udp 5 1.2.3.4 0 typ host",
        "1 1 udp 5 1.2.3.4 65536 typ host",
        "1 1 udp 5 1.2.3.4 -1 typ host",
        "1 257 udp 5 1.2.3.4 5 typ host",
        "1 x udp 5 1.2.3.4 5 typ host",
        "1 1 udp 4294967296 1.2.3.4 5 typ host",
        "1 1 tcp 5 1.2.3.4 5 typ host tcptype sideways",
        "123456789012345678901234567890123 1 udp 5 1.2.3.4 5 typ host",
    };
    struct sfu_candidate c;
    memset(&c, 0xaa, sizeof(c));
    const struct sfu_candidate untouched = c;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        const enum nx_err err = sfu_candidate_parse(nx_bytes_text(broken[i]), &c);
        CHECK(err == NX_E_MALFORMED || err == NX_E_UNSUPPORTED, "%s", broken[i]);
    }
    CHECK(sfu_candidate_parse(nx_bytes_text("1 1 sctp 5 1.2.3.4 5 typ host"), &c) == NX_E_UNSUPPORTED,
          "sctp");
    CHECK(memcmp(&c, &untouched, sizeof(c)) == 0, "out touched");
}

TEST(candidate, orders_by_priority)
{
    CHECK(sfu_candidate_priority(126, 65535) == 2130706431, "host");
    CHECK(sfu_candidate_priority(126, 65535) > sfu_candidate_priority(126, 65534), "local preference");
    CHECK(sfu_candidate_priority(0, 0) == 255, "least");
}
