/* Properties: no payload of a client and no message of control, in any order, hurts a hub; what a connection is sent is whole
 * WebSocket frames however it is cut, its texts are JSON with an op, and the numbers of its dispatches rise; after everybody
 * has gone no session is left.
 *
 * Input: steps of u8 what, u8 who, u16 size, bytes. So that a fuzzer without a key gets in, 0x01 in a payload becomes a token,
 * 0x02 the id of a connection's last session and 0x03 that of a session elsewhere; messages of control are also built from small numbers. */
#include "engine/crypto/seal.h"
#include "engine/wire/deflate.h"
#include "engine/wire/json.h"
#include "engine/wire/ws.h"
#include "gatewayd/core/hub.h"
#include "gatewayd/core/hub_parts.h"
#include "tests/fuzz/fuzz.h"

enum {
    CONNS = 4,
    HANDLES = 8,
    SUBSTITUTED_MAX = 8192,
    TAILS_MAX = 4096,
    ID_MAX = 256,
    INFLATED_MAX = 1 << 20,
    MOVED_HEAD = 38 /* of a session's export: what follows are dispatches */
};

static const int64_t wall_ms = 1700000000000;
static const struct nx_ws_config reading = {
    .role = NX_WS_ROLE_CLIENT, .message_size_max = 1 << 20, .fragments_max = 1};

static struct gw_hub hub;
static nx_time now;
static char tokens[2][NX_TOKEN_SIZE_MAX];
static char foreign_id[ID_MAX]; /* of a session of another shard */
static bool is_tainted;         /* control said something that is no JSON */
static uint64_t handles[HANDLES];
static size_t handles_count;

/* A connection, as its client sees it. */
static struct peer {
    struct gw_session *session;
    struct nx_ws ws;
    char id[ID_MAX]; /* of the last session that was ready here */
    uint64_t s;      /* of the last dispatch */
    bool is_compressed;
} peers[CONNS];

static void *take(void *context, size_t size)
{
    (void)context;
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    if (memory != NULL) {
        memset(memory, 0, (size + 63) / 64 * 64);
    }
    return memory;
}

static void give(void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    free(memory);
}

/* ---- what is sent ---- */

static struct nx_bytes inflated(struct nx_bytes payload)
{
    static uint8_t out[INFLATED_MAX];
    static _Alignas(16) uint8_t block[NX_DEFLATE_INFLATER_SIZE];
    static struct nx_deflate_inflater *inflater;
    size_t size = 0;
    if (inflater == NULL) {
        fuzz_check(nx_deflate_inflater_init(block, sizeof(block), &inflater) == NX_OK, "inflater");
    }
    nx_deflate_inflate_start(inflater, payload);
    fuzz_check(nx_deflate_inflate_step(inflater, out, sizeof(out), &size) == NX_OK, "it inflates");
    return nx_bytes_of(out, size);
}

static void text_see(struct peer *peer, struct nx_bytes text)
{
    struct nx_json root;
    struct nx_json value;
    uint64_t op = 0;
    uint64_t s = 0;
    if (is_tainted) {
        return;
    }
    fuzz_check(nx_json_open(text, &root) == NX_OK && nx_json_find(root, "op", &value) &&
                   nx_json_u64(value, &op) == NX_OK,
               "a text is JSON with an op");
    if (op != 0) {
        return;
    }
    fuzz_check(nx_json_find(root, "s", &value) && nx_json_u64(value, &s) == NX_OK && s > peer->s,
               "dispatches are numbered upwards");
    peer->s = s;
}

