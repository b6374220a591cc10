#include "loadtest/pending.h"

#include <stdlib.h>
#include <string.h>

enum nx_err load_pending_add(struct load_pending *pending, const struct load_stamp *stamp, int64_t due_ns)
{
    if (pending->count == LOAD_PENDING_MAX) {
        return NX_E_FULL;
    }
    if (pending->ones == NULL) {
        pending->ones = calloc(LOAD_PENDING_MAX, sizeof(*pending->ones));
        if (pending->ones == NULL) {
            return NX_E_NO_MEMORY;
        }
    }
    pending->ones[pending->count++] =
        (struct load_pending_one){.stamp = *stamp, .due_ns = due_ns, .attempts = 1};
    return NX_OK;
}

struct load_pending_one *load_pending_find(struct load_pending *pending, uint32_t number)
{
    for (uint32_t i = 0; i < pending->count; i++) {
        if (pending->ones[i].stamp.number == number) {
            return &pending->ones[i];
        }
    }
    return NULL;
}

bool load_pending_remove(struct load_pending *pending, uint32_t number)
{
    struct load_pending_one *one = load_pending_find(pending, number);
    if (one == NULL) {
        return false;
    }
    pending->count--;
    memmove(one, one + 1, (size_t)(pending->ones + pending->count - one) * sizeof(*one));
    return true;
}

void load_pending_hasten(struct load_pending *pending, int64_t ns)
{
    for (uint32_t i = 0; i < pending->count; i++) {
        pending->ones[i].due_ns = ns;
    }
}

void load_pending_fini(struct load_pending *pending)
{
    free(pending->ones);
    *pending = (struct load_pending){.count = 0};
}
