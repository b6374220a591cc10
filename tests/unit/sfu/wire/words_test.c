/* Goal: lines are cut at their separators, numbers are digits within their range and nothing else. */
#include "sfu/wire/words.h"

#include "tests/lib/check.h"

TEST(words, cuts_lines)
{
    struct nx_bytes rest = nx_bytes_text("  one two  three ");
    CHECK(nx_bytes_is(sfu_words_next(&rest), "one"), "one");
    CHECK(nx_bytes_is(sfu_words_next(&rest), "two"), "two");
    CHECK(nx_bytes_is(sfu_words_next(&rest), "three"), "three");
    CHECK(sfu_words_next(&rest).size == 0 && rest.size == 0, "end");
    CHECK(sfu_words_next(&rest).size == 0, "end again");
    rest = nx_bytes_text("a:b:c");
    CHECK(nx_bytes_is(sfu_words_until(&rest, ':'), "a") && nx_bytes_is(rest, "b:c"), "until");
    CHECK(nx_bytes_is(sfu_words_until(&rest, ';'), "b:c") && rest.size == 0, "no stop");
    rest = nx_bytes_text(":x");
    CHECK(sfu_words_until(&rest, ':').size == 0 && nx_bytes_is(rest, "x"), "empty word");
}

TEST(words, reads_numbers)
{
    uint64_t number = 7;
    CHECK(sfu_words_number(nx_bytes_text("18446744073709551615"), UINT64_MAX, &number) &&
              number == UINT64_MAX,
          "largest");
    number = 7;
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "0x1", "1e3", "18446744073709551616", "99999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(!sfu_words_number(nx_bytes_text(bad[i]), UINT64_MAX, &number), "%s", bad[i]);
    }
    CHECK(!sfu_words_number(nx_bytes_text("256"), 255, &number) && number == 7, "range");
    CHECK(sfu_words_number(nx_bytes_text("000255"), 255, &number) && number == 255, "leading zeros");
}

TEST(words, compares_without_case)
{
    CHECK(sfu_words_is(nx_bytes_text("SHA-256"), "sha-256") && sfu_words_is(nx_bytes_text("vp8"), "VP8"),
          "same");
    CHECK(!sfu_words_is(nx_bytes_text("vp"), "VP8") && !sfu_words_is(nx_bytes_text("vp89"), "VP8"),
          "prefixes");
    CHECK(!sfu_words_is(nx_bytes_text("v[8"), "V{8"), "letters only");
    CHECK(sfu_words_is(nx_bytes_of(NULL, 0), ""), "nothing");
}
