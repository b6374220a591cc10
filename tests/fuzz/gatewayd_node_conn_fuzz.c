/* Properties: whatever clients send to a gateway, cut and timed however, and whatever control answers, a connection that is spoken
 * to gets whole HTTP responses and then whole WebSocket frames whose texts are JSON; when they have gone no connection, request
 * or byte is left.
 *
 * Method: a shard of the gateway in virtual time, with a control that answers as the input says. Input: a choice, then steps of u8
 * what, u16 size, bytes. In a frame that is built 0x01 becomes a token. */
#include "engine/crypto/token.h"
#include "engine/io/link.h"
#include "engine/io/logger.h"
#include "engine/io/shard.h"
#include "engine/io/timer.h"
#include "engine/sim/host.h"
#include "engine/sim/net.h"
#include "engine/sim/sim.h"
#include "engine/wire/deflate.h"
#include "engine/wire/http1_response.h"
#include "engine/wire/json.h"
#include "engine/wire/ws.h"
#include "gatewayd/node/conn.h"
#include "gatewayd/node/node.h"
#include "tests/fuzz/fuzz.h"

enum { CLIENTS = 3, SEEN_MAX = 1 << 20, SENT_MAX = 1 << 17, STEPS_MAX = 48 };

static const struct nx_ws_config reading = {
    .role = NX_WS_ROLE_CLIENT, .message_size_max = 1 << 20, .fragments_max = 1};

/* Somebody who connects. */
struct client {
    struct nx_stream stream;
    uint8_t *sent; /* what is to be sent: [sent_start, sent_size) */
    size_t sent_start, sent_size;
    uint8_t *seen;
    size_t seen_size;
    bool is_open;      /* the stream's memory is in use */
    bool is_connected; /* may send */
    bool has_closed;   /* first, so that what comes may be cut */
    bool may_be_head;  /* it may have asked with HEAD: answers then promise bodies that do not come */
};

/* A link of the gateway to control. */
struct end {
    struct nx_link link;
    bool is_used;
};

static struct {
    struct nx_sim *sim;
    struct nx_host *gateway_host, *control_host, *client_host;
    struct nx_loop *control_loop, *client_loop;
    struct nx_listener bus;
    struct end ends[4];
    struct end *rt, *bulk;
    struct gw_node node;
    struct gw_shard *shards[1];
    struct nx_shard_set *set;
    struct gw_node_config config;
    struct nx_endpoint where;
    struct client clients[CLIENTS];
    struct nx_bytes decide; /* how control answers */
    bool is_orderly;        /* control has answered everything well */
    char token[NX_TOKEN_SIZE_MAX];
} world;

static const struct nx_token_key key = {.kid = 1, .secret = {7}};

/* ---- control ---- */

static void rest_answer(uint64_t request)
{
    static const uint8_t body[3000] = "{\"a\":1}";
    const uint8_t how = fuzz_u8(&world.decide);
    world.is_orderly = world.is_orderly && how % 8 == 0;
    const size_t size = how & 8 ? sizeof(body) : 7;
    struct nx_bus_rest_response message = {.request = request,
                                           .is_last = 1,
                                           .status = 200,
                                           .body_size = (uint32_t)size,
                                           .headers = nx_bytes_text("Content-Type: application/json\r\n"),
                                           .body = nx_bytes_of(body, size)};
    switch (how % 8) {
    case 1:
        message.status = 204;
        message.body_size = 0;
        message.body = nx_bytes_of(NULL, 0);
        break;
    case 2:
        message.status = 99;
        break;
    case 3: /* in two parts, the second maybe too long or too short */
        message.is_last = 0;
        message.body.size = 3;
        break;
    case 4:
        message.body_size += 5;
        break;
    case 5:
        return;
    case 6:
        message.request ^= 1;
        break;
    case 7:
        nx_link_close(&world.rt->link);
        return;
    default:
        break;
    }
    (void)!NX_LINK_PUT(&world.bulk->link, rest_response, &message);
    if (how % 8 == 3) {
        const struct nx_bus_rest_body more = {.request = request,
                                              .is_last = how & 16 ? 0 : 1,
                                              .body = nx_bytes_of(body, size - 3 + (how & 32 ? 1 : 0))};
        (void)!NX_LINK_PUT(&world.bulk->link, rest_body, &more);
    }
}

