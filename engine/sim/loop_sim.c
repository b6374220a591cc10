#include "engine/base/assert.h"
#include "engine/io/limits.h"
#include "engine/io/mem.h"
#include "engine/io/timer.h"
#include "engine/io/worker.h"
#include "engine/sim/state.h"

/* Virtual CPU: what a turn and a look at the clock cost, so that slices end by time here too. */
enum { TURN_NS_MIN = 2000, TURN_NS_MAX = 30000, LOOK_NS_MAX = 20000, WALL_START_S = 1700000000 };

/* ---- open and close ---- */

static void config_fill(struct nx_loop_config *c)
{
    c->streams_max = c->streams_max != 0 ? c->streams_max : NX_LOOP_STREAMS_MAX;
    c->receive_buffer_size =
        c->receive_buffer_size != 0 ? c->receive_buffer_size : NX_LOOP_RECEIVE_BUFFER_SIZE;
    c->slab_size = c->slab_size != 0 ? c->slab_size : NX_LOOP_SLAB_SIZE;
    c->slab_size = c->slab_size > NX_STREAM_RESERVE_MAX ? c->slab_size : NX_STREAM_RESERVE_MAX;
    c->slice_sends_max = c->slice_sends_max != 0 ? c->slice_sends_max : NX_LOOP_SLICE_SENDS_MAX;
    c->slice_us_max = c->slice_us_max != 0 ? c->slice_us_max : NX_LOOP_SLICE_US_MAX;
}

static int64_t wall_of(const struct nx_host *host)
{
    return (int64_t)WALL_START_S * 1000 + host->sim->now_ns / NX_TIME_NS_PER_MS + host->wall_jump_ms;
}

enum nx_err nx_loop_open(struct nx_loop **out, const struct nx_loop_config *config,
                         char why[NX_LOOP_WHY_SIZE])
{
    (void)why;
    struct nx_host *host = nx_host_current();
    NX_ASSERT(host != NULL);
    struct nx_loop *loop = nx_sim_take(sizeof(*loop));
    loop->sim = host->sim;
    loop->host = host;
    loop->config = *config;
    config_fill(&loop->config);
    loop->slots_count = loop->config.streams_max;
    loop->slots = nx_sim_take(loop->slots_count * sizeof(struct nx_net_end *));
    loop->commits = nx_sim_take(loop->config.slice_sends_max * sizeof(struct nx_stream *));
    loop->resolved = nx_sim_take(loop->config.slice_sends_max * sizeof(struct nx_stream *));
    loop->slab = nx_sim_take(loop->config.slab_size);
    loop->now = (nx_time){loop->sim->now_ns};
    loop->wall_ms = wall_of(host);
    loop->turn_at_ns = INT64_MAX;
    nx_wheel_init(&loop->wheel, loop->now);
    for (int class = 0; class < NX_LOOP_CLASSES_COUNT; class ++) {
        nx_list_init(&loop->tasks[class]);
    }
    nx_list_init(&loop->ready);
    nx_list_init(&loop->ready_sockets);
    nx_list_init(&loop->done);
    nx_list_init(&loop->finished);
    nx_list_push_back(&host->loops, &loop->member);
    nx_sim_place_take(loop->sim, loop, &loop->id, &loop->generation);
    *out = loop;
    return NX_OK;
}

void nx_loop_drop(struct nx_loop *loop)
{
    for (uint32_t i = 0; i < loop->slots_count; i++) {
        struct nx_net_end *end = loop->slots[i];
        if (end != NULL) {
            nx_list_remove(&end->ready);
            nx_list_remove(&end->done);
            end->loop = NULL;
            end->stream = NULL;
            if (!end->is_gone) {
                nx_net_leave(end, true);
            }
        }
    }
    NX_LIST_EACH(link, &loop->ready_sockets)
    {
        nx_list_remove(link);
    }
    nx_list_remove(&loop->member);
    nx_sim_place_give(loop->sim, loop->id);
    nx_sim_give(loop->slots);
    nx_sim_give(loop->commits);
    nx_sim_give(loop->resolved);
    nx_sim_give(loop->slab);
    nx_sim_give(loop);
}

void nx_loop_close(struct nx_loop *loop)
{
    NX_ASSERT(loop->sim->turning != loop);
    for (uint32_t i = 0; i < NX_SIM_SOCKETS_MAX; i++) {
        struct nx_net_socket *socket = &loop->sim->sockets[i];
        if (socket->is_used && socket->listener != NULL && socket->listener->loop == loop) {
            nx_listener_close(socket->listener);
        }
    }
    nx_loop_drop(loop);
}

/* ---- when the next turn is ---- */

static bool has_work(const struct nx_loop *loop)
{
    for (int class = 0; class < NX_LOOP_CLASSES_COUNT; class ++) {
        if (!nx_list_is_empty(&loop->tasks[class])) {
            return true;
        }
    }
    return loop->commits_count != 0 || loop->signals != 0 || !nx_list_is_empty(&loop->ready) ||
           !nx_list_is_empty(&loop->ready_sockets) || !nx_list_is_empty(&loop->done) ||
           !nx_list_is_empty(&loop->finished);
}

