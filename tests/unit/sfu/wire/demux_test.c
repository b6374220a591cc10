/* Goal: every first byte goes where RFC 7983 sends it, and what is too short or too long goes nowhere. */
#include "sfu/wire/demux.h"

#include "sfu/wire/limits.h"
#include "tests/lib/check.h"

TEST(demux, sorts_every_first_byte)
{
    uint8_t datagram[64] = {0};
    for (unsigned first = 0; first < 256; first++) {
        datagram[0] = (uint8_t)first;
        enum sfu_demux_kind wanted = SFU_DEMUX_NOTHING;
        wanted = first <= 3 ? SFU_DEMUX_STUN : wanted;
        wanted = first >= 20 && first <= 63 ? SFU_DEMUX_DTLS : wanted;
        wanted = first >= 64 && first <= 79 ? SFU_DEMUX_CHANNEL : wanted;
        wanted = first >= 128 && first <= 191 ? SFU_DEMUX_RTP : wanted;
        CHECK(sfu_demux(nx_bytes_of(datagram, sizeof(datagram))) == wanted, "first byte %u", first);
    }
}

TEST(demux, tells_rtcp_by_its_packet_type)
{
    uint8_t datagram[12] = {0x80};
    for (unsigned type = 0; type < 256; type++) {
        datagram[1] = (uint8_t)type;
        const enum sfu_demux_kind wanted = type >= 192 && type <= 223 ? SFU_DEMUX_RTCP : SFU_DEMUX_RTP;
        CHECK(sfu_demux(nx_bytes_of(datagram, sizeof(datagram))) == wanted, "type %u", type);
    }
}

TEST(demux, drops_what_is_too_short_or_too_long)
{
    static uint8_t datagram[9000];
    static const struct {
        uint8_t first;
        uint8_t second;
        size_t size_min;
        enum sfu_demux_kind kind;
    } cases[] = {{0, 1, 20, SFU_DEMUX_STUN},
                 {22, 254, 13, SFU_DEMUX_DTLS},
                 {64, 0, 4, SFU_DEMUX_CHANNEL},
                 {128, 96, 12, SFU_DEMUX_RTP},
                 {129, 200, 8, SFU_DEMUX_RTCP}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        datagram[0] = cases[i].first;
        datagram[1] = cases[i].second;
        for (size_t size = 0; size <= sizeof(datagram); size++) {
            const bool is_good = size >= cases[i].size_min && size <= SFU_DATAGRAM_SIZE_MAX;
            CHECK(sfu_demux(nx_bytes_of(datagram, size)) == (is_good ? cases[i].kind : SFU_DEMUX_NOTHING),
                  "case %zu size %zu", i, size);
        }
    }
    CHECK(sfu_demux(nx_bytes_of(NULL, 0)) == SFU_DEMUX_NOTHING, "an empty datagram");
}
