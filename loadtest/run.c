#include "loadtest/run.h"

#include "engine/crypto/random.h"
#include "engine/io/clock.h"
#include "loadtest/report.h"

#include <signal.h>
#include <stdio.h>

enum {
    TICK_MS = 1,
    STREAMS_SPARE = 512,
    RECEIVE_BUFFERS = 4096,
    RECEIVE_BUFFER_SIZE = 8192,
    SLAB_SIZE = 1 << 20,
    SENDS_PER_SLICE = 1024,
    SOURCES_FIRST = 2,
    STOP_MS = 3000
};

/* ---- the server ---- */

/* With --server-pid the processes may come and go: who they are is asked at each mark. */
static void pids_find(struct load_run *run)
{
    const struct load_options *o = run->options;
    run->pids_count = 0;
    for (uint32_t i = 0; i < o->pids_count; i++) {
        run->pids[run->pids_count++] = o->pids[i];
    }
    for (uint32_t i = 0; i < o->parents_count && run->pids_count < LOAD_PIDS_MAX; i++) {
        const size_t found =
            load_proc_children(o->parents[i], run->pids + run->pids_count, LOAD_PIDS_MAX - run->pids_count);
        if (found == 0) {
            run->pids[run->pids_count] = o->parents[i];
        }
        run->pids_count += found != 0 ? (uint32_t)found : 1;
    }
}

static void mark(struct load_run *run, struct load_run_mark *out)
{
    pids_find(run);
    out->server = (struct load_proc_use){0};
    if (load_proc_read(run->pids, run->pids_count, &out->server) != NX_OK) {
        (void)fprintf(stderr, "nexus load: a server process is gone\n");
    }
    if (out->server.rss_bytes > run->rss_max) {
        run->rss_max = out->server.rss_bytes;
    }
    out->client_cpu_ns = load_proc_own_cpu_ns();
    out->received_bytes = run->net.received_bytes;
    out->ns = nx_clock_now().ns;
}

/* ---- publishing ---- */

static bool publish_one(struct load_run *run, uint32_t stream, int64_t ns)
{
    if (run->ops->publish(run, stream, ns)) {
        return true;
    }
    run->publish_refused++;
    return false;
}

static uint32_t stream_next(struct load_run *run)
{
    const uint32_t stream = run->publish_next;
    run->publish_next = stream + 1 == run->tally.streams_count ? 0 : stream + 1;
    return stream;
}

static void open_loop(struct load_run *run, int64_t now_ns)
{
    /* Seconds and the rest apart: the product of nanoseconds and rate would not fit. */
    const uint64_t rate = run->options->rate;
    const uint64_t elapsed_ns = (uint64_t)(now_ns - run->publish_start_ns);
    const uint64_t due =
        elapsed_ns / NX_TIME_NS_PER_S * rate + elapsed_ns % NX_TIME_NS_PER_S * rate / NX_TIME_NS_PER_S;
    while (run->publish_count < due) {
        const uint64_t n = run->publish_count++;
        const uint64_t after_ns = n / rate * NX_TIME_NS_PER_S + n % rate * NX_TIME_NS_PER_S / rate;
        (void)publish_one(run, stream_next(run), run->publish_start_ns + (int64_t)after_ns);
    }
}

static void closed_loop_one(struct load_run *run, uint32_t stream)
{
    run->publish_count++;
    if (!publish_one(run, stream, nx_clock_now().ns)) {
        run->publish_owed++;
    }
}

void load_run_completed(struct load_run *run, uint32_t stream)
{
    run->progress_ns = run->net.now_ns;
    if (run->is_publishing && run->options->closed != 0) {
        closed_loop_one(run, run->options->closed >= run->tally.streams_count ? stream : stream_next(run));
    }
}

static void publish_start(struct load_run *run)
{
    run->is_publishing = run->options->rate != 0 || run->options->closed != 0;
    run->publish_start_ns = nx_clock_now().ns;
    run->progress_ns = run->publish_start_ns;
    for (uint32_t i = 0; run->is_publishing && i < run->options->closed; i++) {
        closed_loop_one(run, stream_next(run));
    }
}

static void publish_tick(struct load_run *run, int64_t now_ns)
{
    if (!run->is_publishing) {
        return;
    }
    if (run->options->rate != 0) {
        open_loop(run, now_ns);
        return;
    }
    for (uint32_t owed = run->publish_owed; owed != 0; owed--) {
        run->publish_owed--;
        closed_loop_one(run, stream_next(run));
    }
    if (now_ns - run->progress_ns > (int64_t)LOAD_STALL_MS * NX_TIME_NS_PER_MS) {
        run->failure = "stalled: no message reached everybody for 15 s";
    }
}

/* ---- clients ---- */

