/* rtp.h - reads one RTP packet in place, and writes or rewrites the fixed head of one.
 *
 * Spec:    RFC 3550 sections 5.1 (head), 5.3.1 (extension block); RFC 4588 section 4 (original sequence number of a
 *          retransmission); elements of the extension block are in rtp_ext.h
 * Layer:   sfu/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Limits:  15 CSRCs, 65535 extension words, both given by the format
 * Idiom:   before decryption only the head can be read: sfu_rtp_parse_head(); after it sfu_rtp_trim() takes the padding
 *          off. sfu_rtp_parse() does both.
 */
#ifndef SFU_WIRE_RTP_H
#define SFU_WIRE_RTP_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/base/writer.h"

enum {
    SFU_RTP_HEADER_SIZE_MIN = 12,          /**< bytes, RFC 3550 section 5.1 */
    SFU_RTP_PROFILE_ONE_BYTE = 0xbede,     /**< RFC 8285 section 4.2 */
    SFU_RTP_PROFILE_TWO_BYTE = 0x1000,     /**< RFC 8285 section 4.3; the low 4 bits are the application's */
    SFU_RTP_PROFILE_TWO_BYTE_MASK = 0xfff0 /**< bits that tell two-byte elements */
};

/** One packet, taken apart. Every view borrows from the bytes given to the parser. */
struct sfu_rtp {
    struct nx_bytes csrcs;      /**< csrcs_count big-endian 32-bit ids; empty when none */
    struct nx_bytes extension;  /**< extension elements, profile and length stripped; a multiple of 4 bytes */
    struct nx_bytes payload;    /**< media bytes; before sfu_rtp_trim() with the padding */
    uint32_t timestamp;         /**< in the clock rate of the payload type, wraps */
    uint32_t ssrc;              /**< 0 is legal (bandwidth probes of browsers) */
    uint16_t sequence;          /**< wraps at 65536; extend with nx_seq */
    uint16_t extension_profile; /**< 0xbede one-byte, 0x100x two-byte elements; 0 when there is no block */
    uint16_t head_size;         /**< bytes before the payload, capped by the datagram's 65535 */
    uint8_t payload_type;       /**< 0..127 */
    uint8_t csrcs_count;        /**< 0..15 */
    uint8_t padding_size;       /**< bytes cut off the end by sfu_rtp_trim(), 0 before it and when none */
    bool has_marker;            /**< M bit */
    bool has_padding;           /**< P bit; the count is the last byte of the decrypted packet */
    bool has_extension;         /**< X bit; the block may still be empty */
};

/**
 * Reads the head, CSRC list and extension block of `packet`; payload is all that follows, padding included.
 *
 * Returns NX_E_TRUNCATED when one of them reaches past the end or the packet is longer than 65535 bytes,
 * NX_E_MALFORMED when the version is not 2.
 */
NX_MUST_USE enum nx_err sfu_rtp_parse_head(struct nx_bytes packet, struct sfu_rtp *out);

/**
 * Cuts the padding off the decrypted payload when the P bit is set; without it does nothing.
 *
 * Returns NX_E_MALFORMED when the count in the last byte is 0 or more than the payload has, or when there is no byte;
 * `rtp` is then untouched. A packet that is padding only has an empty payload and is no error.
 */
NX_MUST_USE enum nx_err sfu_rtp_trim(struct sfu_rtp *rtp);

/** Reads a whole packet in the clear: sfu_rtp_parse_head(), then sfu_rtp_trim(), with their errors. */
NX_MUST_USE enum nx_err sfu_rtp_parse(struct nx_bytes packet, struct sfu_rtp *out);

/** Returns CSRC number `index`, 0..csrcs_count - 1. */
uint32_t sfu_rtp_csrc(const struct sfu_rtp *rtp, unsigned index);

/**
 * Takes the original sequence number off the payload of a retransmission.
 *
 * Returns NX_E_TRUNCATED when the payload has fewer than 2 bytes, which a probe of padding has; `rtp` is then untouched.
 */
NX_MUST_USE enum nx_err sfu_rtp_osn_take(struct sfu_rtp *rtp, uint16_t *osn);

/** What a fresh head says. The extension block is written after it by sfu_rtp_ext_write(). */
struct sfu_rtp_head {
    uint32_t timestamp;    /**< as in struct sfu_rtp */
    uint32_t ssrc;         /**< of the stream as the receiver knows it */
    uint16_t sequence;     /**< as in struct sfu_rtp */
    uint8_t payload_type;  /**< 0..127 in the receiver's numbering */
    uint8_t csrcs_count;   /**< 0..15 */
    bool has_marker;       /**< M bit */
    bool has_padding;      /**< P bit: the caller ends the payload with padding and its count */
    bool has_extension;    /**< X bit: the caller writes a block right after */
    const uint32_t *csrcs; /**< borrowed; NULL only when csrcs_count is 0 */
};

/** Writes the fixed head and the CSRC list: 12 bytes and 4 per CSRC. */
void sfu_rtp_write(const struct sfu_rtp_head *head, struct nx_writer *out);

/** Writes `sequence` into the head at `packet`, which has at least 12 bytes. */
static inline void sfu_rtp_put_sequence(uint8_t *packet, uint16_t sequence)
{
    packet[2] = (uint8_t)(sequence >> 8);
    packet[3] = (uint8_t)sequence;
}

/** Writes `timestamp` into the head at `packet`, which has at least 12 bytes. */
static inline void sfu_rtp_put_timestamp(uint8_t *packet, uint32_t timestamp)
{
    packet[4] = (uint8_t)(timestamp >> 24);
    packet[5] = (uint8_t)(timestamp >> 16);
    packet[6] = (uint8_t)(timestamp >> 8);
    packet[7] = (uint8_t)timestamp;
}

/** Writes `ssrc` into the head at `packet`, which has at least 12 bytes. */
static inline void sfu_rtp_put_ssrc(uint8_t *packet, uint32_t ssrc)
{
    packet[8] = (uint8_t)(ssrc >> 24);
    packet[9] = (uint8_t)(ssrc >> 16);
    packet[10] = (uint8_t)(ssrc >> 8);
    packet[11] = (uint8_t)ssrc;
}

/** Writes payload type (0..127) and marker into the head at `packet`, which has at least 12 bytes. */
static inline void sfu_rtp_put_type(uint8_t *packet, uint8_t payload_type, bool has_marker)
{
    packet[1] = (uint8_t)((has_marker ? 0x80 : 0) | (payload_type & 0x7f));
}

/**
 * Reads the fields that routing needs before anything else: the first 12 bytes only. Returns NX_E_TRUNCATED for
 * fewer, NX_E_MALFORMED when the version is not 2. Cheaper than sfu_rtp_parse_head() for packets that are dropped.
 */
static inline NX_MUST_USE enum nx_err sfu_rtp_peek(struct nx_bytes packet, uint32_t *ssrc, uint16_t *sequence)
{
    if (packet.size < SFU_RTP_HEADER_SIZE_MIN) {
        return NX_E_TRUNCATED;
    }
    if (packet.at[0] >> 6 != 2) {
        return NX_E_MALFORMED;
    }
    *sequence = (uint16_t)((uint32_t)packet.at[2] << 8 | packet.at[3]);
    *ssrc = (uint32_t)packet.at[8] << 24 | (uint32_t)packet.at[9] << 16 | (uint32_t)packet.at[10] << 8 |
            packet.at[11];
    return NX_OK;
}

#endif
