#include "control/api/route.h"

#include "control/api/handler.h"
#include "engine/base/id.h"

const struct api_route api_route_table[] = {
#define API_ROUTE(m, p, o, a, s, perms, c, period, max, required, keeps, none)                               \
    {.method = NX_BUS_##m,                                                                                   \
     .path = (p),                                                                                            \
     .operation = #o,                                                                                        \
     .handler = api_##o,                                                                                     \
     .auth = API_AUTH_##a,                                                                                   \
     .scope = API_SCOPE_##s,                                                                                 \
     .permissions = (perms),                                                                                 \
     .bucket = #o,                                                                                           \
     .count = (c),                                                                                           \
     .period_s = (period),                                                                                   \
     .body_max = (max),                                                                                      \
     .has_body = (required),                                                                                 \
     .keeps_answer = (keeps),                                                                                \
     .refused = (none)},
#include <api_routes.inc>
#undef API_ROUTE
};

const size_t api_route_count = sizeof(api_route_table) / sizeof(api_route_table[0]);

static const uint8_t openapi[] = {
#include <api_openapi.inc>
};

struct nx_bytes api_route_openapi(void)
{
    return nx_bytes_of(openapi, sizeof(openapi));
}

/* Walks a template beside the segments; literal segments count for the better of two matches. */
static bool match(const char *path, const struct nx_bytes *segments, size_t count, uint64_t ids[API_IDS_MAX],
                  struct nx_bytes *text, uint32_t *literals)
{
    uint32_t ids_count = 0;
    size_t at = 0;
    *literals = 0;
    for (const char *p = path; *p == '/'; at++) {
        const size_t size = strcspn(++p, "/");
        if (at == count) {
            return false;
        }
        if (*p != '{') {
            if (!nx_bytes_equal(segments[at], nx_bytes_of(p, size))) {
                return false;
            }
            (*literals)++;
        } else if (size > 5 && memcmp(p + size - 4, "_id}", 4) == 0) {
            uint64_t id = 0;
            if (ids_count == API_IDS_MAX || nx_id_parse(segments[at], &id) != NX_OK) {
                id = 0;
            }
            ids[ids_count++] = id;
        } else {
            *text = segments[at];
        }
        p += size;
    }
    return at == count;
}

const struct api_route *api_route_find(struct api_request *r, const struct nx_bytes *segments,
                                       size_t segments_count, bool *has_path)
{
    const struct api_route *best = NULL;
    uint32_t best_literals = 0;
    *has_path = false;
    for (size_t i = 0; i < api_route_count; i++) {
        uint64_t ids[API_IDS_MAX] = {0};
        struct nx_bytes text = {.at = NULL, .size = 0};
        uint32_t literals;
        if (!match(api_route_table[i].path, segments, segments_count, ids, &text, &literals)) {
            continue;
        }
        *has_path = true;
        if (api_route_table[i].method == r->method && (best == NULL || literals > best_literals)) {
            best = &api_route_table[i];
            best_literals = literals;
            memcpy(r->ids, ids, sizeof(ids));
            r->text = text;
        }
    }
    return best;
}
