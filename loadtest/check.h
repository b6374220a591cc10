/* check.h - did one receiver get every message of one stream once and in order?
 *
 * Layer:   loadtest
 * Threads: any; values
 * Limits:  a repetition is recognised among the last LOAD_CHECK_WINDOW numbers, or when nothing is missing
 */
#ifndef LOAD_CHECK_H
#define LOAD_CHECK_H

#include <stdint.h>

enum { LOAD_CHECK_WINDOW = 64 };

/** What one receiver got of one stream; all zero is nothing. */
struct load_check {
    uint32_t highest; /**< highest number received */
    uint32_t count;   /**< different numbers received */
    uint64_t window;  /**< bit i: number highest - i was received */
};

enum load_check_verdict {
    LOAD_CHECK_NEW,      /**< higher than all before */
    LOAD_CHECK_LATE,     /**< for the first time, but after a higher one */
    LOAD_CHECK_DUPLICATE /**< received before */
};

/**
 * Notes that `number` (from 1) arrived. A number more than LOAD_CHECK_WINDOW behind the highest counts as late while any
 * is missing, else as a duplicate.
 */
enum load_check_verdict load_check_add(struct load_check *check, uint32_t number);

#endif
