#include "sfu/wire/dcep.h"

#include "engine/base/assert.h"
#include "engine/base/reader.h"
#include "engine/base/text.h"

enum { MESSAGE_ACK = 2, MESSAGE_OPEN = 3, TYPE_UNORDERED = 0x80 }; /* RFC 8832 sections 5.1, 5.2, 8.2.1 */

enum nx_err sfu_dcep_parse(struct nx_bytes message, struct sfu_dcep *out)
{
    struct nx_reader in = nx_reader_init(message.at, message.size);
    const uint8_t kind = nx_reader_u8(&in);
    const uint8_t type = nx_reader_u8(&in);
    struct sfu_dcep dcep = {.priority = nx_reader_u16(&in)};
    dcep.limit = nx_reader_u32(&in);
    const size_t label_size = nx_reader_u16(&in);
    const size_t protocol_size = nx_reader_u16(&in);
    dcep.label = nx_reader_bytes(&in, label_size);
    dcep.protocol = nx_reader_bytes(&in, protocol_size);
    if (!nx_reader_ok(&in)) {
        return NX_E_TRUNCATED;
    }
    const unsigned reliability = type & ~(unsigned)TYPE_UNORDERED;
    if (kind != MESSAGE_OPEN || reliability > SFU_DCEP_LIFETIME || label_size > SFU_DCEP_TEXT_SIZE_MAX ||
        protocol_size > SFU_DCEP_TEXT_SIZE_MAX) {
        return NX_E_UNSUPPORTED;
    }
    if (nx_reader_left(&in) != 0 || !nx_text_is_utf8(dcep.label) || !nx_text_is_utf8(dcep.protocol)) {
        return NX_E_MALFORMED;
    }
    dcep.reliability = (enum sfu_dcep_reliability)reliability;
    dcep.is_unordered = (type & TYPE_UNORDERED) != 0;
    *out = dcep;
    return NX_OK;
}

bool sfu_dcep_is_ack(struct nx_bytes message)
{
    return message.size == 1 && message.at[0] == MESSAGE_ACK;
}

void sfu_dcep_write(const struct sfu_dcep *dcep, struct nx_writer *out)
{
    NX_ASSERT(dcep->label.size <= SFU_DCEP_TEXT_SIZE_MAX && dcep->protocol.size <= SFU_DCEP_TEXT_SIZE_MAX);
    nx_writer_u8(out, MESSAGE_OPEN);
    nx_writer_u8(
        out, (uint8_t)((unsigned)dcep->reliability | (dcep->is_unordered ? (unsigned)TYPE_UNORDERED : 0U)));
    nx_writer_u16(out, dcep->priority);
    nx_writer_u32(out, dcep->limit);
    nx_writer_u16(out, (uint16_t)dcep->label.size);
    nx_writer_u16(out, (uint16_t)dcep->protocol.size);
    nx_writer_bytes_put(out, dcep->label);
    nx_writer_bytes_put(out, dcep->protocol);
}

void sfu_dcep_write_ack(struct nx_writer *out)
{
    nx_writer_u8(out, MESSAGE_ACK);
}
