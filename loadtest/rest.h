/* rest.h - one publisher over REST: a kept connection, one request at a time, the next messages waiting.
 *
 * Spec:    POST /api/v1/channels/{id}/messages of api/openapi.yaml
 * Layer:   loadtest
 * Threads: the loop's own
 * Limits:  LOAD_REST_WAITING messages waiting
 */
#ifndef LOAD_REST_H
#define LOAD_REST_H

#include "loadtest/conn.h"
#include "loadtest/stamp.h"

enum { LOAD_REST_WAITING = 1024, LOAD_REST_HEAD_MAX = 4096 };

/** What a publisher tells the run. */
struct load_rest_events {
    /** The first waiting message was answered. */
    void (*answered)(void *context, const struct load_stamp *stamp, bool is_refused);
};

/** One publisher; zero-initialised. */
struct load_rest {
    struct load_conn conn;
    struct load_conn_net *net;         /**< given */
    const struct load_rest_events *on; /**< given */
    void *context;                     /**< given */
    struct nx_bytes token;             /**< given */
    uint64_t channel_id;               /**< given */
    uint32_t size;                     /**< given: bytes of content */
    struct load_stamp waiting[LOAD_REST_WAITING];
    uint32_t waiting_first;
    uint32_t waiting_count;
    uint8_t head[LOAD_REST_HEAD_MAX]; /**< an unfinished response head */
    uint32_t head_size;
    uint64_t body_left; /**< bytes of the body of the answer not seen yet */
    uint16_t status;    /**< of the answer whose body is being read; 0: between answers */
    bool is_asking;     /**< a request is on its way */
    uint32_t errors;    /**< connections lost or answers that were no answers */
};

/** Sends a message with `stamp`, or keeps it waiting. Returns NX_OK; NX_E_FULL. */
NX_MUST_USE enum nx_err load_rest_say(struct load_rest *rest, const struct load_stamp *stamp);

/** Writes `size` bytes of content that begin with `stamp` to `out`; used by every publisher. */
void load_rest_content(uint8_t *out, uint32_t size, const struct load_stamp *stamp);

/** Closes the connection. */
void load_rest_close(struct load_rest *rest);

/** Frees what it owns; its connection must be closed. */
void load_rest_fini(struct load_rest *rest);

#endif
