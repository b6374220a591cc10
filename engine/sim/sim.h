/* sim.h - a world in one process: hosts with loops, a clock, a network and disks, all driven by one seed.
 *
 * Layer:   engine/sim (implements the headers of engine/io in virtual time; link it instead of engine_io)
 * Threads: one; one simulation per process at a time
 * Limits:  NX_SIM_HOSTS_MAX hosts
 * Idiom:   A daemon is opened "on a host": everything that engine/io's functions make while a host is entered belongs
 *          to it. Then time runs:
 *
 *              nx_sim_open(&sim, seed);
 *              struct nx_host *server = nx_host_open(sim, "server", address);
 *              nx_host_enter(server);
 *              ... nx_loop_open(), nx_listener_open() ...
 *              nx_host_enter(NULL);
 *              nx_sim_run(sim, nx_time_add_ms(nx_sim_now(sim), 1000));
 *
 *          The same seed and the same calls give the same history: nx_sim_hash() tells two histories apart.
 */
#ifndef NX_SIM_SIM_H
#define NX_SIM_SIM_H

#include "engine/base/err.h"
#include "engine/base/prng.h"
#include "engine/base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nx_sim;

/** Starts a world at instant 0 s; its wall clock begins in 2023. Returns NX_OK; NX_E_CONFLICT while another is open. */
NX_MUST_USE enum nx_err nx_sim_open(struct nx_sim **out, uint64_t seed);

/** Ends the world: loops, streams, hosts and files go without callbacks. */
void nx_sim_close(struct nx_sim *sim);

/** Returns the instant now. */
nx_time nx_sim_now(const struct nx_sim *sim);

/** Runs everything that happens up to and including `until`. Not from inside a callback of a loop. */
void nx_sim_run(struct nx_sim *sim, nx_time until);

/** Runs the next thing that happens, unless it is after `until`. Returns whether there was one. */
bool nx_sim_step(struct nx_sim *sim, nx_time until);

/** Calls `run` at `at`, on no host: the script of a scenario. A past instant means now. */
void nx_sim_at(struct nx_sim *sim, nx_time at, void (*run)(void *context), void *context);

/** Returns the world's generator (borrowed), for scenarios; drawing from it is part of the history. */
struct nx_prng *nx_sim_prng(struct nx_sim *sim);

/** Returns a hash over everything that happened: instants, connections and every byte received. */
uint64_t nx_sim_hash(const struct nx_sim *sim);

/** Puts `size` bytes into the history hash; for what a scenario finds worth comparing. */
void nx_sim_note(struct nx_sim *sim, const void *bytes, size_t size);

/** Lets the log lines of daemons go to stderr; they are dropped otherwise. */
void nx_sim_loud(struct nx_sim *sim, bool is_loud);

/** Returns how many events have run. */
uint64_t nx_sim_events(const struct nx_sim *sim);

#endif
