#include "sfu/wire/rtcp_report.h"

#include "engine/base/assert.h"
#include "sfu/wire/limits.h"

enum { BLOCK_SIZE = 24, LOST_BITS = 24, ITEM_END = 0 }; /* RFC 3550 sections 6.4.1 and 6.5 */

enum nx_err sfu_rtcp_report_parse(const struct sfu_rtcp *packet, struct sfu_rtcp_report *out)
{
    if (packet->type != SFU_RTCP_SR && packet->type != SFU_RTCP_RR) {
        return NX_E_UNSUPPORTED;
    }
    struct nx_reader in = nx_reader_init(packet->body.at, packet->body.size);
    struct sfu_rtcp_report report = {.is_sender = packet->type == SFU_RTCP_SR, .blocks_count = packet->count};
    report.ssrc = nx_reader_u32(&in);
    if (report.is_sender) {
        report.ntp = nx_reader_u64(&in);
        report.timestamp = nx_reader_u32(&in);
        report.packets_count = nx_reader_u32(&in);
        report.octets_count = nx_reader_u32(&in);
    }
    report.blocks = nx_reader_bytes(&in, (size_t)packet->count * BLOCK_SIZE);
    if (!nx_reader_ok(&in)) {
        return NX_E_TRUNCATED;
    }
    *out = report;
    return NX_OK;
}

struct sfu_rtcp_report_block sfu_rtcp_report_block_at(const struct sfu_rtcp_report *report, unsigned index)
{
    NX_ASSERT(index < report->blocks_count);
    const struct nx_bytes bytes = nx_bytes_slice(report->blocks, (size_t)index * BLOCK_SIZE, BLOCK_SIZE);
    struct nx_reader in = nx_reader_init(bytes.at, bytes.size);
    struct sfu_rtcp_report_block block;
    block.ssrc = nx_reader_u32(&in);
    const uint32_t loss = nx_reader_u32(&in);
    block.lost_fraction = (uint8_t)(loss >> LOST_BITS);
    const int32_t low = (int32_t)(loss & 0x7fffff);
    block.lost = (loss & 0x800000) != 0 ? low - 0x800000 : low;
    block.sequence_highest = nx_reader_u32(&in);
    block.jitter = nx_reader_u32(&in);
    block.last_sr = nx_reader_u32(&in);
    block.since_last_sr = nx_reader_u32(&in);
    return block;
}

static void write_block(const struct sfu_rtcp_report_block *block, struct nx_writer *out)
{
    /* RFC 3550 section A.3: the count is clamped, not wrapped. */
    int32_t lost = block->lost;
    lost = lost > 0x7fffff ? 0x7fffff : lost;
    lost = lost < -0x800000 ? -0x800000 : lost;
    nx_writer_u32(out, block->ssrc);
    nx_writer_u32(out, (uint32_t)block->lost_fraction << LOST_BITS | ((uint32_t)lost & 0xffffff));
    nx_writer_u32(out, block->sequence_highest);
    nx_writer_u32(out, block->jitter);
    nx_writer_u32(out, block->last_sr);
    nx_writer_u32(out, block->since_last_sr);
}

void sfu_rtcp_report_write(const struct sfu_rtcp_report *report, const struct sfu_rtcp_report_block *blocks,
                           unsigned count, struct nx_writer *out)
{
    NX_ASSERT(count <= SFU_RTCP_SSRCS_MAX);
    const size_t start = sfu_rtcp_begin(out, report->is_sender ? SFU_RTCP_SR : SFU_RTCP_RR, (uint8_t)count);
    nx_writer_u32(out, report->ssrc);
    if (report->is_sender) {
        nx_writer_u64(out, report->ntp);
        nx_writer_u32(out, report->timestamp);
        nx_writer_u32(out, report->packets_count);
        nx_writer_u32(out, report->octets_count);
    }
    for (unsigned i = 0; i < count; i++) {
        write_block(&blocks[i], out);
    }
    sfu_rtcp_end(out, start);
}

