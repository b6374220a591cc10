/* postgres_reader.h - one session that answers reading questions, many under way on one pipeline.
 *
 * Layer:   control/store
 * Threads: the loop's
 * Limits:  STORE_PG_READS_MAX questions under way
 * Idiom:   each question has a sync of its own, so that one that fails takes no other along
 */
#ifndef STORE_POSTGRES_READER_H
#define STORE_POSTGRES_READER_H

#include "control/store/postgres_link.h"
#include "engine/base/time.h"

/** One session; embedded in the store. */
struct store_postgres_reader {
    struct store_postgres_link link;
    struct store_postgres_context *context;                       /**< given */
    void *owner;                                                  /**< given: for the callbacks */
    void (*answered)(void *owner, struct store_request *request); /**< given: its answer is there */
    void (*has_room)(void *owner); /**< given: more can be asked, or the session came or went */
    struct {
        struct store_request *request;
        nx_time at;
    } asked[STORE_PG_READS_MAX]; /**< a ring */
    uint32_t first;
    uint32_t count;
};

/** Connects a session whose given fields are set, waiting for it. Returns NX_OK; else as store_postgres_setup_connect(). */
NX_MUST_USE enum nx_err store_postgres_reader_open(struct store_postgres_reader *reader, struct nx_loop *loop,
                                                   const char *url, char why[STORE_WHY_SIZE]);

/**
 * Sends questions from the front of `requests` (linked by their link) as far as there is room. One whose text cannot be
 * stored is answered at once. Returns whether the session is there at all.
 */
bool store_postgres_reader_send(struct store_postgres_reader *reader, struct nx_list *requests);

/** Returns how long the oldest question under way waits at `now`, ns; 0 without one. */
int64_t store_postgres_reader_waited_ns(const struct store_postgres_reader *reader, nx_time now);

#endif
