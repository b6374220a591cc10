#include "engine/wire/bus.h"

#include "engine/base/reader.h"

static struct nx_bytes bytes_get(struct nx_reader *r)
{
    const uint32_t size = nx_reader_u32(r);
    const uint8_t *at = nx_reader_take(r, size);
    return at != NULL ? nx_bytes_of(at, size) : nx_bytes_of(NULL, 0);
}

static void bytes_put(struct nx_writer *w, struct nx_bytes bytes)
{
    nx_writer_u32(w, (uint32_t)bytes.size);
    nx_writer_bytes_put(w, bytes);
}

/* sizes */
#define NX_BUS(NAME, name, number, link, text)                                                               \
    size_t nx_bus_##name##_size(const struct nx_bus_##name *message)                                         \
    {                                                                                                        \
        (void)message;                                                                                       \
        return NX_BUS_HEADER_SIZE
#define NX_BUS_U8(name, field)    +1
#define NX_BUS_U16(name, field)   +2
#define NX_BUS_U32(name, field)   +4
#define NX_BUS_U64(name, field)   +8
#define NX_BUS_BYTES(name, field) +4 + message->field.size
#define NX_BUS_END(name)                                                                                     \
    ;                                                                                                        \
    }
#include "engine/wire/bus_msg.def"
#undef NX_BUS
#undef NX_BUS_U8
#undef NX_BUS_U16
#undef NX_BUS_U32
#undef NX_BUS_U64
#undef NX_BUS_BYTES
#undef NX_BUS_END

/* A frame that does not fit leaves nothing behind, so that a failed writer never holds half a frame. */
static bool frame_begin(struct nx_writer *w, size_t size, uint16_t number)
{
    if (w->failed || size > NX_BUS_FRAME_MAX || w->room - w->size < size) {
        w->failed = true;
        return false;
    }
    nx_writer_u32(w, (uint32_t)(size - NX_BUS_HEADER_SIZE));
    nx_writer_u16(w, number);
    nx_writer_u16(w, 0);
    return true;
}

#define NX_BUS(NAME, name, number, link, text)                                                               \
    void nx_bus_##name##_put(struct nx_writer *w, const struct nx_bus_##name *message)                       \
    {                                                                                                        \
        if (!frame_begin(w, nx_bus_##name##_size(message), (number))) {                                      \
            return;                                                                                          \
        }
#define NX_BUS_U8(name, field)    nx_writer_u8(w, message->field);
#define NX_BUS_U16(name, field)   nx_writer_u16(w, message->field);
#define NX_BUS_U32(name, field)   nx_writer_u32(w, message->field);
#define NX_BUS_U64(name, field)   nx_writer_u64(w, message->field);
#define NX_BUS_BYTES(name, field) bytes_put(w, message->field);
#define NX_BUS_END(name)          }
#include "engine/wire/bus_msg.def"
#undef NX_BUS
#undef NX_BUS_U8
#undef NX_BUS_U16
#undef NX_BUS_U32
#undef NX_BUS_U64
#undef NX_BUS_BYTES
#undef NX_BUS_END

/* A field that begins past the end is one that an older sender does not know: it reads as 0 or empty. */
#define FIELD(name, field, read)                                                                             \
    if (nx_reader_left(&r) != 0) {                                                                           \
        value.field = read(&r);                                                                              \
    }
#define NX_BUS(NAME, name, number, link, text)                                                               \
    enum nx_err nx_bus_##name##_get(struct nx_bytes payload, struct nx_bus_##name *out)                      \
    {                                                                                                        \
        struct nx_reader r = nx_reader_init(payload.at, payload.size);                                       \
        struct nx_bus_##name value = {0};
#define NX_BUS_U8(name, field)    FIELD(name, field, nx_reader_u8)
#define NX_BUS_U16(name, field)   FIELD(name, field, nx_reader_u16)
#define NX_BUS_U32(name, field)   FIELD(name, field, nx_reader_u32)
#define NX_BUS_U64(name, field)   FIELD(name, field, nx_reader_u64)
#define NX_BUS_BYTES(name, field) FIELD(name, field, bytes_get)
#define NX_BUS_END(name)                                                                                     \
    if (!nx_reader_ok(&r)) {                                                                                 \
        return NX_E_TRUNCATED;                                                                               \
    }                                                                                                        \
    *out = value;                                                                                            \
    return NX_OK;                                                                                            \
    }
#include "engine/wire/bus_msg.def"
#undef NX_BUS
#undef NX_BUS_U8
#undef NX_BUS_U16
#undef NX_BUS_U32
#undef NX_BUS_U64
#undef NX_BUS_BYTES
#undef NX_BUS_END

enum nx_err nx_bus_frame_take(struct nx_bytes bytes, struct nx_bus_frame *out)
{
    if (bytes.size < NX_BUS_HEADER_SIZE) {
        out->size = NX_BUS_HEADER_SIZE;
        return NX_E_TRUNCATED;
    }
    struct nx_reader r = nx_reader_init(bytes.at, bytes.size);
    const uint32_t payload_size = nx_reader_u32(&r);
    const uint16_t number = nx_reader_u16(&r);
    (void)nx_reader_u16(&r);
    if (payload_size > NX_BUS_FRAME_MAX - NX_BUS_HEADER_SIZE) {
        return NX_E_MALFORMED;
    }
    out->size = NX_BUS_HEADER_SIZE + (size_t)payload_size;
    if (bytes.size < out->size) {
        return NX_E_TRUNCATED;
    }
    out->number = number;
    out->payload = nx_bytes_of(bytes.at + NX_BUS_HEADER_SIZE, payload_size);
    return NX_OK;
}

#define NX_BUS_U8(name, field)
#define NX_BUS_U16(name, field)
#define NX_BUS_U32(name, field)
#define NX_BUS_U64(name, field)
#define NX_BUS_BYTES(name, field)
#define NX_BUS_END(name)

const char *nx_bus_msg_name(uint16_t number)
{
    switch (number) {
#define NX_BUS(NAME, name, number, link, text)                                                               \
    case (number):                                                                                           \
        return #NAME;
#include "engine/wire/bus_msg.def"
#undef NX_BUS
    default:
        return "unknown";
    }
}

enum nx_bus_link nx_bus_msg_link(uint16_t number)
{
    switch (number) {
#define NX_BUS(NAME, name, number, link, text)                                                               \
    case (number):                                                                                           \
        return NX_BUS_LINK_##link;
#include "engine/wire/bus_msg.def"
#undef NX_BUS
    default:
        return NX_BUS_LINK_RT;
    }
}
