/* route.h - the table of everything that is served, generated from api/openapi.yaml.
 *
 * Spec:    api/openapi.yaml through tools/gen_routes.py
 * Layer:   control/api (pure)
 * Threads: any; constant
 * Idiom:   operationId guild_get is the function api_guild_get() in control/api/guild.c; a missing one does not link
 */
#ifndef API_API_ROUTE_H
#define API_API_ROUTE_H

#include "control/api/request.h"

/** Who may call. */
enum api_auth {
    API_AUTH_NONE, /**< anybody; limited by address */
    API_AUTH_USER, /**< a person or bot with a valid token */
};

/** What the path's first id is, and what the caller must be able to do with it before the handler runs. */
enum api_scope {
    API_SCOPE_NONE,
    API_SCOPE_GUILD, /**< first id is a guild: member, else 404/10004; permissions in the guild, else 403/50013 */
    API_SCOPE_CHANNEL, /**< first id is a channel: member, else 404/10003; viewer, else 403/50001; permissions there */
};

/** A work step of a request; called again with r->step as it left it. */
typedef enum api_next api_handler(struct api_request *r);

/** One operation. */
struct api_route {
    enum nx_bus_method method;
    const char *path;      /**< template without /api/vN: "/guilds/{guild_id}/roles/{role_id}" */
    const char *operation; /**< operationId */
    api_handler *handler;
    enum api_auth auth;
    enum api_scope scope;
    uint64_t permissions; /**< all of them are needed in the scope */
    const char *bucket;   /**< name of the rate-limit bucket */
    uint32_t count;       /**< so many ... */
    uint32_t period_s;    /**< ... in so many seconds */
    uint32_t body_max;    /**< bytes of a JSON body; 0: none is read */
    bool has_body;        /**< a JSON object is required */
    bool keeps_answer;    /**< an Idempotency-Key makes a repetition answer what the first one did */
    const char *refused;  /**< members without a meaning here: names that end with NUL, then an empty one */
};

/** The table. */
extern const struct api_route api_route_table[];
/** Rows of the table. */
extern const size_t api_route_count;

/** Finds the route of `method` and the decoded segments after /api/vN; fills r->ids and r->text. NULL when no path fits;
 * `*has_path` tells whether another method would. An id that is none (negative, 2^64, a UUID) fits as the id 0. */
const struct api_route *api_route_find(struct api_request *r, const struct nx_bytes *segments,
                                       size_t segments_count, bool *has_path);

/** The API description as JSON text. */
struct nx_bytes api_route_openapi(void);

#endif
