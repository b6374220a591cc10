/* Goal: a compound is walked packet by packet, and one broken header refuses the whole. */
#include "sfu/wire/rtcp.h"

#include "sfu/wire/limits.h"
#include "tests/lib/check.h"

/* RR without blocks, SDES with an empty chunk, BYE with a word of padding. */
static const uint8_t COMPOUND[] = {0x80, 201, 0, 1, 0,    0,   0, 1, 0x81, 202, 0, 2, 0, 0, 0, 1,
                                   0,    0,   0, 0, 0xa1, 203, 0, 2, 0,    0,   0, 1, 0, 0, 0, 4};

TEST(rtcp, walks_a_compound)
{
    const struct nx_bytes whole = nx_bytes_of(COMPOUND, sizeof(COMPOUND));
    CHECK(sfu_rtcp_check(whole) == NX_OK, "refused");
    struct nx_reader in = nx_reader_init(whole.at, whole.size);
    struct sfu_rtcp packet;
    CHECK(sfu_rtcp_next(&in, &packet) && packet.type == SFU_RTCP_RR && packet.body.size == 4, "rr");
    CHECK(packet.count == 0, "no blocks");
    CHECK(sfu_rtcp_next(&in, &packet) && packet.type == SFU_RTCP_SDES && packet.body.size == 8, "sdes");
    CHECK(sfu_rtcp_next(&in, &packet) && packet.type == SFU_RTCP_BYE && packet.count == 1, "bye");
    CHECK(packet.body.size == 4, "padding is off");
    CHECK(!sfu_rtcp_next(&in, &packet), "end");
}

TEST(rtcp, refuses_every_prefix_that_cuts_a_packet)
{
    for (size_t size = 0; size < sizeof(COMPOUND); size++) {
        const enum nx_err wanted = size == 8 || size == 20 ? NX_OK : NX_E_TRUNCATED;
        CHECK(sfu_rtcp_check(nx_bytes_of(COMPOUND, size)) == wanted, "prefix of %zu", size);
        struct nx_reader in = nx_reader_init(COMPOUND, size);
        struct sfu_rtcp packet;
        unsigned count = 0;
        while (sfu_rtcp_next(&in, &packet)) {
            count++;
        }
        CHECK(count <= 2, "a walk ends");
    }
}

TEST(rtcp, refuses_versions_types_and_padding_out_of_place)
{
    static const struct {
        size_t at;
        uint8_t value;
        enum nx_err wanted;
    } cases[] = {
        {0, 0x40, NX_E_MALFORMED}, {0, 0xa0, NX_E_MALFORMED}, {1, 191, NX_E_MALFORMED},
        {1, 224, NX_E_MALFORMED},  {1, 192, NX_OK},           {1, 223, NX_OK},
        {31, 0, NX_E_MALFORMED},   {31, 3, NX_E_MALFORMED},   {31, 8, NX_OK},
        {31, 12, NX_E_MALFORMED},  {23, 3, NX_E_TRUNCATED},   {2, 0xff, NX_E_TRUNCATED},
        {20, 0x81, NX_OK},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t bytes[sizeof(COMPOUND)];
        memcpy(bytes, COMPOUND, sizeof(bytes));
        bytes[cases[i].at] = cases[i].value;
        CHECK(sfu_rtcp_check(nx_bytes_of(bytes, sizeof(bytes))) == cases[i].wanted, "case %zu", i);
    }
    const uint8_t empty_padded[] = {0xa0, 201, 0, 0};
    CHECK(sfu_rtcp_check(nx_bytes_of(empty_padded, 4)) == NX_E_MALFORMED, "padding without a byte");
}

TEST(rtcp, refuses_endless_compounds)
{
    static uint8_t bytes[(SFU_RTCP_PACKETS_MAX + 1) * 4];
    for (size_t i = 0; i < sizeof(bytes); i += 4) {
        bytes[i] = 0x80;
        bytes[i + 1] = SFU_RTCP_APP;
    }
    CHECK(sfu_rtcp_check(nx_bytes_of(bytes, sizeof(bytes) - 4)) == NX_OK, "as many as allowed");
    CHECK(sfu_rtcp_check(nx_bytes_of(bytes, sizeof(bytes))) == NX_E_MALFORMED, "one more");
}

TEST(rtcp, frames_what_is_written)
{
    uint8_t room[32];
    for (size_t size = 0; size <= 9; size++) {
        struct nx_writer w = nx_writer_init(room, sizeof(room));
        nx_writer_u8(&w, 0xee); /* packets need not start on a word of the buffer */
        const size_t start = sfu_rtcp_begin(&w, SFU_RTCP_APP, 31);
        for (size_t i = 0; i < size; i++) {
            nx_writer_u8(&w, 0xff);
        }
        sfu_rtcp_end(&w, start);
        struct nx_reader in = nx_reader_init(room + 1, w.size - 1);
        struct sfu_rtcp packet;
        CHECK(sfu_rtcp_next(&in, &packet) && packet.type == SFU_RTCP_APP && packet.count == 31, "size %zu",
              size);
        CHECK(packet.body.size == (size + 3) / 4 * 4 && nx_reader_left(&in) == 0, "size %zu", size);
        for (size_t i = 0; i < packet.body.size; i++) {
            CHECK(packet.body.at[i] == (i < size ? 0xff : 0), "zeros behind %zu", size);
        }
    }
    struct nx_writer w = nx_writer_init(room, 6);
    const size_t start = sfu_rtcp_begin(&w, SFU_RTCP_APP, 0);
    nx_writer_u8(&w, 1);
    sfu_rtcp_end(&w, start);
    CHECK(!nx_writer_ok(&w), "no room for the word");
}