static void bytes_see(struct peer *peer, uint8_t *bytes, size_t size)
{
    struct nx_ws_feed feed = {bytes, bytes + size};
    struct nx_ws_event event;
    while (nx_ws_next(&peer->ws, &feed, &event)) {
        fuzz_check(event.kind != NX_WS_EVENT_FAILED, "frames are whole");
        if (event.kind == NX_WS_EVENT_WANT_BUFFER) {
            uint8_t *grown = malloc(event.size_needed);
            if (nx_ws_used(&peer->ws) != 0) {
                memcpy(grown, peer->ws.buffer, nx_ws_used(&peer->ws));
            }
            free(peer->ws.buffer);
            nx_ws_attach(&peer->ws, grown, event.size_needed);
        } else if (event.kind == NX_WS_EVENT_TEXT) {
            text_see(peer, event.is_compressed ? inflated(event.payload) : event.payload);
        }
    }
}

static void write_some(struct peer *peer, size_t room, unsigned sixteenths)
{
    uint8_t wire[4096];
    uint8_t *exact = malloc(room);
    const size_t bound = gw_output_bound(peer->session);
    const size_t written = gw_output_write(&hub.output, peer->session, exact, room);
    fuzz_check(written <= room && written <= bound, "no more than there is room for");
    if (written != 0) {
        const size_t sent = written - written * sixteenths / 16;
        memcpy(wire, exact, sent);
        gw_output_sent(&hub.output, peer->session, sent);
        bytes_see(peer, wire, sent);
    }
    free(exact);
}

/* ---- what the node does ---- */

static void note(const struct gw_session *session)
{
    handles[handles_count++ % HANDLES] = gw_session_handle(session);
}

static void verdict_take(struct peer *peer, const struct gw_verdict *verdict)
{
    peer->session = verdict->session;
    if (verdict->ousted != NULL) {
        peers[verdict->ousted->conn].session = verdict->ousted;
    }
    if (peer->session != NULL) {
        struct nx_writer w = nx_writer_init(peer->id, sizeof(peer->id) - 1);
        if (gw_hub_input_session_id(&hub, peer->session, wall_ms, &w) == NX_OK && nx_writer_ok(&w)) {
            peer->id[w.size] = '\0';
        }
    }
}

static void client(struct peer *peer, struct nx_bytes payload, uint8_t what)
{
    static uint8_t text[SUBSTITUTED_MAX];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    struct gw_verdict verdict;
    for (size_t i = 0; i < payload.size; i++) {
        if (payload.at[i] == 1) {
            nx_writer_text(&w, tokens[what >> 7]);
        } else if (payload.at[i] == 2) {
            nx_writer_text(&w, peers[what >> 5 & 3].id);
        } else if (payload.at[i] == 3) {
            nx_writer_text(&w, foreign_id);
        } else {
            nx_writer_u8(&w, payload.at[i]);
        }
    }
    gw_hub_input(&hub, now, wall_ms, peer->session, nx_writer_bytes(&w), &verdict);
    verdict_take(peer, &verdict);
    if (verdict.kind != GW_VERDICT_NONE && (what & 16) != 0) {
        gw_hub_undelivered(&hub, now, &verdict);
    }
}

static void frame_take(const struct nx_bus_frame *frame)
{
    struct gw_verdict verdict;
    if (gw_hub_bus_input(&hub, now, wall_ms, frame, &verdict) == NX_OK && verdict.kind == GW_VERDICT_EXPORT) {
        size_t exported = 0;
        uint8_t *blob = gw_hub_move_export(&hub, now, verdict.session, &exported);
        gw_hub_move_import(&hub, now, verdict.new_session, nx_bytes_of(blob, exported), &verdict);
        give(NULL, blob, exported);
    }
}

static void export_raw(uint64_t handle, struct nx_bytes blob)
{
    struct gw_verdict verdict;
    uint8_t *copy = fuzz_copy(blob);
    is_tainted = is_tainted || blob.size > MOVED_HEAD;
    gw_hub_move_import(&hub, now, handle, nx_bytes_of(copy, blob.size), &verdict);
    free(copy);
}

/* ---- what control says ---- */

