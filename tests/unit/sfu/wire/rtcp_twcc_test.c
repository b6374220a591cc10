/* Goal: reports read as the draft draws them, what is written reads back within a quarter of a millisecond, and chunks or
 * deltas that the packet does not have are refused. */
#include "sfu/wire/rtcp_twcc.h"

#include "engine/base/prng.h"
#include "tests/lib/check.h"

static struct sfu_rtcp_feedback feedback_of(const void *entries, size_t size)
{
    return (struct sfu_rtcp_feedback){.entries = nx_bytes_of(entries, size), .kind = SFU_RTCP_FEEDBACK_TWCC};
}

static struct sfu_rtcp_twcc read_back(const struct nx_writer *w)
{
    struct nx_reader in = nx_reader_init(w->start, w->size);
    struct sfu_rtcp packet;
    struct sfu_rtcp_feedback feedback;
    struct sfu_rtcp_twcc report;
    CHECK(nx_writer_ok(w) && sfu_rtcp_check(nx_writer_bytes(w)) == NX_OK, "a compound");
    CHECK(sfu_rtcp_next(&in, &packet) && nx_reader_left(&in) == 0, "one packet");
    CHECK(sfu_rtcp_feedback_parse(&packet, &feedback) == NX_OK, "feedback");
    CHECK(sfu_rtcp_twcc_parse(&feedback, &report) == NX_OK, "report");
    return report;
}

TEST(rtcp_twcc, reads_every_kind_of_chunk)
{
    /* base 0xfffe, 27 packets, reference -1, count 5: run of 3 small, 14 one-bit (10000000000001), 7 two-bit
     * (0 1 2 0 0 0 2), then 3 of a run of 100 lost. */
    const uint8_t entries[] = {0xff, 0xfe, 0,   27, 0xff, 0xff, 0xff, 5, 0x20, 3,    0xa0, 0x01, 0xc6,
                               0x02, 0,    100, 1,  2,    3,    4,    5, 6,    0xff, 0xff, 0x80, 0x00};
    const struct sfu_rtcp_feedback feedback = feedback_of(entries, sizeof(entries));
    struct sfu_rtcp_twcc report;
    CHECK(sfu_rtcp_twcc_parse(&feedback, &report) == NX_OK, "refused");
    CHECK(report.sequence_first == 0xfffe && report.count == 27 && report.reference == -1, "head");
    CHECK(report.feedback_count == 5 && report.chunks.size == 8 && report.deltas.size == 10, "parts");
    static const struct {
        unsigned index;
        int64_t ticks;
    } arrived[] = {{0, 1}, {1, 3}, {2, 6}, {3, 10}, {16, 15}, {18, 21}, {19, 20}, {23, 20 - 32768}};
    struct sfu_rtcp_twcc_walk walk = sfu_rtcp_twcc_walk(&report);
    struct sfu_rtcp_twcc_status status;
    unsigned next = 0;
    for (unsigned i = 0; i < 27; i++) {
        CHECK(sfu_rtcp_twcc_next(&walk, &status), "status %u", i);
        CHECK(status.sequence == (uint16_t)(0xfffe + i), "sequence %u", i);
        if (next < 8 && arrived[next].index == i) {
            CHECK(status.arrival_us == -64000 + arrived[next].ticks * 250, "arrival %u", i);
            next++;
        } else {
            CHECK(status.arrival_us == SFU_RTCP_TWCC_LOST, "lost %u", i);
        }
    }
    CHECK(next == 8 && !sfu_rtcp_twcc_next(&walk, &status), "end");
    for (size_t size = 0; size < sizeof(entries); size++) {
        const struct sfu_rtcp_feedback prefix = feedback_of(entries, size);
        struct sfu_rtcp_twcc untouched = report;
        CHECK(sfu_rtcp_twcc_parse(&prefix, &untouched) == NX_E_TRUNCATED, "prefix %zu", size);
        CHECK(memcmp(&untouched, &report, sizeof(report)) == 0, "out touched");
    }
}

TEST(rtcp_twcc, refuses_chunk_counts_that_the_packet_does_not_have)
{
    struct sfu_rtcp_twcc report;
    uint8_t entries[] = {0, 1, 0, 0, 0, 0, 0, 0, 0x20, 1, 0, 0};
    const struct sfu_rtcp_feedback feedback = feedback_of(entries, sizeof(entries));
    CHECK(sfu_rtcp_twcc_parse(&feedback, &report) == NX_E_MALFORMED, "no packet");
    entries[3] = 1;
    CHECK(sfu_rtcp_twcc_parse(&feedback, &report) == NX_OK, "one");
    entries[3] = 2;
    CHECK(sfu_rtcp_twcc_parse(&feedback, &report) == NX_E_TRUNCATED, "two");
    entries[2] = 0x10;
    entries[3] = 1;
    CHECK(sfu_rtcp_twcc_parse(&feedback, &report) == NX_E_MALFORMED, "4097");
    entries[2] = 0;
    entries[8] = 0x60;
    CHECK(sfu_rtcp_twcc_parse(&feedback, &report) == NX_E_MALFORMED, "reserved status");
    entries[8] = 0;
    entries[9] = 0;
    CHECK(sfu_rtcp_twcc_parse(&feedback, &report) == NX_E_TRUNCATED, "empty runs");
    struct sfu_rtcp_feedback other = feedback;
    other.kind = SFU_RTCP_FEEDBACK_NACK;
    CHECK(sfu_rtcp_twcc_parse(&other, &report) == NX_E_MALFORMED, "no report");
}

