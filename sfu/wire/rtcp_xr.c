#include "sfu/wire/rtcp_xr.h"

#include "engine/base/assert.h"

enum { BLOCK_RRTR = 4, BLOCK_DLRR = 5, RRTR_SIZE = 8, DLRR_SIZE = 12 }; /* RFC 3611 sections 4.4 and 4.5 */

static enum nx_err read_dlrr(struct nx_bytes body, struct sfu_rtcp_xr *xr)
{
    if (body.size % DLRR_SIZE != 0) {
        return NX_E_MALFORMED;
    }
    struct nx_reader in = nx_reader_init(body.at, body.size);
    while (nx_reader_left(&in) != 0 && xr->dlrrs_count < SFU_RTCP_SSRCS_MAX) {
        struct sfu_rtcp_xr_dlrr *one = &xr->dlrrs[xr->dlrrs_count++];
        one->ssrc = nx_reader_u32(&in);
        one->last_rr = nx_reader_u32(&in);
        one->since_last = nx_reader_u32(&in);
    }
    return NX_OK;
}

enum nx_err sfu_rtcp_xr_parse(const struct sfu_rtcp *packet, struct sfu_rtcp_xr *out)
{
    if (packet->type != SFU_RTCP_XR) {
        return NX_E_UNSUPPORTED;
    }
    struct nx_reader in = nx_reader_init(packet->body.at, packet->body.size);
    struct sfu_rtcp_xr xr = {.ssrc = nx_reader_u32(&in)};
    enum nx_err err = NX_OK;
    while (err == NX_OK && nx_reader_ok(&in) && nx_reader_left(&in) != 0) {
        const uint8_t type = nx_reader_u8(&in);
        (void)nx_reader_u8(&in);
        const struct nx_bytes body = nx_reader_bytes(&in, (size_t)nx_reader_u16(&in) * 4);
        if (!nx_reader_ok(&in)) {
            break;
        }
        if (type == BLOCK_RRTR) {
            struct nx_reader time = nx_reader_init(body.at, body.size);
            xr.ntp = nx_reader_u64(&time);
            xr.has_ntp = true;
            err = body.size == RRTR_SIZE ? NX_OK : NX_E_MALFORMED;
        } else if (type == BLOCK_DLRR) {
            err = read_dlrr(body, &xr);
        }
    }
    if (!nx_reader_ok(&in)) {
        err = NX_E_TRUNCATED;
    }
    if (err == NX_OK) {
        *out = xr;
    }
    return err;
}

void sfu_rtcp_xr_write(const struct sfu_rtcp_xr *xr, struct nx_writer *out)
{
    NX_ASSERT(xr->dlrrs_count <= SFU_RTCP_SSRCS_MAX);
    const size_t start = sfu_rtcp_begin(out, SFU_RTCP_XR, 0);
    nx_writer_u32(out, xr->ssrc);
    if (xr->has_ntp) {
        nx_writer_u32(out, (uint32_t)BLOCK_RRTR << 24 | RRTR_SIZE / 4);
        nx_writer_u64(out, xr->ntp);
    }
    if (xr->dlrrs_count != 0) {
        nx_writer_u32(out, (uint32_t)BLOCK_DLRR << 24 | (uint32_t)xr->dlrrs_count * (DLRR_SIZE / 4));
    }
    for (unsigned i = 0; i < xr->dlrrs_count; i++) {
        nx_writer_u32(out, xr->dlrrs[i].ssrc);
        nx_writer_u32(out, xr->dlrrs[i].last_rr);
        nx_writer_u32(out, xr->dlrrs[i].since_last);
    }
    sfu_rtcp_end(out, start);
}
