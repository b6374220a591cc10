/* rtcp_feedback.h - what a receiver asks of a sender: lost packets, key frames, a bitrate.
 *
 * Spec:    RFC 4585 sections 6.1 (format), 6.2.1 (generic NACK), 6.3.1 (PLI); RFC 5104 section 4.3.1 (FIR);
 *          draft-alvestrand-rmcat-remb-03; transport-wide feedback is in rtcp_twcc.h. SLI, RPSI, TSTR, VBCM are not used.
 * Layer:   sfu/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Limits:  SFU_RTCP_NACKS_MAX, SFU_RTCP_FIRS_MAX, SFU_RTCP_REMB_SSRCS_MAX; what a packet has beyond is not looked at
 */
#ifndef SFU_WIRE_RTCP_FEEDBACK_H
#define SFU_WIRE_RTCP_FEEDBACK_H

#include "sfu/wire/limits.h"
#include "sfu/wire/rtcp.h"

/** What a feedback packet is. */
enum sfu_rtcp_feedback_kind {
    SFU_RTCP_FEEDBACK_OTHER, /**< nothing we handle */
    SFU_RTCP_FEEDBACK_NACK,  /**< RTPFB format 1 */
    SFU_RTCP_FEEDBACK_TWCC,  /**< RTPFB format 15 */
    SFU_RTCP_FEEDBACK_PLI,   /**< PSFB format 1 */
    SFU_RTCP_FEEDBACK_FIR,   /**< PSFB format 4 */
    SFU_RTCP_FEEDBACK_REMB   /**< PSFB format 15 that begins with "REMB" */
};

/** The common part of a feedback packet. */
struct sfu_rtcp_feedback {
    struct nx_bytes entries;          /**< feedback control information; borrowed */
    uint32_t sender_ssrc;             /**< who asks */
    uint32_t media_ssrc;              /**< which stream; 0 for FIR and REMB, whose entries name theirs */
    enum sfu_rtcp_feedback_kind kind; /**< by type and format */
};

/** Reads the common part. Returns NX_E_UNSUPPORTED when `packet` is neither RTPFB nor PSFB, NX_E_TRUNCATED when it has
 * fewer than 8 bytes. */
NX_MUST_USE enum nx_err sfu_rtcp_feedback_parse(const struct sfu_rtcp *packet, struct sfu_rtcp_feedback *out);

/**
 * Writes the sequence numbers of a NACK into `sequences` in the order of the packet, at most `room`, and how many into
 * `count`; the rest is dropped.
 *
 * Returns NX_E_MALFORMED when there is no entry or `feedback` is no NACK.
 */
NX_MUST_USE enum nx_err sfu_rtcp_feedback_nacks(const struct sfu_rtcp_feedback *feedback, uint16_t *sequences,
                                                unsigned room, unsigned *count);

/** Writes a NACK of `count` (1..SFU_RTCP_NACKS_MAX) sequence numbers, each newer than the one before. */
void sfu_rtcp_feedback_nack_write(uint32_t sender_ssrc, uint32_t media_ssrc, const uint16_t *sequences,
                                  unsigned count, struct nx_writer *out);

/** Writes a picture loss indication for `media_ssrc`. */
void sfu_rtcp_feedback_pli_write(uint32_t sender_ssrc, uint32_t media_ssrc, struct nx_writer *out);

/** One entry of a full intra request. */
struct sfu_rtcp_feedback_fir {
    uint32_t ssrc;    /**< the stream that shall send a key frame */
    uint8_t sequence; /**< one more with every new request, the same when it is repeated */
};

/** Reads the entries of a FIR, at most `room`. Returns NX_E_MALFORMED when there is none, when a part of one is left, or
 * when `feedback` is no FIR. */
NX_MUST_USE enum nx_err sfu_rtcp_feedback_firs(const struct sfu_rtcp_feedback *feedback,
                                               struct sfu_rtcp_feedback_fir *entries, unsigned room,
                                               unsigned *count);

/** Writes a FIR of `count` (1..SFU_RTCP_FIRS_MAX) entries. */
void sfu_rtcp_feedback_fir_write(uint32_t sender_ssrc, const struct sfu_rtcp_feedback_fir *entries,
                                 unsigned count, struct nx_writer *out);

/** A bitrate that a receiver estimates. */
struct sfu_rtcp_feedback_remb {
    uint64_t bitrate_bps; /**< 0 is legal on the wire; 2^64 - 1 stands for all that is more */
    uint8_t ssrcs_count;  /**< 0..SFU_RTCP_REMB_SSRCS_MAX */
    uint32_t ssrcs[SFU_RTCP_REMB_SSRCS_MAX]; /**< the streams it is about */
};

/** Reads a REMB. Returns NX_E_TRUNCATED when its SSRCs reach past it, NX_E_MALFORMED when `feedback` is no REMB. */
NX_MUST_USE enum nx_err sfu_rtcp_feedback_remb_parse(const struct sfu_rtcp_feedback *feedback,
                                                     struct sfu_rtcp_feedback_remb *out);

/** Writes a REMB; the bitrate is rounded down to 18 significant bits. */
void sfu_rtcp_feedback_remb_write(uint32_t sender_ssrc, const struct sfu_rtcp_feedback_remb *remb,
                                  struct nx_writer *out);

#endif
