#include "engine/wire/deflate.h"

#include "engine/base/assert.h"

#include <limits.h>
#include <zlib.h>

static const char extension_name[] = "permessage-deflate";

/* What RFC 7692 section 7.2.1 cuts off the end of every message: the length fields of an empty stored block. */
static const uint8_t flush_end[4] = {0x00, 0x00, 0xff, 0xff};

enum {
    ALIGNMENT = 16,
    WINDOW_BITS_ZLIB_MIN = 9, /* zlib has no raw window of 8 bits for compressing */
    MEMORY_LEVEL = 8,
};

/* Memory that zlib takes from the block and never gives back. */
struct block {
    uint8_t *at;
    size_t left;
};

/* A message must end inside an empty stored block, just before its length. The four bytes are given to zlib as three and one, as
 * after three it shows where it is: only before a stored block's length does it hold 24 bits. Without this look a message
 * cut short could by chance take the four bytes for data that ends a block. */
enum stage { STAGE_MESSAGE, STAGE_END_3, STAGE_END_1, STAGE_DONE };

enum {
    TYPE_BITS = 63,      /* zlib.h, data_type: bits held that belong to nothing yet */
    TYPE_BOUNDARY = 128, /* zlib.h, data_type: between two blocks */
};

struct nx_deflate_inflater {
    z_stream stream;
    struct block block;
    enum stage stage;
};

struct nx_deflate_deflater {
    z_stream stream;
    struct block block;
};

