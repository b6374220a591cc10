/* Goal: nothing is lost, doubled, torn or reordered between two threads; ThreadSanitizer sees no race.
 * Method: items carry a number and its check sum; queues are small so that full and empty happen all the time. */
#include "engine/base/spsc.h"
#include "tests/lib/check.h"

#include <pthread.h>
#include <sched.h>

struct item {
    uint64_t number;
    uint64_t check[2];
};

enum { ITEMS = 200000 };

static void *produce(void *context)
{
    struct nx_spsc *queue = context;
    for (uint64_t n = 0; n < ITEMS; n++) {
        if (n % 2 == 0) {
            const struct item item = {n, {~n, n * 31}};
            while (!nx_spsc_push(queue, &item)) {
                sched_yield();
            }
        } else {
            struct item *slot;
            while ((slot = nx_spsc_claim(queue)) == NULL) {
                sched_yield();
            }
            *slot = (struct item){n, {~n, n * 31}};
            nx_spsc_publish(queue);
        }
    }
    return NULL;
}

static void run(uint32_t capacity)
{
    static struct item memory[64];
    struct nx_spsc queue;
    nx_spsc_init(&queue, memory, sizeof(struct item), capacity);
    pthread_t producer;
    CHECK(pthread_create(&producer, NULL, produce, &queue) == 0, "thread");
    for (uint64_t n = 0; n < ITEMS; n++) {
        struct item item;
        if (n % 3 == 0) {
            const struct item *front;
            while ((front = nx_spsc_front(&queue)) == NULL) {
                sched_yield();
            }
            item = *front;
            nx_spsc_release(&queue);
        } else {
            while (!nx_spsc_pop(&queue, &item)) {
                sched_yield();
            }
        }
        CHECK(item.number == n && item.check[0] == ~n && item.check[1] == n * 31, "item %llu",
              (unsigned long long)n);
    }
    pthread_join(producer, NULL);
    CHECK(nx_spsc_count(&queue) == 0 && nx_spsc_front(&queue) == NULL, "empty again");
}

TEST(spsc, passes_everything_between_two_threads)
{
    run(1);
    run(2);
    run(64);
}

TEST(spsc, is_full_at_its_capacity_also_when_the_indexes_wrap)
{
    uint32_t memory[4];
    struct nx_spsc queue;
    CHECK(nx_spsc_size_needed(4, 4) == sizeof(memory), "size");
    nx_spsc_init(&queue, memory, 4, 4);
    /* As after 2^32 - 2 items. */
    atomic_store(&queue.tail, 0xfffffffeU);
    atomic_store(&queue.head, 0xfffffffeU);
    queue.head_copy = 0xfffffffeU;
    queue.tail_copy = 0xfffffffeU;
    for (uint32_t i = 0; i < 4; i++) {
        CHECK(nx_spsc_count(&queue) == i && nx_spsc_push(&queue, &i), "push %u", i);
    }
    uint32_t item = 9;
    CHECK(!nx_spsc_push(&queue, &item) && nx_spsc_claim(&queue) == NULL, "full");
    for (uint32_t i = 0; i < 4; i++) {
        CHECK(nx_spsc_pop(&queue, &item) && item == i, "pop %u", i);
    }
    CHECK(!nx_spsc_pop(&queue, &item) && item == 3, "empty, item untouched");
}
