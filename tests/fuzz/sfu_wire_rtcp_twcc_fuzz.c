/* Property: whatever arrives in whatever order and however little room there is, the report that is written reads back with
 * the same packets at the same times. */
#include "sfu/wire/rtcp_twcc.h"
#include "tests/fuzz/fuzz.h"

enum { COUNT_MAX = 600 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct nx_bytes input = nx_bytes_of(bytes, size);
    static uint8_t room[4096];
    const size_t space = fuzz_number(&input, 2) % sizeof(room);
    int64_t now = (int64_t)fuzz_number(&input, 5);
    int64_t arrivals[COUNT_MAX];
    unsigned count = 0;
    while (input.size != 0 && count < COUNT_MAX) {
        const uint8_t code = fuzz_u8(&input);
        const int64_t scale = code & 8 ? 100000 : 17;
        now += (code & 4 ? -1 : 1) * (int64_t)fuzz_number(&input, code & 3) * scale;
        now = now < 0 ? 0 : now;
        for (unsigned i = 0; i <= (code >> 4 & 15u) && count < COUNT_MAX; i++) {
            arrivals[count++] = (code & 0x80) != 0 && i != 0 ? SFU_RTCP_TWCC_LOST : now;
        }
    }
    const struct sfu_rtcp_twcc_head head = {.sequence_first = (uint16_t)size};
    struct nx_writer w = nx_writer_init(room, space);
    const unsigned covered = sfu_rtcp_twcc_write(&head, arrivals, count, &w);
    fuzz_check(nx_writer_ok(&w) && covered <= count && (w.size != 0) == (covered != 0), "writer is fine");
    if (covered == 0) {
        return 0;
    }
    struct nx_reader in = nx_reader_init(room, w.size);
    struct sfu_rtcp packet;
    struct sfu_rtcp_feedback feedback;
    struct sfu_rtcp_twcc report;
    fuzz_check(sfu_rtcp_next(&in, &packet) && nx_reader_left(&in) == 0 &&
                   sfu_rtcp_feedback_parse(&packet, &feedback) == NX_OK &&
                   sfu_rtcp_twcc_parse(&feedback, &report) == NX_OK && report.count == covered,
               "reads back");
    struct sfu_rtcp_twcc_walk walk = sfu_rtcp_twcc_walk(&report);
    struct sfu_rtcp_twcc_status status;
    int64_t origin = INT64_MIN;
    for (unsigned i = 0; sfu_rtcp_twcc_next(&walk, &status); i++) {
        fuzz_check((status.arrival_us == SFU_RTCP_TWCC_LOST) == (arrivals[i] == SFU_RTCP_TWCC_LOST),
                   "lost or not");
        if (arrivals[i] != SFU_RTCP_TWCC_LOST) {
            const int64_t difference = arrivals[i] / 250 * 250 - status.arrival_us;
            fuzz_check(origin == INT64_MIN || origin == difference, "times");
            origin = difference;
        }
    }
    return 0;
}
