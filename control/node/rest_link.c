#include "control/node/rest_link.h"

#include "control/node/bus_server.h"
#include "control/node/outbox.h"
#include "engine/base/reader.h"
#include "engine/crypto/password.h"
#include "engine/crypto/random.h"
#include "engine/crypto/wipe.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PASSWORD_NICE = 10 };

/* ---- memory ---- */

static uint8_t *arena_take(struct ctld_node *node)
{
    return node->arenas_free_count != 0 ? node->arenas_free[--node->arenas_free_count]
                                        : malloc(CTLD_ARENA_SIZE);
}

static void arena_give(struct ctld_node *node, uint8_t *arena)
{
    if (arena != NULL && node->arenas_free_count < CTLD_ARENAS_KEPT) {
        node->arenas_free[node->arenas_free_count++] = arena;
    } else {
        free(arena);
    }
}

static void request_free(struct ctld_request *r)
{
    struct ctld_node *node = r->node;
    api_request_fini(&r->api);
    nx_list_remove(&r->member);
    node->requests_count--;
    arena_give(node, r->arena);
    if (r->given != NULL) {
        nx_wipe(r->given, r->given_size); /* passwords and tokens were in it */
    }
    free(r->given);
    free(r);
}

/* ---- answers ---- */

static struct ctld_conn *conn_of(const struct ctld_request *r)
{
    const struct ctld_shard *shard = &r->node->shards[r->shard];
    if (r->is_cancelled || !shard->is_online || shard->boot != r->boot) {
        return NULL;
    }
    return ctld_bus_server_conn(r->node, r->shard, NX_BUS_LINK_BULK);
}

static const char OVERLOADED[] =
    "{\"code\":130000,\"message\":\"API resource is currently overloaded. Try again a little later.\"}";
static const char TOO_LARGE[] = "{\"code\":40005,\"message\":\"Request entity too large\"}";

/* What is answered without asking the rules: overload and oversize. */
static void refuse(struct ctld_node *node, const struct ctld_shard *shard, uint64_t request, uint16_t status,
                   const char *body)
{
    struct ctld_conn *conn = ctld_bus_server_conn(node, shard->number, NX_BUS_LINK_BULK);
    const struct nx_bus_rest_response head = {
        .request = request,
        .status = status,
        .is_last = 1,
        .body_size = (uint32_t)strlen(body),
        .headers = nx_bytes_text(status == 503 ? "Content-Type: application/json\r\nRetry-After: 1\r\n"
                                               : "Content-Type: application/json\r\n"),
        .body = nx_bytes_text(body),
    };
    if (conn != NULL && CTLD_OUTBOX_PUT(conn, rest_response, &head) != NX_OK) {
        ctld_bus_server_reset(node, shard->number);
    }
}

/* The first chunk travels with the head; a link that cannot take it all is reset rather than left with half an answer. */
static void response_send(struct ctld_request *r)
{
    struct ctld_conn *conn = conn_of(r);
    if (conn == NULL) {
        return;
    }
    const struct nx_bytes body = nx_writer_bytes(&r->api.response.body);
    if (body.size > NX_BUS_CHUNK_MAX && ctld_outbox_waiting(conn) + body.size > CTLD_ANSWERS_WAITING_MAX) {
        refuse(r->node, conn->shard, r->request, 503, OVERLOADED);
        return;
    }
    struct nx_bus_rest_response head = {
        .request = r->request,
        .status = r->api.response.status,
        .body_size = (uint32_t)body.size,
        .headers = nx_writer_bytes(&r->api.response.headers),
        .body = nx_bytes_slice(body, 0, NX_BUS_CHUNK_MAX),
    };
    size_t sent = head.body.size;
    head.is_last = sent == body.size ? 1 : 0;
    enum nx_err err = CTLD_OUTBOX_PUT(conn, rest_response, &head);
    while (err == NX_OK && sent < body.size) {
        struct nx_bus_rest_body more = {.request = r->request,
                                        .body = nx_bytes_slice(body, sent, NX_BUS_CHUNK_MAX)};
        sent += more.body.size;
        more.is_last = sent == body.size ? 1 : 0;
        err = CTLD_OUTBOX_PUT(conn, rest_body, &more);
    }
    if (err != NX_OK) {
        ctld_bus_server_reset(r->node, r->shard);
    }
}

/* ---- steps ---- */

static void advance(struct ctld_request *r, enum api_next next);

static void resume(struct ctld_request *r, const struct ctl_answer *answer)
{
    struct ctld_node *node = r->node;
    node->busy_count--;
    r->is_busy = false;
    r->api.wall_ms = nx_loop_wall_ms(node->loop);
    r->api.now = nx_loop_now(node->loop);
    advance(r, api_router_resume(&r->api, answer));
}

