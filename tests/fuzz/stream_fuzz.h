/* stream_fuzz.h - engine/io for one connection of a fuzz target: the target feeds its bytes, sees what is committed and runs
 * timers and tasks when it likes. Stands in for stream.h, loop.h, timer.h and clock.h.
 *
 * Layer:   tests
 */
#ifndef TESTS_FUZZ_STREAM_H
#define TESTS_FUZZ_STREAM_H

#include "engine/io/clock.h"
#include "engine/io/stream.h"
#include "engine/io/timer.h"
#include "tests/fuzz/fuzz.h"

enum { FAKE_TIMERS_MAX = 8, FAKE_TASKS_MAX = 4 };

static struct {
    struct nx_stream *stream; /* open, or NULL */
    uint8_t slab[NX_STREAM_RESERVE_MAX];
    size_t reserved;
    size_t committed; /* of this slice */
    size_t taken_max; /* what the kernel takes of one commit */
    bool is_closing;  /* nx_stream_close() was called */
    bool is_blocked;  /* the last commit was not taken whole */
    int64_t now_ns;
    struct nx_timer *timers[FAKE_TIMERS_MAX];
    int64_t delays_ms[FAKE_TIMERS_MAX];
    struct nx_loop_task *tasks[FAKE_TASKS_MAX];
    void (*committed_see)(struct nx_bytes bytes); /* what was taken; may be NULL */
} fake;

static void fake_reset(void)
{
    memset(&fake, 0, sizeof(fake));
    fake.now_ns = NX_TIME_NS_PER_S;
    fake.taken_max = SIZE_MAX;
}

static bool fake_is_open(void)
{
    return fake.stream != NULL && !fake.is_closing;
}

/* Ends the slice: what was committed is taken, in part or whole. */
static void fake_slice(void)
{
    if (fake.stream == NULL || fake.committed == 0) {
        return;
    }
    const size_t taken = fake.committed < fake.taken_max ? fake.committed : fake.taken_max;
    fake.is_blocked = taken < fake.committed;
    fake.committed = 0;
    fake.stream->committed_size = 0;
    if (fake.committed_see != NULL) {
        fake.committed_see(nx_bytes_of(fake.slab, taken));
    }
    if (!fake.is_closing) {
        fake.stream->on->sent(fake.stream->context, taken);
    }
}

/* Runs every task that is awake, and takes what they commit, until all is quiet; a blocked stream becomes writable. */
static void fake_settle(void)
{
    for (int turns = 0; turns < 1 << 18; turns++) {
        bool was_busy = fake.committed != 0;
        fake_slice();
        for (size_t i = 0; i < FAKE_TASKS_MAX; i++) {
            struct nx_loop_task *task = fake.tasks[i];
            if (task != NULL && task->is_awake) {
                was_busy = true;
                task->is_awake = task->run(task->context);
            }
        }
        if (fake_is_open() && fake.is_blocked) {
            was_busy = true;
            fake.is_blocked = false;
            fake.stream->on->writable(fake.stream->context);
        }
        if (!was_busy) {
            return;
        }
    }
    fuzz_check(false, "it comes to rest");
}

/* Feeds `bytes` in memory of their own size. */
static void fake_feed(struct nx_bytes bytes)
{
    if (fake_is_open() && bytes.size != 0) {
        uint8_t *copy = fuzz_copy(bytes);
        fake.stream->on->data(fake.stream->context, copy, bytes.size);
        free(copy);
    }
}

static void fake_connected(void)
{
    if (fake_is_open()) {
        fake.stream->on->connected(fake.stream->context);
    }
}

/* Fires the timer that was set `index`th, when it is set. */
static void fake_fire(size_t index)
{
    struct nx_timer *timer = fake.timers[index % FAKE_TIMERS_MAX];
    if (timer != NULL) {
        fake.now_ns += fake.delays_ms[index % FAKE_TIMERS_MAX] * NX_TIME_NS_PER_MS;
        fake.timers[index % FAKE_TIMERS_MAX] = NULL;
        timer->on_due(timer->context);
    }
}

/* Ends the stream, by us or by the other side. */
static void fake_end(enum nx_err why)
{
    if (fake.stream != NULL) {
        struct nx_stream *stream = fake.stream;
        fake.stream = NULL;
        fake.is_closing = fake.is_blocked = false;
        fake.committed = 0;
        stream->on->closed(stream->context, why);
    }
}

