#include "gatewayd/node/shard.h"

#include "engine/base/assert.h"
#include "engine/crypto/random.h"
#include "engine/io/logger.h"
#include "gatewayd/core/close_code.h"
#include "gatewayd/core/proxy.h"
#include "gatewayd/node/bus_link.h"
#include "gatewayd/node/conn.h"
#include "gatewayd/node/stats.h"

#include <string.h>

enum { LOG_RECORDS = 256, FLUSHES_PER_CLOCK = 16, INFLATED_FIRST = 32 * 1024 };

/* ---- connections ---- */

struct gw_conn *gw_shard_conn(const struct gw_shard *shard, uint32_t index)
{
    return &shard->conn_slabs[index / GW_CONN_SLAB][index % GW_CONN_SLAB];
}

static bool conns_grow(struct gw_shard *shard)
{
    if (shard->conn_slabs_count == GW_CONN_SLABS_MAX) {
        return false;
    }
    struct gw_conn *slab = gw_heap_take(&shard->heap, GW_CONN_SLAB * sizeof(*slab));
    if (slab == NULL) {
        return false;
    }
    const uint32_t first = shard->conn_slabs_count * GW_CONN_SLAB;
    shard->conn_slabs[shard->conn_slabs_count++] = slab;
    for (uint32_t i = GW_CONN_SLAB; i-- > 0;) {
        slab[i].index = first + i;
        slab[i].next_free = shard->conns_free;
        shard->conns_free = first + i;
    }
    return true;
}

struct gw_conn *gw_shard_conn_take(struct gw_shard *shard)
{
    if (shard->conns_free == UINT32_MAX && !conns_grow(shard)) {
        return NULL;
    }
    struct gw_conn *conn = gw_shard_conn(shard, shard->conns_free);
    const uint32_t index = conn->index;
    const uint32_t generation = conn->generation + 1;
    shard->conns_free = conn->next_free;
    memset(conn, 0, sizeof(*conn));
    conn->shard = shard;
    conn->index = index;
    conn->generation = generation;
    shard->conns_count++;
    return conn;
}

void gw_shard_conn_give(struct gw_shard *shard, struct gw_conn *conn)
{
    conn->phase = GW_CONN_FREE;
    conn->next_free = shard->conns_free;
    shard->conns_free = conn->index;
    shard->conns_count--;
}

/* ---- inflating ---- */

static bool inflated_grow(struct gw_shard *shard, size_t kept, size_t room)
{
    uint8_t *grown = gw_heap_take(&shard->heap, room);
    if (grown == NULL) {
        return false;
    }
    if (kept != 0) {
        memcpy(grown, shard->inflated, kept);
    }
    gw_heap_give(&shard->heap, shard->inflated, shard->inflated_room);
    shard->inflated = grown;
    shard->inflated_room = room;
    return true;
}

enum nx_err gw_shard_inflate(struct gw_shard *shard, struct nx_bytes message, size_t size_max,
                             struct nx_bytes *out)
{
    if (shard->inflater == NULL) {
        void *block = gw_heap_take(&shard->heap, NX_DEFLATE_INFLATER_SIZE);
        if (block == NULL ||
            nx_deflate_inflater_init(block, NX_DEFLATE_INFLATER_SIZE, &shard->inflater) != NX_OK ||
            !inflated_grow(shard, 0, INFLATED_FIRST)) {
            return NX_E_NO_MEMORY;
        }
    }
    nx_deflate_inflate_start(shard->inflater, message);
    size_t size = 0;
    for (;;) {
        size_t now = 0;
        const size_t limit = size_max + 1 < shard->inflated_room ? size_max + 1 : shard->inflated_room;
        const enum nx_err err =
            nx_deflate_inflate_step(shard->inflater, shard->inflated + size, limit - size, &now);
        size += err == NX_OK || err == NX_E_FULL ? now : 0;
        if (size > size_max) {
            return NX_E_FULL;
        }
        if (err == NX_OK) {
            *out = nx_bytes_of(shard->inflated, size);
            return NX_OK;
        }
        if (err != NX_E_FULL) {
            return err;
        }
        if (!inflated_grow(shard, size, shard->inflated_room * 2)) {
            return NX_E_NO_MEMORY;
        }
    }
}

