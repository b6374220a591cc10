/* srtp.h - protects and unprotects RTP and RTCP packets under contexts that are keyed once per peer and direction.
 *
 * Spec:    RFC 3711 sections 3 and 4 (transform, AES_CM_128_HMAC_SHA1_80), RFC 7714 sections 8 to 10 (AEAD_AES_128_GCM).
 *          Not used: MKI, encrypted header extensions (RFC 6904), unencrypted SRTCP, rekeying within a session.
 * Layer:   engine/crypto (OpenSSL EVP; no I/O, no clock)
 * Threads: own shard
 * Limits:  2^48 packets of a stream, 2^31 SRTCP packets of a direction; neither protecting nor unprotecting allocates
 * Idiom:   one struct nx_srtp per direction, one struct nx_srtp_window per received SSRC. A sender gives the 48-bit index
 *          and never the same one of an SSRC with two different packets: with GCM that gives the key away (RFC 7714
 *          section 8.1), so a packet that is sent again goes out as a retransmission under its own SSRC.
 */
#ifndef NX_CRYPTO_SRTP_H
#define NX_CRYPTO_SRTP_H

#include "engine/crypto/hmac_sha1.h"
#include "engine/crypto/srtp_keys.h"
#include "engine/crypto/srtp_window.h"

enum {
    NX_SRTP_RTP_OVERHEAD_MAX = 16,  /**< bytes added to an RTP packet: the tag of GCM */
    NX_SRTP_RTCP_OVERHEAD_MAX = 20, /**< bytes added to an RTCP packet: that and the index */
    NX_SRTP_RTCP_HEAD_SIZE = 8,     /**< bytes of RTCP that stay readable, RFC 3711 section 3.4 */
    NX_SRTP_TRIALS = 4 /**< packets for which other cycles are tried after a gap we made ourselves */
};

struct evp_cipher_ctx_st;

/** What protects one kind of packet of one direction. */
struct nx_srtp_part {
    struct evp_cipher_ctx_st *cipher; /**< owned; keyed, gets a new nonce per packet */
    struct nx_hmac_sha1 mac;          /**< AES_CM only */
    uint8_t salt[NX_SRTP_SALT_SIZE];  /**< session salt */
};

/** One direction of one peer; zeroed memory is a closed one. */
struct nx_srtp {
    /* owned */
    struct nx_srtp_part rtp;
    struct nx_srtp_part rtcp;
    /* state */
    enum nx_srtp_profile profile;
    uint32_t rtcp_index; /**< sender: of the next SRTCP packet, whatever its SSRC */
};

/**
 * Keys `srtp` for sending or for receiving.
 *
 * Returns NX_E_UNSUPPORTED for another profile, NX_E_NO_MEMORY when OpenSSL cannot allocate; `srtp` is then closed.
 */
NX_MUST_USE enum nx_err nx_srtp_open(struct nx_srtp *srtp, enum nx_srtp_profile profile,
                                     const struct nx_srtp_keys *keys, bool is_sender);

/** Wipes keys and frees contexts; a closed one may be closed again. */
void nx_srtp_close(struct nx_srtp *srtp);

/** Returns the bytes that protecting adds to an RTP packet of `profile`. */
size_t nx_srtp_rtp_overhead(enum nx_srtp_profile profile);

/** Returns the bytes that protecting adds to an RTCP packet of `profile`. */
size_t nx_srtp_rtcp_overhead(enum nx_srtp_profile profile);

/**
 * Completes a packet in a send buffer: `packet` holds its head (head_size bytes, CSRCs and extension block included,
 * sequence number = the low 16 bits of `index`) and has `room` bytes in all; the payload is the `count` runs at `parts`,
 * which lie elsewhere and stay as they are. RTP padding, where wanted, is the last run.
 *
 * `size` gets the bytes to send. Returns NX_E_FULL when they do not fit, NX_E_EXPIRED when the index has more than 48
 * bits, NX_E_NO_MEMORY when OpenSSL refuses; nothing may then be sent of it.
 */
NX_MUST_USE enum nx_err nx_srtp_protect(struct nx_srtp *srtp, uint64_t index, uint8_t *packet, size_t room,
                                        size_t head_size, const struct nx_bytes *parts, unsigned count,
                                        size_t *size);

/** One received stream. Zeroed memory is a new one; keep it only when its first packet was authentic. */
struct nx_srtp_stream {
    struct nx_srtp_window window; /**< what was received */
    uint8_t trials_left;          /**< packets for which neighbouring cycles are tried, too */
};

/** Tells that packets of `stream` were dropped without looking, so that its cycle may have to be found again. */
static inline void nx_srtp_stream_skipped(struct nx_srtp_stream *stream)
{
    stream->trials_left = NX_SRTP_TRIALS;
}

/**
 * Authenticates `packet`, whose head has head_size (12 or more) bytes, and writes its payload to `out`, which has room for
 * packet.size - head_size bytes and is either packet.at + head_size itself or does not overlap the packet.
 *
 * `payload_size` gets the payload's bytes, padding included, `index` the packet's 48-bit index. Returns NX_E_TRUNCATED
 * when there is no whole tag, NX_E_CONFLICT when the packet was seen or is older than the window, NX_E_AUTH when it is
 * not authentic; stream and results are then as before, `out` holds nothing readable.
 */
NX_MUST_USE enum nx_err nx_srtp_unprotect(struct nx_srtp *srtp, struct nx_srtp_stream *stream,
                                          struct nx_bytes packet, size_t head_size, uint8_t *out,
                                          size_t *payload_size, uint64_t *index);

/**
 * Protects the compound of `size` bytes (8 or more) that lies at `packet`, which has `room` bytes, in place.
 *
 * `size` becomes the bytes to send. Returns NX_E_FULL when they do not fit, NX_E_EXPIRED after 2^31 packets: the session
 * must end, NX_E_NO_MEMORY when OpenSSL refuses.
 */
NX_MUST_USE enum nx_err nx_srtp_protect_rtcp(struct nx_srtp *srtp, uint8_t *packet, size_t room,
                                             size_t *size);

/**
 * Authenticates the SRTCP packet of `*size` bytes at `packet` and decrypts it in place. `window` belongs to its sender's
 * SSRC, the second word of the packet.
 *
 * `size` becomes that of the compound. Returns NX_E_TRUNCATED when it is shorter than head, index and tag,
 * NX_E_UNSUPPORTED when it says that it is not encrypted, NX_E_CONFLICT and NX_E_AUTH as nx_srtp_unprotect(); `size` and
 * window are then as before, the packet's bytes must not be used.
 */
NX_MUST_USE enum nx_err nx_srtp_unprotect_rtcp(struct nx_srtp *srtp, struct nx_srtp_window *window,
                                               uint8_t *packet, size_t *size);

#endif
