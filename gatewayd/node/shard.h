/* shard.h - the world of one shard: its loop, its hub, its connections and its links to control.
 *
 * Layer:   gatewayd/node
 * Threads: own shard; `node` is shared and read-only but for what says otherwise
 * Limits:  gatewayd/node/limits.h
 * Idiom:   whoever gave the hub something to say calls gw_shard_kick(). Two tasks do all writing: `urgent` (answers,
 *          closes, HTTP) before `bulk` (fan-out), which stops when the slice is used up and goes on in the next one.
 */
#ifndef GW_NODE_SHARD_H
#define GW_NODE_SHARD_H

#include "engine/base/log.h"
#include "engine/io/link.h"
#include "engine/io/loop.h"
#include "engine/io/mailbox.h"
#include "engine/io/timer.h"
#include "engine/io/tls.h"
#include "engine/io/worker.h"
#include "engine/wire/deflate.h"
#include "engine/wire/ws.h"
#include "gatewayd/core/hub.h"
#include "gatewayd/node/config.h"
#include "gatewayd/node/heap.h"

struct gw_conn;
struct gw_shard;
struct gw_stats_scrape;

/** What all shards share. */
struct gw_node {
    const struct gw_node_config *config; /**< given */
    struct nx_tls_context *tls;          /**< NULL: plain */
    struct gw_shard **shards;            /**< filled while they start; read only after all have */
    uint32_t shards_count;
    int *listen_fds;    /**< owned: one per shard */
    int admin_fd;       /**< -1: none */
    uint64_t boot;      /**< random, tells this process from the one before */
    int64_t started_ms; /**< Unix time */
    bool is_echo;
    struct nx_logger *logger;
};

/** The links of a shard to control. */
struct gw_bus {
    struct nx_link rt;
    struct nx_link bulk;
    struct nx_timer retry;
    uint32_t backoff_ms;
    uint32_t reopen_cursor; /**< of gw_hub_bus_reopen() */
    uint64_t peer_boot;     /**< control's; 0 before its first HELLO */
    bool is_rt_open;
    bool is_bulk_open;
    bool is_rt_up;
    bool is_bulk_up;
    bool is_reopening; /**< sessions are being told to control again */
    bool is_paused;    /**< the fan-out is behind: nothing is read */
    bool is_stopping;
};

/** One shard. */
struct gw_shard {
    struct gw_node *node;
    struct nx_loop *loop;
    uint32_t index;
    struct gw_heap heap;
    struct gw_hub hub;
    struct gw_bus bus;
    struct nx_log log;
    void *log_memory;
    struct nx_mailbox *mailbox;
    struct nx_worker *handshakes; /**< NULL without TLS */
    struct nx_listener listener;
    struct nx_listener admin;   /**< shard 0 only */
    struct nx_loop_task urgent; /**< PRIORITY */
    struct nx_loop_task bulk;   /**< BULK */
    struct nx_timer tick;
    struct nx_timer drain;
    struct nx_list flushes; /**< connections without a session that have bytes to send */
    struct gw_conn *conn_slabs[GW_CONN_SLABS_MAX];
    uint32_t conn_slabs_count;
    uint32_t conns_free;
    uint32_t conns_count;
    uint64_t requests_count; /**< numbers of REST requests */
    uint32_t requests_pending;
    size_t requests_size;   /**< bytes of the buffers of requests */
    uint64_t http_count;    /**< requests served, ever */
    uint64_t refused_count; /**< connections refused by limits, ever */
    nx_time drain_end;
    uint32_t drain_cursor;
    bool is_draining;
    struct nx_ws_config ws_config;
    struct nx_deflate_inflater *inflater; /**< NULL until the first compressed message */
    struct nx_deflate_deflater *deflaters[NX_DEFLATE_WINDOW_BITS_MAX + 1]; /**< echo mode: by window bits */
    uint8_t *inflated; /**< room for one inflated message */
    size_t inflated_room;
    struct gw_stats_scrape *scrape; /**< the scrape under way; shard 0 only */
    uint8_t scratch[GW_SCRATCH_SIZE];
};

/** Builds a shard: hub, listeners, links. Returns NX_OK or why not. */
NX_MUST_USE enum nx_err gw_shard_start(void *node, uint32_t index, struct nx_loop *loop, void **state);

/** Begins to drain: stops accepting, moves clients away, then stops the loop. */
void gw_shard_stop(void *state);

/** Frees a stopped shard. */
void gw_shard_end(void *state);

/** Wakes the tasks that write, if there is something to write. */
void gw_shard_kick(struct gw_shard *shard);

/** Returns the connection in `index`, free or not, which must exist. */
struct gw_conn *gw_shard_conn(const struct gw_shard *shard, uint32_t index);

/** Takes a free connection slot, or NULL. */
struct gw_conn *gw_shard_conn_take(struct gw_shard *shard);

/** Gives a slot back. */
void gw_shard_conn_give(struct gw_shard *shard, struct gw_conn *conn);

/** Inflates `message` into shard->inflated, at most `size_max` bytes. Returns NX_OK; NX_E_FULL when it is larger;
 *  NX_E_MALFORMED; NX_E_NO_MEMORY. */
NX_MUST_USE enum nx_err gw_shard_inflate(struct gw_shard *shard, struct nx_bytes message, size_t size_max,
                                         struct nx_bytes *out);

/** Tells another shard that its session `old_session` is over, because `session` here was restored in its place. */
void gw_shard_forget(struct gw_shard *shard, uint32_t old_shard, uint64_t old_session,
                     const struct gw_session *session);

/** Posts the export of a session to another shard. */
void gw_shard_export(struct gw_shard *shard, struct gw_session *session, uint32_t new_shard,
                     uint64_t new_session);

#endif
