/* position.h - a reordering of channels or roles: the body, read and checked element by element.
 *
 * Layer:   control/api (pure)
 * Threads: the loop's
 */
#ifndef API_API_POSITION_H
#define API_API_POSITION_H

#include "control/api/request.h"

/** One element as it was sent. */
struct api_position {
    uint64_t id;
    uint64_t position;  /**< 0..10000 */
    uint64_t parent_id; /**< 0 none */
    bool has_position;
    bool has_parent;
};

/** The rows of a reordering, in the request's arena. */
struct api_positions {
    struct ctl_position_row *rows;
    uint32_t rows_count;
};

/** Says where one thing goes: fills `row`, whose id is there. Returns false with the error answered. */
typedef bool api_position_check(struct api_request *r, const struct api_position *given,
                                struct ctl_position_row *row);

/** Reads the body, 1..`max` elements, each through `check`. Returns false with the error answered. */
bool api_position_read(struct api_request *r, uint32_t max, api_position_check *check,
                       struct api_positions *positions);

#endif
