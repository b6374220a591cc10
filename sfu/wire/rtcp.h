/* rtcp.h - walks the packets of one RTCP compound, and frames the ones we write.
 *
 * Spec:    RFC 3550 sections 6.1 and A.2 (compound and its checks), RFC 5506 (reduced size: any packet may stand alone),
 *          RFC 5761 section 4 (packet types 192..223); contents are in rtcp_report.h, rtcp_xr.h, rtcp_feedback.h, rtcp_twcc.h
 * Layer:   sfu/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Limits:  SFU_RTCP_PACKETS_MAX packets of one compound
 * Idiom:   sfu_rtcp_check() the whole, then sfu_rtcp_next() until false, so that nothing of a broken compound acts.
 */
#ifndef SFU_WIRE_RTCP_H
#define SFU_WIRE_RTCP_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/base/reader.h"
#include "engine/base/writer.h"

/** Packet types (IANA, RTCP Control Packet types). */
enum {
    SFU_RTCP_SR = 200,    /**< RFC 3550 section 6.4.1 */
    SFU_RTCP_RR = 201,    /**< RFC 3550 section 6.4.2 */
    SFU_RTCP_SDES = 202,  /**< RFC 3550 section 6.5 */
    SFU_RTCP_BYE = 203,   /**< RFC 3550 section 6.6 */
    SFU_RTCP_APP = 204,   /**< RFC 3550 section 6.7 */
    SFU_RTCP_RTPFB = 205, /**< RFC 4585 section 6.2, transport layer feedback */
    SFU_RTCP_PSFB = 206,  /**< RFC 4585 section 6.3, payload specific feedback */
    SFU_RTCP_XR = 207     /**< RFC 3611 section 2 */
};

enum { SFU_RTCP_HEADER_SIZE = 4 }; /* bytes, RFC 3550 section 6.4.1 */

/** One packet of a compound. */
struct sfu_rtcp {
    struct nx_bytes body; /**< what follows the 4-byte header, without padding; borrowed */
    uint8_t type;         /**< SFU_RTCP_* or another one of 192..223 */
    uint8_t count;        /**< RC, SC or FMT: 0..31 */
};

/**
 * Looks at every header of `compound`.
 *
 * Returns NX_E_TRUNCATED when there is no whole header or a length reaches past the end, NX_E_MALFORMED for another
 * version, a type outside 192..223, padding elsewhere than in the last packet, or a padding count that is 0, no multiple
 * of 4 or more than the packet has, or for more than SFU_RTCP_PACKETS_MAX packets.
 */
NX_MUST_USE enum nx_err sfu_rtcp_check(struct nx_bytes compound);

/** Reads the next packet of a compound that sfu_rtcp_check() accepted. Returns false at its end, or where it breaks. */
bool sfu_rtcp_next(struct nx_reader *in, struct sfu_rtcp *out);

/** Writes the header of a packet of `type` (192..223) and `count` (0..31) and returns where it starts, for
 * sfu_rtcp_end(). */
size_t sfu_rtcp_begin(struct nx_writer *out, uint8_t type, uint8_t count);

/** Fills zeros up to the word and writes the length of the packet that starts at `start`. */
void sfu_rtcp_end(struct nx_writer *out, size_t start);

#endif
