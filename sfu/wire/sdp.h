/* sdp.h - a session description as browsers, OBS, GStreamer and aiortc write it, as a value.
 *
 * Spec:    RFC 8866 (SDP), RFC 8829 (JSEP), RFC 8839 (ICE), RFC 8842 (DTLS), RFC 8122 (fingerprint), RFC 9143 (BUNDLE), RFC
 *          8285 (extmap), RFC 8851 and 8853 (rid, simulcast), RFC 5576 (ssrc), RFC 4585 (rtcp-fb), RFC 8841 (SCTP).
 *          Not read: times, bandwidth of the session, connection addresses, keys other than DTLS.
 * Layer:   sfu/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Limits:  the SFU_SDP_* of limits.h; a struct sfu_sdp has about a quarter of a megabyte: one per shard, not per session
 * Idiom:   unknown lines are counted, broken ones refused line by line; only what leaves no description is an error. Views
 *          borrow from the text for as long as the value is used. sfu_sdp_write() (sdp_write.h) is the way back.
 */
#ifndef SFU_WIRE_SDP_H
#define SFU_WIRE_SDP_H

#include "sfu/wire/candidate.h"
#include "sfu/wire/limits.h"

/** What an m-line is about. */
enum sfu_sdp_kind { SFU_SDP_OTHER, SFU_SDP_AUDIO, SFU_SDP_VIDEO, SFU_SDP_APPLICATION };

/** Bits of a direction, as the describing side sees it. */
enum sfu_sdp_direction {
    SFU_SDP_INACTIVE = 0,
    SFU_SDP_SENDONLY = 1,
    SFU_SDP_RECVONLY = 2,
    SFU_SDP_SENDRECV = 3
};

/** DTLS roles (RFC 8842 section 5.1). */
enum sfu_sdp_setup { SFU_SDP_SETUP_NONE, SFU_SDP_ACTPASS, SFU_SDP_ACTIVE, SFU_SDP_PASSIVE };

/** Codecs by name; each is a bit of a set in a policy. */
enum sfu_sdp_codec_kind {
    SFU_SDP_CODEC_OTHER,
    SFU_SDP_CODEC_OPUS,
    SFU_SDP_CODEC_VP8,
    SFU_SDP_CODEC_VP9,
    SFU_SDP_CODEC_H264,
    SFU_SDP_CODEC_AV1,
    SFU_SDP_CODEC_RTX,             /**< RFC 4588: repairs the payload type `apt` */
    SFU_SDP_CODEC_RED,             /**< RFC 2198, audio and video */
    SFU_SDP_CODEC_ULPFEC,          /**< RFC 5109 */
    SFU_SDP_CODEC_FLEXFEC,         /**< RFC 8627 and its draft */
    SFU_SDP_CODEC_TELEPHONE_EVENT, /**< RFC 4733 */
    SFU_SDP_CODEC_CN               /**< RFC 3389 */
};

/** Feedback that a codec asks for (RFC 4585 section 4.2, RFC 5104, drafts of REMB and transport-cc). */
enum {
    SFU_SDP_FEEDBACK_NACK = 1,
    SFU_SDP_FEEDBACK_PLI = 2,
    SFU_SDP_FEEDBACK_FIR = 4,
    SFU_SDP_FEEDBACK_REMB = 8,
    SFU_SDP_FEEDBACK_TRANSPORT_CC = 16
};

enum { SFU_SDP_HASH_SIZE = 32, SFU_SDP_PAYLOAD_TYPES = 128 };

/** One payload type of an m-line. */
struct sfu_sdp_codec {
    struct nx_bytes name;         /**< as written; empty for a static payload type without rtpmap */
    struct nx_bytes parameters;   /**< fmtp as written; empty when none */
    uint32_t clock_rate;          /**< Hz; 0 without rtpmap */
    uint32_t profile_level_id;    /**< H.264: 24 bits, 0x42000a when not given (RFC 6184 section 8.1) */
    enum sfu_sdp_codec_kind kind; /**< by name */
    uint8_t payload_type;         /**< 0..127 */
    uint8_t channels;             /**< 1 unless given */
    uint8_t feedback;             /**< SFU_SDP_FEEDBACK_* */
    uint8_t apt;                  /**< RTX, RED: the payload type inside; valid with has_apt */
    uint8_t packetization_mode;   /**< H.264: 0..2 */
    uint8_t profile;              /**< VP9 profile-id, AV1 profile */
    bool has_apt;                 /**< apt was given */
};

/** One header extension of an m-line. */
struct sfu_sdp_ext {
    struct nx_bytes uri;              /**< as written */
    uint8_t id;                       /**< 1..255 */
    enum sfu_sdp_direction direction; /**< who may send it; SENDRECV when not given */
};

/** One simulcast layer. */
struct sfu_sdp_rid {
    struct nx_bytes name; /**< letters, digits, - and _ */
    bool is_send;         /**< of the describing side */
    bool is_paused;       /**< marked ~ in a=simulcast */
};

/** One SSRC of an m-line and the one that repairs it. */
struct sfu_sdp_source {
    uint32_t ssrc;   /**< of the media */
    uint32_t repair; /**< of its RTX stream; valid with has_repair */
    bool has_repair; /**< an ssrc-group FID said so */
};

