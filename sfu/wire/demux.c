#include "sfu/wire/demux.h"

#include "sfu/wire/limits.h"

enum {
    STUN_SIZE_MIN = 20,   /* RFC 8489 section 5 */
    DTLS_SIZE_MIN = 13,   /* RFC 6347 section 4.1 */
    CHANNEL_SIZE_MIN = 4, /* RFC 8656 section 12.4 */
    RTP_SIZE_MIN = 12,    /* RFC 3550 section 5.1 */
    RTCP_SIZE_MIN = 8     /* RFC 3550 section 6.4.2 */
};

static enum sfu_demux_kind at_least(struct nx_bytes datagram, size_t size_min, enum sfu_demux_kind kind)
{
    return datagram.size >= size_min ? kind : SFU_DEMUX_NOTHING;
}

enum sfu_demux_kind sfu_demux(struct nx_bytes datagram)
{
    if (datagram.size < CHANNEL_SIZE_MIN || datagram.size > SFU_DATAGRAM_SIZE_MAX) {
        return SFU_DEMUX_NOTHING;
    }
    const uint8_t first = datagram.at[0];
    const uint8_t second = datagram.at[1];
    if (first >= 128 && first <= 191) {
        const bool is_rtcp = second >= 192 && second <= 223;
        return is_rtcp ? at_least(datagram, RTCP_SIZE_MIN, SFU_DEMUX_RTCP)
                       : at_least(datagram, RTP_SIZE_MIN, SFU_DEMUX_RTP);
    }
    if (first <= 3) {
        return at_least(datagram, STUN_SIZE_MIN, SFU_DEMUX_STUN);
    }
    if (first >= 20 && first <= 63) {
        return at_least(datagram, DTLS_SIZE_MIN, SFU_DEMUX_DTLS);
    }
    return first >= 64 && first <= 79 ? SFU_DEMUX_CHANNEL : SFU_DEMUX_NOTHING;
}
