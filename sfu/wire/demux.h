/* demux.h - tells by its first bytes what a datagram of a media port is.
 *
 * Spec:    RFC 7983 section 7 (first byte), RFC 5761 section 4 (RTCP by packet type), RFC 8656 section 12 (channels)
 * Layer:   sfu/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Limits:  SFU_DATAGRAM_SIZE_MAX bytes
 * Idiom:   the first question asked of a datagram; what is no STUN has to come from an address that passed a check.
 */
#ifndef SFU_WIRE_DEMUX_H
#define SFU_WIRE_DEMUX_H

#include "engine/base/bytes.h"

/** What a datagram may be. */
enum sfu_demux_kind {
    SFU_DEMUX_NOTHING, /**< too short, too long, or of a kind nobody speaks: drop and count */
    SFU_DEMUX_STUN,    /**< first byte 0..3, at least a header */
    SFU_DEMUX_DTLS,    /**< 20..63, at least a record header */
    SFU_DEMUX_CHANNEL, /**< 64..79: TURN channel data */
    SFU_DEMUX_RTP,     /**< 128..191 */
    SFU_DEMUX_RTCP,    /**< 128..191 and a second byte of 192..223 */
    SFU_DEMUX_KINDS    /**< how many there are */
};

/** Returns what `datagram` may be; its content is not looked at any further. */
enum sfu_demux_kind sfu_demux(struct nx_bytes datagram);

#endif
