/* Goal: AES-GCM gives the published texts and tags with kept contexts, and one changed bit anywhere is refused. */
#include "engine/crypto/aead.h"

#include "tests/lib/check.h"

#include <stdio.h>

struct vector {
    const char *key, *nonce, *extra, *plain, *sealed;
};

/* Test cases 1, 2, 4, 13, 14 and 16 of the GCM specification (McGrew, Viega), which SP 800-38D took over. */
static const struct vector vectors[] = {
    {"00000000000000000000000000000000", "000000000000000000000000", "", "",
     "58e2fccefa7e3061367f1d57a4e7455a"},
    {"00000000000000000000000000000000", "000000000000000000000000", "", "00000000000000000000000000000000",
     "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"},
    {"feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf"
     "5aa0de6"
     "57ba637b39",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b3"
     "96a0aac"
     "973d58e0915bc94fbc3221a5db94fae95ae7121a47"},
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "", "",
     "530f8afbc74536b9a963b4f1c4cb738b"},
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "",
     "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf"
     "5aa0de6"
     "57ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6"
     "393ba7a"
     "0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"},
};

enum { VECTORS_COUNT = sizeof(vectors) / sizeof(vectors[0]), ROOM = 128 };

static struct nx_bytes unhex(const char *text, uint8_t *room)
{
    const size_t size = strlen(text) / 2;
    for (size_t i = 0; i < size; i++) {
        unsigned byte = 0;
        sscanf(text + 2 * i, "%2x", &byte);
        room[i] = (uint8_t)byte;
    }
    return nx_bytes_of(room, size);
}

TEST(aead, gives_the_published_texts_and_takes_them_back)
{
    for (int i = 0; i < VECTORS_COUNT; i++) {
        uint8_t rooms[5][ROOM];
        uint8_t out[ROOM];
        const struct nx_bytes key = unhex(vectors[i].key, rooms[0]);
        const struct nx_bytes nonce = unhex(vectors[i].nonce, rooms[1]);
        const struct nx_bytes extra = unhex(vectors[i].extra, rooms[2]);
        const struct nx_bytes plain = unhex(vectors[i].plain, rooms[3]);
        const struct nx_bytes sealed = unhex(vectors[i].sealed, rooms[4]);
        struct nx_aead aead = {0};
        CHECK(nx_aead_open(&aead, key) == NX_OK, "vector %d", i);
        for (int round = 0; round < 3; round++) { /* kept contexts give the same again */
            CHECK(nx_aead_seal(&aead, nonce.at, extra, plain, out) == NX_OK, "vector %d", i);
            CHECK(nx_bytes_equal(nx_bytes_of(out, sealed.size), sealed), "vector %d round %d", i, round);
            CHECK(nx_aead_unseal(&aead, nonce.at, extra, sealed, out) == NX_OK, "vector %d", i);
            CHECK(nx_bytes_equal(nx_bytes_of(out, plain.size), plain), "vector %d round %d", i, round);
        }
        memcpy(out, plain.at, plain.size); /* in place */
        CHECK(nx_aead_seal(&aead, nonce.at, extra, nx_bytes_of(out, plain.size), out) == NX_OK, "vector %d",
              i);
        CHECK(nx_bytes_equal(nx_bytes_of(out, sealed.size), sealed), "vector %d in place", i);
        CHECK(nx_aead_unseal(&aead, nonce.at, extra, nx_bytes_of(out, sealed.size), out) == NX_OK,
              "vector %d", i);
        CHECK(nx_bytes_equal(nx_bytes_of(out, plain.size), plain), "vector %d back in place", i);
        nx_aead_close(&aead);
        nx_aead_close(&aead);
    }
}

TEST(aead, refuses_every_changed_bit_and_goes_on)
{
    uint8_t rooms[4][ROOM];
    uint8_t sealed[ROOM];
    uint8_t out[ROOM];
    struct nx_aead aead = {0};
    CHECK(nx_aead_open(&aead, unhex(vectors[2].key, rooms[0])) == NX_OK, "open");
    const struct nx_bytes nonce = unhex(vectors[2].nonce, rooms[1]);
    const struct nx_bytes extra = unhex(vectors[2].extra, rooms[2]);
    const struct nx_bytes whole = unhex(vectors[2].sealed, rooms[3]);
    for (size_t bit = 0; bit < whole.size * 8; bit++) {
        memcpy(sealed, whole.at, whole.size);
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        memset(out, 0xee, sizeof(out));
        CHECK(nx_aead_unseal(&aead, nonce.at, extra, nx_bytes_of(sealed, whole.size), out) == NX_E_AUTH,
              "bit %zu", bit);
        for (size_t i = 0; i < whole.size - NX_AEAD_TAG_SIZE; i++) {
            CHECK(out[i] == 0, "no plain text leaks at %zu", i);
        }
    }
    for (size_t size = 0; size < whole.size; size++) {
        const enum nx_err wanted = size < NX_AEAD_TAG_SIZE ? NX_E_TRUNCATED : NX_E_AUTH;
        CHECK(nx_aead_unseal(&aead, nonce.at, extra, nx_bytes_of(whole.at, size), out) == wanted,
              "prefix %zu", size);
    }
    CHECK(nx_aead_unseal(&aead, nonce.at, nx_bytes_of(NULL, 0), whole, out) == NX_E_AUTH,
          "extra is authenticated");
    CHECK(nx_aead_unseal(&aead, whole.at, extra, whole, out) == NX_E_AUTH, "another nonce");
    CHECK(nx_aead_unseal(&aead, nonce.at, extra, whole, out) == NX_OK, "the context still works");
    nx_aead_close(&aead);
}

TEST(aead, takes_keys_of_16_and_32_bytes_only)
{
    uint8_t key[64] = {0};
    for (size_t size = 0; size <= sizeof(key); size++) {
        struct nx_aead aead = {0};
        const enum nx_err wanted = size == 16 || size == 32 ? NX_OK : NX_E_UNSUPPORTED;
        CHECK(nx_aead_open(&aead, nx_bytes_of(key, size)) == wanted, "key of %zu bytes", size);
        nx_aead_close(&aead);
    }
}

TEST(aead, refuses_what_openssl_cannot_count)
{
    struct nx_aead aead = {0};
    uint8_t key[16] = {0};
    uint8_t nonce[NX_AEAD_NONCE_SIZE] = {0};
    CHECK(nx_aead_open(&aead, nx_bytes_of(key, sizeof(key))) == NX_OK, "open");
    const struct nx_bytes huge = {.at = key, .size = (size_t)NX_AEAD_SIZE_MAX + NX_AEAD_TAG_SIZE + 1};
    const struct nx_bytes none = {0};
    CHECK(nx_aead_seal(&aead, nonce, huge, none, key) == NX_E_FULL, "extra");
    CHECK(nx_aead_seal(&aead, nonce, none, huge, key) == NX_E_FULL, "plain");
    CHECK(nx_aead_unseal(&aead, nonce, none, huge, key) == NX_E_FULL, "sealed");
    nx_aead_close(&aead);
}
