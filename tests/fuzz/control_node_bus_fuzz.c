/* Properties: whatever shards and administrators say to control, cut and ordered however, every frame that comes back is whole and on
 * the link it belongs to, a request is answered at most once with the bytes that were promised, and bodies are JSON; when they
 * have gone and control has closed, no memory is left.
 *
 * Method: a control daemon with the store in memory, in virtual time; a user registers first. Input: a choice, then steps of u8
 * what, u16 size, bytes. 0x01 in a header becomes the user's token. Passwords cost nothing here. */
#include "control/node/node.h"
#include "engine/crypto/password.h"
#include "engine/io/link.h"
#include "engine/sim/host.h"
#include "engine/sim/net.h"
#include "engine/sim/sim.h"
#include "engine/wire/json.h"
#include "tests/fuzz/fuzz.h"

enum { LINKS = 5, REQUESTS = 16, BODY_MAX = 1 << 16, STEPS_MAX = 48, TOKEN_MAX = 1024, BOOT = 5 };

/* ---- engine/crypto/password.h ---- */

enum nx_err nx_password_hash(struct nx_bytes password, char encoded[NX_PASSWORD_ENCODED_MAX])
{
    if (password.size == 0 || password.size > NX_PASSWORD_SIZE_MAX) {
        return NX_E_FULL;
    }
    (void)snprintf(encoded, NX_PASSWORD_ENCODED_MAX, "hash of %zu %u", password.size, password.at[0]);
    return NX_OK;
}

enum nx_err nx_password_verify(const char *encoded, struct nx_bytes password)
{
    char again[NX_PASSWORD_ENCODED_MAX];
    const enum nx_err err = nx_password_hash(password, again);
    return err != NX_OK ? err : strcmp(encoded, again) == 0 ? NX_OK : NX_E_AUTH;
}

bool nx_password_is_outdated(const char *encoded)
{
    (void)encoded;
    return false;
}

/* ---- the world ---- */

/* A link to control: two shards with two each, and an administrator. */
struct end {
    struct nx_link link;
    uint8_t kind; /* enum nx_bus_link */
    uint16_t shard;
    bool is_open;
};

/* What was promised for a request. */
struct request {
    uint64_t number;
    uint32_t body_size;
    uint32_t got;
    struct end *end;
    uint8_t body[BODY_MAX];
    bool is_begun, is_done;
};

static struct {
    struct nx_sim *sim;
    struct nx_host *control_host, *gateway_host;
    struct nx_loop *control_loop, *gateway_loop;
    struct ctld_config config;
    struct ctld_node *node;
    struct end ends[LINKS];
    struct request requests[REQUESTS];
    uint32_t requests_count;
    char token[TOKEN_MAX];
} world;

static struct request *request_of(const struct end *end, uint64_t number)
{
    for (uint32_t i = 0; i < world.requests_count; i++) {
        if (world.requests[i].number == number && world.requests[i].end == end) {
            return &world.requests[i];
        }
    }
    return NULL;
}

static void body_put(struct request *r, struct nx_bytes body, bool is_last)
{
    struct nx_json root;
    fuzz_check(r->body_size - r->got >= body.size, "no more than was promised");
    if (body.size != 0 && r->body_size <= BODY_MAX) {
        memcpy(r->body + r->got, body.at, body.size);
    }
    r->got += (uint32_t)body.size;
    if (!is_last) {
        return;
    }
    fuzz_check(r->got == r->body_size, "all that was promised");
    fuzz_check(r->body_size == 0 || r->body_size > BODY_MAX ||
                   nx_json_open(nx_bytes_of(r->body, r->body_size), &root) == NX_OK,
               "a body is JSON");
    r->is_done = true;
}

static void token_take(const struct request *r)
{
    struct nx_json root;
    struct nx_json token;
    if (nx_json_open(nx_bytes_of(r->body, r->body_size), &root) == NX_OK &&
        nx_json_find(root, "access_token", &token) && token.kind == NX_JSON_STRING &&
        token.size < TOKEN_MAX) {
        memcpy(world.token, token.at, token.size);
        world.token[token.size] = '\0';
    }
}

static void tail_check(struct nx_bytes tail)
{
    struct nx_json root;
    uint8_t *text = malloc(tail.size + 1);
    text[0] = '{';
    memcpy(text + 1, tail.at, tail.size);
    fuzz_check(nx_json_open(nx_bytes_of(text, tail.size + 1), &root) == NX_OK, "a tail is JSON");
    free(text);
}

