/* Goal: the map agrees with a plain array under 10^6 random operations, at the cap too, and removal leaves no trace.
 * Method: keys are drawn from a small set so that runs form, wrap around the end and are cut everywhere. */
#include "engine/base/map.h"
#include "engine/base/prng.h"
#include "tests/lib/check.h"

#include <stdlib.h>

enum { KEYS = 97 };

static void run_against_array(uint32_t capacity, uint64_t seed)
{
    void *memory = malloc(nx_map_size_needed(capacity));
    struct nx_map map;
    nx_map_init(&map, memory, capacity, seed);
    bool is_in[KEYS] = {0};
    uint32_t values[KEYS] = {0};
    uint32_t count = 0;
    struct nx_prng prng;
    nx_prng_init(&prng, seed);
    for (int step = 0; step < 100000; step++) {
        const size_t k = (size_t)nx_prng_below(&prng, KEYS);
        const uint64_t key = k * 0x100000001ULL;
        uint32_t value = 12345;
        switch (nx_prng_below(&prng, 3)) {
        case 0: {
            const bool fits = is_in[k] || count < capacity;
            CHECK(nx_map_put(&map, key, (uint32_t)step) == (fits ? NX_OK : NX_E_FULL), "put %d", step);
            if (fits) {
                count += !is_in[k];
                is_in[k] = true;
                values[k] = (uint32_t)step;
            }
            break;
        }
        case 1:
            CHECK(nx_map_remove(&map, key) == is_in[k], "remove %d", step);
            count -= is_in[k];
            is_in[k] = false;
            break;
        default:
            CHECK(nx_map_get(&map, key, &value) == is_in[k], "get %d", step);
            CHECK(value == (is_in[k] ? values[k] : 12345), "value %d", step);
        }
        CHECK(nx_map_count(&map) == count, "count %d", step);
    }
    uint32_t cursor = 0;
    uint64_t key;
    uint32_t value;
    while (nx_map_next(&map, &cursor, &key, &value)) {
        const size_t k = (size_t)(key / 0x100000001ULL);
        CHECK(is_in[k] && values[k] == value, "iterated key %zu", k);
        is_in[k] = false;
        count--;
    }
    CHECK(count == 0, "%u keys not iterated", count);
    nx_map_clear(&map);
    CHECK(nx_map_count(&map) == 0 && !nx_map_get(&map, 0, NULL), "cleared");
    free(memory);
}

TEST(map, agrees_with_an_array)
{
    const uint32_t capacities[] = {1, 2, 3, 5, 12, 48, 96, 97, 200};
    for (uint64_t i = 0; i < sizeof(capacities) / sizeof(capacities[0]); i++) {
        run_against_array(capacities[i], i);
    }
}

TEST(map, size_needed_leaves_room_and_is_not_wasteful)
{
    for (uint32_t capacity = 1; capacity < 5000; capacity++) {
        const size_t slots = nx_map_size_needed(capacity) / 16;
        CHECK(slots * 3 >= (size_t)capacity * 4 && slots > capacity, "capacity %u has %zu slots", capacity,
              slots);
        CHECK(slots <= (size_t)capacity * 8 / 3 + 2, "capacity %u has %zu slots", capacity, slots);
    }
}

TEST(map, holds_its_whole_capacity)
{
    const uint32_t capacity = 3 << 14;
    void *memory = malloc(nx_map_size_needed(capacity));
    struct nx_map map;
    nx_map_init(&map, memory, capacity, 77);
    for (uint64_t key = 0; key < capacity; key++) {
        CHECK(nx_map_put(&map, key << 22, (uint32_t)key) == NX_OK, "put %llu", (unsigned long long)key);
    }
    CHECK(nx_map_put(&map, 1, 1) == NX_E_FULL, "one too many");
    for (uint64_t key = 0; key < capacity; key++) {
        uint32_t value = 0;
        CHECK(nx_map_get(&map, key << 22, &value) && value == key, "get %llu", (unsigned long long)key);
    }
    free(memory);
}
