/* Goal: turns keep their order and their budget, timers fire in time, opening fails with a clear line.
 * Method: tasks and timers write what they did into a list; the clock is the real one, so bounds are generous. */
#include "engine/io/loop_uring.h"
#include "engine/io/mem.h"
#include "engine/io/uring.h"
#include "tests/unit/engine/io/fixture.h"

#include <stdlib.h>
#include <sys/resource.h>

static char order[4096];
static size_t order_size;

static void note(char what)
{
    if (order_size < sizeof(order) - 1) {
        order[order_size++] = what;
        order[order_size] = 0;
    }
}

struct noting {
    struct nx_loop_task task;
    struct nx_loop *loop;
    char name;
    int more; /* runs left after this one */
    struct noting *wakes;
};

static bool noting_run(void *context)
{
    struct noting *n = context;
    note(n->name);
    if (n->wakes != NULL) {
        nx_loop_task_wake(n->loop, &n->wakes->task);
    }
    return n->more-- > 0;
}

static const struct nx_loop_config small = {.streams_max = 16, .receive_buffers_count = 16};

TEST(loop, tasks_run_by_class_and_once_per_turn)
{
    struct nx_loop *loop = fixture_loop(&small);
    struct noting n[5] = {
        {.name = 'b', .more = 1}, {.name = 'p'}, {.name = 'm'}, {.name = 'B'}, {.name = 'x'}};
    const enum nx_loop_class classes[5] = {NX_LOOP_BULK, NX_LOOP_PRIORITY, NX_LOOP_MEDIA, NX_LOOP_BULK,
                                           NX_LOOP_PRIORITY};
    order_size = 0;
    for (int i = 0; i < 5; i++) {
        n[i].loop = loop;
        nx_loop_task_init(&n[i].task, classes[i], noting_run, &n[i]);
    }
    n[2].wakes = &n[4]; /* media wakes priority: still this turn */
    n[3].wakes = &n[2]; /* bulk wakes media: next turn */
    for (int i = 0; i < 4; i++) {
        nx_loop_task_wake(loop, &n[i].task);
        nx_loop_task_wake(loop, &n[i].task);
    }
    nx_loop_turn(loop, nx_clock_now());
    CHECK(strcmp(order, "mpxbB") == 0, "first turn: %s", order);
    nx_loop_turn(loop, nx_clock_now());
    CHECK(strcmp(order, "mpxbBmxb") == 0, "second turn: %s", order);
    nx_loop_turn(loop, nx_clock_now());
    CHECK(strcmp(order, "mpxbBmxb") == 0, "all asleep: %s", order);
    nx_loop_task_wake(loop, &n[0].task);
    nx_loop_task_sleep(loop, &n[0].task);
    nx_loop_turn(loop, nx_clock_now());
    CHECK(strcmp(order, "mpxbBmxb") == 0, "sleep takes the wake back: %s", order);
    nx_loop_close(loop);
}

struct busy {
    struct nx_loop *loop;
    uint64_t runs;
};

static bool busy_run(void *context)
{
    struct busy *busy = context;
    busy->runs++;
    while (!nx_loop_slice_over(busy->loop)) {
    }
    return true;
}

static bool tick_run(void *context)
{
    (*(uint64_t *)context)++;
    return true;
}

TEST(loop, endless_bulk_work_is_cut_and_delays_others_by_a_slice)
{
    struct nx_loop *loop = fixture_loop(&small);
    struct busy busy[2] = {{.loop = loop}, {.loop = loop}};
    struct nx_loop_task tasks[3];
    uint64_t ticks = 0;
    nx_loop_task_init(&tasks[0], NX_LOOP_BULK, busy_run, &busy[0]);
    nx_loop_task_init(&tasks[1], NX_LOOP_BULK, busy_run, &busy[1]);
    nx_loop_task_init(&tasks[2], NX_LOOP_PRIORITY, tick_run, &ticks);
    for (int i = 0; i < 3; i++) {
        nx_loop_task_wake(loop, &tasks[i]);
    }
    for (int i = 0; i < 40; i++) {
        nx_loop_turn(loop, NX_TIME_NEVER);
    }
    CHECK(ticks == 40, "the priority task ran %llu times in 40 turns", (unsigned long long)ticks);
    CHECK(busy[0].runs >= 15 && busy[1].runs >= 15, "bulk tasks take turns: %llu %llu",
          (unsigned long long)busy[0].runs, (unsigned long long)busy[1].runs);
    CHECK(busy[0].runs + busy[1].runs == 40, "one of them fills a slice");
    CHECK(nx_loop_stats(loop)->slices_cut == 40, "%llu cut",
          (unsigned long long)nx_loop_stats(loop)->slices_cut);
    nx_loop_close(loop);
}

struct noting_timer {
    struct nx_timer timer;
    struct nx_loop *loop;
    char name;
    nx_time set_to;
    int again;
    struct nx_timer *cancels;
};

static void timer_due(void *context)
{
    struct noting_timer *t = context;
    CHECK(!nx_time_before(nx_loop_now(t->loop), t->set_to), "early");
    note(t->name);
    if (t->again-- > 0) {
        t->set_to = nx_time_add_ms(nx_loop_now(t->loop), -5);
        nx_timer_set(t->loop, &t->timer, t->set_to);
    }
    if (t->cancels != NULL) {
        nx_timer_cancel(t->loop, t->cancels);
    }
}

