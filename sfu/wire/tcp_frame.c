#include "sfu/wire/tcp_frame.h"

#include "engine/base/assert.h"
#include "engine/base/reader.h"

static size_t length_at(const uint8_t *bytes)
{
    return (size_t)bytes[0] << 8 | bytes[1];
}

/* Moves bytes of the piece into the frame until it holds `wanted`; false when the piece ends before. */
static bool collect(struct sfu_tcp_frame *frame, struct nx_bytes *piece, size_t wanted)
{
    const struct nx_bytes more = nx_bytes_slice(*piece, 0, wanted - frame->held);
    struct nx_writer out = nx_writer_init(frame->bytes, sizeof(frame->bytes));
    (void)nx_writer_skip(&out, frame->held);
    nx_writer_bytes_put(&out, more);
    frame->held = (uint16_t)out.size;
    *piece = nx_bytes_slice(*piece, more.size, SIZE_MAX);
    return frame->held == wanted;
}

enum nx_err sfu_tcp_frame_take(struct sfu_tcp_frame *frame, struct nx_bytes *piece, struct nx_bytes *packet)
{
    *packet = nx_bytes_of(NULL, 0);
    while (piece->size != 0) {
        if (frame->held == 0 && piece->size >= SFU_TCP_FRAME_HEADER_SIZE) {
            const size_t size = length_at(piece->at);
            if (size > SFU_TCP_FRAME_SIZE_MAX) {
                return NX_E_FULL;
            }
            if (piece->size - SFU_TCP_FRAME_HEADER_SIZE >= size) { /* whole: no copy */
                *packet = nx_bytes_slice(*piece, SFU_TCP_FRAME_HEADER_SIZE, size);
                *piece = nx_bytes_slice(*piece, SFU_TCP_FRAME_HEADER_SIZE + size, SIZE_MAX);
                if (size != 0) {
                    return NX_OK;
                }
                continue;
            }
        }
        if (frame->held < SFU_TCP_FRAME_HEADER_SIZE && !collect(frame, piece, SFU_TCP_FRAME_HEADER_SIZE)) {
            return NX_OK;
        }
        const size_t size = length_at(frame->bytes);
        if (size > SFU_TCP_FRAME_SIZE_MAX) {
            return NX_E_FULL;
        }
        if (!collect(frame, piece, SFU_TCP_FRAME_HEADER_SIZE + size)) {
            return NX_OK;
        }
        frame->held = 0;
        if (size != 0) {
            *packet = nx_bytes_of(frame->bytes + SFU_TCP_FRAME_HEADER_SIZE, size);
            return NX_OK;
        }
    }
    return NX_OK;
}

void sfu_tcp_frame_write(size_t size, struct nx_writer *out)
{
    NX_ASSERT(size >= 1 && size <= UINT16_MAX);
    nx_writer_u16(out, (uint16_t)size);
}
