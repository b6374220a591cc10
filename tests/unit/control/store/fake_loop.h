/* fake_loop.h - the few functions of engine/io that a store needs, on POSIX threads and a virtual clock of timers.
 *
 * Layer:   tests
 * Why:     the store's tests need no kernel ring, and ThreadSanitizer sees every hand-over between the threads
 * Idiom:   include once, in the test; nx_loop_turn() waits for finished jobs, or lets the next timer fire at once. A loop that
 *          has watched a descriptor keeps real time from then on.
 */
#ifndef TESTS_FAKE_LOOP_H
#define TESTS_FAKE_LOOP_H

#include "engine/base/list.h"
#include "engine/io/clock.h"
#include "engine/io/poll.h"
#include "engine/io/timer.h"
#include "engine/io/worker.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/select.h>
#include <time.h>

struct nx_loop {
    pthread_mutex_t mutex;
    pthread_cond_t finished_cond;
    struct nx_list finished; /* of struct fake_job */
    uint32_t pending;        /* jobs submitted and not yet done */
    struct nx_timer *timers[8];
    int64_t due_ms[8];
    int64_t now_ms;
    struct nx_poll *polls[8];
    struct nx_list tasks;
    bool is_real;
};

struct nx_worker {
    struct nx_loop *loop;
    pthread_cond_t cond;
    struct nx_list waiting;
    bool is_closing;
    uint32_t threads_count;
    pthread_t threads[8];
};

static inline struct nx_loop *fake_loop_open(void)
{
    struct nx_loop *loop = calloc(1, sizeof *loop);
    pthread_mutex_init(&loop->mutex, NULL);
    pthread_cond_init(&loop->finished_cond, NULL);
    nx_list_init(&loop->finished);
    nx_list_init(&loop->tasks);
    return loop;
}

static inline void fake_loop_close(struct nx_loop *loop)
{
    pthread_cond_destroy(&loop->finished_cond);
    pthread_mutex_destroy(&loop->mutex);
    free(loop);
}

static void *fake_worker_main(void *context)
{
    struct nx_worker *worker = context;
    pthread_mutex_lock(&worker->loop->mutex);
    for (;;) {
        while (!worker->is_closing && nx_list_is_empty(&worker->waiting)) {
            pthread_cond_wait(&worker->cond, &worker->loop->mutex);
        }
        if (worker->is_closing) {
            break;
        }
        struct nx_job *job = NX_LIST_ITEM(nx_list_pop_front(&worker->waiting), struct nx_job, link);
        pthread_mutex_unlock(&worker->loop->mutex);
        job->run(job);
        pthread_mutex_lock(&worker->loop->mutex);
        nx_list_push_back(&worker->loop->finished, &job->link);
        pthread_cond_signal(&worker->loop->finished_cond);
    }
    pthread_mutex_unlock(&worker->loop->mutex);
    return NULL;
}

enum nx_err nx_worker_open(struct nx_worker **out, struct nx_loop *loop,
                           const struct nx_worker_config *config)
{
    struct nx_worker *worker = calloc(1, sizeof *worker);
    worker->loop = loop;
    pthread_cond_init(&worker->cond, NULL);
    nx_list_init(&worker->waiting);
    for (uint32_t i = 0; i < config->threads; i++) {
        pthread_create(&worker->threads[worker->threads_count++], NULL, fake_worker_main, worker);
    }
    *out = worker;
    return NX_OK;
}

void nx_worker_close(struct nx_worker *worker)
{
    pthread_mutex_lock(&worker->loop->mutex);
    worker->is_closing = true;
    pthread_cond_broadcast(&worker->cond);
    pthread_mutex_unlock(&worker->loop->mutex);
    for (uint32_t i = 0; i < worker->threads_count; i++) {
        pthread_join(worker->threads[i], NULL);
    }
    pthread_cond_destroy(&worker->cond);
    free(worker);
}

enum nx_err nx_worker_submit(struct nx_worker *worker, struct nx_job *job)
{
    pthread_mutex_lock(&worker->loop->mutex);
    job->loop = worker->loop;
    job->link = (struct nx_list_link){0};
    worker->loop->pending++;
    nx_list_push_back(&worker->waiting, &job->link);
    pthread_cond_signal(&worker->cond);
    pthread_mutex_unlock(&worker->loop->mutex);
    return NX_OK;
}

static inline int64_t fake_now_ms(const struct nx_loop *loop)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return loop->is_real ? now.tv_sec * 1000 + now.tv_nsec / NX_TIME_NS_PER_MS : loop->now_ms;
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
        nx_list_push_back(&loop->tasks, &task->link);
    }
}

void nx_loop_task_sleep(struct nx_loop *loop, struct nx_loop_task *task)
{
    (void)loop;
    if (task->is_awake) {
        task->is_awake = false;
        nx_list_remove(&task->link);
    }
}

enum nx_err nx_poll_open(struct nx_loop *loop, struct nx_poll *poll, int fd,
                         void (*on_ready)(void *context, uint32_t events), void *context)
{
    loop->is_real = true;
    for (size_t i = 0; i < 8; i++) {
        if (loop->polls[i] == NULL) {
            loop->polls[i] = poll;
            *poll = (struct nx_poll){.loop = loop, .on_ready = on_ready, .context = context, .fd = fd};
            return NX_OK;
        }
    }
    return NX_E_FULL;
}

void nx_poll_want(struct nx_poll *poll, uint32_t events)
{
    poll->wanted = events;
}

