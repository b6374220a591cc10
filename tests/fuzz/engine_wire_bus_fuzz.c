/* Property: whatever decodes encodes again to a prefix-equal frame, and every view lies inside the input. */
#include "engine/wire/bus.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void inside(struct nx_bytes whole, struct nx_bytes view)
{
    if (view.size != 0 && (view.at < whole.at || view.at + view.size > whole.at + whole.size)) {
        abort();
    }
}

#define NX_BUS(NAME, name, number, link, text)                                                               \
    static void try_##name(struct nx_bytes payload)                                                          \
    {                                                                                                        \
        struct nx_bus_##name message;                                                                        \
        if (nx_bus_##name##_get(payload, &message) != NX_OK) {                                               \
            return;                                                                                          \
        }
#define NX_BUS_U8(name, field)
#define NX_BUS_U16(name, field)
#define NX_BUS_U32(name, field)
#define NX_BUS_U64(name, field)
#define NX_BUS_BYTES(name, field) inside(payload, message.field);
#define NX_BUS_END(name)                                                                                     \
    static uint8_t buffer[NX_BUS_FRAME_MAX];                                                                 \
    struct nx_writer w = nx_writer_init(buffer, sizeof(buffer));                                             \
    nx_bus_##name##_put(&w, &message);                                                                       \
    struct nx_bus_frame frame;                                                                               \
    if (nx_writer_ok(&w) &&                                                                                  \
        (nx_bus_frame_take(nx_writer_bytes(&w), &frame) != NX_OK || frame.size != w.size)) {                 \
        abort();                                                                                             \
    }                                                                                                        \
    }
#include "engine/wire/bus_msg.def"
#undef NX_BUS
#undef NX_BUS_U8
#undef NX_BUS_U16
#undef NX_BUS_U32
#undef NX_BUS_U64
#undef NX_BUS_BYTES
#undef NX_BUS_END

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct nx_bytes left = nx_bytes_of(bytes, size);
    struct nx_bus_frame frame;
    while (nx_bus_frame_take(left, &frame) == NX_OK) {
        inside(left, frame.payload);
        switch (frame.number) {
#define NX_BUS(NAME, name, number, link, text)                                                               \
    case NX_BUS_MSG_##NAME:                                                                                  \
        try_##name(frame.payload);                                                                           \
        break;
#define NX_BUS_U8(name, field)
#define NX_BUS_U16(name, field)
#define NX_BUS_U32(name, field)
#define NX_BUS_U64(name, field)
#define NX_BUS_BYTES(name, field)
#define NX_BUS_END(name)
#include "engine/wire/bus_msg.def"
#undef NX_BUS
        default:
            break;
        }
        left = nx_bytes_slice(left, frame.size, SIZE_MAX);
    }
    return 0;
}
