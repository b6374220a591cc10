#include "gatewayd/node/stats.h"

#include "engine/base/assert.h"
#include "engine/io/mem.h"
#include "engine/wire/json_out.h"
#include "engine/wire/prom.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Every number of a shard that is shown, as a list, so that sums and texts need it only once. */
#define STATS(X)                                                                                             \
    X(COUNTER, loop_enters_total, "system calls of the loops")                                               \
    X(COUNTER, loop_turns_total, "turns of the loops")                                                       \
    X(COUNTER, loop_completions_total, "completions reaped by the loops")                                    \
    X(COUNTER, loop_slices_cut_total, "slices that ended by budget with work left")                          \
    X(GAUGE, loop_slice_max_ns, "longest slice")                                                             \
    X(COUNTER, accepts_total, "connections accepted")                                                        \
    X(COUNTER, refused_total, "connections refused by limits")                                               \
    X(COUNTER, received_bytes_total, "bytes received")                                                       \
    X(COUNTER, sends_total, "writes to sockets")                                                             \
    X(COUNTER, sent_bytes_total, "bytes sent")                                                               \
    X(COUNTER, sends_short_total, "writes that the kernel did not take whole")                               \
    X(COUNTER, sends_blocked_total, "writes refused because the socket was known to be full")                \
    X(COUNTER, receives_total, "reads of sockets that brought something")                                    \
    X(COUNTER, receive_buffers_exhausted_total, "reads that found no shared buffer and waited")              \
    X(COUNTER, copied_bytes_total, "bytes copied to where they leave from")                                  \
    X(COUNTER, deliveries_total, "dispatches handed to sessions")                                            \
    X(COUNTER, dropped_total, "replaceable dispatches spared a session that was behind")                     \
    X(COUNTER, slow_total, "sessions closed for reading too slowly")                                         \
    X(COUNTER, frames_total, "events encoded")                                                               \
    X(COUNTER, frames_void_total, "events replaced before everybody had them")                               \
    X(COUNTER, frames_deflated_total, "events compressed")                                                   \
    X(COUNTER, http_requests_total, "HTTP requests answered")                                                \
    X(GAUGE, http_pending, "requests waiting for control")                                                   \
    X(GAUGE, connections, "connections open")                                                                \
    X(GAUGE, sessions_ready, "sessions with a client")                                                       \
    X(GAUGE, sessions_detached, "sessions that wait for their client")                                       \
    X(GAUGE, sessions_other, "connections that have not identified")                                         \
    X(GAUGE, guilds, "guilds with sessions here")                                                            \
    X(GAUGE, channels, "channels of those guilds")                                                           \
    X(COUNTER, allocations_total, "allocations by cores and connections")                                    \
    X(GAUGE, heap_bytes, "bytes taken by cores and connections")                                             \
    X(GAUGE, loop_bytes, "bytes held by the loops")                                                          \
    X(GAUGE, bus_up, "shards that are linked to control")

struct stats {
#define X(kind, name, help) uint64_t name;
    STATS(X)
#undef X
};

/** One gathering. */
struct gw_stats_scrape {
    struct gw_shard *home;
    uint32_t conn;
    uint32_t generation;
    uint32_t waiting;
    bool is_json;
    struct stats sum;
    struct gw_metrics metrics;
};

struct letter {
    struct nx_mail mail;
    struct gw_stats_scrape *scrape;
    struct stats part;
    struct gw_metrics metrics;
};

static void fill(struct gw_shard *shard, struct stats *out)
{
    const struct nx_loop_stats *loop = nx_loop_stats(shard->loop);
    const struct gw_hub *hub = &shard->hub;
    const uint32_t *counts = hub->sessions.counts;
    *out = (struct stats){
        .loop_enters_total = loop->enters,
        .loop_turns_total = loop->turns,
        .loop_completions_total = loop->completions,
        .loop_slices_cut_total = loop->slices_cut,
        .loop_slice_max_ns = (uint64_t)loop->slice_ns_max,
        .accepts_total = loop->accepts,
        .refused_total = shard->refused_count,
        .received_bytes_total = loop->received_bytes,
        .sends_total = loop->sends,
        .sent_bytes_total = loop->sent_bytes,
        .sends_short_total = loop->sends_short,
        .sends_blocked_total = loop->sends_blocked,
        .receives_total = loop->receives,
        .receive_buffers_exhausted_total = loop->buffers_exhausted,
        .copied_bytes_total = hub->output.copied_bytes,
        .deliveries_total = hub->fanout.deliveries_count,
        .dropped_total = hub->fanout.dropped_count,
        .slow_total = hub->fanout.slow_count,
        .frames_total = hub->log.frames_count,
        .frames_void_total = hub->log.void_count,
        .frames_deflated_total = hub->log.deflated_count,
        .http_requests_total = shard->http_count,
        .http_pending = shard->requests_pending,
        .connections = shard->conns_count,
        .sessions_ready = counts[GW_SESSION_READY],
        .sessions_detached = counts[GW_SESSION_DETACHED],
        .sessions_other = counts[GW_SESSION_HELLO] + counts[GW_SESSION_OPENING] + counts[GW_SESSION_RESUMING],
        .guilds = hub->guilds.guilds_count,
        .channels = hub->guilds.channels_count,
        .allocations_total = shard->heap.takes,
        .heap_bytes = shard->heap.bytes,
        .loop_bytes = loop->memory_bytes,
        .bus_up = shard->bus.is_rt_up && shard->bus.is_bulk_up,
    };
}

