#include "engine/base/arena.h"

#include "engine/base/assert.h"

void nx_arena_init(struct nx_arena *arena, void *memory, size_t size)
{
    *arena = (struct nx_arena){.memory = memory, .size = size};
}

void *nx_arena_take(struct nx_arena *arena, size_t size, size_t align)
{
    NX_ASSERT(align > 0 && (align & (align - 1)) == 0);
    const size_t padding = (size_t)(0 - ((uintptr_t)arena->memory + arena->used)) & (align - 1);
    const size_t left = arena->size - arena->used;
    if (left < padding || left - padding < size) {
        return NULL;
    }
    uint8_t *at = arena->memory + arena->used + padding;
    arena->used += padding + size;
    arena->peak = arena->used > arena->peak ? arena->used : arena->peak;
    return at;
}

enum nx_err nx_arena_copy(struct nx_arena *arena, struct nx_bytes bytes, struct nx_bytes *out)
{
    uint8_t *at = nx_arena_take(arena, bytes.size, 1);
    if (at == NULL) {
        return NX_E_NO_MEMORY;
    }
    if (bytes.size != 0) {
        memcpy(at, bytes.at, bytes.size);
    }
    *out = nx_bytes_of(at, bytes.size);
    return NX_OK;
}

size_t nx_arena_save(const struct nx_arena *arena)
{
    return arena->used;
}

void nx_arena_restore(struct nx_arena *arena, size_t mark)
{
    NX_ASSERT(mark <= arena->used);
    arena->used = mark;
}
