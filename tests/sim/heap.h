/* heap.h - the heap of each simulated host: what a daemon takes with malloc() goes with its host's crash.
 *
 * Layer:   tests/sim (the linker puts these in place of malloc and its kin in our own objects: -Wl,--wrap)
 * Threads: one
 */
#ifndef TESTS_SIM_HEAP_H
#define TESTS_SIM_HEAP_H

#include "engine/sim/host.h"

#include <stdint.h>

/** Frees what `host` still holds; for nx_host_on_crash(). */
void heap_drop(struct nx_host *host);

/** Forgets all hosts, which must hold nothing any more; at the end of a world. */
void heap_forget(void);

/** Returns how many pieces `host` holds. */
uint64_t heap_pieces(const struct nx_host *host);

/** Returns how many bytes `host` holds. */
uint64_t heap_bytes(const struct nx_host *host);

/** Writes the sizes of what `host` holds to stderr, a few of them. */
void heap_print(const struct nx_host *host);

#endif
