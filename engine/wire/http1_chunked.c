#include "engine/wire/http1_chunked.h"

#include "engine/base/bytes.h"
#include "engine/wire/http1.h"
#include "engine/wire/limits.h"

/* state            byte                          next
 * SIZE             hexadecimal digit             SIZE
 *                  ';' after a digit             EXTENSION
 *                  CR after a digit              SIZE_LF
 * EXTENSION        no control character but tab  EXTENSION
 *                  CR                            SIZE_LF
 * SIZE_LF          LF                            DATA, or TRAILER when the size is 0
 * DATA             any, `left` of them           DATA, then DATA_CR
 * DATA_CR, DATA_LF CR, LF                        SIZE
 * TRAILER          CR                            END_LF
 *                  token character               TRAILER_NAME
 * TRAILER_NAME     token character, ':'          TRAILER_NAME, TRAILER_VALUE
 * TRAILER_VALUE    no control character but tab  TRAILER_VALUE
 *                  CR                            TRAILER_LF
 * TRAILER_LF       LF                            TRAILER
 * END_LF           LF                            DONE
 * Every other byte is an error. */
enum state {
    SIZE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF,
    DONE,
    BROKEN,
};

void nx_http1_chunked_init(struct nx_http1_chunked *c)
{
    *c = (struct nx_http1_chunked){.state = SIZE};
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_text(uint8_t c)
{
    return c >= 0x20 ? c != 0x7f : c == '\t';
}

static bool is_name(uint8_t c)
{
    return nx_http1_token_is_valid(nx_bytes_of(&c, 1));
}

static enum state size_byte(struct nx_http1_chunked *c, uint8_t byte)
{
    const int digit = hex_digit(byte);
    if (digit >= 0) {
        if (c->digits_count == NX_HTTP1_CHUNK_DIGITS_MAX || c->left > (uint64_t)INT64_MAX >> 4) {
            return BROKEN;
        }
        c->left = c->left << 4 | (uint64_t)digit;
        c->digits_count++;
        return SIZE;
    }
    if (c->digits_count == 0) {
        return BROKEN;
    }
    return byte == ';' ? EXTENSION : byte == '\r' ? SIZE_LF : BROKEN;
}

static enum state trailer_byte(struct nx_http1_chunked *c, uint8_t byte)
{
    if (++c->trailers_size > NX_HTTP1_TRAILERS_MAX) {
        return BROKEN;
    }
    switch (c->state) {
    case TRAILER:
        return byte == '\r' ? END_LF : is_name(byte) ? TRAILER_NAME : BROKEN;
    case TRAILER_NAME:
        return byte == ':' ? TRAILER_VALUE : is_name(byte) ? TRAILER_NAME : BROKEN;
    case TRAILER_VALUE:
        return byte == '\r' ? TRAILER_LF : is_text(byte) ? TRAILER_VALUE : BROKEN;
    default:
        return byte == '\n' ? TRAILER : BROKEN;
    }
}

/* Takes one byte that is not chunk data. */
static enum state frame_byte(struct nx_http1_chunked *c, uint8_t byte)
{
    switch (c->state) {
    case SIZE:
        return size_byte(c, byte);
    case EXTENSION:
        if (byte == '\r') {
            return SIZE_LF;
        }
        return ++c->extensions_size <= NX_HTTP1_CHUNK_EXTENSIONS_MAX && is_text(byte) ? EXTENSION : BROKEN;
    case SIZE_LF:
        c->digits_count = 0;
        return byte != '\n' ? BROKEN : c->left != 0 ? DATA : TRAILER;
    case DATA_CR:
        return byte == '\r' ? DATA_LF : BROKEN;
    case DATA_LF:
        return byte == '\n' ? SIZE : BROKEN;
    case END_LF:
        return byte == '\n' ? DONE : BROKEN;
    case TRAILER:
    case TRAILER_NAME:
    case TRAILER_VALUE:
    case TRAILER_LF:
        return trailer_byte(c, byte);
    default:
        return BROKEN;
    }
}

enum nx_err nx_http1_chunked_feed(struct nx_http1_chunked *c, uint8_t *bytes, size_t size,
                                  struct nx_http1_chunked_piece *out)
{
    size_t body_size = 0;
    size_t at = 0;
    while (at < size && c->state != DONE) {
        if (c->state == DATA) {
            const size_t part = c->left < size - at ? (size_t)c->left : size - at;
            if (body_size != at) {
                memmove(bytes + body_size, bytes + at, part);
            }
            body_size += part;
            at += part;
            c->left -= part;
            if (c->left == 0) {
                c->state = DATA_CR;
            }
            continue;
        }
        c->state = (uint8_t)frame_byte(c, bytes[at++]);
        if (c->state == BROKEN) {
            return NX_E_MALFORMED;
        }
    }
    *out = (struct nx_http1_chunked_piece){
        .body_size = body_size, .consumed_size = at, .is_done = c->state == DONE};
    return NX_OK;
}
