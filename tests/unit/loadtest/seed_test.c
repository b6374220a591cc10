/* Goal: a seed file is read as written; no line of it, however hostile, is read as something else. */
#include "loadtest/limits.h"
#include "loadtest/seed.h"
#include "tests/lib/check.h"

#include <stdlib.h>
#include <string.h>

#define GOOD                                                                                                 \
    "{\"user_id\":\"12\",\"username\":\"u\",\"token\":\"a-_.B9\",\"guild_id\":\"34\",\"channel_id\":\"56\"}"

#define TWICE  (GOOD GOOD)
#define MORE   (GOOD ",")
#define BEFORE ("x" GOOD)

static FILE *file_of(const char *text, size_t size)
{
    FILE *file = tmpfile();
    CHECK(file != NULL && fwrite(text, 1, size, file) == size, "temporary file");
    rewind(file);
    return file;
}

static enum nx_err read_text(const char *text, uint32_t skip, uint32_t count, struct load_seed *seed)
{
    FILE *file = file_of(text, strlen(text));
    const enum nx_err err = load_seed_read(file, skip, count, seed);
    (void)fclose(file);
    return err;
}

TEST(seed, a_good_line)
{
    struct load_seed_user user;
    CHECK(load_seed_parse(nx_bytes_text(GOOD), &user) == NX_OK, "good");
    CHECK(user.user_id == 12 && user.guild_id == 34 && user.channel_id == 56, "ids");
    CHECK(nx_bytes_is(user.token, "a-_.B9"), "token");
}

TEST(seed, hostile_lines)
{
    static const char *const LINES[] = {
        "",
        " ",
        "{}",
        "[]",
        "null",
        "12",
        "\"token\"",
        "{",
        TWICE,
        MORE,
        BEFORE,
        "{\"user_id\":\"12\",\"token\":\"a\",\"guild_id\":\"34\"}",
        "{\"user_id\":\"0\",\"token\":\"a\",\"guild_id\":\"34\",\"channel_id\":\"56\"}",
        "{\"user_id\":\"-1\",\"token\":\"a\",\"guild_id\":\"34\",\"channel_id\":\"56\"}",
        "{\"user_id\":\"18446744073709551616\",\"token\":\"a\",\"guild_id\":\"34\",\"channel_id\":\"56\"}",
        "{\"user_id\":1.5,\"token\":\"a\",\"guild_id\":\"34\",\"channel_id\":\"56\"}",
        "{\"user_id\":\"12\",\"token\":\"\",\"guild_id\":\"34\",\"channel_id\":\"56\"}",
        "{\"user_id\":\"12\",\"token\":7,\"guild_id\":\"34\",\"channel_id\":\"56\"}",
        "{\"user_id\":\"12\",\"token\":\"a b\",\"guild_id\":\"34\",\"channel_id\":\"56\"}",
        "{\"user_id\":\"12\",\"token\":\"a\\r\\nX: y\",\"guild_id\":\"34\",\"channel_id\":\"56\"}",
        "{\"user_id\":\"12\",\"token\":\"\\u0061\",\"guild_id\":\"34\",\"channel_id\":\"56\"}",
        "{\"user_id\":\"12\",\"token\":\"a\\\",\",\"guild_id\":\"34\",\"channel_id\":\"56\"}",
        "{\"user_id\":\"12\",\"token\":\"a\",\"guild_id\":null,\"channel_id\":\"56\"}",
        "{\"user_id\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        "\xff\xfe{\"user_id\":\"12\"}",
    };
    for (size_t i = 0; i < sizeof(LINES) / sizeof(LINES[0]); i++) {
        struct load_seed_user user;
        CHECK(load_seed_parse(nx_bytes_text(LINES[i]), &user) == NX_E_MALFORMED, "line %zu: %s", i, LINES[i]);
    }
}

TEST(seed, every_prefix_of_a_good_line_is_refused)
{
    for (size_t size = 0; size < sizeof(GOOD) - 1; size++) {
        struct load_seed_user user;
        CHECK(load_seed_parse(nx_bytes_of(GOOD, size), &user) == NX_E_MALFORMED, "%zu bytes", size);
    }
}

TEST(seed, a_line_over_the_cap_is_refused)
{
    static char line[LOAD_SEED_LINE_MAX + 2];
    struct load_seed_user user;
    memset(line, ' ', sizeof(line) - 1);
    memcpy(line, GOOD, sizeof(GOOD) - 1);
    CHECK(load_seed_parse(nx_bytes_of(line, LOAD_SEED_LINE_MAX), &user) == NX_OK, "at the cap");
    CHECK(load_seed_parse(nx_bytes_of(line, LOAD_SEED_LINE_MAX + 1), &user) == NX_E_FULL, "over it");
}

TEST(seed, files_with_and_without_a_last_newline)
{
    static const char *const FILES[] = {GOOD "\n" GOOD "\n", GOOD "\n" GOOD,
                                        "\n\n" GOOD "\r\n\n" GOOD "\r\n\n"};
    for (size_t i = 0; i < sizeof(FILES) / sizeof(FILES[0]); i++) {
        struct load_seed seed;
        CHECK(read_text(FILES[i], 0, 0, &seed) == NX_OK && seed.users_count == 2, "file %zu", i);
        load_seed_fini(&seed);
    }
}

TEST(seed, skip_and_count)
{
    struct load_seed seed;
    CHECK(read_text(GOOD "\n" GOOD "\n" GOOD "\n", 1, 2, &seed) == NX_OK && seed.users_count == 2,
          "two of three");
    load_seed_fini(&seed);
    CHECK(read_text(GOOD "\n" GOOD "\n", 1, 2, &seed) == NX_E_NOT_FOUND, "too few left");
    CHECK(read_text("", 0, 0, &seed) == NX_E_NOT_FOUND, "an empty file");
    CHECK(read_text(GOOD "\n{\n" GOOD, 0, 1, &seed) == NX_OK, "lines after the last user do not matter");
    load_seed_fini(&seed);
}

TEST(seed, the_wrong_line_is_named)
{
    struct load_seed seed;
    CHECK(read_text(GOOD "\n\n" GOOD "\n{\n", 0, 0, &seed) == NX_E_MALFORMED && seed.line == 4, "line %u",
          seed.line);
}

TEST(seed, more_users_than_one_block)
{
    enum { USERS = 5000 };
    struct load_seed seed;
    char *text = malloc((size_t)USERS * sizeof(GOOD));
    CHECK(text != NULL, "memory");
    for (size_t i = 0; i < USERS; i++) {
        memcpy(text + i * sizeof(GOOD), GOOD "\n", sizeof(GOOD));
    }
    FILE *file = file_of(text, (size_t)USERS * sizeof(GOOD));
    CHECK(load_seed_read(file, 0, 0, &seed) == NX_OK && seed.users_count == USERS, "all");
    CHECK(nx_bytes_is(seed.users[USERS - 1].token, "a-_.B9"), "the last token");
    (void)fclose(file);
    load_seed_fini(&seed);
    free(text);
}