static const char *const tails[] = {
    "\"t\":\"READY\",\"d\":{\"v\":1}}",
    "\"t\":\"GUILD_CREATE\",\"d\":{\"id\":\"1\"}}",
    "\"t\":\"MESSAGE_CREATE\",\"d\":{\"id\":\"9\",\"content\":\"hello, this is a message\"}}",
    "\"t\":\"PRESENCE_UPDATE\",\"d\":{}}",
};

static struct nx_bytes tail_of(uint8_t choice)
{
    return nx_bytes_text(tails[choice % 4]);
}

static struct nx_bytes ready_tails(uint8_t count, uint8_t room[TAILS_MAX])
{
    struct nx_writer w = nx_writer_init(room, TAILS_MAX);
    for (uint8_t i = 0; i < count; i++) {
        const struct nx_bytes tail = tail_of(i == 0 ? 0 : (uint8_t)(1 + i % 3));
        nx_writer_u32(&w, (uint32_t)tail.size);
        nx_writer_bytes_put(&w, tail);
    }
    return nx_writer_bytes(&w);
}

#define PUT(name, ...)                                                                                       \
    nx_bus_##name##_put(&w, &(struct nx_bus_##name){__VA_ARGS__});                                           \
    break

/* One message of small numbers: sessions are those that there were, users two, guilds three. */
static void built(struct nx_bytes *in)
{
    static uint8_t bytes[NX_BUS_FRAME_MAX];
    uint8_t room[TAILS_MAX];
    uint8_t list[256];
    struct nx_writer w = nx_writer_init(bytes, sizeof(bytes));
    struct nx_writer items = nx_writer_init(list, sizeof(list));
    const uint8_t kind = fuzz_u8(in);
    const uint8_t a = fuzz_u8(in);
    const uint8_t b = fuzz_u8(in);
    const uint8_t c = fuzz_u8(in);
    const uint64_t session = handles[a % HANDLES];
    const uint64_t user = 11 + b % 2;
    const uint64_t guild = 1 + a % 3;
    const uint64_t channel = 100 * guild + b % 4;
    const uint32_t roleset = c % 5 == 4 ? NX_BUS_ROLESET_NONE : c % 5;
    switch (kind % 18) {
    case 0:
        for (uint64_t g = 1; g <= 3; g++) {
            if ((c >> g & 1) != 0) {
                nx_writer_u64(&items, g);
                nx_writer_u32(&items, c >> 4);
            }
        }
        PUT(session_opened, .session = session, .close_code = c == 255 ? 4004 : 0, .user_id = user, .sid = 5,
            .dispatches = b >> 6, .guilds = nx_writer_bytes(&items));
    case 1:
        PUT(session_ready, .session = session, .is_last = c & 1, .tails = ready_tails(b >> 6, room));
    case 2:
        PUT(session_move, .session = session, .new_shard = c % 2, .new_session = handles[b % HANDLES]);
    case 3:
        PUT(session_end, .session = session);
    case 4:
        PUT(revoke, .user_id = user, .sid = a % 2 ? 5 : 0, .close_code = c & 1 ? 4004 : 4103,
            .at_ms = c & 2 ? (uint64_t)wall_ms : 0, .up_to = c & 4 ? 4 : 0);
    case 5:
        PUT(guild_state, .guild_id = guild, .members_count = c, .is_large = b & 1);
    case 6:
        list[0] = c;
        list[1] = b;
        PUT(channel_state, .guild_id = guild, .channel_id = channel, .type = b >> 6, .last_seq = c,
            .view = nx_bytes_of(list, 1 + (b >> 5 & 1)));
    case 7:
        PUT(channel_gone, .guild_id = guild, .channel_id = channel);
    case 8:
        PUT(guild_gone, .guild_id = guild);
    case 9:
        for (uint64_t i = 0; i < 4; i++) {
            if ((b >> i & 1) != 0) {
                nx_writer_u64(&items, 100 * guild + i);
            }
        }
        PUT(roleset_view, .guild_id = guild, .roleset = roleset, .channels = nx_writer_bytes(&items));
    case 10:
        PUT(member_roleset, .guild_id = guild, .user_id = user, .roleset = roleset);
    case 11:
    case 12:
        PUT(event, .guild_id = guild, .channel_id = b & 16 ? 0 : channel,
            .intents = c & 1 ? 0 : 1U << (c & 15), .seq = c & 32 ? c : 0, .key = c & 64 ? 1 + b % 3 : 0,
            .except_user_id = c & 128 ? user : 0, .kind = b >> 5 & 1,
            .tail = tail_of((uint8_t)(2 + (b >> 7))));
    case 13:
        PUT(user_event, .user_id = user, .intents = c, .tail = tail_of(3));
    case 14:
        PUT(session_event, .session = session, .tail = tail_of(2), .number = c);
    case 15:
        PUT(settings, .rate_limits = c & 1, .url = nx_bytes_text(b & 1 ? "https://example.org" : ""));
    case 16:
        PUT(synced, .boot = c);
    default:
        PUT(tick, .wall_ms = (uint64_t)wall_ms);
    }
    struct nx_bus_frame frame;
    fuzz_check(nx_bus_frame_take(nx_writer_bytes(&w), &frame) == NX_OK, "built");
    frame_take(&frame);
}

