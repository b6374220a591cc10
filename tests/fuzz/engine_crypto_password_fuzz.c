/* Properties: the parameters of a stored hash are taken exactly when a reader of its own takes them and never ask for more memory
 * or passes than the caps; a hash with others is outdated; checking a password against any text is refused, or
 * says yes or no the same twice. Input: the text as it stands in the database, a line feed, the password. */
#include "engine/crypto/password.h"
#include "tests/fuzz/fuzz.h"

enum { MEMORY_MAX = 65536, PASSES_MAX = 8, CHEAP_KIB = 64 };

static bool number(const char **at, unsigned long max, unsigned long *out)
{
    const size_t digits = strspn(*at, "0123456789");
    if (digits == 0 || digits > 9 || **at == '0') {
        return false;
    }
    *out = strtoul(*at, NULL, 10);
    *at += digits;
    return *out <= max;
}

static bool reference(const char *text, unsigned long *memory, unsigned long *passes)
{
    static const char start[] = "$argon2id$v=19$m=";
    if (strlen(text) >= NX_PASSWORD_ENCODED_MAX || strncmp(text, start, sizeof(start) - 1) != 0) {
        return false;
    }
    const char *at = text + sizeof(start) - 1;
    if (!number(&at, MEMORY_MAX, memory) || strncmp(at, ",t=", 3) != 0) {
        return false;
    }
    at += 3;
    return number(&at, PASSES_MAX, passes) && strncmp(at, ",p=1$", 5) == 0;
}

/* Once: what is hashed is current and verifies. */
static void check_own(void)
{
    static bool is_done;
    char encoded[NX_PASSWORD_ENCODED_MAX];
    if (is_done) {
        return;
    }
    is_done = true;
    fuzz_check(nx_password_hash(nx_bytes_text("password"), encoded) == NX_OK &&
                   !nx_password_is_outdated(encoded),
               "hash");
    fuzz_check(nx_password_verify(encoded, nx_bytes_text("password")) == NX_OK &&
                   nx_password_verify(encoded, nx_bytes_text("Password")) == NX_E_AUTH,
               "the password and another");
    fuzz_check(nx_password_hash(nx_bytes_of(NULL, 0), encoded) == NX_E_FULL, "none");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    check_own();
    struct nx_bytes input = nx_bytes_of(bytes, size);
    char *text = fuzz_text(fuzz_until(&input, '\n'));
    unsigned long memory = 0;
    unsigned long passes = 0;
    const bool is_good = reference(text, &memory, &passes);
    const bool is_outdated = nx_password_is_outdated(text);
    fuzz_check(is_outdated == (!is_good || memory != NX_PASSWORD_MEMORY_KIB || passes != NX_PASSWORD_PASSES),
               "outdated");
    if (!is_good || memory <= CHEAP_KIB) {
        const enum nx_err err = nx_password_verify(text, input);
        const bool has_password = input.size != 0 && input.size <= NX_PASSWORD_SIZE_MAX;
        fuzz_check((err == NX_E_FULL) == !has_password, "passwords have a size");
        fuzz_check(!has_password || is_good || err == NX_E_MALFORMED, "what is no hash is refused");
        fuzz_check(!has_password || err == NX_OK || err == NX_E_AUTH || err == NX_E_MALFORMED, "verdict");
        fuzz_check(nx_password_verify(text, input) == err, "the same twice");
    }
    free(text);
    return 0;
}
