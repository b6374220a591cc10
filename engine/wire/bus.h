/* bus.h - the typed frames between gatewayd and control.
 *
 * Spec:    docs/protocol/bus.md; the messages are in bus_msg.def
 * Layer:   engine/wire (pure)
 * Threads: any; values
 * Limits:  one frame is at most NX_BUS_FRAME_MAX bytes; larger bodies are cut into chunks of NX_BUS_CHUNK_MAX
 * Idiom:   frame = u32 size of the payload, u16 message number, u16 zero, payload. Take frames off a byte run
 * with nx_bus_frame_take(), then decode with the function of the number. Decoded bytes are borrowed from the
 * frame.
 */
#ifndef NX_WIRE_BUS_H
#define NX_WIRE_BUS_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/base/writer.h"

enum {
    NX_BUS_VERSION = 1,
    NX_BUS_HEADER_SIZE = 8,
    NX_BUS_FRAME_MAX = 1 << 20,   /**< bytes of one frame, header included */
    NX_BUS_CHUNK_MAX = 32768,     /**< bytes of body in one REST_* or SESSION_READY message */
    NX_BUS_WINDOW = 32 << 20,     /**< bytes a sender may have unconsumed on one link */
    NX_BUS_GUILD_ENTRY_SIZE = 12, /**< bytes per guild in SESSION_OPENED.guilds */
};

#define NX_BUS_ROLESET_NONE UINT32_MAX

enum nx_bus_link { NX_BUS_LINK_RT, NX_BUS_LINK_BULK, NX_BUS_LINK_ADMIN };
enum nx_bus_open { NX_BUS_OPEN_IDENTIFY, NX_BUS_OPEN_MOVE, NX_BUS_OPEN_RESTORE };
enum nx_bus_status {
    NX_BUS_STATUS_OFFLINE,
    NX_BUS_STATUS_ONLINE,
    NX_BUS_STATUS_IDLE,
    NX_BUS_STATUS_DND,
    NX_BUS_STATUS_INVISIBLE
};
enum nx_bus_event_kind { NX_BUS_EVENT_PLAIN, NX_BUS_EVENT_MEMBERS };
enum nx_bus_method {
    NX_BUS_GET,
    NX_BUS_HEAD,
    NX_BUS_POST,
    NX_BUS_PUT,
    NX_BUS_PATCH,
    NX_BUS_DELETE,
    NX_BUS_OPTIONS
};
enum nx_bus_header {
    NX_BUS_HEADER_AUTHORIZATION,
    NX_BUS_HEADER_CONTENT_TYPE,
    NX_BUS_HEADER_ACCEPT,
    NX_BUS_HEADER_IF_MATCH,
    NX_BUS_HEADER_IF_NONE_MATCH,
    NX_BUS_HEADER_AUDIT_REASON,
    NX_BUS_HEADER_IDEMPOTENCY_KEY,
    NX_BUS_HEADER_USER_AGENT,
    NX_BUS_HEADER_ORIGIN,
    NX_BUS_HEADER_REQUEST_ID,
};
enum { NX_BUS_CAPABILITY_RESYNC = 1 };

/** Message numbers: NX_BUS_MSG_HELLO and so on. */
enum nx_bus_msg {
#define NX_BUS(NAME, name, number, link, text) NX_BUS_MSG_##NAME = (number),
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

/* One struct per message: struct nx_bus_hello and so on; the fields are described in bus_msg.def. */
#define NX_BUS(NAME, name, number, link, text) struct nx_bus_##name {
#define NX_BUS_U8(name, field)                 uint8_t field;
#define NX_BUS_U16(name, field)                uint16_t field;
#define NX_BUS_U32(name, field)                uint32_t field;
#define NX_BUS_U64(name, field)                uint64_t field;
#define NX_BUS_BYTES(name, field)              struct nx_bytes field;
#define NX_BUS_END(name)                                                                                     \
    }                                                                                                        \
    ;
#include "engine/wire/bus_msg.def"
#undef NX_BUS
#undef NX_BUS_U8
#undef NX_BUS_U16
#undef NX_BUS_U32
#undef NX_BUS_U64
#undef NX_BUS_BYTES
#undef NX_BUS_END

/* nx_bus_hello_put(writer, &message): appends the whole frame; a frame that does not fit marks the writer
 * failed. nx_bus_hello_size(&message): bytes of the whole frame. nx_bus_hello_get(payload, &out): decodes;
 * NX_E_TRUNCATED when a field is cut in the middle. */
#define NX_BUS(NAME, name, number, link, text)                                                               \
    void nx_bus_##name##_put(struct nx_writer *w, const struct nx_bus_##name *message);                      \
    size_t nx_bus_##name##_size(const struct nx_bus_##name *message);                                        \
    NX_MUST_USE enum nx_err nx_bus_##name##_get(struct nx_bytes payload, struct nx_bus_##name *out);
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

/** One frame, taken off a run of bytes. */
struct nx_bus_frame {
    uint16_t number;         /**< enum nx_bus_msg, or one we do not know */
    struct nx_bytes payload; /**< borrowed */
    size_t size;             /**< bytes of the whole frame, to be skipped */
};

/**
 * Takes the first frame off `bytes`.
 * Returns NX_OK; NX_E_TRUNCATED when more bytes are needed (out->size is then written: what is needed in all,
 * or NX_BUS_HEADER_SIZE); NX_E_MALFORMED when the size is over NX_BUS_FRAME_MAX: the link must be closed.
 */
NX_MUST_USE enum nx_err nx_bus_frame_take(struct nx_bytes bytes, struct nx_bus_frame *out);

/** Returns the name of a message number, "unknown" for others. */
const char *nx_bus_msg_name(uint16_t number);

/** Returns which link a message number travels on. */
enum nx_bus_link nx_bus_msg_link(uint16_t number);

#endif
