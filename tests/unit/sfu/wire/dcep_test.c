/* Goal: a channel's opening reads and writes as RFC 8832 draws it; lengths that lie and texts of 64 KiB are refused. */
#include "sfu/wire/dcep.h"

#include "tests/lib/check.h"

TEST(dcep, writes_and_reads_an_opening)
{
    for (unsigned i = 0; i < 6; i++) {
        const struct sfu_dcep dcep = {.label = nx_bytes_text(i == 0 ? "" : "chat"),
                                      .protocol = nx_bytes_text(i == 1 ? "" : "p\xc3\xa4"),
                                      .limit = 0xfffffffe,
                                      .priority = 256,
                                      .reliability = (enum sfu_dcep_reliability)(i / 2),
                                      .is_unordered = i % 2 != 0};
        uint8_t room[64];
        struct nx_writer w = nx_writer_init(room, sizeof(room));
        sfu_dcep_write(&dcep, &w);
        struct sfu_dcep again;
        CHECK(nx_writer_ok(&w) && sfu_dcep_parse(nx_writer_bytes(&w), &again) == NX_OK, "%u", i);
        CHECK(nx_bytes_equal(again.label, dcep.label) && nx_bytes_equal(again.protocol, dcep.protocol),
              "texts %u", i);
        CHECK(again.limit == dcep.limit && again.priority == 256, "numbers %u", i);
        CHECK(again.reliability == dcep.reliability && again.is_unordered == dcep.is_unordered, "type %u", i);
        memset(&again, 0xaa, sizeof(again));
        const struct sfu_dcep untouched = again;
        for (size_t size = 0; size < w.size; size++) {
            CHECK(sfu_dcep_parse(nx_bytes_of(room, size), &again) == NX_E_TRUNCATED, "prefix %zu", size);
            CHECK(memcmp(&again, &untouched, sizeof(again)) == 0, "out touched");
        }
        CHECK(sfu_dcep_parse(nx_bytes_of(room, w.size + 1), &again) == NX_E_MALFORMED, "a byte over");
    }
}

TEST(dcep, refuses_other_messages_types_and_long_labels)
{
    static uint8_t message[12 + 65535] = {3, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0};
    struct sfu_dcep dcep;
    CHECK(sfu_dcep_parse(nx_bytes_of(message, sizeof(message)), &dcep) == NX_E_UNSUPPORTED,
          "a label of 64 KiB");
    CHECK(sfu_dcep_parse(nx_bytes_of(message, 1000), &dcep) == NX_E_TRUNCATED, "that is not there");
    uint8_t small[13] = {3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 'x'};
    CHECK(sfu_dcep_parse(nx_bytes_of(small, sizeof(small)), &dcep) == NX_OK, "good");
    small[12] = 0xff;
    CHECK(sfu_dcep_parse(nx_bytes_of(small, sizeof(small)), &dcep) == NX_E_MALFORMED, "no UTF-8");
    small[1] = 3;
    CHECK(sfu_dcep_parse(nx_bytes_of(small, sizeof(small)), &dcep) == NX_E_UNSUPPORTED, "type");
    small[1] = 0;
    small[0] = 1;
    CHECK(sfu_dcep_parse(nx_bytes_of(small, sizeof(small)), &dcep) == NX_E_UNSUPPORTED, "message");
}

TEST(dcep, knows_an_ack)
{
    uint8_t room[2] = {0};
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    sfu_dcep_write_ack(&w);
    CHECK(sfu_dcep_is_ack(nx_writer_bytes(&w)), "ack");
    CHECK(!sfu_dcep_is_ack(nx_bytes_of(room, 2)) && !sfu_dcep_is_ack(nx_bytes_of(room, 0)), "not these");
}
