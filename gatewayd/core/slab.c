#include "gatewayd/core/slab.h"

#include "engine/base/assert.h"

enum { SLAB_HEADER = 64 }; /* keeps the blocks on cache-line boundaries */

void gw_slab_init(struct gw_slab *slab, const struct gw_memory *memory, uint32_t block_size,
                  uint32_t slab_blocks)
{
    NX_ASSERT(block_size >= 16 && block_size % 16 == 0 && slab_blocks > 0);
    *slab = (struct gw_slab){.memory = *memory, .block_size = block_size, .slab_blocks = slab_blocks};
}

static size_t slab_size(const struct gw_slab *slab)
{
    return SLAB_HEADER + (size_t)slab->block_size * slab->slab_blocks;
}

void gw_slab_fini(struct gw_slab *slab)
{
    while (slab->slabs != NULL) {
        void *next = *(void **)slab->slabs;
        gw_memory_give(&slab->memory, slab->slabs, slab_size(slab));
        slab->slabs = next;
    }
    slab->free_first = NULL;
    slab->used_count = 0;
    slab->total_count = 0;
}

void *gw_slab_take(struct gw_slab *slab)
{
    if (slab->free_first == NULL) {
        uint8_t *memory = gw_memory_take(&slab->memory, slab_size(slab));
        if (memory == NULL) {
            return NULL;
        }
        *(void **)(void *)memory = slab->slabs;
        slab->slabs = memory;
        for (uint32_t i = slab->slab_blocks; i-- > 0;) {
            void *block = memory + SLAB_HEADER + (size_t)i * slab->block_size;
            *(void **)block = slab->free_first;
            slab->free_first = block;
        }
        slab->total_count += slab->slab_blocks;
    }
    void *block = slab->free_first;
    NX_ASSERT(block != NULL); /* a slab has at least one block */
    slab->free_first = *(void **)block;
    slab->used_count++;
    return block;
}

void gw_slab_give(struct gw_slab *slab, void *block)
{
    if (block != NULL) {
        NX_ASSERT(slab->used_count > 0);
        *(void **)block = slab->free_first;
        slab->free_first = block;
        slab->used_count--;
    }
}

uint64_t gw_slab_bytes(const struct gw_slab *slab)
{
    return slab->total_count == 0 ? 0 : (uint64_t)slab->total_count / slab->slab_blocks * slab_size(slab);
}
