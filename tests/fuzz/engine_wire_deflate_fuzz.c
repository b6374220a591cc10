/* Properties: inflating hostile bytes gives the same in one step and in many, never more than the room, and never hurts the
 * next message; what we compress (prefix + tail, any window) inflates to itself. */
#include "engine/wire/deflate.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { OUT_SIZE = 1 << 16 };

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

    const size_t cut = step % (data.size + 1);
    struct nx_writer w = nx_writer_init(packed, sizeof(packed));
    nx_deflate_prefix(&w, nx_bytes_slice(data, 0, cut));
    require(nx_deflate_tail(d, nx_bytes_slice(data, cut, data.size), &w) == NX_OK);
    require(inflate_all(i, nx_writer_bytes(&w), one, sizeof(one), step, &one_size) == NX_OK);
    require(one_size == data.size && (data.size == 0 || memcmp(one, data.at, data.size) == 0));
    return 0;
}