struct nx_addr load_run_source(const struct load_run *run, uint32_t client)
{
    struct nx_addr source = {.family = NX_ADDR_FAMILY_NONE};
    if (!nx_addr_is_loopback(&run->options->server) || run->options->server.family != NX_ADDR_FAMILY_IPV4) {
        return source;
    }
    uint32_t sources = run->options->sources;
    if (sources == 0) {
        sources = (run->clients_count + LOAD_DIAL_PER_SOURCE - 1) / LOAD_DIAL_PER_SOURCE;
    }
    const uint32_t host = SOURCES_FIRST + client % sources;
    source = (struct nx_addr){.family = NX_ADDR_FAMILY_IPV4,
                              .ip = {127, (uint8_t)(host >> 16), (uint8_t)(host >> 8), (uint8_t)host}};
    return source;
}

void load_run_ready(struct load_run *run, int64_t begun_ns, int64_t identified_ns)
{
    const int64_t now_ns = nx_clock_now().ns;
    run->ready_count++;
    run->last_ready_ns = now_ns;
    nx_metric_histogram_add(&run->connect_ns, (uint64_t)(now_ns - begun_ns));
    nx_metric_histogram_add(&run->identify_ns, (uint64_t)(now_ns - identified_ns));
}

void load_run_gone(struct load_run *run, bool was_ready)
{
    run->lost_count += was_ready;
    run->failed_count += !was_ready;
}

static void dial(struct load_run *run, int64_t now_ns)
{
    const uint32_t rate = run->options->connect_rate;
    uint64_t allowed = run->clients_count;
    if (rate != 0) {
        allowed = (uint64_t)(now_ns - run->phase_ns) * rate / NX_TIME_NS_PER_S + 1;
    }
    while (run->started_count < run->clients_count && run->started_count < allowed) {
        const uint32_t opening = run->started_count - run->ready_count - run->failed_count;
        if (rate == 0 && opening >= LOAD_DIAL_WINDOW) {
            return;
        }
        if (run->started_count == 0) {
            run->first_start_ns = nx_clock_now().ns;
        }
        run->ops->start(run, run->started_count++);
    }
}

/* ---- phases ---- */

static volatile sig_atomic_t is_end_asked;

/* The first signal ends the measuring, the next one the program. */
static void on_signal(int number)
{
    (void)number;
    is_end_asked = 1;
}

static void signals_set(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
}

static void phase_set(struct load_run *run, enum load_run_phase phase, int64_t now_ns)
{
    run->phase = phase;
    run->phase_ns = now_ns;
}

static int64_t phase_ms(const struct load_run *run, int64_t now_ns)
{
    return (now_ns - run->phase_ns) / NX_TIME_NS_PER_MS;
}

static void connect_step(struct load_run *run, int64_t now_ns)
{
    dial(run, now_ns);
    const bool is_late = phase_ms(run, now_ns) > LOAD_CONNECT_MS;
    if (run->ready_count + run->failed_count < run->clients_count && !is_late) {
        return;
    }
    if (run->ready_count == 0) {
        run->failure = "no client could connect";
        return;
    }
    phase_set(run, LOAD_RUN_SETTLE, now_ns);
}

static void measure_step(struct load_run *run, int64_t now_ns)
{
    if (phase_ms(run, now_ns) < run->options->duration_ms && is_end_asked == 0) {
        return;
    }
    load_tally_measure(&run->tally, false);
    mark(run, &run->measure_end);
    run->is_publishing = false;
    phase_set(run, LOAD_RUN_DRAIN, now_ns);
}

uint64_t load_run_missing(const struct load_run *run)
{
    const uint64_t missing = load_tally_missing(&run->tally);
    return missing > run->excused ? missing - run->excused : 0;
}

static void drain_step(struct load_run *run, int64_t now_ns)
{
    const bool has_more = run->ops->is_drained != NULL && !run->ops->is_drained(run);
    const int64_t most_ms = run->options->history != NULL ? LOAD_SETTLE_LAST_MS : LOAD_DRAIN_MS;
    if (has_more || run->drained_deliveries != run->tally.deliveries) {
        run->drained_deliveries = run->tally.deliveries;
        run->drained_ns = now_ns;
    }
    /* Who left while it went on gets no more: what is missing then never comes. */
    if (run->options->history != NULL &&
        now_ns - run->drained_ns > (int64_t)LOAD_SETTLE_QUIET_MS * NX_TIME_NS_PER_MS) {
        phase_set(run, LOAD_RUN_DONE, now_ns);
        return;
    }
    if ((load_run_missing(run) == 0 && !has_more) || phase_ms(run, now_ns) > most_ms) {
        phase_set(run, LOAD_RUN_DONE, now_ns);
    }
}

