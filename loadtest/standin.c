#include "loadtest/standin.h"

#include "engine/crypto/random.h"
#include "engine/io/clock.h"
#include "engine/wire/json_out.h"

#include <stdlib.h>

enum {
    TICK_MS = 1000,
    TAIL_MAX = LOAD_SIZE_MAX + 512,
    READY_MAX = 2048,
    PREFIX_SIZE = 18, /* {"op":0,"s":12345, : what gatewayd writes before the tail */
    DISPATCHES = 2,   /* READY and one GUILD_CREATE */
    STATUS_UNAVAILABLE = 503,
    CLOSE_AUTH = 4004
};

/* ---- shards come and go ---- */

static void shard_online(struct load_standin *standin, struct load_standin_shard *shard)
{
    struct nx_link *link = &shard->conns[NX_BUS_LINK_RT]->link;
    const struct nx_token_slot *slot = &standin->ring.keys[0];
    const struct nx_bus_key key = {
        .kid = slot->kid, .secret = nx_bytes_of(slot->secret, sizeof(slot->secret)), .state = 1};
    const struct nx_bus_settings settings = {.rate_limits = 0, .url = nx_bytes_of(NULL, 0)};
    const struct nx_bus_synced synced = {.boot = standin->boot};
    (void)NX_LINK_PUT(link, key, &key);
    (void)NX_LINK_PUT(link, settings, &settings);
    (void)NX_LINK_PUT(link, synced, &synced);
    shard->is_online = true;
    standin->online_count++;
}

static void shard_offline(struct load_standin *standin, struct load_standin_shard *shard)
{
    if (shard->is_online) {
        shard->is_online = false;
        standin->online_count--;
    }
    memset(shard->told, 0, standin->rooms_count + 1);
    for (int kind = 0; kind < 2; kind++) {
        if (shard->conns[kind] != NULL) {
            nx_link_close(&shard->conns[kind]->link);
        }
    }
}

static void hello_handle(struct load_standin_conn *conn, struct nx_bytes payload)
{
    struct load_standin *standin = conn->standin;
    struct nx_bus_hello hello;
    if (conn->shard != NULL || nx_bus_hello_get(payload, &hello) != NX_OK ||
        hello.version != NX_BUS_VERSION || hello.shard >= LOAD_SHARDS_MAX || hello.link > NX_BUS_LINK_BULK ||
        standin->shards[hello.shard].conns[hello.link] != NULL) {
        nx_link_close(&conn->link);
        return;
    }
    struct load_standin_shard *shard = &standin->shards[hello.shard];
    const struct nx_bus_hello answer = {.version = NX_BUS_VERSION,
                                        .node = hello.node,
                                        .shard = hello.shard,
                                        .link = hello.link,
                                        .boot = standin->boot};
    conn->kind = (enum nx_bus_link)hello.link;
    conn->shard = shard;
    shard->conns[hello.link] = conn;
    shard->number = hello.shard;
    (void)NX_LINK_PUT(&conn->link, hello, &answer);
    if (shard->conns[NX_BUS_LINK_RT] != NULL && shard->conns[NX_BUS_LINK_BULK] != NULL) {
        shard_online(standin, shard);
    }
}

/* ---- sessions ---- */

uint32_t load_standin_guild_of(const struct load_standin *standin, uint32_t user)
{
    return user < standin->users_count ? user % standin->rooms_count : standin->rooms_count;
}

