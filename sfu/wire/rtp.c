#include "sfu/wire/rtp.h"

#include "engine/base/assert.h"
#include "engine/base/reader.h"
#include "sfu/wire/limits.h"

enum { VERSION = 2 };

enum nx_err sfu_rtp_parse_head(struct nx_bytes packet, struct sfu_rtp *out)
{
    struct nx_reader in = nx_reader_init(packet.at, packet.size);
    struct sfu_rtp rtp = {0};

    const uint8_t first = nx_reader_u8(&in);
    const uint8_t second = nx_reader_u8(&in);
    rtp.sequence = nx_reader_u16(&in);
    rtp.timestamp = nx_reader_u32(&in);
    rtp.ssrc = nx_reader_u32(&in);
    rtp.has_padding = (first & 0x20) != 0;
    rtp.has_extension = (first & 0x10) != 0;
    rtp.csrcs_count = first & 0x0f;
    rtp.has_marker = (second & 0x80) != 0;
    rtp.payload_type = second & 0x7f;
    rtp.csrcs = nx_reader_bytes(&in, (size_t)rtp.csrcs_count * 4);
    if (rtp.has_extension) {
        rtp.extension_profile = nx_reader_u16(&in);
        rtp.extension = nx_reader_bytes(&in, (size_t)nx_reader_u16(&in) * 4);
    }
    if (!nx_reader_ok(&in) || packet.size > UINT16_MAX) {
        return NX_E_TRUNCATED;
    }
    if (first >> 6 != VERSION) {
        return NX_E_MALFORMED;
    }
    rtp.head_size = (uint16_t)(packet.size - nx_reader_left(&in));
    rtp.payload = nx_reader_bytes(&in, nx_reader_left(&in));
    *out = rtp;
    return NX_OK;
}

enum nx_err sfu_rtp_trim(struct sfu_rtp *rtp)
{
    if (!rtp->has_padding) {
        return NX_OK;
    }
    if (rtp->payload.size == 0) {
        return NX_E_MALFORMED;
    }
    /* The last byte counts itself, so 0 is as wrong as more than there is. */
    const uint8_t count = rtp->payload.at[rtp->payload.size - 1];
    if (count == 0 || count > rtp->payload.size) {
        return NX_E_MALFORMED;
    }
    rtp->padding_size = count;
    rtp->payload.size -= count;
    return NX_OK;
}

enum nx_err sfu_rtp_parse(struct nx_bytes packet, struct sfu_rtp *out)
{
    struct sfu_rtp rtp;
    enum nx_err err = sfu_rtp_parse_head(packet, &rtp);
    if (err == NX_OK) {
        err = sfu_rtp_trim(&rtp);
    }
    if (err == NX_OK) {
        *out = rtp;
    }
    return err;
}

uint32_t sfu_rtp_csrc(const struct sfu_rtp *rtp, unsigned index)
{
    NX_ASSERT(index < rtp->csrcs_count);
    const struct nx_bytes one = nx_bytes_slice(rtp->csrcs, (size_t)index * 4, 4);
    struct nx_reader in = nx_reader_init(one.at, one.size);
    return nx_reader_u32(&in);
}

enum nx_err sfu_rtp_osn_take(struct sfu_rtp *rtp, uint16_t *osn)
{
    struct nx_reader in = nx_reader_init(rtp->payload.at, rtp->payload.size);
    const uint16_t value = nx_reader_u16(&in);
    if (!nx_reader_ok(&in)) {
        return NX_E_TRUNCATED;
    }
    *osn = value;
    rtp->payload = nx_reader_bytes(&in, nx_reader_left(&in));
    return NX_OK;
}

void sfu_rtp_write(const struct sfu_rtp_head *head, struct nx_writer *out)
{
    NX_ASSERT(head->csrcs_count <= SFU_RTP_CSRCS_MAX && head->payload_type <= 127);
    nx_writer_u8(out, (uint8_t)(VERSION << 6 | (head->has_padding ? 0x20 : 0) |
                                (head->has_extension ? 0x10 : 0) | head->csrcs_count));
    nx_writer_u8(out, (uint8_t)((head->has_marker ? 0x80 : 0) | head->payload_type));
    nx_writer_u16(out, head->sequence);
    nx_writer_u32(out, head->timestamp);
    nx_writer_u32(out, head->ssrc);
    for (unsigned i = 0; i < head->csrcs_count; i++) {
        nx_writer_u32(out, head->csrcs[i]);
    }
}
