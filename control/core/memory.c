#include "control/core/memory.h"

void ctl_memory_text_drop(const struct ctl_memory *memory, struct nx_bytes *owned)
{
    if (owned->size != 0) {
        memory->give(memory->context, (void *)(uintptr_t)owned->at, owned->size);
    }
    *owned = (struct nx_bytes){.at = NULL, .size = 0};
}

bool ctl_memory_text_set(const struct ctl_memory *memory, struct nx_bytes *owned, struct nx_bytes text)
{
    if (nx_bytes_equal(*owned, text)) {
        return true;
    }
    uint8_t *copy = NULL;
    if (text.size != 0) {
        copy = memory->take(memory->context, text.size);
        if (copy == NULL) {
            return false;
        }
        memcpy(copy, text.at, text.size);
    }
    ctl_memory_text_drop(memory, owned);
    *owned = nx_bytes_of(copy, text.size);
    return true;
}

bool ctl_memory_grow(const struct ctl_memory *memory, void **items, size_t item_size, uint32_t count,
                     uint32_t *room)
{
    if (count < *room) {
        return true;
    }
    const uint32_t larger = *room == 0 ? 4 : *room * 2;
    void *moved = memory->take(memory->context, larger * item_size);
    if (moved == NULL) {
        return false;
    }
    if (count != 0) {
        memcpy(moved, *items, count * item_size);
    }
    ctl_memory_give(memory, *items, *room * item_size);
    *items = moved;
    *room = larger;
    return true;
}
