/* Goal: exactly the tokens we mint are accepted, and every other one is refused with the promised error.
 * Method: a token made by an independent implementation; a table of hostile tokens correctly signed with our own key where
 * that makes the test sharper; every prefix, every changed character, every removed payload character. */
#include "engine/crypto/token.h"

#include "engine/base/prng.h"
#include "engine/base/text.h"

#include "tests/lib/check.h"

#include <stdio.h>

enum { NOW_S = 1700000000, ROOM = 4096 };

static struct nx_token_key key_of(uint32_t kid)
{
    struct nx_token_key key = {.kid = kid};
    for (unsigned i = 0; i < sizeof(key.secret); i++) {
        key.secret[i] = (uint8_t)(kid * 31 + i);
    }
    return key;
}

static struct nx_token_ring ring_of(uint32_t kid)
{
    struct nx_token_ring ring;
    nx_token_ring_init(&ring);
    const struct nx_token_key key = key_of(kid);
    CHECK(nx_token_ring_add(&ring, &key) == NX_OK, "kid %u", kid);
    return ring;
}

static const struct nx_token_claims sample = {
    .user_id = UINT64_C(175928847299117063),
    .session_id = 42,
    .device_id = 7,
    .token_id = UINT64_C(0x0123456789abcdef),
    .issued_s = NOW_S,
    .expires_s = NOW_S + 900,
    .version = 3,
    .kind = NX_TOKEN_ACCESS,
};

#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"1\"}"
#define PAYLOAD                                                                                              \
    "{\"iss\":\"nexus\",\"aud\":\"nexus\",\"typ\":\"access\",\"sub\":\"175928847299117063\",\"sid\":\"42\"," \
    "\"dev\":\"7\","                                                                                         \
    "\"iat\":1700000000,\"exp\":1700000900,\"jti\":\"0123456789abcdef\",\"ver\":3}"

/* Signs any header and payload with key 1, as an attacker could not; the parts need not make sense. */
static struct nx_bytes forge(const char *header, const char *payload, uint8_t *room)
{
    struct nx_writer w = nx_writer_init(room, ROOM);
    nx_text_base64url_encode(nx_bytes_text(header), &w);
    nx_writer_u8(&w, '.');
    nx_text_base64url_encode(nx_bytes_text(payload), &w);
    const struct nx_token_key key = key_of(1);
    uint8_t code[NX_HMAC_SIZE];
    CHECK(nx_hmac_sha256(nx_bytes_of(key.secret, sizeof(key.secret)), nx_writer_bytes(&w), code) == NX_OK,
          "hmac");
    nx_writer_u8(&w, '.');
    nx_text_base64url_encode(nx_bytes_of(code, sizeof(code)), &w);
    return nx_writer_bytes(&w);
}

static bool is_same(const struct nx_token_claims *a, const struct nx_token_claims *b)
{
    return a->user_id == b->user_id && a->session_id == b->session_id && a->device_id == b->device_id &&
           a->token_id == b->token_id && a->issued_s == b->issued_s && a->expires_s == b->expires_s &&
           a->version == b->version && a->kind == b->kind;
}

TEST(token, signs_the_documented_bytes)
{
    struct nx_token_ring ring = ring_of(1);
    uint8_t text[NX_TOKEN_MINTED_MAX];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    CHECK(nx_token_sign(&ring, &sample, &w) == NX_OK, "sign");
    static const char wanted[] =
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IjEifQ.eyJpc3MiOiJuZXh1cyIsImF1ZCI6Im5leHVzIiw"
        "idHlwIjoiYWNjZXNzIiwic3ViIjoiMTc1OTI4ODQ3Mjk5MTE3MDYzIiwic2lkIjoiNDIiLCJkZXYiOiI3IiwiaWF0I"
        "joxNzAwMDAwMDAwLCJleHAiOjE3MDAwMDA5MDAsImp0aSI6IjAxMjM0NTY3ODlhYmNkZWYiLCJ2ZXIiOjN9.uzq5sJ"
        "58zQlNvv-ILHlwABb9HWYIWtAoJs-JEZBwkZY";
    CHECK(nx_bytes_is(nx_writer_bytes(&w), wanted), "%.*s", (int)w.size, (const char *)text);
    uint8_t forged[ROOM];
    CHECK(nx_bytes_equal(nx_writer_bytes(&w), forge(HEADER, PAYLOAD, forged)),
          "the table's base is our own form");
    struct nx_token_claims claims;
    CHECK(nx_token_verify(&ring, nx_bytes_text(wanted), NOW_S, &claims) == NX_OK, "verify");
    CHECK(is_same(&claims, &sample), "claims");
    nx_token_ring_fini(&ring);
}

