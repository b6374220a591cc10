/* Goal: UTF-8 is judged as RFC 3629 says, at the earliest byte, however it is cut; encodings are strict and reversible.
 * Method: every 1..3-byte text and the edges of 4, against a decoder that decodes first and judges the number. */
#include "engine/base/prng.h"
#include "engine/base/text.h"
#include "tests/lib/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The length of a valid code point at the front of `text`, or 0. */
static size_t reference_point(const uint8_t *at, size_t size)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const size_t length = at[0] < 0x80       ? 1
                          : at[0] >> 5 == 6  ? 2
                          : at[0] >> 4 == 14 ? 3
                          : at[0] >> 3 == 30 ? 4
                                             : 0;
    if (length == 0 || length > size) {
        return 0;
    }
    uint32_t point = length == 1 ? at[0] : at[0] & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        if (at[i] >> 6 != 2) {
            return 0;
        }
        point = point << 6 | (at[i] & 0x3f);
    }
    return point >= least[length] && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff) ? length : 0;
}

static bool reference_is_utf8(const uint8_t *at, size_t size)
{
    while (size > 0) {
        const size_t length = reference_point(at, size);
        if (length == 0) {
            return false;
        }
        at += length;
        size -= length;
    }
    return true;
}

TEST(text, utf8_agrees_with_a_decoder_on_short_texts)
{
    uint8_t text[3];
    for (uint32_t all = 0; all < 1U << 24; all++) {
        text[0] = (uint8_t)(all >> 16);
        text[1] = (uint8_t)(all >> 8);
        text[2] = (uint8_t)all;
        if (text[0] < 0x80 && text[1] < 0x80) {
            continue;
        }
        CHECK(nx_text_is_utf8(nx_bytes_of(text, 3)) == reference_is_utf8(text, 3), "%06x", all);
        if (text[2] == 0) {
            CHECK(nx_text_is_utf8(nx_bytes_of(text, 2)) == reference_is_utf8(text, 2), "%06x", all);
        }
    }
    static const uint8_t edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    for (unsigned lead = 0xe0; lead <= 0xff; lead++) {
        for (unsigned i = 0; i < 1000; i++) {
            const uint8_t four[4] = {(uint8_t)lead, edges[i / 100], edges[i / 10 % 10], edges[i % 10]};
            CHECK(nx_text_is_utf8(nx_bytes_of(four, 4)) == reference_is_utf8(four, 4), "%02x %u", lead, i);
        }
    }
}

TEST(text, utf8_may_be_cut_anywhere)
{
    static const char text[] = "plain ascii longer than eight \xc3\xa9 \xe2\x82\xac\xf0\x9f\x98\x80 and "
                               "\xed\x9f\xbf ascii again, 0123456789";
    const size_t size = sizeof(text) - 1;
    for (size_t cut = 0; cut <= size; cut++) {
        struct nx_text_utf8 state = {0};
        CHECK(nx_text_utf8_feed(&state, nx_bytes_of(text, cut)), "first %zu", cut);
        CHECK(nx_text_utf8_done(&state) == reference_is_utf8((const uint8_t *)text, cut), "done after %zu",
              cut);
        CHECK(nx_text_utf8_feed(&state, nx_bytes_of(text + cut, size - cut)) && nx_text_utf8_done(&state),
              "rest %zu", cut);
    }
    struct nx_text_utf8 state = {0};
    for (size_t i = 0; i < size; i++) {
        CHECK(nx_text_utf8_feed(&state, nx_bytes_of(text + i, 1)), "byte %zu", i);
    }
    CHECK(nx_text_utf8_done(&state), "byte by byte");
}

TEST(text, utf8_fails_at_the_first_bad_byte_and_stays_failed)
{
    static const struct {
        const char *text;
        size_t good; /* bytes before the verdict must fall */
    } cases[] = {
        {"abc\x80", 3},
        {"\xc0\x80", 0},
        {"\xc1", 0},
        {"\xe0\x9f\xbf", 1},
        {"\xed\xa0\x80", 1},
        {"\xf0\x8f\xbf\xbf", 1},
        {"\xf4\x90\x80\x80", 1},
        {"\xf5", 0},
        {"\xff", 0},
        {"\xe2\x82z", 2},
        {"12345678\xfe", 8},
        {"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90", 12},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nx_text_utf8 state = {0};
        for (size_t k = 0; k < cases[i].good; k++) {
            CHECK(nx_text_utf8_feed(&state, nx_bytes_of(cases[i].text + k, 1)), "case %zu byte %zu", i, k);
        }
        CHECK(!nx_text_utf8_feed(&state, nx_bytes_of(cases[i].text + cases[i].good, 1)), "case %zu", i);
        CHECK(!nx_text_utf8_feed(&state, nx_bytes_text("a")) && !nx_text_utf8_done(&state), "case %zu stays",
              i);
        CHECK(!nx_text_is_utf8(nx_bytes_text(cases[i].text)), "case %zu whole", i);
    }
}

