/* run.h - the course of every load test: connect, settle, warm up, measure, drain, report.
 *
 * Layer:   loadtest
 * Threads: the loop's own
 * Limits:  LOAD_SESSIONS_MAX clients, LOAD_STREAMS_MAX streams
 * Idiom:   a mode (ws, raw, fanout) gives its clients by index and its streams by number; the run decides when a client is
 *          started and when a stream says something.
 */
#ifndef LOAD_RUN_H
#define LOAD_RUN_H

#include "engine/io/timer.h"
#include "loadtest/conn.h"
#include "loadtest/options.h"
#include "loadtest/proc.h"
#include "loadtest/tally.h"

struct load_run;

/** What a mode does for the run. */
struct load_run_ops {
    bool (*is_prepared)(struct load_run *run);            /**< clients may be started */
    void (*start)(struct load_run *run, uint32_t client); /**< begin to connect it */
    void (*connected)(struct load_run *run); /**< all that come are there: receivers are known now */
    /** Send the next message of `stream`, due at `ns`; false: it cannot say anything now. */
    bool (*publish)(struct load_run *run, uint32_t stream, int64_t ns);
    void (*tick)(struct load_run *run, int64_t now_ns); /**< every millisecond or two; may be NULL */
    /** Whether nothing is on its way any more, asked while draining; may be NULL: then only the tally counts. */
    bool (*is_drained)(struct load_run *run);
    void (*stop)(struct load_run *run); /**< close everything */
    void (*report)(struct load_run *run,
                   void *json_out); /**< add members of its own to the result, may be NULL */
};

enum load_run_phase {
    LOAD_RUN_PREPARE,
    LOAD_RUN_CONNECT,
    LOAD_RUN_SETTLE,
    LOAD_RUN_WARMUP,
    LOAD_RUN_MEASURE,
    LOAD_RUN_DRAIN,
    LOAD_RUN_DONE
};

/** Where server and client stood at one moment. */
struct load_run_mark {
    int64_t ns;
    struct load_proc_use server;
    uint64_t client_cpu_ns;
    uint64_t received_bytes;
};

/** One run. */
struct load_run {
    const struct load_options *options; /**< given */
    const struct load_run_ops *ops;     /**< given */
    void *mode;                         /**< given: the mode's own */
    struct nx_loop *loop;
    struct load_conn_net net;
    struct load_tally tally; /**< opened by the mode */
    struct nx_timer tick;
    enum load_run_phase phase;
    int64_t phase_ns; /**< when it began */
    /* clients */
    uint32_t clients_count; /**< given */
    uint32_t started_count;
    uint32_t ready_count;  /**< became ready, each counted once */
    uint32_t failed_count; /**< gave up before they were ready */
    uint32_t lost_count;   /**< were ready and are gone for good */
    int64_t first_start_ns;
    int64_t last_ready_ns;
    struct nx_metric_histogram connect_ns;  /**< start to ready */
    struct nx_metric_histogram identify_ns; /**< IDENTIFY to READY */
    /* publishing */
    bool is_publishing;
    int64_t publish_start_ns;
    uint64_t publish_count;      /**< messages due since then */
    uint64_t publish_refused;    /**< messages a publisher could not send */
    uint32_t publish_next;       /**< stream whose turn it is */
    uint32_t publish_owed;       /**< closed loop: messages that could not be sent yet */
    uint64_t drained_deliveries; /**< at drained_ns, when draining last moved something */
    int64_t drained_ns;
    uint64_t excused;    /**< deliveries that cannot come any more: deleted before they were read */
    int64_t progress_ns; /**< a closed loop moved last */
    bool is_stalled;
    /* measurement */
    uint32_t pids[LOAD_PIDS_MAX];
    uint32_t pids_count;
    struct load_run_mark start, idle, measure_begin, measure_end;
    uint64_t rss_max;
    /* progress */
    int64_t shown_ns;
    uint64_t shown_deliveries;
    const char *failure; /**< why the run ended early, or NULL */
};

/** Opens the loop and what clients share. Returns NX_OK after writing a line to stderr on failure: the error. */
NX_MUST_USE enum nx_err load_run_open(struct load_run *run, const struct load_options *options,
                                      const struct load_run_ops *ops, void *mode, uint32_t clients_count);

/** Runs to the end and prints the result. Returns the exit code: 0 when everything arrived once and in order. */
int load_run_go(struct load_run *run);

/** Frees everything. */
void load_run_close(struct load_run *run);

/** Returns the source address of client number `client`. */
struct nx_addr load_run_source(const struct load_run *run, uint32_t client);

/** A client is ready for the first time; started and identified at these instants. */
void load_run_ready(struct load_run *run, int64_t begun_ns, int64_t identified_ns);

/** Returns how many deliveries are missing that could still come. */
uint64_t load_run_missing(const struct load_run *run);

/** A client is gone for good. */
void load_run_gone(struct load_run *run, bool was_ready);

/** A message of `stream` reached everybody: in a closed loop the next one leaves. */
void load_run_completed(struct load_run *run, uint32_t stream);

#endif
