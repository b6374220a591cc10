/* account_test.c - names, passwords, addresses, free text, refresh tokens.
 *
 * Layer:   tests
 */
#include "control/core/account.h"

#include "control/core/invite.h"
#include "control/core/message.h"
#include "tests/lib/check.h"

#include <stdlib.h>

static bool username(const char *text)
{
    return ctl_account_username_ok(nx_bytes_text(text));
}

static bool email(const char *text)
{
    return ctl_account_email_ok(nx_bytes_text(text));
}

static bool text(const char *what, size_t min, size_t max)
{
    return ctl_account_text_ok(nx_bytes_text(what), min, max);
}

TEST(account, usernames_are_plain_and_fold_to_one_key)
{
    CHECK(username("ab") && username("A.b_c-9") && username("12345678901234567890123456789012"), "good ones");
    CHECK(!username("a") && !username("") && !username("123456789012345678901234567890123"), "length");
    CHECK(!username("a b") && !username("a\nb") && !username("\xd0\xb0\xd0\xb4") && !username("a@b") &&
              !username("%27--"),
          "letters");
    CHECK(!ctl_account_username_ok(nx_bytes_of("a\0b", 3)), "NUL");
    char key[8];
    struct nx_writer w = nx_writer_init(key, sizeof(key));
    ctl_account_name_key(nx_bytes_text("Ab.Z_9"), &w);
    CHECK(nx_bytes_is(nx_writer_bytes(&w), "ab.z_9"), "key");
}

TEST(account, addresses_look_like_one_mailbox)
{
    CHECK(email("a@b.cd") && email("first.last+tag@sub.example-host.org"), "good ones");
    const char *const bad[] = {"",
                               "a",
                               "@b.cd",
                               "a@",
                               "a@b",
                               "a@@b.cd",
                               "a@b@c.de",
                               "a b@c.de",
                               "a@.b.cd",
                               "a@b..cd",
                               "a@b.cd.",
                               "a@-b.cd",
                               "a@b-.cd",
                               "<a@b.cd>",
                               "a@b.cd,x@y.zz",
                               "a\r\nBcc:@b.cd",
                               "\xc3\xa4@b.cd"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        CHECK(!email(bad[i]), "%s", bad[i]);
    }
}

TEST(account, free_text_keeps_what_people_write_and_shows_something)
{
    CHECK(text("\xd8\xb9\xd8\xb1\xd8\xa8\xd9\x8a", 1, 10) &&
              text("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa9", 1, 3),
          "any script");
    CHECK(text("\xe2\x80\xae"
               "abc",
               1, 4),
          "direction marks are kept beside letters");
    CHECK(!text("\xe2\x80\x8b\xe2\x80\xae", 1, 10) && !text("   ", 1, 10) && !text("", 1, 10) &&
              text("", 0, 10),
          "nothing to see");
    CHECK(!text("a\x1b[0m", 1, 10) && !text("a\nb", 1, 10) && !text("a\x7f", 1, 10) &&
              !text("a\xc2\x85", 1, 10),
          "controls");
    CHECK(text("\xc3\xa4\xc3\xa4", 1, 2) && !text("\xc3\xa4\xc3\xa4\xc3\xa4", 1, 2), "counted in characters");
}

TEST(account, passwords_are_counted_in_characters)
{
    CHECK(!ctl_account_password_ok(nx_bytes_text("1234567")) &&
              ctl_account_password_ok(nx_bytes_text("12345678")),
          "least");
    char longest[600];
    memset(longest, 'x', sizeof(longest));
    CHECK(ctl_account_password_ok(nx_bytes_of(longest, 128)) &&
              !ctl_account_password_ok(nx_bytes_of(longest, 129)),
          "most");
}

TEST(account, refresh_tokens_are_stored_hashed_and_malformed_ones_are_not_looked_up)
{
    uint8_t random[32], made[CTL_HASH_SIZE], read[CTL_HASH_SIZE];
    char token[CTL_ACCOUNT_REFRESH_SIZE];
    for (size_t i = 0; i < 32; i++) {
        random[i] = (uint8_t)(i * 7);
    }
    struct nx_writer w = nx_writer_init(token, sizeof(token));
    CHECK(ctl_account_refresh_make(random, &w, made) == NX_OK && w.size == sizeof(token), "make");
    CHECK(ctl_account_refresh_hash(nx_bytes_of(token, sizeof(token)), read) == NX_OK &&
              memcmp(made, read, sizeof(made)) == 0,
          "hash");
    CHECK(memmem(made, sizeof(made), random, 8) == NULL, "not the token itself");
    CHECK(ctl_account_refresh_hash(nx_bytes_of(token, sizeof(token) - 1), read) == NX_E_MALFORMED, "short");
    token[3] = '!';
    CHECK(ctl_account_refresh_hash(nx_bytes_of(token, sizeof(token)), read) == NX_E_MALFORMED, "letters");
}

TEST(message, content_is_bounded_in_code_points)
{
    static char content[CTL_CONTENT_MAX * 4 + 8];
    for (size_t i = 0; i < CTL_CONTENT_MAX + 1; i++) {
        memcpy(content + i * 4, "\xf0\x9f\x8c\xb8", 4);
    }
    CHECK(ctl_message_content_ok(nx_bytes_of(content, CTL_CONTENT_MAX * 4)), "4,000 flowers");
    CHECK(!ctl_message_content_ok(nx_bytes_of(content, CTL_CONTENT_MAX * 4 + 4)), "one more");
    CHECK(!ctl_message_content_ok(nx_bytes_of(content, 3)) && !ctl_message_content_ok(nx_bytes_text(" \n")) &&
              !ctl_message_content_ok(nx_bytes_of("a\0", 2)) &&
              !ctl_message_content_ok(nx_bytes_of("\xed\xa0\x80", 3)) &&
              !ctl_message_content_ok(nx_bytes_of("\xc0\x80", 2)),
          "cut, blank, NUL, surrogate, overlong");
}

TEST(invite, codes_are_letters_and_digits)
{
    uint8_t random[16];
    char code[CTL_INVITE_CODE_SIZE];
    memset(random, 0xff, sizeof(random));
    ctl_invite_code(random, code);
    CHECK(ctl_invite_code_ok(nx_bytes_of(code, sizeof(code))), "%.10s", code);
    CHECK(!ctl_invite_code_ok(nx_bytes_text("")) && !ctl_invite_code_ok(nx_bytes_text("a%b")) &&
              !ctl_invite_code_ok(nx_bytes_text("a'b")) && !ctl_invite_code_ok(nx_bytes_of("a\0b", 3)),
          "others");
}
