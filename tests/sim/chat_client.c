#include "engine/wire/json.h"
#include "engine/wire/ws_handshake.h"
#include "tests/sim/chat.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BACKOFF_MS_MIN = 50,
    BACKOFF_MS_MAX = 2000,
    HEARTBEAT_MS = 4000,
    TICK_MS = 40,
    ASK_AGAIN_MS = 4000,
    REST_MS_MAX = 15000,
    PAGE_SIZE = 100,
    PAGE_SIZE_LONG = 40,
    AUTHOR_SHIFT = 16
};

static const struct nx_ws_config WS_CONFIG = {
    .role = NX_WS_ROLE_CLIENT, .message_size_max = CHAT_IN_MAX - 256, .fragments_max = 16};

static void tell(struct chat *chat, const struct chat_client *client, const char *format, va_list list)
{
    const double at =
        (double)(nx_sim_now(chat->sim).ns % (1000 * (int64_t)NX_TIME_NS_PER_S)) / NX_TIME_NS_PER_S;
    fprintf(stderr, "seed %" PRIu64 " %9.4f ", chat->seed, at);
    if (client != NULL) {
        fprintf(stderr, "client %u: ", client->index);
    }
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
}

void chat_fail(struct chat *chat, const struct chat_client *client, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fputs("FAIL ", stderr);
    tell(chat, client, format, list);
    va_end(list);
    chat->has_failed = true;
}

void chat_tell(struct chat *chat, const struct chat_client *client, const char *format, ...)
{
    if (chat->is_verbose) {
        va_list list;
        va_start(list, format);
        tell(chat, client, format, list);
        va_end(list);
    }
}

static uint64_t draw(struct chat_client *c, uint64_t bound)
{
    return nx_prng_below(&c->chat->prng, bound);
}

/* ---- what is seen ---- */

static int channel_of(const struct chat *chat, uint64_t id)
{
    for (uint32_t i = 0; i < chat->channels_count; i++) {
        if (chat->channels[i] == id) {
            return (int)i;
        }
    }
    return -1;
}

static void seen(struct chat_client *c, uint64_t channel_id, uint64_t seq, uint64_t id,
                 struct nx_bytes content, bool is_live)
{
    const int channel = channel_of(c->chat, channel_id);
    char text[64] = "";
    unsigned author = 0;
    unsigned number = 0;
    memcpy(text, content.at, content.size < sizeof(text) ? content.size : sizeof(text) - 1);
    if (channel < 0 || !c->views[channel].is_member) {
        chat_fail(c->chat, c, "sees a message of a channel it is no member of: %s", text);
        return;
    }
    struct chat_view *view = &c->views[channel];
    if (seq == 0 || seq > CHAT_SEQ_MAX || sscanf(text, "c%u-%u", &author, &number) != 2) {
        chat_fail(c->chat, c, "sees nonsense: seq %" PRIu64 " \"%s\"", seq, text);
        return;
    }
    const uint32_t message = author << AUTHOR_SHIFT | number;
    if (view->ids[seq] != 0 && (view->ids[seq] != id || view->messages[seq] != message)) {
        chat_fail(c->chat, c, "sees two messages with seq %" PRIu64 " in channel %d", seq, channel);
    }
    if (is_live && seq <= view->live_seq) {
        chat_fail(c->chat, c, "hears seq %" PRIu64 " live after %" PRIu64 " in channel %d", seq,
                  view->live_seq, channel);
    }
    view->live_seq = is_live ? seq : view->live_seq;
    view->ids[seq] = id;
    view->messages[seq] = message;
    view->target = seq > view->target ? seq : view->target;
    while (view->contiguous < CHAT_SEQ_MAX && view->ids[view->contiguous + 1] != 0) {
        view->contiguous++;
    }
}

static uint64_t number_of(struct nx_json object, const char *name)
{
    struct nx_json value;
    uint64_t number = 0;
    if (nx_json_find(object, name, &value) && nx_json_u64(value, &number) != NX_OK &&
        nx_json_id(value, &number) != NX_OK) {
        number = 0;
    }
    return number;
}

