#include "engine/io/shard.h"

#include "engine/base/assert.h"
#include "engine/io/cpu.h"
#include "engine/io/limits.h"
#include "engine/io/loop_uring.h"
#include "engine/io/mem.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

struct shard {
    struct nx_shard_set *set;
    uint32_t index;
    pthread_t thread;
    struct nx_loop *loop;
    struct nx_loop_waker stop;
    void *state;
    enum nx_err err;
    bool is_started; /* or has failed to; under the set's mutex */
};

struct nx_shard_set {
    struct nx_shard_config config;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    uint32_t count;
    uint32_t running_count; /* shards whose loop may still run; under the mutex */
    bool may_end;           /* nx_shard_close() was called: nobody rings the stop bells any more */
    char why[NX_LOOP_WHY_SIZE];
    struct shard shards[];
};

static void stop_asked(void *context)
{
    struct shard *shard = context;
    if (shard->set->config.on_stop != NULL) {
        shard->set->config.on_stop(shard->state);
    } else {
        nx_loop_stop(shard->loop);
    }
}

static enum nx_err shard_start(struct shard *shard, char why[NX_LOOP_WHY_SIZE])
{
    struct nx_loop_config config = shard->set->config.loop;
    config.cpu = shard->set->config.is_pinned ? nx_cpu_at(shard->index) : -1;
    enum nx_err err = nx_loop_open(&shard->loop, &config, why);
    if (err != NX_OK) {
        return err;
    }
    nx_loop_waker_open(shard->loop, &shard->stop, stop_asked, shard);
    err = shard->set->config.on_start(shard->set->config.context, shard->index, shard->loop, &shard->state);
    if (err != NX_OK) {
        (void)snprintf(why, NX_LOOP_WHY_SIZE, "shard %u: %s", shard->index, nx_err_text(err));
        nx_loop_close(shard->loop);
        shard->loop = NULL;
    }
    return err;
}

static void *shard_main(void *context)
{
    struct shard *shard = context;
    struct nx_shard_set *set = shard->set;
    char why[NX_LOOP_WHY_SIZE] = "";
    const enum nx_err err = shard_start(shard, why);
    (void)pthread_mutex_lock(&set->mutex);
    shard->err = err;
    shard->is_started = true;
    set->running_count += err == NX_OK;
    if (err != NX_OK && set->why[0] == 0) {
        memcpy(set->why, why, sizeof(why));
    }
    (void)pthread_cond_broadcast(&set->cond);
    (void)pthread_mutex_unlock(&set->mutex);
    if (err != NX_OK) {
        return NULL;
    }
    nx_loop_run(shard->loop);
    /* Nobody frees anything while another thread may still post here or ring this loop. */
    (void)pthread_mutex_lock(&set->mutex);
    set->running_count--;
    (void)pthread_cond_broadcast(&set->cond);
    while (set->running_count != 0 || !set->may_end) {
        (void)pthread_cond_wait(&set->cond, &set->mutex);
    }
    (void)pthread_mutex_unlock(&set->mutex);
    if (set->config.on_end != NULL) {
        set->config.on_end(shard->state);
    }
    nx_loop_waker_close(&shard->stop);
    nx_loop_close(shard->loop);
    return NULL;
}

/* Starts the threads with all signals blocked: signals are for the loop that opened nx_signal. */
static enum nx_err threads_start(struct nx_shard_set *set, uint32_t wanted)
{
    sigset_t all;
    sigset_t before;
    enum nx_err err = NX_OK;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    while (set->count < wanted && err == NX_OK) {
        struct shard *shard = &set->shards[set->count];
        *shard = (struct shard){.set = set, .index = set->count};
        if (pthread_create(&shard->thread, NULL, shard_main, shard) == 0) {
            char name[16];
            (void)snprintf(name, sizeof(name), "%.12s%u", set->config.name, shard->index);
            (void)pthread_setname_np(shard->thread, name);
            set->count++;
        } else {
            err = NX_E_NO_MEMORY;
        }
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_mutex_lock(&set->mutex);
    for (uint32_t i = 0; i < set->count; i++) {
        while (!set->shards[i].is_started) {
            (void)pthread_cond_wait(&set->cond, &set->mutex);
        }
        err = err == NX_OK ? set->shards[i].err : err;
    }
    (void)pthread_mutex_unlock(&set->mutex);
    return err;
}

enum nx_err nx_shard_open(struct nx_shard_set **out, const struct nx_shard_config *config,
                          char why[NX_LOOP_WHY_SIZE])
{
    const uint32_t wanted = config->count != 0 ? config->count : nx_cpu_count();
    NX_ASSERT(wanted <= NX_SHARD_COUNT_MAX);
    struct nx_shard_set *set = nx_mem_take(sizeof(*set) + wanted * sizeof(set->shards[0]));
    if (set == NULL) {
        (void)snprintf(why, NX_LOOP_WHY_SIZE, "no memory for %u shards", wanted);
        return NX_E_NO_MEMORY;
    }
    set->config = *config;
    (void)pthread_mutex_init(&set->mutex, NULL);
    (void)pthread_cond_init(&set->cond, NULL);
    const enum nx_err err = threads_start(set, wanted);
    if (err != NX_OK) {
        (void)snprintf(why, NX_LOOP_WHY_SIZE, "%s", set->why[0] != 0 ? set->why : "no thread for a shard");
        nx_shard_stop(set);
        nx_shard_close(set);
        return err;
    }
    *out = set;
    return NX_OK;
}

uint32_t nx_shard_count(const struct nx_shard_set *set)
{
    return set->count;
}

void nx_shard_stop(struct nx_shard_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->shards[i].err == NX_OK) {
            nx_loop_waker_ring(set->shards[i].loop, &set->shards[i].stop);
        }
    }
}

void nx_shard_close(struct nx_shard_set *set)
{
    (void)pthread_mutex_lock(&set->mutex);
    set->may_end = true;
    (void)pthread_cond_broadcast(&set->cond);
    (void)pthread_mutex_unlock(&set->mutex);
    for (uint32_t i = 0; i < set->count; i++) {
        (void)pthread_join(set->shards[i].thread, NULL);
    }
    (void)pthread_cond_destroy(&set->cond);
    (void)pthread_mutex_destroy(&set->mutex);
    nx_mem_give(set);
}
