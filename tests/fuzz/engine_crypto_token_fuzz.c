/* Goal: no bytes hurt verify, and it accepts exactly what sign writes.
 * Method: the first byte chooses. Even: the rest is a token as it comes. Odd: the rest up to a zero is a header, what follows a
 * payload; both are signed with the ring's own key, so that the scanner behind the signature is reached. Each input also fills and
 * empties a second ring: a token is good as long as its key is there, and no longer. */
#include "engine/base/text.h"
#include "engine/crypto/token.h"

#include <stdlib.h>

static const struct nx_token_key key = {.kid = 1, .secret = "nexus fuzz key, thirty-two bytes"};

static struct nx_token_ring *ring(void)
{
    static struct nx_token_ring one;
    if (one.keys_count == 0 && nx_token_ring_add(&one, &key) != NX_OK) {
        abort();
    }
    return &one;
}

static void check(struct nx_bytes token)
{
    struct nx_token_claims claims;
    const enum nx_err err = nx_token_verify(ring(), token, 1700000000, &claims);
    if (err != NX_OK && err != NX_E_EXPIRED) {
        if (err != NX_E_MALFORMED && err != NX_E_AUTH) {
            abort();
        }
        return;
    }
    if ((err == NX_E_EXPIRED) != (claims.expires_s <= 1700000000)) {
        abort();
    }
    uint8_t text[NX_TOKEN_MINTED_MAX];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    if (nx_token_sign(ring(), &claims, &w) != NX_OK || !nx_bytes_equal(nx_writer_bytes(&w), token)) {
        abort(); /* one value, one spelling */
    }
}

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* Bytes choose a key to add, to sign with or to drop; what was signed last is asked for after each. */
static void check_ring(const uint8_t *bytes, size_t size)
{
    static struct nx_token_ring other;
    uint8_t text[NX_TOKEN_MINTED_MAX];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    uint32_t signer = 0;
    nx_token_ring_init(&other);
    for (size_t i = 0; i < size && i < 24; i++) {
        struct nx_token_key one = {.kid = bytes[i] % 16, .secret = {(uint8_t)(bytes[i] % 16)}};
        one.secret[1] = bytes[i] >> 4 == 15; /* another secret for a kid that is taken */
        const bool has = nx_token_ring_find(&other, one.kid) != NULL;
        const uint32_t count = other.keys_count;
        enum nx_err err;
        switch (bytes[i] >> 4 & 3) {
        case 0:
        case 3:
            err = nx_token_ring_add(&other, &one);
            require(err == NX_OK || (has && err == NX_E_AUTH) ||
                    (count == NX_TOKEN_KEYS_MAX && err == NX_E_FULL));
            break;
        case 1:
            require((nx_token_ring_use(&other, one.kid) == NX_OK) == has);
            if (has) {
                const struct nx_token_claims claims = {.user_id = 7, .issued_s = 5, .expires_s = UINT32_MAX};
                w = nx_writer_init(text, sizeof(text));
                require(nx_token_sign(&other, &claims, &w) == NX_OK);
                signer = one.kid;
            }
            break;
        default:
            nx_token_ring_drop(&other, one.kid);
            require(other.keys_count == count - has && nx_token_ring_find(&other, one.kid) == NULL);
            if (has && one.kid == signer) {
                w.size = 0; /* added again it may have another secret */
            }
            break;
        }
        struct nx_token_claims claims;
        require(w.size == 0 || nx_token_verify(&other, nx_writer_bytes(&w), 6, &claims) == NX_OK);
    }
    while (other.keys_count != 0) {
        nx_token_ring_drop(&other, other.keys[0].kid);
    }
    const struct nx_token_claims claims = {.user_id = 7, .issued_s = 5, .expires_s = UINT32_MAX};
    struct nx_token_claims found;
    require(w.size == 0 || nx_token_verify(&other, nx_writer_bytes(&w), 6, &found) == NX_E_AUTH);
    w = nx_writer_init(text, sizeof(text));
    require(nx_token_sign(&other, &claims, &w) == NX_E_AUTH && w.size == 0);
    w = nx_writer_init(text, 20);
    require(nx_token_sign(ring(), &claims, &w) == NX_E_FULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const struct nx_bytes rest = nx_bytes_of(data + 1, size - 1);
    check_ring(rest.at, rest.size);
    if (data[0] % 2 == 0) {
        check(rest);
        return 0;
    }
    const uint8_t *zero = rest.size != 0 ? memchr(rest.at, 0, rest.size) : NULL;
    const size_t header_size = zero != NULL ? (size_t)(zero - rest.at) : 0;
    uint8_t text[2048];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    nx_text_base64url_encode(nx_bytes_slice(rest, 0, header_size), &w);
    nx_writer_u8(&w, '.');
    nx_text_base64url_encode(nx_bytes_slice(rest, header_size + (zero != NULL), rest.size), &w);
    uint8_t code[NX_HMAC_SIZE];
    if (nx_hmac_sha256(nx_bytes_of(key.secret, sizeof(key.secret)), nx_writer_bytes(&w), code) != NX_OK) {
        abort();
    }
    nx_writer_u8(&w, '.');
    nx_text_base64url_encode(nx_bytes_of(code, sizeof(code)), &w);
    if (nx_writer_ok(&w)) {
        check(nx_writer_bytes(&w));
    }
    return 0;
}
