#include "engine/wire/ws_frame.h"

enum {
    FINAL = 0x80,
    RSV1 = 0x40,
    RSV2_RSV3 = 0x30,
    OPCODE = 0x0f,
    CONTROL = 0x08,
    MASKED = 0x80,
    SIZE7 = 0x7f,
    SIZE16_FOLLOWS = 126,
    SIZE64_FOLLOWS = 127,
    MASK_SIZE = 4,
};

typedef uint8_t vector __attribute__((vector_size(16)));

static uint64_t big_endian(const uint8_t *at, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

/* RFC 6455 section 5.2; the first byte alone decides these. */
static bool first_byte_is_valid(uint8_t first, bool is_deflate)
{
    const uint8_t opcode = first & OPCODE;
    if ((first & RSV2_RSV3) != 0 || (opcode & 7) > 2) {
        return false;
    }
    if ((first & RSV1) != 0 &&
        (!is_deflate || opcode == NX_WS_OPCODE_CONTINUATION || (opcode & CONTROL) != 0)) {
        return false;
    }
    return (opcode & CONTROL) == 0 || (first & FINAL) != 0;
}

enum nx_err nx_ws_frame_parse(struct nx_bytes input, enum nx_ws_role role, bool is_deflate,
                              struct nx_ws_frame *out)
{
    if (input.size == 0) {
        return NX_E_TRUNCATED;
    }
    const uint8_t first = input.at[0];
    if (!first_byte_is_valid(first, is_deflate)) {
        return NX_E_MALFORMED;
    }
    if (input.size == 1) {
        return NX_E_TRUNCATED;
    }
    const bool is_masked = (input.at[1] & MASKED) != 0;
    uint64_t payload_size = input.at[1] & SIZE7;
    if (is_masked != (role == NX_WS_ROLE_SERVER) ||
        ((first & CONTROL) != 0 && payload_size > NX_WS_CONTROL_SIZE_MAX)) {
        return NX_E_MALFORMED;
    }
    const size_t extra = payload_size == SIZE16_FOLLOWS ? 2 : payload_size == SIZE64_FOLLOWS ? 8 : 0;
    if (extra == 8 && input.size > 2 && (input.at[2] & 0x80) != 0) {
        return NX_E_MALFORMED;
    }
    if (input.size < 2 + extra) {
        return NX_E_TRUNCATED;
    }
    if (extra != 0) {
        payload_size = big_endian(input.at + 2, extra);
        if (payload_size <= (extra == 2 ? NX_WS_CONTROL_SIZE_MAX : UINT16_MAX)) {
            return NX_E_MALFORMED;
        }
    }
    const size_t header_size = 2 + extra + (is_masked ? MASK_SIZE : 0);
    if (input.size < header_size) {
        return NX_E_TRUNCATED;
    }
    *out = (struct nx_ws_frame){.payload_size = payload_size,
                                .opcode = first & OPCODE,
                                .header_size = (uint8_t)header_size,
                                .is_final = (first & FINAL) != 0,
                                .has_rsv1 = (first & RSV1) != 0,
                                .is_masked = is_masked};
    if (is_masked) {
        memcpy(out->mask, input.at + 2 + extra, MASK_SIZE);
    }
    return NX_OK;
}

void nx_ws_frame_mask_copy(uint8_t *target, const uint8_t *source, size_t size, const uint8_t key[4],
                           size_t phase)
{
    uint8_t keys[sizeof(vector)]; /* a multiple of the key's size, so the phase is the same in every step */
    for (size_t i = 0; i < sizeof(keys); i++) {
        keys[i] = key[(phase + i) & 3];
    }
    vector mask;
    memcpy(&mask, keys, sizeof(mask));
    size_t i = 0;
    for (; size - i >= sizeof(vector); i += sizeof(vector)) {
        vector v;
        memcpy(&v, source + i, sizeof(v));
        v ^= mask;
        memcpy(target + i, &v, sizeof(v));
    }
    for (; i < size; i++) {
        target[i] = source[i] ^ keys[i & 3];
    }
}

void nx_ws_frame_mask(uint8_t *bytes, size_t size, const uint8_t key[4], size_t phase)
{
    nx_ws_frame_mask_copy(bytes, bytes, size, key, phase);
}

size_t nx_ws_frame_header_size(uint64_t payload_size, bool is_masked)
{
    const size_t extra = payload_size < SIZE16_FOLLOWS ? 0 : payload_size <= UINT16_MAX ? 2 : 8;
    return 2 + extra + (is_masked ? MASK_SIZE : 0);
}

size_t nx_ws_frame_header(uint8_t out[NX_WS_HEADER_SIZE_MAX], enum nx_ws_opcode opcode, bool is_final,
                          bool has_rsv1, uint64_t payload_size, const uint8_t *mask)
{
    const size_t size = nx_ws_frame_header_size(payload_size, mask != NULL);
    const size_t extra = size - 2 - (mask != NULL ? MASK_SIZE : 0);
    const uint8_t size7 = extra == 0 ? (uint8_t)payload_size : extra == 2 ? SIZE16_FOLLOWS : SIZE64_FOLLOWS;
    out[0] = (uint8_t)((is_final ? FINAL : 0) | (has_rsv1 ? RSV1 : 0) | opcode);
    out[1] = (uint8_t)((mask != NULL ? MASKED : 0) | size7);
    for (size_t i = 0; i < extra; i++) {
        out[2 + i] = (uint8_t)(payload_size >> 8 * (extra - 1 - i));
    }
    if (mask != NULL) {
        memcpy(out + 2 + extra, mask, MASK_SIZE);
    }
    return size;
}

bool nx_ws_frame_close_is_valid(uint16_t code)
{
    if (code < 3000) { /* registered codes; 1004 to 1006 and 1015 are never sent, RFC 6455 section 7.4.1 */
        return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
    }
    return code < 5000;
}

size_t nx_ws_frame_close(uint8_t out[NX_WS_CONTROL_SIZE_MAX], uint16_t code, struct nx_bytes reason)
{
    if (code == NX_WS_CLOSE_NONE) {
        return 0;
    }
    size_t size = reason.size;
    if (size > NX_WS_CONTROL_SIZE_MAX - 2) {
        size = NX_WS_CONTROL_SIZE_MAX - 2;
        while (size != 0 && (reason.at[size] & 0xc0) == 0x80) { /* the cut would split a character */
            size--;
        }
    }
    out[0] = (uint8_t)(code >> 8);
    out[1] = (uint8_t)code;
    if (size != 0) {
        memcpy(out + 2, reason.at, size);
    }
    return 2 + size;
}
