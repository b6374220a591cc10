#include "sfu/wire/rtcp.h"

#include "engine/base/assert.h"
#include "sfu/wire/limits.h"

enum { VERSION = 2, TYPE_MIN = 192, TYPE_MAX = 223 }; /* RFC 5761 section 4 */

static enum nx_err read_packet(struct nx_reader *in, struct sfu_rtcp *out)
{
    const uint8_t first = nx_reader_u8(in);
    const uint8_t type = nx_reader_u8(in);
    const size_t size = (size_t)nx_reader_u16(in) * 4;
    struct nx_bytes body = nx_reader_bytes(in, size);
    if (!nx_reader_ok(in)) {
        return NX_E_TRUNCATED;
    }
    if (first >> 6 != VERSION || type < TYPE_MIN || type > TYPE_MAX) {
        return NX_E_MALFORMED;
    }
    if ((first & 0x20) != 0) {
        if (nx_reader_left(in) != 0 || body.size == 0) {
            return NX_E_MALFORMED;
        }
        const uint8_t padding = body.at[body.size - 1];
        if (padding == 0 || padding % 4 != 0 || padding > body.size) {
            return NX_E_MALFORMED;
        }
        body.size -= padding;
    }
    *out = (struct sfu_rtcp){.body = body, .type = type, .count = first & 0x1f};
    return NX_OK;
}

enum nx_err sfu_rtcp_check(struct nx_bytes compound)
{
    struct nx_reader in = nx_reader_init(compound.at, compound.size);
    struct sfu_rtcp packet;
    enum nx_err err;
    unsigned count = 0;
    do {
        err = read_packet(&in, &packet);
        if (err == NX_OK && ++count > SFU_RTCP_PACKETS_MAX) {
            err = NX_E_MALFORMED;
        }
    } while (err == NX_OK && nx_reader_left(&in) != 0);
    return err;
}

bool sfu_rtcp_next(struct nx_reader *in, struct sfu_rtcp *out)
{
    return nx_reader_left(in) != 0 && read_packet(in, out) == NX_OK;
}

size_t sfu_rtcp_begin(struct nx_writer *out, uint8_t type, uint8_t count)
{
    NX_ASSERT(type >= TYPE_MIN && type <= TYPE_MAX && count <= SFU_RTCP_SSRCS_MAX);
    const size_t start = out->size;
    nx_writer_u8(out, (uint8_t)(VERSION << 6 | count));
    nx_writer_u8(out, type);
    nx_writer_u16(out, 0);
    return start;
}

void sfu_rtcp_end(struct nx_writer *out, size_t start)
{
    while (nx_writer_ok(out) && (out->size - start) % 4 != 0) {
        nx_writer_u8(out, 0);
    }
    if (!nx_writer_ok(out)) {
        return;
    }
    const size_t words = (out->size - start) / 4 - 1;
    NX_ASSERT(words <= UINT16_MAX);
    struct nx_writer length = nx_writer_init(out->start + start + 2, 2);
    nx_writer_u16(&length, (uint16_t)words);
}
