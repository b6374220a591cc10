/* Properties: whatever a server answers and however it is cut, a publisher of the load tool sends whole requests with a JSON body,
 * one at a time, and is told of its messages in their order; the same in every cut; memory comes back. Input: a choice, a seed of
 * the cuts, then steps: a kind, a size and that many bytes. */
#include "engine/wire/json.h"
#include "loadtest/limits.h"
#include "loadtest/rest.h"
#include "tests/fuzz/load_fuzz.h"

enum { STEPS_MAX = 64, BYTES_MAX = 20000 };

static struct load_rest rest;
static uint32_t said;
static uint32_t answered;
static uint32_t asked;   /* requests seen whole */
static bool is_doubtful; /* there was a wrong head: when it is noticed depends on the cuts */

static void on_answered(void *context, const struct load_stamp *stamp, bool is_refused)
{
    fuzz_check(context == &rest && stamp->number == answered + 1 && answered < said, "in order");
    answered++;
    load_note(is_refused ? 1 : 2);
}

static const struct load_rest_events EVENTS = {.answered = on_answered};

/* What was sent on this connection is whole requests, the last one maybe cut. */
static void check_sent(void)
{
    static struct nx_http1_request request;
    struct nx_bytes left = nx_bytes_of(load_out, load_out_size);
    if (load_out_size > sizeof(load_out)) {
        return;
    }
    while (left.size != 0) {
        struct nx_json root;
        const enum nx_err err = nx_http1_request_parse(left, 0, &request);
        if (err == NX_E_TRUNCATED) {
            break;
        }
        fuzz_check(err == NX_OK && request.method == NX_HTTP1_METHOD_POST && request.has_length,
                   "a request is sent");
        if (left.size - request.head_size < request.content_length) {
            break;
        }
        fuzz_check(nx_json_open(nx_bytes_slice(left, request.head_size, (size_t)request.content_length),
                                &root) == NX_OK,
                   "its body is JSON");
        left = nx_bytes_slice(left, request.head_size + (size_t)request.content_length, SIZE_MAX);
        asked++;
    }
    load_out_size = 0;
}

static void step(uint8_t kind, struct nx_bytes bytes, uint32_t *seed)
{
    const struct load_stamp stamp = {.run = 1, .stream = 2, .number = said + 1, .ns = 4};
    switch (kind % 6) {
    case 0:
    case 1:
        load_feed(bytes, seed);
        break;
    case 2:
        if (load_rest_say(&rest, &stamp) == NX_OK) {
            said++;
        }
        break;
    case 3:
        fake_settle();
        break;
    case 4:
        load_feed(nx_bytes_text("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), seed);
        break;
    default:
        fake_settle();
        check_sent();
        fake_end(kind & 16 ? NX_OK : NX_E_CLOSED);
        break;
    }
    if (fake.stream != NULL && rest.conn.state == LOAD_CONN_CONNECTING && (kind & 32) == 0) {
        fake_connected();
    }
    if (fake.is_closing && fake.stream != NULL) {
        fake_slice();
        check_sent();
        fake_end(NX_OK);
    }
}

static uint64_t run(struct nx_bytes input, uint8_t choice, uint32_t seed)
{
    load_begin(false, choice & 2 ? 61 : SIZE_MAX);
    memset(&rest, 0, sizeof(rest));
    rest.net = &load_net;
    rest.on = &EVENTS;
    rest.context = &rest;
    rest.token = nx_bytes_text("a.b.c");
    rest.channel_id = 77;
    rest.size = choice & 1 ? LOAD_SIZE_MAX : LOAD_SIZE_MIN;
    said = answered = asked = 0;
    for (int steps = 0; steps < STEPS_MAX && input.size != 0; steps++) {
        const uint8_t kind = fuzz_u8(&input);
        const size_t size = (size_t)fuzz_number(&input, 2) % BYTES_MAX;
        const struct nx_bytes bytes = nx_bytes_slice(input, 0, size);
        input = nx_bytes_slice(input, bytes.size, SIZE_MAX);
        step(kind, bytes, &seed);
        fuzz_check(rest.waiting_count == said - answered, "what waits");
        fuzz_check(rest.head_size <= LOAD_REST_HEAD_MAX, "the head");
        load_note(rest.status);
        load_note(rest.body_left);
    }
    load_rest_close(&rest);
    fake_slice();
    check_sent();
    fake_end(NX_OK);
    is_doubtful |= rest.errors != 0;
    load_note(asked);
    load_rest_fini(&rest);
    return load_hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct nx_bytes input = nx_bytes_of(bytes, size);
    const uint8_t choice = fuzz_u8(&input);
    const uint32_t seed = (uint32_t)fuzz_number(&input, 4);
    is_doubtful = false;
    const uint64_t one = run(input, choice, seed);
    const uint64_t two = run(input, choice, ~seed * 7);
    fuzz_check(one == two || is_doubtful, "the same in every cut");
    return 0;
}
