/* Goal: requests read and write as RFC 4585, RFC 5104 and the REMB draft draw them, and huge ones are capped. */
#include "sfu/wire/rtcp_feedback.h"

#include "tests/lib/check.h"

static struct sfu_rtcp_feedback read_back(const struct nx_writer *w)
{
    struct nx_reader in = nx_reader_init(w->start, w->size);
    struct sfu_rtcp packet;
    struct sfu_rtcp_feedback feedback;
    CHECK(nx_writer_ok(w) && sfu_rtcp_check(nx_writer_bytes(w)) == NX_OK, "a compound");
    CHECK(sfu_rtcp_next(&in, &packet) && nx_reader_left(&in) == 0, "one packet");
    CHECK(sfu_rtcp_feedback_parse(&packet, &feedback) == NX_OK, "feedback");
    return feedback;
}

TEST(rtcp_feedback, packs_lost_packets_and_unpacks_them)
{
    const uint16_t lost[] = {65530, 65531, 65535, 10, 11, 27, 28, 100, 116, 117, 134};
    uint8_t room[128];
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    sfu_rtcp_feedback_nack_write(1, 2, lost, 11, &w);
    CHECK(w.size == 12 + 4 * 6, "entries: %zu bytes", w.size);
    const struct sfu_rtcp_feedback feedback = read_back(&w);
    CHECK(feedback.kind == SFU_RTCP_FEEDBACK_NACK && feedback.sender_ssrc == 1 && feedback.media_ssrc == 2,
          "head");
    uint16_t again[SFU_RTCP_NACKS_MAX];
    unsigned count = 0;
    CHECK(sfu_rtcp_feedback_nacks(&feedback, again, SFU_RTCP_NACKS_MAX, &count) == NX_OK, "refused");
    CHECK(count == 11 && memcmp(again, lost, sizeof(lost)) == 0, "the same");
    CHECK(sfu_rtcp_feedback_nacks(&feedback, again, 3, &count) == NX_OK && count == 3, "capped");
    CHECK(sfu_rtcp_feedback_nacks(&feedback, again, 0, &count) == NX_OK && count == 0, "no room");
}

TEST(rtcp_feedback, caps_seventeen_times_a_thousand_lost_packets)
{
    static uint8_t body[8 + 4 * 1000];
    memset(body, 0xff, sizeof(body));
    const struct sfu_rtcp packet = {
        .body = nx_bytes_of(body, sizeof(body)), .type = SFU_RTCP_RTPFB, .count = 1};
    struct sfu_rtcp_feedback feedback;
    uint16_t sequences[SFU_RTCP_NACKS_MAX];
    unsigned count = 0;
    CHECK(sfu_rtcp_feedback_parse(&packet, &feedback) == NX_OK, "head");
    CHECK(sfu_rtcp_feedback_nacks(&feedback, sequences, SFU_RTCP_NACKS_MAX, &count) == NX_OK, "refused");
    CHECK(count == SFU_RTCP_NACKS_MAX, "capped at %u", count);
}

TEST(rtcp_feedback, refuses_what_has_no_entry_or_is_short)
{
    static const uint8_t body[16];
    struct sfu_rtcp packet = {.body = nx_bytes_of(body, 4), .type = SFU_RTCP_RTPFB, .count = 1};
    struct sfu_rtcp_feedback feedback;
    CHECK(sfu_rtcp_feedback_parse(&packet, &feedback) == NX_E_TRUNCATED, "4 bytes");
    packet.body.size = 0;
    CHECK(sfu_rtcp_feedback_parse(&packet, &feedback) == NX_E_TRUNCATED, "nothing");
    packet.body.size = 8;
    uint16_t sequence;
    struct sfu_rtcp_feedback_fir fir;
    struct sfu_rtcp_feedback_remb remb;
    unsigned count = 77;
    CHECK(sfu_rtcp_feedback_parse(&packet, &feedback) == NX_OK, "head alone");
    CHECK(sfu_rtcp_feedback_nacks(&feedback, &sequence, 1, &count) == NX_E_MALFORMED && count == 77,
          "no entry");
    CHECK(sfu_rtcp_feedback_firs(&feedback, &fir, 1, &count) == NX_E_MALFORMED, "no FIR");
    CHECK(sfu_rtcp_feedback_remb_parse(&feedback, &remb) == NX_E_MALFORMED, "no REMB");
    packet.type = SFU_RTCP_PSFB;
    packet.count = 4;
    packet.body.size = 12;
    CHECK(sfu_rtcp_feedback_parse(&packet, &feedback) == NX_OK && feedback.kind == SFU_RTCP_FEEDBACK_FIR,
          "fir");
    CHECK(sfu_rtcp_feedback_firs(&feedback, &fir, 1, &count) == NX_E_MALFORMED, "half an entry");
    CHECK(sfu_rtcp_feedback_nacks(&feedback, &sequence, 1, &count) == NX_E_MALFORMED, "no NACK");
    packet.count = 15;
    CHECK(sfu_rtcp_feedback_parse(&packet, &feedback) == NX_OK && feedback.kind == SFU_RTCP_FEEDBACK_OTHER,
          "no REMB");
    packet.count = 9;
    CHECK(sfu_rtcp_feedback_parse(&packet, &feedback) == NX_OK && feedback.kind == SFU_RTCP_FEEDBACK_OTHER,
          "format");
    packet.type = SFU_RTCP_RTPFB;
    CHECK(sfu_rtcp_feedback_parse(&packet, &feedback) == NX_OK && feedback.kind == SFU_RTCP_FEEDBACK_OTHER,
          "format");
    packet.type = SFU_RTCP_XR;
    CHECK(sfu_rtcp_feedback_parse(&packet, &feedback) == NX_E_UNSUPPORTED, "another type");
}

