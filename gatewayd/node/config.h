/* config.h - what the gateway daemon is told at start.
 *
 * Layer:   gatewayd/node
 * Threads: written before start, read by all shards
 * Idiom:   gw_config_init(), set what differs, gw_node_run(). Texts and arrays are borrowed until it returns.
 */
#ifndef GW_NODE_CONFIG_H
#define GW_NODE_CONFIG_H

#include "engine/base/log.h"
#include "engine/io/stream.h"
#include "gatewayd/node/limits.h"

/** An address, or all addresses that begin like it. */
struct gw_config_net {
    struct nx_addr addr;
    uint8_t bits; /**< that must agree */
};

/** The whole configuration. */
struct gw_node_config {
    struct nx_endpoint listen; /**< ADDR: bound by every shard; unused when there are listen_fds */
    const int *listen_fds;     /**< inherited listening sockets, one per shard; owned from here on */
    uint32_t listen_fds_count;
    struct nx_endpoint admin; /**< /metrics, /stats: ADDR or FD */
    bool has_admin;
    struct nx_endpoint bus;      /**< where control listens */
    const char *tls_certificate; /**< path, PEM; NULL: plain */
    const char *tls_key;         /**< path, PEM */
    const char *public_url;      /**< http(s)://host[:port] for resume; NULL or empty: none */
    const char *cors_origin;     /**< one foreign origin whose pages may call the API; NULL: none */
    struct gw_config_net proxies[GW_PROXIES_MAX]; /**< whose X-Forwarded-For and PROXY header is believed */
    uint32_t proxies_count;
    uint32_t shards;        /**< 0: one per CPU of the affinity mask */
    bool is_pinned;         /**< a shard runs on its CPU only */
    bool has_rate_limits;   /**< until control says otherwise */
    uint16_t node;          /**< 0..1023 */
    uint32_t resume_s;      /**< seconds a cut session can be resumed */
    uint64_t framelog_size; /**< bytes per shard */
    uint32_t sessions_max;  /**< per shard */
    uint32_t drain_s;       /**< seconds a stop may take */
    bool has_kernel_6_1_only;
    int log_fd;
    enum nx_log_level log_level;
    int ready_fd; /**< a byte is written here when every shard listens; -1: none */
};

/** Sets every default. */
void gw_config_init(struct gw_node_config *config);

/** Reads "addr[/bits], addr…" into config->proxies. Returns NX_OK; NX_E_MALFORMED; NX_E_FULL. */
NX_MUST_USE enum nx_err gw_config_proxies(struct gw_node_config *config, struct nx_bytes text);

/** Returns whether `addr` is one of the trusted proxies. */
bool gw_config_is_proxy(const struct gw_node_config *config, const struct nx_addr *addr);

#endif