static void step(struct load_run *run, int64_t now_ns)
{
    switch (run->phase) {
    case LOAD_RUN_PREPARE:
        if (run->ops->is_prepared(run)) {
            mark(run, &run->start);
            phase_set(run, LOAD_RUN_CONNECT, now_ns);
        } else if (phase_ms(run, now_ns) > LOAD_CONNECT_MS) {
            run->failure = "the server did not come";
        }
        break;
    case LOAD_RUN_CONNECT:
        connect_step(run, now_ns);
        break;
    case LOAD_RUN_SETTLE:
        if (phase_ms(run, now_ns) >= run->options->settle_ms) {
            mark(run, &run->idle);
            run->ops->connected(run);
            phase_set(run, LOAD_RUN_WARMUP, now_ns);
            publish_start(run);
        }
        break;
    case LOAD_RUN_WARMUP:
        if (phase_ms(run, now_ns) >= run->options->warmup_ms) {
            mark(run, &run->measure_begin);
            load_tally_measure(&run->tally, true);
            phase_set(run, LOAD_RUN_MEASURE, now_ns);
        }
        break;
    case LOAD_RUN_MEASURE:
        measure_step(run, now_ns);
        break;
    case LOAD_RUN_DRAIN:
        drain_step(run, now_ns);
        break;
    case LOAD_RUN_DONE:
        break;
    }
}

static void on_tick(void *context)
{
    struct load_run *run = context;
    const int64_t now_ns = nx_clock_now().ns;
    run->net.now_ns = now_ns;
    publish_tick(run, now_ns);
    if (run->ops->tick != NULL) {
        run->ops->tick(run, now_ns);
    }
    step(run, now_ns);
    if (now_ns - run->shown_ns >= NX_TIME_NS_PER_S) {
        load_report_progress(run, now_ns);
    }
    if (run->phase == LOAD_RUN_DONE || run->failure != NULL) {
        nx_loop_stop(run->loop);
        return;
    }
    nx_timer_set_ms(run->loop, &run->tick, TICK_MS);
}

int load_run_go(struct load_run *run)
{
    signals_set();
    nx_timer_init(&run->tick, on_tick, run);
    nx_timer_set_ms(run->loop, &run->tick, TICK_MS);
    run->shown_ns = nx_clock_now().ns;
    run->phase_ns = run->shown_ns;
    nx_loop_run(run->loop);
    const int code = load_report_result(run);
    run->ops->stop(run);
    const nx_time end = nx_time_add_ms(nx_clock_now(), STOP_MS);
    while (nx_loop_stats(run->loop)->streams_count != 0 && nx_time_before(nx_clock_now(), end)) {
        nx_loop_turn(run->loop, nx_time_add_ms(nx_clock_now(), 10));
    }
    return code;
}

enum nx_err load_run_open(struct load_run *run, const struct load_options *options,
                          const struct load_run_ops *ops, void *mode, uint32_t clients_count)
{
    char why[NX_LOOP_WHY_SIZE] = "";
    const struct nx_loop_config config = {
        .streams_max = clients_count + STREAMS_SPARE + options->publishers,
        .receive_buffers_count = RECEIVE_BUFFERS,
        .receive_buffer_size = RECEIVE_BUFFER_SIZE,
        .slab_size = SLAB_SIZE,
        .slice_sends_max = SENDS_PER_SLICE,
        .cpu = -1,
    };
    uint64_t random;
    *run = (struct load_run){.options = options, .ops = ops, .mode = mode, .clients_count = clients_count};
    enum nx_err err = nx_random_fill(&random, sizeof(random));
    if (err == NX_OK) {
        err = nx_loop_open(&run->loop, &config, why);
    }
    if (err != NX_OK) {
        (void)fprintf(stderr, "nexus load: %s (%s)\n", nx_err_text(err), why);
        return err;
    }
    run->net = (struct load_conn_net){.loop = run->loop,
                                      .where = {.kind = NX_ENDPOINT_ADDR, .addr = options->server},
                                      .host = options->host,
                                      .wants_deflate = options->is_compressed};
    nx_prng_init(&run->net.prng, random);
    err = load_conn_net_init(&run->net);
    if (err == NX_OK && options->is_tls) {
        err = nx_tls_context_open_client(&run->net.tls, !options->is_insecure);
    }
    if (err == NX_OK) {
        return NX_OK;
    }
    (void)fprintf(stderr, "nexus load: %s\n", nx_err_text(err));
    load_run_close(run);
    return err;
}

void load_run_close(struct load_run *run)
{
    if (run->loop != NULL) {
        nx_loop_close(run->loop);
    }
    if (run->net.tls != NULL) {
        nx_tls_context_close(run->net.tls);
    }
    load_conn_net_fini(&run->net);
    load_tally_fini(&run->tally);
}
