/* postgres_question.h - every question of question.h as one statement, and the result as its answer.
 *
 * Layer:   control/store
 * Threads: the connection's
 * Idiom:   put() sends, take() reads: in between others' statements travel on the same pipeline. Message creations that follow
 *          one another travel together as one statement over arrays.
 */
#ifndef STORE_POSTGRES_QUESTION_H
#define STORE_POSTGRES_QUESTION_H

#include "control/store/limits.h"
#include "control/store/postgres_sql.h"
#include "control/store/store.h"
#include "engine/base/id.h"

enum { STORE_POSTGRES_ARRAYS = 7, STORE_POSTGRES_NONCE_SLOTS = 2 * STORE_BATCH_MAX };

/** What asking needs beside the question. */
struct store_postgres_context {
    PGconn *db;             /**< of the writer */
    struct nx_id_mint mint; /**< makes message and user ids in commit order */
    uint64_t epoch;         /**< owner_epoch of this control */
    struct store_postgres_array arrays[STORE_POSTGRES_ARRAYS];
    const struct ctl_question
        *nonces[STORE_POSTGRES_NONCE_SLOTS]; /**< hash table of the statement being put */
    bool has_dead_channels;                  /**< the sweep has work */
};

/**
 * Sends the one statement of a question that is no message creation, on `db`. Returns NX_OK; NX_E_MALFORMED when one of its
 * texts cannot be stored; NX_E_UNAVAILABLE when the connection is lost.
 */
NX_MUST_USE enum nx_err store_postgres_question_put(struct store_postgres_context *context, PGconn *db,
                                                    const struct store_request *request);

/** Answers `request` from the result of its statement. */
void store_postgres_question_take(struct store_postgres_context *context, const PGresult *result,
                                  struct store_request *request);

/**
 * Sends the message creations at the front of `requests` as one statement: as many as follow one another without two of the
 * same nonce. *taken says how many. A message whose text cannot be stored gets the verdict NX_E_MALFORMED and no row.
 * Returns NX_OK; NX_E_UNAVAILABLE when the connection is lost.
 */
NX_MUST_USE enum nx_err store_postgres_question_put_messages(struct store_postgres_context *context,
                                                             struct store_request *const *requests,
                                                             uint32_t count, uint32_t *taken);

/**
 * Answers `count` message creations from their statement's result. One whose channel has a larger id already gets the
 * verdict NX_E_EXPIRED: it is to be asked again, with the ids that come now.
 */
void store_postgres_question_take_messages(struct store_postgres_context *context, const PGresult *result,
                                           struct store_request *const *requests, uint32_t count);

#endif