static enum nx_err guild_tell(struct load_standin *standin, struct load_standin_shard *shard, uint32_t guild)
{
    static const uint8_t EVERYBODY = 1;
    struct nx_link *link = &shard->conns[NX_BUS_LINK_RT]->link;
    if (shard->told[guild] != 0) {
        return NX_OK;
    }
    const struct nx_bus_guild_state state = {
        .guild_id = LOAD_STANDIN_GUILD + guild,
        .members_count = standin->users_count / standin->rooms_count,
        .is_large = 1,
    };
    const struct nx_bus_channel_state channel = {
        .guild_id = LOAD_STANDIN_GUILD + guild,
        .channel_id = LOAD_STANDIN_CHANNEL + guild,
        .view = nx_bytes_of(&EVERYBODY, 1),
    };
    enum nx_err err = NX_LINK_PUT(link, guild_state, &state);
    if (err == NX_OK) {
        err = NX_LINK_PUT(link, channel_state, &channel);
    }
    shard->told[guild] = err == NX_OK;
    return err;
}

static void tail_put(struct nx_writer *out, const struct nx_writer *tail)
{
    nx_writer_u32(out, (uint32_t)tail->size);
    nx_writer_bytes_put(out, nx_writer_bytes(tail));
}

static void id_put(struct nx_writer *w, const char *before, uint64_t id)
{
    nx_writer_text(w, before);
    nx_writer_decimal(w, id);
    nx_writer_text(w, "\"");
}

/* READY and GUILD_CREATE with the members clients look at. */
static void ready_write(struct nx_writer *out, uint64_t user_id, uint32_t guild)
{
    uint8_t text[READY_MAX];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    nx_writer_text(&w, "\"t\":\"READY\",\"d\":{\"v\":1");
    id_put(&w, ",\"user\":{\"id\":\"", user_id);
    id_put(&w, ",\"username\":\"load\"},\"guilds\":[{\"id\":\"", LOAD_STANDIN_GUILD + guild);
    nx_writer_text(&w, ",\"unavailable\":true}]}}");
    tail_put(out, &w);
    w = nx_writer_init(text, sizeof(text));
    id_put(&w, "\"t\":\"GUILD_CREATE\",\"d\":{\"id\":\"", LOAD_STANDIN_GUILD + guild);
    id_put(&w, ",\"name\":\"load\",\"members\":[],\"channels\":[{\"id\":\"", LOAD_STANDIN_CHANNEL + guild);
    nx_writer_text(&w, ",\"type\":0,\"name\":\"load\"}]}}");
    tail_put(out, &w);
}

static void session_refuse(struct load_standin_shard *shard, const struct nx_bus_session_open *open)
{
    const struct nx_bus_session_opened opened = {.session = open->session, .close_code = CLOSE_AUTH};
    (void)NX_LINK_PUT(&shard->conns[NX_BUS_LINK_RT]->link, session_opened, &opened);
}

static void session_open(struct load_standin *standin, struct load_standin_shard *shard,
                         const struct nx_bus_session_open *open)
{
    uint8_t ready[READY_MAX * 2];
    uint8_t entry[NX_BUS_GUILD_ENTRY_SIZE];
    struct nx_writer tails = nx_writer_init(ready, sizeof(ready));
    struct nx_writer guilds = nx_writer_init(entry, sizeof(entry));
    standin->opened++;
    if (open->user_id < LOAD_STANDIN_USER ||
        open->user_id - LOAD_STANDIN_USER >= standin->users_count + standin->probes_count ||
        open->reason == NX_BUS_OPEN_MOVE) {
        standin->refused++;
        session_refuse(shard, open);
        return;
    }
    const uint32_t guild = load_standin_guild_of(standin, (uint32_t)(open->user_id - LOAD_STANDIN_USER));
    const bool is_new = open->reason == NX_BUS_OPEN_IDENTIFY;
    nx_writer_u64(&guilds, LOAD_STANDIN_GUILD + guild);
    nx_writer_u32(&guilds, 0);
    ready_write(&tails, open->user_id, guild);
    const struct nx_bus_session_opened opened = {
        .session = open->session,
        .user_id = open->user_id,
        .sid = open->sid,
        .dispatches = is_new ? DISPATCHES : 0,
        .guilds = nx_writer_bytes(&guilds),
    };
    const struct nx_bus_session_ready first = {
        .session = open->session, .is_last = 1, .tails = nx_writer_bytes(&tails)};
    enum nx_err err = guild_tell(standin, shard, guild);
    if (err == NX_OK) {
        err = NX_LINK_PUT(&shard->conns[NX_BUS_LINK_RT]->link, session_opened, &opened);
    }
    if (err == NX_OK && is_new) {
        err = NX_LINK_PUT(&shard->conns[NX_BUS_LINK_BULK]->link, session_ready, &first);
    }
    standin->link_fulls += err != NX_OK;
}

