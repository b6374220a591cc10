/* Goal: reports, descriptions and goodbyes read and write as RFC 3550 section 6 draws them; counts that the bytes do not
 * bear out are refused. */
#include "sfu/wire/rtcp_report.h"

#include "tests/lib/check.h"

static struct sfu_rtcp packet_of(uint8_t type, uint8_t count, const void *body, size_t size)
{
    return (struct sfu_rtcp){.body = nx_bytes_of(body, size), .type = type, .count = count};
}

/* What was written, as the parser sees it. */
static struct sfu_rtcp only_packet(const struct nx_writer *w)
{
    struct nx_reader in = nx_reader_init(w->start, w->size);
    struct sfu_rtcp packet;
    CHECK(nx_writer_ok(w) && sfu_rtcp_check(nx_writer_bytes(w)) == NX_OK, "a compound");
    CHECK(sfu_rtcp_next(&in, &packet) && nx_reader_left(&in) == 0, "one packet");
    return packet;
}

TEST(rtcp_report, writes_and_reads_a_sender_report)
{
    const struct sfu_rtcp_report report = {.ntp = 0x0123456789abcdef,
                                           .ssrc = 0xdeadbeef,
                                           .timestamp = 0xfffffffe,
                                           .packets_count = 7,
                                           .octets_count = 0x80000000,
                                           .is_sender = true};
    const struct sfu_rtcp_report_block blocks[2] = {
        {.ssrc = 1,
         .sequence_highest = 0x1ffff,
         .jitter = 3,
         .last_sr = 4,
         .since_last_sr = 5,
         .lost = -1,
         .lost_fraction = 255},
        {.ssrc = 2, .lost = 0x7fffff},
    };
    uint8_t room[128];
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    sfu_rtcp_report_write(&report, blocks, 2, &w);
    CHECK(w.size == 28 + 48, "size %zu", w.size);
    const struct sfu_rtcp packet = only_packet(&w);
    struct sfu_rtcp_report again;
    CHECK(packet.type == SFU_RTCP_SR && sfu_rtcp_report_parse(&packet, &again) == NX_OK, "refused");
    CHECK(again.ntp == report.ntp && again.ssrc == report.ssrc && again.timestamp == report.timestamp,
          "fields");
    CHECK(again.packets_count == 7 && again.octets_count == 0x80000000 && again.is_sender, "counts");
    CHECK(again.blocks_count == 2, "blocks");
    for (unsigned i = 0; i < 2; i++) {
        const struct sfu_rtcp_report_block block = sfu_rtcp_report_block_at(&again, i);
        CHECK(block.ssrc == blocks[i].ssrc && block.lost == blocks[i].lost, "block %u", i);
        CHECK(block.lost_fraction == blocks[i].lost_fraction && block.jitter == blocks[i].jitter, "block %u",
              i);
        CHECK(block.sequence_highest == blocks[i].sequence_highest, "block %u", i);
        CHECK(block.last_sr == blocks[i].last_sr && block.since_last_sr == blocks[i].since_last_sr,
              "block %u", i);
    }
}

TEST(rtcp_report, clamps_the_loss_count)
{
    const struct sfu_rtcp_report report = {.ssrc = 1};
    const struct sfu_rtcp_report_block blocks[2] = {{.lost = 0x800000}, {.lost = INT32_MIN}};
    uint8_t room[64];
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    sfu_rtcp_report_write(&report, blocks, 2, &w);
    const struct sfu_rtcp packet = only_packet(&w);
    struct sfu_rtcp_report again;
    CHECK(packet.type == SFU_RTCP_RR && sfu_rtcp_report_parse(&packet, &again) == NX_OK, "refused");
    CHECK(sfu_rtcp_report_block_at(&again, 0).lost == 0x7fffff, "most");
    CHECK(sfu_rtcp_report_block_at(&again, 1).lost == -0x800000, "least");
}

TEST(rtcp_report, refuses_a_count_without_its_blocks)
{
    static const uint8_t body[200];
    struct sfu_rtcp_report report;
    memset(&report, 0xaa, sizeof(report));
    const struct sfu_rtcp_report untouched = report;
    for (uint8_t count = 0; count < 32; count++) {
        for (size_t size = 0; size <= sizeof(body); size += 4) {
            const bool is_sr = size >= 24 + 24 * (size_t)count;
            const bool is_rr = size >= 4 + 24 * (size_t)count;
            struct sfu_rtcp packet = packet_of(SFU_RTCP_SR, count, body, size);
            CHECK(sfu_rtcp_report_parse(&packet, &report) == (is_sr ? NX_OK : NX_E_TRUNCATED), "sr %u %zu",
                  count, size);
            packet.type = SFU_RTCP_RR;
            report = untouched;
            CHECK(sfu_rtcp_report_parse(&packet, &report) == (is_rr ? NX_OK : NX_E_TRUNCATED), "rr %u %zu",
                  count, size);
            CHECK(is_rr || memcmp(&report, &untouched, sizeof(report)) == 0, "out touched");
        }
    }
    const struct sfu_rtcp packet = packet_of(SFU_RTCP_BYE, 0, body, 24);
    CHECK(sfu_rtcp_report_parse(&packet, &report) == NX_E_UNSUPPORTED, "another type");
}

