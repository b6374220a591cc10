#include "engine/io/loop_uring.h"

#include "engine/base/assert.h"
#include "engine/io/clock.h"
#include "engine/io/cpu.h"
#include "engine/io/limits.h"
#include "engine/io/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define PURPOSE_SLOTS "loop slots"
#define PURPOSE_SLAB  "loop send slab"

enum {
    CLOCK_EVERY = 32,     /* completions dispatched between two looks at the clock */
    ADAPT_SENDS_MIN = 16, /* sends of a slice from which on its submission is timed */
};

/* ---- open and close ---- */

static void config_fill(struct nx_loop_config *c)
{
    c->streams_max = c->streams_max != 0 ? c->streams_max : NX_LOOP_STREAMS_MAX;
    c->receive_buffers_count =
        c->receive_buffers_count != 0 ? c->receive_buffers_count : NX_LOOP_RECEIVE_BUFFERS;
    c->receive_buffer_size =
        c->receive_buffer_size != 0 ? c->receive_buffer_size : NX_LOOP_RECEIVE_BUFFER_SIZE;
    c->slab_size = c->slab_size != 0 ? c->slab_size : NX_LOOP_SLAB_SIZE;
    c->slab_size = c->slab_size > NX_STREAM_RESERVE_MAX ? c->slab_size : NX_STREAM_RESERVE_MAX;
    c->slice_sends_max = c->slice_sends_max != 0 ? c->slice_sends_max : NX_LOOP_SLICE_SENDS_MAX;
    c->slice_us_max = c->slice_us_max != 0 ? c->slice_us_max : NX_LOOP_SLICE_US_MAX;
    c->slice_submit_us_max =
        c->slice_submit_us_max != 0 ? c->slice_submit_us_max : NX_LOOP_SLICE_SUBMIT_US_MAX;
    NX_ASSERT(c->streams_max <= NX_LOOP_STREAMS_CAP && c->slice_sends_max <= NX_LOOP_SLICE_SENDS_CAP);
    NX_ASSERT((c->receive_buffers_count & (c->receive_buffers_count - 1)) == 0 &&
              c->receive_buffers_count <= NX_LOOP_RECEIVE_BUFFERS_CAP);
}

static uint32_t power_of_two_from(uint32_t least, uint32_t value, uint32_t most)
{
    uint32_t power = least;
    while (power < value && power < most) {
        power *= 2;
    }
    return power;
}

static enum nx_err files_limit_raise(uint32_t streams_max, char why[NX_LOOP_WHY_SIZE])
{
    const rlim_t needed = (rlim_t)streams_max + NX_LOOP_SLOTS_EXTRA + NX_LOOP_FILES_SPARE;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return NX_OK;
    }
    if (needed > limit.rlim_max) {
        (void)snprintf(
            why, NX_LOOP_WHY_SIZE,
            "%u connections need %llu open files but the hard limit is %llu: raise it (ulimit -Hn, "
            "LimitNOFILE=) or lower the number of connections",
            streams_max, (unsigned long long)needed, (unsigned long long)limit.rlim_max);
        return NX_E_FULL;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    return NX_OK;
}

static size_t tables_size(const struct nx_loop *loop)
{
    return loop->slots_count * (sizeof(struct nx_loop_slot) + sizeof(uint32_t)) +
           2 * (size_t)loop->config.slice_sends_max * sizeof(struct nx_loop_commit);
}

static enum nx_err tables_open(struct nx_loop *loop, char why[NX_LOOP_WHY_SIZE])
{
    loop->slots_count = loop->config.streams_max + NX_LOOP_SLOTS_EXTRA;
    uint8_t *tables = nx_mem_slab(PURPOSE_SLOTS, tables_size(loop));
    loop->slab = nx_mem_slab(PURPOSE_SLAB, loop->config.slab_size);
    if (tables == NULL || loop->slab == NULL) {
        nx_mem_slab_give(PURPOSE_SLOTS, tables, tables_size(loop));
        (void)snprintf(why, NX_LOOP_WHY_SIZE, "no memory for the tables of %u connections",
                       loop->config.streams_max);
        return NX_E_NO_MEMORY;
    }
    NX_URING_POISON(loop->slab, loop->config.slab_size);
    loop->slice_sends = loop->config.slice_sends_max;
    loop->slots = (struct nx_loop_slot *)(void *)tables;
    tables += loop->slots_count * sizeof(struct nx_loop_slot);
    loop->commits = (struct nx_loop_commit *)(void *)tables;
    loop->resolved = loop->commits + loop->config.slice_sends_max;
    loop->done = (uint32_t *)(void *)(loop->resolved + loop->config.slice_sends_max);
    for (uint32_t i = 0; i < loop->slots_count; i++) {
        loop->slots[i].next = i + 1 < loop->slots_count ? i + 1 : NX_LOOP_SLOT_NONE;
        loop->slots[i].generation = 1;
        loop->slots[i].fd = -1;
    }
    loop->wants_first = NX_LOOP_SLOT_NONE;
    loop->wants_last = NX_LOOP_SLOT_NONE;
    return NX_OK;
}

