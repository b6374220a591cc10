/* Properties: whatever a server says and however it is cut, a session of the load tool sends a handshake and then whole masked
 * frames whose texts are JSON; it reports the same in every cut; memory comes back. Input: a choice, a seed of the cuts, then
 * steps: a kind, a size and that many bytes. */
#include "engine/wire/json.h"
#include "loadtest/session.h"
#include "tests/fuzz/load_fuzz.h"

enum { STEPS_MAX = 64, FRAME_MAX = 70000 };

static struct load_session session;
static struct load_session_shared shared;
static bool is_up;
static bool
    is_doubtful; /* bytes were fed as a response head: when a wrong one is noticed depends on the cuts */

static void on_ready(void *context, struct load_session *s)
{
    fuzz_check(context == &shared && s == &session && s->state == LOAD_SESSION_READY, "ready");
    is_up = true;
    load_note(1);
    load_note(s->s);
}

static void on_down(void *context, struct load_session *s, bool is_final)
{
    fuzz_check(context == &shared && s == &session, "down");
    fuzz_check(s->state == (is_final ? LOAD_SESSION_DEAD : LOAD_SESSION_DOWN), "down or dead");
    is_up = false;
    load_note(is_final ? 2 : 3);
}

static void note_stamp(const struct load_stamp *stamp)
{
    uint8_t text[LOAD_STAMP_SIZE];
    load_stamp_put(text, stamp);
    load_note_bytes(nx_bytes_of(text, sizeof(text)));
}

static void on_delivered(void *context, struct load_session *s, const struct load_stamp *stamp,
                         struct nx_bytes text)
{
    fuzz_check(context == &shared && s == &session, "delivered");
    load_note(4);
    load_note(s->s);
    note_stamp(stamp);
    load_note_bytes(text);
}

static void on_answered(void *context, struct load_session *s, const struct load_stamp *stamp,
                        bool is_refused, struct nx_bytes text)
{
    fuzz_check(context == &shared && s == &session, "answered");
    load_note(is_refused ? 5 : 6);
    note_stamp(stamp);
    load_note_bytes(text);
}

static void on_hello(void *context, struct load_session *s)
{
    fuzz_check(context == &shared && s == &session && s->interval_ms != 0, "hello");
    load_note(7);
}

static void on_other(void *context, struct load_session *s, struct nx_bytes name, struct nx_bytes text)
{
    fuzz_check(context == &shared && s == &session && fuzz_is_inside(name, text), "other");
    load_note_bytes(name);
    load_note_bytes(text);
}

static const struct load_session_events PLAIN_EVENTS = {
    .ready = on_ready, .down = on_down, .delivered = on_delivered, .answered = on_answered};

static const struct load_session_events EVENTS = {.ready = on_ready,
                                                  .down = on_down,
                                                  .delivered = on_delivered,
                                                  .answered = on_answered,
                                                  .hello = on_hello,
                                                  .other = on_other};

/* What was sent since the connection began is a handshake and masked frames, the last one maybe not sent whole. */
static void check_sent(void)
{
    static const struct nx_ws_config config = {
        .role = NX_WS_ROLE_SERVER, .message_size_max = 1 << 20, .fragments_max = 1};
    static struct nx_http1_request request;
    struct nx_ws_handshake handshake;
    if (load_out_size == 0 || load_out_size > sizeof(load_out)) {
        return;
    }
    const enum nx_err err = nx_http1_request_parse(nx_bytes_of(load_out, load_out_size), 0, &request);
    if (err == NX_E_TRUNCATED) {
        return;
    }
    fuzz_check(err == NX_OK && nx_ws_handshake_check(&request, &handshake) == NX_OK, "a handshake is sent");
    struct nx_ws ws;
    struct nx_ws_event event;
    struct nx_ws_feed feed = {load_out + request.head_size, load_out + load_out_size};
    nx_ws_init(&ws, &config, false);
    while (nx_ws_next(&ws, &feed, &event)) {
        struct nx_json root;
        fuzz_check(event.kind != NX_WS_EVENT_FAILED, "frames are whole and masked");
        if (event.kind == NX_WS_EVENT_WANT_BUFFER) {
            break; /* the last frame was not sent whole */
        }
        fuzz_check(event.kind != NX_WS_EVENT_TEXT || nx_json_open(event.payload, &root) == NX_OK,
                   "texts are JSON");
    }
    free(ws.buffer);
}

static void gone(void)
{
    check_sent();
    load_out_size = 0;
}

/* Answers the handshake that was sent; `terms` as the fuzzer wants. */
static void answer(bool is_compressed, uint32_t *seed)
{
    static struct nx_http1_request request;
    struct nx_ws_handshake handshake;
    uint8_t text[1024];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    if (load_out_size > sizeof(load_out) ||
        nx_http1_request_parse(nx_bytes_of(load_out, load_out_size), 0, &request) != NX_OK ||
        nx_ws_handshake_check(&request, &handshake) != NX_OK) {
        return;
    }
    const struct nx_bytes terms = nx_bytes_text(
        is_compressed ? "permessage-deflate; server_no_context_takeover; client_no_context_takeover" : "");
    fuzz_check(nx_ws_handshake_answer(&w, handshake.key, nx_bytes_of(NULL, 0), terms) == NX_OK, "answer");
    load_feed(nx_writer_bytes(&w), seed);
}

