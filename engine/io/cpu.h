/* cpu.h - which processors this process may use.
 *
 * Layer:   engine/io
 * Threads: any
 */
#ifndef NX_IO_CPU_H
#define NX_IO_CPU_H

#include "engine/base/err.h"

#include <stdint.h>

/** Returns how many processors the affinity mask of this thread holds; at least 1. */
uint32_t nx_cpu_count(void);

/** Returns the number of the `index`-th processor of the mask (wrapping around), or -1 when there is no mask. */
int nx_cpu_at(uint32_t index);

/** Pins the calling thread to processor `cpu`. Returns NX_OK; NX_E_NOT_FOUND when it may not run there. */
NX_MUST_USE enum nx_err nx_cpu_pin(int cpu);

#endif
