/* options.h - the command line of `nexus load`.
 *
 * Layer:   loadtest
 * Threads: before start
 * Limits:  engine values of loadtest/limits.h
 */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include "engine/base/addr.h"
#include "engine/base/err.h"
#include "loadtest/limits.h"

#include <stdbool.h>
#include <stdint.h>

enum load_options_mode { LOAD_OPTIONS_WS, LOAD_OPTIONS_RAW, LOAD_OPTIONS_FANOUT, LOAD_OPTIONS_DUMP };
enum load_options_pattern { LOAD_OPTIONS_MAX1, LOAD_OPTIONS_MAX8, LOAD_OPTIONS_ROOMS };
enum { LOAD_OPTIONS_WHY_SIZE = 160, LOAD_OPTIONS_HOST_SIZE = 128 };

/** What was asked for; texts are borrowed from the arguments. */
struct load_options {
    enum load_options_mode mode;
    enum load_options_pattern pattern; /**< raw and fanout */
    struct nx_addr server;             /**< of url */
    bool is_tls;                       /**< of url */
    bool is_insecure;
    bool is_compressed;
    bool reconnects;
    bool is_rest;
    bool is_help;
    char host[LOAD_OPTIONS_HOST_SIZE]; /**< of url, for the Host header */
    const char *path;                  /**< request target; raw: the room number is appended */
    const char *seed;
    const char *json;
    const char *history; /**< file or folder for what every client saw, or NULL */
    const char *bus;
    const char *probe_seed; /**< fanout: where the tokens of the probes are written */
    uint32_t sessions;      /**< 0: every user of the seed */
    uint32_t skip;          /**< users of the seed left to other processes */
    uint32_t connect_rate;
    uint32_t sources; /**< 0: as many as needed */
    uint32_t publishers;
    uint32_t channels;
    uint32_t rooms;
    uint32_t rate;   /**< messages per second in all; 0: closed loop or none */
    uint32_t closed; /**< messages outstanding in all */
    uint32_t size;
    uint32_t duration_ms;
    uint32_t warmup_ms;
    uint32_t settle_ms;
    uint32_t heartbeat_ms; /**< 0: as the server says */
    uint32_t probes;       /**< fanout: users of a quiet guild beside the sessions */
    uint64_t intents;
    uint32_t pids[LOAD_PIDS_MAX]; /**< whose CPU and memory is measured */
    uint32_t pids_count;
    uint32_t parents[LOAD_PIDS_MAX]; /**< whose children's are measured */
    uint32_t parents_count;
};

/**
 * Reads `argc` arguments after the mode's name. `why` receives one line when something is wrong.
 * Returns NX_OK (is_help may be set, then nothing else counts); NX_E_MALFORMED.
 */
NX_MUST_USE enum nx_err load_options_parse(enum load_options_mode mode, int argc, char *const *argv,
                                           struct load_options *out, char why[LOAD_OPTIONS_WHY_SIZE]);

/** Takes "ws://127.0.0.1:8080" apart into server, is_tls and host. Returns NX_OK; NX_E_MALFORMED. */
NX_MUST_USE enum nx_err load_options_url(const char *url, struct load_options *out);

/** Returns the text of --help for `mode`. */
const char *load_options_help(enum load_options_mode mode);

#endif