/* ---- the tasks that write ---- */

void gw_shard_kick(struct gw_shard *shard)
{
    if (shard->hub.fanout.urgent.count != 0 || !nx_list_is_empty(&shard->flushes)) {
        nx_loop_task_wake(shard->loop, &shard->urgent);
    }
    if (shard->hub.fanout.dirty.count != 0 || gw_fanout_has_work(&shard->hub.fanout)) {
        nx_loop_task_wake(shard->loop, &shard->bulk);
    }
}

static bool urgent_run(void *context)
{
    struct gw_shard *shard = context;
    struct gw_session *session;
    while (nx_loop_slice_left(shard->loop) != 0 &&
           (session = gw_fanout_next(&shard->hub.fanout, true)) != NULL) {
        struct gw_conn *conn = gw_shard_conn(shard, session->conn);
        if (!gw_conn_out_flush(conn)) {
            gw_fanout_mark_urgent(&shard->hub.fanout, session);
            return true;
        }
    }
    struct nx_list_link *link;
    while (nx_loop_slice_left(shard->loop) != 0 && (link = nx_list_pop_front(&shard->flushes)) != NULL) {
        struct gw_conn *conn = NX_LIST_ITEM(link, struct gw_conn, flush);
        if (!gw_conn_out_flush(conn)) {
            gw_conn_out_mark(conn);
            return true;
        }
    }
    return shard->hub.fanout.urgent.count != 0 || !nx_list_is_empty(&shard->flushes);
}

static bool bulk_run(void *context)
{
    struct gw_shard *shard = context;
    struct gw_fanout *fanout = &shard->hub.fanout;
    uint32_t flushes = 0;
    for (;;) {
        const uint32_t left = nx_loop_slice_left(shard->loop);
        if (left == 0) {
            return true;
        }
        if (fanout->dirty.count < left && gw_fanout_has_work(fanout)) {
            (void)gw_fanout_step(fanout, left - fanout->dirty.count);
            gw_bus_link_relax(shard);
        }
        struct gw_session *session = gw_fanout_next(fanout, false);
        if (session == NULL) {
            if (gw_fanout_has_work(fanout) && !nx_loop_slice_over(shard->loop)) {
                continue;
            }
            break;
        }
        if (!gw_conn_out_flush(gw_shard_conn(shard, session->conn))) {
            gw_fanout_mark(fanout, session);
            return true;
        }
        if (++flushes % FLUSHES_PER_CLOCK == 0 && nx_loop_slice_over(shard->loop)) {
            return true;
        }
    }
    /* Dooms of slow consumers and the like were found on the way. */
    if (fanout->urgent.count != 0) {
        nx_loop_task_wake(shard->loop, &shard->urgent);
    }
    return gw_fanout_has_work(fanout);
}

/* ---- time ---- */

static void on_tick(void *context)
{
    struct gw_shard *shard = context;
    struct gw_verdict verdict;
    nx_log_now(&shard->log, nx_loop_now(shard->loop), nx_loop_wall_ms(shard->loop));
    while (gw_hub_timeout(&shard->hub, nx_loop_now(shard->loop), &verdict)) {
        gw_bus_link_verdict(shard, &verdict);
    }
    gw_bus_link_tick(shard);
    gw_hub_unread_tick(&shard->hub, nx_loop_now(shard->loop));
    nx_timer_set_ms(shard->loop, &shard->tick, GW_TICK_MS);
    gw_shard_kick(shard);
}

static void close_conns(struct gw_shard *shard, bool only_idle)
{
    for (uint32_t i = 0; i < shard->conn_slabs_count * GW_CONN_SLAB; i++) {
        struct gw_conn *conn = gw_shard_conn(shard, i);
        const bool is_idle = conn->phase == GW_CONN_HTTP && conn->http == NULL;
        if (conn->phase != GW_CONN_FREE && (!only_idle || is_idle)) {
            gw_conn_close(conn);
        }
    }
}

