/* Goal: memory of every size is clean, aligned and counted, and comes back. */
#include "gatewayd/node/heap.h"

#include "tests/lib/check.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static bool is_zero(const uint8_t *bytes, size_t size)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

TEST(heap, gives_zeroed_memory_of_any_size_and_counts_it)
{
    static const size_t SIZES[] = {1, 63, 64, 65, 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 16 << 20};
    struct gw_heap heap = {0};
    for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
        /* The second one gets the place of the first, dirty. */
        for (int round = 0; round < 2; round++) {
            uint8_t *memory = gw_heap_take(&heap, SIZES[i]);
            CHECK(memory != NULL && (uintptr_t)memory % 64 == 0, "%zu bytes", SIZES[i]);
            CHECK(heap.bytes == SIZES[i] && heap.takes == heap.gives + 1, "counted");
            CHECK(SIZES[i] == 1 ? memory[0] == 0 : is_zero(memory, SIZES[i]), "%zu bytes are zero", SIZES[i]);
            memset(memory, 0xa5, SIZES[i]);
            gw_heap_give(&heap, memory, SIZES[i]);
            CHECK(heap.bytes == 0 && heap.takes == heap.gives, "given back");
        }
    }
}

TEST(heap, nothing_is_given_back_for_nothing)
{
    struct gw_heap heap = {0};
    gw_heap_give(&heap, NULL, 100);
    CHECK(heap.bytes == 0 && heap.gives == 0, "no piece, no count");
}

TEST(heap, no_memory_is_no_piece)
{
    struct gw_heap heap = {0};
    CHECK(gw_heap_take(&heap, SIZE_MAX / 2) == NULL, "more than there is");
    CHECK(heap.bytes == 0 && heap.takes == 0, "not counted");
}

TEST(heap, serves_the_cores)
{
    struct gw_heap heap = {0};
    const struct gw_memory memory = gw_heap_memory(&heap);
    void *piece = gw_memory_take(&memory, 100);
    CHECK(piece != NULL && heap.bytes == 100, "taken");
    gw_memory_give(&memory, piece, 100);
    gw_memory_give(&memory, NULL, 100);
    CHECK(heap.bytes == 0 && heap.gives == 1, "given");
}