static void frame(enum nx_ws_opcode opcode, struct nx_bytes payload, uint32_t *seed)
{
    uint8_t bytes[NX_WS_HEADER_SIZE_MAX + FRAME_MAX];
    const size_t head = nx_ws_frame_header(bytes, opcode, true, false, payload.size, NULL);
    if (payload.size != 0) {
        memcpy(bytes + head, payload.at, payload.size);
    }
    load_feed(nx_bytes_of(bytes, head + payload.size), seed);
}

static void step(uint8_t kind, struct nx_bytes bytes, uint32_t *seed)
{
    static const struct load_stamp stamp = {.run = 1, .stream = 2, .number = 3, .ns = 4};
    uint8_t text[LOAD_STAMP_SIZE];
    is_doubtful |= session.conn.state == LOAD_CONN_HANDSHAKE && (kind % 10 < 4 || kind % 10 == 8);
    switch (kind % 10) {
    case 0:
        load_feed(bytes, seed);
        break;
    case 1:
    case 2:
    case 3:
        frame(NX_WS_OPCODE_TEXT, bytes, seed);
        break;
    case 4:
        fake_settle();
        answer((kind & 16) != 0, seed);
        break;
    case 5:
        fake_fire(kind >> 4);
        if (fake_is_open() && session.conn.state == LOAD_CONN_CONNECTING) {
            fake_connected();
        }
        break;
    case 6:
        fake_settle();
        gone();
        fake_end(kind & 16 ? NX_OK : NX_E_CLOSED);
        break;
    case 7:
        load_stamp_put(text, &stamp);
        (void)!load_session_say(&session, 5, nx_bytes_of(text, sizeof(text)),
                                nx_bytes_of(text, sizeof(text)));
        break;
    case 8:
        frame(kind & 16 ? NX_WS_OPCODE_PING : NX_WS_OPCODE_CLOSE, nx_bytes_slice(bytes, 0, 125), seed);
        break;
    default:
        fake_settle();
        break;
    }
    if (fake.is_closing && fake.stream != NULL) {
        fake_slice();
        gone();
        fake_end(NX_OK);
    }
}

static uint64_t run(struct nx_bytes input, uint8_t choice, uint32_t seed)
{
    static const bool is_measuring = true;
    load_begin((choice & 1) != 0, choice & 2 ? 11 : SIZE_MAX);
    memset(&session, 0, sizeof(session));
    memset(&shared, 0, sizeof(shared));
    shared = (struct load_session_shared){.net = &load_net,
                                          .on = choice & 32 ? &EVENTS : &PLAIN_EVENTS,
                                          .context = &shared,
                                          .target = "/gateway?v=1&encoding=json",
                                          .intents = 33281,
                                          .reconnects = (choice & 4) != 0,
                                          .heartbeat_ms = choice & 8 ? 1000 : 0,
                                          .is_measuring = &is_measuring};
    session.shared = &shared;
    session.token = nx_bytes_text("a.b.c");
    is_up = is_doubtful = false;
    load_session_open(&session);
    fake_connected();
    fake_settle();
    if ((choice & 16) != 0) {
        answer((choice & 1) != 0, &seed);
    }
    for (int steps = 0; steps < STEPS_MAX && input.size != 0; steps++) {
        const uint8_t kind = fuzz_u8(&input);
        const size_t size = (size_t)fuzz_number(&input, 2) % FRAME_MAX;
        const struct nx_bytes bytes = nx_bytes_slice(input, 0, size);
        input = nx_bytes_slice(input, bytes.size, SIZE_MAX);
        step(kind, bytes, &seed);
        fuzz_check(is_up == (session.state == LOAD_SESSION_READY), "ready is told");
    }
    shared.is_closing = true;
    load_session_close(&session);
    fake_slice();
    gone();
    fake_end(NX_OK);
    load_note(session.state);
    load_note(load_net.protocol_errors);
    load_note(shared.stats.cuts * 7 + shared.stats.failures * 5 + shared.stats.identifies * 3 +
              shared.stats.resumes);
    load_net.protocol_errors = 0;
    load_session_fini(&session);
    return load_hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct nx_bytes input = nx_bytes_of(bytes, size);
    const uint8_t choice = fuzz_u8(&input);
    const uint32_t seed = (uint32_t)fuzz_number(&input, 4);
    const uint64_t one = run(input, choice, seed);
    const uint64_t two = run(input, choice, ~seed * 7);
    fuzz_check(one == two || is_doubtful, "the same in every cut");
    return 0;
}