/* ---- steps ---- */

static void timers(void)
{
    struct gw_verdict verdict;
    while (gw_hub_timeout(&hub, now, &verdict)) {
    }
}

static void step_bus_life(uint8_t choice)
{
    uint32_t cursor = 0;
    struct nx_bus_session_open open;
    struct nx_bus_message_send send;
    switch (choice % 5) {
    case 0:
        gw_hub_bus_down(&hub);
        break;
    case 1:
        gw_hub_bus_up(&hub, now);
        while (gw_hub_bus_reopen(&hub, &cursor, &open)) {
            fuzz_check(open.user_id != 0, "whose session is reopened");
        }
        break;
    case 2:
        while (gw_hub_send_next(&hub, now, &send)) {
            fuzz_check(send.channel_id != 0 && send.content.size != 0, "what is sent on");
        }
        break;
    case 3:
        gw_hub_send_expire(&hub, now);
        break;
    default:
        (void)gw_hub_drain_next(&hub, &cursor);
        break;
    }
}

static void step(uint8_t what, struct peer *peer, struct nx_bytes bytes)
{
    struct gw_verdict verdict;
    switch (what % 12) {
    case 0:
    case 1:
    case 2:
        client(peer, bytes, what);
        break;
    case 3: {
        const struct nx_bus_frame frame = {.number = bytes.size != 0 ? bytes.at[0] : 0,
                                           .payload = nx_bytes_slice(bytes, 1, SIZE_MAX)};
        is_tainted = true;
        frame_take(&frame);
        break;
    }
    case 4:
    case 5:
        while (bytes.size != 0) {
            built(&bytes);
        }
        break;
    case 6:
        gw_hub_ping(&hub, now, peer->session, nx_bytes_slice(bytes, 0, 125));
        break;
    case 7:
        write_some(peer, 1 + bytes.size * 37 % 4000, what >> 4);
        break;
    case 8:
        (void)gw_fanout_step(&hub.fanout, 1 + (uint32_t)bytes.size % 3);
        now = nx_time_add_ms(now, bytes.size != 0 ? bytes.at[0] * 20 : 0);
        timers();
        break;
    case 9:
        gw_hub_disconnect(&hub, now, peer->session, bytes.size != 0 ? (uint16_t)(bytes.at[0] * 20) : 0,
                          &verdict);
        peer->session = NULL;
        break;
    case 10:
        step_bus_life(what >> 4);
        break;
    default:
        if ((what & 128) != 0) {
            export_raw(handles[what >> 4 & 7], bytes);
        } else {
            /* Everything that can leave leaves. */
            while (gw_fanout_step(&hub.fanout, 64)) {
            }
            for (int i = 0; i < 64 && gw_output_bound(peer->session) != 0; i++) {
                write_some(peer, 4096, 0);
            }
        }
        break;
    }
}