static void add(struct stats *into, const struct stats *from)
{
#define X(kind, name, help) into->name += from->name;
    STATS(X)
#undef X
}

static uint64_t cpu_ns(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return 0;
    }
    return ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) * 1000000000U +
           ((uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec) * 1000U;
}

static uint64_t rss_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL) {
        if (fscanf(file, "%*u %llu", &pages) != 1) {
            pages = 0;
        }
        (void)fclose(file);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void one(struct nx_writer *w, const char *name, const char *help, enum nx_prom_kind kind,
                uint64_t value)
{
    nx_prom_family(w, name, help, kind);
    nx_prom_sample_u64(w, name, NULL, 0, value);
}

static void write_prom(const struct gw_stats_scrape *scrape, struct nx_writer *w)
{
    char name[128];
#define X(kind, field, help) one(w, "nexus_gateway_" #field, help, NX_PROM_##kind, scrape->sum.field);
    STATS(X)
#undef X
    size_t count;
    const struct nx_metric_info *infos = gw_hub_metrics(&count);
    for (size_t i = 0; i < count; i++) {
        uint64_t value;
        memcpy(&value, (const uint8_t *)&scrape->metrics + infos[i].offset, sizeof(value));
        (void)snprintf(name, sizeof(name), "nexus_gateway_%s", infos[i].name);
        one(w, name, infos[i].help, infos[i].kind == NX_METRIC_COUNTER ? NX_PROM_COUNTER : NX_PROM_GAUGE,
            value);
    }
    nx_prom_family(w, "nexus_process_cpu_seconds_total", "CPU time of the gateway", NX_PROM_COUNTER);
    nx_prom_sample(w, "nexus_process_cpu_seconds_total", NULL, 0, (int64_t)cpu_ns(), 9);
    one(w, "nexus_process_resident_memory_bytes", "resident memory of the gateway", NX_PROM_GAUGE,
        rss_bytes());
    const struct nx_mem_stats mem = nx_mem_stats();
    one(w, "nexus_gateway_memory_takes_total", "pieces and slabs of memory taken by the engine",
        NX_PROM_COUNTER, mem.takes + mem.slabs);
}

static void write_json(const struct gw_stats_scrape *scrape, struct nx_writer *w)
{
    struct nx_json_out json = nx_json_out_init(w);
    nx_json_out_object(&json);
#define X(kind, field, help)                                                                                 \
    nx_json_out_key(&json, #field);                                                                          \
    nx_json_out_u64(&json, scrape->sum.field);
    STATS(X)
#undef X
    size_t count;
    const struct nx_metric_info *infos = gw_hub_metrics(&count);
    for (size_t i = 0; i < count; i++) {
        uint64_t value;
        memcpy(&value, (const uint8_t *)&scrape->metrics + infos[i].offset, sizeof(value));
        nx_json_out_key(&json, infos[i].name);
        nx_json_out_u64(&json, value);
    }
    nx_json_out_key(&json, "cpu_ns");
    nx_json_out_u64(&json, cpu_ns());
    nx_json_out_key(&json, "rss_bytes");
    nx_json_out_u64(&json, rss_bytes());
    const struct nx_mem_stats mem = nx_mem_stats();
    nx_json_out_key(&json, "memory_takes_total");
    nx_json_out_u64(&json, mem.takes + mem.slabs);
    nx_json_out_key(&json, "shards");
    nx_json_out_u64(&json, scrape->home->node->shards_count);
    nx_json_out_object_end(&json);
}

static void finish(struct gw_stats_scrape *scrape)
{
    struct gw_shard *shard = scrape->home;
    struct gw_conn *conn = gw_shard_conn(shard, scrape->conn);
    if (conn->generation == scrape->generation && conn->phase == GW_CONN_HTTP && conn->http != NULL) {
        uint8_t *text = gw_heap_take(&shard->heap, GW_ADMIN_TEXT_MAX);
        if (text == NULL) {
            gw_conn_close(conn);
        } else {
            struct nx_writer w = nx_writer_init(text, GW_ADMIN_TEXT_MAX);
            if (scrape->is_json) {
                write_json(scrape, &w);
            } else {
                write_prom(scrape, &w);
            }
            NX_ASSERT(nx_writer_ok(&w));
            gw_conn_http_answer(conn, 200, scrape->is_json ? "application/json" : "text/plain; version=0.0.4",
                                nx_writer_bytes(&w), NULL);
            gw_heap_give(&shard->heap, text, GW_ADMIN_TEXT_MAX);
        }
    }
    gw_heap_give(&shard->heap, scrape, sizeof(*scrape));
    shard->scrape = NULL;
    gw_shard_kick(shard);
}

static void on_answer(struct nx_mail *mail, void *context)
{
    struct letter *letter = NX_LIST_ITEM(mail, struct letter, mail);
    struct gw_shard *home = context;
    struct gw_stats_scrape *scrape = letter->scrape;
    size_t count;
    add(&scrape->sum, &letter->part);
    const struct nx_metric_info *infos = gw_hub_metrics(&count);
    nx_metric_merge(infos, count, &scrape->metrics, &letter->metrics);
    gw_heap_give(&home->heap, letter, sizeof(*letter));
    if (--scrape->waiting == 0) {
        finish(scrape);
    }
}

static void on_question(struct nx_mail *mail, void *context)
{
    struct letter *letter = NX_LIST_ITEM(mail, struct letter, mail);
    struct gw_shard *shard = context;
    fill(shard, &letter->part);
    letter->metrics = shard->hub.metrics;
    letter->mail.receive = on_answer;
    if (nx_mailbox_post(letter->scrape->home->mailbox, shard->loop, &letter->mail) != NX_OK) {
        NX_LOG(&shard->log, WARN, "stats.lost", NX_LOG_U64("shard", shard->index));
    }
}

void gw_stats_answer(struct gw_conn *conn, bool is_json)
{
    struct gw_shard *home = conn->shard;
    struct gw_node *node = home->node;
    struct gw_stats_scrape *scrape = home->scrape == NULL ? gw_heap_take(&home->heap, sizeof(*scrape)) : NULL;
    if (scrape == NULL) {
        gw_conn_http_error(conn, 503, 0, "another scrape is under way");
        return;
    }
    *scrape = (struct gw_stats_scrape){
        .home = home, .conn = conn->index, .generation = conn->generation, .waiting = 1, .is_json = is_json};
    home->scrape = scrape;
    conn->http->phase = GW_HTTP_WAITING;
    gw_conn_deadline(conn, GW_REST_MS);
    for (uint32_t i = 0; i < node->shards_count; i++) {
        struct gw_shard *shard = node->shards[i];
        if (shard == NULL || shard == home) {
            continue;
        }
        struct letter *letter = gw_heap_take(&home->heap, sizeof(*letter));
        if (letter != NULL) {
            letter->scrape = scrape;
            letter->mail.receive = on_question;
            scrape->waiting++;
            if (nx_mailbox_post(shard->mailbox, home->loop, &letter->mail) != NX_OK) {
                scrape->waiting--;
                gw_heap_give(&home->heap, letter, sizeof(*letter));
            }
        }
    }
    fill(home, &scrape->sum);
    scrape->metrics = home->hub.metrics;
    if (--scrape->waiting == 0) {
        finish(scrape);
    }
}

void gw_stats_bill(struct gw_shard *shard)
{
    const uint64_t framelog = shard->hub.log.size;
    const uint64_t session = sizeof(struct gw_session) + GW_RING_SIZE_MIN * sizeof(uint32_t);
    const uint64_t loop = nx_loop_stats(shard->loop)->memory_bytes;
    const uint64_t sessions = shard->hub.config.sessions_max;
    const uint64_t total = framelog + loop + sizeof(*shard) +
                           sessions * (session + sizeof(struct gw_conn) + sizeof(struct gw_member));
    NX_LOG(&shard->log, INFO, "memory.bill", NX_LOG_U64("shard", shard->index),
           NX_LOG_U64("loop_bytes", loop), NX_LOG_U64("event_log_bytes", framelog),
           NX_LOG_U64("per_session_bytes", session),
           NX_LOG_U64("per_connection_bytes", sizeof(struct gw_conn)), NX_LOG_U64("sessions_max", sessions),
           NX_LOG_U64("total_bytes_max", total));
}