static void turn_run(struct nx_sim *sim, const struct nx_sim_event *event);

void nx_loop_poke(struct nx_loop *loop)
{
    struct nx_sim *sim = loop->sim;
    if (sim->turning == loop) {
        return; /* looked at again when the turn ends */
    }
    int64_t at_ns = has_work(loop) ? sim->now_ns : nx_wheel_deadline(&loop->wheel).ns;
    at_ns = at_ns > loop->busy_until_ns ? at_ns : loop->busy_until_ns;
    at_ns = at_ns > loop->host->paused_until_ns ? at_ns : loop->host->paused_until_ns;
    at_ns = at_ns > sim->now_ns ? at_ns : sim->now_ns;
    if (at_ns == loop->turn_at_ns) {
        return;
    }
    loop->turn_at_ns = at_ns;
    loop->turn_serial++;
    if (at_ns != INT64_MAX) {
        const struct nx_sim_event event = {.at_ns = at_ns,
                                           .run = turn_run,
                                           .id = loop->id,
                                           .generation = loop->generation,
                                           .argument = loop->turn_serial};
        nx_sim_add(sim, &event);
    }
}

/* ---- the turn ---- */

static bool dispatch_must_stop(const struct nx_loop *loop)
{
    const uint32_t kept = nx_list_is_empty(&loop->tasks[NX_LOOP_BULK]) ? 0 : loop->config.slice_sends_max / 4;
    return loop->commits_count + kept >= loop->config.slice_sends_max;
}

static void commits_resolve(struct nx_loop *loop)
{
    struct nx_stream **resolved = loop->commits;
    const uint32_t count = loop->commits_count;
    loop->commits = loop->resolved;
    loop->resolved = resolved;
    /* What is sent was read from the slab before anybody may write into it again. */
    int64_t taken[NX_LOOP_SLICE_SENDS_CAP];
    NX_ASSERT(count <= NX_LOOP_SLICE_SENDS_CAP);
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct nx_stream *stream = resolved[i];
        taken[i] = nx_net_send(loop->slots[stream->slot], loop->slab + at, stream->committed_size);
        at += (stream->committed_size + 7) & ~(size_t)7;
    }
    loop->commits_count = 0;
    loop->reserved_by = NULL;
    loop->slab_used = 0;
    loop->stats.sends += count;
    for (uint32_t i = 0; i < count; i++) {
        nx_stream_resolved(resolved[i], taken[i]);
    }
}

static void sockets_dispatch(struct nx_loop *loop)
{
    struct nx_list_link *link;
    while ((link = nx_list_pop_front(&loop->ready_sockets)) != NULL) {
        nx_listener_ready(NX_LIST_ITEM(link, struct nx_net_socket, ready));
    }
}

static void ends_dispatch(struct nx_loop *loop)
{
    struct nx_list serving;
    nx_list_init(&serving);
    struct nx_list_link *link;
    while ((link = nx_list_pop_front(&loop->ready)) != NULL) {
        nx_list_push_back(&serving, link);
    }
    uint32_t left = NX_SIM_TURN_READY_MAX;
    while ((link = nx_list_front(&serving)) != NULL && left-- != 0 && !dispatch_must_stop(loop)) {
        nx_list_remove(link);
        nx_stream_ready(NX_LIST_ITEM(link, struct nx_net_end, ready));
    }
    while ((link = nx_list_pop_front(&serving)) != NULL) {
        nx_list_push_back(&loop->ready, link);
    }
}

static void jobs_dispatch(struct nx_loop *loop)
{
    struct nx_list_link *link;
    while ((link = nx_list_pop_front(&loop->finished)) != NULL) {
        struct nx_job *job = NX_LIST_ITEM(link, struct nx_job, link);
        job->done(job);
    }
}

static void timers_run(struct nx_loop *loop)
{
    uint32_t left = nx_wheel_count(&loop->wheel);
    while (left-- != 0 && !dispatch_must_stop(loop)) {
        struct nx_wheel_timer *expired = nx_wheel_pop(&loop->wheel, loop->now);
        if (expired == NULL) {
            return;
        }
        struct nx_timer *timer = NX_LIST_ITEM(expired, struct nx_timer, wheel);
        nx_sim_mix(loop->sim, expired->tick);
        timer->on_due(timer->context);
    }
}

static void done_run(struct nx_loop *loop)
{
    struct nx_list done;
    nx_list_init(&done);
    struct nx_list_link *link;
    while ((link = nx_list_pop_front(&loop->done)) != NULL) {
        nx_list_push_back(&done, link);
    }
    while ((link = nx_list_pop_front(&done)) != NULL) {
        nx_stream_done(NX_LIST_ITEM(link, struct nx_net_end, done));
    }
}

