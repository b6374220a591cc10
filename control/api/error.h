/* error.h - error answers: Discord's codes and bodies, or the envelope of /v1.
 *
 * Spec:    protocol.md section 2
 * Layer:   control/api (pure)
 * Threads: the loop's
 * Idiom:   return api_error(r, API_ERROR_UNKNOWN_GUILD); the table (error.def) knows status, code and words. Answers about
 *          foreign and absent things are the same bytes.
 */
#ifndef API_API_ERROR_H
#define API_API_ERROR_H

#include "control/api/request.h"
#include "control/core/message.h"

/** Every error answer: one row of error.def each. */
enum api_error {
#define API_ERR(name, status, code, text) API_ERROR_##name,
#include "control/api/error.def"
#undef API_ERR
    API_ERROR_COUNT
};

/** Answers with an error. Returns API_DONE. */
enum api_next api_error(struct api_request *r, enum api_error error);

/** Answers 400 with the faults of a body. Returns API_DONE. */
enum api_next api_error_form(struct api_request *r, const struct nx_json_faults *faults);

/** Answers 400 with one fault. Returns API_DONE. */
enum api_next api_error_field(struct api_request *r, const char *name, enum nx_json_fault_code code,
                              int64_t min, int64_t max);

/** Answers 400: the value of the member `name` is somebody else's. Returns API_DONE. */
enum api_next api_error_taken(struct api_request *r, const char *name);

/** Answers 400: the member `name` asks for something that is not offered here. Returns API_DONE. */
enum api_next api_error_unsupported(struct api_request *r, const char *name);

/** Answers 429. Returns API_DONE. */
enum api_next api_error_limited(struct api_request *r, int64_t retry_ms, bool is_global, const char *scope);

/** Answers what the core's code says; slow mode with `retry_ms`. Returns API_DONE. */
enum api_next api_error_code(struct api_request *r, enum ctl_code code, int64_t retry_ms);

/** Answers a verdict of the store that a handler does not treat itself; NOT_FOUND becomes `missing`. Returns API_DONE. */
enum api_next api_error_store(struct api_request *r, enum nx_err verdict, enum api_error missing);

#endif