TEST(loop, timers_fire_in_order_never_early_and_can_be_cancelled)
{
    struct nx_loop *loop = fixture_loop(&small);
    static const int delays[6] = {30, 10, 20, 5, 40, 15};
    struct noting_timer t[6] = {{.name = 'a'}};
    order_size = 0;
    nx_loop_turn(loop, nx_clock_now());
    for (int i = 0; i < 6; i++) {
        t[i] = (struct noting_timer){.name = (char)('a' + i), .loop = loop};
        nx_timer_init(&t[i].timer, timer_due, &t[i]);
        CHECK(!nx_timer_is_set(&t[i].timer), "not set yet");
        t[i].set_to = nx_time_add_ms(nx_loop_now(loop), delays[i]);
        nx_timer_set_ms(loop, &t[i].timer, delays[i]);
    }
    t[2].cancels = &t[4].timer;
    const uint64_t enters = nx_loop_stats(loop)->enters;
    FIXTURE_UNTIL(loop, order_size >= 5);
    nx_loop_turn(loop, nx_time_add_ms(nx_clock_now(), 50));
    CHECK(strcmp(order, "dbfca") == 0, "%s", order);
    CHECK(nx_loop_stats(loop)->enters - enters < 40, "waits instead of spinning");
    /* Set into the past: next turn, once per turn. */
    order_size = 0;
    t[0].again = 3;
    t[0].set_to = nx_time_add_ms(nx_loop_now(loop), -5);
    nx_timer_set(loop, &t[0].timer, t[0].set_to);
    nx_loop_turn(loop, nx_clock_now());
    CHECK(order_size == 1, "%zu fired in one turn", order_size);
    nx_loop_turn(loop, nx_clock_now());
    CHECK(order_size == 2, "%zu fired in two turns", order_size);
    nx_loop_close(loop);
}

static void stop_due(void *context)
{
    nx_loop_stop(context);
}

TEST(loop, runs_until_it_is_stopped)
{
    struct nx_loop *loop = fixture_loop(&small);
    struct nx_timer timer;
    nx_timer_init(&timer, stop_due, loop);
    nx_timer_set_ms(loop, &timer, 5);
    nx_loop_run(loop);
    CHECK(nx_loop_wall_ms(loop) > 1600000000000, "wall clock");
    nx_loop_close(loop);
}

TEST(loop, waits_no_longer_than_asked)
{
    struct nx_loop *loop = fixture_loop(&small);
    const nx_time start = nx_clock_now();
    for (int i = 0; i < 4; i++) {
        nx_loop_turn(loop, nx_time_add_ms(nx_clock_now(), 10));
    }
    const int64_t waited = nx_time_since_ns(nx_clock_now(), start);
    CHECK(waited >= 30 * NX_TIME_NS_PER_MS && waited < 2000ll * NX_TIME_NS_PER_MS, "%lld ns",
          (long long)waited);
    nx_loop_close(loop);
}

TEST(loop, opening_without_memory_fails_cleanly)
{
    char why[NX_LOOP_WHY_SIZE];
    const struct nx_loop_config config = {.streams_max = 16, .receive_buffers_count = 16, .cpu = -1};
    const uint64_t before = nx_mem_stats().slab_bytes;
    uint64_t n = 1;
    for (;; n++) {
        struct nx_loop *loop = NULL;
        why[0] = 0;
        nx_mem_fail_at(n);
        const enum nx_err err = nx_loop_open(&loop, &config, why);
        nx_mem_fail_at(0);
        if (err == NX_OK) {
            nx_loop_close(loop);
            break;
        }
        CHECK(err == NX_E_NO_MEMORY && why[0] != 0 && loop == NULL, "allocation %llu: %s",
              (unsigned long long)n, why);
    }
    CHECK(n >= 5, "%llu allocations", (unsigned long long)n);
    CHECK(nx_mem_stats().slab_bytes == before, "everything given back");
    CHECK(nx_mem_stats().takes - nx_mem_stats().takes_failed <= nx_mem_stats().gives + n,
          "pieces given back");
}

TEST(loop, says_why_it_cannot_open)
{
    char why[NX_LOOP_WHY_SIZE] = "";
    CHECK(nx_uring_explain(ENOSYS, why, sizeof(why)) == NX_E_UNSUPPORTED && strstr(why, "6.1") != NULL, "%s",
          why);
    CHECK(nx_uring_explain(EPERM, why, sizeof(why)) == NX_E_UNSUPPORTED && strstr(why, "seccomp") != NULL,
          "%s", why);
    CHECK(nx_uring_explain(EINVAL, why, sizeof(why)) == NX_E_UNSUPPORTED && strstr(why, "too old") != NULL,
          "%s", why);
    CHECK(nx_uring_explain(ENOMEM, why, sizeof(why)) == NX_E_NO_MEMORY && strstr(why, "memlock") != NULL,
          "%s", why);
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0, "limit");
    if (limit.rlim_max < 900000) {
        struct nx_loop *loop = NULL;
        const struct nx_loop_config config = {.streams_max = 1000000, .cpu = -1};
        why[0] = 0;
        CHECK(nx_loop_open(&loop, &config, why) == NX_E_FULL && strstr(why, "LimitNOFILE") != NULL, "%s",
              why);
    }
}