static void on_answered(struct store_request *store)
{
    struct ctld_request *r = NX_LIST_ITEM(store, struct ctld_request, store);
    resume(r, &store->answer);
}

/* Whoever floods us with logins must not slow down the loops: hashing takes what they leave. */
static void priority_lower(void)
{
    static _Thread_local bool is_lower;
    if (!is_lower && gettid() != getpid()) { /* in a simulation it is the loop's own thread */
        is_lower = true;
        (void)setpriority(PRIO_PROCESS, 0, PASSWORD_NICE); /* on Linux: of this thread */
    }
}

static void password_run(struct nx_job *job)
{
    priority_lower();
    struct ctld_request *r = NX_LIST_ITEM(job, struct ctld_request, job);
    struct api_job *work = &r->api.job;
    work->verdict = r->is_hash ? nx_password_hash(work->password, work->encoded)
                               : nx_password_verify(work->encoded, work->password);
}

static void password_done(struct nx_job *job)
{
    resume(NX_LIST_ITEM(job, struct ctld_request, job), NULL);
}

static void advance(struct ctld_request *r, enum api_next next)
{
    struct ctld_node *node = r->node;
    static const struct ctl_answer unavailable = {.verdict = NX_E_UNAVAILABLE};
    for (;;) {
        switch (next) {
        case API_DONE:
            response_send(r);
            request_free(r);
            return;
        case API_ASK:
            r->store.question = r->api.question;
            r->store.arena = &r->api.arena;
            r->store.answered = on_answered;
            r->is_busy = true;
            r->asked_at = nx_loop_now(node->loop);
            node->busy_count++;
            if (store_ask(node->store, &r->store) == NX_OK) {
                return;
            }
            node->busy_count--;
            r->is_busy = false;
            next = api_router_resume(&r->api, &unavailable);
            break;
        case API_HASH:
        case API_VERIFY:
            r->is_hash = next == API_HASH;
            r->job.run = password_run;
            r->job.done = password_done;
            r->is_busy = true;
            node->busy_count++;
            if (node->passwords != NULL && nx_worker_submit(node->passwords, &r->job) == NX_OK) {
                return;
            }
            node->busy_count--;
            r->is_busy = false;
            r->api.job.verdict = NX_E_FULL;
            next = api_router_resume(&r->api, NULL);
            break;
        }
    }
}

/* ---- requests ---- */

static struct ctld_request *request_find(struct ctld_node *node, const struct ctld_shard *shard,
                                         uint64_t request)
{
    NX_LIST_EACH(at, &node->requests)
    {
        struct ctld_request *r = NX_LIST_ITEM(at, struct ctld_request, member);
        if (r->request == request && r->shard == shard->number && r->boot == shard->boot &&
            !r->is_cancelled) {
            return r;
        }
    }
    return NULL;
}

static void headers_read(struct nx_bytes headers, struct api_headers *out)
{
    struct nx_bytes *const places[] = {
        [NX_BUS_HEADER_AUTHORIZATION] = &out->authorization,
        [NX_BUS_HEADER_CONTENT_TYPE] = &out->content_type,
        [NX_BUS_HEADER_ACCEPT] = &out->accept,
        [NX_BUS_HEADER_IF_MATCH] = &out->if_match,
        [NX_BUS_HEADER_IF_NONE_MATCH] = &out->if_none_match,
        [NX_BUS_HEADER_AUDIT_REASON] = &out->audit_reason,
        [NX_BUS_HEADER_IDEMPOTENCY_KEY] = &out->idempotency_key,
        [NX_BUS_HEADER_USER_AGENT] = &out->user_agent,
        [NX_BUS_HEADER_ORIGIN] = &out->origin,
        [NX_BUS_HEADER_REQUEST_ID] = &out->request_id,
    };
    struct nx_reader in = nx_reader_init(headers.at, headers.size);
    while (nx_reader_ok(&in) && nx_reader_left(&in) != 0) {
        const uint8_t kind = nx_reader_u8(&in);
        const uint16_t size = nx_reader_u16(&in);
        const uint8_t *at = nx_reader_take(&in, size);
        if (at != NULL && kind < sizeof(places) / sizeof(places[0])) {
            *places[kind] = nx_bytes_of(at, size);
        }
    }
}

static void request_begin(struct ctld_request *r)
{
    struct ctld_node *node = r->node;
    r->api.body = nx_bytes_of(r->given + r->body_start, r->given_size - r->body_start);
    r->api.wall_ms = nx_loop_wall_ms(node->loop);
    r->api.now = nx_loop_now(node->loop);
    advance(r, api_router_begin(&r->api));
}