static void response_take(struct end *end, struct nx_bytes payload)
{
    struct nx_bus_rest_response m;
    fuzz_check(nx_bus_rest_response_get(payload, &m) == NX_OK, "response");
    struct request *r = request_of(end, m.request);
    fuzz_check(r != NULL && !r->is_begun, "an answer to a question, once");
    fuzz_check(m.status >= 200 && m.status <= 599, "status");
    fuzz_check(m.headers.size == 0 || memcmp(m.headers.at + m.headers.size - 2, "\r\n", 2) == 0,
               "header lines");
    r->is_begun = true;
    r->body_size = m.body_size;
    body_put(r, m.body, m.is_last != 0);
    if (r->is_done && m.status == 200 && world.token[0] == '\0') {
        token_take(r);
    }
}

static void frame_check(struct end *end, const struct nx_bus_frame *frame)
{
    struct nx_bus_rest_body body;
    struct nx_bus_event event;
    struct nx_bus_user_event user_event;
    struct nx_bus_session_event session_event;
    fuzz_check(strcmp(nx_bus_msg_name(frame->number), "unknown") != 0, "a known number");
    fuzz_check(frame->number == NX_BUS_MSG_HELLO || end->kind == NX_BUS_LINK_ADMIN ||
                   nx_bus_msg_link(frame->number) == end->kind || frame->number == NX_BUS_MSG_REST_BODY,
               "on its link");
    switch (frame->number) {
    case NX_BUS_MSG_REST_RESPONSE:
        response_take(end, frame->payload);
        break;
    case NX_BUS_MSG_REST_BODY:
        fuzz_check(nx_bus_rest_body_get(frame->payload, &body) == NX_OK, "body");
        struct request *r = request_of(end, body.request);
        fuzz_check(r != NULL && r->is_begun && !r->is_done, "more of an answer");
        body_put(r, body.body, body.is_last != 0);
        break;
    case NX_BUS_MSG_EVENT:
        fuzz_check(nx_bus_event_get(frame->payload, &event) == NX_OK, "event");
        tail_check(event.tail);
        break;
    case NX_BUS_MSG_USER_EVENT:
        fuzz_check(nx_bus_user_event_get(frame->payload, &user_event) == NX_OK, "user event");
        tail_check(user_event.tail);
        break;
    case NX_BUS_MSG_SESSION_EVENT:
        fuzz_check(nx_bus_session_event_get(frame->payload, &session_event) == NX_OK, "session event");
        tail_check(session_event.tail);
        break;
    default:
        break;
    }
}

static void on_up(void *context)
{
    struct end *end = context;
    const struct nx_bus_hello hello = {
        .version = NX_BUS_VERSION, .shard = end->shard, .link = end->kind, .boot = BOOT};
    (void)!NX_LINK_PUT(&end->link, hello, &hello);
}

static void on_frame(void *context, const struct nx_bus_frame *frame)
{
    frame_check(context, frame);
}

static void on_room(void *context)
{
    (void)context;
}

static void on_down(void *context, enum nx_err why)
{
    struct end *end = context;
    (void)why;
    end->is_open = false;
    for (uint32_t i = 0; i < world.requests_count; i++) { /* a new link may use the numbers again */
        world.requests[i].end = world.requests[i].end == end ? NULL : world.requests[i].end;
    }
}

static const struct nx_link_events EVENTS = {
    .up = on_up, .frame = on_frame, .room = on_room, .down = on_down};

static void run_ms(int64_t ms)
{
    nx_sim_run(world.sim, nx_time_add_ms(nx_sim_now(world.sim), ms));
}

static void end_open(struct end *end)
{
    const size_t index = (size_t)(end - world.ends);
    end->kind = index == 4 ? NX_BUS_LINK_ADMIN : index % 2 ? NX_BUS_LINK_BULK : NX_BUS_LINK_RT;
    end->shard = (uint16_t)(index / 2);
    nx_link_fini(&end->link);
    end->is_open =
        nx_link_connect(&end->link, world.gateway_loop, &world.config.bus, 1 << 22, &EVENTS, end) == NX_OK;
}

/* ---- what is said ---- */

