#include "gatewayd/node/heap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MAP_FROM = 1 << 20 }; /* from here on whole pages that cost nothing until they are touched */

void *gw_heap_take(struct gw_heap *heap, size_t size)
{
    void *memory;
    if (size >= MAP_FROM) {
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) {
            return NULL;
        }
    } else {
        const size_t rounded = (size + 63) & ~(size_t)63;
        memory = aligned_alloc(64, rounded != 0 ? rounded : 64);
        if (memory == NULL) {
            return NULL;
        }
        memset(memory, 0, size);
    }
    heap->bytes += size;
    heap->takes++;
    return memory;
}

void gw_heap_give(struct gw_heap *heap, void *memory, size_t size)
{
    if (memory == NULL) {
        return;
    }
    heap->bytes -= size;
    heap->gives++;
    if (size >= MAP_FROM) {
        (void)munmap(memory, size);
    } else {
        free(memory);
    }
}

static void *take(void *context, size_t size)
{
    return gw_heap_take(context, size);
}

static void give(void *context, void *memory, size_t size)
{
    gw_heap_give(context, memory, size);
}

struct gw_memory gw_heap_memory(struct gw_heap *heap)
{
    return (struct gw_memory){.take = take, .give = give, .context = heap};
}
