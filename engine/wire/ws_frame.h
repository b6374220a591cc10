/* ws_frame.h - one WebSocket frame header, strictly read and written, and fast masking.
 *
 * Spec:    RFC 6455 section 5
 * Layer:   engine/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Limits:  14 bytes of header; payload sizes up to 2^63 - 1 are understood, the caller sets its cap
 * Idiom:   the message layer is ws.h; senders write a header and put the payload beside it in the same
 *          gathered send.
 */
#ifndef NX_WIRE_WS_FRAME_H
#define NX_WIRE_WS_FRAME_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/wire/limits.h"

/** RFC 6455 section 5.2. */
enum nx_ws_opcode {
    NX_WS_OPCODE_CONTINUATION = 0x0,
    NX_WS_OPCODE_TEXT = 0x1,
    NX_WS_OPCODE_BINARY = 0x2,
    NX_WS_OPCODE_CLOSE = 0x8,
    NX_WS_OPCODE_PING = 0x9,
    NX_WS_OPCODE_PONG = 0xA,
};

/** Close codes of RFC 6455 section 7.4.1 that this project sends or reports. */
enum nx_ws_close {
    NX_WS_CLOSE_NORMAL = 1000,
    NX_WS_CLOSE_GOING_AWAY = 1001,
    NX_WS_CLOSE_PROTOCOL = 1002,
    NX_WS_CLOSE_NONE = 1005, /**< reported for an empty close frame; never on the wire */
    NX_WS_CLOSE_INVALID_DATA = 1007,
    NX_WS_CLOSE_POLICY = 1008,
    NX_WS_CLOSE_TOO_BIG = 1009,
    NX_WS_CLOSE_INTERNAL = 1011,
    NX_WS_CLOSE_TRY_LATER = 1013,
};

/** Which end we are: a server takes masked frames only, a client unmasked ones only. */
enum nx_ws_role { NX_WS_ROLE_SERVER, NX_WS_ROLE_CLIENT };

/** One frame header. */
struct nx_ws_frame {
    uint64_t payload_size; /**< bytes, 0..2^63 - 1 */
    uint8_t mask[4];       /**< zero when not masked */
    uint8_t opcode;        /**< enum nx_ws_opcode */
    uint8_t header_size;   /**< bytes, 2..14 */
    bool is_final;
    bool has_rsv1; /**< first frame of a compressed message (RFC 7692 section 6) */
    bool is_masked;
};

/**
 * Reads the frame header at the start of `input`, as soon and only as far as its bytes decide: an error is
 * reported from the first byte that shows it. RSV1 is taken only with `is_deflate` and only on text and
 * binary frames.
 *
 * Returns NX_OK; NX_E_TRUNCATED when more bytes are needed; NX_E_MALFORMED (close 1002) for reserved bits or
 * opcodes, control frames that are fragmented or longer than 125 bytes, a length not in its shortest form or
 * with its top bit set, or a mask where `role` forbids it or none where it demands one.
 */
NX_MUST_USE enum nx_err nx_ws_frame_parse(struct nx_bytes input, enum nx_ws_role role, bool is_deflate,
                                          struct nx_ws_frame *out);

/**
 * Masks or unmasks `size` bytes in place; `phase` is how many bytes of the same payload went before (only its
 * two low bits matter). Cost: a vector at a time.
 */
void nx_ws_frame_mask(uint8_t *bytes, size_t size, const uint8_t key[4], size_t phase);

/** As nx_ws_frame_mask(), from `source` to `target`, which may be the same but not overlap otherwise. */
void nx_ws_frame_mask_copy(uint8_t *target, const uint8_t *source, size_t size, const uint8_t key[4],
                           size_t phase);

/**
 * Writes the header of a frame with `payload_size` bytes; `mask` is NULL for a server, four fresh random
 * bytes for a client. Returns the header's size, 2..14 bytes.
 */
size_t nx_ws_frame_header(uint8_t out[NX_WS_HEADER_SIZE_MAX], enum nx_ws_opcode opcode, bool is_final,
                          bool has_rsv1, uint64_t payload_size, const uint8_t *mask);

/** Returns the bytes of the header that nx_ws_frame_header() would write. */
size_t nx_ws_frame_header_size(uint64_t payload_size, bool is_masked);

/** Returns whether `code` may stand in a close frame that a peer sends (RFC 6455 section 7.4 and the
 * registry). */
bool nx_ws_frame_close_is_valid(uint16_t code);

/**
 * Writes the payload of a close frame: `code`, then as much of `reason` (UTF-8) as fits without cutting a
 * character. `code` NX_WS_CLOSE_NONE gives an empty payload. Returns its size, 0..125 bytes.
 */
size_t nx_ws_frame_close(uint8_t out[NX_WS_CONTROL_SIZE_MAX], uint16_t code, struct nx_bytes reason);

#endif
