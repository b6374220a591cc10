/* Goal: passwords verify against their own hash only, published hashes verify, and nothing makes argon2 work or take
 * memory beyond the limits; method: vectors of the reference implementation and a table of bad encodings. */
#include "engine/crypto/password.h"

#include "tests/lib/check.h"

#include <stdio.h>

/* From the test of the reference implementation: password "password", salt "somesalt". */
static const char reference[] =
    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
static const char reference_small[] =
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

TEST(password, accepts_the_hashes_of_the_reference)
{
    CHECK(nx_password_verify(reference, nx_bytes_text("password")) == NX_OK, "64 MiB");
    CHECK(nx_password_verify(reference_small, nx_bytes_text("password")) == NX_OK, "256 KiB");
    CHECK(nx_password_verify(reference_small, nx_bytes_text("Password")) == NX_E_AUTH, "another password");
    CHECK(nx_password_is_outdated(reference) && nx_password_is_outdated(reference_small), "other parameters");
}

TEST(password, verifies_what_it_hashed_and_nothing_else)
{
    char encoded[NX_PASSWORD_ENCODED_MAX];
    char again[NX_PASSWORD_ENCODED_MAX];
    const struct nx_bytes password = nx_bytes_of("correct\0horse", 13);
    CHECK(nx_password_hash(password, encoded) == NX_OK && nx_password_hash(password, again) == NX_OK, "hash");
    CHECK(strcmp(encoded, again) != 0, "two hashes of one password have different salts");
    CHECK(strncmp(encoded, "$argon2id$v=19$m=19456,t=2,p=1$", 31) == 0 && strlen(encoded) == 97, "form: %s",
          encoded);
    CHECK(!nx_password_is_outdated(encoded), "parameters of today");
    CHECK(nx_password_verify(encoded, password) == NX_OK, "the password");
    CHECK(nx_password_verify(encoded, nx_bytes_of("correct\0horsf", 13)) == NX_E_AUTH,
          "bytes after a zero count");
    CHECK(nx_password_verify(encoded, nx_bytes_of("correct", 7)) == NX_E_AUTH,
          "a prefix is another password");
}

TEST(password, refuses_sizes_before_any_work)
{
    static char large[1 << 20];
    memset(large, 'x', sizeof(large));
    char encoded[NX_PASSWORD_ENCODED_MAX] = "untouched";
    CHECK(nx_password_hash(nx_bytes_of(large, 0), encoded) == NX_E_FULL, "empty");
    CHECK(nx_password_hash(nx_bytes_of(large, NX_PASSWORD_SIZE_MAX + 1), encoded) == NX_E_FULL,
          "one too many");
    CHECK(nx_password_hash(nx_bytes_of(large, sizeof(large)), encoded) == NX_E_FULL, "one MiB");
    CHECK(strcmp(encoded, "untouched") == 0, "nothing was written");
    CHECK(nx_password_verify(reference_small, nx_bytes_of(large, sizeof(large))) == NX_E_FULL, "one MiB");
    CHECK(nx_password_verify(reference_small, nx_bytes_of(large, 0)) == NX_E_FULL, "empty");
    CHECK(nx_password_verify(reference_small, nx_bytes_of(large, NX_PASSWORD_SIZE_MAX)) == NX_E_AUTH,
          "the longest");
}

TEST(password, refuses_encodings_that_are_not_ours)
{
    static const char *const bad[] = {
        "",
        "$",
        "password",
        "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2d$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=65537,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=4294967552,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=9,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=0256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=1",
        "$argon2id$v=19$m=256,t=2,p=1$",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4!",
        "$argon2id$v=19$m=256,t=2,p=1$"
        "c29tZXNhbHRzb21lc2FsdHNvbWVzYWx0c29tZXNhbHRzb21lc2FsdHNvbWVzYWx0c29tZXNhbHQ$"
        "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(nx_password_verify(bad[i], nx_bytes_text("password")) == NX_E_MALFORMED, "%s", bad[i]);
    }
}
