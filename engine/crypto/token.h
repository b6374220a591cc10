/* token.h - access tokens: signed by control, verified by everybody who has the key ring, without a database.
 *
 * Spec:    RFC 7515 compact form, RFC 7519 claims, RFC 8725 advice. One algorithm (HS256) and one byte shape:
 * what we did not mint ourselves is refused, so verify is the exact inverse of sign and no JSON parser is
 * involved. header  {"alg":"HS256","typ":"JWT","kid":"1"} payload
 * {"iss":"nexus","aud":"nexus","typ":"access","sub":"1","sid":"2","dev":"3","iat":4,"exp":5,
 *                   "jti":"0123456789abcdef","ver":6}            (one line; "dev" only when there is a
 * device) Layer:   engine/crypto (no I/O, no clock: seconds since 1970 are an argument) Threads: a ring
 * belongs to one thread; every shard has its own copy of the keys Limits:  NX_TOKEN_KEYS_MAX keys, tokens of
 * at most NX_TOKEN_SIZE_MAX bytes; verify is about 1 us and
 *          allocates nothing of its own Idiom:   rotation: add the new key
 * everywhere, then use it, then drop the old one when its last token has expired. The caller checks
 * claims.kind and that the session is not revoked.
 */
#ifndef NX_CRYPTO_TOKEN_H
#define NX_CRYPTO_TOKEN_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/base/writer.h"
#include "engine/crypto/hmac.h"

enum {
    NX_TOKEN_KEYS_MAX = 4,     /**< keys that verify at the same time */
    NX_TOKEN_SECRET_SIZE = 32, /**< bytes of a key, RFC 7518 section 3.2 */
    NX_TOKEN_SIZE_MAX = 1024,  /**< bytes of a token that is looked at */
    NX_TOKEN_MINTED_MAX = 400, /**< bytes of a token that nx_token_sign() writes */
};

/** The largest time in a token, seconds: the largest integer every JSON reader keeps exact (RFC 8259 section
 * 6). */
#define NX_TOKEN_TIME_MAX UINT64_C(9007199254740991)

/** A signing key as it travels between daemons; wipe it after use. */
struct nx_token_key {
    uint32_t kid; /**< key id, unique among living keys */
    uint8_t secret[NX_TOKEN_SECRET_SIZE];
};

/** The living keys; zeroed memory is an empty ring. */
struct nx_token_ring {
    /* owned */
    struct nx_token_slot {
        uint32_t kid;
        uint8_t secret[NX_TOKEN_SECRET_SIZE];
        struct nx_hmac hmac; /**< open while the slot is within keys_count */
    } keys[NX_TOKEN_KEYS_MAX];
    /* state */
    uint32_t keys_count;
    uint32_t current; /**< index of the key that signs; meaningless in an empty ring */
};

/** What a token may be used for; the claim "typ". */
enum nx_token_kind {
    NX_TOKEN_ACCESS, /**< a person's session */
    NX_TOKEN_LOAD,   /**< a seeded load-test user; refused off loopback by whoever accepts it */
    NX_TOKEN_STREAM, /**< a media session */
};

/** What a token says. */
struct nx_token_claims {
    uint64_t user_id;    /**< sub */
    uint64_t session_id; /**< sid: the unit of revocation */
    uint64_t device_id;  /**< dev; 0 = none */
    uint64_t token_id;   /**< jti */
    uint64_t issued_s;   /**< iat, seconds since 1970, at most NX_TOKEN_TIME_MAX */
    uint64_t expires_s;  /**< exp, later than issued_s, at most NX_TOKEN_TIME_MAX */
    uint32_t version;    /**< ver: the account's token version, raised to void all older tokens */
    enum nx_token_kind kind;
};

/** Makes `ring` empty. */
void nx_token_ring_init(struct nx_token_ring *ring);

/** Drops and wipes every key. */
void nx_token_ring_fini(struct nx_token_ring *ring);

/** Adds `key` (copied) to those that verify; the first key of an empty ring also signs. Adding a key that is
 * already there changes nothing. Returns NX_E_FULL when there are NX_TOKEN_KEYS_MAX, NX_E_AUTH when its kid
 * is in use with another secret, NX_E_NO_MEMORY when OpenSSL cannot allocate. */
NX_MUST_USE enum nx_err nx_token_ring_add(struct nx_token_ring *ring, const struct nx_token_key *key);

/** Makes the key `kid` the one that signs. Returns NX_E_AUTH when it is not in the ring. */
NX_MUST_USE enum nx_err nx_token_ring_use(struct nx_token_ring *ring, uint32_t kid);

/** Forgets the key `kid`; tokens signed with it fail from now on. Unknown kids are ignored. When it was the
 * one that signs, the most recently added remaining key takes over. */
void nx_token_ring_drop(struct nx_token_ring *ring, uint32_t kid);

/** Returns the context of key `kid`, or NULL when there is none; borrowed until the ring changes. */
struct nx_hmac *nx_token_ring_find(struct nx_token_ring *ring, uint32_t kid);

/** Writes a token with `claims` to `out`, signed with the current key. `expires_s` must be later than
 * `issued_s` and both at most NX_TOKEN_TIME_MAX. Returns NX_E_FULL when `out` has no room (nothing is
 * written; 400 bytes always suffice), NX_E_AUTH when the ring is empty. */
NX_MUST_USE enum nx_err nx_token_sign(struct nx_token_ring *ring, const struct nx_token_claims *claims,
                                      struct nx_writer *out);

/** Verifies `token` at the time `now_s` (seconds since 1970) and writes what it says to `claims`. Header,
 * signature and payload are looked at in this order and the first thing wrong decides. Returns NX_E_MALFORMED
 * when it is longer than NX_TOKEN_SIZE_MAX, not three parts of canonical base64url, or its signed payload is
 * not of our shape (no exp, for example); NX_E_AUTH when the header is not ours (another algorithm, type or
 *  form of kid), the key is unknown, the signature does not match, or issuer or audience is not ours;
 * NX_E_NO_MEMORY when OpenSSL cannot allocate; NX_E_EXPIRED when all is well except that `now_s` >= exp. In
 * this last case `claims` is written too, because RESUME accepts an expired token of a session that lives; in
 * all others it is untouched. */
NX_MUST_USE enum nx_err nx_token_verify(struct nx_token_ring *ring, struct nx_bytes token, uint64_t now_s,
                                        struct nx_token_claims *claims);

#endif