static void session_answer(const struct nx_bus_session_open *open)
{
    static const uint8_t tails[] = "\0\0\0\x19\"t\":\"READY\",\"d\":{\"v\":1}}";
    const struct nx_bus_session_opened opened = {
        .session = open->session, .user_id = open->user_id, .sid = open->sid, .dispatches = 1};
    const struct nx_bus_session_ready ready = {
        .session = open->session, .is_last = 1, .tails = nx_bytes_of(tails, sizeof(tails) - 1)};
    (void)!NX_LINK_PUT(&world.rt->link, session_opened, &opened);
    (void)!NX_LINK_PUT(&world.bulk->link, session_ready, &ready);
}

static void greet(struct end *end, const struct nx_bus_hello *hello)
{
    if (hello->link == NX_BUS_LINK_BULK) {
        world.bulk = end;
    } else {
        world.rt = end;
    }
    if (world.rt == NULL || world.bulk == NULL) {
        return;
    }
    const struct nx_bus_key message = {
        .kid = key.kid, .secret = nx_bytes_of(key.secret, sizeof(key.secret)), .state = 1};
    const struct nx_bus_settings settings = {.rate_limits = 0, .url = nx_bytes_text("")};
    const struct nx_bus_synced synced = {.boot = 9};
    (void)!NX_LINK_PUT(&world.rt->link, key, &message);
    (void)!NX_LINK_PUT(&world.rt->link, settings, &settings);
    (void)!NX_LINK_PUT(&world.rt->link, synced, &synced);
}

static void on_up(void *context)
{
    struct end *end = context;
    const struct nx_bus_hello hello = {.version = NX_BUS_VERSION, .boot = 9};
    (void)!NX_LINK_PUT(&end->link, hello, &hello);
}

static void on_frame(void *context, const struct nx_bus_frame *frame)
{
    struct nx_bus_hello hello;
    struct nx_bus_rest_request request;
    struct nx_bus_rest_body body;
    struct nx_bus_session_open open;
    switch (frame->number) {
    case NX_BUS_MSG_HELLO:
        fuzz_check(nx_bus_hello_get(frame->payload, &hello) == NX_OK, "hello");
        greet(context, &hello);
        break;
    case NX_BUS_MSG_REST_REQUEST:
        fuzz_check(nx_bus_rest_request_get(frame->payload, &request) == NX_OK && request.target.size != 0 &&
                       request.target.at[0] == '/',
                   "a request that is sent on has a target");
        if (request.is_last != 0) {
            rest_answer(request.request);
        }
        break;
    case NX_BUS_MSG_REST_BODY:
        fuzz_check(nx_bus_rest_body_get(frame->payload, &body) == NX_OK, "body");
        if (body.is_last != 0) {
            rest_answer(body.request);
        }
        break;
    case NX_BUS_MSG_SESSION_OPEN:
        fuzz_check(nx_bus_session_open_get(frame->payload, &open) == NX_OK && open.user_id == 11,
                   "who may open a session");
        session_answer(&open);
        break;
    default:
        break;
    }
}

static void on_room(void *context)
{
    (void)context;
}

static void on_down(void *context, enum nx_err why)
{
    struct end *end = context;
    (void)why;
    world.rt = world.rt == end ? NULL : world.rt;
    world.bulk = world.bulk == end ? NULL : world.bulk;
    nx_link_fini(&end->link);
    memset(end, 0, sizeof(*end));
}

static const struct nx_link_events LINK_EVENTS = {
    .up = on_up, .frame = on_frame, .room = on_room, .down = on_down};

static void on_accept(void *context, struct nx_accepted *accepted)
{
    (void)context;
    for (size_t i = 0; i < sizeof(world.ends) / sizeof(world.ends[0]); i++) {
        struct end *end = &world.ends[i];
        if (!end->is_used) {
            end->is_used =
                nx_link_accept(&end->link, world.control_loop, accepted, 1 << 22, &LINK_EVENTS, end) == NX_OK;
            return;
        }
    }
}

/* ---- clients ---- */

static void push(struct client *c)
{
    const size_t left = c->sent_size - c->sent_start;
    if (!c->is_connected || left == 0) {
        return;
    }
    const size_t size = left < NX_STREAM_RESERVE_MAX ? left : NX_STREAM_RESERVE_MAX;
    uint8_t *at = nx_stream_reserve(&c->stream, size);
    if (at != NULL) {
        memcpy(at, c->sent + c->sent_start, size);
        nx_stream_commit(&c->stream, size);
    }
}

static void on_connected(void *context)
{
    struct client *c = context;
    c->is_connected = true;
    push(c);
}