static enum nx_err ring_open(struct nx_loop *loop, char why[NX_LOOP_WHY_SIZE])
{
    const uint32_t sq_entries =
        power_of_two_from(NX_LOOP_SQ_ENTRIES, loop->config.slice_sends_max * 2, 32768);
    const struct nx_uring_config config = {
        .sq_entries = sq_entries,
        .cq_entries =
            power_of_two_from(NX_LOOP_CQ_ENTRIES_MIN, loop->config.streams_max * 2, NX_LOOP_CQ_ENTRIES_MAX),
        .buffers_count = loop->config.receive_buffers_count,
        .buffer_size = loop->config.receive_buffer_size,
        .files_count = loop->slots_count,
        .is_6_1 = loop->config.features == NX_LOOP_FEATURES_6_1};
    const enum nx_err err = nx_uring_open(&loop->ring, &config, why, NX_LOOP_WHY_SIZE);
    if (err == NX_OK) {
        loop->stats.memory_bytes =
            sizeof(*loop) + tables_size(loop) + loop->config.slab_size +
            (uint64_t)config.buffers_count * (config.buffer_size + sizeof(struct io_uring_buf)) +
            (uint64_t)config.sq_entries * sizeof(struct io_uring_sqe) +
            (uint64_t)config.cq_entries * sizeof(struct io_uring_cqe);
    }
    return err;
}

static void tables_close(struct nx_loop *loop)
{
    if (loop->slab != NULL) {
        NX_URING_UNPOISON(loop->slab, loop->config.slab_size);
    }
    nx_mem_slab_give(PURPOSE_SLAB, loop->slab, loop->config.slab_size);
    nx_mem_slab_give(PURPOSE_SLOTS, loop->slots, tables_size(loop));
}

enum nx_err nx_loop_open(struct nx_loop **out, const struct nx_loop_config *config,
                         char why[NX_LOOP_WHY_SIZE])
{
    struct nx_loop *loop = nx_mem_take(sizeof(*loop));
    if (loop == NULL) {
        (void)snprintf(why, NX_LOOP_WHY_SIZE, "no memory for the loop");
        return NX_E_NO_MEMORY;
    }
    loop->config = *config;
    config_fill(&loop->config);
    enum nx_err err = files_limit_raise(loop->config.streams_max, why);
    if (err != NX_OK) {
        goto fail_loop;
    }
    err = tables_open(loop, why);
    if (err != NX_OK) {
        goto fail_tables;
    }
    loop->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (loop->wake_fd < 0) {
        (void)snprintf(why, NX_LOOP_WHY_SIZE, "no descriptor for wake-ups: %s", strerror(errno));
        err = NX_E_NO_MEMORY;
        goto fail_tables;
    }
    err = ring_open(loop, why);
    if (err != NX_OK) {
        goto fail_wake;
    }
    if (loop->config.cpu >= 0) {
        (void)!nx_cpu_pin(loop->config.cpu);
    }
    for (int class = 0; class < NX_LOOP_CLASSES_COUNT; class ++) {
        nx_list_init(&loop->tasks[class]);
    }
    nx_list_init(&loop->wakers);
    loop->now = nx_clock_now();
    loop->wall_ms = nx_clock_wall_ms();
    nx_wheel_init(&loop->wheel, loop->now);
    nx_timer_init(&loop->accept_retry, nx_listener_retry, loop);
    *out = loop;
    return NX_OK;
fail_wake:
    (void)close(loop->wake_fd);
fail_tables:
    tables_close(loop);
fail_loop:
    nx_mem_give(loop);
    return err;
}

