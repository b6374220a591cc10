#include "engine/crypto/srtp_keys.h"

#include "engine/base/assert.h"
#include "engine/base/reader.h"

#include <openssl/evp.h>

enum { SALT_SIZE_GCM = 12 };

static size_t salt_size(enum nx_srtp_profile profile)
{
    return profile == NX_SRTP_AEAD_AES_128_GCM ? SALT_SIZE_GCM : NX_SRTP_SALT_SIZE;
}

static bool is_known(enum nx_srtp_profile profile)
{
    return profile == NX_SRTP_AES128_CM_SHA1_80 || profile == NX_SRTP_AEAD_AES_128_GCM;
}

const char *nx_srtp_keys_name(enum nx_srtp_profile profile)
{
    switch (profile) {
    case NX_SRTP_AES128_CM_SHA1_80:
        return "SRTP_AES128_CM_SHA1_80";
    case NX_SRTP_AEAD_AES_128_GCM:
        return "SRTP_AEAD_AES_128_GCM";
    case NX_SRTP_NONE:
    default:
        return "none";
    }
}

size_t nx_srtp_keys_exported_size(enum nx_srtp_profile profile)
{
    return is_known(profile) ? 2 * (NX_SRTP_KEY_SIZE + salt_size(profile)) : 0;
}

enum nx_err nx_srtp_keys_split(enum nx_srtp_profile profile, struct nx_bytes exported, bool is_client,
                               struct nx_srtp_keys *local, struct nx_srtp_keys *remote)
{
    if (!is_known(profile)) {
        return NX_E_UNSUPPORTED;
    }
    if (exported.size != nx_srtp_keys_exported_size(profile)) {
        return NX_E_MALFORMED;
    }
    struct nx_srtp_keys *client = is_client ? local : remote;
    struct nx_srtp_keys *server = is_client ? remote : local;
    *client = (struct nx_srtp_keys){0};
    *server = (struct nx_srtp_keys){0};
    struct nx_reader in = nx_reader_init(exported.at, exported.size);
    memcpy(client->key, nx_reader_take(&in, NX_SRTP_KEY_SIZE), NX_SRTP_KEY_SIZE);
    memcpy(server->key, nx_reader_take(&in, NX_SRTP_KEY_SIZE), NX_SRTP_KEY_SIZE);
    memcpy(client->salt, nx_reader_take(&in, salt_size(profile)), salt_size(profile));
    memcpy(server->salt, nx_reader_take(&in, salt_size(profile)), salt_size(profile));
    return NX_OK;
}

/* The generator is AES in counter mode over zeros; its counter block begins with the salt, the label on byte 7 of it. */
enum nx_err nx_srtp_keys_derive(const struct nx_srtp_keys *keys, enum nx_srtp_keys_use use, size_t size,
                                uint8_t *out)
{
    static const uint8_t zeros[NX_SRTP_AUTH_SIZE];
    NX_ASSERT(size <= sizeof(zeros));
    uint8_t block[16] = {0};
    memcpy(block, keys->salt, sizeof(keys->salt));
    block[7] ^= (uint8_t)use;
    int done = 0;
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-128-CTR", NULL);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    const bool is_done = cipher != NULL && c != NULL &&
                         EVP_EncryptInit_ex2(c, cipher, keys->key, block, NULL) == 1 &&
                         EVP_EncryptUpdate(c, out, &done, zeros, (int)size) == 1;
    EVP_CIPHER_CTX_free(c);
    EVP_CIPHER_free(cipher);
    return is_done ? NX_OK : NX_E_NO_MEMORY;
}
