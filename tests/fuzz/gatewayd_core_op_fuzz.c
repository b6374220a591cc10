/* Properties: texts of a parsed payload lie in the payload or the scratch; counts keep their caps. */
#include "gatewayd/core/op.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct nx_bytes text, const uint8_t *data, size_t size, const struct nx_writer *scratch)
{
    const bool in_data = text.at >= data && text.at + text.size <= data + size;
    const bool in_scratch =
        text.at >= scratch->start && text.at + text.size <= scratch->start + scratch->size;
    if (text.size != 0 && !in_data && !in_scratch) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t buffer[GW_PAYLOAD_MAX];
    static struct gw_op op;
    if (size > GW_PAYLOAD_MAX) {
        return 0;
    }
    struct nx_writer scratch = nx_writer_init(buffer, sizeof(buffer));
    if (gw_op_parse(nx_bytes_of(data, size), &scratch, &op) != NX_OK) {
        return 0;
    }
    inside(op.token, data, size, &scratch);
    inside(op.session_id, data, size, &scratch);
    inside(op.content, data, size, &scratch);
    inside(op.nonce, data, size, &scratch);
    inside(op.query, data, size, &scratch);
    if (op.ids_count > GW_SUBSCRIPTIONS_MAX || op.nonce.size > GW_NONCE_MAX) {
        abort();
    }
    return 0;
}
