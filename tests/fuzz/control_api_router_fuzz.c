/* control_api_router_fuzz.c - any request, with any answers of the store, ends in a well-formed response.
 *
 * Input: flags, method (its high bits: login unknown, repeated, as Bob, with a key), bytes that decide answers up to a NUL, the target up to a line feed, then the body.
 * Properties: it ends; the status is one; the body is JSON or empty; headers are lines; memory comes back; who has no token
 * gets no further than 401 where one is needed; asked again with the same key, what was answered well is answered again.
 */
#include "control/api/route.h"
#include "control/api/router.h"
#include "tests/fuzz/control_fuzz.h"

enum { ARENA = API_ARENA_SIZE + API_ROWS_SIZE, REPEATS = 40 /* more than a second's quota */ };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct nx_bytes until(struct nx_bytes *rest, int stop)
{
    const uint8_t *end = rest->size == 0 ? NULL : memchr(rest->at, stop, rest->size);
    const size_t size = end == NULL ? rest->size : (size_t)(end - rest->at);
    const struct nx_bytes part = nx_bytes_slice(*rest, 0, size);
    *rest = nx_bytes_slice(*rest, size + 1, rest->size);
    return part;
}

static void check_response(const struct api_request *r, bool has_token)
{
    struct nx_json root;
    const struct nx_bytes body = nx_writer_bytes(&r->response.body);
    const struct nx_bytes headers = nx_writer_bytes(&r->response.headers);
    fz_check(r->response.status >= 200 && r->response.status < 600, "status");
    fz_check(body.size == 0 || nx_json_open(body, &root) == NX_OK, "body is JSON");
    fz_check((r->response.status == 204 || r->response.status == 304) == (body.size == 0),
             "only 204 and 304 are empty");
    fz_check(headers.size == 0 ||
                 (headers.size >= 2 && memcmp(headers.at + headers.size - 2, "\r\n", 2) == 0),
             "header lines");
    fz_check(has_token || r->route == NULL || r->route->auth == API_AUTH_NONE || r->response.status == 401 ||
                 r->response.status == 429,
             "needs a token");
}

/* The answer that a key must get from now on. */
static struct {
    uint16_t status; /* 0: none yet */
    size_t size;
    uint8_t body[ARENA];
} kept;

static void check_kept(const struct api_request *r)
{
    const struct nx_bytes body = nx_writer_bytes(&r->response.body);
    const bool is_good = r->response.status >= 200 && r->response.status < 300;
    if (r->headers.idempotency_key.size == 0 || r->route == NULL || !r->route->keeps_answer ||
        r->method != NX_BUS_POST || body.size > sizeof(kept.body)) {
        return;
    }
    if (kept.status == 0 && is_good) {
        kept.status = r->response.status;
        kept.size = body.size;
        memcpy(kept.body, body.at, body.size);
    } else if (kept.status != 0 && is_good) {
        fz_check(kept.status == r->response.status && kept.size == body.size &&
                     memcmp(kept.body, body.at, body.size) == 0,
                 "a key is answered once");
    }
}

static void request(const uint8_t *data, struct nx_bytes target, struct nx_bytes rest)
{
    static uint8_t arena[ARENA];
    static char authorization[NX_TOKEN_SIZE_MAX + 8];
    const bool has_token = (data[0] & 1) != 0;
    const size_t who = data[1] >> 5 & 1;
    struct api_request r = {
        .world = &fz.world, .wall_ms = WALL_MS, .now = {NX_TIME_NS_PER_S}, .address_key = 1};
    r.method = (enum nx_bus_method)((data[1] & 7) % 7);
    r.target = target;
    r.body = rest;
    r.headers.accept = nx_bytes_text(data[0] & 4 ? "application/vnd.nexus.envelope+json" : "");
    r.headers.audit_reason = data[0] & 8 ? nx_bytes_slice(rest, 0, 64) : nx_bytes_of(NULL, 0);
    r.headers.request_id = data[0] & 16 ? nx_bytes_slice(rest, 0, 16) : nx_bytes_of(NULL, 0);
    r.headers.idempotency_key = data[0] & 8 ? nx_bytes_slice(rest, 1, 20) : nx_bytes_of(NULL, 0);
    r.headers.if_match = data[0] & 16 ? nx_bytes_slice(rest, 2, 40) : nx_bytes_of(NULL, 0);
    r.headers.if_none_match = data[0] & 8 ? nx_bytes_slice(rest, 0, 40) : nx_bytes_of(NULL, 0);
    r.headers.user_agent = nx_bytes_slice(rest, 0, 300);
    r.headers.content_type = data[0] & 64    ? nx_bytes_text("Application/JSON; charset=utf-8")
                             : data[0] & 128 ? nx_bytes_slice(rest, 0, 20)
                                             : nx_bytes_of(NULL, 0);
    r.headers.idempotency_key =
        data[1] & 64 ? nx_bytes_slice(rest, 0, 1 + (data[1] & 128)) : nx_bytes_of(NULL, 0);
    if (has_token) {
        memcpy(authorization, "Bearer ", 7);
        memcpy(authorization + 7, fz.tokens[who], fz.token_sizes[who]);
        r.headers.authorization = nx_bytes_of(authorization, 7 + fz.token_sizes[who]);
    } else if (data[0] & 32) {
        r.headers.authorization = rest;
    }
    nx_arena_init(&r.arena, arena, sizeof(arena));
    enum api_next next = api_router_begin(&r);
    for (int steps = 0; next != API_DONE; steps++) {
        struct ctl_answer answer;
        fz_check(steps < 2000, "it ends");
        if (next == API_ASK) {
            fz_answer(&r.question, &answer);
            next = api_router_resume(&r, &answer);
        } else {
            const uint8_t choice = fz_byte() % 4;
            r.job.verdict = choice == 0 ? NX_E_AUTH : choice == 1 ? NX_E_FULL : NX_OK;
            if (next == API_HASH) {
                memcpy(r.job.encoded, "hash", 5);
            }
            next = api_router_resume(&r, NULL);
        }
    }
    check_response(&r, has_token);
    check_kept(&r);
    api_request_fini(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct nx_bytes rest = nx_bytes_of(data + 2, size - 2);
    fz_open(until(&rest, 0));
    fz.world.settings.has_rate_limits = (data[0] & 2) != 0;
    if ((data[1] & 8) != 0) {
        nx_map_clear(&fz.world.logins.alive); /* the store must say whether the login is good */
    }
    const struct nx_bytes target = until(&rest, '\n');
    kept.status = 0;
    const int most = data[1] & 16 ? REPEATS : data[1] & 64 ? 3 : 1;
    for (int times = most; times > 0; times--) {
        request(data, target, rest);
    }
    fz_close();
    return 0;
}