TEST(token, verifies_what_it_signed_for_all_values)
{
    struct nx_token_ring ring = ring_of(UINT32_MAX);
    struct nx_prng prng;
    nx_prng_init(&prng, 1);
    size_t longest = 0;
    for (int i = 0; i < 3000; i++) {
        struct nx_token_claims claims = {
            .user_id = nx_prng_u64(&prng) >> nx_prng_below(&prng, 64),
            .session_id = nx_prng_u64(&prng) >> nx_prng_below(&prng, 64),
            .device_id = i % 2 == 0 ? 0 : nx_prng_u64(&prng) >> nx_prng_below(&prng, 64),
            .token_id = nx_prng_u64(&prng),
            .issued_s = nx_prng_below(&prng, NX_TOKEN_TIME_MAX),
            .version = (uint32_t)nx_prng_u64(&prng),
            .kind = (enum nx_token_kind)nx_prng_below(&prng, 3),
        };
        claims.expires_s = claims.issued_s + 1 + nx_prng_below(&prng, NX_TOKEN_TIME_MAX - claims.issued_s);
        if (i == 0) { /* the longest there is */
            claims = (struct nx_token_claims){
                UINT64_MAX,        UINT64_MAX, UINT64_MAX,     UINT64_MAX, NX_TOKEN_TIME_MAX - 1,
                NX_TOKEN_TIME_MAX, UINT32_MAX, NX_TOKEN_ACCESS};
        }
        uint8_t text[NX_TOKEN_MINTED_MAX];
        struct nx_writer w = nx_writer_init(text, sizeof(text));
        CHECK(nx_token_sign(&ring, &claims, &w) == NX_OK, "round %d", i);
        struct nx_token_claims found;
        CHECK(nx_token_verify(&ring, nx_writer_bytes(&w), claims.issued_s, &found) == NX_OK, "round %d", i);
        CHECK(is_same(&found, &claims), "round %d", i);
        longest = w.size > longest ? w.size : longest;
    }
    CHECK(longest <= NX_TOKEN_MINTED_MAX, "longest %zu", longest);
    nx_token_ring_fini(&ring);
}

TEST(token, expires_at_exp_and_still_says_what_it_said)
{
    struct nx_token_ring ring = ring_of(1);
    uint8_t room[ROOM];
    const struct nx_bytes token = forge(HEADER, PAYLOAD, room);
    struct nx_token_claims claims = {0};
    CHECK(nx_token_verify(&ring, token, NOW_S + 899, &claims) == NX_OK, "one second before");
    claims = (struct nx_token_claims){0};
    CHECK(nx_token_verify(&ring, token, NOW_S + 900, &claims) == NX_E_EXPIRED && is_same(&claims, &sample),
          "at exp");
    CHECK(nx_token_verify(&ring, token, UINT64_MAX, &claims) == NX_E_EXPIRED, "at the end of time");
    room[token.size - 2] = room[token.size - 2] == 'A' ? 'B' : 'A'; /* expired and forged is forged */
    claims = (struct nx_token_claims){0};
    CHECK(nx_token_verify(&ring, token, UINT64_MAX, &claims) == NX_E_AUTH && claims.user_id == 0, "forged");
    nx_token_ring_fini(&ring);
}

