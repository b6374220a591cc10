/* proc.h - what other processes use, as the kernel counts it.
 *
 * Spec:    proc(5): schedstat, status, task/<tid>/children
 * Layer:   loadtest
 * Threads: any
 * Limits:  time of threads that have ended is not seen
 */
#ifndef LOAD_PROC_H
#define LOAD_PROC_H

#include "engine/base/err.h"

#include <stddef.h>
#include <stdint.h>

/** A set of processes and what they used together. */
struct load_proc_use {
    uint64_t cpu_ns;    /**< on a processor, user and system, all living threads */
    uint64_t rss_bytes; /**< resident */
};

/**
 * Reads what the `count` processes used up to now.
 * Returns NX_OK; NX_E_NOT_FOUND when one of them is gone.
 */
NX_MUST_USE enum nx_err load_proc_read(const uint32_t *pids, size_t count, struct load_proc_use *out);

/** Writes the children of `pid` to `out` (room for `room`); returns how many there are, at most `room`. */
size_t load_proc_children(uint32_t pid, uint32_t *out, size_t room);

/** Returns the nanoseconds this process was on a processor. */
uint64_t load_proc_own_cpu_ns(void);

#endif
