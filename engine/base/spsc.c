#include "engine/base/spsc.h"

#include "engine/base/assert.h"

#include <string.h>

static void *slot_at(const struct nx_spsc *queue, uint32_t index)
{
    return queue->memory + (size_t)(index & queue->mask) * queue->item_size;
}

size_t nx_spsc_size_needed(uint32_t item_size, uint32_t capacity)
{
    return (size_t)item_size * capacity;
}

void nx_spsc_init(struct nx_spsc *queue, void *memory, uint32_t item_size, uint32_t capacity)
{
    NX_ASSERT(memory != NULL && item_size > 0 && capacity > 0 && capacity <= NX_QUEUE_ITEMS_MAX);
    NX_ASSERT((capacity & (capacity - 1)) == 0);
    queue->memory = memory;
    queue->item_size = item_size;
    queue->mask = capacity - 1;
    queue->head_copy = 0;
    queue->tail_copy = 0;
    atomic_init(&queue->tail, 0);
    atomic_init(&queue->head, 0);
}

void *nx_spsc_claim(struct nx_spsc *queue)
{
    const uint32_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
    if (tail - queue->head_copy > queue->mask) {
        /* Acquire: the consumer's reads of the slot happen before we overwrite it. */
        queue->head_copy = atomic_load_explicit(&queue->head, memory_order_acquire);
        if (tail - queue->head_copy > queue->mask) {
            return NULL;
        }
    }
    return slot_at(queue, tail);
}

void nx_spsc_publish(struct nx_spsc *queue)
{
    const uint32_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
    NX_ASSERT(tail - queue->head_copy <= queue->mask);
    atomic_store_explicit(&queue->tail, tail + 1, memory_order_release);
}

bool nx_spsc_push(struct nx_spsc *queue, const void *item)
{
    void *slot = nx_spsc_claim(queue);
    if (slot == NULL) {
        return false;
    }
    memcpy(slot, item, queue->item_size);
    nx_spsc_publish(queue);
    return true;
}

const void *nx_spsc_front(struct nx_spsc *queue)
{
    const uint32_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);
    if (head == queue->tail_copy) {
        queue->tail_copy = atomic_load_explicit(&queue->tail, memory_order_acquire);
        if (head == queue->tail_copy) {
            return NULL;
        }
    }
    return slot_at(queue, head);
}

void nx_spsc_release(struct nx_spsc *queue)
{
    const uint32_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);
    NX_ASSERT(head != queue->tail_copy);
    atomic_store_explicit(&queue->head, head + 1, memory_order_release);
}

bool nx_spsc_pop(struct nx_spsc *queue, void *item)
{
    const void *slot = nx_spsc_front(queue);
    if (slot == NULL) {
        return false;
    }
    memcpy(item, slot, queue->item_size);
    nx_spsc_release(queue);
    return true;
}

uint32_t nx_spsc_count(const struct nx_spsc *queue)
{
    /* Head first: tail only grows, so the difference is never negative; it may exceed the capacity in
     * between. */
    const uint32_t head = atomic_load_explicit(&queue->head, memory_order_acquire);
    const uint32_t count = atomic_load_explicit(&queue->tail, memory_order_acquire) - head;
    return count <= queue->mask ? count : queue->mask + 1;
}
