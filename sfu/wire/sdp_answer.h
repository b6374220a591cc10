/* sdp_answer.h - turns an offer into the answer that accepts what a policy allows, line by line.
 *
 * Spec:    RFC 8829 section 5.3.1, RFC 9143 section 7.3 (one transport), RFC 8842 section 5.3 (roles), RFC 8285 section 6
 *          (extension ids stay), RFC 8853 section 5.3 (simulcast turned round), RFC 6184 and RFC 7587 (parameters echoed)
 * Layer:   sfu/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Idiom:   parse the offer, answer, put SSRCs, msid and CNAME of what we send into the answer's m-lines, write.
 */
#ifndef SFU_WIRE_SDP_ANSWER_H
#define SFU_WIRE_SDP_ANSWER_H

#include "sfu/wire/rtp_ext.h"
#include "sfu/wire/sdp.h"

/** What we take and who we are. */
struct sfu_sdp_policy {
    uint32_t codecs;                        /**< bit 1 << enum sfu_sdp_codec_kind */
    uint32_t exts_audio;                    /**< bit 1 << enum sfu_rtp_ext_kind */
    uint32_t exts_video;                    /**< the same for video */
    uint8_t feedback;                       /**< SFU_SDP_FEEDBACK_* */
    bool takes_data;                        /**< data channels */
    uint32_t message_size_max;              /**< bytes of a data channel's message we take */
    struct sfu_sdp_transport transport;     /**< ours; setup is chosen by the offer's */
    const struct sfu_candidate *candidates; /**< ours; borrowed */
    unsigned candidates_count;              /**< at most SFU_SDP_CANDIDATES_MAX; more are left out */
    uint64_t session_id;                    /**< of our o= line */
    uint64_t session_version;               /**< one more with every answer */
};

/**
 * Makes the answer of an ICE-lite server. An m-line is accepted when its protocol is DTLS-SRTP (or SCTP over DTLS), it
 * multiplexes RTCP, a media codec of the policy is left, and it belongs to the bundle; without a bundle only the first can
 * be. Every other is rejected in its place. `answer` is scratch that is overwritten in any case and borrows from the offer.
 *
 * Returns NX_E_NOT_FOUND when no m-line is left, else what sfu_sdp_transport_of() says of the offer.
 */
NX_MUST_USE enum nx_err sfu_sdp_answer(const struct sfu_sdp *offer, const struct sfu_sdp_policy *policy,
                                       struct sfu_sdp *answer);

/** Fills `map` with the extensions of an m-line of an answer; none of them can conflict there. */
void sfu_sdp_answer_map(const struct sfu_sdp_media *media, struct sfu_rtp_ext_map *map);

#endif
