/* fetch.h - reads channel histories over REST for many clients: a few kept connections, the rest waits in a queue.
 *
 * Spec:    GET /api/v1/channels/{id}/messages?after_seq= of api/openapi.yaml
 * Layer:   loadtest
 * Threads: the loop's own
 * Limits:  LOAD_FETCH_LANES_MAX connections, LOAD_FETCH_BODY_MAX bytes an answer
 * Idiom:   a lost connection or a busy server costs a jittered pause and another try; only an answer that trying again does
 *          not change ends a job.
 */
#ifndef LOAD_FETCH_H
#define LOAD_FETCH_H

#include "engine/base/list.h"
#include "engine/io/timer.h"
#include "loadtest/conn.h"
#include "loadtest/message.h"

enum {
    LOAD_FETCH_LANES_MAX = 64,
    LOAD_FETCH_PAGE = 100, /* messages asked for at once: the most the server gives */
    LOAD_FETCH_BODY_MAX = 8 << 20,
};

#define LOAD_FETCH_TO_THE_END UINT32_MAX /* until there is nothing more */

/** What a client wants: the messages after `after` up to `to`. Zero-initialised; embedded in its owner. */
struct load_fetch_job {
    struct nx_list_link waiting;
    struct nx_bytes token; /**< given */
    uint64_t channel_id;   /**< given */
    uint32_t after;        /**< given; rises while it is done */
    uint32_t to;           /**< given; may be raised while it is done */
    bool is_active;        /**< waiting or being done */
};

/** What the owner hears. */
struct load_fetch_events {
    /** A message, in order. */
    void (*message)(void *context, struct load_fetch_job *job, const struct load_message *message);
    /** The job is over; `is_good` false: the server will not answer it (`status`). It may be asked again inside. */
    void (*done)(void *context, struct load_fetch_job *job, bool is_good, uint16_t status);
};

struct load_fetch;

/** One connection. */
struct load_fetch_lane {
    struct load_conn conn;
    struct load_fetch *fetch;
    struct nx_timer pause;
    struct load_fetch_job *job; /**< being done, or NULL */
    uint8_t *in;                /**< owned: the answer so far */
    uint32_t in_room;
    uint32_t in_size;
    uint32_t head_size; /**< 0 until the head is complete */
    uint32_t body_size;
    uint16_t status;
    bool is_paused;
    bool is_asked; /**< the request is on its way */
};

/** The pool; zero-initialised. */
struct load_fetch {
    struct load_conn_net *net;          /**< given */
    const struct load_fetch_events *on; /**< given */
    void *context;                      /**< given */
    uint32_t lanes_count;               /**< given: at most LOAD_FETCH_LANES_MAX */
    bool is_closing;
    struct nx_list waiting;
    struct load_fetch_lane lanes[LOAD_FETCH_LANES_MAX];
    uint64_t requests;
    uint64_t retries;
    uint32_t active; /**< jobs waiting or being done */
};

/** Prepares a pool whose given fields are set. */
void load_fetch_init(struct load_fetch *fetch);

/** Begins `job`, which must not be active. */
void load_fetch_ask(struct load_fetch *fetch, struct load_fetch_job *job);

/** Closes the connections; jobs are left undone and nothing is told. */
void load_fetch_close(struct load_fetch *fetch);

/** Frees what it owns; its connections must be closed. */
void load_fetch_fini(struct load_fetch *fetch);

#endif
