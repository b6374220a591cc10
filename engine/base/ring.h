/* ring.h - a fixed first-in first-out queue of equal-sized items in the caller's memory, for one thread.
 *
 * Layer:   engine/base (no I/O, no clock, no allocation)
 * Threads: own shard; between threads use spsc.h or mpsc.h
 * Limits:  1..NX_QUEUE_ITEMS_MAX items, any number
 * Idiom:   slots are handed out in place: fill what nx_ring_push() returns, read what nx_ring_front()
 *          returns.
 */
#ifndef NX_BASE_RING_H
#define NX_BASE_RING_H

#include "engine/base/assert.h"
#include "engine/base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** One queue. */
struct nx_ring {
    uint8_t *memory;    /**< given: capacity * item_size bytes */
    uint32_t item_size; /**< given: bytes */
    uint32_t capacity;  /**< given: items */
    uint32_t first;     /**< slot of the oldest item */
    uint32_t count;     /**< items held */
};

/** Returns the bytes a queue of `capacity` items of `item_size` bytes needs. */
static inline size_t nx_ring_size_needed(uint32_t item_size, uint32_t capacity)
{
    return (size_t)item_size * capacity;
}

/** Makes an empty queue in `memory` (nx_ring_size_needed() bytes, aligned for the item, borrowed for its
 * life). */
static inline void nx_ring_init(struct nx_ring *ring, void *memory, uint32_t item_size, uint32_t capacity)
{
    NX_ASSERT(item_size > 0 && capacity > 0 && capacity <= NX_QUEUE_ITEMS_MAX);
    *ring = (struct nx_ring){.memory = memory, .item_size = item_size, .capacity = capacity};
}

/** Returns the number of items held. */
static inline uint32_t nx_ring_count(const struct nx_ring *ring)
{
    return ring->count;
}

/** Returns whether no further item fits. */
static inline bool nx_ring_is_full(const struct nx_ring *ring)
{
    return ring->count == ring->capacity;
}

/** Returns the item that is `index` behind the oldest, valid until it is popped; NULL when there is none. */
static inline void *nx_ring_at(const struct nx_ring *ring, uint32_t index)
{
    if (index >= ring->count) {
        return NULL;
    }
    const uint32_t left = ring->capacity - ring->first;
    const uint32_t slot = index < left ? ring->first + index : index - left;
    return ring->memory + (size_t)slot * ring->item_size;
}

/** Returns the oldest item, or NULL when the queue is empty. */
static inline void *nx_ring_front(const struct nx_ring *ring)
{
    return nx_ring_at(ring, 0);
}

/** Appends an item and returns its slot, to be filled by the caller; NULL when the queue is full. */
static inline void *nx_ring_push(struct nx_ring *ring)
{
    if (nx_ring_is_full(ring)) {
        return NULL;
    }
    ring->count++;
    return nx_ring_at(ring, ring->count - 1);
}

/** Drops the oldest item; its slot stays readable until the next push. Returns it, or NULL when there is
 * none. */
static inline void *nx_ring_pop(struct nx_ring *ring)
{
    void *item = nx_ring_front(ring);
    if (item != NULL) {
        ring->first = ring->first + 1 == ring->capacity ? 0 : ring->first + 1;
        ring->count--;
    }
    return item;
}

#endif