static struct nx_bytes text_of(struct nx_json object, const char *name)
{
    struct nx_json value;
    return nx_json_find(object, name, &value) && value.kind == NX_JSON_STRING
               ? nx_bytes_of(value.at, value.size)
               : nx_bytes_of(NULL, 0);
}

static void message_seen(struct chat_client *c, struct nx_json d, bool is_live)
{
    seen(c, number_of(d, "channel_id"), number_of(d, "seq"), number_of(d, "id"), text_of(d, "content"),
         is_live);
}

static struct chat_message *acked(struct chat_client *c, struct nx_bytes nonce, uint64_t id, uint64_t seq)
{
    char text[64] = "";
    unsigned author = 0;
    unsigned number = 0;
    memcpy(text, nonce.at, nonce.size < sizeof(text) ? nonce.size : sizeof(text) - 1);
    if (sscanf(text, "c%u-%u", &author, &number) != 2 || author != c->index || number >= c->messages_count) {
        chat_fail(c->chat, c, "is acknowledged what it did not send: %s", text);
        return NULL;
    }
    struct chat_message *m = &c->messages[number];
    if (m->is_acked && (m->id != id || m->seq != seq)) {
        chat_fail(c->chat, c, "is acknowledged %s twice: seq %" PRIu64 " and %" PRIu64, text, m->seq, seq);
    }
    m->is_acked = true;
    m->id = id;
    m->seq = seq;
    return m;
}

/* Each send has one answer at most. */
static void answered(struct chat_client *c, struct chat_message *m)
{
    if (++m->answers > m->asks) {
        chat_fail(c->chat, c, "has %u answers to %u sends of one message", m->answers, m->asks);
    }
}

static void refused(struct chat_client *c, struct nx_json d)
{
    char text[64] = "";
    unsigned author = 0;
    unsigned number = 0;
    const struct nx_bytes nonce = text_of(d, "nonce");
    const uint64_t code = number_of(d, "code");
    memcpy(text, nonce.at, nonce.size < sizeof(text) ? nonce.size : sizeof(text) - 1);
    c->refusals++;
    if (sscanf(text, "c%u-%u", &author, &number) != 2 || number >= c->messages_count) {
        chat_fail(c->chat, c, "is refused what it did not send: %s", text);
    } else if (code != 130000) {
        chat_fail(c->chat, c, "is refused %s with %" PRIu64, text, code);
    } else {
        c->messages[number].is_asked = false;
        answered(c, &c->messages[number]);
    }
}

/* ---- sending on the gateway ---- */

static void flush(struct chat_client *c)
{
    if (c->out_size == 0 || !c->is_open || c->phase < CHAT_HTTP) {
        return;
    }
    uint8_t *room = nx_stream_reserve(&c->stream, c->out_size);
    if (room != NULL) {
        memcpy(room, c->out, c->out_size);
        nx_stream_commit(&c->stream, c->out_size);
    }
}

static void frame_put(struct chat_client *c, enum nx_ws_opcode opcode, struct nx_bytes payload)
{
    uint8_t head[NX_WS_HEADER_SIZE_MAX];
    uint8_t mask[4];
    nx_prng_fill(&c->chat->prng, mask, sizeof(mask));
    const size_t size = nx_ws_frame_header(head, opcode, true, false, payload.size, mask);
    if (c->out_size + size + payload.size > sizeof(c->out)) {
        return;
    }
    memcpy(c->out + c->out_size, head, size);
    if (payload.size != 0) {
        nx_ws_frame_mask_copy(c->out + c->out_size + size, payload.at, payload.size, mask, 0);
    }
    c->out_size += size + payload.size;
    flush(c);
}

static void say(struct chat_client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct chat_client *c, const char *format, ...)
{
    char text[CHAT_CONTENT_MAX + 2048];
    va_list list;
    va_start(list, format);
    const int size = vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    frame_put(c, NX_WS_OPCODE_TEXT, nx_bytes_of(text, (size_t)size));
}

/* ---- the gateway's dispatches ---- */

