/* Goal: first in, first out at every fill level and every place of the wrap. */
#include "engine/base/prng.h"
#include "engine/base/ring.h"
#include "tests/lib/check.h"

TEST(ring, is_a_queue_at_every_wrap)
{
    for (uint32_t capacity = 1; capacity <= 9; capacity++) {
        uint64_t memory[9];
        struct nx_ring ring;
        nx_ring_init(&ring, memory, sizeof(memory[0]), capacity);
        CHECK(nx_ring_size_needed(sizeof(memory[0]), capacity) == capacity * 8, "size");
        struct nx_prng prng;
        nx_prng_init(&prng, capacity);
        uint64_t pushed = 0;
        uint64_t popped = 0;
        for (int step = 0; step < 2000; step++) {
            if (nx_prng_below(&prng, 2) == 0) {
                uint64_t *slot = nx_ring_push(&ring);
                CHECK((slot == NULL) == (pushed - popped == capacity), "push when full only fails");
                if (slot != NULL) {
                    *slot = pushed++;
                }
            } else {
                const uint64_t *slot = nx_ring_pop(&ring);
                CHECK((slot == NULL) == (pushed == popped), "pop when empty only fails");
                CHECK(slot == NULL || *slot == popped, "in order");
                popped += slot != NULL;
            }
            CHECK(nx_ring_count(&ring) == pushed - popped, "count");
            CHECK(nx_ring_is_full(&ring) == (pushed - popped == capacity), "full");
            for (uint32_t i = 0; i < pushed - popped; i++) {
                CHECK(*(uint64_t *)nx_ring_at(&ring, i) == popped + i, "peek %u", i);
            }
            CHECK(nx_ring_at(&ring, nx_ring_count(&ring)) == NULL, "peek behind the end");
        }
    }
}
