/* Goal: ids rise whatever the clock does, carry their time, and only canonical decimals parse. */
#include "engine/base/id.h"
#include "engine/base/prng.h"
#include "tests/lib/check.h"

static const int64_t NOW_MS = 1767323045678LL;

TEST(id, is_made_of_time_node_and_counter)
{
    struct nx_id_mint mint;
    nx_id_init(&mint, 5, 0);
    const uint64_t ms = (uint64_t)(NOW_MS - 1420070400000LL);
    CHECK(nx_id_next(&mint, NOW_MS) == (ms << 22 | 5 << 12), "first");
    CHECK(nx_id_next(&mint, NOW_MS) == (ms << 22 | 5 << 12 | 1), "second of the same millisecond");
    CHECK(nx_id_next(&mint, NOW_MS + 1) == ((ms + 1) << 22 | 5 << 12), "next millisecond");
    CHECK(nx_id_next(&mint, NOW_MS - 5000) == ((ms + 1) << 22 | 5 << 12 | 1), "clock set back: held");
    CHECK(nx_id_ms(mint.last) == NOW_MS + 1, "its time");
    CHECK(nx_id_from_ms(NOW_MS) == ms << 22 && nx_id_from_ms(0) == 0, "lowest of a millisecond");
    /* From the documentation of the format: id 175928847299117063 was made at 2016-04-30 11:18:25.796 UTC. */
    CHECK(nx_id_ms(175928847299117063ULL) == 1462015105796LL, "known id");
}

TEST(id, rises_through_overflow_and_jumping_clocks)
{
    struct nx_id_mint mint;
    nx_id_init(&mint, 1023, 0);
    uint64_t last = 0;
    for (int i = 0; i < 10000; i++) {
        const uint64_t id = nx_id_next(&mint, NOW_MS);
        CHECK(id > last && (id >> 12 & 1023) == 1023, "id %d", i);
        last = id;
    }
    CHECK(nx_id_ms(last) == NOW_MS + 2, "10000 ids take three milliseconds");
    struct nx_prng prng;
    nx_prng_init(&prng, 3);
    for (int i = 0; i < 10000; i++) {
        const uint64_t id = nx_id_next(&mint, NOW_MS + (int64_t)nx_prng_below(&prng, 20000) - 10000);
        CHECK(id > last && id <= INT64_MAX, "id %d", i);
        last = id;
    }
    struct nx_id_mint restarted;
    nx_id_init(&restarted, 1023, last);
    CHECK(nx_id_next(&restarted, NOW_MS - 100000) > last,
          "nothing repeated after a restart with the clock set back");
    const int64_t extremes[] = {INT64_MIN, -1, 0, 1420070400000LL, INT64_MAX};
    for (int i = 0; i < 5; i++) {
        struct nx_id_mint fresh;
        nx_id_init(&fresh, 1, 0);
        const uint64_t id = nx_id_next(&fresh, extremes[i]);
        CHECK(id > 0 && id <= INT64_MAX, "clock %lld", (long long)extremes[i]);
    }
}

TEST(id, only_canonical_decimals_parse)
{
    static const struct {
        const char *text;
        uint64_t id; /* 0: malformed. */
    } cases[] = {
        {"1", 1},
        {"9223372036854775807", INT64_MAX},
        {"175928847299117063", 175928847299117063ULL},
        {"10", 10},
        {"", 0},
        {"0", 0},
        {"01", 0},
        {"-1", 0},
        {"+1", 0},
        {" 1", 0},
        {"1 ", 0},
        {"1a", 0},
        {"0x1", 0},
        {"1.0", 0},
        {"9223372036854775808", 0},
        {"9999999999999999999", 0},
        {"10000000000000000000", 0},
        {"18446744073709551617", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t id = 0;
        const enum nx_err err = nx_id_parse(nx_bytes_text(cases[i].text), &id);
        CHECK(err == (cases[i].id != 0 ? NX_OK : NX_E_MALFORMED) && id == cases[i].id, "\"%s\"",
              cases[i].text);
        if (cases[i].id != 0) {
            uint8_t text[NX_ID_TEXT_SIZE_MAX];
            struct nx_writer out = nx_writer_init(text, sizeof(text));
            nx_id_format(id, &out);
            CHECK(nx_writer_ok(&out) && nx_bytes_is(nx_writer_bytes(&out), cases[i].text), "%s back",
                  cases[i].text);
        }
    }
}