static void on_data(void *context, uint8_t *bytes, size_t size)
{
    struct client *c = context;
    const size_t kept = size < SEEN_MAX - c->seen_size ? size : SEEN_MAX - c->seen_size;
    memcpy(c->seen + c->seen_size, bytes, kept);
    c->seen_size += kept;
}

static void on_ended(void *context)
{
    struct client *c = context;
    nx_stream_close(&c->stream);
}

static void on_sent(void *context, size_t size)
{
    struct client *c = context;
    c->sent_start += size;
    if (!nx_stream_is_blocked(&c->stream)) {
        push(c);
    }
}

static void on_writable(void *context)
{
    push(context);
}

/* Everything that was received is responses and, after a 101, frames; only the last may be cut. */
static void check_seen(struct client *c)
{
    static struct nx_http1_response response;
    struct nx_bytes left = nx_bytes_of(c->seen, c->seen_size);
    bool is_upgraded = false;
    struct nx_deflate_terms terms = {.is_agreed = false};
    while (left.size != 0 && !is_upgraded && !c->may_be_head) {
        const enum nx_err err = nx_http1_response_parse(left, 0, false, &response);
        if (err == NX_E_TRUNCATED) {
            fuzz_check(c->has_closed || !world.is_orderly || c->seen_size == SEEN_MAX, "a whole head");
            return;
        }
        fuzz_check(err == NX_OK && !response.is_until_close && !response.is_chunked, "a response");
        is_upgraded = response.status == 101;
        fuzz_check(nx_deflate_answer_read(&response.headers, &terms) == NX_OK, "terms");
        left = nx_bytes_slice(left, response.head_size, SIZE_MAX);
        fuzz_check(left.size >= response.content_length || c->has_closed || !world.is_orderly ||
                       c->seen_size == SEEN_MAX,
                   "a whole response");
        left = nx_bytes_slice(left, (size_t)response.content_length, SIZE_MAX);
    }
    struct nx_ws ws;
    struct nx_ws_event event;
    struct nx_ws_feed feed = {c->seen + (c->seen_size - left.size), c->seen + c->seen_size};
    nx_ws_init(&ws, &reading, terms.is_agreed);
    while (is_upgraded && nx_ws_next(&ws, &feed, &event) && event.kind != NX_WS_EVENT_WANT_BUFFER) {
        struct nx_json root;
        struct nx_json op;
        fuzz_check(event.kind != NX_WS_EVENT_FAILED, "frames are whole");
        fuzz_check(event.kind != NX_WS_EVENT_TEXT || event.is_compressed || world.node.is_echo ||
                       (nx_json_open(event.payload, &root) == NX_OK && nx_json_find(root, "op", &op)),
                   "texts are JSON with an op");
    }
}

static void on_closed(void *context, enum nx_err why)
{
    struct client *c = context;
    (void)why;
    check_seen(c);
    c->is_open = c->is_connected = false;
    c->sent_start = c->sent_size = c->seen_size = 0;
    c->may_be_head = c->has_closed = false;
}

static const struct nx_stream_events STREAM_EVENTS = {.connected = on_connected,
                                                      .data = on_data,
                                                      .ended = on_ended,
                                                      .sent = on_sent,
                                                      .writable = on_writable,
                                                      .closed = on_closed};

static void send_bytes(struct client *c, struct nx_bytes bytes)
{
    if (!c->is_open || c->sent_size + bytes.size > SENT_MAX) {
        return;
    }
    for (size_t i = 0; i + 4 <= bytes.size; i++) {
        c->may_be_head |= memcmp(bytes.at + i, "HEAD", 4) == 0;
    }
    /* Split over two steps it may be HEAD too. */
    c->may_be_head |= bytes.size < 4 && bytes.size != 0 && memchr("HEAD", bytes.at[0], 4) != NULL;
    if (bytes.size != 0) {
        memcpy(c->sent + c->sent_size, bytes.at, bytes.size);
    }
    c->sent_size += bytes.size;
    push(c);
}

static void send_frame(struct client *c, struct nx_bytes payload, uint8_t what)
{
    static uint8_t bytes[NX_WS_HEADER_SIZE_MAX + SENT_MAX];
    static uint8_t text[SENT_MAX];
    static const uint8_t mask[4] = {1, 2, 3, 4};
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    for (size_t i = 0; i < payload.size; i++) {
        if (payload.at[i] == 1) {
            nx_writer_text(&w, world.token);
        } else {
            nx_writer_u8(&w, payload.at[i]);
        }
    }
    static const enum nx_ws_opcode opcodes[] = {NX_WS_OPCODE_TEXT, NX_WS_OPCODE_TEXT, NX_WS_OPCODE_PING,
                                                NX_WS_OPCODE_CLOSE};
    const enum nx_ws_opcode opcode = opcodes[what >> 6];
    if (!nx_writer_ok(&w) || (opcode >= NX_WS_OPCODE_CLOSE && w.size > 125)) {
        return;
    }
    const size_t head = nx_ws_frame_header(bytes, opcode, true, false, w.size, mask);
    nx_ws_frame_mask_copy(bytes + head, text, w.size, mask, 0);
    send_bytes(c, nx_bytes_of(bytes, head + w.size));
}