TEST(text, points_and_trim)
{
    CHECK(nx_text_points(nx_bytes_text("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")) == 4, "four points");
    CHECK(nx_text_points(nx_bytes_text("")) == 0, "none");
    CHECK(nx_bytes_is(nx_text_trim(nx_bytes_text(" \t\r\n\v\fa b \n")), "a b"), "trimmed");
    CHECK(nx_text_trim(nx_bytes_text(" \n ")).size == 0 && nx_text_trim(nx_bytes_of(NULL, 0)).size == 0,
          "nothing left");
    CHECK(nx_bytes_is(nx_text_trim(nx_bytes_text("\x1f\xc2\xa0")), "\x1f\xc2\xa0"), "only ASCII white space");
}

TEST(text, base64_matches_the_rfc_vectors)
{
    static const struct {
        const char *plain, *padded, *url;
    } cases[] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
        {"\xfb\xff\xfe", "+//+", "-__-"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t memory[64];
        struct nx_writer out = nx_writer_init(memory, sizeof(memory));
        nx_text_base64_encode(nx_bytes_text(cases[i].plain), &out);
        CHECK(nx_bytes_is(nx_writer_bytes(&out), cases[i].padded), "%s", cases[i].padded);
        out = nx_writer_init(memory, sizeof(memory));
        nx_text_base64url_encode(nx_bytes_text(cases[i].plain), &out);
        CHECK(nx_bytes_is(nx_writer_bytes(&out), cases[i].url), "%s", cases[i].url);
        out = nx_writer_init(memory, strlen(cases[i].plain));
        CHECK(nx_text_base64_decode(nx_bytes_text(cases[i].padded), &out) == NX_OK, "%s", cases[i].padded);
        CHECK(nx_bytes_is(nx_writer_bytes(&out), cases[i].plain), "%s", cases[i].padded);
        out = nx_writer_init(memory, strlen(cases[i].plain));
        CHECK(nx_text_base64url_decode(nx_bytes_text(cases[i].url), &out) == NX_OK, "%s", cases[i].url);
        CHECK(nx_bytes_is(nx_writer_bytes(&out), cases[i].plain), "%s", cases[i].url);
        if (cases[i].plain[0] != '\0') {
            out = nx_writer_init(memory, strlen(cases[i].plain) - 1);
            CHECK(nx_text_base64_decode(nx_bytes_text(cases[i].padded), &out) == NX_E_FULL && out.size == 0 &&
                      nx_writer_ok(&out),
                  "%s does not fit", cases[i].padded);
        }
    }
}

TEST(text, base64_is_strict)
{
    static const char *const padded[] = {"Z",        "Zg",    "Zg=",   "Zh==",   "Zm9=", "====",     "Z===",
                                         "Zg==Zg==", "Zm9v=", "Zm 9v", "Zm9v\n", "-__-", "Zm9vYg=a", "=Zg="};
    static const char *const url[] = {"Z", "Zg==", "Zm8=", "Zh", "Zm9", "+//+", "Zm9vY", "Zm9v "};
    uint8_t memory[64];
    struct nx_writer out = nx_writer_init(memory, sizeof(memory));
    for (size_t i = 0; i < sizeof(padded) / sizeof(padded[0]); i++) {
        CHECK(nx_text_base64_decode(nx_bytes_text(padded[i]), &out) == NX_E_MALFORMED && out.size == 0, "%s",
              padded[i]);
    }
    for (size_t i = 0; i < sizeof(url) / sizeof(url[0]); i++) {
        CHECK(nx_text_base64url_decode(nx_bytes_text(url[i]), &out) == NX_E_MALFORMED && out.size == 0, "%s",
              url[i]);
    }
    CHECK(nx_text_base64_decode(nx_bytes_of("Zm9\0", 4), &out) == NX_E_MALFORMED, "a NUL is foreign");
}

TEST(text, hex_goes_both_ways)
{
    uint8_t memory[16];
    struct nx_writer out = nx_writer_init(memory, sizeof(memory));
    nx_text_hex_encode(nx_bytes_of("\x00\x7f\xab\xff", 4), &out);
    CHECK(nx_bytes_is(nx_writer_bytes(&out), "007fabff"), "encoded");
    out = nx_writer_init(memory, 4);
    CHECK(nx_text_hex_decode(nx_bytes_text("007FabfF"), &out) == NX_OK &&
              memcmp(memory, "\x00\x7f\xab\xff", 4) == 0,
          "decoded");
    CHECK(nx_text_hex_decode(nx_bytes_text("00"), &out) == NX_E_FULL && out.size == 4, "full");
    static const char *const bad[] = {"0", "0g", "g0", " 0", "0x", "@1", "`1", "00 "};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        out = nx_writer_init(memory, sizeof(memory));
        CHECK(nx_text_hex_decode(nx_bytes_text(bad[i]), &out) == NX_E_MALFORMED && out.size == 0, "%s",
              bad[i]);
    }
}

