/* limits.h - every cap of sfu/wire, with the reason beside it.
 *
 * Layer:   sfu/wire
 * Threads: any; constants
 */
#ifndef SFU_WIRE_LIMITS_H
#define SFU_WIRE_LIMITS_H

enum {
    SFU_DATAGRAM_SIZE_MAX = 2048, /**< bytes; media keeps below 1500, larger datagrams are dropped unread */

    SFU_RTP_CSRCS_MAX = 15, /**< RFC 3550 section 5.1: CC has 4 bits */
    SFU_RTP_EXT_IDS =
        64, /**< ids 1..63 are negotiated; RFC 8285 section 4.3 allows 255, browsers use about 20 */
    SFU_RTP_EXT_ELEMENTS_MAX = 64,    /**< elements looked at in one packet; later ones are ignored */
    SFU_RTP_EXT_BLOCK_SIZE_MAX = 256, /**< bytes of an extension block we write, its header included */
    SFU_RTP_MID_SIZE_MAX = 16, /**< bytes of a MID or RID we accept; RFC 8851 allows more, nobody uses it */

    SFU_RTCP_PACKETS_MAX = 64, /**< packets of one compound; more is an attack on our time */
    SFU_RTCP_NACKS_MAX = 1024, /**< sequence numbers taken from one NACK; what a second of video can lose */
    SFU_RTCP_FIRS_MAX = 64,    /**< entries of one FIR */
    SFU_RTCP_SSRCS_MAX = 31,   /**< RFC 3550 section 6.4: RC and SC have 5 bits */
    SFU_RTCP_REMB_SSRCS_MAX = 64, /**< SSRCs taken from one REMB */
    SFU_RTCP_TWCC_MAX = 4096, /**< packets reported by one transport feedback; 100 ms at 40,000 a second */

    SFU_STUN_SIZE_MAX = 1500,         /**< bytes of one message; it has to fit a datagram */
    SFU_STUN_UNKNOWN_MAX = 8,         /**< unknown comprehension-required attributes named in a 420 */
    SFU_STUN_USERNAME_SIZE_MAX = 512, /**< bytes; RFC 8489 section 14.3 says fewer than 513 */

    SFU_TCP_FRAME_SIZE_MAX =
        2048, /**< bytes of one framed packet; browsers stay below their UDP MTU here too */

    SFU_DCEP_TEXT_SIZE_MAX = 256, /**< bytes of a data channel's label and of its protocol */

    SFU_SDP_SIZE_MAX = 65536,     /**< bytes of one description; what /voice lets through */
    SFU_SDP_LINE_SIZE_MAX = 4096, /**< bytes of one line; longer ones are ignored */
    SFU_SDP_MEDIA_MAX = 48,       /**< m-lines of one description: sends and slots of one client */
    SFU_SDP_CODECS_MAX = 64,      /**< payload types of one m-line; a browser offers about 45 */
    SFU_SDP_EXTS_MAX = 32,        /**< header extensions of one m-line; a browser offers about 16 */
    SFU_SDP_RIDS_MAX = 8,         /**< simulcast layers of one m-line; browsers send 3 */
    SFU_SDP_SSRCS_MAX = 16,       /**< SSRCs of one m-line: 3 layers and their RTX, twice */
    SFU_SDP_FINGERPRINTS_MAX = 4, /**< certificate hashes looked at in one place */
    SFU_SDP_CANDIDATES_MAX = 16,  /**< candidates kept per description; an ICE-lite server only writes them */
};

#endif
