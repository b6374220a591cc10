#include "engine/base/mpsc.h"

#include "engine/base/assert.h"

#include <string.h>

/* Cell i of round r: sequence i + r * capacity means free for the push of that number, one more means filled
 * by it; the pop sets it to the number of the next push into the same cell. */
struct cell {
    atomic_ullong sequence;
};

static struct cell *cell_at(const struct nx_mpsc *queue, uint64_t number)
{
    return (struct cell *)(void *)(queue->memory + (size_t)(number & queue->mask) * queue->stride);
}

static uint32_t stride_of(uint32_t item_size)
{
    return (uint32_t)sizeof(struct cell) + (item_size + 7) / 8 * 8;
}

size_t nx_mpsc_size_needed(uint32_t item_size, uint32_t capacity)
{
    return (size_t)stride_of(item_size) * capacity;
}

void nx_mpsc_init(struct nx_mpsc *queue, void *memory, uint32_t item_size, uint32_t capacity)
{
    NX_ASSERT(memory != NULL && (uintptr_t)memory % 8 == 0 && item_size > 0);
    /* With one cell "filled by push n" and "free for push n + 1" would be the same number. */
    NX_ASSERT(capacity >= 2 && capacity <= NX_QUEUE_ITEMS_MAX && (capacity & (capacity - 1)) == 0);
    queue->memory = memory;
    queue->item_size = item_size;
    queue->stride = stride_of(item_size);
    queue->mask = capacity - 1;
    queue->head = 0;
    atomic_init(&queue->tail, 0);
    for (uint32_t i = 0; i < capacity; i++) {
        atomic_init(&cell_at(queue, i)->sequence, i);
    }
}

bool nx_mpsc_push(struct nx_mpsc *queue, const void *item)
{
    unsigned long long tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
    for (;;) {
        struct cell *cell = cell_at(queue, tail);
        const uint64_t sequence = atomic_load_explicit(&cell->sequence, memory_order_acquire);
        const int64_t ahead = (int64_t)(sequence - tail);
        if (ahead < 0) {
            return false;
        }
        if (ahead > 0) {
            tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
        } else if (atomic_compare_exchange_weak_explicit(&queue->tail, &tail, tail + 1, memory_order_relaxed,
                                                         memory_order_relaxed)) {
            memcpy(cell + 1, item, queue->item_size);
            atomic_store_explicit(&cell->sequence, tail + 1, memory_order_release);
            return true;
        }
    }
}

bool nx_mpsc_is_empty(const struct nx_mpsc *queue)
{
    return atomic_load_explicit(&cell_at(queue, queue->head)->sequence, memory_order_acquire) !=
           queue->head + 1;
}

bool nx_mpsc_pop(struct nx_mpsc *queue, void *item)
{
    if (nx_mpsc_is_empty(queue)) {
        return false;
    }
    struct cell *cell = cell_at(queue, queue->head);
    memcpy(item, cell + 1, queue->item_size);
    atomic_store_explicit(&cell->sequence, queue->head + queue->mask + 1, memory_order_release);
    queue->head++;
    return true;
}
