/* rtcp_report.h - sender and receiver reports, source descriptions and goodbyes.
 *
 * Spec:    RFC 3550 sections 6.4 (SR, RR), 6.5 (SDES), 6.6 (BYE); profile-specific extensions of reports are skipped
 * Layer:   sfu/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Limits:  31 report blocks, chunks and SSRCs of one packet, given by the format
 * Idiom:   parse takes one packet of sfu_rtcp_next(); write appends one packet to a compound.
 */
#ifndef SFU_WIRE_RTCP_REPORT_H
#define SFU_WIRE_RTCP_REPORT_H

#include "sfu/wire/rtcp.h"

/** What a receiver says about one stream (RFC 3550 section 6.4.1). */
struct sfu_rtcp_report_block {
    uint32_t ssrc;             /**< the stream that is reported */
    uint32_t sequence_highest; /**< wraps counted in the upper 16 bits, sequence number in the lower */
    uint32_t jitter;           /**< in timestamp units */
    uint32_t last_sr;          /**< middle 32 bits of the NTP time of the last SR received, 0 when none */
    uint32_t since_last_sr;    /**< in 1/65536 s since then, 0 when none */
    int32_t lost;              /**< packets lost in all, -2^23..2^23-1; negative when duplicates outweigh */
    uint8_t lost_fraction;     /**< in 1/256 since the last report */
};

/** A sender or receiver report. */
struct sfu_rtcp_report {
    struct nx_bytes blocks; /**< 24 bytes each; borrowed */
    uint64_t ntp;           /**< SR: NTP time of sending, 32.32 */
    uint32_t ssrc;          /**< who reports */
    uint32_t timestamp;     /**< SR: the same instant in timestamp units */
    uint32_t packets_count; /**< SR: RTP packets sent, wraps */
    uint32_t octets_count;  /**< SR: payload bytes sent, wraps */
    uint8_t blocks_count;   /**< 0..31 */
    bool is_sender;         /**< SR, so the fields above are there */
};

/** Reads an SR or RR. Returns NX_E_TRUNCATED when its blocks reach past it, NX_E_UNSUPPORTED for another type. */
NX_MUST_USE enum nx_err sfu_rtcp_report_parse(const struct sfu_rtcp *packet, struct sfu_rtcp_report *out);

/** Returns block `index`, 0..blocks_count - 1. */
struct sfu_rtcp_report_block sfu_rtcp_report_block_at(const struct sfu_rtcp_report *report, unsigned index);

/** Writes an SR (report->is_sender) or RR with `count` blocks, at most 31; report->blocks is not looked at. */
void sfu_rtcp_report_write(const struct sfu_rtcp_report *report, const struct sfu_rtcp_report_block *blocks,
                           unsigned count, struct nx_writer *out);

enum { SFU_RTCP_REPORT_CNAME = 1 }; /* SDES item type, RFC 3550 section 6.5.1 */

/** One item of a source description. */
struct sfu_rtcp_report_item {
    struct nx_bytes text; /**< 0..255 bytes, not checked for UTF-8; borrowed */
    uint32_t ssrc;        /**< whose */
    uint8_t type;         /**< SFU_RTCP_REPORT_CNAME or another */
};

/** Where a walk over the items of an SDES packet is; zero it but for `in`. */
struct sfu_rtcp_report_sdes {
    struct nx_reader in; /**< given: the packet's body */
    uint32_t ssrc;       /**< of the chunk */
    bool is_in_chunk;    /**< items of that chunk follow */
    uint8_t chunks_left; /**< not begun yet */
};

/** Starts a walk over `packet`. Returns NX_E_UNSUPPORTED when it is no SDES. */
NX_MUST_USE enum nx_err sfu_rtcp_report_sdes_init(const struct sfu_rtcp *packet,
                                                  struct sfu_rtcp_report_sdes *out);

/** Reads the next item. Returns false at the end and where the packet breaks off; walk->in says which. */
bool sfu_rtcp_report_sdes_next(struct sfu_rtcp_report_sdes *walk, struct sfu_rtcp_report_item *out);

/** Writes an SDES packet with one chunk: the CNAME (1..255 bytes) of `ssrc`. */
void sfu_rtcp_report_cname_write(uint32_t ssrc, struct nx_bytes cname, struct nx_writer *out);

/** A goodbye. */
struct sfu_rtcp_report_bye {
    struct nx_bytes ssrcs;  /**< 4 bytes each; borrowed */
    struct nx_bytes reason; /**< 0..255 bytes, empty when none is given; borrowed */
    uint8_t ssrcs_count;    /**< 0..31 */
};

/** Reads a BYE. Returns NX_E_TRUNCATED when SSRCs or reason reach past it, NX_E_UNSUPPORTED for another type. */
NX_MUST_USE enum nx_err sfu_rtcp_report_bye_parse(const struct sfu_rtcp *packet,
                                                  struct sfu_rtcp_report_bye *out);

/** Returns SSRC `index`, 0..ssrcs_count - 1. */
uint32_t sfu_rtcp_report_bye_ssrc(const struct sfu_rtcp_report_bye *bye, unsigned index);

/** Writes a BYE for `count` SSRCs (at most 31) without a reason. */
void sfu_rtcp_report_bye_write(const uint32_t *ssrcs, unsigned count, struct nx_writer *out);

#endif