/* Whether a picky one looks at the channel: always the same ones, for what a session looked at may be lost with it. */
static bool looks_at(const struct chat_client *c, uint32_t channel)
{
    return !c->is_picky || (c->index + channel) % 2 == 0;
}

static void subscribe(struct chat_client *c)
{
    for (uint32_t i = 0; i < c->chat->channels_count && c->is_picky; i++) {
        char list[32] = "";
        if (looks_at(c, i)) {
            snprintf(list, sizeof(list), "\"%" PRIu64 "\"", c->chat->channels[i]);
        }
        say(c, "{\"op\":64,\"d\":{\"guild_id\":\"%" PRIu64 "\",\"channels\":[%s]}}", c->chat->guilds[i],
            list);
    }
}

/* `is_live`: it comes in the order of the events; a NEXUS_RESYNC from the bulk link may be overtaken by them. */
static struct chat_view *view_told(struct chat_client *c, uint64_t channel_id, uint64_t last_seq,
                                   const char *what, bool is_live)
{
    const int channel = channel_of(c->chat, channel_id);
    if (channel < 0 || !c->views[channel].is_member) {
        chat_fail(c->chat, c, "%s for a foreign channel", what);
        return NULL;
    }
    struct chat_view *view = &c->views[channel];
    if (is_live && last_seq < view->live_seq) {
        chat_fail(c->chat, c, "%s says %" PRIu64 " of channel %d after it heard %" PRIu64, what, last_seq,
                  channel, view->live_seq);
    }
    view->target = last_seq > view->target ? last_seq : view->target;
    return view;
}

static void unread(struct chat_client *c, struct nx_json d)
{
    const uint64_t id = number_of(d, "channel_id");
    const uint64_t last_seq = number_of(d, "last_seq");
    struct chat_view *view = view_told(c, id, last_seq, "NEXUS_UNREAD", true);
    c->unreads++;
    if (view != NULL && looks_at(c, (uint32_t)channel_of(c->chat, id))) {
        chat_fail(c->chat, c, "NEXUS_UNREAD of a channel that it looks at");
    }
    /* The same again comes from the shard that it moved to. */
    if (view != NULL && last_seq < view->unread_seq) {
        chat_fail(c->chat, c, "NEXUS_UNREAD says %" PRIu64 " after %" PRIu64, last_seq, view->unread_seq);
    }
    if (view != NULL) {
        view->unread_seq = last_seq;
    }
}

static void subscribed(struct chat_client *c, struct nx_json d)
{
    struct nx_json channels;
    struct nx_json one;
    if (!nx_json_find(d, "channels", &channels)) {
        return;
    }
    struct nx_json_walk walk = nx_json_walk(channels);
    while (nx_json_array_next(&walk, &one)) {
        (void)view_told(c, number_of(one, "id"), number_of(one, "last_seq"), "NEXUS_SUBSCRIBED", true);
    }
}

static void session_begin(struct chat_client *c, struct nx_json d)
{
    const struct nx_bytes id = text_of(d, "session_id");
    if (id.size == 0 || id.size >= sizeof(c->session_id)) {
        chat_fail(c->chat, c, "READY without a session id");
        return;
    }
    memcpy(c->session_id, id.at, id.size);
    c->session_id[id.size] = 0;
    for (uint32_t i = 0; i < CHAT_CHANNELS_MAX; i++) {
        c->views[i].must_fetch = c->views[i].is_member;
        c->views[i].live_seq = 0;
        c->views[i].unread_seq = 0;
    }
    c->is_ready = true;
    c->backoff_ms = 0;
    c->identifies++;
    chat_tell(c->chat, c, "READY");
    subscribe(c);
}

