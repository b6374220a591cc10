#include "engine/io/worker.h"

#include "engine/base/assert.h"
#include "engine/io/limits.h"
#include "engine/sim/state.h"

struct nx_worker {
    struct nx_list_link member; /* of host->workers */
    struct nx_loop *loop;
    struct nx_worker_config config;
    uint32_t id;
    uint32_t generation;
    uint32_t pending_count;
    int64_t free_ns[NX_WORKER_THREADS_MAX]; /* when each thread has nothing to do */
};

static void job_finished(struct nx_sim *sim, const struct nx_sim_event *event)
{
    struct nx_worker *worker = nx_sim_place_of(sim, event->id, event->generation);
    if (worker == NULL) {
        return;
    }
    if (worker->loop->host->paused_until_ns > sim->now_ns) {
        struct nx_sim_event later = *event;
        later.at_ns = worker->loop->host->paused_until_ns;
        nx_sim_add(sim, &later);
        return;
    }
    struct nx_job *job = event->pointer;
    struct nx_host *before = nx_host_enter(worker->loop->host);
    job->run(job);
    (void)nx_host_enter(before);
    worker->pending_count--;
    nx_list_push_back(&worker->loop->finished, &job->link);
    nx_loop_poke(worker->loop);
}

enum nx_err nx_worker_open(struct nx_worker **out, struct nx_loop *loop,
                           const struct nx_worker_config *config)
{
    NX_ASSERT(config->threads >= 1 && config->threads <= NX_WORKER_THREADS_MAX && config->queue_max >= 1);
    struct nx_worker *worker = nx_sim_take(sizeof(*worker));
    worker->loop = loop;
    worker->config = *config;
    nx_list_push_back(&loop->host->workers, &worker->member);
    nx_sim_place_take(loop->sim, worker, &worker->id, &worker->generation);
    *out = worker;
    return NX_OK;
}

void nx_worker_close(struct nx_worker *worker)
{
    nx_sim_place_give(worker->loop->host->sim, worker->id);
    nx_list_remove(&worker->member);
    nx_sim_give(worker);
}

/* The loops are gone already, so the table is found through the host. */
void nx_worker_drop(struct nx_host *host)
{
    NX_LIST_EACH(link, &host->workers)
    {
        struct nx_worker *worker = NX_LIST_ITEM(link, struct nx_worker, member);
        nx_sim_place_give(host->sim, worker->id);
        nx_list_remove(&worker->member);
        nx_sim_give(worker);
    }
}

enum nx_err nx_worker_submit(struct nx_worker *worker, struct nx_job *job)
{
    if (worker->pending_count >= worker->config.queue_max) {
        return NX_E_FULL;
    }
    struct nx_sim *sim = worker->loop->sim;
    uint32_t thread = 0;
    for (uint32_t i = 1; i < worker->config.threads; i++) {
        thread = worker->free_ns[i] < worker->free_ns[thread] ? i : thread;
    }
    const int64_t start_ns = worker->free_ns[thread] > sim->now_ns ? worker->free_ns[thread] : sim->now_ns;
    const uint64_t usual_ns = (uint64_t)worker->config.sim_delay_us * NX_TIME_NS_PER_US;
    worker->free_ns[thread] = start_ns + 1000 + (int64_t)(usual_ns / 2 + nx_sim_draw(sim, usual_ns + 1));
    worker->pending_count++;
    job->loop = worker->loop;
    job->link = (struct nx_list_link){.next = NULL};
    const struct nx_sim_event event = {.at_ns = worker->free_ns[thread],
                                       .run = job_finished,
                                       .id = worker->id,
                                       .generation = worker->generation,
                                       .pointer = job};
    nx_sim_add(sim, &event);
    return NX_OK;
}

uint32_t nx_worker_pending(const struct nx_worker *worker)
{
    return worker->pending_count;
}