void nx_loop_close(struct nx_loop *loop)
{
    nx_uring_close(&loop->ring);
    for (uint32_t i = 0; i < loop->slots_count; i++) {
        if (loop->slots[i].fd >= 0 && !loop->slots[i].is_fixed) {
            (void)close(loop->slots[i].fd);
        }
    }
    (void)close(loop->wake_fd);
    tables_close(loop);
    nx_mem_give(loop);
}

/* ---- the turn ---- */

static bool sends_are_used_up(const struct nx_loop *loop)
{
    return loop->commits_count >= loop->slice_sends;
}

/* While BULK work waits, a quarter of the slice is kept for it, so that many small answers cannot starve it. */
static bool dispatch_must_stop(const struct nx_loop *loop)
{
    const uint32_t kept = nx_list_is_empty(&loop->tasks[NX_LOOP_BULK]) ? 0 : loop->slice_sends / 4;
    return loop->commits_count + kept >= loop->slice_sends;
}

static bool slice_time_is_over(const struct nx_loop *loop)
{
    return nx_time_since_ns(nx_clock_now(), loop->now) >=
           (int64_t)loop->config.slice_us_max * NX_TIME_NS_PER_US;
}

/* Notes the sends that were not taken whole: their completions are among those of the last enter. */
static void sends_note(struct nx_loop *loop)
{
    const uint32_t ready = nx_uring_ready(&loop->ring);
    for (uint32_t i = nx_uring_fresh(&loop->ring); i < ready; i++) {
        const struct nx_uring_done done = nx_uring_peek(&loop->ring, i);
        if (done.tag.kind == NX_URING_SEND && done.tag.slot < loop->slots_count &&
            loop->slots[done.tag.slot].generation == done.tag.generation) {
            loop->slots[done.tag.slot].send_result = done.result;
        }
    }
}

/* Tells every commit of the submitted slice what became of it; owners may commit again from `sent`. */
static void commits_resolve(struct nx_loop *loop)
{
    struct nx_loop_commit *resolved = loop->commits;
    const uint32_t count = loop->commits_count;
    loop->commits = loop->resolved;
    loop->resolved = resolved;
    loop->commits_count = 0;
    loop->reserved_by = NULL;
    NX_URING_POISON(loop->slab, loop->slab_used);
    loop->slab_used = 0;
    loop->stats.sends += count;
    for (uint32_t i = 0; i < count; i++) {
        nx_stream_resolved(loop, resolved[i].stream);
    }
}

static void stale_drop(struct nx_loop *loop, const struct nx_uring_done *done)
{
    loop->stats.stale_completions++;
    if (done->has_buffer) {
        nx_uring_buffer_give(&loop->ring, done->buffer);
    }
    if (done->tag.kind == NX_URING_ACCEPT && done->result >= 0) {
        (void)close(done->result);
    }
}

static void dispatch(struct nx_loop *loop, const struct nx_uring_done *done)
{
    switch (done->tag.kind) {
    case NX_URING_NONE:
    case NX_URING_SEND:
        return;
    case NX_URING_WAKE:
        loop->is_wake_armed = false;
        nx_loop_waker_run(loop);
        return;
    case NX_URING_MAIL_LOST:
        nx_mailbox_lost(loop, &done->tag);
        return;
    default:
        break;
    }
    const uint32_t slot = done->tag.slot;
    if (slot >= loop->slots_count || loop->slots[slot].generation != done->tag.generation ||
        loop->slots[slot].owner == NULL) {
        stale_drop(loop, done);
        return;
    }
    switch (loop->slots[slot].kind) {
    case NX_LOOP_SLOT_STREAM:
        nx_stream_completed(loop, slot, done);
        break;
    case NX_LOOP_SLOT_LISTENER:
        nx_listener_completed(loop, slot, done);
        break;
    case NX_LOOP_SLOT_MAILBOX:
        nx_mailbox_completed(loop, slot);
        break;
    case NX_LOOP_SLOT_SIGNAL:
        nx_signal_completed(loop, slot, done);
        break;
    case NX_LOOP_SLOT_POLL:
        nx_poll_completed(loop, slot, done);
        break;
    default:
        stale_drop(loop, done);
        break;
    }
}