void nx_poll_close(struct nx_poll *poll)
{
    for (size_t i = 0; poll->loop != NULL && i < 8; i++) {
        poll->loop->polls[i] = poll->loop->polls[i] == poll ? NULL : poll->loop->polls[i];
    }
    *poll = (struct nx_poll){.fd = -1};
}

void nx_timer_init(struct nx_timer *timer, void (*on_due)(void *context), void *context)
{
    *timer = (struct nx_timer){.on_due = on_due, .context = context};
}

void nx_timer_cancel(struct nx_loop *loop, struct nx_timer *timer)
{
    timer->wheel.tick = 0;
    for (size_t i = 0; i < 8; i++) {
        loop->timers[i] = loop->timers[i] == timer ? NULL : loop->timers[i];
    }
}

void nx_timer_set_ms(struct nx_loop *loop, struct nx_timer *timer, int64_t delay_ms)
{
    nx_timer_cancel(loop, timer);
    for (size_t i = 0; i < 8; i++) {
        if (loop->timers[i] == NULL) {
            loop->timers[i] = timer;
            timer->wheel.tick = 1; /* set */
            loop->due_ms[i] = fake_now_ms(loop) + delay_ms;
            return;
        }
    }
    abort();
}

bool nx_timer_is_set(const struct nx_timer *timer)
{
    return timer->wheel.tick != 0;
}

static inline size_t fake_loop_first(const struct nx_loop *loop)
{
    size_t first = 8;
    for (size_t i = 0; i < 8; i++) {
        if (loop->timers[i] != NULL && (first == 8 || loop->due_ms[i] < loop->due_ms[first])) {
            first = i;
        }
    }
    return first;
}

static inline bool fake_loop_fire(struct nx_loop *loop)
{
    const size_t first = fake_loop_first(loop);
    if (first == 8) {
        return false;
    }
    struct nx_timer *timer = loop->timers[first];
    loop->timers[first] = NULL;
    timer->wheel.tick = 0;
    loop->now_ms = loop->due_ms[first] > loop->now_ms ? loop->due_ms[first] : loop->now_ms;
    timer->on_due(timer->context);
    return true;
}

/** A turn in real time: descriptors and timers. */
static inline void fake_loop_watch(struct nx_loop *loop)
{
    fd_set readable;
    fd_set writable;
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    for (size_t i = 0; i < 8; i++) {
        const struct nx_poll *poll = loop->polls[i];
        if (poll != NULL && (poll->wanted & NX_POLL_READABLE) != 0) {
            FD_SET(poll->fd, &readable);
        }
        if (poll != NULL && (poll->wanted & NX_POLL_WRITABLE) != 0) {
            FD_SET(poll->fd, &writable);
        }
    }
    const size_t first = fake_loop_first(loop);
    const int64_t left_ms = first == 8 ? 1000 : loop->due_ms[first] - fake_now_ms(loop);
    struct timeval wait = {.tv_sec = left_ms > 0 ? left_ms / 1000 : 0,
                           .tv_usec = left_ms > 0 ? left_ms % 1000 * 1000 : 0};
    (void)select(FD_SETSIZE, &readable, &writable, NULL, &wait);
    for (size_t i = 0; i < 8; i++) {
        struct nx_poll *poll = loop->polls[i];
        const uint32_t events = poll == NULL ? 0
                                             : (FD_ISSET(poll->fd, &readable) ? NX_POLL_READABLE : 0U) |
                                                   (FD_ISSET(poll->fd, &writable) ? NX_POLL_WRITABLE : 0U);
        if (events != 0) {
            poll->on_ready(poll->context, events);
            return; /* The others may be gone. */
        }
    }
    if (first != 8 && left_ms <= 0) {
        (void)fake_loop_fire(loop);
    }
}

void nx_loop_turn(struct nx_loop *loop, nx_time until)
{
    (void)until;
    struct nx_list_link *awake = nx_list_pop_front(&loop->tasks);
    if (awake != NULL) {
        struct nx_loop_task *task = NX_LIST_ITEM(awake, struct nx_loop_task, link);
        task->is_awake = false;
        if (task->run(task->context)) {
            nx_loop_task_wake(loop, task);
        }
        return;
    }
    if (loop->is_real && loop->pending == 0) {
        fake_loop_watch(loop);
        return;
    }
    struct nx_list finished;
    nx_list_init(&finished);
    pthread_mutex_lock(&loop->mutex);
    while (loop->pending > 0 && nx_list_is_empty(&loop->finished)) {
        pthread_cond_wait(&loop->finished_cond, &loop->mutex);
    }
    struct nx_list_link *link;
    while ((link = nx_list_pop_front(&loop->finished)) != NULL) {
        loop->pending--;
        nx_list_push_back(&finished, link);
    }
    pthread_mutex_unlock(&loop->mutex);
    const bool has_finished = !nx_list_is_empty(&finished);
    while ((link = nx_list_pop_front(&finished)) != NULL) {
        struct nx_job *job = NX_LIST_ITEM(link, struct nx_job, link);
        job->done(job);
    }
    if (!has_finished && !fake_loop_fire(loop)) {
        abort(); /* Nothing will ever happen: the test would hang. */
    }
}

nx_time nx_clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (nx_time){now.tv_sec * NX_TIME_NS_PER_S + now.tv_nsec};
}

int64_t nx_clock_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000 + now.tv_nsec / NX_TIME_NS_PER_MS;
}

#endif
