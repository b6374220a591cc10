/* tally.h - what was sent, what arrived, how long it took, and what is missing.
 *
 * Layer:   loadtest
 * Threads: the loop's own
 * Limits:  LOAD_STREAMS_MAX streams; completions are seen for the last messages of each stream (ring_size)
 * Idiom:   a stream is one publisher or room: its messages are numbered 1, 2, …, each must reach every receiver of the
 *          stream once. Losses are counted over the whole run, latencies and rates only while `is_measuring`.
 */
#ifndef LOAD_TALLY_H
#define LOAD_TALLY_H

#include "engine/base/err.h"
#include "engine/base/metric.h"
#include "loadtest/check.h"
#include "loadtest/stamp.h"

/** One message on its way. */
struct load_tally_flight {
    uint32_t number; /**< 0: none */
    uint32_t left;   /**< receivers that do not have it yet */
};

/** One publisher or room. */
struct load_tally_stream {
    uint32_t published;       /**< number of the last message */
    uint32_t refused;         /**< messages that the server did not take */
    uint32_t receivers_count; /**< who must get each message */
    uint64_t delivered;       /**< different messages received, all receivers together */
};

/** Counters of the measured interval. */
struct load_tally_counts {
    uint64_t messages;
    uint64_t acks;
    uint64_t deliveries;
};

/** The whole bookkeeping of a run. */
struct load_tally {
    struct load_tally_stream *streams; /**< owned */
    struct load_tally_flight *flights; /**< owned: ring_size per stream */
    uint32_t streams_count;
    uint32_t ring_size; /**< a power of two */
    uint16_t run;       /**< marks of other runs are ignored */
    bool is_measuring;
    bool is_order_free;   /**< given: messages may be sent again, so their numbers need not rise */
    uint32_t outstanding; /**< messages that somebody does not have yet */
    struct load_tally_counts measured;
    uint64_t deliveries; /**< all, repeated ones included */
    uint64_t duplicates;
    uint64_t reordered;
    uint64_t foreign;   /**< marks of another run or of a stream the receiver does not belong to */
    uint64_t refused;   /**< messages that the server did not take */
    uint64_t completed; /**< messages that everybody got */
    struct nx_metric_histogram latency_ns; /**< sent to received, each delivery */
    struct nx_metric_histogram last_ns;    /**< sent to received by the last receiver, each message */
    struct nx_metric_histogram ack_ns;     /**< sent to acknowledged */
};

/** Prepares `streams_count` streams. Returns NX_OK; NX_E_NO_MEMORY; NX_E_FULL past LOAD_STREAMS_MAX. */
NX_MUST_USE enum nx_err load_tally_open(struct load_tally *tally, uint32_t streams_count, uint16_t run);

/** Frees the bookkeeping. */
void load_tally_fini(struct load_tally *tally);

/** Forgets what was measured and starts (true) or stops (false) measuring. */
void load_tally_measure(struct load_tally *tally, bool is_measuring);

/** Numbers a new message of `stream` to be sent at `ns`: writes its mark to `out`. */
void load_tally_publish(struct load_tally *tally, uint32_t stream, int64_t ns, struct load_stamp *out);

/** The server acknowledged the message. */
void load_tally_acked(struct load_tally *tally, const struct load_stamp *stamp, int64_t now_ns);

/** The server refused the message: nobody gets it. */
void load_tally_refused(struct load_tally *tally, const struct load_stamp *stamp);

/**
 * One receiver, whose record for this stream is `check`, got the message. Returns whether it was the last receiver: the
 * message is complete.
 */
bool load_tally_delivered(struct load_tally *tally, struct load_check *check, const struct load_stamp *stamp,
                          int64_t now_ns);

/**
 * One receiver read the message from the history: as load_tally_delivered(), but having it already is no fault and no
 * latency is noted.
 */
bool load_tally_fetched(struct load_tally *tally, struct load_check *check, const struct load_stamp *stamp);

/** Returns how many deliveries are missing now. */
uint64_t load_tally_missing(const struct load_tally *tally);

/** Returns how many messages were sent in all. */
uint64_t load_tally_published(const struct load_tally *tally);

#endif
