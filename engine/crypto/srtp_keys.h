/* srtp_keys.h - media profiles, the master keys a DTLS handshake gives, and the session keys that follow from them.
 *
 * Spec:    RFC 5764 sections 4.1.2 and 4.2 (profiles, exporter), RFC 7714 sections 11, 12 and 14.2 (GCM), RFC 3711
 *          section 4.3 (key derivation, rate 0). MKI and other profiles are not offered.
 * Layer:   engine/crypto (OpenSSL EVP; no I/O, no clock)
 * Threads: any; no state
 * Idiom:   export nx_srtp_keys_exported_size() bytes under NX_SRTP_KEYS_LABEL, split them, open two struct nx_srtp, wipe.
 */
#ifndef NX_CRYPTO_SRTP_KEYS_H
#define NX_CRYPTO_SRTP_KEYS_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"

#define NX_SRTP_KEYS_LABEL "EXTRACTOR-dtls_srtp" /* RFC 5764 section 4.2 */

/** Profiles by their number in the use_srtp extension (IANA, DTLS-SRTP Protection Profiles). */
enum nx_srtp_profile {
    NX_SRTP_NONE = 0,                 /**< none agreed */
    NX_SRTP_AES128_CM_SHA1_80 = 0x01, /**< RFC 5764 section 4.1.2 */
    NX_SRTP_AEAD_AES_128_GCM = 0x07   /**< RFC 7714 section 14.2 */
};

enum {
    NX_SRTP_KEY_SIZE = 16,         /**< bytes of a master or session key, both profiles */
    NX_SRTP_SALT_SIZE = 14,        /**< bytes; GCM has 12, the rest is 0 (RFC 7714 section 11) */
    NX_SRTP_AUTH_SIZE = 20,        /**< bytes of the key of HMAC-SHA1 */
    NX_SRTP_EXPORTED_SIZE_MAX = 60 /**< bytes: two keys and two salts */
};

/** Labels of the derivation (RFC 3711 section 4.3.2). */
enum nx_srtp_keys_use {
    NX_SRTP_KEYS_RTP_CIPHER = 0,
    NX_SRTP_KEYS_RTP_AUTH = 1,
    NX_SRTP_KEYS_RTP_SALT = 2,
    NX_SRTP_KEYS_RTCP_CIPHER = 3,
    NX_SRTP_KEYS_RTCP_AUTH = 4,
    NX_SRTP_KEYS_RTCP_SALT = 5
};

/** Master key and salt of one direction. A secret: wipe it. */
struct nx_srtp_keys {
    uint8_t key[NX_SRTP_KEY_SIZE];   /**< master key */
    uint8_t salt[NX_SRTP_SALT_SIZE]; /**< master salt, zeros behind the 12 bytes of GCM */
};

/** Returns a static name for logs and statistics, as OpenSSL spells it; "none" for NX_SRTP_NONE. */
const char *nx_srtp_keys_name(enum nx_srtp_profile profile);

/** Returns how many bytes to export for `profile`: 56 or 60; 0 for NX_SRTP_NONE. */
size_t nx_srtp_keys_exported_size(enum nx_srtp_profile profile);

/**
 * Takes exported bytes apart: client key, server key, client salt, server salt. `local` is what we send under.
 *
 * Returns NX_E_UNSUPPORTED for another profile, NX_E_MALFORMED when the size is not the profile's; nothing is then written.
 */
NX_MUST_USE enum nx_err nx_srtp_keys_split(enum nx_srtp_profile profile, struct nx_bytes exported,
                                           bool is_client, struct nx_srtp_keys *local,
                                           struct nx_srtp_keys *remote);

/** Derives `size` bytes (at most 20) for `use` into `out`. Returns NX_E_NO_MEMORY when OpenSSL cannot allocate. */
NX_MUST_USE enum nx_err nx_srtp_keys_derive(const struct nx_srtp_keys *keys, enum nx_srtp_keys_use use,
                                            size_t size, uint8_t *out);

#endif
