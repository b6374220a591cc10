/* fixture.h - a whole control in one process: world, memory store, fake password work, and what went out as text.
 *
 * Layer:   tests
 * Idiom:   fixture_open(); struct reply r = call(NX_BUS_POST, "/api/v1/...", token, body); CHECK(r.status == 200, ...);
 *          fixture_close() also checks that all memory came back.
 */
#ifndef TESTS_CONTROL_API_FIXTURE_H
#define TESTS_CONTROL_API_FIXTURE_H

/* A test file uses what it needs of this. */
#pragma GCC diagnostic ignored "-Wunused-function"

#include "control/api/router.h"
#include "control/core/apply.h"
#include "control/core/gateway.h"
#include "control/store/memory_account.h"
#include "control/store/memory_community.h"
#include "control/store/memory_invite.h"
#include "control/store/memory_message.h"
#include "engine/wire/json.h"
#include "tests/lib/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIXTURE_ARENA = API_ARENA_SIZE + API_ROWS_SIZE, FIXTURE_LOG = 1 << 20 };

struct reply {
    uint16_t status;
    char headers[API_HEADERS_SIZE_MAX + 1];
    char *body; /* NUL-terminated, until the next call */
    size_t size;
};

struct person {
    char id[24];
    char token[1100];
    char refresh[64];
};

static struct {
    struct ctl_world world;
    struct ctl_gateway gateway;
    struct store_memory_data store;
    struct nx_token_ring ring;
    int64_t wall_ms;
    nx_time now;
    uint64_t address_key;
    uint64_t random;
    enum nx_err fail_with; /* the next question is answered with this, then NX_OK */
    bool is_ambiguous;     /* what fails is done all the same */
    enum nx_err job_with;  /* the next password job ends with this */
    size_t taken;          /* bytes of world memory out */
    int questions;
    uint8_t *arena;
    char *log;
    size_t log_size;
    struct ctl_op *ops[64];
    int ops_count;
    char *body;
    struct nx_bytes user_agent, accept, request_id, audit_reason, content_type;
} fx;

static void *fixture_take(void *context, size_t size)
{
    (void)context;
    fx.taken += size;
    return malloc(size == 0 ? 1 : size);
}

static void fixture_give(void *context, void *memory, size_t size)
{
    (void)context;
    fx.taken -= size;
    free(memory);
}

__attribute__((format(printf, 1, 2))) static void fixture_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int n = vsnprintf(fx.log + fx.log_size, FIXTURE_LOG - fx.log_size, format, arguments);
    va_end(arguments);
    if (n > 0 && fx.log_size + (size_t)n < FIXTURE_LOG) {
        fx.log_size += (size_t)n;
    }
}

#define FIXTURE_TAIL(m) (int)(m)->tail.size, (const char *)(m)->tail.at