static struct nx_bytes time_text(int64_t ms)
{
    static uint8_t memory[24];
    struct nx_writer out = nx_writer_init(memory, sizeof(memory));
    nx_text_time_format(ms, &out);
    CHECK(nx_writer_ok(&out) && out.size == 24, "24 characters");
    return nx_writer_bytes(&out);
}

TEST(text, times_agree_with_the_c_library_and_parse_back)
{
    CHECK(nx_bytes_is(time_text(1767323045678LL), "2026-01-02T03:04:05.678Z"), "known time");
    CHECK(nx_bytes_is(time_text(-1), "1969-12-31T23:59:59.999Z"), "before 1970");
    CHECK(nx_bytes_is(time_text(INT64_MIN), "0000-01-01T00:00:00.000Z"), "clamped");
    CHECK(nx_bytes_is(time_text(INT64_MAX), "9999-12-31T23:59:59.999Z"), "clamped");
    struct nx_prng prng;
    nx_prng_init(&prng, 11);
    for (int i = 0; i < 100000; i++) {
        const int64_t ms = (int64_t)nx_prng_below(&prng, 315569519999999ULL) - 62167219200000LL;
        const struct nx_bytes text = time_text(ms);
        int64_t back = 0;
        CHECK(nx_text_time_parse(text, &back) == NX_OK && back == ms, "%lld", (long long)ms);
        const time_t seconds = (time_t)(ms >= 0 ? ms / 1000 : (ms - 999) / 1000);
        struct tm tm;
        gmtime_r(&seconds, &tm);
        char expected[64];
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                 (int)(ms - (int64_t)seconds * 1000));
        CHECK(nx_bytes_is(text, expected), "%s", expected);
    }
}

TEST(text, times_parse_by_the_letter)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: malformed */
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:01.5Z", 1500},
        {"1970-01-01T00:00:00.25Z", 250},
        {"1970-01-01T00:00:00.678000+00:00", 678},
        {"1970-01-01T00:00:00.123456789Z", 123},
        {"1970-01-01T02:00:00+02:00", 0},
        {"1969-12-31T19:00:00-05:00", 0},
        {"2024-02-29T00:00:00Z", 1709164800000LL},
        {"2000-02-29T00:00:00Z", 951782400000LL},
        {"", -1},
        {"1970-01-01", -1},
        {"1970-01-01T00:00:00", -1},
        {"1970-01-01 00:00:00Z", -1},
        {"1970-01-01t00:00:00z", -1},
        {"1970-1-01T00:00:00Z", -1},
        {"1970-13-01T00:00:00Z", -1},
        {"1970-00-01T00:00:00Z", -1},
        {"1970-01-00T00:00:00Z", -1},
        {"1970-01-32T00:00:00Z", -1},
        {"1970-04-31T00:00:00Z", -1},
        {"2023-02-29T00:00:00Z", -1},
        {"1900-02-29T00:00:00Z", -1},
        {"1970-01-01T24:00:00Z", -1},
        {"1970-01-01T00:60:00Z", -1},
        {"1970-01-01T00:00:60Z", -1},
        {"1970-01-01T00:00:00.Z", -1},
        {"1970-01-01T00:00:00.1234567890Z", -1},
        {"1970-01-01T00:00:00+0000", -1},
        {"1970-01-01T00:00:00+24:00", -1},
        {"1970-01-01T00:00:00+00:60", -1},
        {"1970-01-01T00:00:00ZZ", -1},
        {"+970-01-01T00:00:00Z", -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ms = -1;
        const enum nx_err err = nx_text_time_parse(nx_bytes_text(cases[i].text), &ms);
        CHECK(err == (cases[i].ms >= 0 ? NX_OK : NX_E_MALFORMED) && ms == cases[i].ms, "\"%s\" gave %lld",
              cases[i].text, (long long)ms);
    }
    static const char whole[] = "1970-01-01T00:00:00.678+00:00";
    for (size_t size = 0; size < sizeof(whole) - 1; size++) {
        int64_t ms;
        CHECK(nx_text_time_parse(nx_bytes_of(whole, size), &ms) == NX_E_MALFORMED, "prefix of %zu", size);
    }
}
