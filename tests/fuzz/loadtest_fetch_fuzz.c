/* Properties: whatever a server answers and however it is cut, a history is read with whole requests, one at a time; the messages
 * handed on are those that another reader finds in the page, none beyond the wanted one; a job ends once; the same in every cut;
 * memory comes back. Input: a choice, a seed of the cuts, then steps: a kind, a size and that many bytes. */
#include "loadtest/fetch.h"
#include "tests/fuzz/load_fuzz.h"

#include <jansson.h>

enum { STEPS_MAX = 64, BYTES_MAX = 20000, FROM = 5, TO = 1000 };

static struct load_fetch fetch;
static struct load_fetch_job job;
static uint32_t ended;
static uint32_t heard;   /* messages of the last answer */
static bool is_doubtful; /* a wrong head: when it is noticed depends on the cuts */

static void on_page_message(void *context, struct load_fetch_job *j, const struct load_message *message)
{
    fuzz_check(context == &fetch && j == &job && job.is_active, "message");
    fuzz_check(message->seq != 0 && message->seq <= job.to, "none beyond the wanted one");
    fuzz_check(!message->is_deleted || message->content.size == 0, "a tombstone is empty");
    heard++;
    load_note(message->id);
    load_note(message->author);
    load_note(message->seq);
    load_note_bytes(message->content);
}

static void on_done(void *context, struct load_fetch_job *j, bool is_good, uint16_t status)
{
    fuzz_check(context == &fetch && j == &job && !job.is_active, "done");
    fuzz_check(!is_good || status == 200, "good is 200");
    ended++;
    load_note(is_good ? 1 : 2);
    load_note(status);
}

static const struct load_fetch_events EVENTS = {.message = on_page_message, .done = on_done};

static void check_sent(void)
{
    static struct nx_http1_request request;
    struct nx_bytes left = nx_bytes_of(load_out, load_out_size);
    while (load_out_size <= sizeof(load_out) && left.size != 0) {
        const enum nx_err err = nx_http1_request_parse(left, 0, &request);
        if (err == NX_E_TRUNCATED) {
            break;
        }
        fuzz_check(err == NX_OK && request.method == NX_HTTP1_METHOD_GET, "a request is sent");
        left = nx_bytes_slice(left, request.head_size, SIZE_MAX);
    }
    load_out_size = 0;
}

/* How many messages of a page are handed on: up to the first that is none, those not beyond `to`. -1: it cannot tell. */
static long reference(struct nx_bytes page)
{
    struct nx_json own;
    json_error_t error;
    if (nx_json_open(page, &own) != NX_OK) {
        return 0;
    }
    json_t *root = memchr(page.at, 0, page.size) != NULL
                       ? NULL
                       : json_loadb((const char *)page.at, page.size, JSON_ALLOW_NUL, &error);
    long count = root == NULL ? -1 : 0;
    for (size_t i = 0; json_is_array(root) && i < json_array_size(root) && count >= 0; i++) {
        const json_t *message = json_array_get(root, i);
        const json_t *seq = json_object_get(message, "seq");
        const json_t *id = json_object_get(message, "id");
        if (!json_is_object(message) || id == NULL || seq == NULL) {
            break;
        }
        if (!json_is_integer(seq) || !json_is_string(id)) {
            count = -1;
            break;
        }
        const char *text = json_string_value(id);
        if (json_integer_value(seq) <= 0 || json_integer_value(seq) > UINT32_MAX || strlen(text) == 0 ||
            strspn(text, "0123456789") != json_string_length(id) || (text[0] == '0' && text[1] != '\0') ||
            strlen(text) > 18 || json_object_get(message, "deleted") != NULL) {
            count = -1; /* not judged here */
            break;
        }
        const json_t *author = json_object_get(json_object_get(message, "author"), "id");
        if (!json_is_string(json_object_get(message, "content")) || author == NULL) {
            break;
        }
        text = json_string_value(author);
        if (text == NULL || strlen(text) == 0 || strspn(text, "0123456789") != json_string_length(author) ||
            text[0] == '0' || strlen(text) > 18) {
            count = -1;
            break;
        }
        count += json_integer_value(seq) <= TO;
    }
    json_decref(root);
    return count;
}

/* A whole page as an answer. */
static void page(struct nx_bytes body, uint32_t *seed)
{
    uint8_t head[128];
    if (fetch.lanes[0].is_asked && fetch.lanes[0].in_size == 0 && fake_is_open()) {
        const long wanted = body.size != 0 ? reference(body) : 0;
        struct nx_writer w = nx_writer_init(head, sizeof(head));
        nx_writer_text(&w, "HTTP/1.1 200 OK\r\nContent-Length: ");
        nx_writer_decimal(&w, body.size);
        nx_writer_text(&w, "\r\n\r\n");
        heard = 0;
        load_feed(nx_writer_bytes(&w), seed);
        load_feed(body, seed);
        fuzz_check(wanted < 0 || heard == (uint32_t)wanted, "the messages of the page");
    }
}

static void step(uint8_t kind, struct nx_bytes bytes, uint32_t *seed)
{
    switch (kind % 6) {
    case 0:
        is_doubtful = true;
        load_feed(bytes, seed);
        break;
    case 1:
    case 2:
        fake_settle();
        page(bytes, seed);
        break;
    case 3:
        fake_settle();
        fake_fire(kind >> 4);
        break;
    case 4:
        fake_settle();
        check_sent();
        fake_end(kind & 16 ? NX_OK : NX_E_CLOSED);
        break;
    default:
        if (!job.is_active) {
            job = (struct load_fetch_job){
                .token = nx_bytes_text("a.b.c"), .channel_id = 77, .after = FROM, .to = TO};
            load_fetch_ask(&fetch, &job);
        }
        break;
    }
    if (fake.stream != NULL && fetch.lanes[0].conn.state == LOAD_CONN_CONNECTING) {
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
    memset(&fetch, 0, sizeof(fetch));
    memset(&job, 0, sizeof(job));
    fetch.net = &load_net;
    fetch.on = &EVENTS;
    fetch.context = &fetch;
    fetch.lanes_count = 1;
    ended = 0;
    load_fetch_init(&fetch);
    step(5, input, &seed);
    for (int steps = 0; steps < STEPS_MAX && input.size != 0; steps++) {
        const uint8_t kind = fuzz_u8(&input);
        const size_t size = (size_t)fuzz_number(&input, 2) % BYTES_MAX;
        const struct nx_bytes bytes = nx_bytes_slice(input, 0, size);
        input = nx_bytes_slice(input, bytes.size, SIZE_MAX);
        step(kind, bytes, &seed);
        fuzz_check(fetch.active == job.is_active, "jobs");
        fuzz_check(fetch.lanes[0].in_size <= LOAD_FETCH_BODY_MAX, "the answer");
        load_note(fetch.requests);
    }
    load_fetch_close(&fetch);
    fake_slice();
    check_sent();
    fake_end(NX_OK);
    load_note(ended);
    load_fetch_fini(&fetch);
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