/* Hostile input 89 and its relatives: each is signed with our own key, so only the content can be the reason. */
static const struct {
    const char *what, *header, *payload;
    enum nx_err wanted;
} hostile[] = {
    {"alg none", "{\"alg\":\"none\",\"typ\":\"JWT\",\"kid\":\"1\"}", PAYLOAD, NX_E_AUTH},
    {"alg nOnE", "{\"alg\":\"nOnE\",\"typ\":\"JWT\",\"kid\":\"1\"}", PAYLOAD, NX_E_AUTH},
    {"alg RS256", "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"1\"}", PAYLOAD, NX_E_AUTH},
    {"alg HS512", "{\"alg\":\"HS512\",\"typ\":\"JWT\",\"kid\":\"1\"}", PAYLOAD, NX_E_AUTH},
    {"alg twice", "{\"alg\":\"HS256\",\"alg\":\"none\",\"typ\":\"JWT\",\"kid\":\"1\"}", PAYLOAD, NX_E_AUTH},
    {"no alg", "{\"typ\":\"JWT\",\"kid\":\"1\"}", PAYLOAD, NX_E_AUTH},
    {"other order", "{\"typ\":\"JWT\",\"alg\":\"HS256\",\"kid\":\"1\"}", PAYLOAD, NX_E_AUTH},
    {"spaces", "{\"alg\": \"HS256\",\"typ\":\"JWT\",\"kid\":\"1\"}", PAYLOAD, NX_E_AUTH},
    {"kid path", "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"../../dev/null\"}", PAYLOAD, NX_E_AUTH},
    {"kid sql", "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"1' or '1'='1\"}", PAYLOAD, NX_E_AUTH},
    {"kid unknown", "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"2\"}", PAYLOAD, NX_E_AUTH},
    {"kid number", "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":1}", PAYLOAD, NX_E_AUTH},
    {"kid 01", "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"01\"}", PAYLOAD, NX_E_AUTH},
    {"kid +1", "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"+1\"}", PAYLOAD, NX_E_AUTH},
    {"kid empty", "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"\"}", PAYLOAD, NX_E_AUTH},
    {"kid 2^32+1", "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"4294967297\"}", PAYLOAD, NX_E_AUTH},
    {"kid 2^64+1", "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"18446744073709551617\"}", PAYLOAD,
     NX_E_AUTH},
    {"jku", "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"1\",\"jku\":\"http://x\"}", PAYLOAD, NX_E_AUTH},
    {"crit", "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"1\",\"crit\":[\"b64\"]}", PAYLOAD, NX_E_AUTH},
    {"header trailing", "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"1\"} ", PAYLOAD, NX_E_AUTH},
    {"header empty", "", PAYLOAD, NX_E_AUTH},
    {"payload empty", HEADER, "", NX_E_MALFORMED},
    {"payload {}", HEADER, "{}", NX_E_MALFORMED},
    {"payload trailing", HEADER, PAYLOAD " ", NX_E_MALFORMED},
    {"payload twice", HEADER, PAYLOAD PAYLOAD, NX_E_MALFORMED},
    {"aud foreign", HEADER,
     "{\"iss\":\"nexus\",\"aud\":\"other\",\"typ\":\"access\",\"sub\":\"1\",\"sid\":\"2\",\"iat\":1700000000,"
     "\"exp\":1700000900,\"jti\":\"0123456789abcdef\",\"ver\":3}",
     NX_E_AUTH},
    {"aud empty", HEADER,
     "{\"iss\":\"nexus\",\"aud\":\"\",\"typ\":\"access\",\"sub\":\"1\",\"sid\":\"2\",\"iat\":1700000000,"
     "\"exp\":1700000900,"
     "\"jti\":\"0123456789abcdef\",\"ver\":3}",
     NX_E_AUTH},
    {"aud array", HEADER,
     "{\"iss\":\"nexus\",\"aud\":[\"nexus\"],\"typ\":\"access\",\"sub\":\"1\",\"sid\":\"2\",\"iat\":"
     "1700000000,"
     "\"exp\":1700000900,\"jti\":\"0123456789abcdef\",\"ver\":3}",
     NX_E_MALFORMED},
    {"iss foreign", HEADER,
     "{\"iss\":\"nexus2\",\"aud\":\"nexus\",\"typ\":\"access\",\"sub\":\"1\",\"sid\":\"2\",\"iat\":"
     "1700000000,"
     "\"exp\":1700000900,\"jti\":\"0123456789abcdef\",\"ver\":3}",
     NX_E_AUTH},
    {"no exp", HEADER,
     "{\"iss\":\"nexus\",\"aud\":\"nexus\",\"typ\":\"access\",\"sub\":\"1\",\"sid\":\"2\",\"iat\":1700000000,"
     "\"jti\":\"0123456789abcdef\",\"ver\":3}",
     NX_E_MALFORMED},
    {"exp text", HEADER,
     "{\"iss\":\"nexus\",\"aud\":\"nexus\",\"typ\":\"access\",\"sub\":\"1\",\"sid\":\"2\",\"iat\":1700000000,"
     "\"exp\":\"1700000900\",\"jti\":\"0123456789abcdef\",\"ver\":3}",
     NX_E_MALFORMED},
    {"exp fraction", HEADER,
     "{\"iss\":\"nexus\",\"aud\":\"nexus\",\"typ\":\"access\",\"sub\":\"1\",\"sid\":\"2\",\"iat\":1700000000,"
     "\"exp\":1700000900.5,\"jti\":\"0123456789abcdef\",\"ver\":3}",
     NX_E_MALFORMED},
    {"exp 1e400", HEADER,
     "{\"iss\":\"nexus\",\"aud\":\"nexus\",\"typ\":\"access\",\"sub\":\"1\",\"sid\":\"2\",\"iat\":1700000000,"
     "\"exp\":1e400,"
     "\"jti\":\"0123456789abcdef\",\"ver\":3}",
     NX_E_MALFORMED},
    {"exp negative", HEADER,
     "{\"iss\":\"nexus\",\"aud\":\"nexus\",\"typ\":\"access\",\"sub\":\"1\",\"sid\":\"2\",\"iat\":1700000000,"
     "\"exp\":-1,"
     "\"jti\":\"0123456789abcdef\",\"ver\":3}",
     NX_E_MALFORMED},
    {"exp 2^53", HEADER,
     "{\"iss\":\"nexus\",\"aud\":\"nexus\",\"typ\":\"access\",\"sub\":\"1\",\"sid\":\"2\",\"iat\":1700000000,"
     "\"exp\":9007199254740992,\"jti\":\"0123456789abcdef\",\"ver\":3}",
     NX_E_MALFORMED},
    {"exp not after iat", HEADER,
     "{\"iss\":\"nexus\",\"aud\":\"nexus\",\"typ\":\"access\",\"sub\":\"1\",\"sid\":\"2\",\"iat\":1700000900,"
     "\"exp\":1700000900,\"jti\":\"0123456789abcdef\",\"ver\":3}",
     NX_E_MALFORMED},
    {"typ unknown", HEADER,
     "{\"iss\":\"nexus\",\"aud\":\"nexus\",\"typ\":\"refresh\",\"sub\":\"1\",\"sid\":\"2\",\"iat\":"
     "1700000000,"
     "\"exp\":1700000900,\"jti\":\"0123456789abcdef\",\"ver\":3}",
     NX_E_MALFORMED},
    {"sub 2^64", HEADER,
     "{\"iss\":\"nexus\",\"aud\":\"nexus\",\"typ\":\"access\",\"sub\":\"18446744073709551616\",\"sid\":\"2\","
     "\"iat\":1700000000,"
     "\"exp\":1700000900,\"jti\":\"0123456789abcdef\",\"ver\":3}",
     NX_E_MALFORMED},
    {"sub number", HEADER,
     "{\"iss\":\"nexus\",\"aud\":\"nexus\",\"typ\":\"access\",\"sub\":1,\"sid\":\"2\",\"iat\":1700000000,"
     "\"exp\":1700000900,"
     "\"jti\":\"0123456789abcdef\",\"ver\":3}",
     NX_E_MALFORMED},
    {"dev 0", HEADER,
     "{\"iss\":\"nexus\",\"aud\":\"nexus\",\"typ\":\"access\",\"sub\":\"1\",\"sid\":\"2\",\"dev\":\"0\","
     "\"iat\":1700000000,"
     "\"exp\":1700000900,\"jti\":\"0123456789abcdef\",\"ver\":3}",
     NX_E_MALFORMED},
    {"jti upper case", HEADER,
     "{\"iss\":\"nexus\",\"aud\":\"nexus\",\"typ\":\"access\",\"sub\":\"1\",\"sid\":\"2\",\"iat\":1700000000,"
     "\"exp\":1700000900,\"jti\":\"0123456789ABCDEF\",\"ver\":3}",
     NX_E_MALFORMED},
    {"a claim more", HEADER,
     "{\"iss\":\"nexus\",\"aud\":\"nexus\",\"typ\":\"access\",\"sub\":\"1\",\"sid\":\"2\",\"iat\":1700000000,"
     "\"exp\":1700000900,\"jti\":\"0123456789abcdef\",\"ver\":3,\"x\":1}",
     NX_E_MALFORMED},
};

