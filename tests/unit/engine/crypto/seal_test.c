/* Goal: a seal comes back as it was signed, and no other text is taken for one; method: round trips, every changed character,
 * confusion with tokens, rotation. */
#include "engine/crypto/seal.h"

#include "tests/lib/check.h"

static const struct nx_seal sample = {
    .node = 0x01020304,
    .shard = 0x0506,
    .slot = 0x0708090a,
    .generation = 0x0b0c0d0e,
    .user_id = UINT64_C(0x0f10111213141516),
    .session_id = UINT64_C(0x1718191a1b1c1d1e),
    .issued_s = 1700000000,
};

static struct nx_token_ring ring_of(uint32_t kid)
{
    struct nx_token_ring ring;
    nx_token_ring_init(&ring);
    struct nx_token_key key = {.kid = kid};
    for (unsigned i = 0; i < sizeof(key.secret); i++) {
        key.secret[i] = (uint8_t)(kid * 31 + i);
    }
    CHECK(nx_token_ring_add(&ring, &key) == NX_OK, "kid %u", kid);
    return ring;
}

static void sign(struct nx_token_ring *ring, uint8_t text[NX_SEAL_TEXT_SIZE])
{
    struct nx_writer w = nx_writer_init(text, NX_SEAL_TEXT_SIZE);
    CHECK(nx_seal_sign(ring, &sample, &w) == NX_OK && w.size == NX_SEAL_TEXT_SIZE, "sign");
}

TEST(seal, has_the_documented_bytes_and_comes_back_whole)
{
    struct nx_token_ring ring = ring_of(1);
    uint8_t text[NX_SEAL_TEXT_SIZE];
    sign(&ring, text);
    CHECK(nx_bytes_is(nx_bytes_of(text, sizeof(text)),
                      "AAEAAAABBQYBAgMEBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eAAAAAGVT8QD5FxNjruEOvOtob0PvprdL"),
          "%.80s", (const char *)text);
    struct nx_seal seal;
    CHECK(nx_seal_open(&ring, nx_bytes_of(text, sizeof(text)), &seal) == NX_OK, "open");
    CHECK(seal.node == sample.node && seal.shard == sample.shard && seal.slot == sample.slot &&
              seal.generation == sample.generation && seal.user_id == sample.user_id &&
              seal.session_id == sample.session_id && seal.issued_s == sample.issued_s,
          "fields");
    nx_token_ring_fini(&ring);
}

TEST(seal, refuses_every_other_text)
{
    struct nx_token_ring ring = ring_of(1);
    uint8_t text[NX_SEAL_TEXT_SIZE + 1] = {0};
    sign(&ring, text);
    struct nx_seal seal = {.node = 99};
    for (size_t at = 0; at < NX_SEAL_TEXT_SIZE; at++) {
        for (unsigned other = 1; other < 256; other++) {
            text[at] = (uint8_t)(text[at] ^ other);
            const enum nx_err err = nx_seal_open(&ring, nx_bytes_of(text, NX_SEAL_TEXT_SIZE), &seal);
            CHECK((err == NX_E_MALFORMED || err == NX_E_AUTH) && seal.node == 99, "%02x at %zu", other, at);
            text[at] = (uint8_t)(text[at] ^ other);
        }
    }
    for (size_t size = 0; size <= sizeof(text); size++) {
        const enum nx_err wanted = size == NX_SEAL_TEXT_SIZE ? NX_OK : NX_E_MALFORMED;
        CHECK(nx_seal_open(&ring, nx_bytes_of(text, size), &seal) == wanted, "%zu characters", size);
    }
    nx_token_ring_fini(&ring);
}

TEST(seal, belongs_to_its_key)
{
    struct nx_token_ring ring = ring_of(1);
    struct nx_token_ring other = ring_of(2);
    uint8_t text[NX_SEAL_TEXT_SIZE];
    sign(&ring, text);
    struct nx_seal seal;
    CHECK(nx_seal_open(&other, nx_bytes_of(text, sizeof(text)), &seal) == NX_E_AUTH, "an unknown key");
    nx_token_ring_fini(&other);
    struct nx_token_key same_kid = {.kid = 1, .secret = {9}};
    CHECK(nx_token_ring_add(&other, &same_kid) == NX_OK, "same kid, other secret");
    CHECK(nx_seal_open(&other, nx_bytes_of(text, sizeof(text)), &seal) == NX_E_AUTH, "a foreign secret");
    nx_token_ring_fini(&other);
    nx_token_ring_fini(&ring);
    CHECK(nx_seal_open(&ring, nx_bytes_of(text, sizeof(text)), &seal) == NX_E_AUTH, "no key at all");
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    CHECK(nx_seal_sign(&ring, &sample, &w) == NX_E_AUTH && w.size == 0, "no key to sign with");
}

TEST(seal, writes_all_or_nothing)
{
    struct nx_token_ring ring = ring_of(1);
    uint8_t text[NX_SEAL_TEXT_SIZE];
    for (size_t space = 0; space < sizeof(text); space++) {
        struct nx_writer w = nx_writer_init(text, space);
        CHECK(nx_seal_sign(&ring, &sample, &w) == NX_E_FULL && w.size == 0, "room for %zu", space);
    }
    nx_token_ring_fini(&ring);
}