static void run_ms(int64_t ms)
{
    nx_sim_run(world.sim, nx_time_add_ms(nx_sim_now(world.sim), ms));
}

static void step(uint8_t what, struct client *c, struct nx_bytes bytes)
{
    struct nx_host *before = nx_host_enter(world.client_host);
    if (!c->is_open) {
        c->is_open =
            nx_stream_connect(&c->stream, world.client_loop, &world.where, NULL, &STREAM_EVENTS, c) == NX_OK;
    }
    int64_t ms = 2;
    switch (what % 8) {
    case 0:
    case 1:
    case 2:
        send_bytes(c, bytes);
        break;
    case 3:
        send_frame(c, bytes, what);
        break;
    case 4:
        if (c->is_connected) {
            nx_stream_finish(&c->stream);
        }
        break;
    case 5:
        if (c->is_open) {
            c->has_closed = true;
            nx_stream_close(&c->stream);
        }
        break;
    case 6:
        ms = bytes.size != 0 ? bytes.at[0] * (what & 128 ? 500 : 20) : 1;
        break;
    default: /* byte by byte */
        (void)nx_host_enter(before);
        for (size_t i = 0; i < bytes.size && i < 400; i++) {
            before = nx_host_enter(world.client_host);
            send_bytes(c, nx_bytes_slice(bytes, i, 1));
            (void)nx_host_enter(before);
            run_ms(1);
        }
        before = nx_host_enter(world.client_host);
        c->may_be_head = true;
        break;
    }
    (void)nx_host_enter(before);
    run_ms(ms);
}

/* ---- the world ---- */

static void loop_open(struct nx_host *host, struct nx_loop **out)
{
    const struct nx_loop_config config = {.streams_max = 16};
    char why[NX_LOOP_WHY_SIZE];
    struct nx_host *before = nx_host_enter(host);
    fuzz_check(nx_loop_open(out, &config, why) == NX_OK, "loop");
    (void)nx_host_enter(before);
}

static void world_open(uint8_t choice)
{
    const struct nx_addr gateway = {.family = NX_ADDR_FAMILY_IPV4, .ip = {127, 0, 0, 1}};
    const struct nx_addr client = {.family = NX_ADDR_FAMILY_IPV4, .ip = {127, 0, 0, 9}};
    const struct nx_endpoint bus = {.kind = NX_ENDPOINT_UNIX, .path = "bus.sock"};
    char why[NX_LOOP_WHY_SIZE];
    struct nx_addr bound;
    int fd;
    fuzz_check(nx_sim_open(&world.sim, 1) == NX_OK, "sim");
    if ((choice & 1) != 0) { /* small buffers, pieces split anywhere */
        struct nx_net_profile profile = nx_net_profile_clean();
        profile.buffer_size_min = profile.buffer_size_max = 500;
        profile.split_one_in = 2;
        nx_net_profile_set(world.sim, &profile);
    }
    world.gateway_host = nx_host_open(world.sim, "gateway", &gateway);
    world.control_host = nx_host_open(world.sim, "control", &gateway);
    world.client_host = nx_host_open(world.sim, "client", &client);
    loop_open(world.control_host, &world.control_loop);
    loop_open(world.client_host, &world.client_loop);
    (void)nx_host_enter(world.control_host);
    fuzz_check(nx_listener_open(world.control_loop, &world.bus, &bus, on_accept, NULL) == NX_OK, "bus");
    (void)nx_host_enter(NULL);
    world.where = (struct nx_endpoint){.kind = NX_ENDPOINT_ADDR, .addr = gateway};
    world.where.addr.port = 8080;
    fuzz_check(nx_listener_bind(&world.where, true, &fd, &bound) == NX_OK, "bind");
    gw_config_init(&world.config);
    world.config.bus = bus;
    world.config.shards = 1;
    world.config.framelog_size = GW_FRAMELOG_SIZE_MIN;
    world.config.sessions_max = 64;
    world.config.resume_s = 1;
    world.config.drain_s = 1;
    world.config.log_level = NX_LOG_LEVEL_ERROR;
    world.config.has_rate_limits = false;
    world.config.cors_origin = choice & 4 ? "https://example.org" : NULL;
    if ((choice & 2) != 0) {
        fuzz_check(gw_config_proxies(&world.config, nx_bytes_text("127.0.0.9")) == NX_OK, "proxies");
    }
    (void)nx_host_enter(world.gateway_host);
    world.node = (struct gw_node){.config = &world.config,
                                  .shards = world.shards,
                                  .shards_count = 1,
                                  .listen_fds = &fd,
                                  .admin_fd = -1,
                                  .boot = 5,
                                  .is_echo = (choice & 24) == 24};
    fuzz_check(nx_logger_open(&world.node.logger, -1) == NX_OK, "logger");
    const struct nx_shard_config shards = {.count = 1,
                                           .name = "gateway",
                                           .loop = {.streams_max = 32},
                                           .context = &world.node,
                                           .on_start = gw_shard_start,
                                           .on_stop = gw_shard_stop,
                                           .on_end = gw_shard_end};
    fuzz_check(nx_shard_open(&world.set, &shards, why) == NX_OK, "shard");
    (void)nx_host_enter(NULL);
    run_ms(10);
}