/* Dispatches what waits, until the slice has no sends or no time left; the rest stays for the next turn. */
static void completions_dispatch(struct nx_loop *loop)
{
    /* Commits still unknown here wait for room in the completion queue: then only dispatching can go on. */
    const bool must_drain = loop->commits_count != 0;
    uint32_t left = nx_uring_ready(&loop->ring);
    uint32_t count = 0;
    while (left != 0 && (must_drain || !dispatch_must_stop(loop)) &&
           (count % CLOCK_EVERY != 0 || count == 0 || !slice_time_is_over(loop))) {
        const struct nx_uring_done done = nx_uring_peek(&loop->ring, 0);
        nx_uring_advance(&loop->ring, 1);
        dispatch(loop, &done);
        count++;
        left--;
    }
    loop->stats.completions += count;
    nx_uring_buffers_flush(&loop->ring);
}

static void timers_run(struct nx_loop *loop)
{
    /* The count bounds timers that set themselves into the past. */
    uint32_t left = nx_wheel_count(&loop->wheel);
    while (left-- != 0 && !dispatch_must_stop(loop)) {
        struct nx_wheel_timer *expired = nx_wheel_pop(&loop->wheel, loop->now);
        if (expired == NULL) {
            return;
        }
        struct nx_timer *timer = NX_LIST_ITEM(expired, struct nx_timer, wheel);
        timer->on_due(timer->context);
    }
}

static void done_run(struct nx_loop *loop)
{
    for (uint32_t left = loop->done_count; left != 0 && nx_uring_room(&loop->ring) > 0; left--) {
        const uint32_t slot = loop->done[loop->done_head];
        loop->done_head = (loop->done_head + 1) % loop->slots_count;
        loop->done_count--;
        nx_stream_finished(loop, slot);
    }
}

/* Moves all of `from` to the front of `to`, in order. */
static void list_return(struct nx_list *to, struct nx_list *from)
{
    struct nx_list_link *place = &to->root;
    struct nx_list_link *link;
    while ((link = nx_list_pop_front(from)) != NULL) {
        nx_list_insert_after(place, link);
        place = link;
    }
}

static void tasks_run(struct nx_loop *loop, enum nx_loop_class class)
{
    if (nx_list_is_empty(&loop->tasks[class])) {
        return;
    }
    struct nx_list running;
    nx_list_init(&running);
    list_return(&running, &loop->tasks[class]);
    bool is_first = true;
    struct nx_list_link *link;
    while ((link = nx_list_front(&running)) != NULL) {
        /* At least one BULK task runs per turn however long the rest took: overload slows it but never stops it. */
        if (class == NX_LOOP_BULK && !is_first && nx_loop_slice_over(loop)) {
            break;
        }
        is_first = false;
        struct nx_loop_task *task = NX_LIST_ITEM(link, struct nx_loop_task, link);
        nx_list_remove(link);
        task->is_awake = false;
        /* A task that says it is done may be freed memory by now. */
        if (task->run(task->context) && !task->is_awake) {
            nx_loop_task_wake(loop, task);
        }
    }
    list_return(&loop->tasks[class], &running);
    if (class == NX_LOOP_BULK && !nx_list_is_empty(&loop->tasks[class])) {
        loop->stats.slices_cut++;
    }
}

static bool has_work(const struct nx_loop *loop)
{
    for (int class = 0; class < NX_LOOP_CLASSES_COUNT; class ++) {
        if (!nx_list_is_empty(&loop->tasks[class])) {
            return true;
        }
    }
    return loop->commits_count != 0 || loop->done_count != 0 || loop->wants_first != NX_LOOP_SLOT_NONE ||
           loop->is_stopping || nx_uring_ready(&loop->ring) != 0 || nx_uring_has_overflow(&loop->ring);
}

/* Keeps a slice's submission near its budget: a send costs 5 us or 25 us depending on the machine and on how cold the
 * sockets are, and whoever waits for the next slice waits for all of them. */
