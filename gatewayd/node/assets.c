#include "gatewayd/node/assets.h"

#include "engine/wire/http1_response.h"

#include <string.h>

static const char policy[] =
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: "
    "blob:; font-src 'self'; media-src 'self' blob:; connect-src 'self' ws: wss:; worker-src "
    "'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

static const struct gw_assets_file *find(struct nx_bytes path)
{
    for (size_t i = 0; i < gw_assets_files_count; i++) {
        if (nx_bytes_is(path, gw_assets_files[i].path)) {
            return &gw_assets_files[i];
        }
    }
    return NULL;
}

/* A route of the client has no dot in its last segment and no bytes that a file system would mind. */
static bool is_route(struct nx_bytes path)
{
    for (size_t i = path.size; i-- > 0 && path.at[i] != '/';) {
        if (path.at[i] == '.') {
            return false;
        }
    }
    return true;
}

static bool has_tag(struct nx_bytes list, const char *etag)
{
    const size_t size = strlen(etag);
    for (size_t i = 0; i + size <= list.size; i++) {
        if (memcmp(list.at + i, etag, size) == 0) {
            return true;
        }
    }
    return nx_bytes_is(list, "*");
}

void gw_assets_answer(struct gw_conn *conn, const struct nx_http1_request *request, struct nx_bytes path)
{
    const struct gw_assets_file *file = find(nx_bytes_is(path, "/") ? nx_bytes_text("/index.html") : path);
    if (file == NULL && is_route(path)) {
        file = find(nx_bytes_text("/index.html"));
    }
    if (file == NULL) {
        gw_conn_http_error(conn, 404, 0, "404: Not Found");
        return;
    }
    const struct nx_http1_header *match = nx_http1_header_find(&request->headers, "if-none-match");
    const bool is_known = match != NULL && has_tag(match->value, file->etag);
    const bool is_packed =
        file->packed != NULL && nx_http1_header_has_token(&request->headers, "accept-encoding", "gzip");
    const struct nx_bytes body =
        is_packed ? nx_bytes_of(file->packed, file->packed_size) : nx_bytes_of(file->bytes, file->size);
    struct nx_writer w = nx_writer_init(conn->shard->scratch, GW_SCRATCH_SIZE);
    nx_http1_response_begin(&w, is_known ? 304 : 200);
    gw_conn_http_common(conn, &w);
    nx_http1_response_header_text(&w, "ETag", file->etag);
    nx_http1_response_header_text(&w, "Cache-Control",
                                  file->is_immutable ? "public, max-age=31536000, immutable" : "no-cache");
    nx_http1_response_header_text(&w, "Vary", "Accept-Encoding");
    if (!is_known) {
        nx_http1_response_header_text(&w, "Content-Type", file->type);
        if (is_packed) {
            nx_http1_response_header_text(&w, "Content-Encoding", "gzip");
        }
        nx_http1_response_header_text(&w, "Content-Security-Policy", policy);
        nx_http1_response_header_text(&w, "Referrer-Policy", "no-referrer");
        nx_http1_response_header_text(&w, "X-Frame-Options", "DENY");
        nx_http1_response_header_text(&w, "Cross-Origin-Opener-Policy", "same-origin");
        nx_http1_response_length(&w, body.size);
    }
    nx_http1_response_end(&w);
    if (!nx_writer_ok(&w) || !gw_conn_out_put(conn, nx_writer_bytes(&w)) ||
        (!is_known && request->method != NX_HTTP1_METHOD_HEAD && body.size != 0 &&
         !gw_conn_out_fixed(conn, body))) {
        gw_conn_close(conn);
        return;
    }
    gw_conn_http_done(conn);
}