enum nx_err sfu_rtcp_report_sdes_init(const struct sfu_rtcp *packet, struct sfu_rtcp_report_sdes *out)
{
    if (packet->type != SFU_RTCP_SDES) {
        return NX_E_UNSUPPORTED;
    }
    *out = (struct sfu_rtcp_report_sdes){.in = nx_reader_init(packet->body.at, packet->body.size),
                                         .chunks_left = packet->count};
    return NX_OK;
}

/* A chunk ends with at least one zero byte and as many as the next word asks for; the body starts on a word, so what is
 * left of it tells where words are. */
static void skip_to_word(struct nx_reader *in)
{
    (void)nx_reader_take(in, nx_reader_left(in) % 4);
}

bool sfu_rtcp_report_sdes_next(struct sfu_rtcp_report_sdes *walk, struct sfu_rtcp_report_item *out)
{
    for (;;) {
        if (!walk->is_in_chunk) {
            if (walk->chunks_left == 0) {
                return false;
            }
            walk->chunks_left--;
            walk->ssrc = nx_reader_u32(&walk->in);
            walk->is_in_chunk = true;
        }
        const uint8_t type = nx_reader_u8(&walk->in);
        if (!nx_reader_ok(&walk->in)) {
            walk->chunks_left = 0;
            walk->is_in_chunk = false;
            return false;
        }
        if (type == ITEM_END) {
            skip_to_word(&walk->in);
            walk->is_in_chunk = false;
            continue;
        }
        const struct nx_bytes text = nx_reader_bytes(&walk->in, nx_reader_u8(&walk->in));
        if (nx_reader_ok(&walk->in)) {
            *out = (struct sfu_rtcp_report_item){.text = text, .ssrc = walk->ssrc, .type = type};
            return true;
        }
    }
}

void sfu_rtcp_report_cname_write(uint32_t ssrc, struct nx_bytes cname, struct nx_writer *out)
{
    NX_ASSERT(cname.size >= 1 && cname.size <= UINT8_MAX);
    const size_t start = sfu_rtcp_begin(out, SFU_RTCP_SDES, 1);
    nx_writer_u32(out, ssrc);
    nx_writer_u8(out, SFU_RTCP_REPORT_CNAME);
    nx_writer_u8(out, (uint8_t)cname.size);
    nx_writer_bytes_put(out, cname);
    nx_writer_u8(out, ITEM_END);
    sfu_rtcp_end(out, start);
}

enum nx_err sfu_rtcp_report_bye_parse(const struct sfu_rtcp *packet, struct sfu_rtcp_report_bye *out)
{
    if (packet->type != SFU_RTCP_BYE) {
        return NX_E_UNSUPPORTED;
    }
    struct nx_reader in = nx_reader_init(packet->body.at, packet->body.size);
    struct sfu_rtcp_report_bye bye = {.ssrcs_count = packet->count};
    bye.ssrcs = nx_reader_bytes(&in, (size_t)packet->count * 4);
    if (nx_reader_ok(&in) && nx_reader_left(&in) != 0) {
        bye.reason = nx_reader_bytes(&in, nx_reader_u8(&in));
    }
    if (!nx_reader_ok(&in)) {
        return NX_E_TRUNCATED;
    }
    *out = bye;
    return NX_OK;
}

uint32_t sfu_rtcp_report_bye_ssrc(const struct sfu_rtcp_report_bye *bye, unsigned index)
{
    NX_ASSERT(index < bye->ssrcs_count);
    const struct nx_bytes one = nx_bytes_slice(bye->ssrcs, (size_t)index * 4, 4);
    struct nx_reader in = nx_reader_init(one.at, one.size);
    return nx_reader_u32(&in);
}

void sfu_rtcp_report_bye_write(const uint32_t *ssrcs, unsigned count, struct nx_writer *out)
{
    NX_ASSERT(count <= SFU_RTCP_SSRCS_MAX);
    const size_t start = sfu_rtcp_begin(out, SFU_RTCP_BYE, (uint8_t)count);
    for (unsigned i = 0; i < count; i++) {
        nx_writer_u32(out, ssrcs[i]);
    }
    sfu_rtcp_end(out, start);
}
