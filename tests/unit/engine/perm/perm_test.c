/* Goal: bits have the documented numbers, the decimal form is strict, presets are subsets in the order of trust.
 * Method: tables; golden vectors tests/golden/perm/bits.json (NEXUS_GOLDEN_WRITE writes them anew). */
#include "engine/perm/perm.h"
#include "engine/perm/preset.h"

#include "tests/lib/check.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name;
    int bit;
    uint64_t value;
} bits[] = {
#define PERM(name, bit) {#name, bit, PERM_##name},
#include "engine/perm/perm.def"
#undef PERM
};

enum { BITS_COUNT = sizeof(bits) / sizeof(bits[0]) };

TEST(perm, bits_are_distinct_and_where_they_belong)
{
    uint64_t seen = 0;
    for (int i = 0; i < BITS_COUNT; i++) {
        CHECK(bits[i].value == UINT64_C(1) << bits[i].bit, "%s", bits[i].name);
        CHECK((seen & bits[i].value) == 0, "%s is used twice", bits[i].name);
        seen |= bits[i].value;
    }
    CHECK(seen == PERM_ALL && seen >> 63 == 0, "all, clear of the sign");
    CHECK(PERM_VIEW_CHANNEL == 0x400 && PERM_SEND_MESSAGES == 0x800 && PERM_ADMINISTRATOR == 8,
          "Discord's values");
    CHECK(PERM_USE_APPLICATION_COMMANDS == 0x80000000 && PERM_MODERATE_MEMBERS == UINT64_C(0x10000000000),
          "above 2^31");
    CHECK(PERM_BYPASS_SLOWMODE == UINT64_C(0x10000000000000), "the highest of Discord's");
    CHECK((PERM_ALL & (UINT64_C(1) << 47 | UINT64_C(1) << 53 | UINT64_C(1) << 63)) == 0, "free bits");
}

static const struct {
    const char *text;
    uint64_t value;
} good[] = {
    {"0", 0},
    {"8", 8},
    {"2112", 0x840}, /* Discord's own example */
    {"4503599627370496", UINT64_C(1) << 52},
    {"9223372036854775807", INT64_MAX},
};

TEST(perm, parses_and_formats_the_decimal_form)
{
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        uint64_t value = 1;
        uint8_t text[PERM_DECIMAL_SIZE_MAX];
        struct nx_writer w = nx_writer_init(text, sizeof(text));
        CHECK(perm_parse(nx_bytes_text(good[i].text), &value) == NX_OK && value == good[i].value, "%s",
              good[i].text);
        perm_format(value, &w);
        CHECK(nx_writer_ok(&w) && nx_bytes_is(nx_writer_bytes(&w), good[i].text), "%s", good[i].text);
    }
}

TEST(perm, refuses_what_is_not_the_decimal_form)
{
    static const char *const bad[] = {"",
                                      " 1",
                                      "1 ",
                                      "-1",
                                      "+1",
                                      "01",
                                      "00",
                                      "0x8",
                                      "8.0",
                                      "1e3",
                                      "abc",
                                      "null",
                                      "1\n",
                                      "9223372036854775808",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "100000000000000000000"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t value = 77;
        CHECK(perm_parse(nx_bytes_text(bad[i]), &value) == NX_E_MALFORMED && value == 77, "%s", bad[i]);
    }
    uint64_t value;
    CHECK(perm_parse(nx_bytes_of("1\0", 2), &value) == NX_E_MALFORMED, "a zero byte");
}

/* The sets are held in variables first: spelled out inside a check they make its text too long for the compiler. */
TEST(perm, presets_grow_with_trust)
{
    const uint64_t everyone = PERM_PRESET_EVERYONE;
    const uint64_t member = PERM_PRESET_MEMBER;
    const uint64_t moderator = PERM_PRESET_MODERATOR;
    const uint64_t admin = PERM_PRESET_ADMIN;
    const uint64_t powers = PERM_ADMINISTRATOR | PERM_MANAGE_GUILD | PERM_MANAGE_ROLES |
                            PERM_MANAGE_CHANNELS | PERM_MANAGE_WEBHOOKS | PERM_MANAGE_FEDERATION |
                            PERM_MANAGE_ENCRYPTION;
    const uint64_t of_others = powers | PERM_KICK_MEMBERS | PERM_BAN_MEMBERS | PERM_MANAGE_MESSAGES |
                               PERM_MODERATE_MEMBERS | PERM_MENTION_EVERYONE | PERM_MUTE_MEMBERS |
                               PERM_MOVE_MEMBERS;
    CHECK((everyone & ~member) == 0 && (member & ~moderator) == 0, "each has what the former has");
    CHECK((moderator & powers) == 0, "a moderator changes no structure");
    CHECK((member & of_others) == 0, "a member touches nothing of others");
    CHECK((admin & PERM_ADMINISTRATOR) != 0, "admin");
}

TEST(perm, still_says_what_the_golden_file_says)
{
    static char text[8192];
    static char kept[8192];
    size_t size = (size_t)snprintf(text, sizeof(text), "{\"bits\":{\n");
    for (int i = 0; i < BITS_COUNT; i++) {
        size += (size_t)snprintf(text + size, sizeof(text) - size, "\"%s\":%d%s\n", bits[i].name, bits[i].bit,
                                 i + 1 < BITS_COUNT ? "," : "");
    }
    size +=
        (size_t)snprintf(text + size, sizeof(text) - size,
                         "},\n\"all\":\"%llu\",\n\"presets\":{\"everyone\":\"%llu\",\"member\":\"%llu\","
                         "\"moderator\":\"%llu\",\"admin\":\"%llu\"}}\n",
                         (unsigned long long)PERM_ALL, (unsigned long long)PERM_PRESET_EVERYONE,
                         (unsigned long long)PERM_PRESET_MEMBER, (unsigned long long)PERM_PRESET_MODERATOR,
                         (unsigned long long)PERM_PRESET_ADMIN);
    const char *here = __FILE__;
    const char *tests = strstr(here, "tests/unit/");
    CHECK(tests != NULL && size < sizeof(text), "%s", here);
    char path[1024];
    snprintf(path, sizeof(path), "%.*stests/golden/perm/bits.json", (int)(tests - here), here);
    if (getenv("NEXUS_GOLDEN_WRITE") != NULL) {
        FILE *file = fopen(path, "wb");
        CHECK(file != NULL && fwrite(text, 1, size, file) == size && fclose(file) == 0, "%s", path);
    }
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL, "%s", path);
    const size_t kept_size = fread(kept, 1, sizeof(kept), file);
    fclose(file);
    CHECK(kept_size == size && memcmp(kept, text, size) == 0, "bits.json differs from what the code says");
}
