/* Goal: pieces are aligned, apart from each other and inside the buffer; marks give everything back. */
#include "engine/base/arena.h"
#include "tests/lib/check.h"

TEST(arena, takes_aligned_pieces_until_full)
{
    _Alignas(16) uint8_t memory[128];
    struct nx_arena arena;
    nx_arena_init(&arena, memory + 1, 100);
    const uint8_t *end = memory + 1;
    size_t align = 1;
    for (int i = 0; i < 5; i++, align *= 2) {
        const uint8_t *piece = nx_arena_take(&arena, 3, align);
        CHECK(piece != NULL && (uintptr_t)piece % align == 0, "aligned to %zu", align);
        CHECK(piece >= end && piece + 3 <= memory + 101, "behind the one before and inside");
        end = piece + 3;
    }
    struct nx_arena odd;
    nx_arena_init(&odd, memory + 1, 16);
    CHECK(nx_arena_take(&odd, 16, 2) == NULL && odd.used == 0, "padding counts");
    const size_t left = arena.size - arena.used;
    CHECK(nx_arena_take(&arena, left + 1, 1) == NULL, "one too many");
    CHECK(nx_arena_take(&arena, SIZE_MAX, 16) == NULL, "no wrap-around");
    CHECK(nx_arena_take(&arena, left, 1) != NULL, "the last byte");
    CHECK(nx_arena_take(&arena, 1, 1) == NULL && nx_arena_take(&arena, 0, 1) != NULL, "full");
    CHECK(arena.peak == 100, "peak %zu", arena.peak);
}

TEST(arena, restore_gives_back_what_came_after_the_mark)
{
    uint8_t memory[32];
    struct nx_arena arena;
    nx_arena_init(&arena, memory, sizeof(memory));
    struct nx_bytes kept;
    struct nx_bytes gone;
    CHECK(nx_arena_copy(&arena, nx_bytes_text("keep"), &kept) == NX_OK, "copy");
    const size_t mark = nx_arena_save(&arena);
    CHECK(nx_arena_copy(&arena, nx_bytes_text("0123456789012345678901234567"), &gone) == NX_OK, "copy");
    CHECK(nx_arena_copy(&arena, nx_bytes_text("x"), &gone) == NX_E_NO_MEMORY && gone.size == 28,
          "full, out untouched");
    CHECK(nx_arena_copy(&arena, nx_bytes_text(""), &gone) == NX_OK && gone.size == 0, "nothing always fits");
    nx_arena_restore(&arena, mark);
    CHECK(nx_arena_take(&arena, 28, 1) == memory + 4 && nx_bytes_is(kept, "keep"), "taken again");
}
