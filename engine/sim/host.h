/* host.h - one simulated process: it owns loops, streams and clocks, and may pause, jump in time or die.
 *
 * Layer:   engine/sim
 * Threads: one
 * Limits:  NX_SIM_HOSTS_MAX
 * Idiom:   A host outlives the daemon that runs on it: after nx_host_crash() the next daemon is opened on the same host.
 */
#ifndef NX_SIM_HOST_H
#define NX_SIM_HOST_H

#include "engine/base/addr.h"
#include "engine/base/time.h"

#include <stdint.h>

struct nx_sim;
struct nx_host;

/** Makes a host; `name` is a literal, `address` is what peers see of its connections (the port is chosen). */
struct nx_host *nx_host_open(struct nx_sim *sim, const char *name, const struct nx_addr *address);

/** Makes `host` the current one (NULL: none) and returns the one before. */
struct nx_host *nx_host_enter(struct nx_host *host);

/** Returns the current host, or NULL. */
struct nx_host *nx_host_current(void);

/** Returns the name. */
const char *nx_host_name(const struct nx_host *host);

/**
 * Kills the process on `host` without a last word: loops, timers, jobs and streams are gone, peers see a reset, sockets that
 * it listened on are closed (those bound without a host stay), memory of engine/io/mem.h is given back. `on_crash` of
 * nx_host_on_crash() runs last. Files stay. Never from inside a callback of one of its own loops.
 */
void nx_host_crash(struct nx_host *host);

/** Sets what drops the rest of a crashed host's memory (NULL: nothing). */
void nx_host_on_crash(void (*on_crash)(struct nx_host *host));

/** Stops the process (as SIGSTOP does) until `until`; the network goes on around it. An earlier instant wakes it. */
void nx_host_pause(struct nx_host *host, nx_time until);

/** Moves the wall clock of `host` by `delta_ms`; the monotonic clock never jumps. */
void nx_host_wall_jump(struct nx_host *host, int64_t delta_ms);

/** Sends signal `number` to the process; loops with an open nx_signal see it. */
void nx_host_signal(struct nx_host *host, int number);

/** Returns the number of streams open on all loops of `host`. */
uint32_t nx_host_streams_count(const struct nx_host *host);

/** Returns the bytes that `host` holds through engine/io/mem.h. */
uint64_t nx_host_memory_bytes(const struct nx_host *host);

/** Returns how often this host has crashed. */
uint32_t nx_host_crashes(const struct nx_host *host);

#endif