/* Tells a part of the clients at each step, so that they do not all come to the next node at once. */
static void on_drain(void *context)
{
    struct gw_shard *shard = context;
    const nx_time now = nx_loop_now(shard->loop);
    const int64_t left_ms = nx_time_since_ns(shard->drain_end, now) / NX_TIME_NS_PER_MS;
    /* The first half of the time is for telling, the second for those who finish something. */
    const int64_t steps = (left_ms - (int64_t)shard->node->config->drain_s * 500) / GW_DRAIN_STEP_MS;
    const uint32_t clients = shard->hub.sessions.counts[GW_SESSION_READY] +
                             shard->hub.sessions.counts[GW_SESSION_HELLO] +
                             shard->hub.sessions.counts[GW_SESSION_OPENING];
    uint32_t count = steps > 0 ? clients / (uint32_t)steps + 8 : UINT32_MAX;
    while (count-- > 0 && gw_hub_drain_next(&shard->hub, &shard->drain_cursor)) {
    }
    close_conns(shard, true);
    gw_shard_kick(shard);
    if (shard->conns_count == 0 || left_ms <= 0) {
        /* The links go last: control has heard of every session that ended. */
        gw_bus_link_close(shard);
        if (!shard->bus.is_rt_open && !shard->bus.is_bulk_open) {
            nx_loop_stop(shard->loop);
            return;
        }
    }
    nx_timer_set_ms(shard->loop, &shard->drain, GW_DRAIN_STEP_MS);
}

void gw_shard_stop(void *state)
{
    struct gw_shard *shard = state;
    if (shard->is_draining) {
        return;
    }
    shard->is_draining = true;
    NX_LOG(&shard->log, INFO, "shard.draining", NX_LOG_U64("shard", shard->index),
           NX_LOG_U64("connections", shard->conns_count));
    nx_listener_close(&shard->listener);
    shard->drain_end = nx_time_add_ms(nx_loop_now(shard->loop), (int64_t)shard->node->config->drain_s * 1000);
    shard->drain_cursor = 0;
    if (shard->node->is_echo) {
        close_conns(shard, false);
    }
    nx_timer_set_ms(shard->loop, &shard->drain, 1);
}

/* ---- sessions between shards ---- */

struct move_letter {
    struct nx_mail mail;
    struct gw_shard *home;
    uint64_t session;
    uint8_t *bytes;
    size_t size;
};

static void on_moved_home(struct nx_mail *mail, void *context)
{
    struct move_letter *letter = NX_LIST_ITEM(mail, struct move_letter, mail);
    struct gw_shard *home = context;
    gw_heap_give(&home->heap, letter->bytes, letter->size);
    gw_heap_give(&home->heap, letter, sizeof(*letter));
}

static void on_moved(struct nx_mail *mail, void *context)
{
    struct move_letter *letter = NX_LIST_ITEM(mail, struct move_letter, mail);
    struct gw_shard *shard = context;
    struct gw_verdict verdict;
    gw_hub_move_import(&shard->hub, nx_loop_now(shard->loop), letter->session,
                       nx_bytes_of(letter->bytes, letter->size), &verdict);
    gw_bus_link_verdict(shard, &verdict);
    gw_shard_kick(shard);
    letter->mail.receive = on_moved_home;
    if (nx_mailbox_post(letter->home->mailbox, shard->loop, &letter->mail) != NX_OK) {
        NX_LOG(&shard->log, WARN, "move.leaked", NX_LOG_U64("bytes", letter->size));
    }
}

void gw_shard_export(struct gw_shard *shard, struct gw_session *session, uint32_t new_shard,
                     uint64_t new_session)
{
    size_t size = 0;
    uint8_t *bytes = gw_hub_move_export(&shard->hub, nx_loop_now(shard->loop), session, &size);
    struct move_letter *letter = gw_heap_take(&shard->heap, sizeof(*letter));
    const bool is_there = new_shard < shard->node->shards_count && shard->node->shards[new_shard] != NULL;
    if (bytes == NULL || letter == NULL || !is_there) {
        gw_heap_give(&shard->heap, bytes, size);
        gw_heap_give(&shard->heap, letter, sizeof(*letter));
        return; /* The other shard gives up by its own deadline. */
    }
    *letter = (struct move_letter){
        .mail.receive = on_moved, .home = shard, .session = new_session, .bytes = bytes, .size = size};
    if (nx_mailbox_post(shard->node->shards[new_shard]->mailbox, shard->loop, &letter->mail) != NX_OK) {
        gw_heap_give(&shard->heap, bytes, size);
        gw_heap_give(&shard->heap, letter, sizeof(*letter));
    }
}