static void dispatch(struct chat_client *c, struct nx_json root, struct nx_json d)
{
    const struct nx_bytes t = text_of(root, "t");
    const uint64_t s = number_of(root, "s");
    /* Of what is unread only the newest is sent: the numbers of the others are left out. */
    if (s <= c->s || (s != c->s + 1 && !c->is_picky)) {
        chat_fail(c->chat, c, "dispatch %" PRIu64 " after %" PRIu64, s, c->s);
    }
    c->s = s;
    if (nx_bytes_is(t, "READY")) {
        session_begin(c, d);
    } else if (nx_bytes_is(t, "RESUMED")) {
        c->is_ready = true;
        c->backoff_ms = 0;
        c->resumes++;
        chat_tell(c->chat, c, "RESUMED at %" PRIu64, s);
        subscribe(c);
    } else if (nx_bytes_is(t, "MESSAGE_CREATE")) {
        message_seen(c, d, true);
    } else if (nx_bytes_is(t, "NEXUS_MESSAGE_ACK")) {
        struct chat_message *m = acked(c, text_of(d, "nonce"), number_of(d, "id"), number_of(d, "seq"));
        if (m != NULL) {
            answered(c, m);
        }
    } else if (nx_bytes_is(t, "NEXUS_SUBSCRIBED")) {
        subscribed(c, d);
    } else if (nx_bytes_is(t, "NEXUS_UNREAD")) {
        unread(c, d);
    } else if (nx_bytes_is(t, "NEXUS_MESSAGE_REFUSED")) {
        refused(c, d);
    } else if (nx_bytes_is(t, "NEXUS_RESYNC")) {
        const uint64_t last_seq = number_of(d, "last_seq");
        c->resyncs++;
        (void)view_told(c, number_of(d, "channel_id"), last_seq, "NEXUS_RESYNC", false);
        chat_tell(c->chat, c, "RESYNC of %" PRIu64 " to %" PRIu64, number_of(d, "channel_id"), last_seq);
    }
}

static void session_forget(struct chat_client *c)
{
    c->session_id[0] = 0;
    c->s = 0;
}

static void hello(struct chat_client *c)
{
    if (c->session_id[0] != 0) {
        say(c, "{\"op\":6,\"d\":{\"token\":\"%s\",\"session_id\":\"%s\",\"seq\":%" PRIu64 "}}", c->token,
            c->session_id, c->s);
    } else {
        c->s = 0;
        say(c,
            "{\"op\":2,\"d\":{\"token\":\"%s\",\"intents\":513,\"properties\":{},\"capabilities\":["
            "\"resync\"]}}",
            c->token);
    }
    c->is_beating = true;
    c->is_acked = true;
    nx_timer_set_ms(c->loop, &c->heartbeat, HEARTBEAT_MS);
}

static void payload_in(struct chat_client *c, struct nx_bytes payload)
{
    struct nx_json root;
    struct nx_json d = {0};
    if (nx_json_open(payload, &root) != NX_OK) {
        chat_fail(c->chat, c, "hears no JSON: %.*s", (int)payload.size, (const char *)payload.at);
        return;
    }
    (void)nx_json_find(root, "d", &d);
    switch (number_of(root, "op")) {
    case 0:
        dispatch(c, root, d);
        break;
    case 7:
        chat_tell(c->chat, c, "RECONNECT");
        break; /* the close follows */
    case 9:
        chat_tell(c->chat, c, "INVALID_SESSION");
        session_forget(c);
        hello(c);
        break;
    case 10:
        hello(c);
        break;
    case 11:
        c->is_acked = true;
        break;
    default:
        chat_fail(c->chat, c, "hears an unknown op");
        break;
    }
}

static void closed_by_peer(struct chat_client *c, uint16_t code)
{
    chat_tell(c->chat, c, "close %u", code);
    switch (c->is_leaving ? 1001 : code) {
    case 4000: /* try again */
    case 4009:
    case 4100:
    case 4101:
    case 1001:
    case 1011:
        break;
    case 4102: /* replaced, by ourselves: the old connection was only slow to die */
        break;
    case 4104:
        session_forget(c);
        break;
    default:
        chat_fail(c->chat, c, "is closed with %u", code);
        session_forget(c);
        break;
    }
    nx_stream_close(&c->stream);
}

