#include "engine/crypto/digest.h"

#include <openssl/evp.h>
#include <stdatomic.h>
#include <string.h>

/* Fetching walks the provider tables under a lock and costs more than the digest of a short text, so the
 * result is kept for the life of the process. Two threads may both fetch at first; the loser gives its copy
 * back. */
static EVP_MD *fetched(_Atomic(EVP_MD *) *kept, const char *name)
{
    EVP_MD *md = atomic_load_explicit(kept, memory_order_acquire);
    if (md != NULL) {
        return md;
    }
    EVP_MD *fresh = EVP_MD_fetch(NULL, name, NULL);
    if (fresh == NULL) {
        return NULL;
    }
    if (!atomic_compare_exchange_strong(kept, &md, fresh)) {
        EVP_MD_free(fresh);
        return md;
    }
    return fresh;
}

static enum nx_err digest(_Atomic(EVP_MD *) *kept, const char *name, const void *data, size_t size,
                          uint8_t *out, size_t out_size)
{
    const EVP_MD *md = fetched(kept, name);
    uint8_t whole[EVP_MAX_MD_SIZE];
    if (md == NULL || EVP_Digest(size != 0 ? data : "", size, whole, NULL, md, NULL) != 1) {
        return NX_E_NO_MEMORY;
    }
    memcpy(out, whole, out_size);
    return NX_OK;
}

enum nx_err nx_digest_sha1(const void *data, size_t size, uint8_t out[NX_DIGEST_SHA1_SIZE])
{
    static _Atomic(EVP_MD *) kept;
    return digest(&kept, "SHA1", data, size, out, NX_DIGEST_SHA1_SIZE);
}

enum nx_err nx_digest_sha256(const void *data, size_t size, uint8_t out[NX_DIGEST_SHA256_SIZE])
{
    static _Atomic(EVP_MD *) kept;
    return digest(&kept, "SHA256", data, size, out, NX_DIGEST_SHA256_SIZE);
}