struct forget_letter {
    struct nx_mail mail;
    struct gw_shard *home;
    uint64_t session;
    uint64_t user_id;
    uint64_t sid;
};

static void on_forgotten_home(struct nx_mail *mail, void *context)
{
    struct gw_shard *home = context;
    struct forget_letter *letter = NX_LIST_ITEM(mail, struct forget_letter, mail);
    gw_heap_give(&home->heap, letter, sizeof(*letter));
}

static void on_forget(struct nx_mail *mail, void *context)
{
    struct forget_letter *letter = NX_LIST_ITEM(mail, struct forget_letter, mail);
    struct gw_shard *shard = context;
    gw_hub_move_forget(&shard->hub, nx_loop_now(shard->loop), letter->session, letter->user_id, letter->sid);
    gw_shard_kick(shard);
    letter->mail.receive = on_forgotten_home;
    if (nx_mailbox_post(letter->home->mailbox, shard->loop, &letter->mail) != NX_OK) {
        NX_LOG(&shard->log, WARN, "forget.leaked", NX_LOG_U64("bytes", sizeof(*letter)));
    }
}

void gw_shard_forget(struct gw_shard *shard, uint32_t old_shard, uint64_t old_session,
                     const struct gw_session *session)
{
    const bool is_there = old_shard != shard->index && old_shard < shard->node->shards_count &&
                          shard->node->shards[old_shard] != NULL;
    struct forget_letter *letter = is_there ? gw_heap_take(&shard->heap, sizeof(*letter)) : NULL;
    if (letter == NULL) {
        return;
    }
    *letter = (struct forget_letter){.mail.receive = on_forget,
                                     .home = shard,
                                     .session = old_session,
                                     .user_id = session->user_id,
                                     .sid = session->sid};
    if (nx_mailbox_post(shard->node->shards[old_shard]->mailbox, shard->loop, &letter->mail) != NX_OK) {
        gw_heap_give(&shard->heap, letter, sizeof(*letter));
    }
}

/* ---- life ---- */

static enum nx_err start_hub(struct gw_shard *shard)
{
    const struct gw_node_config *config = shard->node->config;
    uint64_t seed;
    const enum nx_err err = nx_random_fill(&seed, sizeof(seed));
    if (err != NX_OK) {
        return err;
    }
    const struct gw_hub_config hub = {.memory = gw_heap_memory(&shard->heap),
                                      .seed = seed,
                                      .framelog_size =
                                          shard->node->is_echo ? 1 : (size_t)config->framelog_size,
                                      .sessions_max = config->sessions_max,
                                      .resume_ms = config->resume_s * 1000,
                                      .node = config->node,
                                      .shard = (uint16_t)shard->index,
                                      .shards = (uint16_t)shard->node->shards_count,
                                      .has_rate_limits = config->has_rate_limits,
                                      .public_url = config->public_url};
    return gw_hub_init(&shard->hub, &hub, nx_loop_now(shard->loop));
}

static enum nx_err start_listeners(struct gw_shard *shard)
{
    struct gw_node *node = shard->node;
    const struct nx_endpoint where = {.kind = NX_ENDPOINT_FD, .fd = node->listen_fds[shard->index]};
    enum nx_err err = nx_listener_open(shard->loop, &shard->listener, &where, gw_conn_accept, shard);
    if (err == NX_OK && shard->index == 0 && node->admin_fd >= 0) {
        const struct nx_endpoint admin = {.kind = NX_ENDPOINT_FD, .fd = node->admin_fd};
        err = nx_listener_open(shard->loop, &shard->admin, &admin, gw_conn_accept_admin, shard);
    }
    return err;
}

static enum nx_err start_log(struct gw_shard *shard)
{
    const size_t size = nx_log_size_needed(LOG_RECORDS);
    shard->log_memory = gw_heap_take(&shard->heap, size);
    if (shard->log_memory == NULL) {
        return NX_E_NO_MEMORY;
    }
    nx_log_init(&shard->log, shard->log_memory, LOG_RECORDS, shard->node->config->log_level);
    nx_log_now(&shard->log, nx_loop_now(shard->loop), nx_loop_wall_ms(shard->loop));
    return nx_logger_add(shard->node->logger, &shard->log);
}

