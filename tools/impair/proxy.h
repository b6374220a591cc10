/* proxy.h - the impairment proxy as a whole: routes, what is to be done when, commands, statistics.
 *
 * Layer:   tools/impair
 * Threads: own thread
 * Idiom:   impair_proxy_open(), impair_proxy_route() for each address, commands, impair_proxy_run().
 */
#ifndef TOOLS_IMPAIR_PROXY_H
#define TOOLS_IMPAIR_PROXY_H

#include "engine/base/addr.h"
#include "engine/base/list.h"
#include "tools/impair/core/agenda.h"
#include "tools/impair/core/command.h"
#include "tools/impair/core/limits.h"
#include "tools/impair/core/tally.h"
#include "tools/impair/poll.h"

struct impair_udp;
struct impair_udp_table;
struct impair_proxy;

/** What an item of the agenda is embedded in. */
enum impair_proxy_kind {
    IMPAIR_PROXY_PARCEL,  /**< a UDP packet on its way */
    IMPAIR_PROXY_FLOW,    /**< a UDP flow that may be idle */
    IMPAIR_PROXY_STREAM,  /**< one direction of a TCP connection */
    IMPAIR_PROXY_ACCEPT,  /**< a route that ran out of descriptors */
    IMPAIR_PROXY_COMMAND, /**< a command that waits for its time */
    IMPAIR_PROXY_END      /**< the end of --duration */
};

/** One listening address and its target. */
struct impair_proxy_route {
    struct impair_poll_watch watch; /**< the listening socket */
    struct impair_item accept;      /**< when accepting goes on */
    struct impair_proxy *proxy;
    enum impair_setting_protocol protocol;
    uint32_t index;
    struct nx_addr listen; /**< with the port it really has */
    struct nx_addr target;
    struct impair_setting settings[IMPAIR_SETTING_DIRECTIONS];
    struct impair_tally tallies[IMPAIR_SETTING_DIRECTIONS];
    uint32_t flows;                 /**< ever: the index of the next one */
    uint32_t open;                  /**< now */
    uint64_t rebinds;               /**< source ports changed */
    uint64_t resets;                /**< connections reset by us */
    uint64_t refused;               /**< flows without a connection to the target, or without descriptors */
    uint32_t drops;                 /**< of the listening socket, counted already */
    struct nx_list list;            /**< of flows or connections */
    struct impair_udp_table *table; /**< UDP: address to flow */
};

/** The whole. */
struct impair_proxy {
    struct impair_poll poll;
    struct impair_agenda agenda;
    struct impair_item **items; /**< the agenda's memory */
    uint64_t seed;
    uint64_t memory_max;  /**< bytes */
    uint64_t memory_used; /**< bytes of packets and streams on their way */
    int64_t idle_ns;
    nx_time start;
    bool is_over;
    struct impair_item end;
    uint32_t commands_count; /**< that wait */
    struct impair_udp *udp;  /**< buffers of all UDP routes */
    struct nx_list starved;  /**< TCP directions that do not read for want of memory */
    uint8_t *scratch;        /**< IMPAIR_READ_SIZE_MAX bytes */
    uint32_t routes_count;
    struct impair_proxy_route *routes[IMPAIR_ROUTES_MAX];
};

/** Opens without routes. Returns NX_E_NO_MEMORY or NX_E_IO with errno. */
NX_MUST_USE enum nx_err impair_proxy_open(struct impair_proxy *proxy, uint64_t seed, uint64_t memory_max,
                                          int64_t idle_ns);

/** Closes everything and forgets what is on its way. */
void impair_proxy_close(struct impair_proxy *proxy);

/** Adds a route and listens. Returns NX_E_FULL, NX_E_NO_MEMORY, or NX_E_IO with errno. */
NX_MUST_USE enum nx_err impair_proxy_route(struct impair_proxy *proxy, enum impair_setting_protocol protocol,
                                           const struct nx_addr *listen, const struct nx_addr *target);

/**
 * Does `command`, or keeps it for `base` plus its time when it has one; STATS and QUIT only then print and end.
 *
 * Returns NX_E_FULL when too many wait, NX_E_NOT_FOUND when no route is meant.
 */
NX_MUST_USE enum nx_err impair_proxy_command(struct impair_proxy *proxy, const struct impair_command *command,
                                             nx_time base);

/** Ends impair_proxy_run() at `at`. */
void impair_proxy_end_at(struct impair_proxy *proxy, nx_time at);

/** Runs until it is over. */
void impair_proxy_run(struct impair_proxy *proxy);

/** Writes where it listens as one JSON object. */
void impair_proxy_ready_write(const struct impair_proxy *proxy, struct nx_writer *out);

/** Brings the statistics up to date and writes them as one JSON object. */
void impair_proxy_stats_write(struct impair_proxy *proxy, struct nx_writer *out);

/** Returns whether `size` more bytes may be on their way. */
static inline bool impair_proxy_has_memory(const struct impair_proxy *proxy, uint64_t size)
{
    return proxy->memory_max - proxy->memory_used >= size;
}

/** Takes `size` bytes of memory for something on its way, or returns NULL. */
void *impair_proxy_take(struct impair_proxy *proxy, size_t size);

/** Gives back what impair_proxy_take() returned for that `size`. */
void impair_proxy_give(struct impair_proxy *proxy, void *memory, size_t size);

/** Prints the statistics as one line on the standard output. */
void impair_proxy_stats_print(struct impair_proxy *proxy);

#endif