static void open_peer(struct peer *peer, bool is_compressed)
{
    free(peer->ws.buffer);
    const uint32_t conn = (uint32_t)(peer - peers);
    peer->session = gw_hub_connect(&hub, now, conn, is_compressed, true);
    peer->is_compressed = is_compressed;
    peer->s = 0;
    nx_ws_init(&peer->ws, &reading, is_compressed);
    if (peer->session != NULL) {
        note(peer->session);
    }
}

static void tokens_make(void)
{
    for (size_t i = 0; i < 2; i++) {
        const struct nx_token_claims claims = {.user_id = 11 + i,
                                               .session_id = 5,
                                               .token_id = 1,
                                               .issued_s = (uint64_t)wall_ms / 1000,
                                               .expires_s = (uint64_t)wall_ms / 1000 + 900};
        struct nx_writer w = nx_writer_init(tokens[i], sizeof(tokens[i]) - 1);
        fuzz_check(nx_token_sign(&hub.keys, &claims, &w) == NX_OK, "token");
        tokens[i][w.size] = '\0';
    }
    const struct nx_seal seal = {.shard = 1,
                                 .slot = 7,
                                 .generation = 3,
                                 .user_id = 11,
                                 .session_id = 5,
                                 .issued_s = (uint64_t)wall_ms / 1000};
    struct nx_writer w = nx_writer_init(foreign_id, sizeof(foreign_id) - 1);
    fuzz_check(nx_seal_sign(&hub.keys, &seal, &w) == NX_OK, "seal");
    nx_writer_text(&w, ".33281.1");
    foreign_id[w.size] = '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct gw_hub_config config = {
        .memory = {.take = take, .give = give}, .framelog_size = 1 << 18, .sessions_max = 64};
    const struct nx_token_key key = {.kid = 1, .secret = {7}};
    struct nx_bytes input = nx_bytes_of(data, size);
    struct gw_verdict verdict;
    now = (nx_time){NX_TIME_NS_PER_S};
    if (gw_hub_init(&hub, &config, now) != NX_OK) {
        return 0;
    }
    memset(peers, 0, sizeof(peers));
    memset(handles, 0, sizeof(handles));
    handles_count = 0;
    is_tainted = false;
    fuzz_check(nx_token_ring_add(&hub.keys, &key) == NX_OK, "key");
    tokens_make();
    gw_hub_bus_up(&hub, now);
    while (input.size >= 4) {
        const uint8_t what = fuzz_u8(&input);
        const uint8_t who = fuzz_u8(&input);
        const size_t length = (size_t)fuzz_number(&input, 2);
        const struct nx_bytes bytes = nx_bytes_slice(input, 0, length);
        struct peer *peer = &peers[who % CONNS];
        input = nx_bytes_slice(input, bytes.size, SIZE_MAX);
        /* The node ends a connection whose close frame left, or that was cut inside a frame. */
        if (peer->session != NULL &&
            (gw_output_is_closed(peer->session) || (peer->session->flags & GW_SESSION_ABORT) != 0)) {
            gw_hub_disconnect(&hub, now, peer->session, 0, &verdict);
            peer->session = NULL;
        }
        if (peer->session == NULL) {
            open_peer(peer, (who & 128) != 0);
        }
        if (peer->session != NULL) {
            step(what, peer, bytes);
        }
    }
    for (size_t i = 0; i < CONNS; i++) {
        if (peers[i].session != NULL) {
            gw_hub_disconnect(&hub, now, peers[i].session, 1000, &verdict);
        }
        free(peers[i].ws.buffer);
    }
    now = nx_time_add_ms(now, 10000000);
    timers();
    fuzz_check(hub.sessions.count == 0, "no session is left");
    gw_hub_fini(&hub);
    return 0;
}
