/* Goal: reference times and their answers read and write as RFC 3611 sections 4.4 and 4.5 draw them; other blocks pass. */
#include "sfu/wire/rtcp_xr.h"

#include "tests/lib/check.h"

static struct sfu_rtcp packet_of(const void *body, size_t size)
{
    return (struct sfu_rtcp){.body = nx_bytes_of(body, size), .type = SFU_RTCP_XR};
}

TEST(rtcp_xr, writes_and_reads_both_blocks)
{
    struct sfu_rtcp_xr xr = {
        .ntp = 0x1122334455667788, .ssrc = 5, .has_ntp = true, .dlrrs_count = SFU_RTCP_SSRCS_MAX};
    for (unsigned i = 0; i < SFU_RTCP_SSRCS_MAX; i++) {
        xr.dlrrs[i] = (struct sfu_rtcp_xr_dlrr){.ssrc = i, .last_rr = 2 * i, .since_last = 3 * i};
    }
    uint8_t room[512];
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    sfu_rtcp_xr_write(&xr, &w);
    struct nx_reader in = nx_reader_init(room, w.size);
    struct sfu_rtcp packet;
    struct sfu_rtcp_xr again;
    CHECK(nx_writer_ok(&w) && sfu_rtcp_next(&in, &packet) && nx_reader_left(&in) == 0, "framed");
    CHECK(sfu_rtcp_xr_parse(&packet, &again) == NX_OK, "refused");
    CHECK(again.has_ntp && again.ntp == xr.ntp && again.ssrc == 5, "reference time");
    CHECK(again.dlrrs_count == xr.dlrrs_count && memcmp(again.dlrrs, xr.dlrrs, sizeof(xr.dlrrs)) == 0,
          "answers");
}

TEST(rtcp_xr, skips_other_blocks)
{
    const uint8_t body[] = {0, 0, 0, 9, 1, 0, 0, 1, 1, 2, 3, 4, 4, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2};
    const struct sfu_rtcp packet = packet_of(body, sizeof(body));
    struct sfu_rtcp_xr xr;
    CHECK(sfu_rtcp_xr_parse(&packet, &xr) == NX_OK, "refused");
    CHECK(xr.ssrc == 9 && xr.has_ntp && xr.ntp == 0x100000002 && xr.dlrrs_count == 0,
          "the known one is found");
}

TEST(rtcp_xr, refuses_blocks_past_the_end_or_of_another_length)
{
    struct sfu_rtcp_xr xr;
    memset(&xr, 0xaa, sizeof(xr));
    const uint8_t over[] = {0, 0, 0, 9, 4, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2};
    struct sfu_rtcp packet = packet_of(over, sizeof(over));
    CHECK(sfu_rtcp_xr_parse(&packet, &xr) == NX_E_TRUNCATED, "past the end");
    const uint8_t small[] = {0, 0, 0, 9, 4, 0, 0, 1, 0, 0, 0, 1};
    packet = packet_of(small, sizeof(small));
    CHECK(sfu_rtcp_xr_parse(&packet, &xr) == NX_E_MALFORMED, "half a time");
    const uint8_t uneven[] = {0, 0, 0, 9, 5, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2};
    packet = packet_of(uneven, sizeof(uneven));
    CHECK(sfu_rtcp_xr_parse(&packet, &xr) == NX_E_MALFORMED, "two thirds of an answer");
    for (size_t size = 0; size < 4; size++) {
        packet = packet_of(over, size);
        CHECK(sfu_rtcp_xr_parse(&packet, &xr) == NX_E_TRUNCATED, "%zu bytes", size);
    }
    packet.type = SFU_RTCP_APP;
    CHECK(sfu_rtcp_xr_parse(&packet, &xr) == NX_E_UNSUPPORTED, "another type");
}

TEST(rtcp_xr, takes_so_many_answers_only)
{
    static uint8_t body[8 + 12 * 4000] = {0, 0, 0, 1, 5, 0, (12000 >> 8) & 255, 12000 & 255};
    const struct sfu_rtcp packet = packet_of(body, sizeof(body));
    struct sfu_rtcp_xr xr;
    CHECK(sfu_rtcp_xr_parse(&packet, &xr) == NX_OK && xr.dlrrs_count == SFU_RTCP_SSRCS_MAX, "capped");
}