TEST(rtcp_report, writes_and_reads_a_cname)
{
    for (size_t size = 1; size <= 255; size++) {
        uint8_t cname[255];
        memset(cname, 'c', sizeof(cname));
        uint8_t room[300];
        struct nx_writer w = nx_writer_init(room, sizeof(room));
        sfu_rtcp_report_cname_write(0x01020304, nx_bytes_of(cname, size), &w);
        const struct sfu_rtcp packet = only_packet(&w);
        struct sfu_rtcp_report_sdes walk;
        struct sfu_rtcp_report_item item;
        CHECK(sfu_rtcp_report_sdes_init(&packet, &walk) == NX_OK, "sdes");
        CHECK(sfu_rtcp_report_sdes_next(&walk, &item), "item of %zu", size);
        CHECK(item.ssrc == 0x01020304 && item.type == SFU_RTCP_REPORT_CNAME && item.text.size == size,
              "item");
        CHECK(!sfu_rtcp_report_sdes_next(&walk, &item) && nx_reader_ok(&walk.in), "end of %zu", size);
        CHECK(nx_reader_left(&walk.in) == 0, "all read at %zu", size);
    }
}

TEST(rtcp_report, walks_several_chunks_and_stops_where_they_break)
{
    const uint8_t body[] = {0, 0, 0, 1, 1, 2, 'a', 'b', 8, 0, 0, 0, 0, 0, 0, 2, 1, 1, 'c', 0};
    const struct sfu_rtcp packet = packet_of(SFU_RTCP_SDES, 2, body, sizeof(body));
    struct sfu_rtcp_report_sdes walk;
    struct sfu_rtcp_report_item item;
    CHECK(sfu_rtcp_report_sdes_init(&packet, &walk) == NX_OK, "sdes");
    CHECK(sfu_rtcp_report_sdes_next(&walk, &item) && item.ssrc == 1 && nx_bytes_is(item.text, "ab"), "first");
    CHECK(sfu_rtcp_report_sdes_next(&walk, &item) && item.type == 8 && item.text.size == 0, "an empty item");
    CHECK(sfu_rtcp_report_sdes_next(&walk, &item) && item.ssrc == 2 && nx_bytes_is(item.text, "c"),
          "second chunk");
    CHECK(!sfu_rtcp_report_sdes_next(&walk, &item) && nx_reader_ok(&walk.in), "end");
    for (uint8_t count = 3; count < 32; count++) { /* SC says more chunks than there are */
        const struct sfu_rtcp more = packet_of(SFU_RTCP_SDES, count, body, sizeof(body));
        CHECK(sfu_rtcp_report_sdes_init(&more, &walk) == NX_OK, "sdes");
        unsigned items = 0;
        while (sfu_rtcp_report_sdes_next(&walk, &item)) {
            items++;
        }
        CHECK(items == 3 && !nx_reader_ok(&walk.in), "count %u", count);
        CHECK(!sfu_rtcp_report_sdes_next(&walk, &item), "stays at its end");
    }
    const uint8_t over[] = {0, 0, 0, 1, 1, 255, 'a', 'b'};
    const struct sfu_rtcp cut = packet_of(SFU_RTCP_SDES, 1, over, sizeof(over));
    CHECK(sfu_rtcp_report_sdes_init(&cut, &walk) == NX_OK, "sdes");
    CHECK(!sfu_rtcp_report_sdes_next(&walk, &item) && !nx_reader_ok(&walk.in), "an item past the end");
    const struct sfu_rtcp other = packet_of(SFU_RTCP_BYE, 1, over, sizeof(over));
    CHECK(sfu_rtcp_report_sdes_init(&other, &walk) == NX_E_UNSUPPORTED, "another type");
}

TEST(rtcp_report, writes_and_reads_a_goodbye)
{
    const uint32_t ssrcs[2] = {0xffffffff, 3};
    uint8_t room[32];
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    sfu_rtcp_report_bye_write(ssrcs, 2, &w);
    const struct sfu_rtcp packet = only_packet(&w);
    struct sfu_rtcp_report_bye bye;
    CHECK(sfu_rtcp_report_bye_parse(&packet, &bye) == NX_OK && bye.ssrcs_count == 2, "refused");
    CHECK(sfu_rtcp_report_bye_ssrc(&bye, 0) == 0xffffffff && sfu_rtcp_report_bye_ssrc(&bye, 1) == 3, "ssrcs");
    CHECK(bye.reason.size == 0, "no reason");
}

TEST(rtcp_report, refuses_a_goodbye_whose_reason_or_ssrcs_reach_past_it)
{
    const uint8_t body[] = {0, 0, 0, 1, 3, 'b', 'y', 'e'};
    struct sfu_rtcp_report_bye bye;
    struct sfu_rtcp packet = packet_of(SFU_RTCP_BYE, 1, body, sizeof(body));
    CHECK(sfu_rtcp_report_bye_parse(&packet, &bye) == NX_OK && nx_bytes_is(bye.reason, "bye"), "reason");
    const uint8_t over[] = {0, 0, 0, 1, 4, 'b', 'y', 'e'};
    packet = packet_of(SFU_RTCP_BYE, 1, over, sizeof(over));
    CHECK(sfu_rtcp_report_bye_parse(&packet, &bye) == NX_E_TRUNCATED, "reason past the end");
    packet = packet_of(SFU_RTCP_BYE, 31, body, sizeof(body));
    CHECK(sfu_rtcp_report_bye_parse(&packet, &bye) == NX_E_TRUNCATED, "31 ssrcs");
    packet = packet_of(SFU_RTCP_BYE, 0, NULL, 0);
    CHECK(sfu_rtcp_report_bye_parse(&packet, &bye) == NX_OK && bye.ssrcs_count == 0, "a goodbye of nobody");
    packet = packet_of(SFU_RTCP_RR, 0, NULL, 0);
    CHECK(sfu_rtcp_report_bye_parse(&packet, &bye) == NX_E_UNSUPPORTED, "another type");
}
