/* spsc.h - a lock-free queue of equal-sized items from one thread to one other, in the caller's memory.
 *
 * Layer:   engine/base (C11 atomics; no I/O, no clock, no allocation)
 * Threads: exactly one producer and one consumer; init before either starts
 * Limits:  1..NX_QUEUE_ITEMS_MAX items, a power of two; never blocks, never spins;
 *          the struct is cache-line aligned, and so must be the memory of whatever embeds it
 * Idiom:   push and pop copy; claim/publish and front/release work in the slot itself. Each side keeps a
 *          copy of the other's index on its own cache line and looks at the real one only when the copy says
 *          full or empty.
 */
#ifndef NX_BASE_SPSC_H
#define NX_BASE_SPSC_H

#include "engine/base/limits.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** One queue; indexes count items for ever and wrap at 2^32. */
struct nx_spsc {
    uint8_t *memory;    /**< given: (mask + 1) * item_size bytes */
    uint32_t item_size; /**< given: bytes */
    uint32_t mask;
    _Alignas(NX_LINE_SIZE) atomic_uint tail; /**< items ever published; written by the producer */
    uint32_t head_copy;                      /**< the producer's last look at head */
    _Alignas(NX_LINE_SIZE) atomic_uint head; /**< items ever released; written by the consumer */
    uint32_t tail_copy;                      /**< the consumer's last look at tail */
};

/** Returns the bytes a queue of `capacity` items of `item_size` bytes needs. */
size_t nx_spsc_size_needed(uint32_t item_size, uint32_t capacity);

/** Makes an empty queue in `memory` (aligned for the item, borrowed for its life); `capacity` a power of two.
 */
void nx_spsc_init(struct nx_spsc *queue, void *memory, uint32_t item_size, uint32_t capacity);

/** Producer: returns the next free slot, to be filled and published; NULL when the queue is full. */
void *nx_spsc_claim(struct nx_spsc *queue);

/** Producer: hands the slot of the last nx_spsc_claim() (not NULL) to the consumer. */
void nx_spsc_publish(struct nx_spsc *queue);

/** Producer: copies one item in; false when the queue is full. */
bool nx_spsc_push(struct nx_spsc *queue, const void *item);

/** Consumer: returns the oldest item, valid until nx_spsc_release(); NULL when the queue is empty. */
const void *nx_spsc_front(struct nx_spsc *queue);

/** Consumer: gives the slot of the last nx_spsc_front() (not NULL) back to the producer. */
void nx_spsc_release(struct nx_spsc *queue);

/** Consumer: copies the oldest item out; false, leaving `item` alone, when the queue is empty. */
bool nx_spsc_pop(struct nx_spsc *queue, void *item);

/** Returns about how many items wait; exact only while neither side works. Any thread. */
uint32_t nx_spsc_count(const struct nx_spsc *queue);

#endif
