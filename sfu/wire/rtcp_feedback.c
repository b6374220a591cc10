#include "sfu/wire/rtcp_feedback.h"

#include "engine/base/assert.h"

enum {
    FORMAT_NACK = 1,         /* RFC 4585 section 6.2 */
    FORMAT_TWCC = 15,        /* draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1 */
    FORMAT_PLI = 1,          /* RFC 4585 section 6.3 */
    FORMAT_FIR = 4,          /* RFC 5104 section 4.3.1 */
    FORMAT_APPLICATION = 15, /* RFC 4585 section 6.4 */
    REMB_NAME = 0x52454d42,  /* "REMB" */
    REMB_MANTISSA_BITS = 18, /* draft-alvestrand-rmcat-remb-03 section 2.2 */
    FIR_SIZE = 8,            /* bytes of one entry */
    NACK_BITS = 16           /* packets after the named one that a NACK entry can name */
};

static enum sfu_rtcp_feedback_kind kind_of(const struct sfu_rtcp *packet, struct nx_bytes entries)
{
    struct nx_reader in = nx_reader_init(entries.at, entries.size);
    if (packet->type == SFU_RTCP_RTPFB) {
        return packet->count == FORMAT_NACK   ? SFU_RTCP_FEEDBACK_NACK
               : packet->count == FORMAT_TWCC ? SFU_RTCP_FEEDBACK_TWCC
                                              : SFU_RTCP_FEEDBACK_OTHER;
    }
    switch (packet->count) {
    case FORMAT_PLI:
        return SFU_RTCP_FEEDBACK_PLI;
    case FORMAT_FIR:
        return SFU_RTCP_FEEDBACK_FIR;
    case FORMAT_APPLICATION:
        return nx_reader_u32(&in) == REMB_NAME ? SFU_RTCP_FEEDBACK_REMB : SFU_RTCP_FEEDBACK_OTHER;
    default:
        return SFU_RTCP_FEEDBACK_OTHER;
    }
}

enum nx_err sfu_rtcp_feedback_parse(const struct sfu_rtcp *packet, struct sfu_rtcp_feedback *out)
{
    if (packet->type != SFU_RTCP_RTPFB && packet->type != SFU_RTCP_PSFB) {
        return NX_E_UNSUPPORTED;
    }
    struct nx_reader in = nx_reader_init(packet->body.at, packet->body.size);
    struct sfu_rtcp_feedback feedback = {.sender_ssrc = nx_reader_u32(&in)};
    feedback.media_ssrc = nx_reader_u32(&in);
    feedback.entries = nx_reader_bytes(&in, nx_reader_left(&in));
    if (!nx_reader_ok(&in)) {
        return NX_E_TRUNCATED;
    }
    feedback.kind = kind_of(packet, feedback.entries);
    *out = feedback;
    return NX_OK;
}

enum nx_err sfu_rtcp_feedback_nacks(const struct sfu_rtcp_feedback *feedback, uint16_t *sequences,
                                    unsigned room, unsigned *count)
{
    if (feedback->kind != SFU_RTCP_FEEDBACK_NACK || feedback->entries.size < 4) {
        return NX_E_MALFORMED;
    }
    struct nx_reader in = nx_reader_init(feedback->entries.at, feedback->entries.size);
    unsigned found = 0;
    while (nx_reader_left(&in) >= 4 && found < room) {
        const uint16_t first = nx_reader_u16(&in);
        const uint16_t after = nx_reader_u16(&in);
        sequences[found++] = first;
        for (unsigned bit = 0; bit < NACK_BITS && found < room; bit++) {
            if ((after >> bit & 1) != 0) {
                sequences[found++] = (uint16_t)(first + bit + 1);
            }
        }
    }
    *count = found;
    return NX_OK;
}

static size_t begin(struct nx_writer *out, uint8_t type, uint8_t format, uint32_t sender_ssrc,
                    uint32_t media_ssrc)
{
    const size_t start = sfu_rtcp_begin(out, type, format);
    nx_writer_u32(out, sender_ssrc);
    nx_writer_u32(out, media_ssrc);
    return start;
}

void sfu_rtcp_feedback_nack_write(uint32_t sender_ssrc, uint32_t media_ssrc, const uint16_t *sequences,
                                  unsigned count, struct nx_writer *out)
{
    NX_ASSERT(count >= 1 && count <= SFU_RTCP_NACKS_MAX);
    const size_t start = begin(out, SFU_RTCP_RTPFB, FORMAT_NACK, sender_ssrc, media_ssrc);
    for (unsigned i = 0; i < count;) {
        const uint16_t first = sequences[i++];
        uint32_t after = 0;
        while (i < count && (uint16_t)(sequences[i] - first - 1) < NACK_BITS) {
            after |= 1U << (uint16_t)(sequences[i] - first - 1);
            i++;
        }
        nx_writer_u16(out, first);
        nx_writer_u16(out, (uint16_t)after);
    }
    sfu_rtcp_end(out, start);
}