/* ---- engine/io ---- */

static enum nx_err fake_open(struct nx_stream *stream, struct nx_loop *loop,
                             const struct nx_stream_events *on, void *context)
{
    fuzz_check(fake.stream == NULL, "one stream at a time");
    *stream = (struct nx_stream){.on = on, .context = context, .loop = loop};
    fake.stream = stream;
    fake.is_closing = fake.is_blocked = false;
    fake.committed = fake.reserved = 0;
    return NX_OK;
}

enum nx_err nx_stream_connect(struct nx_stream *stream, struct nx_loop *loop, const struct nx_endpoint *where,
                              const struct nx_addr *source, const struct nx_stream_events *on, void *context)
{
    (void)where;
    (void)source;
    return fake_open(stream, loop, on, context);
}

enum nx_err nx_stream_accept(struct nx_stream *stream, struct nx_loop *loop, struct nx_accepted *accepted,
                             const struct nx_stream_events *on, void *context)
{
    (void)accepted;
    return fake_open(stream, loop, on, context);
}

uint8_t *nx_stream_reserve(struct nx_stream *stream, size_t size)
{
    fuzz_check(stream == fake.stream && size != 0 && size <= NX_STREAM_RESERVE_MAX, "reserve");
    if (fake.is_closing || fake.is_blocked || fake.committed != 0) {
        return NULL;
    }
    fake.reserved = size;
    return fake.slab;
}

void nx_stream_commit(struct nx_stream *stream, size_t size)
{
    fuzz_check(stream == fake.stream && size != 0 && size <= fake.reserved, "commit");
    fake.committed = size;
    fake.reserved = 0;
    stream->committed_size = (uint32_t)size;
}

bool nx_stream_is_blocked(const struct nx_stream *stream)
{
    (void)stream;
    return fake.is_blocked;
}

void nx_stream_pause(struct nx_stream *stream, bool is_paused)
{
    (void)stream;
    (void)is_paused;
}

void nx_stream_close(struct nx_stream *stream)
{
    fuzz_check(stream == fake.stream, "close");
    fake.is_closing = true;
}

void nx_loop_task_init(struct nx_loop_task *task, enum nx_loop_class class, bool (*run)(void *context),
                       void *context)
{
    task->run = run;
    task->context = context;
    task->class = class;
    for (size_t i = 0; i < FAKE_TASKS_MAX; i++) {
        if (fake.tasks[i] == NULL || fake.tasks[i] == task) {
            fake.tasks[i] = task;
            return;
        }
    }
    fuzz_check(false, "tasks");
}

void nx_loop_task_wake(struct nx_loop *loop, struct nx_loop_task *task)
{
    (void)loop;
    task->is_awake = true;
}

void nx_loop_task_sleep(struct nx_loop *loop, struct nx_loop_task *task)
{
    (void)loop;
    task->is_awake = false;
}

uint32_t nx_loop_slice_left(const struct nx_loop *loop)
{
    (void)loop;
    return fake.committed == 0 ? 1 : 0;
}

void nx_timer_init(struct nx_timer *timer, void (*on_due)(void *context), void *context)
{
    timer->on_due = on_due;
    timer->context = context;
}

void nx_timer_cancel(struct nx_loop *loop, struct nx_timer *timer)
{
    (void)loop;
    for (size_t i = 0; i < FAKE_TIMERS_MAX; i++) {
        fake.timers[i] = fake.timers[i] == timer ? NULL : fake.timers[i];
    }
}

void nx_timer_set_ms(struct nx_loop *loop, struct nx_timer *timer, int64_t delay_ms)
{
    fuzz_check(delay_ms >= 0, "a pause is not negative");
    nx_timer_cancel(loop, timer);
    for (size_t i = 0; i < FAKE_TIMERS_MAX; i++) {
        if (fake.timers[i] == NULL) {
            fake.timers[i] = timer;
            fake.delays_ms[i] = delay_ms;
            return;
        }
    }
    fuzz_check(false, "timers");
}

nx_time nx_clock_now(void)
{
    return (nx_time){fake.now_ns};
}

#endif
