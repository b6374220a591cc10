/* memory.h - the same questions answered in RAM: for simulation, and for tests of what stands above the store.
 *
 * Layer:   control/store
 * Threads: the loop's only; no threads of its own
 * Limits:  memory; meant for some ten thousand users and a million messages
 * Idiom:   "memory:". With a loop, questions wait as on a disk and are answered in batches by a timer; config.seed
 *          makes some batches late, some fail, and some fail only after they were written (the ambiguous case).
 *          The same seed and the same questions give the same answers.
 */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include "control/store/backend.h"

/** What can happen to a commit. */
enum store_memory_fault {
    STORE_MEMORY_FAULT_NONE,
    STORE_MEMORY_FAULT_LOST, /**< nothing is written; every question of the batch is answered NX_E_UNAVAILABLE */
    STORE_MEMORY_FAULT_AMBIGUOUS /**< everything is written, and yet answered NX_E_UNAVAILABLE */
};

/** "memory:". */
extern const struct store_backend store_memory_backend;

/** Lets the next `commits` commits of a memory store end with `fault`, whatever its seed says. */
void store_memory_fail(struct store *base, enum store_memory_fault fault, uint32_t commits);

#endif