static void *block_take(void *opaque, unsigned items, unsigned item_size)
{
    struct block *block = opaque;
    const size_t size = ((size_t)items * item_size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (size > block->left) {
        return Z_NULL;
    }
    void *at = block->at;
    block->at += size;
    block->left -= size;
    return at;
}

static void block_give(void *opaque, void *at)
{
    (void)opaque;
    (void)at;
}

/* Makes the rest of the caller's block, after the struct at its start, zlib's heap. */
static void block_init(struct block *block, void *start, size_t size, size_t struct_size, z_stream *stream)
{
    const size_t used = (struct_size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    *block = (struct block){.at = (uint8_t *)start + used, .left = size - used};
    stream->zalloc = block_take;
    stream->zfree = block_give;
    stream->opaque = block;
}

enum nx_err nx_deflate_inflater_init(void *block, size_t size, struct nx_deflate_inflater **out)
{
    if (size < NX_DEFLATE_INFLATER_SIZE) {
        return NX_E_NO_MEMORY;
    }
    NX_ASSERT((uintptr_t)block % ALIGNMENT == 0);
    struct nx_deflate_inflater *i = block;
    memset(i, 0, sizeof(*i));
    block_init(&i->block, block, size, sizeof(*i), &i->stream);
    i->stage = STAGE_DONE;
    if (inflateInit2(&i->stream, -NX_DEFLATE_WINDOW_BITS_MAX) != Z_OK) {
        return NX_E_NO_MEMORY;
    }
    *out = i;
    return NX_OK;
}

void nx_deflate_inflate_start(struct nx_deflate_inflater *i, struct nx_bytes message)
{
    NX_ASSERT(message.size <= UINT_MAX);
    const int reset = inflateReset(&i->stream);
    NX_ASSERT(reset == Z_OK);
    i->stream.next_in =
        (z_const Bytef *)(uintptr_t)message.at; /* zlib's next_in is not const, but it only reads */
    i->stream.avail_in = (unsigned)message.size;
    i->stage = STAGE_MESSAGE;
}

/* All input of this stage is used up: starts the next one, or returns false when zlib is not where it must be. */
static bool stage_next(struct nx_deflate_inflater *i)
{
    z_stream *stream = &i->stream;
    size_t from = 0;
    switch (i->stage) {
    case STAGE_MESSAGE:
        i->stage = STAGE_END_3;
        stream->avail_in = 3;
        break;
    case STAGE_END_3:
        if ((stream->data_type & (TYPE_BITS | TYPE_BOUNDARY)) != 24) {
            return false;
        }
        i->stage = STAGE_END_1;
        stream->avail_in = 1;
        from = 3;
        break;
    default:
        i->stage = STAGE_DONE;
        return (stream->data_type & (TYPE_BITS | TYPE_BOUNDARY)) == TYPE_BOUNDARY;
    }
    stream->next_in =
        (z_const Bytef *)(uintptr_t)(flush_end + from); /* zlib's next_in is not const, but only read */
    return true;
}

/* Runs zlib until the message ends, the output is full or the bytes are found corrupt. */
static enum nx_err inflate_run(struct nx_deflate_inflater *i)
{
    z_stream *stream = &i->stream;
    while (i->stage != STAGE_DONE) {
        /* Output may be pending without any input left, so zlib is asked before a stage is over. */
        const int result = inflate(stream, Z_SYNC_FLUSH);
        const bool is_message_over = stream->avail_in == (i->stage == STAGE_MESSAGE ? 0 : 3);
        if (result == Z_STREAM_END && (i->stage == STAGE_MESSAGE || is_message_over)) {
            /* A final block; the sender may go on after it, RFC 7692 section 7.2.3.4. When its last output had to wait for
             * room, the end's first three bytes lie ready but untouched. */
            if (is_message_over) {
                i->stage = STAGE_DONE;
            } else if (inflateReset(stream) != Z_OK) {
                return NX_E_MALFORMED;
            }
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            return result == Z_MEM_ERROR ? NX_E_NO_MEMORY : NX_E_MALFORMED;
        } else if (stream->avail_in != 0) {
            /* Input is left over only when there is no room for output. */
            return stream->avail_out == 0 ? NX_E_FULL : NX_E_MALFORMED;
        } else if (!stage_next(i)) {
            return NX_E_MALFORMED;
        }
    }
    return NX_OK;
}

enum nx_err nx_deflate_inflate_step(struct nx_deflate_inflater *i, uint8_t *buffer, size_t room, size_t *size)
{
    uint8_t nowhere;
    NX_ASSERT(room <= UINT_MAX);
    i->stream.next_out = room != 0 ? buffer : &nowhere; /* zlib wants a pointer even for no room */
    i->stream.avail_out = (unsigned)room;
    const enum nx_err err = inflate_run(i);
    if (err == NX_OK || err == NX_E_FULL) {
        *size = room - i->stream.avail_out;
    } else {
        i->stage = STAGE_DONE;
    }
    return err;
}

enum nx_err nx_deflate_deflater_init(void *block, size_t size, int window_bits, int level,
                                     struct nx_deflate_deflater **out)
{
    NX_ASSERT(window_bits >= NX_DEFLATE_WINDOW_BITS_MIN && window_bits <= NX_DEFLATE_WINDOW_BITS_MAX);
    if (size < NX_DEFLATE_DEFLATER_SIZE) {
        return NX_E_NO_MEMORY;
    }
    NX_ASSERT((uintptr_t)block % ALIGNMENT == 0);
    /* With 9 bits zlib's farthest match is 512 - 262 = 250 bytes back (its window less its look-ahead), so the output suits
     * a receiver with a window of 8 bits too. */
    const int bits = window_bits < WINDOW_BITS_ZLIB_MIN ? WINDOW_BITS_ZLIB_MIN : window_bits;
    struct nx_deflate_deflater *d = block;
    memset(d, 0, sizeof(*d));
    block_init(&d->block, block, size, sizeof(*d), &d->stream);
    if (deflateInit2(&d->stream, level, Z_DEFLATED, -bits, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        return NX_E_NO_MEMORY;
    }
    *out = d;
    return NX_OK;
}

size_t nx_deflate_tail_size_max(size_t size)
{
    return size + size / 8 + size / 64 + 32; /* zlib's bound for any window, and the flush */
}

enum nx_err nx_deflate_tail(struct nx_deflate_deflater *d, struct nx_bytes tail, struct nx_writer *w)
{
    z_stream *stream = &d->stream;
    const size_t room = nx_writer_ok(w) ? w->room - w->size : 0;
    NX_ASSERT(tail.size <= UINT_MAX);
    const int reset = deflateReset(stream);
    NX_ASSERT(reset == Z_OK);
    stream->next_in = (z_const Bytef *)(uintptr_t)tail.at;
    stream->avail_in = (unsigned)tail.size;
    stream->next_out = w->start + w->size;
    stream->avail_out = room < UINT_MAX ? (unsigned)room : UINT_MAX;
    const unsigned before = stream->avail_out;
    /* A flush is complete only when room is left after it. */
    if (room == 0 || deflate(stream, Z_FULL_FLUSH) != Z_OK || stream->avail_out == 0) {
        return NX_E_FULL;
    }
    const size_t written = before - stream->avail_out;
    NX_ASSERT(stream->avail_in == 0 && written > sizeof(flush_end));
    w->size += written - sizeof(flush_end);
    return NX_OK;
}

void nx_deflate_prefix(struct nx_writer *w, struct nx_bytes prefix)
{
    NX_ASSERT(prefix.size <= NX_DEFLATE_PREFIX_MAX);
    const uint8_t low = (uint8_t)prefix.size;
    const uint8_t high = (uint8_t)(prefix.size >> 8);
    const uint8_t head[NX_DEFLATE_PREFIX_OVERHEAD] = {0, low, high, (uint8_t)~low, (uint8_t)~high};
    nx_writer_put(w, head, sizeof(head));
    nx_writer_bytes_put(w, prefix);
}

/* One ";"-separated part of an extension offer. */
struct part {
    struct nx_bytes name;
    struct nx_bytes value; /* without quotes */
    bool has_value;
};

static struct nx_bytes trim(struct nx_bytes text)
{
    while (text.size != 0 && (text.at[0] == ' ' || text.at[0] == '\t')) {
        text = nx_bytes_slice(text, 1, text.size);
    }
    while (text.size != 0 && (text.at[text.size - 1] == ' ' || text.at[text.size - 1] == '\t')) {
        text.size--;
    }
    return text;
}

/* Cuts the next part off; returns false when it breaks the grammar of RFC 6455 section 9.1. A quoted value must be a token
 * inside its quotes, so a ';' never hides in one. */
static bool part_take(struct nx_bytes *rest, struct part *out)
{
    const uint8_t *mark = rest->size != 0 ? memchr(rest->at, ';', rest->size) : NULL;
    const size_t size = mark != NULL ? (size_t)(mark - rest->at) : rest->size;
    const struct nx_bytes text = trim(nx_bytes_slice(*rest, 0, size));
    if (mark != NULL && size + 1 == rest->size) {
        return false; /* ends with ';' */
    }
    *rest = nx_bytes_slice(*rest, size + 1, rest->size);
    const uint8_t *equals = text.size != 0 ? memchr(text.at, '=', text.size) : NULL;
    const size_t name_size = equals != NULL ? (size_t)(equals - text.at) : text.size;
    struct nx_bytes value = nx_bytes_slice(text, name_size + 1, text.size);
    if (value.size >= 2 && value.at[0] == '"' && value.at[value.size - 1] == '"') {
        value = nx_bytes_slice(value, 1, value.size - 2);
    }
    *out = (struct part){
        .name = nx_bytes_slice(text, 0, name_size), .value = value, .has_value = equals != NULL};
    return nx_http1_token_is_valid(out->name) && (!out->has_value || nx_http1_token_is_valid(value));
}

/* Reads 8..15 without leading zeros; returns 0 for anything else. */
static uint8_t window_bits_read(struct nx_bytes value)
{
    if (value.size == 1) {
        return value.at[0] == '8' || value.at[0] == '9' ? (uint8_t)(value.at[0] - '0') : 0;
    }
    return value.size == 2 && value.at[0] == '1' && value.at[1] >= '0' && value.at[1] <= '5'
               ? (uint8_t)(10 + value.at[1] - '0')
               : 0;
}

enum parameter {
    SERVER_NO_CONTEXT = 1,
    CLIENT_NO_CONTEXT = 2,
    SERVER_BITS = 4,
    CLIENT_BITS = 8,
};

/* Reads the parameters of one element; `is_answer` makes the value of client_max_window_bits mandatory. Returns false for an
 * unknown, repeated or ill-formed parameter. */
static bool parameters_read(struct nx_bytes rest, bool is_answer, unsigned *seen, uint8_t *server_bits)
{
    *seen = 0;
    while (rest.size != 0) {
        struct part part;
        unsigned parameter = 0;
        if (!part_take(&rest, &part)) {
            return false;
        }
        const uint8_t bits = part.has_value ? window_bits_read(part.value) : 0;
        if (nx_http1_text_is(part.name, "server_no_context_takeover") && !part.has_value) {
            parameter = SERVER_NO_CONTEXT;
        } else if (nx_http1_text_is(part.name, "client_no_context_takeover") && !part.has_value) {
            parameter = CLIENT_NO_CONTEXT;
        } else if (nx_http1_text_is(part.name, "server_max_window_bits") && bits != 0) {
            parameter = SERVER_BITS;
            *server_bits = bits;
        } else if (nx_http1_text_is(part.name, "client_max_window_bits") &&
                   (bits != 0 || (!part.has_value && !is_answer))) {
            parameter = CLIENT_BITS;
        }
        if (parameter == 0 || (*seen & parameter) != 0) {
            return false;
        }
        *seen |= parameter;
    }
    return true;
}

/* Takes one element of the header apart; returns false when it is not a well-formed permessage-deflate. */
static bool element_read(struct nx_bytes element, bool is_answer, unsigned *seen, uint8_t *server_bits)
{
    struct part name;
    return part_take(&element, &name) && !name.has_value && nx_http1_text_is(name.name, extension_name) &&
           parameters_read(element, is_answer, seen, server_bits);
}

struct nx_deflate_terms nx_deflate_choose(const struct nx_http1_headers *headers)
{
    size_t offers_count = 0;
    for (size_t i = 0; i < headers->count; i++) {
        if (!nx_http1_text_is(headers->at[i].name, "sec-websocket-extensions")) {
            continue;
        }
        struct nx_bytes rest = headers->at[i].value;
        struct nx_bytes element;
        while (nx_http1_list_next(&rest, &element)) {
            unsigned seen;
            uint8_t server_bits = NX_DEFLATE_WINDOW_BITS_MAX;
            if (++offers_count > NX_WS_EXTENSION_OFFERS_MAX) {
                return (struct nx_deflate_terms){0};
            }
            if (element_read(element, false, &seen, &server_bits)) {
                return (struct nx_deflate_terms){.is_agreed = true,
                                                 .server_window_bits = server_bits,
                                                 .has_server_window_bits = (seen & SERVER_BITS) != 0};
            }
        }
    }
    return (struct nx_deflate_terms){0};
}

void nx_deflate_offer(struct nx_writer *w)
{
    nx_writer_text(w, extension_name);
    nx_writer_text(w, "; server_no_context_takeover; client_no_context_takeover");
}

void nx_deflate_answer(struct nx_writer *w, const struct nx_deflate_terms *terms)
{
    nx_deflate_offer(
        w); /* the same words: both sides give up their context whether or not the client asked */
    if (terms->has_server_window_bits) {
        nx_writer_text(w, "; server_max_window_bits=");
        nx_writer_decimal(w, terms->server_window_bits);
    }
}

enum nx_err nx_deflate_answer_read(const struct nx_http1_headers *headers, struct nx_deflate_terms *out)
{
    struct nx_deflate_terms terms = {.server_window_bits = NX_DEFLATE_WINDOW_BITS_MAX};
    for (size_t i = 0; i < headers->count; i++) {
        if (!nx_http1_text_is(headers->at[i].name, "sec-websocket-extensions")) {
            continue;
        }
        struct nx_bytes rest = headers->at[i].value;
        struct nx_bytes element;
        while (nx_http1_list_next(&rest, &element)) {
            unsigned seen;
            if (terms.is_agreed || !element_read(element, true, &seen, &terms.server_window_bits) ||
                (seen & SERVER_NO_CONTEXT) == 0 || (seen & CLIENT_BITS) != 0) {
                return NX_E_MALFORMED;
            }
            terms.is_agreed = true;
            terms.has_server_window_bits = (seen & SERVER_BITS) != 0;
        }
    }
    *out = terms;
    return NX_OK;
}