static void fixture_opened(void *c, uint32_t link, const struct nx_bus_session_opened *m)
{
    (void)c;
    fixture_note("%u OPENED %" PRIu64 " close=%u dispatches=%u guilds=%zu\n", link, m->session, m->close_code,
                 m->dispatches, m->guilds.size / NX_BUS_GUILD_ENTRY_SIZE);
}
static void fixture_ready(void *c, uint32_t link, const struct nx_bus_session_ready *m)
{
    (void)c;
    for (size_t at = 0; at + 4 <= m->tails.size;) {
        const uint8_t *p = m->tails.at + at;
        const size_t size = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
        fixture_note("%u READY %" PRIu64 " %.*s\n", link, m->session, (int)size, (const char *)p + 4);
        at += 4 + size;
    }
    fixture_note("%u READY %" PRIu64 " last=%u\n", link, m->session, m->is_last);
}
static void fixture_move(void *c, uint32_t link, const struct nx_bus_session_move *m)
{
    (void)c;
    fixture_note("%u MOVE %" PRIu64 " to shard %u as %" PRIu64 "\n", link, m->session, m->new_shard,
                 m->new_session);
}
static void fixture_end(void *c, uint32_t link, const struct nx_bus_session_end *m)
{
    (void)c;
    fixture_note("%u END %" PRIu64 "\n", link, m->session);
}
static void fixture_revoke(void *c, uint32_t link, const struct nx_bus_revoke *m)
{
    (void)c;
    fixture_note("%u REVOKE user=%" PRIu64 " sid=%" PRIu64 " close=%u up_to=%" PRIu64 "\n", link, m->user_id,
                 m->sid, m->close_code, m->up_to);
}
static void fixture_guild_state(void *c, uint32_t link, const struct nx_bus_guild_state *m)
{
    (void)c;
    fixture_note("%u GUILD_STATE members=%u large=%u\n", link, m->members_count, m->is_large);
}
static void fixture_channel_state(void *c, uint32_t link, const struct nx_bus_channel_state *m)
{
    (void)c;
    fixture_note("%u CHANNEL_STATE %" PRIu64 " view=", link, m->channel_id);
    for (size_t i = 0; i < m->view.size; i++) {
        fixture_note("%02x", m->view.at[i]);
    }
    fixture_note("\n");
}
static void fixture_channel_gone(void *c, uint32_t link, const struct nx_bus_channel_gone *m)
{
    (void)c;
    fixture_note("%u CHANNEL_GONE %" PRIu64 "\n", link, m->channel_id);
}
static void fixture_guild_gone(void *c, uint32_t link, const struct nx_bus_guild_gone *m)
{
    (void)c;
    fixture_note("%u GUILD_GONE %" PRIu64 "\n", link, m->guild_id);
}
static void fixture_roleset_view(void *c, uint32_t link, const struct nx_bus_roleset_view *m)
{
    (void)c;
    fixture_note("%u ROLESET_VIEW %u channels=%zu\n", link, m->roleset, m->channels.size / 8);
}
static void fixture_member_roleset(void *c, uint32_t link, const struct nx_bus_member_roleset *m)
{
    (void)c;
    fixture_note("%u MEMBER_ROLESET user=%" PRIu64 " %d\n", link, m->user_id, (int)m->roleset);
}
static void fixture_event(void *c, uint32_t link, const struct nx_bus_event *m)
{
    (void)c;
    fixture_note("%u EVENT channel=%" PRIu64 " intents=%" PRIu64 " seq=%" PRIu64 " except=%" PRIu64
                 " kind=%u %.*s\n",
                 link, m->channel_id, m->intents, m->seq, m->except_user_id, m->kind, FIXTURE_TAIL(m));
}
static void fixture_user_event(void *c, uint32_t link, const struct nx_bus_user_event *m)
{
    (void)c;
    fixture_note("%u USER_EVENT %" PRIu64 " %.*s\n", link, m->user_id, FIXTURE_TAIL(m));
}
static void fixture_session_event(void *c, uint32_t link, const struct nx_bus_session_event *m)
{
    (void)c;
    fixture_note("%u SESSION_EVENT %" PRIu64 " %.*s\n", link, m->session, FIXTURE_TAIL(m));
}
static void fixture_ask(void *c, struct ctl_op *op)
{
    (void)c;
    CHECK(fx.ops_count < 64, "too many ops");
    fx.ops[fx.ops_count++] = op;
}

static void fixture_open(void)
{
    const struct nx_token_key key = {.kid = 1, .secret = {1, 2, 3}};
    memset(&fx, 0, sizeof(fx));
    fx.wall_ms = 1767225600000; /* 2026-01-01 */
    fx.now = (nx_time){1000LL * NX_TIME_NS_PER_S};
    fx.address_key = 7;
    fx.arena = malloc(FIXTURE_ARENA);
    fx.log = calloc(1, FIXTURE_LOG);
    store_memory_data_init(&fx.store, 1);
    nx_token_ring_init(&fx.ring);
    CHECK(nx_token_ring_add(&fx.ring, &key) == NX_OK, "key");
    const struct ctl_world_config config = {
        .memory = {fixture_take, fixture_give, NULL},
        .sink = {.session_opened = fixture_opened,
                 .session_ready = fixture_ready,
                 .session_move = fixture_move,
                 .session_end = fixture_end,
                 .revoke = fixture_revoke,
                 .guild_state = fixture_guild_state,
                 .channel_state = fixture_channel_state,
                 .channel_gone = fixture_channel_gone,
                 .guild_gone = fixture_guild_gone,
                 .roleset_view = fixture_roleset_view,
                 .member_roleset = fixture_member_roleset,
                 .event = fixture_event,
                 .user_event = fixture_user_event,
                 .session_event = fixture_session_event,
                 .ask = fixture_ask},
        .settings = {.name = nx_bytes_text("test"),
                     .version = nx_bytes_text("0"),
                     .gateway_url = nx_bytes_text("ws://127.0.0.1/gateway"),
                     .has_registration = true},
        .ring = &fx.ring,
        .seed = 42,
        .node = 2};
    CHECK(ctl_world_init(&fx.world, &config) == NX_OK, "world");
    CHECK(ctl_gateway_init(&fx.gateway, &fx.world) == NX_OK, "gateway");
}

