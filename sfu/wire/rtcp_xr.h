/* rtcp_xr.h - the two extended report blocks by which a receiver that sends nothing learns its round trip.
 *
 * Spec:    RFC 3611 sections 2, 4.4 (receiver reference time), 4.5 (DLRR); other blocks are skipped
 * Layer:   sfu/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Limits:  SFU_RTCP_SSRCS_MAX sub-blocks taken from one packet
 */
#ifndef SFU_WIRE_RTCP_XR_H
#define SFU_WIRE_RTCP_XR_H

#include "sfu/wire/limits.h"
#include "sfu/wire/rtcp.h"

/** The answer to one receiver's reference time. */
struct sfu_rtcp_xr_dlrr {
    uint32_t ssrc;       /**< of the receiver that asked */
    uint32_t last_rr;    /**< middle 32 bits of the NTP time it sent */
    uint32_t since_last; /**< in 1/65536 s since that arrived */
};

/** An extended report: what of it we know. */
struct sfu_rtcp_xr {
    uint64_t ntp;                                      /**< reference time, 32.32; valid with has_ntp */
    uint32_t ssrc;                                     /**< who reports */
    uint8_t dlrrs_count;                               /**< 0..SFU_RTCP_SSRCS_MAX */
    bool has_ntp;                                      /**< a receiver reference time block is there */
    struct sfu_rtcp_xr_dlrr dlrrs[SFU_RTCP_SSRCS_MAX]; /**< the first of them */
};

/**
 * Reads an XR packet.
 *
 * Returns NX_E_TRUNCATED when a block reaches past it, NX_E_MALFORMED when a block we know has another length than its
 * kind, NX_E_UNSUPPORTED for another packet type.
 */
NX_MUST_USE enum nx_err sfu_rtcp_xr_parse(const struct sfu_rtcp *packet, struct sfu_rtcp_xr *out);

/** Writes an XR packet with what `xr` has; one without anything is legal and empty. */
void sfu_rtcp_xr_write(const struct sfu_rtcp_xr *xr, struct nx_writer *out);

#endif
