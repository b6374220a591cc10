/* Property: body, verdict and the place where the next request starts do not depend on how the bytes are cut. */
#include "engine/wire/http1_chunked.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct result {
    enum nx_err err;
    size_t body_size;
    size_t consumed_size;
    bool is_done;
    uint8_t body[8192];
};

static void run(const uint8_t *bytes, size_t size, uint32_t seed, struct result *out)
{
    struct nx_http1_chunked c;
    nx_http1_chunked_init(&c);
    out->err = NX_OK;
    out->body_size = out->consumed_size = 0;
    out->is_done = false;
    while (size != 0 && out->err == NX_OK && !out->is_done) {
        seed = seed * 1664525U + 1013904223U;
        const size_t part = seed % 3 == 0 || seed == 0 ? 1 : 1 + (seed >> 8) % size;
        uint8_t *piece = malloc(part);
        memcpy(piece, bytes, part);
        struct nx_http1_chunked_piece got;
        out->err = nx_http1_chunked_feed(&c, piece, part, &got);
        if (out->err == NX_OK) {
            if (got.body_size > got.consumed_size || got.consumed_size > part ||
                (!got.is_done && got.consumed_size != part)) {
                abort();
            }
            memcpy(out->body + out->body_size, piece, got.body_size);
            out->body_size += got.body_size;
            out->consumed_size += got.consumed_size;
            out->is_done = got.is_done;
        }
        free(piece);
        bytes += part;
        size -= part;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct result one;
    static struct result two;
    if (size < 4 || size > sizeof(one.body)) {
        return 0;
    }
    uint32_t seed;
    memcpy(&seed, bytes, sizeof(seed));
    run(bytes + 4, size - 4, seed, &one);
    run(bytes + 4, size - 4, ~seed, &two);
    if (one.err != two.err ||
        (one.err == NX_OK &&
         (one.body_size != two.body_size || one.consumed_size != two.consumed_size ||
          one.is_done != two.is_done || memcmp(one.body, two.body, one.body_size) != 0))) {
        abort();
    }
    return 0;
}
