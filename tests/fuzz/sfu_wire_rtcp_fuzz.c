/* Property: walking any compound ends, every view of every packet lies inside it, counts stay below their caps, and what is
 * written from what was read reads the same. */
#include "sfu/wire/rtcp_report.h"
#include "sfu/wire/rtcp_twcc.h"
#include "sfu/wire/rtcp_xr.h"
#include "tests/fuzz/fuzz.h"

static uint8_t room[1 << 18];

static struct sfu_rtcp only_packet(const struct nx_writer *w)
{
    struct nx_reader in = nx_reader_init(w->start, w->size);
    struct sfu_rtcp packet = {0};
    fuzz_check(nx_writer_ok(w) && sfu_rtcp_check(nx_writer_bytes(w)) == NX_OK, "written compound is one");
    fuzz_check(sfu_rtcp_next(&in, &packet) && nx_reader_left(&in) == 0, "one packet");
    return packet;
}

static void check_report(const struct sfu_rtcp *packet)
{
    struct sfu_rtcp_report report;
    if (sfu_rtcp_report_parse(packet, &report) != NX_OK) {
        return;
    }
    struct sfu_rtcp_report_block blocks[31];
    for (unsigned i = 0; i < report.blocks_count; i++) {
        blocks[i] = sfu_rtcp_report_block_at(&report, i);
    }
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    sfu_rtcp_report_write(&report, blocks, report.blocks_count, &w);
    fuzz_check(w.size - 4 <= packet->body.size && memcmp(room + 4, packet->body.at, w.size - 4) == 0,
               "as read");
}

static void check_sdes(const struct sfu_rtcp *packet)
{
    struct sfu_rtcp_report_sdes walk;
    struct sfu_rtcp_report_item item;
    if (sfu_rtcp_report_sdes_init(packet, &walk) == NX_OK) {
        for (size_t count = 0; sfu_rtcp_report_sdes_next(&walk, &item); count++) {
            fuzz_check(fuzz_is_inside(item.text, packet->body) && count < packet->body.size, "item inside");
        }
    }
    struct sfu_rtcp_report_bye bye;
    if (sfu_rtcp_report_bye_parse(packet, &bye) == NX_OK) {
        fuzz_check(fuzz_is_inside(bye.reason, packet->body), "reason inside");
        for (unsigned i = 0; i < bye.ssrcs_count; i++) {
            (void)sfu_rtcp_report_bye_ssrc(&bye, i);
        }
    }
}

static void check_xr(const struct sfu_rtcp *packet)
{
    struct sfu_rtcp_xr xr;
    struct sfu_rtcp_xr again;
    if (sfu_rtcp_xr_parse(packet, &xr) == NX_OK) {
        struct nx_writer w = nx_writer_init(room, sizeof(room));
        sfu_rtcp_xr_write(&xr, &w);
        const struct sfu_rtcp written = only_packet(&w);
        fuzz_check(sfu_rtcp_xr_parse(&written, &again) == NX_OK, "written report reads");
        fuzz_check(again.ntp == xr.ntp && again.dlrrs_count == xr.dlrrs_count, "the same");
        fuzz_check(memcmp(again.dlrrs, xr.dlrrs, xr.dlrrs_count * sizeof(xr.dlrrs[0])) == 0,
                   "the same answers");
    }
}

static void check_twcc(const struct sfu_rtcp_feedback *feedback)
{
    struct sfu_rtcp_twcc report;
    if (sfu_rtcp_twcc_parse(feedback, &report) != NX_OK) {
        return;
    }
    fuzz_check(fuzz_is_inside(report.chunks, feedback->entries) &&
                   fuzz_is_inside(report.deltas, feedback->entries),
               "views inside");
    struct sfu_rtcp_twcc_walk walk = sfu_rtcp_twcc_walk(&report);
    struct sfu_rtcp_twcc_status status;
    unsigned count = 0;
    while (sfu_rtcp_twcc_next(&walk, &status)) {
        count++;
    }
    fuzz_check(count == report.count && nx_reader_ok(&walk.chunks) && nx_reader_ok(&walk.deltas),
               "walk ends in order");
    fuzz_check(nx_reader_left(&walk.deltas) == 0, "all deltas read");
}

static void check_feedback(const struct sfu_rtcp *packet)
{
    struct sfu_rtcp_feedback feedback;
    if (sfu_rtcp_feedback_parse(packet, &feedback) != NX_OK) {
        return;
    }
    uint16_t sequences[SFU_RTCP_NACKS_MAX];
    struct sfu_rtcp_feedback_fir firs[SFU_RTCP_FIRS_MAX];
    struct sfu_rtcp_feedback_remb remb;
    struct sfu_rtcp_feedback_remb again;
    unsigned count = 0;
    if (sfu_rtcp_feedback_nacks(&feedback, sequences, SFU_RTCP_NACKS_MAX, &count) == NX_OK) {
        fuzz_check(count >= 1 && count <= SFU_RTCP_NACKS_MAX, "capped");
        struct nx_writer w = nx_writer_init(room, sizeof(room));
        sfu_rtcp_feedback_nack_write(1, 2, sequences, count, &w);
        (void)only_packet(&w);
    }
    if (sfu_rtcp_feedback_firs(&feedback, firs, SFU_RTCP_FIRS_MAX, &count) == NX_OK) {
        fuzz_check(count >= 1 && count <= SFU_RTCP_FIRS_MAX, "capped");
    }
    if (sfu_rtcp_feedback_remb_parse(&feedback, &remb) == NX_OK) {
        struct nx_writer w = nx_writer_init(room, sizeof(room));
        sfu_rtcp_feedback_remb_write(1, &remb, &w);
        const struct sfu_rtcp written = only_packet(&w);
        fuzz_check(sfu_rtcp_feedback_parse(&written, &feedback) == NX_OK &&
                       sfu_rtcp_feedback_remb_parse(&feedback, &again) == NX_OK,
                   "written bitrate reads");
        fuzz_check(again.ssrcs_count == remb.ssrcs_count, "as many");
        fuzz_check(remb.bitrate_bps == UINT64_MAX || again.bitrate_bps == remb.bitrate_bps, "the same");
    }
    check_twcc(&feedback);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = fuzz_copy(nx_bytes_of(bytes, size));
    const struct nx_bytes whole = nx_bytes_of(copy, size);
    const bool is_compound = sfu_rtcp_check(whole) == NX_OK;
    struct nx_reader in = nx_reader_init(copy, size);
    struct sfu_rtcp packet;
    while (sfu_rtcp_next(&in, &packet)) {
        fuzz_check(fuzz_is_inside(packet.body, whole), "body inside");
        check_report(&packet);
        check_sdes(&packet);
        check_xr(&packet);
        check_feedback(&packet);
    }
    fuzz_check(!is_compound || nx_reader_left(&in) == 0, "a checked compound is walked to its end");
    free(copy);
    return 0;
}