TEST(token, refuses_hostile_tokens_signed_with_our_own_key)
{
    struct nx_token_ring ring = ring_of(1);
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        uint8_t room[ROOM];
        struct nx_token_claims claims = {.user_id = 99};
        const enum nx_err err =
            nx_token_verify(&ring, forge(hostile[i].header, hostile[i].payload, room), NOW_S, &claims);
        CHECK(err == hostile[i].wanted, "%s: %s", hostile[i].what, nx_err_text(err));
        CHECK(claims.user_id == 99, "%s: claims were written", hostile[i].what);
    }
    nx_token_ring_fini(&ring);
}

TEST(token, refuses_broken_forms)
{
    struct nx_token_ring ring = ring_of(1);
    struct nx_token_claims claims;
    uint8_t room[ROOM];
    uint8_t bad[ROOM];
    const struct nx_bytes token = forge(HEADER, PAYLOAD, room);
    for (size_t size = 0; size < token.size; size++) {
        CHECK(nx_token_verify(&ring, nx_bytes_of(room, size), NOW_S, &claims) != NX_OK, "prefix %zu", size);
    }
    for (size_t at = 0; at <= token.size; at++) { /* one character more, anywhere */
        static const char extra[] = {'A', '.', '=', ' ', '\0', '+'};
        for (size_t i = 0; i < sizeof(extra); i++) {
            memcpy(bad, room, at);
            bad[at] = (uint8_t)extra[i];
            memcpy(bad + at + 1, room + at, token.size - at);
            CHECK(nx_token_verify(&ring, nx_bytes_of(bad, token.size + 1), NOW_S, &claims) != NX_OK,
                  "'%c' at %zu", extra[i], at);
        }
    }
    for (size_t at = 0; at < token.size; at++) { /* another character, each of 255, anywhere */
        for (unsigned other = 1; other < 256; other++) {
            memcpy(bad, room, token.size);
            bad[at] = (uint8_t)(bad[at] ^ other);
            CHECK(nx_token_verify(&ring, nx_bytes_of(bad, token.size), NOW_S, &claims) != NX_OK,
                  "%02x at %zu", other, at);
        }
    }
    memset(bad, 'A', sizeof(bad));
    memcpy(bad, room, token.size);
    CHECK(nx_token_verify(&ring, nx_bytes_of(bad, NX_TOKEN_SIZE_MAX), NOW_S, &claims) == NX_E_AUTH,
          "at the cap");
    CHECK(nx_token_verify(&ring, nx_bytes_of(bad, NX_TOKEN_SIZE_MAX + 1), NOW_S, &claims) == NX_E_MALFORMED,
          "over it");
    CHECK(nx_token_verify(&ring, nx_bytes_text(".."), NOW_S, &claims) == NX_E_AUTH, "dots");
    nx_token_ring_fini(&ring);
}

