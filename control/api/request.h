/* request.h - one REST request as a value that grows an answer: given by the node, worked on in steps.
 *
 * Spec:    protocol.md sections 1, 2, 4, 8, 9
 * Layer:   control/api (pure)
 * Threads: the loop's
 * Limits:  limits.h
 * Idiom:   struct api_request r = {.method = ..., ...}; next = api_router_begin(&r);
 *          while next is ASK: ask r.question (rows of the answer to r.arena), set r.now and r.wall_ms,
 *          next = api_router_resume(&r, &answer); HASH, VERIFY: run r.job on a worker, then api_router_resume(&r, NULL);
 *          DONE: send r.response, then api_request_fini(&r). A cancelled request is still resumed until DONE: what was asked
 *          of the store happens, and everybody else must hear of it.
 */
#ifndef API_API_REQUEST_H
#define API_API_REQUEST_H

#include "control/api/limits.h"
#include "control/core/world.h"
#include "engine/base/arena.h"
#include "engine/wire/json.h"
#include "engine/wire/json_fields.h"
#include "engine/wire/json_out.h"
#include "engine/wire/url.h"

/** What a request needs next. */
enum api_next {
    API_DONE,   /**< response is complete */
    API_ASK,    /**< question must be answered by the store */
    API_HASH,   /**< job: nx_password_hash(password) into encoded */
    API_VERIFY, /**< job: nx_password_verify(encoded, password) */
};

/** Work for a password worker; everything lives in the request. */
struct api_job {
    struct nx_bytes password; /**< given */
    char encoded[128];        /**< HASH: written; VERIFY: read; NUL-terminated */
    enum nx_err
        verdict; /**< set by the node: NX_OK, NX_E_AUTH, NX_E_FULL when the queue of workers is full */
};

/** Request headers that matter; empty when absent. */
struct api_headers {
    struct nx_bytes authorization, content_type, accept, if_match, if_none_match, audit_reason,
        idempotency_key, user_agent, origin, request_id;
};

/** What goes back. */
struct api_response {
    uint16_t status;
    struct nx_writer headers; /**< complete lines, each with CRLF; without Content-Length and Date */
    struct nx_writer body;    /**< JSON, or empty */
};

struct api_route;

/** Who asks, after authentication. */
struct api_subject {
    struct ctl_user *user; /**< valid in this step only; api_router finds it anew in each step */
    uint64_t user_id;      /**< 0: nobody */
    uint64_t sid;
    bool is_load; /**< came with a load-test token */
};

/** One request. Fields under "given" are the node's; zero the rest. */
struct api_request {
    /* given */
    struct ctl_world *world;
    enum nx_bus_method method;
    struct nx_bytes target;
    struct api_headers headers;
    struct nx_bytes body;
    uint64_t address_key;
    int64_t wall_ms; /**< of this step */
    nx_time now;     /**< of this step */
    uint8_t random[API_RANDOM_SIZE];
    struct nx_arena arena; /**< API_ARENA_SIZE bytes or more; lives until fini */
    void *node;            /**< the node's own */
    /* what is needed next */
    struct ctl_question question;
    struct api_job job;
    struct api_response response;
    /* state */
    const struct api_route *route;
    const struct ctl_answer
        *answer; /**< of the question asked last; NULL in the first step and after a job */
    struct nx_bytes query;
    uint64_t ids[API_IDS_MAX]; /**< path parameters that are ids, in order */
    struct nx_bytes text;      /**< path parameter that is text */
    struct api_subject subject;
    struct nx_json root;  /**< of the body; checked */
    void *state;          /**< API_STATE_SIZE bytes of the handler's own, in the arena */
    uint64_t lock;        /**< what ctl_world_lock() holds for it; 0 nothing */
    uint64_t member_lock; /**< the same for a membership */
    uint64_t kept_key;    /**< the answer is kept under it; 0 is not kept */
    uint32_t step;        /**< the handler's own, 0 at its first call */
    bool is_envelope;     /**< the answer is wrapped: /v1 or Accept asks for it */
    bool is_authenticating;
    uint64_t login_epoch; /**< of the logins when the store was asked about this one */
    void *big_body;       /**< owned: taken from the world's memory for large bodies */
    size_t big_body_size;
};

/** Gives back what the request took from the world's memory. */
void api_request_fini(struct api_request *r);

/** Starts the JSON body of a successful answer with `status`; room for `size` bytes of text. */
struct nx_json_out api_request_json(struct api_request *r, uint16_t status, size_t size);

/** Ends it; a body that did not fit becomes a 500. Returns API_DONE. */
enum api_next api_request_json_end(struct api_request *r, struct nx_json_out *out);

/** Answers 204 without a body. Returns API_DONE. */
enum api_next api_request_empty(struct api_request *r);

/** Adds a header line. */
void api_request_header(struct api_request *r, const char *name, struct nx_bytes value);

/** What the handler keeps between its steps: `size` bytes, at most API_STATE_SIZE, zeroed before the first one. */
void *api_request_state(struct api_request *r, size_t size);

/** A writer over `size` bytes of the arena; without room it fails at the first write. */
struct nx_writer api_request_scratch(struct api_request *r, size_t size);

/** Reads the JSON body by a table. Returns false, the 400 answered, when it is no JSON object or has faults. */
bool api_request_fields(struct api_request *r, const struct nx_json_field *fields, size_t fields_count,
                        void *target, struct nx_json_present *present);

/** Reads an unsigned query parameter within min..max; absent keeps `*value`. Returns false, the 400 answered, for others. */
bool api_request_query_u64(struct api_request *r, const char *name, uint64_t min, uint64_t max,
                           uint64_t *value, bool *has);

/** Holds the thing `id` until the answer is given. Returns false, a 429 to be tried again at once answered, when it is held. */
bool api_request_lock(struct api_request *r, uint64_t id);

/** The same for the membership of `user_id` in the guild, beside another thing or alone. */
bool api_request_lock_member(struct api_request *r, uint64_t guild_id, uint64_t user_id);

/**
 * Whether the caller may be in one guild more. Near the limit one request after the other, so that those under way cannot
 * pass it together. Returns false, the error answered, when not.
 */
bool api_request_may_join(struct api_request *r);

/** Gives up what it holds. */
void api_request_unlock(struct api_request *r);

/** Asks `question` (r->question filled): sets step and time. Returns API_ASK. */
enum api_next api_request_ask(struct api_request *r, enum ctl_question_kind kind, uint32_t step);

#endif
