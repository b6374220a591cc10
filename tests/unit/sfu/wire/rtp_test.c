/* Goal: every field of the head is where RFC 3550 section 5.1 puts it, and no packet makes the parser look past its end.
 * Method: one packet with everything, its prefixes, broken copies of it, and back through the writer. */
#include "sfu/wire/rtp.h"

#include "sfu/wire/limits.h"
#include "tests/lib/check.h"

/* P, X, one CSRC, marker, payload type 96, a one-byte block of one word, payload "hi", 2 bytes of padding. */
static const uint8_t FULL[] = {0xb1, 0xe0, 0x12, 0x34, 0x01, 0x02, 0x03, 0x04, 0xde, 0xad,
                               0xbe, 0xef, 0x00, 0x00, 0x00, 0x07, 0xbe, 0xde, 0x00, 0x01,
                               0x10, 0xff, 0x00, 0x00, 'h',  'i',  0x00, 0x02};

static struct nx_bytes full(void)
{
    return nx_bytes_of(FULL, sizeof(FULL));
}

TEST(rtp, reads_every_field)
{
    struct sfu_rtp rtp;
    CHECK(sfu_rtp_parse(full(), &rtp) == NX_OK, "refused");
    CHECK(rtp.sequence == 0x1234, "sequence");
    CHECK(rtp.timestamp == 0x01020304, "timestamp");
    CHECK(rtp.ssrc == 0xdeadbeef, "ssrc");
    CHECK(rtp.payload_type == 96, "payload type");
    CHECK(rtp.has_marker && rtp.has_padding && rtp.has_extension, "flags");
    CHECK(rtp.csrcs_count == 1 && sfu_rtp_csrc(&rtp, 0) == 7, "csrc");
    CHECK(rtp.extension_profile == SFU_RTP_PROFILE_ONE_BYTE && rtp.extension.size == 4, "extension");
    CHECK(rtp.head_size == 24, "head size %u", rtp.head_size);
    CHECK(rtp.padding_size == 2, "padding");
    CHECK(nx_bytes_is(rtp.payload, "hi"), "payload");
}

TEST(rtp, names_every_prefix_that_cuts_the_head_truncated)
{
    struct sfu_rtp rtp;
    memset(&rtp, 0xaa, sizeof(rtp));
    const struct sfu_rtp untouched = rtp;
    for (size_t size = 0; size < 24; size++) {
        CHECK(sfu_rtp_parse(nx_bytes_of(FULL, size), &rtp) == NX_E_TRUNCATED, "prefix of %zu bytes", size);
        CHECK(memcmp(&rtp, &untouched, sizeof(rtp)) == 0, "out touched at %zu bytes", size);
    }
    CHECK(sfu_rtp_parse(nx_bytes_of(FULL, 24), &rtp) == NX_E_MALFORMED, "no padding count");
    CHECK(memcmp(&rtp, &untouched, sizeof(rtp)) == 0, "out touched");
    CHECK(sfu_rtp_parse_head(nx_bytes_of(FULL, 24), &rtp) == NX_OK && rtp.payload.size == 0, "head alone");
}

TEST(rtp, refuses_other_versions)
{
    uint8_t packet[sizeof(FULL)];
    memcpy(packet, FULL, sizeof(FULL));
    struct sfu_rtp rtp;
    for (unsigned version = 0; version < 4; version++) {
        packet[0] = (uint8_t)((FULL[0] & 0x3f) | version << 6);
        const enum nx_err wanted = version == 2 ? NX_OK : NX_E_MALFORMED;
        CHECK(sfu_rtp_parse(nx_bytes_of(packet, sizeof(packet)), &rtp) == wanted, "version %u", version);
    }
}

TEST(rtp, refuses_a_padding_count_of_zero_or_past_the_payload)
{
    struct sfu_rtp rtp;
    uint8_t packet[sizeof(FULL)];
    memcpy(packet, FULL, sizeof(FULL));
    for (unsigned count = 0; count < 256; count++) {
        packet[sizeof(FULL) - 1] = (uint8_t)count;
        const enum nx_err wanted = count >= 1 && count <= 4 ? NX_OK : NX_E_MALFORMED;
        CHECK(sfu_rtp_parse(nx_bytes_of(packet, sizeof(packet)), &rtp) == wanted, "count %u", count);
        CHECK(wanted != NX_OK || rtp.payload.size == 4 - count, "rest of %u", count);
    }
}

TEST(rtp, refuses_fifteen_csrcs_in_twelve_bytes_and_an_endless_block)
{
    uint8_t packet[72] = {0x8f};
    struct sfu_rtp rtp;
    CHECK(sfu_rtp_parse(nx_bytes_of(packet, 12), &rtp) == NX_E_TRUNCATED, "12 bytes");
    CHECK(sfu_rtp_parse(nx_bytes_of(packet, 71), &rtp) == NX_E_TRUNCATED, "one byte short");
    CHECK(sfu_rtp_parse(nx_bytes_of(packet, 72), &rtp) == NX_OK && rtp.csrcs_count == 15, "all of them");
    uint8_t block[20] = {0x90, [12] = 0xbe, [13] = 0xde, [14] = 0xff, [15] = 0xff};
    CHECK(sfu_rtp_parse(nx_bytes_of(block, sizeof(block)), &rtp) == NX_E_TRUNCATED, "65535 words");
    block[14] = 0;
    block[15] = 0;
    CHECK(sfu_rtp_parse(nx_bytes_of(block, sizeof(block)), &rtp) == NX_OK && rtp.has_extension,
          "empty block");
    CHECK(rtp.extension.size == 0 && rtp.payload.size == 4, "empty block's sizes");
}

