/* mpsc.h - a bounded lock-free queue of equal-sized items from many threads to one, in the caller's memory.
 *
 * Spec:    the bounded queue with a sequence number per cell (Vyukov)
 * Layer:   engine/base (C11 atomics; no I/O, no clock, no allocation)
 * Threads: any number of producers, one consumer; init before any starts
 * Limits:  2..NX_QUEUE_ITEMS_MAX items, a power of two; push retries only when another producer won the cell;
 *          the struct is cache-line aligned, and so must be the memory of whatever embeds it
 * Idiom:   items of one producer arrive in its order. An item whose producer was interrupted between taking
 *          its cell and filling it hides the items behind it: pop says empty although a count of pushes says
 *          otherwise. So a wake-up must be sent after the push returned, never before.
 */
#ifndef NX_BASE_MPSC_H
#define NX_BASE_MPSC_H

#include "engine/base/limits.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** One queue; a cell is a 64-bit sequence number and the item behind it. */
struct nx_mpsc {
    uint8_t *memory;    /**< given: (mask + 1) * stride bytes */
    uint32_t item_size; /**< given: bytes */
    uint32_t stride;    /**< bytes from one cell to the next */
    uint64_t mask;
    _Alignas(NX_LINE_SIZE) atomic_ullong tail; /**< cells ever taken; by all producers */
    _Alignas(NX_LINE_SIZE) uint64_t head;      /**< items ever popped; by the consumer */
};

/** Returns the bytes a queue of `capacity` items of `item_size` bytes needs. */
size_t nx_mpsc_size_needed(uint32_t item_size, uint32_t capacity);

/** Makes an empty queue in `memory` (8-byte aligned, borrowed for its life); `capacity` a power of two, at
 * least 2. */
void nx_mpsc_init(struct nx_mpsc *queue, void *memory, uint32_t item_size, uint32_t capacity);

/** Any thread: copies one item in; false when the queue is full. */
bool nx_mpsc_push(struct nx_mpsc *queue, const void *item);

/** Consumer: copies the oldest item out; false, leaving `item` alone, when none is ready. */
bool nx_mpsc_pop(struct nx_mpsc *queue, void *item);

/** Consumer: returns whether nx_mpsc_pop() would find nothing now. */
bool nx_mpsc_is_empty(const struct nx_mpsc *queue);

#endif
