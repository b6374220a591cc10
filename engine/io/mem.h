/* mem.h - where memory comes from: whole slabs by purpose, small pieces at setup, and a seal after it.
 *
 * Layer:   engine/io
 * Threads: any; the seal and the failure injection are of the whole process, nx_mem_allow() of the calling thread
 * Limits:  NX_MEM_PURPOSES_MAX purposes
 * Idiom:   take what is needed at start, print the bill, seal. Afterwards pools grow by slabs and nothing else is
 *          taken: a debug build aborts on nx_mem_take() after the seal, a release build counts it.
 */
#ifndef NX_IO_MEM_H
#define NX_IO_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Counters of the process since its start. */
struct nx_mem_stats {
    uint64_t slab_bytes;   /**< in slabs now */
    uint64_t slabs;        /**< slabs mapped, ever */
    uint64_t takes;        /**< calls of nx_mem_take(), ever */
    uint64_t gives;        /**< pieces given back, ever */
    uint64_t takes_sealed; /**< of `takes`: after the seal and outside of an allowed scope */
    uint64_t takes_failed; /**< takes and slabs that failed, injected ones included */
};

/** One line of the memory bill. */
struct nx_mem_line {
    const char *purpose; /**< as given to nx_mem_slab() */
    uint64_t bytes;      /**< in slabs of this purpose now */
    uint64_t bytes_max;  /**< highest ever */
};

/**
 * Maps `size` bytes (rounded up to pages), zeroed and aligned to a page; `purpose` is a literal like "loop receive buffers".
 * Returns NULL when the kernel gives no memory. Allowed after the seal: pools grow in whole slabs.
 */
void *nx_mem_slab(const char *purpose, size_t size);

/** Unmaps a slab; same `purpose` and `size` as when it was made. NULL is nothing. */
void nx_mem_slab_give(const char *purpose, void *slab, size_t size);

/** Takes `size` zeroed bytes (at least 1), aligned to 16, or NULL. Setup only, see the seal. */
void *nx_mem_take(size_t size);

/** Gives back what nx_mem_take() gave; NULL is nothing. */
void nx_mem_give(void *piece);

/** Ends setup (true): nx_mem_take() from now on is a mistake; false opens it again, for shutdown and tests. */
void nx_mem_seal(bool is_sealed);

/** Begins (true) or ends (false) a scope of this thread in which taking is allowed after the seal; scopes nest. */
void nx_mem_allow(bool is_allowed);

/** Lets the `n`-th take or slab from now fail, once (1 is the next one); 0 switches it off. For tests. */
void nx_mem_fail_at(uint64_t n);

/** Returns the counters now. */
struct nx_mem_stats nx_mem_stats(void);

/** Fills in line `index` of the memory bill; returns false past the last line. */
bool nx_mem_bill(size_t index, struct nx_mem_line *out);

#endif
