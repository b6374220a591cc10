/* Properties: inflating hostile bytes gives the same in one step and in many, never more than the room, and never hurts the
 * next message; what we take, plain zlib inflates to the same; what plain zlib compresses, flushed wherever, we inflate; what
 * we compress (prefix + tail, any window) inflates to itself, here and in plain zlib with that window. */
#include "engine/wire/deflate.h"

#include <stdlib.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { OUT_SIZE = 1 << 16, PIECE = 64 };

static _Alignas(16) uint8_t inflater_block[NX_DEFLATE_INFLATER_SIZE];
static _Alignas(16) uint8_t deflater_block[NX_DEFLATE_DEFLATER_SIZE];
static uint8_t one[OUT_SIZE];
static uint8_t two[OUT_SIZE];
static uint8_t packed[OUT_SIZE];

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* Inflates at most `cap` bytes in steps of `step`. */
static enum nx_err inflate_all(struct nx_deflate_inflater *i, struct nx_bytes message, uint8_t *out,
                               size_t cap, size_t step, size_t *total)
{
    enum nx_err err = NX_E_FULL;
    *total = 0;
    nx_deflate_inflate_start(i, message);
    while (err == NX_E_FULL && *total < cap) {
        const size_t room = step < cap - *total ? step : cap - *total;
        size_t size = 0;
        err = nx_deflate_inflate_step(i, out + *total, room, &size);
        require(size <= room && (err != NX_E_FULL || size == room));
        *total += size;
    }
    return err;
}

/* Plain zlib with the four bytes put back; a final block may be followed by more. Returns bytes, or -1. */
static long zlib_inflate(struct nx_bytes message, int window_bits, uint8_t *out, size_t room)
{
    static uint8_t whole[OUT_SIZE + 4];
    z_stream z = {0};
    require(message.size <= OUT_SIZE && inflateInit2(&z, -window_bits) == Z_OK);
    if (message.size != 0) {
        memcpy(whole, message.at, message.size);
    }
    memcpy(whole + message.size, "\0\0\xff\xff", 4);
    z.next_in = whole;
    z.avail_in = (unsigned)message.size + 4;
    size_t size = 0;
    int result = Z_OK;
    bool is_over = false;
    /* In pieces smaller than any window: what lies further back than it is gone. Our messages may also end with a final block,
     * and nothing behind it. */
    while (!is_over && size < room) {
        const size_t piece = room - size < PIECE ? room - size : PIECE;
        z.next_out = out + size;
        z.avail_out = (unsigned)piece;
        result = inflate(&z, Z_SYNC_FLUSH);
        size += piece - z.avail_out;
        if (result == Z_STREAM_END && z.avail_in > 4) {
            require(inflateReset(&z) == Z_OK);
        } else {
            is_over = result != Z_OK || (z.avail_in == 0 && z.avail_out != 0);
        }
    }
    const bool is_good =
        result == Z_OK || result == Z_STREAM_END || (result == Z_BUF_ERROR && z.avail_in == 0);
    require(inflateEnd(&z) == Z_OK);
    return is_good ? (long)size : -1;
}

/* Compresses as another sender would: any level, memory and strategy, flushed at `cut`. Returns bytes without the last four. */
static size_t zlib_deflate(struct nx_bytes data, const uint8_t choices[3], size_t cut, uint8_t *out,
                           size_t room)
{
    static const int flushes[] = {Z_NO_FLUSH, Z_PARTIAL_FLUSH, Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_BLOCK};
    z_stream z = {0};
    require(deflateInit2(&z, choices[0] % 10, Z_DEFLATED, -(9 + choices[1] % 7), 1 + choices[2] % 9,
                         choices[0] / 10 % 5) == Z_OK);
    z.next_in = (z_const Bytef *)(uintptr_t)data.at;
    z.avail_in = (unsigned)cut;
    z.next_out = out;
    z.avail_out = (unsigned)room;
    int result = deflate(&z, flushes[choices[2] / 9 % 5]);
    require(result == Z_OK || result == Z_BUF_ERROR);
    z.avail_in += (unsigned)(data.size - cut);
    result = deflate(&z, Z_SYNC_FLUSH);
    require((result == Z_OK || result == Z_BUF_ERROR) && z.avail_out != 0 && z.avail_in == 0);
    const size_t size = room - z.avail_out;
    (void)deflateEnd(&z);
    /* A flush right after a flush adds nothing: then the end is already there. */
    require(size >= 4 && memcmp(out + size - 4, "\0\0\xff\xff", 4) == 0);
    return size - 4;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 3 || size > 4096) {
        return 0;
    }
    const size_t step = 1 + bytes[0];
    const int window_bits = 8 + (bytes[1] & 7);
    const size_t cap = 256 + (size_t)bytes[2] * 64;
    const struct nx_bytes data = nx_bytes_of(bytes + 3, size - 3);
    struct nx_deflate_inflater *i;
    struct nx_deflate_deflater *d;
    require(nx_deflate_inflater_init(inflater_block, sizeof(inflater_block), &i) == NX_OK);
    require(nx_deflate_deflater_init(deflater_block, sizeof(deflater_block), window_bits, 6, &d) == NX_OK);
    size_t one_size;
    size_t two_size;
    const enum nx_err whole = inflate_all(i, data, one, cap, cap, &one_size);
    const enum nx_err steps = inflate_all(i, data, two, cap, step, &two_size);
    require(whole == steps &&
            (whole == NX_E_MALFORMED || (one_size == two_size && memcmp(one, two, one_size) == 0)));

    if (whole == NX_OK) {
        const long same = zlib_inflate(data, 15, two, sizeof(two));
        require(same == (long)one_size && memcmp(one, two, one_size) == 0);
    }

    const size_t cut = step % (data.size + 1);
    const size_t foreign_size = zlib_deflate(data, bytes, cut, packed, sizeof(packed));
    require(inflate_all(i, nx_bytes_of(packed, foreign_size), one, sizeof(one), step, &one_size) == NX_OK);
    require(one_size == data.size && (data.size == 0 || memcmp(one, data.at, data.size) == 0));
    struct nx_writer w = nx_writer_init(packed, sizeof(packed));
    nx_deflate_prefix(&w, nx_bytes_slice(data, 0, cut));
    require(nx_deflate_tail(d, nx_bytes_slice(data, cut, data.size), &w) == NX_OK);
    require(inflate_all(i, nx_writer_bytes(&w), one, sizeof(one), step, &one_size) == NX_OK);
    require(one_size == data.size && (data.size == 0 || memcmp(one, data.at, data.size) == 0));
    const long same = zlib_inflate(nx_writer_bytes(&w), window_bits, two, sizeof(two));
    require(same == (long)data.size && (data.size == 0 || memcmp(two, data.at, data.size) == 0));
    return 0;
}