static void fixture_answer(const struct ctl_question *question, struct nx_arena *arena,
                           struct ctl_answer *answer)
{
    *answer = (struct ctl_answer){.verdict = NX_OK};
    fx.questions++;
    if (fx.fail_with != NX_OK) {
        const enum nx_err verdict = fx.fail_with;
        fx.fail_with = NX_OK;
        if (fx.is_ambiguous) {
            fx.is_ambiguous = false;
            fixture_answer(question, arena, answer);
        }
        *answer = (struct ctl_answer){.verdict = verdict};
        return;
    }
    fx.store.arena = arena;
    fx.store.is_arena_full = false;
    const enum ctl_question_kind kind = question->kind;
    enum nx_err err;
    if (kind <= CTL_ASK_LOGIN_REVOKE) {
        err = store_memory_account(&fx.store, question, answer);
    } else if (kind <= CTL_ASK_BANS_LIST) {
        err = store_memory_community(&fx.store, question, answer);
    } else if (kind <= CTL_ASK_INVITE_DELETE) {
        err = store_memory_invite(&fx.store, question, answer);
    } else {
        err = store_memory_message(&fx.store, question, answer);
    }
    answer->verdict = fx.store.is_arena_full ? NX_E_NO_MEMORY : err;
}

/* Answers what the gateway asked, in order, until nothing is asked any more. */
static void fixture_settle(void)
{
    for (int i = 0; i < fx.ops_count; i++) {
        struct ctl_answer answer;
        fixture_answer(&fx.ops[i]->question, &fx.ops[i]->arena, &answer);
        ctl_gateway_answered(&fx.gateway, fx.ops[i], &answer, fx.wall_ms, fx.now);
    }
    fx.ops_count = 0;
}

static void fixture_close(void)
{
    fixture_settle();
    ctl_gateway_fini(&fx.gateway);
    ctl_world_fini(&fx.world);
    store_memory_data_fini(&fx.store);
    nx_token_ring_fini(&fx.ring);
    CHECK(fx.taken == 0, "%zu bytes were not given back", fx.taken);
    free(fx.arena);
    free(fx.log);
    free(fx.body);
}

/* Lets time pass: `ms` later the rules look around, and what they ask is answered. */
static void fixture_later(int64_t ms)
{
    fx.wall_ms += ms;
    fx.now = nx_time_add_ms(fx.now, ms);
    ctl_gateway_tick(&fx.gateway, fx.wall_ms, fx.now);
    fixture_settle();
}

static void fixture_job(struct api_request *r, enum api_next next)
{
    r->job.verdict = fx.job_with;
    fx.job_with = NX_OK;
    if (r->job.verdict != NX_OK) {
        return;
    }
    char expected[128];
    snprintf(expected, sizeof(expected), "fake:%.*s",
             (int)(r->job.password.size < 100 ? r->job.password.size : 100),
             (const char *)r->job.password.at);
    if (next == API_HASH) {
        memcpy(r->job.encoded, expected, sizeof(expected));
    } else {
        r->job.verdict = strcmp(expected, r->job.encoded) == 0 ? NX_OK : NX_E_AUTH;
    }
}

static void fixture_begin(struct api_request *r, enum nx_bus_method method, const char *target,
                          const char *token, struct nx_bytes body, char *authorization, size_t room)
{
    *r = (struct api_request){.world = &fx.world,
                              .method = method,
                              .target = nx_bytes_text(target),
                              .body = body,
                              .address_key = fx.address_key,
                              .wall_ms = fx.wall_ms,
                              .now = fx.now};
    r->headers.user_agent = fx.user_agent;
    r->headers.accept = fx.accept;
    r->headers.request_id = fx.request_id;
    r->headers.audit_reason = fx.audit_reason;
    r->headers.content_type = fx.content_type;
    if (token != NULL) {
        snprintf(authorization, room, "Bearer %s", token);
        r->headers.authorization = nx_bytes_text(authorization);
    }
    for (size_t i = 0; i < API_RANDOM_SIZE; i++) {
        fx.random = fx.random * 6364136223846793005u + 1442695040888963407u;
        r->random[i] = (uint8_t)(fx.random >> 56);
    }
    nx_arena_init(&r->arena, fx.arena, FIXTURE_ARENA);
}