static void world_close(void)
{
    run_ms(500);
    (void)nx_host_enter(world.client_host);
    for (size_t i = 0; i < CLIENTS; i++) {
        if (world.clients[i].is_open) {
            world.clients[i].has_closed = true;
            nx_stream_close(&world.clients[i].stream);
        }
    }
    (void)nx_host_enter(NULL);
    run_ms(40000); /* past every deadline of a connection, and the resume window */
    const struct gw_shard *shard = world.shards[0];
    fuzz_check(shard->conns_count == 0 && shard->requests_pending == 0 && shard->requests_size == 0,
               "no connection or request is left");
    fuzz_check(shard->hub.sessions.count == 0, "no session is left");
    (void)nx_host_enter(world.gateway_host);
    nx_shard_stop(world.set);
    nx_shard_close(world.set);
    nx_logger_close(world.node.logger);
    (void)nx_host_enter(NULL);
    fuzz_check(nx_host_memory_bytes(world.gateway_host) == 0 &&
                   nx_host_streams_count(world.gateway_host) == 0,
               "no memory is left");
    run_ms(10);
    (void)nx_host_enter(world.control_host);
    nx_listener_close(&world.bus);
    nx_loop_close(world.control_loop);
    (void)nx_host_enter(world.client_host);
    nx_loop_close(world.client_loop);
    (void)nx_host_enter(NULL);
    for (size_t i = 0; i < sizeof(world.ends) / sizeof(world.ends[0]); i++) {
        fuzz_check(!world.ends[i].is_used, "links went down");
    }
    nx_sim_close(world.sim);
}

static void token_make(void)
{
    struct nx_token_ring ring = {0};
    const struct nx_token_claims claims = {
        .user_id = 11, .session_id = 5, .token_id = 1, .issued_s = 1600000000, .expires_s = 4000000000};
    struct nx_writer w = nx_writer_init(world.token, sizeof(world.token) - 1);
    fuzz_check(nx_token_ring_add(&ring, &key) == NX_OK && nx_token_sign(&ring, &claims, &w) == NX_OK,
               "token");
    world.token[w.size] = '\0';
    nx_token_ring_drop(&ring, key.kid);
    for (size_t i = 0; i < CLIENTS; i++) {
        world.clients[i].sent = malloc(SENT_MAX);
        world.clients[i].seen = malloc(SEEN_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct nx_bytes input = nx_bytes_of(bytes, size);
    if (world.token[0] == '\0') {
        token_make();
    }
    const uint8_t choice = fuzz_u8(&input);
    world.decide = nx_bytes_slice(input, 0, 4);
    world.is_orderly = true;
    input = nx_bytes_slice(input, 4, SIZE_MAX);
    world_open(choice);
    for (int steps = 0; steps < STEPS_MAX && input.size != 0; steps++) {
        const uint8_t what = fuzz_u8(&input);
        const size_t length = (size_t)fuzz_number(&input, 2);
        const struct nx_bytes part = nx_bytes_slice(input, 0, length);
        input = nx_bytes_slice(input, part.size, SIZE_MAX);
        step(what, &world.clients[what >> 3 & 7 ? (what >> 3 & 7) % CLIENTS : 0], part);
    }
    world_close();
    return 0;
}