static void request_say(struct end *end, uint8_t method, struct nx_bytes target, struct nx_bytes header,
                        struct nx_bytes body, bool is_last)
{
    uint8_t headers[4096];
    struct nx_writer w = nx_writer_init(headers, sizeof(headers));
    if (world.requests_count == REQUESTS || end->kind == NX_BUS_LINK_ADMIN) {
        return;
    }
    nx_writer_u8(&w, NX_BUS_HEADER_AUTHORIZATION);
    uint8_t *size = nx_writer_skip(&w, 2);
    const size_t start = w.size;
    for (size_t i = 0; i < header.size && i < 512; i++) {
        if (header.at[i] == 1) {
            nx_writer_text(&w, world.token);
        } else {
            nx_writer_u8(&w, header.at[i]);
        }
    }
    if (!nx_writer_ok(&w)) {
        return;
    }
    size[0] = (uint8_t)((w.size - start) >> 8);
    size[1] = (uint8_t)(w.size - start);
    struct request *r = &world.requests[world.requests_count++];
    r->number = 1000 + world.requests_count;
    r->end = &world.ends[(size_t)(end - world.ends) | 1]; /* answers come on the bulk link */
    r->body_size = r->got = 0;
    r->is_begun = r->is_done = false;
    const struct nx_bus_rest_request message = {.request = r->number,
                                                .method = method,
                                                .is_last = is_last,
                                                .address_key = 7,
                                                .target = target,
                                                .headers = nx_writer_bytes(&w),
                                                .body = body};
    (void)!NX_LINK_PUT(&end->link, rest_request, &message);
}

/* Numbers of an administrator's command are kept small: seeding many users takes long. */
static bool is_small(struct nx_bytes text)
{
    size_t digits = 0;
    for (size_t i = 0; i < text.size; i++) {
        digits = text.at[i] >= '0' && text.at[i] <= '9' ? digits + 1 : 0;
        if (digits > 2) {
            return false;
        }
    }
    return true;
}

static void raw_say(struct end *end, struct nx_bytes bytes)
{
    struct nx_writer w;
    const uint16_t number = bytes.size != 0 ? bytes.at[0] : 0;
    const struct nx_bytes payload = nx_bytes_slice(bytes, 1, SIZE_MAX);
    const bool is_request = number == NX_BUS_MSG_REST_REQUEST || number == NX_BUS_MSG_CREDIT;
    if (is_request || (number == NX_BUS_MSG_ADMIN_REQUEST && !is_small(payload)) ||
        nx_link_begin(&end->link, NX_BUS_HEADER_SIZE + payload.size, &w) != NX_OK) {
        return;
    }
    nx_writer_u32(&w, (uint32_t)payload.size);
    nx_writer_u16(&w, number);
    nx_writer_u16(&w, 0);
    nx_writer_bytes_put(&w, payload);
    nx_link_end(&end->link, &w);
}

static void session_say(struct end *end, struct nx_bytes bytes)
{
    const uint8_t kind = fuzz_u8(&bytes);
    const uint64_t session = 1 + fuzz_u8(&bytes) % 4;
    const uint64_t id = fuzz_number(&bytes, 8);
    const struct nx_bus_session_open open = {.session = session,
                                             .reason = kind >> 3 & 3,
                                             .old_session = 1 + (kind >> 5),
                                             .user_id = id,
                                             .sid = fuzz_number(&bytes, 8),
                                             .intents = 33281,
                                             .status = 1};
    const struct nx_bus_session_close close = {.session = session};
    const struct nx_bus_session_status status = {.session = session, .status = (uint8_t)id};
    const struct nx_bus_message_send message = {
        .session = session, .channel_id = id, .nonce = nx_bytes_text("n"), .content = bytes, .number = 1};
    const struct nx_bus_members_request members = {.session = session, .guild_id = id, .query = bytes};
    switch (kind % 5) {
    case 0:
        (void)!NX_LINK_PUT(&end->link, session_open, &open);
        break;
    case 1:
        (void)!NX_LINK_PUT(&end->link, session_close, &close);
        break;
    case 2:
        (void)!NX_LINK_PUT(&end->link, session_status, &status);
        break;
    case 3:
        (void)!NX_LINK_PUT(&end->link, message_send, &message);
        break;
    default:
        (void)!NX_LINK_PUT(&end->link, members_request, &members);
        break;
    }
}

static void step(uint8_t what, struct nx_bytes bytes)
{
    struct end *end = &world.ends[what >> 3 & 7 ? (what >> 3 & 7) % LINKS : 1];
    struct nx_host *before = nx_host_enter(world.gateway_host);
    int64_t ms = what & 64 ? 0 : 20;
    if (!end->is_open) {
        end_open(end);
        (void)nx_host_enter(before);
        run_ms(10);
        before = nx_host_enter(world.gateway_host);
    }
    switch (what % 8) {
    case 0:
    case 1: {
        const uint8_t method = fuzz_u8(&bytes);
        const struct nx_bytes target = fuzz_until(&bytes, '\n');
        const struct nx_bytes header = fuzz_until(&bytes, '\n');
        request_say(end, method & 15, target, header, bytes, (method & 16) == 0);
        break;
    }
    case 2: {
        const struct nx_bus_rest_body body = {
            .request = 1000U + fuzz_u8(&bytes) % 20, .is_last = what >> 7, .body = bytes};
        (void)!NX_LINK_PUT(&end->link, rest_body, &body);
        break;
    }
    case 3:
        session_say(end, bytes);
        break;
    case 4:
        raw_say(end, bytes);
        break;
    case 5:
        nx_link_close(&end->link);
        break;
    case 6:
        ms = bytes.size != 0 ? bytes.at[0] * 40 : 1;
        break;
    default: {
        const struct nx_bus_rest_cancel cancel = {.request = 1000U + fuzz_u8(&bytes) % 20};
        (void)!NX_LINK_PUT(&end->link, rest_cancel, &cancel);
        break;
    }
    }
    (void)nx_host_enter(before);
    run_ms(ms);
}

