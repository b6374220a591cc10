/* state.h - what the files of control/node share: the node, its shards and its requests.
 *
 * Layer:   control/node (private)
 * Threads: the loop's
 * Limits:  CTL_LINKS_MAX shards, CTLD_REQUESTS_MAX requests in flight, CTLD_PASSWORD_QUEUE_MAX password jobs
 */
#ifndef CTLD_NODE_STATE_H
#define CTLD_NODE_STATE_H

#include "control/api/router.h"
#include "control/core/gateway.h"
#include "control/node/config.h"
#include "control/store/store.h"
#include "engine/io/link.h"
#include "engine/io/timer.h"
#include "engine/io/worker.h"

enum {
    CTLD_REQUESTS_MAX = 1024,     /**< REST requests in flight; more are answered 503 */
    CTLD_PASSWORD_QUEUE_MAX = 64, /**< password jobs waiting or running; more are answered 503 */
    CTLD_LINK_QUEUE_MAX =
        96 << 20, /**< bytes unsent on one link of a shard; past it the link is closed and resynchronised */
    CTLD_ANSWERS_WAITING_MAX =
        64
        << 20, /**< bytes unsent beyond which answers to REST requests become 503; they are the larger part */
    CTLD_HELLO_MS = 5000, /**< a connection that says no HELLO in time is closed */
    CTLD_TICK_MS = 1000,
    CTLD_RULES_TICK_MS = 200,                         /**< how late a deadline of the rules may be noticed */
    CTLD_ARENA_SIZE = API_ARENA_SIZE + API_ROWS_SIZE, /**< a request and the rows of its answers */
    CTLD_ARENAS_KEPT = 32                             /**< arenas kept for the next requests */
};

struct ctld_node;
struct ctld_shard;
struct ctld_admin;

/** Messages that wait for room on a link. */
struct ctld_outbox {
    uint8_t *bytes; /**< owned */
    size_t start, end, room;
    bool is_direct; /**< the message begun is on the link itself */
};

/** One connection of gatewayd; becomes a link of a shard with its HELLO. */
struct ctld_conn {
    struct nx_list_link member; /**< of node.conns */
    struct nx_link link;
    struct ctld_outbox outbox;
    struct nx_timer hello; /**< runs until HELLO */
    struct ctld_node *node;
    struct ctld_shard *shard; /**< NULL before HELLO, and of an admin connection */
    struct ctld_admin *admin; /**< of an admin connection */
    enum nx_bus_link kind;
};

/** One shard of gatewayd: a realtime and a bulk connection. */
struct ctld_shard {
    struct ctld_node *node;
    struct ctld_conn *conns[2]; /**< by enum nx_bus_link; NULL while down */
    uint64_t boot;              /**< of the gatewayd process */
    uint32_t number;            /**< the link number of control/core */
    uint16_t node_number, shard_number;
    bool is_used;   /**< the number is taken */
    bool is_online; /**< both are up and SYNCED was sent */
};

/** One REST request on its way. */
struct ctld_request {
    struct nx_list_link member; /**< of node.requests */
    struct api_request api;
    struct store_request store;
    struct nx_job job;
    struct ctld_node *node;
    uint64_t request; /**< gatewayd's number */
    uint64_t boot;    /**< of the gatewayd that asked, so that an answer never goes to its successor */
    uint32_t shard;   /**< index of the asking shard */
    uint8_t *arena;   /**< CTLD_ARENA_SIZE bytes */
    uint8_t *given;   /**< owned copy of target, headers and body, and room for the body to come */
    size_t given_size, given_room;
    size_t body_start;
    bool is_body_complete;
    bool is_hash;      /**< the password job hashes; else it verifies */
    bool is_busy;      /**< the store or a worker has it */
    nx_time asked_at;  /**< when the store got it */
    bool is_cancelled; /**< nobody waits for the answer */
};

/** A question of the gateway on its way to the store. */
struct ctld_op {
    struct store_request store;
    struct ctld_node *node;
    struct ctl_op *op;
    struct ctld_op *next_free;
};

/** Everything of one control daemon. */
struct ctld_node {
    struct nx_loop *loop;             /**< given */
    const struct ctld_config *config; /**< given */
    struct store *store;
    struct nx_worker *passwords; /**< NULL once closed */
    struct nx_token_ring ring;
    struct ctl_world world;
    struct ctl_gateway gateway;
    struct nx_listener listener;
    struct nx_timer tick;
    struct nx_timer rules; /**< CTLD_RULES_TICK_MS */
    struct nx_list conns;
    struct nx_list requests;
    struct nx_list admins;
    struct ctld_shard shards[CTL_LINKS_MAX];
    struct ctld_op *ops_free; /**< operations to be used again */
    uint8_t *arenas_free[CTLD_ARENAS_KEPT];
    uint32_t arenas_free_count;
    uint32_t requests_count;
    uint32_t busy_count; /**< requests and ops that the store or a worker has */
    uint64_t boot;
    bool is_closing;
};

#endif
