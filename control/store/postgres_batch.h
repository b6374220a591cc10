/* postgres_batch.h - one transaction of the writer: what was asked, what was sent, what came back.
 *
 * Layer:   control/store
 * Threads: the loop's
 * Idiom:   BEGIN, a statement per question or per run of message creations, a mark, COMMIT, sync: each gives one result
 */
#ifndef STORE_POSTGRES_BATCH_H
#define STORE_POSTGRES_BATCH_H

#include "control/store/postgres_link.h"
#include "engine/base/time.h"

/** A writing question that waits, or is under way. */
struct store_postgres_asked {
    struct store_request *request;
    nx_time at;
};

/** One statement of a batch. */
struct store_postgres_step {
    uint16_t first; /**< of the batch's requests */
    uint16_t count;
};

/** One transaction. */
struct store_postgres_batch {
    struct store_postgres_asked asked[STORE_BATCH_MAX];
    struct store_request *requests[STORE_BATCH_MAX];
    size_t marks[STORE_BATCH_MAX]; /**< of the arenas, to ask again */
    uint32_t count;
    struct store_postgres_step steps[STORE_BATCH_MAX];
    uint32_t steps_count;
    uint64_t mark; /**< 0, or the number that its transaction leaves in the database */
    nx_time sent_at;
    uint32_t results; /**< seen so far */
    bool is_committed;
    bool is_over;
    char sqlstate
        [6]; /**< of the first statement that failed; empty when others' failure swept this batch away */
};

/**
 * Sends the batch's questions as one transaction. A question whose text cannot be stored gets its verdict at once. Nothing is
 * told when the connection is lost meanwhile: the link will.
 */
void store_postgres_batch_send(struct store_postgres_batch *batch, struct store_postgres_context *context,
                               struct store_postgres_link *link);

/** Reads the next result; afterwards is_over says whether it was the last. */
void store_postgres_batch_result(struct store_postgres_batch *batch, struct store_postgres_context *context,
                                 const PGresult *result);

/** Returns whether asking the questions of a failed batch one by one can help: not when the whole server refuses. */
bool store_postgres_batch_may_retry(const struct store_postgres_batch *batch);

/** Returns the verdict for the only question of a failed batch. */
enum nx_err store_postgres_batch_verdict(const struct store_postgres_batch *batch);

/** Takes back what the answers of a failed batch took of their arenas. */
void store_postgres_batch_restore(struct store_postgres_batch *batch);

#endif