/** How to reach and to trust a side. */
struct sfu_sdp_transport {
    struct nx_bytes ufrag;        /**< 4..256 characters; empty when not given */
    struct nx_bytes password;     /**< 22..256 characters; empty when not given */
    enum sfu_sdp_setup setup;     /**< DTLS role */
    uint8_t fingerprints_count;   /**< SHA-256 ones */
    uint8_t fingerprints_refused; /**< of other hashes, broken, or too many */
    uint8_t fingerprints[SFU_SDP_FINGERPRINTS_MAX][SFU_SDP_HASH_SIZE]; /**< of the certificate */
};

/** One m-line. */
struct sfu_sdp_media {
    struct nx_bytes name;               /**< "audio", as written */
    struct nx_bytes protocol;           /**< "UDP/TLS/RTP/SAVPF", as written */
    struct nx_bytes formats;            /**< the rest of the m-line, as written */
    struct nx_bytes mid;                /**< empty when not given */
    struct nx_bytes stream_id;          /**< msid, first word; empty when not given */
    struct nx_bytes track_id;           /**< msid, second word */
    struct nx_bytes cname;              /**< of the first a=ssrc that has one */
    struct sfu_sdp_transport transport; /**< what of it is written here, else that of the session */
    uint32_t bandwidth_bps;             /**< b=TIAS or b=AS; 0 when not given */
    uint32_t message_size_max;          /**< a=max-message-size; 65536 when not given (RFC 8841 section 6) */
    uint16_t port;                      /**< 0 when refused or bundle-only */
    uint16_t sctp_port;                 /**< a=sctp-port or the old a=sctpmap; 0 when not given */
    enum sfu_sdp_kind kind;             /**< by name */
    enum sfu_sdp_direction direction;   /**< SENDRECV when not given */
    bool is_rejected;                   /**< port 0 without a=bundle-only */
    bool is_bundled;                    /**< its mid is in a=group:BUNDLE */
    bool has_rtcp_mux;                  /**< a=rtcp-mux */
    bool has_rtcp_rsize;                /**< a=rtcp-rsize */
    bool allows_mixed;                  /**< a=extmap-allow-mixed, here or for the session */
    bool is_bundle_only;                /**< a=bundle-only */
    bool has_end_of_candidates;         /**< a=end-of-candidates */
    uint8_t codecs_count;               /**< payload types, in order of preference */
    uint8_t exts_count;                 /**< header extensions */
    uint8_t rids_count;                 /**< simulcast layers, in the order of a=simulcast */
    uint8_t sources_count;              /**< SSRCs */
    struct sfu_sdp_codec codecs[SFU_SDP_CODECS_MAX];
    struct sfu_sdp_ext exts[SFU_SDP_EXTS_MAX];
    struct sfu_sdp_rid rids[SFU_SDP_RIDS_MAX];
    struct sfu_sdp_source sources[SFU_SDP_SSRCS_MAX];
};

/** A description. */
struct sfu_sdp {
    uint64_t session_id;                /**< second word of o=; 0 when it is no number */
    uint64_t session_version;           /**< third word of o= */
    struct nx_bytes bundle;             /**< mids of a=group:BUNDLE, as written; empty when none */
    struct sfu_sdp_transport transport; /**< what is written for all */
    enum sfu_sdp_direction direction;   /**< what is written for all */
    bool allows_mixed;                  /**< a=extmap-allow-mixed for all */
    bool is_lite;                       /**< a=ice-lite */
    bool has_trickle;                   /**< a=ice-options with trickle, anywhere */
    uint16_t ignored_count;             /**< lines we do not know */
    uint16_t refused_count;             /**< lines that are broken, repeated or beyond a cap */
    uint16_t candidates_seen;           /**< a=candidate lines in all */
    uint8_t candidates_count;           /**< kept of those, of component 1 */
    uint8_t media_count;                /**< m-lines */
    struct sfu_candidate candidates[SFU_SDP_CANDIDATES_MAX]; /**< the first of them */
    struct sfu_sdp_media media[SFU_SDP_MEDIA_MAX];           /**< in order */
};

/**
 * Reads `text`, lines ending in CRLF or LF. `out` is scratch that is overwritten in any case; views borrow from `text`.
 *
 * Returns NX_E_MALFORMED when it does not begin with "v=0" or has no m-line, NX_E_FULL when it is longer than
 * SFU_SDP_SIZE_MAX or has more than SFU_SDP_MEDIA_MAX m-lines: each of them would need an answer.
 */
NX_MUST_USE enum nx_err sfu_sdp_parse(struct nx_bytes text, struct sfu_sdp *out);

/**
 * Finds the one transport of a bundled description: that of the first m-line that is not rejected.
 *
 * Returns NX_E_NOT_FOUND when there is none, NX_E_MALFORMED when user fragment or password are missing or not what RFC
 * 8839 section 5.4 allows, NX_E_AUTH when there is no SHA-256 fingerprint: without one nobody may be believed.
 */
NX_MUST_USE enum nx_err sfu_sdp_transport_of(const struct sfu_sdp *sdp, struct sfu_sdp_transport *out);

/** Returns the codec of `payload_type` on `media`, NULL when it has none. */
const struct sfu_sdp_codec *sfu_sdp_codec_of(const struct sfu_sdp_media *media, unsigned payload_type);

/** Returns the payload type of RTX for `payload_type` on `media`, -1 when it has none. */
int sfu_sdp_rtx_of(const struct sfu_sdp_media *media, unsigned payload_type);

#endif