enum nx_err gw_shard_start(void *context, uint32_t index, struct nx_loop *loop, void **state)
{
    struct gw_node *node = context;
    struct gw_heap heap = {0};
    struct gw_shard *shard = gw_heap_take(&heap, sizeof(*shard));
    if (shard == NULL) {
        return NX_E_NO_MEMORY;
    }
    shard->node = node;
    shard->loop = loop;
    shard->index = index;
    shard->heap = heap;
    shard->conns_free = UINT32_MAX;
    shard->ws_config =
        (struct nx_ws_config){.role = NX_WS_ROLE_SERVER,
                              .message_size_max = node->is_echo ? GW_ECHO_MESSAGE_MAX : GW_PAYLOAD_MAX,
                              .fragments_max = node->is_echo ? GW_ECHO_FRAGMENTS_MAX : GW_FRAGMENTS_MAX};
    nx_list_init(&shard->flushes);
    nx_loop_task_init(&shard->urgent, NX_LOOP_PRIORITY, urgent_run, shard);
    nx_loop_task_init(&shard->bulk, NX_LOOP_BULK, bulk_run, shard);
    nx_timer_init(&shard->tick, on_tick, shard);
    nx_timer_init(&shard->drain, on_drain, shard);
    enum nx_err err = start_log(shard);
    if (err == NX_OK) {
        err = start_hub(shard);
    }
    if (err == NX_OK) {
        err = nx_mailbox_open(&shard->mailbox, loop, shard);
    }
    if (err == NX_OK && node->tls != NULL) {
        const struct nx_worker_config workers = {
            .name = "handshake", .threads = GW_HANDSHAKE_THREADS, .queue_max = GW_HANDSHAKES_MAX};
        err = nx_worker_open(&shard->handshakes, loop, &workers);
    }
    if (err == NX_OK) {
        err = start_listeners(shard);
    }
    if (err != NX_OK) {
        return err;
    }
    node->shards[index] = shard;
    if (!node->is_echo) {
        gw_bus_link_open(shard);
        gw_stats_bill(shard);
    }
    nx_timer_set_ms(loop, &shard->tick, GW_TICK_MS);
    *state = shard;
    return NX_OK;
}

static void end_conns(struct gw_shard *shard)
{
    for (uint32_t i = 0; i < shard->conn_slabs_count * GW_CONN_SLAB; i++) {
        struct gw_conn *conn = gw_shard_conn(shard, i);
        if (conn->phase != GW_CONN_FREE) {
            conn->session = NULL;
            if (conn->http != NULL) {
                conn->http->request = 0;
            }
            gw_conn_http_drop(conn);
            gw_conn_ws_drop(conn);
            gw_conn_out_drop(conn);
            gw_heap_give(&shard->heap, conn->proxy, GW_PROXY_HEADER_MAX);
            if (conn->tls != NULL) {
                nx_tls_close(conn->tls);
            }
        }
    }
    for (uint32_t i = 0; i < shard->conn_slabs_count; i++) {
        gw_heap_give(&shard->heap, shard->conn_slabs[i], GW_CONN_SLAB * sizeof(struct gw_conn));
    }
}

void gw_shard_end(void *state)
{
    struct gw_shard *shard = state;
    if (shard->handshakes != NULL) {
        nx_worker_close(shard->handshakes);
    }
    end_conns(shard);
    gw_bus_link_fini(shard);
    nx_mailbox_close(shard->mailbox);
    gw_hub_fini(&shard->hub);
    gw_heap_give(&shard->heap, shard->inflater, NX_DEFLATE_INFLATER_SIZE);
    gw_heap_give(&shard->heap, shard->inflated, shard->inflated_room);
    for (int i = 0; i <= NX_DEFLATE_WINDOW_BITS_MAX; i++) {
        gw_heap_give(&shard->heap, shard->deflaters[i], NX_DEFLATE_DEFLATER_SIZE);
    }
    nx_logger_remove(shard->node->logger, &shard->log);
    gw_heap_give(&shard->heap, shard->log_memory, nx_log_size_needed(LOG_RECORDS));
    shard->node->shards[shard->index] = NULL;
    struct gw_heap heap = shard->heap;
    gw_heap_give(&heap, shard, sizeof(*shard));
}