static void ws_in(struct chat_client *c, uint8_t *bytes, size_t size)
{
    struct nx_ws_feed feed = {bytes, bytes + size};
    struct nx_ws_event event;
    while (c->phase == CHAT_WS && nx_ws_next(&c->ws, &feed, &event)) {
        switch (event.kind) {
        case NX_WS_EVENT_TEXT:
            payload_in(c, event.payload);
            break;
        case NX_WS_EVENT_WANT_BUFFER:
            nx_ws_attach(&c->ws, c->gathered, sizeof(c->gathered));
            break;
        case NX_WS_EVENT_CLOSE:
            closed_by_peer(c, event.code);
            return;
        case NX_WS_EVENT_FAILED:
            chat_fail(c->chat, c, "the server breaks RFC 6455: %u", event.code);
            nx_stream_close(&c->stream);
            return;
        default:
            break;
        }
    }
}

/* ---- the gateway's connection ---- */

static void connect_now(void *context);

static void retry_later(struct chat_client *c)
{
    if (c->is_leaving) {
        return;
    }
    c->backoff_ms = c->backoff_ms == 0 ? BACKOFF_MS_MIN : c->backoff_ms * 2;
    c->backoff_ms = c->backoff_ms > BACKOFF_MS_MAX ? BACKOFF_MS_MAX : c->backoff_ms;
    nx_timer_set_ms(c->loop, &c->retry, (int64_t)(c->backoff_ms / 2 + draw(c, c->backoff_ms)));
}

static void on_connected(void *context)
{
    struct chat_client *c = context;
    c->phase = CHAT_HTTP;
    uint8_t random[16];
    char key[NX_WS_HANDSHAKE_KEY_SIZE];
    nx_prng_fill(&c->chat->prng, random, sizeof(random));
    nx_ws_handshake_key(random, key);
    struct nx_writer w = nx_writer_init(c->out, sizeof(c->out));
    const struct nx_ws_handshake_request request = {.target = nx_bytes_text("/gateway?v=1&encoding=json"),
                                                    .host = nx_bytes_text("localhost"),
                                                    .key = nx_bytes_of(key, sizeof(key))};
    nx_ws_handshake_ask(&w, &request);
    c->out_size = w.size;
    flush(c);
}

/* The head of the 101, then frames. */
static void http_in(struct chat_client *c, uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (c->in_size < 4096) {
            c->in[c->in_size++] = bytes[i];
        }
        if (c->in_size >= 4 && memcmp(c->in + c->in_size - 4, "\r\n\r\n", 4) == 0) {
            if (memcmp(c->in, "HTTP/1.1 101", 12) != 0) {
                if (memcmp(c->in, "HTTP/1.1 503", 12) != 0) {
                    chat_fail(c->chat, c, "the upgrade is answered %.12s", (const char *)c->in);
                }
                nx_stream_close(&c->stream);
                return;
            }
            c->phase = CHAT_WS;
            nx_ws_init(&c->ws, &WS_CONFIG, false);
            ws_in(c, bytes + i + 1, size - i - 1);
            return;
        }
    }
}

static void on_data(void *context, uint8_t *bytes, size_t size)
{
    struct chat_client *c = context;
    if (c->phase == CHAT_HTTP) {
        http_in(c, bytes, size);
    } else {
        ws_in(c, bytes, size);
    }
}

static void on_ended(void *context)
{
    struct chat_client *c = context;
    nx_stream_close(&c->stream);
}

static void on_sent(void *context, size_t size)
{
    struct chat_client *c = context;
    c->out_size -= size;
    memmove(c->out, c->out + size, c->out_size);
    if (!nx_stream_is_blocked(&c->stream)) {
        flush(c);
    }
}

static void on_writable(void *context)
{
    flush(context);
}

static void on_closed(void *context, enum nx_err why)
{
    struct chat_client *c = context;
    chat_tell(c->chat, c, "connection gone: %s", nx_err_text(why));
    c->cuts += c->phase == CHAT_WS;
    c->phase = CHAT_DOWN;
    c->is_open = false;
    c->is_ready = false;
    c->is_beating = false;
    c->out_size = 0;
    nx_timer_cancel(c->loop, &c->heartbeat);
    nx_timer_cancel(c->loop, &c->stall);
    /* What was on its way may be lost: the nonce makes it safe to say it again. */
    for (uint32_t i = 0; i < c->messages_count; i++) {
        c->messages[i].is_asked = c->messages[i].is_asked && c->messages[i].is_rest;
    }
    retry_later(c);
}