static void slice_adapt(struct nx_loop *loop, int64_t submitted_ns)
{
    const int64_t sample_ns = submitted_ns / loop->commits_count;
    const int64_t mean_ns = loop->send_ns == 0 ? sample_ns : loop->send_ns + (sample_ns - loop->send_ns) / 8;
    const int64_t sends = mean_ns > 0
                              ? (int64_t)loop->config.slice_submit_us_max * NX_TIME_NS_PER_US / mean_ns
                              : loop->config.slice_sends_max;
    const int64_t least = loop->config.slice_sends_max / 4 + 1;
    loop->send_ns = mean_ns;
    loop->slice_sends = sends >= loop->config.slice_sends_max ? loop->config.slice_sends_max
                        : sends < least                       ? (uint32_t)least
                                                              : (uint32_t)sends;
}

static void enter(struct nx_loop *loop, nx_time until)
{
    nx_loop_slot_wants_put(loop);
    if (has_work(loop)) {
        const nx_time start = loop->commits_count >= ADAPT_SENDS_MIN ? nx_clock_now() : NX_TIME_NEVER;
        nx_uring_submit(&loop->ring);
        if (start.ns != NX_TIME_NEVER.ns) {
            slice_adapt(loop, nx_time_since_ns(nx_clock_now(), start));
        }
        return;
    }
    const nx_time deadline = nx_time_min(until, nx_wheel_deadline(&loop->wheel));
    if (deadline.ns == INT64_MAX) {
        nx_uring_wait(&loop->ring, INT64_MAX);
        return;
    }
    const int64_t timeout_ns = nx_time_since_ns(deadline, nx_clock_now());
    if (timeout_ns > 0) {
        nx_uring_wait(&loop->ring, timeout_ns);
    } else {
        nx_uring_submit(&loop->ring);
    }
}

void nx_loop_turn(struct nx_loop *loop, nx_time until)
{
    enter(loop, until);
    loop->now = nx_clock_now();
    loop->wall_ms = nx_clock_wall_ms();
    loop->stats.turns++;
    if (loop->commits_count != 0) {
        sends_note(loop);
        /* With completions kept back by the kernel, or entries it did not take, the fate of some commits is still
         * unknown: then they wait for the next turn, and reserve() refuses their streams meanwhile. */
        if (!nx_uring_has_overflow(&loop->ring) && nx_uring_unsubmitted(&loop->ring) == 0) {
            commits_resolve(loop);
        }
    }
    completions_dispatch(loop);
    timers_run(loop);
    done_run(loop);
    tasks_run(loop, NX_LOOP_MEDIA);
    tasks_run(loop, NX_LOOP_PRIORITY);
    tasks_run(loop, NX_LOOP_BULK);
    loop->stats.enters = loop->ring.enters;
    const int64_t slice_ns = nx_time_since_ns(nx_clock_now(), loop->now);
    loop->stats.slice_ns_max = slice_ns > loop->stats.slice_ns_max ? slice_ns : loop->stats.slice_ns_max;
}

void nx_loop_run(struct nx_loop *loop)
{
    loop->is_stopping = false;
    while (!loop->is_stopping) {
        nx_loop_turn(loop, NX_TIME_NEVER);
    }
}

void nx_loop_stop(struct nx_loop *loop)
{
    loop->is_stopping = true;
}

nx_time nx_loop_now(const struct nx_loop *loop)
{
    return loop->now;
}

int64_t nx_loop_wall_ms(const struct nx_loop *loop)
{
    return loop->wall_ms;
}

void nx_loop_task_init(struct nx_loop_task *task, enum nx_loop_class class, bool (*run)(void *context),
                       void *context)
{
    *task = (struct nx_loop_task){.run = run, .context = context, .class = class};
}

void nx_loop_task_wake(struct nx_loop *loop, struct nx_loop_task *task)
{
    if (!task->is_awake) {
        task->is_awake = true;
        nx_list_push_back(&loop->tasks[task->class], &task->link);
    }
}

void nx_loop_task_sleep(struct nx_loop *loop, struct nx_loop_task *task)
{
    (void)loop;
    task->is_awake = false;
    nx_list_remove(&task->link);
}

uint32_t nx_loop_slice_left(const struct nx_loop *loop)
{
    return loop->commits_count < loop->slice_sends ? loop->slice_sends - loop->commits_count : 0;
}

bool nx_loop_slice_over(struct nx_loop *loop)
{
    return sends_are_used_up(loop) || slice_time_is_over(loop);
}

const struct nx_loop_stats *nx_loop_stats(const struct nx_loop *loop)
{
    return &loop->stats;
}
