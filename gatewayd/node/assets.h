/* assets.h - the web client, embedded: finds a file and answers with it.
 *
 * Layer:   gatewayd/node (the table is generated from web/dist by cmake/embed_assets.py)
 * Threads: any; constants
 * Limits:  what was embedded
 * Idiom:   a path without a file name extension that is no file is one of the client's own routes: it gets index.html.
 */
#ifndef GW_NODE_ASSETS_H
#define GW_NODE_ASSETS_H

#include "gatewayd/node/conn.h"

/** One file. */
struct gw_assets_file {
    const char *path; /**< with the leading '/' */
    const char *type; /**< Content-Type */
    const char *etag; /**< with quotes */
    const uint8_t *bytes;
    size_t size;
    const uint8_t *packed; /**< gzip; NULL when it does not pay */
    size_t packed_size;
    bool is_immutable; /**< its name has a hash of its content */
};

/** Generated. */
extern const struct gw_assets_file gw_assets_files[];
extern const size_t gw_assets_files_count;

/** Answers GET or HEAD of `path`: a file, index.html for the client's routes, or 404. */
void gw_assets_answer(struct gw_conn *conn, const struct nx_http1_request *request, struct nx_bytes path);

#endif
