/* net.h - the network between hosts: how slow, how small, and what goes wrong.
 *
 * Layer:   engine/sim
 * Threads: one
 * Limits:  connections keep their own order of bytes, as TCP does; all else is up to the seed
 */
#ifndef NX_SIM_NET_H
#define NX_SIM_NET_H

#include "engine/sim/host.h"

#include <stdbool.h>
#include <stdint.h>

/** How connections made from now on behave; ranges are drawn per connection. */
struct nx_net_profile {
    uint32_t latency_us_min;  /**< one way, TCP */
    uint32_t latency_us_max;  /**< */
    uint32_t jitter_us_max;   /**< added per piece of data */
    uint32_t buffer_size_min; /**< bytes on their way and not taken by the receiver, 1 or more */
    uint32_t buffer_size_max; /**< */
    uint32_t bandwidth_min;   /**< bytes per second */
    uint32_t bandwidth_max;   /**< */
    uint32_t split_one_in;    /**< a piece of data is split at a random place one time in so many; 0 never */
    uint32_t
        reset_one_in; /**< a piece of data meets a reset instead, one time in so many (TCP only); 0 never */
};

/** What a cut does to a connection. */
enum nx_net_cut {
    NX_NET_CUT_RESET,  /**< both ends see a reset */
    NX_NET_CUT_HALF,   /**< one end sees a reset, the other nothing until it sends */
    NX_NET_CUT_SILENT, /**< both ends see nothing ever again: a cable pulled */
    NX_NET_CUTS_COUNT
};

/** Returns a fast and clean network: 50 us, 256 KiB buffers, no faults. */
struct nx_net_profile nx_net_profile_clean(void);

/** Sets how connections made from now on behave. */
void nx_net_profile_set(struct nx_sim *sim, const struct nx_net_profile *profile);

/** Cuts every connection between `a` and `b`. Returns how many. */
uint32_t nx_net_cut(struct nx_host *a, struct nx_host *b, enum nx_net_cut how);

/** Cuts one connection of TCP chosen by the world's generator. Returns whether there was one. */
bool nx_net_cut_any(struct nx_sim *sim, enum nx_net_cut how);

/** Lets nothing pass between `a` and `b` until `until`; then bytes that were sent arrive after all. */
void nx_net_partition(struct nx_host *a, struct nx_host *b, nx_time until);

/** Delays what passes from `a` to `b` by up to `delay_ms` more, until `until`. */
void nx_net_clog(struct nx_host *a, struct nx_host *b, uint32_t delay_ms, nx_time until);

/** Returns the number of connections that exist. */
uint32_t nx_net_count(const struct nx_sim *sim);

#endif
