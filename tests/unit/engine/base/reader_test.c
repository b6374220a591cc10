/* Goal: fields come out as they were written, and the first read past the end poisons the rest. */
#include "engine/base/reader.h"
#include "engine/base/writer.h"
#include "tests/lib/check.h"

TEST(reader, reads_back_what_the_writer_wrote)
{
    uint8_t buffer[32];
    struct nx_writer out = nx_writer_init(buffer, sizeof(buffer));
    nx_writer_u8(&out, 0x12);
    nx_writer_u16(&out, 0x3456);
    nx_writer_u32(&out, 0x789abcde);
    nx_writer_u64(&out, 0xf0e1d2c3b4a59687ULL);
    nx_writer_text(&out, "tail");
    CHECK(nx_writer_ok(&out) && out.size == 19, "wrote %zu", out.size);

    struct nx_reader in = nx_reader_init(buffer, out.size);
    CHECK(nx_reader_u8(&in) == 0x12, "u8");
    CHECK(nx_reader_u16(&in) == 0x3456, "u16");
    CHECK(nx_reader_u32(&in) == 0x789abcde, "u32");
    CHECK(nx_reader_u64(&in) == 0xf0e1d2c3b4a59687ULL, "u64");
    CHECK(nx_bytes_is(nx_reader_bytes(&in, 4), "tail"), "bytes");
    CHECK(nx_reader_ok(&in) && nx_reader_left(&in) == 0, "all read");
}

TEST(reader, every_prefix_of_a_field_fails_and_stays_failed)
{
    const uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    for (size_t size = 0; size < 8; size++) {
        struct nx_reader in = nx_reader_init(bytes, size);
        CHECK(nx_reader_u64(&in) == 0 && !nx_reader_ok(&in), "u64 of %zu bytes", size);
        CHECK(nx_reader_u8(&in) == 0 && nx_reader_left(&in) == size, "position kept at %zu", size);
        struct nx_reader run = nx_reader_init(bytes, size);
        const struct nx_bytes cut = nx_reader_bytes(&run, 8);
        CHECK(cut.at == NULL && cut.size == 0 && !nx_reader_ok(&run), "bytes of %zu", size);
    }
}

TEST(writer, running_out_is_remembered)
{
    uint8_t buffer[4] = {0};
    struct nx_writer out = nx_writer_init(buffer, 3);
    nx_writer_u16(&out, 0x0102);
    nx_writer_u16(&out, 0x0304);
    nx_writer_u8(&out, 5);
    CHECK(!nx_writer_ok(&out) && out.size == 2 && buffer[2] == 0, "size %zu", out.size);
}

TEST(writer, decimals_have_no_leading_zeros)
{
    uint8_t buffer[64];
    struct nx_writer out = nx_writer_init(buffer, sizeof(buffer));
    nx_writer_decimal(&out, 0);
    nx_writer_text(&out, " ");
    nx_writer_decimal(&out, UINT64_MAX);
    CHECK(nx_bytes_is(nx_writer_bytes(&out), "0 18446744073709551615"), "decimals");
}