void sfu_rtcp_feedback_pli_write(uint32_t sender_ssrc, uint32_t media_ssrc, struct nx_writer *out)
{
    sfu_rtcp_end(out, begin(out, SFU_RTCP_PSFB, FORMAT_PLI, sender_ssrc, media_ssrc));
}

enum nx_err sfu_rtcp_feedback_firs(const struct sfu_rtcp_feedback *feedback,
                                   struct sfu_rtcp_feedback_fir *entries, unsigned room, unsigned *count)
{
    if (feedback->kind != SFU_RTCP_FEEDBACK_FIR || feedback->entries.size < FIR_SIZE ||
        feedback->entries.size % FIR_SIZE != 0) {
        return NX_E_MALFORMED;
    }
    struct nx_reader in = nx_reader_init(feedback->entries.at, feedback->entries.size);
    unsigned found = 0;
    while (nx_reader_left(&in) != 0 && found < room) {
        entries[found].ssrc = nx_reader_u32(&in);
        entries[found].sequence = (uint8_t)(nx_reader_u32(&in) >> 24);
        found++;
    }
    *count = found;
    return NX_OK;
}

void sfu_rtcp_feedback_fir_write(uint32_t sender_ssrc, const struct sfu_rtcp_feedback_fir *entries,
                                 unsigned count, struct nx_writer *out)
{
    NX_ASSERT(count >= 1 && count <= SFU_RTCP_FIRS_MAX);
    const size_t start = begin(out, SFU_RTCP_PSFB, FORMAT_FIR, sender_ssrc, 0);
    for (unsigned i = 0; i < count; i++) {
        nx_writer_u32(out, entries[i].ssrc);
        nx_writer_u32(out, (uint32_t)entries[i].sequence << 24);
    }
    sfu_rtcp_end(out, start);
}

enum nx_err sfu_rtcp_feedback_remb_parse(const struct sfu_rtcp_feedback *feedback,
                                         struct sfu_rtcp_feedback_remb *out)
{
    if (feedback->kind != SFU_RTCP_FEEDBACK_REMB) {
        return NX_E_MALFORMED;
    }
    struct nx_reader in = nx_reader_init(feedback->entries.at, feedback->entries.size);
    (void)nx_reader_u32(&in); /* the name, which made it a REMB */
    const uint32_t word = nx_reader_u32(&in);
    const unsigned count = word >> 24;
    const unsigned exponent = word >> REMB_MANTISSA_BITS & 0x3f;
    const uint64_t mantissa = word & ((1U << REMB_MANTISSA_BITS) - 1);
    if (!nx_reader_ok(&in) || nx_reader_left(&in) < (size_t)count * 4) {
        return NX_E_TRUNCATED;
    }
    const bool has_overflow = mantissa > UINT64_MAX >> exponent;
    out->bitrate_bps = has_overflow ? UINT64_MAX : mantissa << exponent;
    out->ssrcs_count = (uint8_t)(count < SFU_RTCP_REMB_SSRCS_MAX ? count : SFU_RTCP_REMB_SSRCS_MAX);
    for (unsigned i = 0; i < out->ssrcs_count; i++) {
        out->ssrcs[i] = nx_reader_u32(&in);
    }
    return NX_OK;
}

void sfu_rtcp_feedback_remb_write(uint32_t sender_ssrc, const struct sfu_rtcp_feedback_remb *remb,
                                  struct nx_writer *out)
{
    NX_ASSERT(remb->ssrcs_count <= SFU_RTCP_REMB_SSRCS_MAX);
    uint32_t exponent = 0;
    while (remb->bitrate_bps >> exponent >> REMB_MANTISSA_BITS != 0) {
        exponent++;
    }
    const size_t start = begin(out, SFU_RTCP_PSFB, FORMAT_APPLICATION, sender_ssrc, 0);
    nx_writer_u32(out, REMB_NAME);
    nx_writer_u32(out, (uint32_t)remb->ssrcs_count << 24 | exponent << REMB_MANTISSA_BITS |
                           (uint32_t)(remb->bitrate_bps >> exponent));
    for (unsigned i = 0; i < remb->ssrcs_count; i++) {
        nx_writer_u32(out, remb->ssrcs[i]);
    }
    sfu_rtcp_end(out, start);
}
