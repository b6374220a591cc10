#include "engine/crypto/password.h"

#include "engine/crypto/random.h"
#include "engine/crypto/wipe.h"

#include <argon2.h>

enum {
    SALT_SIZE = 16,         /* bytes, RFC 9106 section 3.1 */
    HASH_SIZE = 32,         /* bytes */
    MEMORY_KIB_MAX = 65536, /* a row of the database must not be able to ask for all memory */
    PASSES_MAX = 8,
};

static bool literal(const char **at, const char *text)
{
    const size_t size = strlen(text);
    if (strncmp(*at, text, size) != 0) {
        return false;
    }
    *at += size;
    return true;
}

static bool number(const char **at, uint32_t max, uint32_t *out)
{
    uint32_t value = 0;
    const char *start = *at;
    while (**at >= '0' && **at <= '9') {
        value = value * 10 + (uint32_t)(**at - '0');
        if (value > max) {
            return false;
        }
        (*at)++;
    }
    *out = value;
    return *at != start && *start != '0';
}

/* The library would accept any parameters, several lanes (threads) and gigabytes included; this reads only
 * their part. */
static bool parameters(const char *encoded, uint32_t *memory_kib, uint32_t *passes)
{
    const char *at = encoded;
    return strnlen(encoded, NX_PASSWORD_ENCODED_MAX) < NX_PASSWORD_ENCODED_MAX &&
           literal(&at, "$argon2id$v=19$m=") && number(&at, MEMORY_KIB_MAX, memory_kib) &&
           literal(&at, ",t=") && number(&at, PASSES_MAX, passes) && literal(&at, ",p=1$");
}

enum nx_err nx_password_hash(struct nx_bytes password, char encoded[NX_PASSWORD_ENCODED_MAX])
{
    if (password.size == 0 || password.size > NX_PASSWORD_SIZE_MAX) {
        return NX_E_FULL;
    }
    uint8_t salt[SALT_SIZE];
    const enum nx_err err = nx_random_fill(salt, sizeof(salt));
    if (err != NX_OK) {
        return err;
    }
    char text[NX_PASSWORD_ENCODED_MAX];
    const int result =
        argon2id_hash_encoded(NX_PASSWORD_PASSES, NX_PASSWORD_MEMORY_KIB, NX_PASSWORD_LANES, password.at,
                              password.size, salt, sizeof(salt), HASH_SIZE, text, sizeof(text));
    if (result == ARGON2_OK) {
        memcpy(encoded, text, strlen(text) + 1);
    }
    nx_wipe(text, sizeof(text));
    return result == ARGON2_OK ? NX_OK
                               : NX_E_NO_MEMORY; /* every other cause is excluded by the constants above */
}

enum nx_err nx_password_verify(const char *encoded, struct nx_bytes password)
{
    if (password.size == 0 || password.size > NX_PASSWORD_SIZE_MAX) {
        return NX_E_FULL;
    }
    uint32_t memory_kib;
    uint32_t passes;
    if (!parameters(encoded, &memory_kib, &passes)) {
        return NX_E_MALFORMED;
    }
    switch (argon2id_verify(encoded, password.at, password.size)) {
    case ARGON2_OK:
        return NX_OK;
    case ARGON2_VERIFY_MISMATCH:
        return NX_E_AUTH;
    case ARGON2_MEMORY_ALLOCATION_ERROR:
        return NX_E_NO_MEMORY;
    default:
        return NX_E_MALFORMED;
    }
}

bool nx_password_is_outdated(const char *encoded)
{
    uint32_t memory_kib;
    uint32_t passes;
    return !parameters(encoded, &memory_kib, &passes) || memory_kib != NX_PASSWORD_MEMORY_KIB ||
           passes != NX_PASSWORD_PASSES;
}
