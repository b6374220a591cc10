/* stun.h - STUN messages: read, authenticate, answer.
 *
 * Spec:    RFC 8489 sections 5 to 7, 14; RFC 8445 section 7.1 (PRIORITY, USE-CANDIDATE, ICE-CONTROLLED, ICE-CONTROLLING).
 *          MESSAGE-INTEGRITY is SHA-1, as ICE has it; MESSAGE-INTEGRITY-SHA256 is skipped. TURN is turn.h's.
 * Layer:   sfu/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Limits:  SFU_STUN_SIZE_MAX bytes, SFU_STUN_UNKNOWN_MAX unknown attributes remembered
 * Idiom:   parse, look the user name up, sfu_stun_is_authentic(), and only then answer. What fails before that has no
 *          answer and leaves no state.
 */
#ifndef SFU_WIRE_STUN_H
#define SFU_WIRE_STUN_H

#include "engine/base/addr.h"
#include "engine/crypto/hmac_sha1.h"
#include "sfu/wire/limits.h"

enum {
    SFU_STUN_HEADER_SIZE = 20,      /**< bytes, RFC 8489 section 5 */
    SFU_STUN_TRANSACTION_SIZE = 12, /**< bytes */
    SFU_STUN_BINDING = 1            /**< method, RFC 8489 section 18.2 */
};

/** What a message is (RFC 8489 section 5). */
enum sfu_stun_class {
    SFU_STUN_REQUEST = 0,
    SFU_STUN_INDICATION = 1,
    SFU_STUN_SUCCESS = 2,
    SFU_STUN_ERROR = 3
};

/** Attribute types (RFC 8489 section 18.3, RFC 8445 section 20.2). */
enum {
    SFU_STUN_MAPPED_ADDRESS = 0x0001,
    SFU_STUN_USERNAME = 0x0006,
    SFU_STUN_INTEGRITY = 0x0008,
    SFU_STUN_ERROR_CODE = 0x0009,
    SFU_STUN_UNKNOWN_ATTRIBUTES = 0x000a,
    SFU_STUN_REALM = 0x0014,
    SFU_STUN_NONCE = 0x0015,
    SFU_STUN_INTEGRITY_SHA256 = 0x001c,
    SFU_STUN_XOR_MAPPED_ADDRESS = 0x0020,
    SFU_STUN_PRIORITY = 0x0024,
    SFU_STUN_USE_CANDIDATE = 0x0025,
    SFU_STUN_SOFTWARE = 0x8022,
    SFU_STUN_FINGERPRINT = 0x8028,
    SFU_STUN_ICE_CONTROLLED = 0x8029,
    SFU_STUN_ICE_CONTROLLING = 0x802a
};

/** Error codes we send (RFC 8489 section 14.8, RFC 8445 section 7.1.3). */
enum {
    SFU_STUN_BAD_REQUEST = 400,
    SFU_STUN_UNAUTHENTICATED = 401,
    SFU_STUN_UNKNOWN_ATTRIBUTE = 420,
    SFU_STUN_ROLE_CONFLICT = 487
};

/** One message, taken apart; views borrow from it. Of attributes that are there twice the first counts. */
struct sfu_stun {
    struct nx_bytes message;                /**< all of it */
    struct nx_bytes username;               /**< valid with has_username */
    struct nx_bytes reason;                 /**< text of ERROR-CODE */
    struct nx_addr mapped;                  /**< XOR-MAPPED-ADDRESS; family 0 when none */
    uint64_t tie_breaker;                   /**< of ICE-CONTROLLED or ICE-CONTROLLING */
    uint32_t priority;                      /**< valid with has_priority */
    uint16_t method;                        /**< SFU_STUN_BINDING or another */
    uint16_t error_code;                    /**< 300..699; 0 when there is none */
    uint16_t integrity_at;                  /**< bytes before MESSAGE-INTEGRITY; 0 when there is none */
    enum sfu_stun_class class;              /**< request, indication or answer */
    bool has_username;                      /**< USERNAME is there */
    bool has_priority;                      /**< PRIORITY is there */
    bool has_fingerprint;                   /**< FINGERPRINT is there, and right */
    bool is_nominating;                     /**< USE-CANDIDATE is there */
    bool is_controlled;                     /**< ICE-CONTROLLED is there */
    bool is_controlling;                    /**< ICE-CONTROLLING is there */
    uint8_t unknown_count;                  /**< 0..SFU_STUN_UNKNOWN_MAX */
    uint16_t unknown[SFU_STUN_UNKNOWN_MAX]; /**< comprehension-required attributes we do not know */
    uint8_t transaction[SFU_STUN_TRANSACTION_SIZE]; /**< answers repeat it */
};

/**
 * Reads the message that `datagram` is as a whole. Attributes after MESSAGE-INTEGRITY are ignored but for FINGERPRINT.
 *
 * Returns NX_E_TRUNCATED when header or length reach past the end, NX_E_MALFORMED for a wrong cookie, a length that is no
 * multiple of 4 or leaves bytes over, an attribute that reaches past the message or has another size than its type, and
 * for a FINGERPRINT that is wrong or not the last: nothing of that is STUN, none is answered.
 */
NX_MUST_USE enum nx_err sfu_stun_parse(struct nx_bytes datagram, struct sfu_stun *out);

/** Returns whether the message has a MESSAGE-INTEGRITY made with `key`. */
bool sfu_stun_is_authentic(const struct sfu_stun *stun, const struct nx_hmac_sha1 *key);

/** Splits an ICE user name, "ours:theirs". Returns NX_E_MALFORMED when there is no colon or a side is empty. */
NX_MUST_USE enum nx_err sfu_stun_username_split(struct nx_bytes username, struct nx_bytes *ours,
                                                struct nx_bytes *theirs);

/** Writes the header of a message and returns where it starts, for sfu_stun_end(). */
size_t sfu_stun_begin(struct nx_writer *out, enum sfu_stun_class class, uint16_t method,
                      const uint8_t transaction[SFU_STUN_TRANSACTION_SIZE]);

/** Writes an attribute of any type with `value`, padded with zeros. */
void sfu_stun_put(struct nx_writer *out, uint16_t type, struct nx_bytes value);

/** Writes an attribute of 4 bytes (PRIORITY). */
void sfu_stun_put_u32(struct nx_writer *out, uint16_t type, uint32_t value);

/** Writes an attribute of 8 bytes (ICE-CONTROLLED, ICE-CONTROLLING). */
void sfu_stun_put_u64(struct nx_writer *out, uint16_t type, uint64_t value);

/** Writes XOR-MAPPED-ADDRESS; an IPv4-mapped IPv6 address is written as IPv4. */
void sfu_stun_put_address(struct nx_writer *out, const struct nx_addr *addr,
                          const uint8_t transaction[SFU_STUN_TRANSACTION_SIZE]);

/** Ends the message that starts at `start`: MESSAGE-INTEGRITY when `key` is not NULL, then FINGERPRINT, then the length. */
void sfu_stun_end(struct nx_writer *out, size_t start, const struct nx_hmac_sha1 *key);

/** Writes the answer to a good Binding request: where it came from. 64 bytes for IPv4, 76 for IPv6. */
void sfu_stun_write_success(const struct sfu_stun *request, const struct nx_addr *source,
                            const struct nx_hmac_sha1 *key, struct nx_writer *out);

/** Writes an error answer with `code` (300..699) and no text; a 420 names request->unknown. At most 92 bytes. */
void sfu_stun_write_error(const struct sfu_stun *request, unsigned code, const struct nx_hmac_sha1 *key,
                          struct nx_writer *out);

#endif
