/* Goal: memory is accounted, sealed and can be made to fail; files, clocks and signals do what their headers say. */
#include "engine/io/clock.h"
#include "engine/io/cpu.h"
#include "engine/io/mem.h"
#include "tests/lib/check.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>

TEST(mem, slabs_are_on_the_bill)
{
    const uint64_t before = nx_mem_stats().slab_bytes;
    uint8_t *a = nx_mem_slab("test apples", 5000);
    uint8_t *b = nx_mem_slab("test pears", 1);
    uint8_t *c = nx_mem_slab("test apples", 4096);
    CHECK(a != NULL && b != NULL && c != NULL && a[4999] == 0 && (uintptr_t)a % 4096 == 0, "zeroed pages");
    CHECK(nx_mem_stats().slab_bytes - before == 8192 + 4096 + 4096, "rounded to pages");
    uint64_t apples = 0;
    struct nx_mem_line line;
    for (size_t i = 0; nx_mem_bill(i, &line); i++) {
        if (strcmp(line.purpose, "test apples") == 0) {
            apples = line.bytes;
        }
    }
    CHECK(apples == 12288, "%llu", (unsigned long long)apples);
    nx_mem_slab_give("test apples", a, 5000);
    nx_mem_slab_give("test pears", b, 1);
    nx_mem_slab_give("test apples", c, 4096);
    nx_mem_slab_give("test apples", NULL, 1);
    CHECK(nx_mem_stats().slab_bytes == before, "given back");
}

TEST(mem, the_nth_one_fails_once)
{
    for (uint64_t n = 1; n <= 3; n++) {
        nx_mem_fail_at(n);
        for (uint64_t i = 1; i <= 4; i++) {
            void *piece = i % 2 != 0 ? nx_mem_take(10) : nx_mem_slab("test", 10);
            CHECK((piece == NULL) == (i == n), "n %llu i %llu", (unsigned long long)n, (unsigned long long)i);
            if (i % 2 != 0) {
                nx_mem_give(piece);
            } else {
                nx_mem_slab_give("test", piece, 10);
            }
        }
    }
}

TEST(mem, the_seal_counts_outside_of_allowed_scopes)
{
    nx_mem_seal(true);
    nx_mem_allow(true);
    nx_mem_allow(true);
    nx_mem_allow(false);
    void *piece = nx_mem_take(1);
    nx_mem_allow(false);
    CHECK(piece != NULL && nx_mem_stats().takes_sealed == 0, "allowed");
#ifdef NDEBUG
    void *other = nx_mem_take(1);
    CHECK(other != NULL && nx_mem_stats().takes_sealed == 1, "counted");
    nx_mem_give(other);
#endif
    nx_mem_seal(false);
    nx_mem_give(piece);
    nx_mem_give(NULL);
}

TEST(clock, goes_forward)
{
    const nx_time a = nx_clock_now();
    const nx_time b = nx_clock_now();
    CHECK(!nx_time_before(b, a), "monotonic");
    CHECK(nx_clock_wall_ms() > 1600000000000, "wall");
}

static void *pin_all(void *context)
{
    (void)context;
    const uint32_t count = nx_cpu_count();
    CHECK(count >= 1, "count");
    CHECK(nx_cpu_at(0) >= 0 && nx_cpu_at(count) == nx_cpu_at(0), "wraps around");
    const int last = nx_cpu_at(count - 1);
    CHECK(nx_cpu_pin(last) == NX_OK, "pin to %d", last);
    CHECK(sched_getcpu() == last && nx_cpu_count() == 1, "runs there");
    CHECK(nx_cpu_pin(-1) == NX_E_NOT_FOUND && nx_cpu_pin(1 << 20) == NX_E_NOT_FOUND, "no such processor");
    return NULL;
}

TEST(cpu, pins_a_thread)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, pin_all, NULL) == 0 && pthread_join(thread, NULL) == 0, "thread");
}
