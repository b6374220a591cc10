/* handler.h - the prototypes of all handlers, from the route table: what is not described is not declared.
 *
 * Layer:   control/api (pure)
 * Threads: the loop's
 * Idiom:   operationId guild_get is api_guild_get(); a handler without a description does not compile, a description
 *          without a handler does not link
 */
#ifndef API_API_HANDLER_H
#define API_API_HANDLER_H

#include "control/api/route.h"

/** Entries of a field table, and how many. */
#define API_FIELDS(table) (table), sizeof(table) / sizeof((table)[0])

#define API_ROUTE(method, path, operation, auth, scope, permissions, count, period_s, body_max, has_body,    \
                  keeps, refused)                                                                            \
    enum api_next api_##operation(struct api_request *r);
#include <api_routes.inc>
#undef API_ROUTE

#endif