void ctld_rest_link_request(struct ctld_node *node, struct ctld_shard *shard,
                            const struct nx_bus_rest_request *message)
{
    const size_t head_size = message->target.size + message->headers.size;
    struct ctld_request *r = NULL;
    if (message->body.size > API_BODY_SIZE_MAX) {
        refuse(node, shard, message->request, 413, TOO_LARGE);
        return;
    }
    if (node->requests_count < CTLD_REQUESTS_MAX && !node->is_closing) {
        r = calloc(1, sizeof(*r));
    }
    if (r == NULL) {
        refuse(node, shard, message->request, 503, OVERLOADED);
        return;
    }
    r->node = node;
    r->request = message->request;
    r->boot = shard->boot;
    r->shard = shard->number;
    nx_list_push_back(&node->requests, &r->member);
    node->requests_count++;
    r->given_room = head_size + (message->is_last != 0 ? message->body.size : API_BODY_SIZE_MAX);
    r->given = malloc(r->given_room + 1);
    r->arena = arena_take(node);
    if (r->given == NULL || r->arena == NULL ||
        nx_random_fill(r->api.random, sizeof(r->api.random)) != NX_OK) {
        request_free(r);
        refuse(node, shard, message->request, 503, OVERLOADED);
        return;
    }
    struct nx_writer w = nx_writer_init(r->given, r->given_room);
    nx_writer_bytes_put(&w, message->target);
    nx_writer_bytes_put(&w, message->headers);
    nx_writer_bytes_put(&w, message->body);
    r->given_size = w.size;
    r->body_start = head_size;
    r->api.world = &node->world;
    r->api.method = (enum nx_bus_method)message->method;
    r->api.target = nx_bytes_of(r->given, message->target.size);
    r->api.address_key = message->address_key;
    headers_read(nx_bytes_of(r->given + message->target.size, message->headers.size), &r->api.headers);
    nx_arena_init(&r->api.arena, r->arena, CTLD_ARENA_SIZE);
    r->is_body_complete = message->is_last != 0;
    if (r->is_body_complete) {
        request_begin(r);
    }
}

void ctld_rest_link_body(struct ctld_node *node, struct ctld_shard *shard,
                         const struct nx_bus_rest_body *message)
{
    struct ctld_request *r = request_find(node, shard, message->request);
    if (r == NULL || r->is_body_complete) {
        return;
    }
    if (message->body.size > r->given_room - r->given_size) {
        refuse(node, shard, r->request, 413, TOO_LARGE);
        request_free(r);
        return;
    }
    if (message->body.size != 0) {
        memcpy(r->given + r->given_size, message->body.at, message->body.size);
        r->given_size += message->body.size;
    }
    r->is_body_complete = message->is_last != 0;
    if (r->is_body_complete) {
        request_begin(r);
    }
}

static void cancel(struct ctld_request *r)
{
    r->is_cancelled = true;
    if (!r->is_busy) {
        request_free(r);
    }
}

void ctld_rest_link_cancel(struct ctld_node *node, struct ctld_shard *shard,
                           const struct nx_bus_rest_cancel *message)
{
    struct ctld_request *r = request_find(node, shard, message->request);
    if (r != NULL) {
        cancel(r);
    }
}

/* May be asked for again without doing it twice: a nonce, or a whole value. */
static bool is_repeatable(enum ctl_question_kind kind)
{
    return kind == CTL_ASK_MESSAGE_CREATE || kind == CTL_ASK_MESSAGE_EDIT || kind == CTL_ASK_MESSAGE_DELETE;
}

void ctld_rest_link_tick(struct ctld_node *node, nx_time now)
{
    const int64_t late_ns = (int64_t)CTL_SEND_MS * NX_TIME_NS_PER_MS;
    NX_LIST_EACH(at, &node->requests)
    {
        struct ctld_request *r = NX_LIST_ITEM(at, struct ctld_request, member);
        if (r->is_busy && !r->is_cancelled && is_repeatable(r->api.question.kind) &&
            nx_time_since_ns(now, r->asked_at) >= late_ns) {
            const struct ctld_conn *conn = conn_of(r);
            if (conn != NULL) {
                refuse(node, conn->shard, r->request, 503, OVERLOADED);
            }
            r->is_cancelled = true; /* The answer still does what it must; only nobody waits for it. */
        }
    }
}

void ctld_rest_link_drop(struct ctld_node *node, uint32_t shard)
{
    NX_LIST_EACH(at, &node->requests)
    {
        struct ctld_request *r = NX_LIST_ITEM(at, struct ctld_request, member);
        if (r->shard == shard && !r->is_cancelled) {
            cancel(r);
        }
    }
}

void ctld_rest_link_fini(struct ctld_node *node)
{
    NX_LIST_EACH(at, &node->requests)
    {
        request_free(NX_LIST_ITEM(at, struct ctld_request, member));
    }
    while (node->arenas_free_count != 0) {
        free(node->arenas_free[--node->arenas_free_count]);
    }
}