static const struct nx_stream_events GATEWAY = {.connected = on_connected,
                                                .data = on_data,
                                                .ended = on_ended,
                                                .sent = on_sent,
                                                .writable = on_writable,
                                                .closed = on_closed};

static void connect_now(void *context)
{
    struct chat_client *c = context;
    if (c->is_open || c->is_leaving) {
        return;
    }
    c->in_size = 0;
    c->out_size = 0;
    c->phase = CHAT_CONNECTING;
    c->is_open = nx_stream_connect(&c->stream, c->loop, &c->chat->gateway, NULL, &GATEWAY, c) == NX_OK;
    if (!c->is_open) {
        retry_later(c);
    }
    nx_timer_set_ms(c->loop, &c->heartbeat, HEARTBEAT_MS * 2); /* for HELLO to come */
}

static void on_heartbeat(void *context)
{
    struct chat_client *c = context;
    if (!c->is_open) {
        return;
    }
    if (!c->is_beating || !c->is_acked) {
        chat_tell(c->chat, c, "no sign of life");
        nx_stream_close(&c->stream);
        return;
    }
    c->is_acked = false;
    say(c, "{\"op\":1,\"d\":%" PRIu64 "}", c->s);
    nx_timer_set_ms(c->loop, &c->heartbeat, HEARTBEAT_MS);
}

/* ---- REST ---- */

static void rest_flush(struct chat_client *c)
{
    if (c->rest_out_size != 0) {
        uint8_t *room = nx_stream_reserve(&c->rest, c->rest_out_size);
        if (room != NULL) {
            memcpy(room, c->rest_out, c->rest_out_size);
            nx_stream_commit(&c->rest, c->rest_out_size);
        }
    }
}

static uint32_t page_size(const struct chat_client *c)
{
    return c->chat->is_long ? PAGE_SIZE_LONG : PAGE_SIZE;
}

static void rest_fetched(struct chat_client *c, struct nx_json root)
{
    struct nx_json_walk walk = nx_json_walk(root);
    struct nx_json one;
    struct chat_view *view = &c->views[c->rest_channel];
    uint32_t count = 0;
    c->fetches++;
    while (root.kind == NX_JSON_ARRAY && nx_json_array_next(&walk, &one)) {
        message_seen(c, one, false);
        count++;
    }
    view->must_fetch = count == page_size(c);
    chat_tell(c->chat, c, "fetched %u of channel %u, has %" PRIu64, count, c->rest_channel, view->contiguous);
}

static void rest_answered(struct chat_client *c, unsigned status, struct nx_bytes body)
{
    struct nx_json root;
    if (status == 503 || status == 504 || status == 502) {
        c->rest_not_before = nx_time_add_ms(nx_loop_now(c->loop), 200 + (int64_t)draw(c, 600));
        return;
    }
    if (status != 200 || nx_json_open(body, &root) != NX_OK) {
        chat_fail(c->chat, c, "REST answers %u: %.*s", status, (int)body.size, (const char *)body.at);
        return;
    }
    if (c->rest_message < 0) {
        rest_fetched(c, root);
    } else {
        (void)acked(c, text_of(root, "content"), number_of(root, "id"), number_of(root, "seq"));
    }
}

static void rest_read(struct chat_client *c)
{
    c->rest_in[c->rest_in_size] = 0;
    const char *text = (const char *)c->rest_in;
    const char *end = strstr(text, "\r\n\r\n");
    const char *length = strstr(text, "Content-Length: ");
    if (end == NULL || length == NULL || length > end) {
        return;
    }
    const size_t head = (size_t)(end + 4 - text);
    const size_t size = (size_t)strtoul(length + 16, NULL, 10);
    if (c->rest_in_size - head >= size && !c->is_rest_done) {
        c->is_rest_done = true;
        rest_answered(c, (unsigned)strtoul(text + 9, NULL, 10), nx_bytes_of(text + head, size));
        nx_stream_close(&c->rest);
    }
}

static void on_rest_connected(void *context)
{
    rest_flush(context);
}

