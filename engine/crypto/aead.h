/* aead.h - AES-GCM with a context that is keyed once: at-rest secrets and, later, media packets.
 *
 * Spec:    NIST SP 800-38D with 96-bit nonces and 128-bit tags (RFC 5116 AEAD_AES_128_GCM and
 * AEAD_AES_256_GCM) Layer:   engine/crypto (OpenSSL EVP; no I/O, no clock) Threads: a struct nx_aead belongs
 * to one thread at a time Limits:  texts and additional data up to NX_AEAD_SIZE_MAX bytes each; opening
 * allocates inside OpenSSL, the rest does not Idiom:   a nonce is never used twice with one key; that is the
 * caller's duty. Output may lie on the input exactly, but must not overlap it otherwise.
 */
#ifndef NX_CRYPTO_AEAD_H
#define NX_CRYPTO_AEAD_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"

enum {
    NX_AEAD_NONCE_SIZE = 12,   /**< bytes */
    NX_AEAD_TAG_SIZE = 16,     /**< bytes */
    NX_AEAD_SIZE_MAX = 1 << 30 /**< bytes of one text */
};

struct evp_cipher_ctx_st;

/** A keyed pair of contexts; zeroed memory is a closed one. */
struct nx_aead {
    /* owned */
    struct evp_cipher_ctx_st *sealer;
    struct evp_cipher_ctx_st *opener;
};

/** Keys `aead` with `key` of 16 (AES-128) or 32 bytes (AES-256). Returns NX_E_UNSUPPORTED for other sizes,
 * NX_E_NO_MEMORY when OpenSSL cannot allocate. */
NX_MUST_USE enum nx_err nx_aead_open(struct nx_aead *aead, struct nx_bytes key);

/** Wipes the keys and frees the contexts; a closed one may be closed again. */
void nx_aead_close(struct nx_aead *aead);

/** Encrypts `plain` into `out`, which has room for plain.size + NX_AEAD_TAG_SIZE bytes: text, then tag.
 * `extra` is authenticated only. Returns NX_E_FULL when one of them is longer than NX_AEAD_SIZE_MAX,
 * NX_E_NO_MEMORY when OpenSSL cannot allocate; `out` must then not be used. */
NX_MUST_USE enum nx_err nx_aead_seal(struct nx_aead *aead, const uint8_t nonce[NX_AEAD_NONCE_SIZE],
                                     struct nx_bytes extra, struct nx_bytes plain, uint8_t *out);

/** Decrypts `sealed` (text, then tag) into `out`, which has room for sealed.size - NX_AEAD_TAG_SIZE bytes.
 * Returns NX_E_TRUNCATED when there is no whole tag, NX_E_FULL when an input is longer than NX_AEAD_SIZE_MAX
 * plus a tag, NX_E_AUTH when text, tag, extra, nonce or key do not belong together; `out` is then zeroed. */
NX_MUST_USE enum nx_err nx_aead_unseal(struct nx_aead *aead, const uint8_t nonce[NX_AEAD_NONCE_SIZE],
                                       struct nx_bytes extra, struct nx_bytes sealed, uint8_t *out);

#endif