static void tasks_run(struct nx_loop *loop, enum nx_loop_class class)
{
    struct nx_list running;
    nx_list_init(&running);
    struct nx_list_link *link;
    while ((link = nx_list_pop_front(&loop->tasks[class])) != NULL) {
        nx_list_push_back(&running, link);
    }
    bool is_first = true;
    while ((link = nx_list_front(&running)) != NULL) {
        if (class == NX_LOOP_BULK && !is_first && nx_loop_slice_over(loop)) {
            break;
        }
        is_first = false;
        struct nx_loop_task *task = NX_LIST_ITEM(link, struct nx_loop_task, link);
        nx_list_remove(link);
        task->is_awake = false;
        if (task->run(task->context) && !task->is_awake) {
            nx_loop_task_wake(loop, task);
        }
    }
    /* Those that did not run come before those woken meanwhile. */
    struct nx_list_link *place = &loop->tasks[class].root;
    while ((link = nx_list_pop_front(&running)) != NULL) {
        nx_list_insert_after(place, link);
        place = link;
    }
    if (class == NX_LOOP_BULK && !nx_list_is_empty(&loop->tasks[class])) {
        loop->stats.slices_cut++;
    }
}

static void turn(struct nx_loop *loop)
{
    struct nx_sim *sim = loop->sim;
    NX_ASSERT(sim->turning == NULL);
    struct nx_host *before = nx_host_enter(loop->host);
    sim->turning = loop;
    loop->turn_at_ns = INT64_MAX;
    loop->turn_serial++;
    loop->now = (nx_time){sim->now_ns};
    loop->wall_ms = wall_of(loop->host);
    loop->spent_ns = TURN_NS_MIN + (int64_t)nx_sim_draw(sim, TURN_NS_MAX - TURN_NS_MIN);
    loop->stats.turns++;
    loop->stats.enters++;
    nx_sim_mix(sim, (uint64_t)sim->now_ns);
    nx_sim_mix(sim, loop->id);
    if (loop->commits_count != 0) {
        commits_resolve(loop);
    }
    if (loop->signals != 0) {
        nx_signal_deliver(loop);
    }
    sockets_dispatch(loop);
    ends_dispatch(loop);
    jobs_dispatch(loop);
    timers_run(loop);
    done_run(loop);
    tasks_run(loop, NX_LOOP_MEDIA);
    tasks_run(loop, NX_LOOP_PRIORITY);
    tasks_run(loop, NX_LOOP_BULK);
    loop->busy_until_ns = sim->now_ns + loop->spent_ns;
    loop->stats.slice_ns_max =
        loop->spent_ns > loop->stats.slice_ns_max ? loop->spent_ns : loop->stats.slice_ns_max;
    sim->turning = NULL;
    (void)nx_host_enter(before);
    nx_loop_poke(loop);
}

static void turn_run(struct nx_sim *sim, const struct nx_sim_event *event)
{
    struct nx_loop *loop = nx_sim_place_of(sim, event->id, event->generation);
    if (loop == NULL || event->argument != loop->turn_serial) {
        return;
    }
    loop->turn_at_ns = INT64_MAX;
    if (loop->host->paused_until_ns > sim->now_ns || loop->busy_until_ns > sim->now_ns) {
        nx_loop_poke(loop);
        return;
    }
    turn(loop);
}

/* Lets the world go on until this loop has had a turn: whoever closes a daemon in order turns its loop by hand. */
void nx_loop_turn(struct nx_loop *loop, nx_time until)
{
    struct nx_sim *sim = loop->sim;
    const uint64_t turns = loop->stats.turns;
    nx_loop_poke(loop);
    struct nx_host *before = nx_host_enter(NULL);
    while (loop->stats.turns == turns && nx_sim_step(sim, until)) {
    }
    (void)nx_host_enter(before);
    if (loop->stats.turns == turns && until.ns != INT64_MAX) {
        sim->now_ns = until.ns > sim->now_ns ? until.ns : sim->now_ns;
        loop->now = (nx_time){sim->now_ns};
    }
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

/* ---- time, tasks, counters ---- */

nx_time nx_loop_now(const struct nx_loop *loop)
{
    return loop->sim->turning == loop ? loop->now : (nx_time){loop->sim->now_ns};
}

int64_t nx_loop_wall_ms(const struct nx_loop *loop)
{
    return loop->sim->turning == loop ? loop->wall_ms : wall_of(loop->host);
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
        nx_loop_poke(loop);
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
    return loop->config.slice_sends_max - loop->commits_count;
}

bool nx_loop_slice_over(struct nx_loop *loop)
{
    loop->spent_ns += (int64_t)nx_sim_draw(loop->sim, LOOK_NS_MAX);
    return loop->commits_count >= loop->config.slice_sends_max ||
           loop->spent_ns >= (int64_t)loop->config.slice_us_max * NX_TIME_NS_PER_US;
}

const struct nx_loop_stats *nx_loop_stats(const struct nx_loop *loop)
{
    return &loop->stats;
}