static struct reply fixture_run(struct api_request *r)
{
    struct reply reply = {0};
    enum api_next next = api_router_begin(r);
    for (int steps = 0; next != API_DONE; steps++) {
        struct ctl_answer answer;
        CHECK(steps < 1100, "a request without end");
        if (next == API_ASK) {
            fixture_answer(&r->question, &r->arena, &answer);
            next = api_router_resume(r, &answer);
        } else {
            fixture_job(r, next);
            next = api_router_resume(r, NULL);
        }
    }
    reply.status = r->response.status;
    memcpy(reply.headers, r->response.headers.start, r->response.headers.size);
    free(fx.body);
    fx.body = calloc(1, r->response.body.size + 1);
    if (r->response.body.size != 0) {
        memcpy(fx.body, r->response.body.start, r->response.body.size);
    }
    reply.body = fx.body;
    reply.size = r->response.body.size;
    api_request_fini(r);
    struct nx_json root;
    CHECK(reply.status >= 200 && reply.status < 600, "status %u", reply.status);
    CHECK(reply.size == 0 || nx_json_open(nx_bytes_of(reply.body, reply.size), &root) == NX_OK,
          "not JSON: %s", reply.body);
    return reply;
}

static struct reply call_bytes(enum nx_bus_method method, const char *target, const char *token,
                               struct nx_bytes body)
{
    char authorization[1400];
    struct api_request r;
    fixture_begin(&r, method, target, token, body, authorization, sizeof(authorization));
    return fixture_run(&r);
}

static struct reply call(enum nx_bus_method method, const char *target, const char *token, const char *body)
{
    return call_bytes(method, target, token, body == NULL ? nx_bytes_of(NULL, 0) : nx_bytes_text(body));
}

/* Copies the text of the first member `name` found anywhere in `body`; ids and short texts only. */
static void text_of(const char *body, const char *name, char *out, size_t room)
{
    char pattern[64];
    snprintf(pattern, sizeof(pattern), "\"%s\":\"", name);
    const char *at = strstr(body, pattern);
    CHECK(at != NULL, "no %s in %s", name, body);
    at += strlen(pattern);
    const size_t size = strcspn(at, "\"");
    CHECK(size < room, "%s is too long", name);
    memcpy(out, at, size);
    out[size] = 0;
}

static const char *path(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *path(const char *format, ...)
{
    static char text[4][512];
    static int turn;
    turn = (turn + 1) % 4;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text[turn], sizeof(text[turn]), format, arguments);
    va_end(arguments);
    return text[turn];
}

static struct person person(const char *name)
{
    struct person p;
    const struct reply r =
        call(NX_BUS_POST, "/api/v1/auth/register", NULL,
             path("{\"username\":\"%s\",\"password\":\"correct horse\",\"email\":\"%s@example.org\"}", name,
                  name));
    CHECK(r.status == 200, "register %s: %u %s", name, r.status, r.body);
    text_of(r.body, "id", p.id, sizeof(p.id));
    text_of(r.body, "access_token", p.token, sizeof(p.token));
    text_of(r.body, "refresh_token", p.refresh, sizeof(p.refresh));
    return p;
}

/* A guild of `owner` with its first channel. */
struct place {
    char guild[24];
    char channel[24];
};

static struct place place_of(const struct person *owner)
{
    struct place p;
    const struct reply r = call(NX_BUS_POST, "/api/v1/guilds", owner->token, "{\"name\":\"A place\"}");
    CHECK(r.status == 201, "guild: %u %s", r.status, r.body);
    text_of(r.body, "id", p.guild, sizeof(p.guild));
    const char *channels = strstr(r.body, "\"channels\":[");
    CHECK(channels != NULL, "no channels: %s", r.body);
    text_of(channels, "id", p.channel, sizeof(p.channel));
    return p;
}

static void joins(const struct person *who, const struct place *place, const struct person *inviter)
{
    char code[40];
    struct reply r =
        call(NX_BUS_POST, path("/api/v1/channels/%s/invites", place->channel), inviter->token, "{}");
    CHECK(r.status == 200, "invite: %u %s", r.status, r.body);
    text_of(r.body, "code", code, sizeof(code));
    r = call(NX_BUS_POST, path("/api/v1/invites/%s", code), who->token, NULL);
    CHECK(r.status == 200, "join: %u %s", r.status, r.body);
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

/* Forgets what went out. */
static void quiet(void)
{
    fx.log_size = 0;
    fx.log[0] = 0;
}

#endif
