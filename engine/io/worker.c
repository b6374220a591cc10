#include "engine/io/worker.h"

#include "engine/base/assert.h"
#include "engine/io/limits.h"
#include "engine/io/loop_uring.h"
#include "engine/io/mem.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

struct nx_worker {
    struct nx_loop *loop;
    struct nx_worker_config config;
    struct nx_loop_waker waker;
    uint32_t pending_count; /* the loop's thread only */
    pthread_mutex_t mutex;  /* over what follows */
    pthread_cond_t cond;
    struct nx_list waiting;
    struct nx_list finished;
    bool is_closing;
    uint32_t threads_count;
    pthread_t threads[NX_WORKER_THREADS_MAX];
};

static void *worker_main(void *context)
{
    struct nx_worker *worker = context;
    (void)pthread_mutex_lock(&worker->mutex);
    for (;;) {
        while (!worker->is_closing && nx_list_is_empty(&worker->waiting)) {
            (void)pthread_cond_wait(&worker->cond, &worker->mutex);
        }
        if (worker->is_closing) {
            break;
        }
        struct nx_job *job = NX_LIST_ITEM(nx_list_pop_front(&worker->waiting), struct nx_job, link);
        (void)pthread_mutex_unlock(&worker->mutex);
        job->run(job);
        (void)pthread_mutex_lock(&worker->mutex);
        nx_list_push_back(&worker->finished, &job->link);
        nx_loop_waker_ring(worker->loop, &worker->waker);
    }
    (void)pthread_mutex_unlock(&worker->mutex);
    return NULL;
}

/* Takes all finished jobs at once, so that done() runs without the lock and may submit again. */
static void finished_deliver(void *context)
{
    struct nx_worker *worker = context;
    struct nx_list finished;
    struct nx_list_link *link;
    nx_list_init(&finished);
    (void)pthread_mutex_lock(&worker->mutex);
    while ((link = nx_list_pop_front(&worker->finished)) != NULL) {
        nx_list_push_back(&finished, link);
    }
    (void)pthread_mutex_unlock(&worker->mutex);
    while ((link = nx_list_pop_front(&finished)) != NULL) {
        struct nx_job *job = NX_LIST_ITEM(link, struct nx_job, link);
        worker->pending_count--;
        job->done(job);
    }
}

static enum nx_err threads_start(struct nx_worker *worker)
{
    /* Signals are the loop's business: a worker that inherits an unblocked one would take it. */
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    enum nx_err err = NX_OK;
    while (worker->threads_count < worker->config.threads && err == NX_OK) {
        pthread_t *thread = &worker->threads[worker->threads_count];
        if (pthread_create(thread, NULL, worker_main, worker) == 0) {
            (void)pthread_setname_np(*thread, worker->config.name);
            worker->threads_count++;
        } else {
            err = NX_E_NO_MEMORY;
        }
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

enum nx_err nx_worker_open(struct nx_worker **out, struct nx_loop *loop,
                           const struct nx_worker_config *config)
{
    NX_ASSERT(config->threads >= 1 && config->threads <= NX_WORKER_THREADS_MAX && config->queue_max >= 1);
    struct nx_worker *worker = nx_mem_take(sizeof(*worker));
    if (worker == NULL) {
        return NX_E_NO_MEMORY;
    }
    worker->loop = loop;
    worker->config = *config;
    (void)pthread_mutex_init(&worker->mutex, NULL);
    (void)pthread_cond_init(&worker->cond, NULL);
    nx_list_init(&worker->waiting);
    nx_list_init(&worker->finished);
    nx_loop_waker_open(loop, &worker->waker, finished_deliver, worker);
    const enum nx_err err = threads_start(worker);
    if (err != NX_OK) {
        nx_worker_close(worker);
        return err;
    }
    *out = worker;
    return NX_OK;
}

void nx_worker_close(struct nx_worker *worker)
{
    (void)pthread_mutex_lock(&worker->mutex);
    worker->is_closing = true;
    (void)pthread_cond_broadcast(&worker->cond);
    (void)pthread_mutex_unlock(&worker->mutex);
    for (uint32_t i = 0; i < worker->threads_count; i++) {
        (void)pthread_join(worker->threads[i], NULL);
    }
    nx_loop_waker_close(&worker->waker);
    (void)pthread_cond_destroy(&worker->cond);
    (void)pthread_mutex_destroy(&worker->mutex);
    nx_mem_give(worker);
}

enum nx_err nx_worker_submit(struct nx_worker *worker, struct nx_job *job)
{
    if (worker->pending_count >= worker->config.queue_max) {
        return NX_E_FULL;
    }
    worker->pending_count++;
    job->loop = worker->loop;
    job->link = (struct nx_list_link){.next = NULL};
    (void)pthread_mutex_lock(&worker->mutex);
    nx_list_push_back(&worker->waiting, &job->link);
    (void)pthread_cond_signal(&worker->cond);
    (void)pthread_mutex_unlock(&worker->mutex);
    return NX_OK;
}

uint32_t nx_worker_pending(const struct nx_worker *worker)
{
    return worker->pending_count;
}
