/* The EVP interface allocates twice per message and looks its algorithm up; a hash state that is a value does neither.
 * OpenSSL calls these functions deprecated, and keeps them. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "engine/crypto/hmac_sha1.h"

#include "engine/base/assert.h"
#include "engine/crypto/wipe.h"

#include <openssl/sha.h>

_Static_assert(sizeof(SHA_CTX) <= sizeof(((struct nx_hmac_sha1 *)NULL)->inner), "a state fits");

static void hash_block(uint64_t state[12], const uint8_t key[SHA_CBLOCK], uint8_t pad)
{
    uint8_t block[SHA_CBLOCK];
    for (size_t i = 0; i < sizeof(block); i++) {
        block[i] = key[i] ^ pad;
    }
    SHA_CTX ctx;
    NX_ASSERT(SHA1_Init(&ctx) == 1 && SHA1_Update(&ctx, block, sizeof(block)) == 1);
    memcpy(state, &ctx, sizeof(ctx));
    nx_wipe(block, sizeof(block));
    nx_wipe(&ctx, sizeof(ctx));
}

void nx_hmac_sha1_init(struct nx_hmac_sha1 *hmac, struct nx_bytes key)
{
    uint8_t padded[SHA_CBLOCK] = {0};
    if (key.size > sizeof(padded)) {
        SHA_CTX ctx;
        NX_ASSERT(SHA1_Init(&ctx) == 1 && SHA1_Update(&ctx, key.at, key.size) == 1 &&
                  SHA1_Final(padded, &ctx) == 1);
    } else if (key.size != 0) {
        memcpy(padded, key.at, key.size);
    }
    memset(hmac, 0, sizeof(*hmac));
    hash_block(hmac->inner, padded, 0x36); /* RFC 2104 section 2 */
    hash_block(hmac->outer, padded, 0x5c);
    nx_wipe(padded, sizeof(padded));
}

void nx_hmac_sha1_compute(const struct nx_hmac_sha1 *hmac, const struct nx_bytes *parts, unsigned count,
                          uint8_t out[NX_HMAC_SHA1_SIZE])
{
    SHA_CTX ctx;
    uint8_t digest[SHA_DIGEST_LENGTH];
    memcpy(&ctx, hmac->inner, sizeof(ctx));
    for (unsigned i = 0; i < count; i++) {
        NX_ASSERT(parts[i].size == 0 || SHA1_Update(&ctx, parts[i].at, parts[i].size) == 1);
    }
    NX_ASSERT(SHA1_Final(digest, &ctx) == 1);
    memcpy(&ctx, hmac->outer, sizeof(ctx));
    NX_ASSERT(SHA1_Update(&ctx, digest, sizeof(digest)) == 1 && SHA1_Final(out, &ctx) == 1);
    nx_wipe(&ctx, sizeof(ctx));
}
