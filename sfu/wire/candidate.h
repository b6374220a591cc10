/* candidate.h - one ICE candidate as descriptions and trickle fragments write it.
 *
 * Spec:    RFC 8839 section 5.1, RFC 6544 section 4.5 (TCP), RFC 8445 section 5.1.2.1 (priority)
 * Layer:   sfu/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Idiom:   an ICE-lite server reads candidates of others to count them, and never sends to one because it was written.
 */
#ifndef SFU_WIRE_CANDIDATE_H
#define SFU_WIRE_CANDIDATE_H

#include "engine/base/addr.h"

/** How a candidate was found (RFC 8445 section 5.1.1). */
enum sfu_candidate_type { SFU_CANDIDATE_HOST, SFU_CANDIDATE_SRFLX, SFU_CANDIDATE_PRFLX, SFU_CANDIDATE_RELAY };

/** UDP, or who opens the TCP connection (RFC 6544 section 4.5). */
enum sfu_candidate_transport {
    SFU_CANDIDATE_UDP,
    SFU_CANDIDATE_TCP_ACTIVE,
    SFU_CANDIDATE_TCP_PASSIVE,
    SFU_CANDIDATE_TCP_SO
};

/** One candidate; views borrow from the text. */
struct sfu_candidate {
    struct nx_bytes foundation;             /**< 1..32 characters */
    struct nx_bytes host;                   /**< name instead of an address (mDNS); empty with an address */
    struct nx_addr addr;                    /**< family 0 with a name, then with the port only */
    uint32_t priority;                      /**< 1..2^31-1 by RFC, any 32 bits taken */
    uint16_t component;                     /**< 1 RTP, 2 RTCP */
    enum sfu_candidate_transport transport; /**< UDP or a kind of TCP */
    enum sfu_candidate_type type;           /**< host and the others */
};

/**
 * Reads what follows "candidate:"; related address and unknown extensions are skipped.
 *
 * Returns NX_E_MALFORMED when a field is missing or out of range, for port 0 and for an unknown type; NX_E_UNSUPPORTED for
 * a transport that is neither UDP nor TCP.
 */
NX_MUST_USE enum nx_err sfu_candidate_parse(struct nx_bytes text, struct sfu_candidate *out);

/** Writes the same form, beginning with "candidate:". A candidate without address must have a host. */
void sfu_candidate_write(const struct sfu_candidate *candidate, struct nx_writer *out);

/** Returns the priority of a candidate of component 1: type preference 0..126, local preference 0..65535. */
static inline uint32_t sfu_candidate_priority(uint32_t type_preference, uint32_t local_preference)
{
    return type_preference << 24 | local_preference << 8 | 255;
}

#endif