static void on_rest_data(void *context, uint8_t *bytes, size_t size)
{
    struct chat_client *c = context;
    if (c->rest_in_size + size < sizeof(c->rest_in)) {
        memcpy(c->rest_in + c->rest_in_size, bytes, size);
        c->rest_in_size += size;
        rest_read(c);
    } else {
        chat_fail(c->chat, c, "a response of more than %zu bytes", c->rest_in_size + size);
        nx_stream_close(&c->rest);
    }
}

static void on_rest_ended(void *context)
{
    struct chat_client *c = context;
    nx_stream_close(&c->rest);
}

static void on_rest_sent(void *context, size_t size)
{
    struct chat_client *c = context;
    c->rest_out_size -= size;
    memmove(c->rest_out, c->rest_out + size, c->rest_out_size);
    if (!nx_stream_is_blocked(&c->rest)) {
        rest_flush(c);
    }
}

static void on_rest_closed(void *context, enum nx_err why)
{
    struct chat_client *c = context;
    (void)why;
    c->is_rest_open = false;
    if (c->rest_message >= 0) {
        c->messages[c->rest_message].is_asked = false;
    }
    if (!c->is_rest_done) {
        c->rest_not_before = nx_time_add_ms(nx_loop_now(c->loop), 100 + (int64_t)draw(c, 500));
    }
}

static const struct nx_stream_events REST = {.connected = on_rest_connected,
                                             .data = on_rest_data,
                                             .ended = on_rest_ended,
                                             .sent = on_rest_sent,
                                             .writable = on_rest_connected,
                                             .closed = on_rest_closed};

/* What follows the words of a message that is to be long. */
static const char *padding(const struct chat_client *c)
{
    static char text[CHAT_CONTENT_MAX];
    if (text[0] == 0) {
        memset(text, '.', sizeof(text) - 1);
    }
    return c->chat->is_long ? text : "";
}

static void rest_begin(struct chat_client *c, uint32_t channel, int32_t message)
{
    const uint64_t id = c->chat->channels[channel];
    char body[CHAT_CONTENT_MAX + 256] = "";
    char line[128];
    int body_size = 0;
    if (message >= 0) {
        body_size = snprintf(body, sizeof(body),
                             "{\"content\":\"c%u-%d%s\",\"nonce\":\"c%u-%d\",\"enforce_nonce\":true}",
                             c->index, message, padding(c), c->index, message);
        snprintf(line, sizeof(line), "POST /api/v1/channels/%" PRIu64 "/messages", id);
        c->messages[message].is_asked = true;
        c->messages[message].is_said = true;
    } else {
        snprintf(line, sizeof(line),
                 "GET /api/v1/channels/%" PRIu64 "/messages?after_seq=%" PRIu64 "&limit=%u", id,
                 c->views[channel].contiguous, page_size(c));
    }
    c->rest_out_size = (size_t)snprintf(
        (char *)c->rest_out, sizeof(c->rest_out),
        "%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
        "Content-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
        line, c->token, body_size, body);
    c->rest_in_size = 0;
    c->is_rest_done = false;
    c->rest_message = message;
    c->rest_channel = channel;
    c->rest_since = nx_loop_now(c->loop);
    c->is_rest_open = nx_stream_connect(&c->rest, c->loop, &c->chat->gateway, NULL, &REST, c) == NX_OK;
}

static bool must_fetch(const struct chat_view *view)
{
    return view->is_member && (view->must_fetch || view->contiguous < view->target);
}

static void rest_tick(struct chat_client *c, nx_time now)
{
    if (c->is_rest_open) {
        if (nx_time_since_ns(now, c->rest_since) > (int64_t)REST_MS_MAX * NX_TIME_NS_PER_MS) {
            nx_stream_close(&c->rest);
        }
        return;
    }
    if (nx_time_before(now, c->rest_not_before)) {
        return;
    }
    for (uint32_t i = 0; i < CHAT_CHANNELS_MAX; i++) {
        if (must_fetch(&c->views[i])) {
            rest_begin(c, i, -1);
            return;
        }
    }
    for (uint32_t i = 0; i < c->messages_count; i++) {
        const struct chat_message *m = &c->messages[i];
        if (m->is_rest && !m->is_acked && !m->is_asked && !(m->is_once && m->is_said)) {
            rest_begin(c, m->channel, (int32_t)i);
            return;
        }
    }
}