static void rest_refuse(struct load_standin_shard *shard, uint64_t request)
{
    const struct nx_bus_rest_response response = {
        .request = request, .status = STATUS_UNAVAILABLE, .is_last = 1};
    (void)NX_LINK_PUT(&shard->conns[NX_BUS_LINK_BULK]->link, rest_response, &response);
}

/* ---- links ---- */

static void on_up(void *context)
{
    (void)context; /* gatewayd says HELLO first */
}

static void on_frame(void *context, const struct nx_bus_frame *frame)
{
    struct load_standin_conn *conn = context;
    struct nx_bus_session_open open;
    struct nx_bus_rest_request request;
    if (frame->number == NX_BUS_MSG_HELLO) {
        hello_handle(conn, frame->payload);
    } else if (conn->shard == NULL || !conn->shard->is_online) {
        nx_link_close(&conn->link);
    } else if (frame->number == NX_BUS_MSG_SESSION_OPEN &&
               nx_bus_session_open_get(frame->payload, &open) == NX_OK) {
        session_open(conn->standin, conn->shard, &open);
    } else if (frame->number == NX_BUS_MSG_REST_REQUEST &&
               nx_bus_rest_request_get(frame->payload, &request) == NX_OK) {
        rest_refuse(conn->shard, request.request);
    }
}

static void on_room(void *context)
{
    (void)context;
}

static void on_down(void *context, enum nx_err why)
{
    struct load_standin_conn *conn = context;
    struct load_standin_shard *shard = conn->shard;
    (void)why;
    if (shard != NULL) {
        shard->conns[conn->kind] = NULL;
        shard_offline(conn->standin, shard);
    }
    nx_link_fini(&conn->link);
    free(conn);
}

static const struct nx_link_events LINK_EVENTS = {
    .up = on_up, .frame = on_frame, .room = on_room, .down = on_down};

static void on_accept(void *context, struct nx_accepted *accepted)
{
    struct load_standin *standin = context;
    struct load_standin_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL) {
        return;
    }
    conn->standin = standin;
    if (nx_link_accept(&conn->link, standin->loop, accepted, LOAD_LINK_QUEUE_MAX, &LINK_EVENTS, conn) !=
        NX_OK) {
        free(conn);
    }
}

static void on_tick(void *context)
{
    struct load_standin *standin = context;
    const struct nx_bus_tick tick = {.wall_ms = (uint64_t)nx_clock_wall_ms()};
    for (uint32_t i = 0; i < LOAD_SHARDS_MAX; i++) {
        if (standin->shards[i].is_online) {
            (void)NX_LINK_PUT(&standin->shards[i].conns[NX_BUS_LINK_RT]->link, tick, &tick);
        }
    }
    nx_timer_set_ms(standin->loop, &standin->tick, TICK_MS);
}