TEST(rtcp_feedback, asks_for_key_frames)
{
    uint8_t room[64];
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    sfu_rtcp_feedback_pli_write(0xa, 0xb, &w);
    const uint8_t pli[] = {0x81, 206, 0, 2, 0, 0, 0, 0xa, 0, 0, 0, 0xb};
    CHECK(nx_bytes_equal(nx_writer_bytes(&w), nx_bytes_of(pli, sizeof(pli))), "PLI");
    CHECK(read_back(&w).kind == SFU_RTCP_FEEDBACK_PLI, "kind");
    const struct sfu_rtcp_feedback_fir firs[2] = {{.ssrc = 7, .sequence = 255}, {.ssrc = 8, .sequence = 0}};
    w = nx_writer_init(room, sizeof(room));
    sfu_rtcp_feedback_fir_write(1, firs, 2, &w);
    const struct sfu_rtcp_feedback feedback = read_back(&w);
    struct sfu_rtcp_feedback_fir again[2];
    unsigned count;
    CHECK(feedback.kind == SFU_RTCP_FEEDBACK_FIR && feedback.media_ssrc == 0, "FIR");
    CHECK(sfu_rtcp_feedback_firs(&feedback, again, 2, &count) == NX_OK && count == 2, "entries");
    CHECK(again[0].ssrc == 7 && again[0].sequence == 255 && again[1].ssrc == 8, "entries");
    CHECK(sfu_rtcp_feedback_firs(&feedback, again, 1, &count) == NX_OK && count == 1, "capped");
}

TEST(rtcp_feedback, carries_a_bitrate)
{
    const uint64_t rates[] = {0, 1, 262143, 262144, 1000000, 8250000000, UINT64_MAX};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        const struct sfu_rtcp_feedback_remb remb = {
            .bitrate_bps = rates[i], .ssrcs_count = 2, .ssrcs = {3, 4}};
        uint8_t room[64];
        struct nx_writer w = nx_writer_init(room, sizeof(room));
        sfu_rtcp_feedback_remb_write(9, &remb, &w);
        const struct sfu_rtcp_feedback feedback = read_back(&w);
        struct sfu_rtcp_feedback_remb again;
        CHECK(feedback.kind == SFU_RTCP_FEEDBACK_REMB, "kind");
        CHECK(sfu_rtcp_feedback_remb_parse(&feedback, &again) == NX_OK, "refused");
        CHECK(again.ssrcs_count == 2 && again.ssrcs[0] == 3 && again.ssrcs[1] == 4, "ssrcs");
        CHECK(again.bitrate_bps <= rates[i] && again.bitrate_bps >= rates[i] - rates[i] / 131072, "rate %zu",
              i);
    }
}

TEST(rtcp_feedback, saturates_a_bitrate_of_2_to_the_81_and_refuses_ssrcs_past_the_end)
{
    uint8_t body[16 + 4] = {0, 0, 0, 1, 0, 0, 0, 0, 'R', 'E', 'M', 'B', 1, 0xff, 0xff, 0xff};
    const struct sfu_rtcp packet = {
        .body = nx_bytes_of(body, sizeof(body)), .type = SFU_RTCP_PSFB, .count = 15};
    struct sfu_rtcp_feedback feedback;
    struct sfu_rtcp_feedback_remb remb;
    CHECK(sfu_rtcp_feedback_parse(&packet, &feedback) == NX_OK && feedback.kind == SFU_RTCP_FEEDBACK_REMB,
          "kind");
    CHECK(sfu_rtcp_feedback_remb_parse(&feedback, &remb) == NX_OK && remb.bitrate_bps == UINT64_MAX,
          "saturated");
    body[12] = 2;
    CHECK(sfu_rtcp_feedback_remb_parse(&feedback, &remb) == NX_E_TRUNCATED, "two ssrcs");
    body[12] = 255;
    CHECK(sfu_rtcp_feedback_remb_parse(&feedback, &remb) == NX_E_TRUNCATED, "255 ssrcs");
    feedback.entries.size = 4;
    CHECK(sfu_rtcp_feedback_remb_parse(&feedback, &remb) == NX_E_TRUNCATED, "the name alone");
    static uint8_t large[16 + 4 * 255] = {0, 0, 0, 1, 0, 0, 0, 0, 'R', 'E', 'M', 'B', 255};
    const struct sfu_rtcp many = {
        .body = nx_bytes_of(large, sizeof(large)), .type = SFU_RTCP_PSFB, .count = 15};
    CHECK(sfu_rtcp_feedback_parse(&many, &feedback) == NX_OK, "head");
    CHECK(sfu_rtcp_feedback_remb_parse(&feedback, &remb) == NX_OK &&
              remb.ssrcs_count == SFU_RTCP_REMB_SSRCS_MAX,
          "cap");
    CHECK(remb.bitrate_bps == 0, "a bitrate of 0 is told as it is");
}
