#include "engine/crypto/aead.h"

#include "engine/crypto/wipe.h"

#include <openssl/evp.h>

enum nx_err nx_aead_open(struct nx_aead *aead, struct nx_bytes key)
{
    if (key.size != 16 && key.size != 32) {
        return NX_E_UNSUPPORTED;
    }
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, key.size == 16 ? "AES-128-GCM" : "AES-256-GCM", NULL);
    struct nx_aead fresh = {.sealer = EVP_CIPHER_CTX_new(), .opener = EVP_CIPHER_CTX_new()};
    const bool is_ready = cipher != NULL && fresh.sealer != NULL && fresh.opener != NULL &&
                          EVP_EncryptInit_ex2(fresh.sealer, cipher, key.at, NULL, NULL) == 1 &&
                          EVP_DecryptInit_ex2(fresh.opener, cipher, key.at, NULL, NULL) == 1;
    EVP_CIPHER_free(cipher); /* the contexts hold their own references */
    if (!is_ready) {
        nx_aead_close(&fresh);
        return NX_E_NO_MEMORY;
    }
    *aead = fresh;
    return NX_OK;
}

void nx_aead_close(struct nx_aead *aead)
{
    EVP_CIPHER_CTX_free(aead->sealer); /* clears the key schedule */
    EVP_CIPHER_CTX_free(aead->opener);
    *aead = (struct nx_aead){0};
}

enum nx_err nx_aead_seal(struct nx_aead *aead, const uint8_t nonce[NX_AEAD_NONCE_SIZE], struct nx_bytes extra,
                         struct nx_bytes plain, uint8_t *out)
{
    if (extra.size > NX_AEAD_SIZE_MAX || plain.size > NX_AEAD_SIZE_MAX) {
        return NX_E_FULL;
    }
    EVP_CIPHER_CTX *c = aead->sealer;
    uint8_t *tag = out + plain.size;
    int size;
    if (EVP_EncryptInit_ex2(c, NULL, NULL, nonce, NULL) != 1 ||
        (extra.size != 0 && EVP_EncryptUpdate(c, NULL, &size, extra.at, (int)extra.size) != 1) ||
        (plain.size != 0 && EVP_EncryptUpdate(c, out, &size, plain.at, (int)plain.size) != 1) ||
        EVP_EncryptFinal_ex(c, tag, &size) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, NX_AEAD_TAG_SIZE, tag) != 1) {
        return NX_E_NO_MEMORY;
    }
    return NX_OK;
}

enum nx_err nx_aead_unseal(struct nx_aead *aead, const uint8_t nonce[NX_AEAD_NONCE_SIZE],
                           struct nx_bytes extra, struct nx_bytes sealed, uint8_t *out)
{
    if (sealed.size < NX_AEAD_TAG_SIZE) {
        return NX_E_TRUNCATED;
    }
    const size_t plain_size = sealed.size - NX_AEAD_TAG_SIZE;
    if (extra.size > NX_AEAD_SIZE_MAX || plain_size > NX_AEAD_SIZE_MAX) {
        return NX_E_FULL;
    }
    EVP_CIPHER_CTX *c = aead->opener;
    uint8_t tag[NX_AEAD_TAG_SIZE]; /* a copy, because OpenSSL wants to write to it */
    memcpy(tag, sealed.at + plain_size, sizeof(tag));
    int size;
    uint8_t nothing[1];
    if (EVP_DecryptInit_ex2(c, NULL, NULL, nonce, NULL) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, NX_AEAD_TAG_SIZE, tag) != 1 ||
        (extra.size != 0 && EVP_DecryptUpdate(c, NULL, &size, extra.at, (int)extra.size) != 1) ||
        (plain_size != 0 && EVP_DecryptUpdate(c, out, &size, sealed.at, (int)plain_size) != 1) ||
        EVP_DecryptFinal_ex(c, nothing, &size) != 1) {
        if (plain_size != 0) {
            nx_wipe(out, plain_size);
        }
        return NX_E_AUTH;
    }
    return NX_OK;
}