/* Writes, reads back and compares; returns how many packets were covered. */
static unsigned round_trip(const int64_t *arrivals, unsigned count, size_t space)
{
    static uint8_t room[65536];
    const struct sfu_rtcp_twcc_head head = {
        .sender_ssrc = 1, .media_ssrc = 2, .sequence_first = 65000, .feedback_count = 9};
    struct nx_writer w = nx_writer_init(room, space);
    const unsigned covered = sfu_rtcp_twcc_write(&head, arrivals, count, &w);
    CHECK(covered <= count && nx_writer_ok(&w) && (covered != 0) == (w.size != 0), "covers %u of %u", covered,
          count);
    if (covered == 0) {
        return 0;
    }
    const struct sfu_rtcp_twcc report = read_back(&w);
    CHECK(report.count == covered && report.sequence_first == 65000 && report.feedback_count == 9, "head");
    struct sfu_rtcp_twcc_walk walk = sfu_rtcp_twcc_walk(&report);
    struct sfu_rtcp_twcc_status status;
    bool has_origin = false;
    int64_t origin = 0;
    for (unsigned i = 0; i < covered; i++) {
        CHECK(sfu_rtcp_twcc_next(&walk, &status), "status %u", i);
        CHECK((status.arrival_us == SFU_RTCP_TWCC_LOST) == (arrivals[i] == SFU_RTCP_TWCC_LOST), "status %u",
              i);
        if (arrivals[i] == SFU_RTCP_TWCC_LOST) {
            continue;
        }
        if (!has_origin) {
            has_origin = true; /* 24 bits of reference time: the rest is the same for all */
            origin = arrivals[i] / 250 * 250 - status.arrival_us;
            CHECK(origin % 64000 == 0, "origin");
        }
        CHECK(status.arrival_us + origin == arrivals[i] / 250 * 250, "time %u", i);
    }
    CHECK(!sfu_rtcp_twcc_next(&walk, &status), "end");
    return covered;
}

TEST(rtcp_twcc, writes_what_reads_back)
{
    struct nx_prng random;
    nx_prng_init(&random, 7);
    static int64_t arrivals[SFU_RTCP_TWCC_MAX + 10];
    for (unsigned round = 0; round < 2000; round++) {
        const unsigned count = 1 + (unsigned)(nx_prng_u64(&random) % (round % 100 == 0 ? 4000 : 60));
        const unsigned loss = (unsigned)(nx_prng_u64(&random) % 101);
        const int64_t spread = (int64_t)(nx_prng_u64(&random) % 3) * 40000 + 300;
        int64_t now = (int64_t)(nx_prng_u64(&random) >> 20);
        bool has_one = false;
        for (unsigned i = 0; i < count; i++) {
            now += (int64_t)(nx_prng_u64(&random) % (uint64_t)spread) - spread / 8;
            now = now < 0 ? 0 : now;
            const bool is_lost = nx_prng_u64(&random) % 100 < loss;
            arrivals[i] = is_lost ? SFU_RTCP_TWCC_LOST : now;
            has_one = has_one || !is_lost;
        }
        CHECK(round_trip(arrivals, count, 65536) == (has_one ? count : 0), "round %u", round);
    }
}

TEST(rtcp_twcc, fits_its_room_and_goes_on_in_the_next_report)
{
    static int64_t arrivals[3000];
    for (unsigned i = 0; i < 3000; i++) {
        arrivals[i] = (int64_t)i * 1000 + (i % 3 == 0 ? 0 : 70000);
    }
    for (size_t space = 0; space < 1400; space += 7) {
        unsigned done = 0;
        unsigned reports = 0;
        while (done < 300) {
            const unsigned covered = round_trip(arrivals + done, 300 - done, space);
            if (covered == 0) {
                break;
            }
            done += covered;
            reports++;
        }
        CHECK(done == 300 ? reports <= 300 : space < 24, "space %zu: %u done", space, done);
    }
    CHECK(round_trip(arrivals, 3000, 1200) > 300, "a datagram holds hundreds");
}

TEST(rtcp_twcc, cuts_where_two_arrivals_are_too_far_apart_and_says_nothing_of_nothing)
{
    int64_t arrivals[] = {1000000, 1000250, 1000250 + 32768 * 250, 1000250 + 32769 * 250};
    CHECK(round_trip(arrivals, 4, 1200) == 2, "8.192 s");
    arrivals[2] -= 250;
    CHECK(round_trip(arrivals, 4, 1200) == 4, "just below");
    arrivals[1] = 9500000;
    arrivals[2] = 0;
    arrivals[3] = 0;
    CHECK(round_trip(arrivals, 4, 1200) == 1, "far back");
    const int64_t none[] = {SFU_RTCP_TWCC_LOST, SFU_RTCP_TWCC_LOST};
    CHECK(round_trip(none, 2, 1200) == 0, "none arrived");
    CHECK(round_trip(none, 0, 1200) == 0, "nothing");
}

TEST(rtcp_twcc, packs_long_runs_into_a_word)
{
    static int64_t arrivals[SFU_RTCP_TWCC_MAX + 10];
    for (unsigned i = 0; i < SFU_RTCP_TWCC_MAX + 10; i++) {
        arrivals[i] = SFU_RTCP_TWCC_LOST;
    }
    arrivals[0] = 5;
    uint8_t room[64];
    const struct sfu_rtcp_twcc_head head = {.sender_ssrc = 1};
    struct nx_writer w = nx_writer_init(room, 1200 < sizeof(room) ? 1200 : sizeof(room));
    CHECK(sfu_rtcp_twcc_write(&head, arrivals, 100, &w) == 100 && w.size <= 32, "size %zu", w.size);
    CHECK(round_trip(arrivals, SFU_RTCP_TWCC_MAX + 10, 65536) == SFU_RTCP_TWCC_MAX, "as many as are read");
}
