/* Goal: the published codes, from keys of every size and messages in any number of pieces. */
#include "engine/crypto/hmac_sha1.h"

#include "tests/lib/check.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static void expect(struct nx_bytes key, struct nx_bytes text, const char *hex)
{
    struct nx_hmac_sha1 hmac;
    uint8_t code[NX_HMAC_SHA1_SIZE];
    char shown[2 * sizeof(code) + 1];
    nx_hmac_sha1_init(&hmac, key);
    for (int round = 0; round < 2; round++) { /* a key is used many times */
        nx_hmac_sha1_compute(&hmac, &text, 1, code);
        for (size_t i = 0; i < sizeof(code); i++) {
            snprintf(shown + 2 * i, 3, "%02x", code[i]);
        }
        CHECK(strcmp(shown, hex) == 0, "%s, not %s", shown, hex);
    }
}

TEST(hmac_sha1, gives_the_published_codes)
{
    uint8_t key[80];
    uint8_t text[50];
    memset(key, 0x0b, 20); /* RFC 2202 section 3, cases 1, 2, 3 and 6 */
    expect(nx_bytes_of(key, 20), nx_bytes_text("Hi There"), "b617318655057264e28bc0b6fb378c8ef146be00");
    expect(nx_bytes_text("Jefe"), nx_bytes_text("what do ya want for nothing?"),
           "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    memset(key, 0xaa, sizeof(key));
    memset(text, 0xdd, sizeof(text));
    expect(nx_bytes_of(key, 20), nx_bytes_of(text, 50), "125d7342b9ac11cd91a39af48aa17b4f63f175d3");
    expect(nx_bytes_of(key, 80), nx_bytes_text("Test Using Larger Than Block-Size Key - Hash Key First"),
           "aa4ae5e15272d00e95705637ce8a3b55ed402112");
}

TEST(hmac_sha1, agrees_with_openssl_however_it_is_cut)
{
    uint8_t key[130];
    uint8_t text[300];
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (uint8_t)(i * 7);
        key[i % sizeof(key)] = (uint8_t)(i * 11);
    }
    for (size_t key_size = 0; key_size <= sizeof(key); key_size++) {
        const size_t size = key_size * 2;
        uint8_t wanted[EVP_MAX_MD_SIZE];
        uint8_t code[NX_HMAC_SHA1_SIZE];
        CHECK(HMAC(EVP_sha1(), key, (int)key_size, text, size, wanted, NULL) != NULL, "openssl");
        struct nx_hmac_sha1 hmac;
        nx_hmac_sha1_init(&hmac, nx_bytes_of(key, key_size));
        for (size_t cut = 0; cut <= size; cut += 1 + size / 9) {
            const struct nx_bytes parts[3] = {nx_bytes_of(text, cut), nx_bytes_of(NULL, 0),
                                              nx_bytes_of(text + cut, size - cut)};
            nx_hmac_sha1_compute(&hmac, parts, 3, code);
            CHECK(memcmp(code, wanted, sizeof(code)) == 0, "key of %zu cut at %zu", key_size, cut);
        }
    }
}
