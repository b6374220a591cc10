/* seal.h - the gateway's session id: where a session lives, signed, so that any node can find it or refuse
 * it.
 *
 * Spec:    60 bytes as 80 characters of base64url: version (2), kid (4), shard (2), node (4), slot (4),
 * generation (4), user (8), session (8), issued (8), all big-endian, then the first 16 bytes of HMAC-SHA256
 * over the text "nexus-seal-v1", a zero byte and those 44 bytes. No token's signed text can begin like that.
 * Layer:   engine/crypto (no I/O, no clock)
 * Threads: those of the ring
 * Limits:  fixed size; below 1 us, no allocation of its own
 * Idiom:   the text is handed out in READY and comes back in RESUME; its user must be the token's. The seal
 * has no expiry of its own: the caller looks at issued_s and at the slot's generation.
 */
#ifndef NX_CRYPTO_SEAL_H
#define NX_CRYPTO_SEAL_H

#include "engine/crypto/token.h"

enum { NX_SEAL_TEXT_SIZE = 80 }; /**< characters, without a NUL */

/** Where a gateway session lives and whose it is. */
struct nx_seal {
    uint32_t node;       /**< node id */
    uint16_t shard;      /**< shard of that node */
    uint32_t slot;       /**< index in the shard's session pool */
    uint32_t generation; /**< of that slot */
    uint64_t user_id;
    uint64_t session_id; /**< sid of the token it was opened with */
    uint64_t issued_s;   /**< seconds since 1970 */
};

/** Writes the NX_SEAL_TEXT_SIZE characters of `seal`, signed with the ring's current key, to `out`.
 *  Returns NX_E_FULL when `out` has no room, NX_E_AUTH when the ring is empty, NX_E_NO_MEMORY when OpenSSL
 * cannot allocate; nothing is written then. */
NX_MUST_USE enum nx_err nx_seal_sign(struct nx_token_ring *ring, const struct nx_seal *seal,
                                     struct nx_writer *out);

/** Reads `text` into `seal`. Returns NX_E_MALFORMED when it is not NX_SEAL_TEXT_SIZE base64url characters of
 * a known version, NX_E_AUTH when the key is unknown or the code does not match, NX_E_NO_MEMORY when OpenSSL
 * cannot allocate; `seal` is then untouched. */
NX_MUST_USE enum nx_err nx_seal_open(struct nx_token_ring *ring, struct nx_bytes text, struct nx_seal *seal);

#endif
