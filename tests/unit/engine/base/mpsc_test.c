/* Goal: many producers, one consumer: every item once, each producer's in its order; ThreadSanitizer sees no race. */
#include "engine/base/mpsc.h"
#include "tests/lib/check.h"

#include <pthread.h>
#include <sched.h>

enum { PRODUCERS = 3, ITEMS = 60000 };

struct item {
    uint32_t producer;
    uint32_t number;
    uint32_t check;
};

struct context {
    struct nx_mpsc *queue;
    uint32_t producer;
};

static void *produce(void *argument)
{
    const struct context *context = argument;
    for (uint32_t n = 0; n < ITEMS; n++) {
        const struct item item = {context->producer, n, n * 31 + context->producer};
        while (!nx_mpsc_push(context->queue, &item)) {
            sched_yield();
        }
    }
    return NULL;
}

static void run(uint32_t capacity)
{
    static uint64_t memory[64 * 3];
    struct nx_mpsc queue;
    CHECK(nx_mpsc_size_needed(sizeof(struct item), capacity) <= sizeof(memory), "fits");
    nx_mpsc_init(&queue, memory, sizeof(struct item), capacity);
    pthread_t threads[PRODUCERS];
    struct context contexts[PRODUCERS];
    for (uint32_t p = 0; p < PRODUCERS; p++) {
        contexts[p] = (struct context){&queue, p};
        CHECK(pthread_create(&threads[p], NULL, produce, &contexts[p]) == 0, "thread");
    }
    uint32_t next[PRODUCERS] = {0};
    for (int i = 0; i < PRODUCERS * ITEMS; i++) {
        struct item item;
        while (!nx_mpsc_pop(&queue, &item)) {
            sched_yield();
        }
        CHECK(item.producer < PRODUCERS && item.number == next[item.producer], "order of item %d", i);
        CHECK(item.check == item.number * 31 + item.producer, "item %d whole", i);
        next[item.producer]++;
    }
    for (int p = 0; p < PRODUCERS; p++) {
        pthread_join(threads[p], NULL);
    }
    CHECK(nx_mpsc_is_empty(&queue), "empty again");
}

TEST(mpsc, passes_everything_from_many_threads)
{
    run(2);
    run(64);
}

TEST(mpsc, is_full_at_its_capacity)
{
    uint64_t memory[8];
    struct nx_mpsc queue;
    CHECK(nx_mpsc_size_needed(sizeof(void *), 4) == sizeof(memory), "size");
    nx_mpsc_init(&queue, memory, sizeof(void *), 4);
    for (int round = 0; round < 3; round++) {
        int targets[5];
        for (int i = 0; i < 4; i++) {
            int *pointer = &targets[i];
            CHECK(nx_mpsc_push(&queue, &pointer), "push %d", i);
        }
        int *pointer = &targets[4];
        CHECK(!nx_mpsc_push(&queue, &pointer), "full");
        for (int i = 0; i < 4; i++) {
            CHECK(!nx_mpsc_is_empty(&queue) && nx_mpsc_pop(&queue, &pointer) && pointer == &targets[i],
                  "pop %d", i);
        }
        CHECK(!nx_mpsc_pop(&queue, &pointer) && pointer == &targets[3], "empty, item untouched");
    }
}