static void world_open(uint8_t choice)
{
    const struct nx_addr any = {.family = NX_ADDR_FAMILY_IPV4, .ip = {127, 0, 0, 1}};
    const struct nx_loop_config loop = {.streams_max = 16};
    char why[CTLD_WHY_SIZE];
    memset(world.ends, 0, sizeof(world.ends));
    world.requests_count = 0;
    world.token[0] = '\0';
    fuzz_check(nx_sim_open(&world.sim, 1) == NX_OK, "sim");
    if ((choice & 1) != 0) {
        struct nx_net_profile profile = nx_net_profile_clean();
        profile.buffer_size_min = profile.buffer_size_max = 900;
        profile.split_one_in = 2;
        nx_net_profile_set(world.sim, &profile);
    }
    world.control_host = nx_host_open(world.sim, "control", &any);
    world.gateway_host = nx_host_open(world.sim, "gateway", &any);
    (void)nx_host_enter(world.gateway_host);
    fuzz_check(nx_loop_open(&world.gateway_loop, &loop, why) == NX_OK, "loop");
    (void)nx_host_enter(world.control_host);
    fuzz_check(nx_loop_open(&world.control_loop, &loop, why) == NX_OK, "loop");
    world.config = (struct ctld_config){.data = "data",
                                        .store_url = "memory:",
                                        .bus = {.kind = NX_ENDPOINT_UNIX, .path = "bus.sock"},
                                        .public_url = "",
                                        .version = "fuzz",
                                        .ready_fd = -1,
                                        .has_rate_limits = (choice & 2) != 0,
                                        .is_loopback = true};
    fuzz_check(ctld_node_open(&world.node, world.control_loop, &world.config, why) == NX_OK, "control");
    (void)nx_host_enter(world.gateway_host);
    end_open(&world.ends[0]);
    end_open(&world.ends[1]);
    (void)nx_host_enter(NULL);
    run_ms(20);
    (void)nx_host_enter(world.gateway_host);
    request_say(&world.ends[1], NX_BUS_POST, nx_bytes_text("/api/v1/auth/register"), nx_bytes_of(NULL, 0),
                nx_bytes_text("{\"username\":\"ada\",\"password\":\"12345678\"}"), true);
    (void)nx_host_enter(NULL);
    run_ms(50);
    fuzz_check(world.token[0] != '\0', "somebody is registered");
}

static void world_close(void)
{
    run_ms(500);
    for (uint32_t i = 0; i < world.requests_count; i++) {
        const struct request *r = &world.requests[i];
        fuzz_check(r->end == NULL || !r->end->is_open || r->is_begun == r->is_done,
                   "an answer that began ends");
    }
    (void)nx_host_enter(world.gateway_host);
    for (size_t i = 0; i < LINKS; i++) {
        if (world.ends[i].is_open) {
            nx_link_close(&world.ends[i].link);
        }
    }
    (void)nx_host_enter(NULL);
    run_ms(100);
    (void)nx_host_enter(world.control_host);
    ctld_node_close(world.node);
    nx_loop_close(world.control_loop);
    (void)nx_host_enter(NULL);
    fuzz_check(nx_host_memory_bytes(world.control_host) == 0 &&
                   nx_host_streams_count(world.control_host) == 0,
               "no memory is left");
    (void)nx_host_enter(world.gateway_host);
    for (size_t i = 0; i < LINKS; i++) {
        nx_link_fini(&world.ends[i].link);
    }
    nx_loop_close(world.gateway_loop);
    (void)nx_host_enter(NULL);
    nx_sim_close(world.sim);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct nx_bytes input = nx_bytes_of(bytes, size);
    world_open(fuzz_u8(&input));
    for (int steps = 0; steps < STEPS_MAX && input.size != 0; steps++) {
        const uint8_t what = fuzz_u8(&input);
        const size_t length = (size_t)fuzz_number(&input, 2);
        const struct nx_bytes part = nx_bytes_slice(input, 0, length);
        input = nx_bytes_slice(input, part.size, SIZE_MAX);
        step(what, part);
    }
    world_close();
    return 0;
}