/* ---- saying something ---- */

static void message_make(struct chat_client *c)
{
    uint32_t channel = (uint32_t)draw(c, c->chat->channels_count);
    while (!c->views[channel].is_member) {
        channel = (channel + 1) % c->chat->channels_count;
    }
    c->messages[c->messages_count++] =
        (struct chat_message){.channel = channel, .is_rest = draw(c, 5) == 0, .is_once = draw(c, 6) == 0};
}

static void on_tick(void *context)
{
    struct chat_client *c = context;
    const nx_time now = nx_loop_now(c->loop);
    nx_timer_set_ms(c->loop, &c->tick, TICK_MS);
    if (c->messages_count < c->messages_wanted && !nx_time_before(now, c->send_at)) {
        message_make(c);
        c->send_at = nx_time_add_ms(now, (int64_t)draw(c, 900));
    }
    for (uint32_t i = 0; i < c->messages_count && c->is_ready; i++) {
        struct chat_message *m = &c->messages[i];
        const bool is_lost =
            m->is_asked && nx_time_since_ns(now, m->asked_at) > (int64_t)ASK_AGAIN_MS * NX_TIME_NS_PER_MS;
        if (!m->is_rest && !m->is_acked && (!m->is_asked || is_lost) && !(m->is_once && m->is_said)) {
            m->is_asked = true;
            m->is_said = true;
            m->asks++;
            m->asked_at = now;
            say(c,
                "{\"op\":67,\"d\":{\"channel_id\":\"%" PRIu64
                "\",\"content\":\"c%u-%u%s\",\"nonce\":\"c%u-%u\"}}",
                c->chat->channels[m->channel], c->index, i, padding(c), c->index, i);
        }
    }
    rest_tick(c, now);
}

/* ---- what the scenario does with it ---- */

static void on_stalled(void *context)
{
    struct chat_client *c = context;
    if (c->is_open) {
        nx_stream_pause(&c->stream, false);
    }
}

void chat_client_stall(struct chat_client *c, int64_t ms)
{
    if (c->is_open && c->phase == CHAT_WS) {
        nx_stream_pause(&c->stream, true);
        nx_timer_set_ms(c->loop, &c->stall, ms);
    }
}

void chat_client_leave(struct chat_client *c)
{
    uint8_t payload[NX_WS_CONTROL_SIZE_MAX];
    c->is_leaving = true;
    nx_timer_cancel(c->loop, &c->retry);
    nx_timer_cancel(c->loop, &c->tick);
    if (c->is_open) {
        const size_t size = nx_ws_frame_close(payload, NX_WS_CLOSE_NORMAL, nx_bytes_of(NULL, 0));
        frame_put(c, NX_WS_OPCODE_CLOSE, nx_bytes_of(payload, size));
    }
}

bool chat_client_is_content(const struct chat_client *c)
{
    bool is_content = c->is_ready && !nx_timer_is_set(&c->stall) && c->messages_count == c->messages_wanted &&
                      !c->is_rest_open;
    for (uint32_t i = 0; i < CHAT_CHANNELS_MAX; i++) {
        is_content = is_content && !must_fetch(&c->views[i]);
    }
    for (uint32_t i = 0; i < c->messages_count; i++) {
        const struct chat_message *m = &c->messages[i];
        is_content = is_content && (m->is_acked || (m->is_once && m->is_said));
    }
    return is_content;
}

void chat_client_start(struct chat_client *c)
{
    nx_timer_init(&c->retry, connect_now, c);
    nx_timer_init(&c->heartbeat, on_heartbeat, c);
    nx_timer_init(&c->tick, on_tick, c);
    nx_timer_init(&c->stall, on_stalled, c);
    nx_timer_set_ms(c->loop, &c->retry, (int64_t)draw(c, 200));
    nx_timer_set_ms(c->loop, &c->tick, (int64_t)draw(c, TICK_MS));
}
