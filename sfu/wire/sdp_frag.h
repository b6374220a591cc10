/* sdp_frag.h - the pieces of a description that WHIP and WHEP clients PATCH: candidates that came later, ICE restarts.
 *
 * Spec:    RFC 8840 section 9 (application/trickle-ice-sdpfrag), RFC 9725 section 4.3 (its use)
 * Layer:   sfu/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Limits:  SFU_SDP_SIZE_MAX bytes, SFU_SDP_CANDIDATES_MAX candidates kept
 * Idiom:   new credentials in a fragment are a restart, candidates alone are not; a bundle has one transport, so m-lines
 *          are only looked at for the first mid.
 */
#ifndef SFU_WIRE_SDP_FRAG_H
#define SFU_WIRE_SDP_FRAG_H

#include "sfu/wire/candidate.h"
#include "sfu/wire/limits.h"

/** One fragment; views borrow from the text. */
struct sfu_sdp_frag {
    struct nx_bytes ufrag;      /**< empty when not given */
    struct nx_bytes password;   /**< empty when not given */
    struct nx_bytes media;      /**< first m-line behind "m=", as written; empty when none */
    struct nx_bytes mid;        /**< first a=mid; empty when none */
    bool has_end_of_candidates; /**< a=end-of-candidates */
    uint8_t candidates_count;   /**< kept, of component 1 */
    uint16_t candidates_seen;   /**< a=candidate lines in all */
    uint16_t refused_count;     /**< lines that are broken */
    struct sfu_candidate candidates[SFU_SDP_CANDIDATES_MAX]; /**< the first of them */
};

/**
 * Reads a fragment; lines that are none of its kind are skipped.
 *
 * Returns NX_E_FULL when it is longer than SFU_SDP_SIZE_MAX, NX_E_MALFORMED when one of ufrag and password is there without
 * the other, or when it says nothing: no credentials, no candidate, no end of candidates.
 */
NX_MUST_USE enum nx_err sfu_sdp_frag_parse(struct nx_bytes text, struct sfu_sdp_frag *out);

/** Writes the answer to a restart: credentials, the m-line and mid of `frag` (audio and 0 when empty), its candidates. */
void sfu_sdp_frag_write(const struct sfu_sdp_frag *frag, struct nx_writer *out);

#endif