enum nx_err load_standin_open(struct load_standin *standin, struct nx_loop *loop, const char *path,
                              uint32_t users_count, uint32_t rooms_count, uint32_t probes_count)
{
    struct nx_endpoint where = {.kind = NX_ENDPOINT_UNIX};
    struct nx_token_key key = {.kid = 1};
    const size_t size = strlen(path);
    if (size >= sizeof(where.path)) {
        return NX_E_MALFORMED;
    }
    memcpy(where.path, path, size + 1);
    *standin = (struct load_standin){
        .loop = loop, .users_count = users_count, .rooms_count = rooms_count, .probes_count = probes_count};
    nx_token_ring_init(&standin->ring);
    enum nx_err err = nx_random_fill(key.secret, sizeof(key.secret));
    if (err == NX_OK) {
        err = nx_random_fill(&standin->boot, sizeof(standin->boot));
    }
    if (err == NX_OK) {
        err = nx_token_ring_add(&standin->ring, &key);
    }
    for (uint32_t i = 0; err == NX_OK && i < LOAD_SHARDS_MAX; i++) {
        standin->shards[i].told = calloc((size_t)rooms_count + 1, 1);
        err = standin->shards[i].told != NULL ? NX_OK : NX_E_NO_MEMORY;
    }
    if (err == NX_OK) {
        err = nx_listener_open(loop, &standin->listener, &where, on_accept, standin);
    }
    if (err != NX_OK) {
        load_standin_fini(standin);
        return err;
    }
    standin->is_listening = true;
    nx_timer_init(&standin->tick, on_tick, standin);
    nx_timer_set_ms(loop, &standin->tick, TICK_MS);
    return NX_OK;
}

void load_standin_close(struct load_standin *standin)
{
    if (!standin->is_listening) {
        return;
    }
    standin->is_listening = false;
    nx_timer_cancel(standin->loop, &standin->tick);
    nx_listener_close(&standin->listener);
    for (uint32_t i = 0; i < LOAD_SHARDS_MAX; i++) {
        shard_offline(standin, &standin->shards[i]);
    }
}

void load_standin_fini(struct load_standin *standin)
{
    for (uint32_t i = 0; i < LOAD_SHARDS_MAX; i++) {
        free(standin->shards[i].told);
        standin->shards[i].told = NULL;
    }
    nx_token_ring_fini(&standin->ring);
}

enum nx_err load_standin_token(struct load_standin *standin, uint32_t user, struct nx_writer *out)
{
    const uint64_t now_s = (uint64_t)nx_clock_wall_ms() / 1000;
    const struct nx_token_claims claims = {
        .user_id = LOAD_STANDIN_USER + user,
        .session_id = LOAD_STANDIN_USER + user,
        .token_id = LOAD_STANDIN_USER + user,
        .issued_s = now_s,
        .expires_s = now_s + 86400,
        .kind = NX_TOKEN_LOAD,
    };
    return nx_token_sign(&standin->ring, &claims, out);
}

enum nx_err load_standin_event(struct load_standin *standin, uint32_t guild, uint64_t seq,
                               struct nx_bytes stamp, uint32_t size)
{
    uint8_t text[TAIL_MAX];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    const uint64_t channel_id = LOAD_STANDIN_CHANNEL + guild;
    enum nx_err err = NX_E_UNAVAILABLE;
    id_put(&w, "\"t\":\"MESSAGE_CREATE\",\"d\":{\"channel_id\":\"", channel_id);
    nx_writer_text(&w, ",\"content\":\"");
    nx_writer_bytes_put(&w, stamp);
    while (w.size + PREFIX_SIZE + 3 < size) {
        nx_writer_u8(&w, 'x');
    }
    nx_writer_text(&w, "\"}}");
    const struct nx_bus_event event = {
        .guild_id = LOAD_STANDIN_GUILD + guild,
        .channel_id = channel_id,
        .intents = 1 << 9,
        .seq = seq,
        .tail = nx_writer_bytes(&w),
    };
    for (uint32_t i = 0; i < LOAD_SHARDS_MAX; i++) {
        struct load_standin_shard *shard = &standin->shards[i];
        if (!shard->is_online || shard->told[guild] == 0) {
            continue;
        }
        err = NX_LINK_PUT(&shard->conns[NX_BUS_LINK_RT]->link, event, &event);
        if (err != NX_OK) {
            standin->link_fulls++;
            return err;
        }
    }
    return err;
}