TEST(rtp, takes_a_packet_without_payload_and_ssrc_zero)
{
    const uint8_t packet[12] = {0x80, 0x60};
    struct sfu_rtp rtp;
    CHECK(sfu_rtp_parse(nx_bytes_of(packet, sizeof(packet)), &rtp) == NX_OK, "refused");
    CHECK(rtp.payload.size == 0 && rtp.ssrc == 0, "payload");
    uint16_t osn = 9;
    CHECK(sfu_rtp_osn_take(&rtp, &osn) == NX_E_TRUNCATED && osn == 9, "a retransmission without its number");
}

TEST(rtp, refuses_more_than_a_datagram)
{
    static uint8_t packet[65537] = {0x80};
    struct sfu_rtp rtp;
    CHECK(sfu_rtp_parse(nx_bytes_of(packet, 65535), &rtp) == NX_OK && rtp.payload.size == 65523, "65535");
    CHECK(sfu_rtp_parse(nx_bytes_of(packet, 65536), &rtp) == NX_E_TRUNCATED, "65536");
    CHECK(sfu_rtp_parse(nx_bytes_of(NULL, 0), &rtp) == NX_E_TRUNCATED, "nothing");
}

TEST(rtp, takes_the_original_sequence_number_off)
{
    const uint8_t packet[] = {0x80, 0x61, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xab, 0xcd, 'x'};
    struct sfu_rtp rtp;
    uint16_t osn = 0;
    CHECK(sfu_rtp_parse(nx_bytes_of(packet, sizeof(packet)), &rtp) == NX_OK, "refused");
    CHECK(sfu_rtp_osn_take(&rtp, &osn) == NX_OK && osn == 0xabcd && nx_bytes_is(rtp.payload, "x"), "osn");
    CHECK(sfu_rtp_osn_take(&rtp, &osn) == NX_E_TRUNCATED && nx_bytes_is(rtp.payload, "x"), "one byte left");
}

TEST(rtp, writes_what_it_reads)
{
    uint32_t csrcs[SFU_RTP_CSRCS_MAX];
    for (unsigned i = 0; i < SFU_RTP_CSRCS_MAX; i++) {
        csrcs[i] = 0x01010101u * i;
    }
    for (unsigned flags = 0; flags < 128; flags++) {
        const struct sfu_rtp_head head = {.timestamp = 0xfffffffe,
                                          .ssrc = 0x80000001,
                                          .sequence = 65535,
                                          .payload_type = 127,
                                          .csrcs_count = (uint8_t)(flags & 15),
                                          .has_marker = (flags & 16) != 0,
                                          .has_padding = (flags & 32) != 0,
                                          .has_extension = (flags & 64) != 0,
                                          .csrcs = csrcs};
        uint8_t room[96];
        struct nx_writer w = nx_writer_init(room, sizeof(room));
        sfu_rtp_write(&head, &w);
        if (head.has_extension) {
            nx_writer_u32(&w, 0xbede0000);
        }
        nx_writer_u8(&w, 1);
        struct sfu_rtp rtp;
        CHECK(nx_writer_ok(&w) && sfu_rtp_parse(nx_writer_bytes(&w), &rtp) == NX_OK, "flags %u", flags);
        CHECK(rtp.timestamp == head.timestamp && rtp.ssrc == head.ssrc && rtp.sequence == head.sequence,
              "numbers");
        CHECK(rtp.payload_type == 127 && rtp.csrcs_count == head.csrcs_count, "flags %u", flags);
        CHECK(rtp.has_marker == head.has_marker && rtp.has_padding == head.has_padding, "flags %u", flags);
        for (unsigned i = 0; i < rtp.csrcs_count; i++) {
            CHECK(sfu_rtp_csrc(&rtp, i) == csrcs[i], "csrc %u", i);
        }
        w = nx_writer_init(room, 11);
        sfu_rtp_write(&head, &w);
        CHECK(!nx_writer_ok(&w), "no room");
    }
}

TEST(rtp, rewrites_in_place_and_peeks)
{
    uint8_t packet[sizeof(FULL)];
    memcpy(packet, FULL, sizeof(FULL));
    sfu_rtp_put_sequence(packet, 0xfffe);
    sfu_rtp_put_timestamp(packet, 0x89abcdef);
    sfu_rtp_put_ssrc(packet, 0x76543210);
    sfu_rtp_put_type(packet, 5, false);
    struct sfu_rtp rtp;
    CHECK(sfu_rtp_parse(nx_bytes_of(packet, sizeof(packet)), &rtp) == NX_OK, "refused");
    CHECK(rtp.sequence == 0xfffe && rtp.timestamp == 0x89abcdef && rtp.ssrc == 0x76543210, "numbers");
    CHECK(rtp.payload_type == 5 && !rtp.has_marker, "type");
    CHECK(nx_bytes_is(rtp.payload, "hi") && sfu_rtp_csrc(&rtp, 0) == 7, "the rest stays");
    uint32_t ssrc = 0;
    uint16_t sequence = 0;
    CHECK(sfu_rtp_peek(nx_bytes_of(packet, 12), &ssrc, &sequence) == NX_OK, "peek");
    CHECK(ssrc == 0x76543210 && sequence == 0xfffe, "peeked");
    CHECK(sfu_rtp_peek(nx_bytes_of(packet, 11), &ssrc, &sequence) == NX_E_TRUNCATED, "short");
    packet[0] = 0x40;
    CHECK(sfu_rtp_peek(nx_bytes_of(packet, 12), &ssrc, &sequence) == NX_E_MALFORMED, "version");
}
