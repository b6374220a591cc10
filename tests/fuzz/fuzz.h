/* fuzz.h - what the fuzz targets share: a property that names itself when it is broken, and an input that is used up.
 *
 * Layer:   tests
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "engine/base/bytes.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wunused-function"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void fuzz_check(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "property broken: %s\n", what);
        abort();
    }
}

/* Takes one byte; 0 when none is left. */
static uint8_t fuzz_u8(struct nx_bytes *input)
{
    if (input->size == 0) {
        return 0;
    }
    const uint8_t byte = input->at[0];
    *input = nx_bytes_slice(*input, 1, SIZE_MAX);
    return byte;
}

/* Takes a number of `count` bytes, missing ones are 0. */
static uint64_t fuzz_number(struct nx_bytes *input, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        value = value << 8 | fuzz_u8(input);
    }
    return value;
}

/* Takes everything up to `stop`, which is dropped. */
static struct nx_bytes fuzz_until(struct nx_bytes *input, uint8_t stop)
{
    const uint8_t *end = input->size == 0 ? NULL : memchr(input->at, stop, input->size);
    const size_t size = end == NULL ? input->size : (size_t)(end - input->at);
    const struct nx_bytes part = nx_bytes_slice(*input, 0, size);
    *input = nx_bytes_slice(*input, size + 1, SIZE_MAX);
    return part;
}

/* A copy in memory of exactly that size, so that a read past its end is seen; the caller frees. */
static uint8_t *fuzz_copy(struct nx_bytes bytes)
{
    uint8_t *copy = malloc(bytes.size);
    if (bytes.size != 0) {
        memcpy(copy, bytes.at, bytes.size);
    }
    return copy;
}

/* A NUL-terminated copy; the caller frees. Bytes from the first NUL on are lost. */
static char *fuzz_text(struct nx_bytes bytes)
{
    char *copy = malloc(bytes.size + 1);
    if (bytes.size != 0) {
        memcpy(copy, bytes.at, bytes.size);
    }
    copy[bytes.size] = '\0';
    return copy;
}

static bool fuzz_is_inside(struct nx_bytes view, struct nx_bytes whole)
{
    return view.size == 0 || (view.at >= whole.at && view.at + view.size <= whole.at + whole.size);
}

#endif
