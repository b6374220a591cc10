/* memory_for_tests.h - counted memory that can be made to fail at the n-th taking.
 *
 * Layer:   tests
 */
#ifndef TESTS_CONTROL_CORE_MEMORY_H
#define TESTS_CONTROL_CORE_MEMORY_H

#include "control/core/memory.h"

#include <stdlib.h>

struct counted {
    size_t out;      /* bytes taken and not given back */
    long fail_after; /* takings that still work; negative: all */
};

static void *counted_take(void *context, size_t size)
{
    struct counted *counted = context;
    if (counted->fail_after == 0) {
        return NULL;
    }
    counted->fail_after -= counted->fail_after > 0;
    counted->out += size;
    return malloc(size == 0 ? 1 : size);
}

static void counted_give(void *context, void *memory, size_t size)
{
    ((struct counted *)context)->out -= size;
    free(memory);
}

static inline struct ctl_memory counted_memory(struct counted *counted)
{
    return (struct ctl_memory){counted_take, counted_give, counted};
}

#endif