TEST(token, refuses_a_signed_payload_with_any_character_missing)
{
    struct nx_token_ring ring = ring_of(1);
    static const char whole[] = PAYLOAD;
    const size_t size = sizeof(whole) - 1;
    for (size_t at = 0; at < size; at++) {
        char payload[512];
        uint8_t room[ROOM];
        struct nx_token_claims claims;
        memcpy(payload, whole, at);
        memcpy(payload + at, whole + at + 1, size - at);
        const enum nx_err err = nx_token_verify(&ring, forge(HEADER, payload, room), NOW_S, &claims);
        const bool is_digit = whole[at] >= '0' && whole[at] <= '9';
        CHECK(is_digit || (err != NX_OK && err != NX_E_EXPIRED), "without '%c' at %zu", whole[at], at);
    }
    nx_token_ring_fini(&ring);
}

TEST(token, rotates_keys_without_a_gap)
{
    struct nx_token_ring ring = ring_of(1);
    uint8_t old_room[ROOM];
    uint8_t new_room[ROOM];
    struct nx_token_claims claims;
    const struct nx_token_key second = key_of(2);
    CHECK(nx_token_ring_add(&ring, &second) == NX_OK && nx_token_ring_add(&ring, &second) == NX_OK,
          "added, again");
    CHECK(ring.keys_count == 2, "once");
    struct nx_writer old_token = nx_writer_init(old_room, sizeof(old_room));
    CHECK(nx_token_sign(&ring, &sample, &old_token) == NX_OK, "the first key signs until told otherwise");
    CHECK(nx_token_ring_use(&ring, 3) == NX_E_AUTH && nx_token_ring_use(&ring, 2) == NX_OK, "use");
    struct nx_writer new_token = nx_writer_init(new_room, sizeof(new_room));
    CHECK(nx_token_sign(&ring, &sample, &new_token) == NX_OK, "the second signs");
    CHECK(nx_token_verify(&ring, nx_writer_bytes(&old_token), NOW_S, &claims) == NX_OK,
          "old while both live");
    CHECK(nx_token_verify(&ring, nx_writer_bytes(&new_token), NOW_S, &claims) == NX_OK,
          "new while both live");
    nx_token_ring_drop(&ring, 1);
    nx_token_ring_drop(&ring, 1);
    CHECK(nx_token_verify(&ring, nx_writer_bytes(&old_token), NOW_S, &claims) == NX_E_AUTH,
          "old after the drop");
    CHECK(nx_token_verify(&ring, nx_writer_bytes(&new_token), NOW_S, &claims) == NX_OK, "new after the drop");
    struct nx_token_key liar = key_of(3);
    liar.kid = 2;
    CHECK(nx_token_ring_add(&ring, &liar) == NX_E_AUTH, "a kid does not change its secret");
    for (uint32_t kid = 3; kid <= 5; kid++) {
        const struct nx_token_key key = key_of(kid);
        CHECK(nx_token_ring_add(&ring, &key) == NX_OK, "kid %u", kid);
    }
    const struct nx_token_key sixth = key_of(6);
    CHECK(nx_token_ring_add(&ring, &sixth) == NX_E_FULL, "four keys");
    nx_token_ring_drop(&ring, 2);
    CHECK(ring.keys[ring.current].kid == 5, "the newest takes over");
    nx_token_ring_drop(&ring, 3);
    CHECK(ring.keys[ring.current].kid == 5, "the signer stays when an older one goes");
    nx_token_ring_fini(&ring);
    struct nx_writer none = nx_writer_init(old_room, sizeof(old_room));
    CHECK(nx_token_sign(&ring, &sample, &none) == NX_E_AUTH && none.size == 0, "an empty ring signs nothing");
    CHECK(nx_token_verify(&ring, nx_writer_bytes(&new_token), NOW_S, &claims) == NX_E_AUTH, "nor verifies");
}

TEST(token, writes_all_or_nothing)
{
    struct nx_token_ring ring = ring_of(1);
    uint8_t room[ROOM];
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    CHECK(nx_token_sign(&ring, &sample, &w) == NX_OK, "sign");
    const size_t size = w.size;
    for (size_t space = 0; space < size; space++) {
        w = nx_writer_init(room, space);
        CHECK(nx_token_sign(&ring, &sample, &w) == NX_E_FULL && w.size == 0, "room for %zu", space);
    }
    w = nx_writer_init(room, size);
    CHECK(nx_token_sign(&ring, &sample, &w) == NX_OK, "exact room");
    nx_token_ring_fini(&ring);
}
