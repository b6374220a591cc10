/* Goal: a mark survives every place in a text, and nothing else is taken for one. */
#include "loadtest/stamp.h"
#include "tests/lib/check.h"

#include <string.h>

static const struct load_stamp STAMPS[] = {
    {.run = 0, .stream = 0, .number = 1, .ns = 0},
    {.run = 0xffff, .stream = 0xffffff, .number = UINT32_MAX, .ns = INT64_MAX},
    {.run = 0x1234, .stream = 77, .number = 4000000000U, .ns = INT64_C(1234567890123456789)},
};

static bool same(const struct load_stamp *a, const struct load_stamp *b)
{
    return a->run == b->run && a->stream == b->stream && a->number == b->number && a->ns == b->ns;
}

TEST(stamp, is_found_wherever_it_stands)
{
    uint8_t text[300];
    for (size_t i = 0; i < sizeof(STAMPS) / sizeof(STAMPS[0]); i++) {
        for (size_t at = 0; at + LOAD_STAMP_SIZE <= sizeof(text); at++) {
            struct load_stamp got = {0};
            size_t hint = 17;
            memset(text, '~', sizeof(text)); /* the worst neighbours */
            load_stamp_put(text + at, &STAMPS[i]);
            CHECK(load_stamp_find(nx_bytes_of(text, sizeof(text)), &hint, &got), "stamp %zu at %zu", i, at);
            CHECK(same(&got, &STAMPS[i]) && hint == at, "stamp %zu at %zu, hint %zu", i, at, hint);
            CHECK(load_stamp_find(nx_bytes_of(text, sizeof(text)), &hint, &got) && hint == at, "by its hint");
        }
    }
}

TEST(stamp, every_cut_of_it_is_none)
{
    uint8_t text[LOAD_STAMP_SIZE];
    load_stamp_put(text, &STAMPS[2]);
    for (size_t size = 0; size < sizeof(text); size++) {
        struct load_stamp got;
        size_t hint = 0;
        CHECK(!load_stamp_find(nx_bytes_of(text, size), &hint, &got), "%zu bytes", size);
    }
}

TEST(stamp, every_changed_character_is_noticed)
{
    uint8_t text[LOAD_STAMP_SIZE];
    for (size_t at = 0; at < sizeof(text); at++) {
        for (int c = 0; c < 256; c++) {
            struct load_stamp got;
            size_t hint = 0;
            load_stamp_put(text, &STAMPS[2]);
            if (text[at] == (uint8_t)c) {
                continue;
            }
            text[at] = (uint8_t)c;
            CHECK(!load_stamp_find(nx_bytes_of(text, sizeof(text)), &hint, &got), "character %zu as %d", at,
                  c);
        }
    }
}

TEST(stamp, a_broken_one_does_not_hide_the_next)
{
    uint8_t text[2 * LOAD_STAMP_SIZE + 1];
    struct load_stamp got = {0};
    size_t hint = SIZE_MAX;
    load_stamp_put(text, &STAMPS[0]);
    text[5] = 'g';
    text[LOAD_STAMP_SIZE] = '~';
    load_stamp_put(text + LOAD_STAMP_SIZE + 1, &STAMPS[2]);
    CHECK(load_stamp_find(nx_bytes_of(text, sizeof(text)), &hint, &got) && same(&got, &STAMPS[2]),
          "the second");
}

TEST(stamp, holds_nothing_that_json_escapes)
{
    uint8_t text[LOAD_STAMP_SIZE];
    load_stamp_put(text, &STAMPS[1]);
    for (size_t i = 0; i < sizeof(text); i++) {
        const bool is_plain =
            text[i] == '~' || (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
        CHECK(is_plain, "character %zu is %d", i, text[i]);
    }
}
