/* Goal: digests and codes are the published ones, whatever the size; method: FIPS 180 and RFC 4231 vectors. */
#include "engine/crypto/digest.h"
#include "engine/crypto/hmac.h"

#include "tests/lib/check.h"

#include <stdio.h>
#include <string.h>

static const char *hex(const uint8_t *bytes, size_t size)
{
    static char text[2 * 64 + 1];
    for (size_t i = 0; i < size; i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    return text;
}

static const struct {
    const char *text;
    const char *sha1;
    const char *sha256;
} vectors[] = {
    {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d",
     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    /* RFC 6455 section 1.3: key and GUID of the example handshake */
    {"dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
     "b37a4f2cc0624f1690f64606cf385945b2bec4ea", NULL},
};

TEST(digest, gives_the_published_values)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        uint8_t sha1[NX_DIGEST_SHA1_SIZE];
        uint8_t sha256[NX_DIGEST_SHA256_SIZE];
        const size_t size = strlen(vectors[i].text);
        CHECK(nx_digest_sha1(vectors[i].text, size, sha1) == NX_OK, "vector %zu", i);
        CHECK(strcmp(hex(sha1, sizeof(sha1)), vectors[i].sha1) == 0, "sha1 of vector %zu", i);
        CHECK(nx_digest_sha256(vectors[i].text, size, sha256) == NX_OK, "vector %zu", i);
        CHECK(vectors[i].sha256 == NULL || strcmp(hex(sha256, sizeof(sha256)), vectors[i].sha256) == 0,
              "sha256 of vector %zu", i);
    }
}

TEST(digest, takes_a_million_bytes_and_none)
{
    static char many[1000000];
    memset(many, 'a', sizeof(many));
    uint8_t out[NX_DIGEST_SHA256_SIZE];
    CHECK(nx_digest_sha256(many, sizeof(many), out) == NX_OK, "a million");
    CHECK(strcmp(hex(out, sizeof(out)), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0") ==
              0,
          "a million a");
    CHECK(nx_digest_sha256(NULL, 0, out) == NX_OK, "NULL of size 0");
    CHECK(strcmp(hex(out, sizeof(out)), vectors[0].sha256) == 0, "NULL of size 0");
}

static const struct {
    int key_byte; /* -1: key_text */
    size_t key_size;
    const char *key_text;
    int data_byte; /* -1: data_text */
    size_t data_size;
    const char *data_text;
    const char *code;
    size_t code_size;
} rfc4231[] = {
    {0x0b, 20, NULL, -1, 0, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
     32},
    {-1, 4, "Jefe", -1, 0, "what do ya want for nothing?",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", 32},
    {0xaa, 20, NULL, 0xdd, 50, NULL, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe", 32},
    {-1, 25,
     "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19",
     0xcd, 50, NULL, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b", 32},
    {0x0c, 20, NULL, -1, 0, "Test With Truncation", "a3b6167473100ee06e0c796c2955552b", 16},
    {0xaa, 131, NULL, -1, 0, "Test Using Larger Than Block-Size Key - Hash Key First",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", 32},
    {0xaa, 131, NULL, -1, 0,
     "This is a test using a larger than block-size key and a larger than block-size data. The key needs to "
     "be "
     "hashed before being used by the HMAC algorithm.",
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2", 32},
};

static struct nx_bytes filled(uint8_t *room, int byte, size_t size, const char *text, size_t text_size)
{
    if (byte < 0) {
        return nx_bytes_of(text, text_size);
    }
    memset(room, byte, size);
    return nx_bytes_of(room, size);
}

TEST(hmac, gives_the_values_of_rfc_4231_in_every_split)
{
    for (size_t i = 0; i < sizeof(rfc4231) / sizeof(rfc4231[0]); i++) {
        uint8_t key_room[256];
        uint8_t data_room[256];
        const struct nx_bytes key = filled(key_room, rfc4231[i].key_byte, rfc4231[i].key_size,
                                           rfc4231[i].key_text, rfc4231[i].key_size);
        const struct nx_bytes data =
            filled(data_room, rfc4231[i].data_byte, rfc4231[i].data_size, rfc4231[i].data_text,
                   rfc4231[i].data_text != NULL ? strlen(rfc4231[i].data_text) : 0);
        uint8_t out[NX_HMAC_SIZE];
        CHECK(nx_hmac_sha256(key, data, out) == NX_OK, "case %zu", i + 1);
        CHECK(strcmp(hex(out, rfc4231[i].code_size), rfc4231[i].code) == 0, "case %zu", i + 1);

        struct nx_hmac hmac = {0};
        CHECK(nx_hmac_open(&hmac, key) == NX_OK, "case %zu", i + 1);
        for (size_t cut = 0; cut <= data.size; cut++) { /* the same context again and again */
            memset(out, 0, sizeof(out));
            CHECK(nx_hmac_compute(&hmac, nx_bytes_slice(data, 0, cut), nx_bytes_slice(data, cut, data.size),
                                  out) == NX_OK,
                  "case %zu cut %zu", i + 1, cut);
            CHECK(strcmp(hex(out, rfc4231[i].code_size), rfc4231[i].code) == 0, "case %zu cut %zu", i + 1,
                  cut);
        }
        nx_hmac_close(&hmac);
        nx_hmac_close(&hmac);
        CHECK(hmac.mac == NULL, "closed twice");
    }
}

TEST(hmac, takes_an_empty_key_and_an_empty_message)
{
    uint8_t out[NX_HMAC_SIZE];
    CHECK(nx_hmac_sha256(nx_bytes_of(NULL, 0), nx_bytes_of(NULL, 0), out) == NX_OK, "nothing at all");
    CHECK(strcmp(hex(out, sizeof(out)), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad") ==
              0,
          "nothing at all");
}
