/* router.h - takes a request through limits, authentication, permission and its handler.
 *
 * Spec:    protocol.md sections 1, 4, 9; reliability.md section 8
 * Layer:   control/api (pure)
 * Threads: the loop's
 * Idiom:   see request.h
 */
#ifndef API_API_ROUTER_H
#define API_API_ROUTER_H

#include "control/api/request.h"

/** Starts a request. */
NX_MUST_USE enum api_next api_router_begin(struct api_request *r);

/** Goes on with the answer of the store, or NULL after a password job. */
NX_MUST_USE enum api_next api_router_resume(struct api_request *r, const struct ctl_answer *answer);

#endif
