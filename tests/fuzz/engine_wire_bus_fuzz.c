/* Properties: whatever decodes encodes again to the same bytes, fields that were missing as zeros and fields of a later
 * version left out, in a frame of the size foretold; every view lies inside the input. The first byte chooses: a run of frames,
 * or the payload of one kind, so that every kind is reached at once. */
#include "engine/wire/bus.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void inside(struct nx_bytes whole, struct nx_bytes view)
{
    if (view.size != 0 && (view.at < whole.at || view.at + view.size > whole.at + whole.size)) {
        abort();
    }
}

/* `again` holds the frame that was made of what `payload` said. */
static void check_again(struct nx_bytes payload, const struct nx_writer *again, uint16_t number, size_t size)
{
    struct nx_bus_frame frame;
    if (!nx_writer_ok(again)) {
        if (size <= NX_BUS_FRAME_MAX) {
            abort();
        }
        return;
    }
    if (again->size != size || nx_bus_frame_take(nx_writer_bytes(again), &frame) != NX_OK ||
        frame.size != again->size || frame.number != number) {
        abort();
    }
    for (size_t i = 0; i < frame.payload.size; i++) {
        if (frame.payload.at[i] != (i < payload.size ? payload.at[i] : 0)) {
            abort();
        }
    }
}

enum {
#define NX_BUS(NAME, name, number, link, text) NX_BUS_MSG_OF_##name = (number),
#define NX_BUS_U8(name, field)
#define NX_BUS_U16(name, field)
#define NX_BUS_U32(name, field)
#define NX_BUS_U64(name, field)
#define NX_BUS_BYTES(name, field)
#define NX_BUS_END(name)
#include "engine/wire/bus_msg.def"
#undef NX_BUS
#undef NX_BUS_U8
#undef NX_BUS_U16
#undef NX_BUS_U32
#undef NX_BUS_U64
#undef NX_BUS_BYTES
#undef NX_BUS_END
};

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
    check_again(payload, &w, NX_BUS_MSG_OF_##name, nx_bus_##name##_size(&message));                          \
    }
#include "engine/wire/bus_msg.def"
#undef NX_BUS
#undef NX_BUS_U8
#undef NX_BUS_U16
#undef NX_BUS_U32
#undef NX_BUS_U64
#undef NX_BUS_BYTES
#undef NX_BUS_END

static void try_frame(const struct nx_bus_frame *frame)
{
    switch (frame->number) {
#define NX_BUS(NAME, name, number, link, text)                                                               \
    case NX_BUS_MSG_##NAME:                                                                                  \
        try_##name(frame->payload);                                                                          \
        break;
#define NX_BUS_U8(name, field)
#define NX_BUS_U16(name, field)
#define NX_BUS_U32(name, field)
#define NX_BUS_U64(name, field)
#define NX_BUS_BYTES(name, field)
#define NX_BUS_END(name)
#include "engine/wire/bus_msg.def"
#undef NX_BUS
#undef NX_BUS_U8
#undef NX_BUS_U16
#undef NX_BUS_U32
#undef NX_BUS_U64
#undef NX_BUS_BYTES
#undef NX_BUS_END
    default:
        break;
    }
}

/* Every number of the table has its name and link; every other one is unknown and travels like the rest. */
static void check_name(uint16_t number)
{
    const char *name = "unknown";
    enum nx_bus_link wanted = NX_BUS_LINK_RT;
    switch (number) {
#define NX_BUS(NAME, lower, value, link, text)                                                               \
    case value:                                                                                              \
        name = #NAME;                                                                                        \
        wanted = NX_BUS_LINK_##link;                                                                         \
        break;
#define NX_BUS_U8(name, field)
#define NX_BUS_U16(name, field)
#define NX_BUS_U32(name, field)
#define NX_BUS_U64(name, field)
#define NX_BUS_BYTES(name, field)
#define NX_BUS_END(name)
#include "engine/wire/bus_msg.def"
#undef NX_BUS
#undef NX_BUS_U8
#undef NX_BUS_U16
#undef NX_BUS_U32
#undef NX_BUS_U64
#undef NX_BUS_BYTES
#undef NX_BUS_END
    default:
        break;
    }
    if (strcmp(nx_bus_msg_name(number), name) != 0 || nx_bus_msg_link(number) != wanted) {
        abort();
    }
}

/* A frame larger than the largest fails its writer and leaves nothing. */
static void check_too_large(void)
{
    static uint8_t buffer[64];
    struct nx_writer w = nx_writer_init(buffer, sizeof(buffer));
    const struct nx_bus_rest_body body = {.body = nx_bytes_of(buffer, NX_BUS_FRAME_MAX)};
    nx_bus_rest_body_put(&w, &body);
    if (nx_writer_ok(&w) || w.size != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2) {
        return 0;
    }
    check_name(bytes[1]);
    check_too_large();
    struct nx_bytes left = nx_bytes_of(bytes + 1, size - 1);
    struct nx_bus_frame frame;
    if (bytes[0] % 2 != 0) {
        frame = (struct nx_bus_frame){.number = left.at[0], .payload = nx_bytes_slice(left, 1, SIZE_MAX)};
        try_frame(&frame);
        return 0;
    }
    enum nx_err err;
    while ((err = nx_bus_frame_take(left, &frame)) == NX_OK) {
        inside(left, frame.payload);
        if (frame.size <= frame.payload.size || frame.size > left.size) {
            abort();
        }
        try_frame(&frame);
        left = nx_bytes_slice(left, frame.size, SIZE_MAX);
    }
    if (err != NX_E_MALFORMED && (err != NX_E_TRUNCATED || frame.size <= left.size)) {
        abort();
    }
    return 0;
}
