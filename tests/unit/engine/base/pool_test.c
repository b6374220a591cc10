/* Goal: handles find their slot and nothing else, before and after growing, whatever bits they have.
 * Method: a random run against an array of what was taken; under AddressSanitizer free slots are poisoned. */
#include "engine/base/pool.h"
#include "engine/base/prng.h"
#include "tests/lib/check.h"

#include <stdlib.h>
#include <string.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define IS_POISONED(at)    (__asan_address_is_poisoned(at) != 0)
#define UNPOISON(at, size) __asan_unpoison_memory_region((at), (size))
static const bool can_poison = true;
#else
#define IS_POISONED(at)    ((void)(at), false)
#define UNPOISON(at, size) ((void)(at), (void)(size))
static const bool can_poison = false;
#endif

enum { SLAB_SLOTS = 8, SLABS = 4, SLOT_SIZE = 40 };

TEST(pool, agrees_with_an_array_while_it_grows)
{
    const size_t size = nx_pool_size_needed(SLOT_SIZE, SLAB_SLOTS);
    void *memory[SLABS];
    struct nx_pool pool;
    nx_pool_init(&pool, SLOT_SIZE, SLAB_SLOTS);
    nx_handle taken[SLAB_SLOTS * SLABS];
    void *slots[SLAB_SLOTS * SLABS];
    nx_handle stale[64];
    memset(stale, 0, sizeof(stale));
    uint32_t count = 0;
    uint32_t slabs = 0;
    struct nx_prng prng;
    nx_prng_init(&prng, 5);
    for (int step = 0; step < 20000; step++) {
        if (nx_prng_below(&prng, 2) == 0) {
            nx_handle handle = {99, 99};
            void *slot = nx_pool_take(&pool, &handle);
            CHECK((slot == NULL) == (count == slabs * SLAB_SLOTS), "take at %d", step);
            if (slot == NULL) {
                CHECK(handle.index == 99, "handle untouched");
                if (slabs < SLABS) {
                    memory[slabs] = aligned_alloc(NX_POOL_ALIGNMENT, size);
                    CHECK(nx_pool_grow(&pool, memory[slabs], size) == NX_OK, "grow");
                    slabs++;
                }
            } else {
                CHECK((uintptr_t)slot % NX_POOL_ALIGNMENT == 0 && !IS_POISONED(slot), "aligned and open");
                memset(slot, (int)(count & 0x7f), SLOT_SIZE);
                taken[count] = handle;
                slots[count++] = slot;
            }
        } else if (count > 0) {
            const uint32_t i = (uint32_t)nx_prng_below(&prng, count);
            stale[step % 64] = taken[i];
            nx_pool_give(&pool, taken[i]);
            CHECK(IS_POISONED(slots[i]) == can_poison, "closed");
            taken[i] = taken[--count];
            slots[i] = slots[count];
        }
        CHECK(nx_pool_count(&pool) == count && nx_pool_capacity(&pool) == slabs * SLAB_SLOTS, "counts at %d",
              step);
        for (uint32_t i = 0; i < count; i++) {
            CHECK(nx_pool_lookup(&pool, taken[i]) == slots[i], "found at %d", step);
            CHECK(nx_handle_equal(nx_handle_unpack(nx_handle_pack(taken[i])), taken[i]), "packs");
        }
        for (uint32_t i = 0; i < 64; i++) {
            CHECK(nx_pool_lookup(&pool, stale[i]) == NULL, "stale at %d", step);
        }
    }
    uint32_t cursor = 0;
    uint32_t seen = 0;
    nx_handle handle;
    void *slot;
    while ((slot = nx_pool_next(&pool, &cursor, &handle)) != NULL) {
        CHECK(nx_pool_lookup(&pool, handle) == slot, "walked");
        nx_pool_give(&pool, handle);
        seen++;
    }
    CHECK(seen == count && nx_pool_count(&pool) == 0 && pool.used_peak == SLAB_SLOTS * SLABS, "walked all");
    for (uint32_t i = 0; i < slabs; i++) {
        UNPOISON(memory[i], size);
        free(memory[i]);
    }
}

TEST(pool, forged_handles_find_nothing)
{
    const size_t size = nx_pool_size_needed(8, 2);
    void *memory = aligned_alloc(NX_POOL_ALIGNMENT, size);
    struct nx_pool pool;
    nx_pool_init(&pool, 8, 2);
    CHECK(nx_pool_lookup(&pool, (nx_handle){0, 1}) == NULL, "no slab");
    CHECK(nx_pool_grow(&pool, memory, size - 1) == NX_E_NO_MEMORY, "too small");
    CHECK(nx_pool_grow(&pool, memory, size) == NX_OK, "grown");
    nx_handle handle;
    CHECK(nx_pool_take(&pool, &handle) != NULL && !nx_handle_is_none(handle), "taken");
    for (uint32_t generation = 0; generation < 5; generation++) {
        for (uint32_t index = 0; index < 5; index++) {
            const nx_handle forged = {index, generation};
            CHECK((nx_pool_lookup(&pool, forged) != NULL) == nx_handle_equal(forged, handle), "%u %u", index,
                  generation);
        }
    }
    CHECK(nx_pool_lookup(&pool, (nx_handle){UINT32_MAX, UINT32_MAX}) == NULL, "far away");
    CHECK(nx_pool_lookup(&pool, NX_HANDLE_NONE) == NULL, "none");
    UNPOISON(memory, size);
    free(memory);
}

TEST(pool, grows_to_its_cap_only)
{
    const size_t size = nx_pool_size_needed(16, 1);
    void *memory = aligned_alloc(NX_POOL_ALIGNMENT, size * (NX_POOL_SLABS_MAX + 1));
    struct nx_pool pool;
    nx_pool_init(&pool, 16, 1);
    for (size_t i = 0; i < NX_POOL_SLABS_MAX; i++) {
        CHECK(nx_pool_grow(&pool, (uint8_t *)memory + i * size, size) == NX_OK, "slab %zu", i);
    }
    CHECK(nx_pool_grow(&pool, (uint8_t *)memory + NX_POOL_SLABS_MAX * size, size) == NX_E_FULL,
          "one too many");
    UNPOISON(memory, size * (NX_POOL_SLABS_MAX + 1));
    free(memory);
}
