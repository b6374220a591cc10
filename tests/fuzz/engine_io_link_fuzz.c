/* Properties: the frames that come out of a link, and the bytes it credits, do not depend on how the stream is cut; a frame that
 * says more than the window allows ends it; what is put comes out as whole frames, and the memory of the queue keeps its cap.
 * Input: a choice, a seed of the cuts, then the stream. */
#include "engine/io/link.h"
#include "tests/fuzz/stream_fuzz.h"

enum { INPUT_MAX = 16384, QUEUE_MAX = 1 << 18 };

struct seen {
    size_t frames;
    uint64_t hash;
    uint64_t credited; /* bytes that went back as CREDIT */
    size_t sent_frames;
    bool is_down;
    bool was_full; /* a message found no room: how much room there is depends on the cuts */
};

static struct seen *seen;
static uint8_t sent[64 * QUEUE_MAX];
static size_t sent_size;
static struct nx_link *current;
static bool is_answering;
static size_t answer_size; /* of a body that is sent for each frame; 0: none */

static void see_sent(struct nx_bytes bytes)
{
    fuzz_check(sent_size + bytes.size <= sizeof(sent), "what is sent is bounded");
    memcpy(sent + sent_size, bytes.at, bytes.size);
    sent_size += bytes.size;
}

static void mix(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++) {
        seen->hash = (seen->hash ^ at[i]) * UINT64_C(0x100000001b3);
    }
}

static void on_up(void *context)
{
    fuzz_check(context == current && current->is_up, "up");
}

static void on_frame(void *context, const struct nx_bus_frame *frame)
{
    fuzz_check(context == current && frame->number != NX_BUS_MSG_CREDIT, "credit stays below");
    fuzz_check(frame->size <= NX_BUS_FRAME_MAX && frame->payload.size < frame->size, "size of a frame");
    seen->frames++;
    mix(&frame->number, sizeof(frame->number));
    mix(frame->payload.at, frame->payload.size);
    if (is_answering) {
        const struct nx_bus_credit echo = {.size = (uint32_t)frame->size};
        const enum nx_err err = NX_LINK_PUT(current, credit, &echo);
        fuzz_check(err == NX_OK || err == NX_E_FULL || err == NX_E_CLOSED, "put");
    }
    if (answer_size != 0) {
        static const uint8_t body[65536];
        const struct nx_bus_rest_body more = {.body = nx_bytes_of(body, answer_size)};
        const enum nx_err err = NX_LINK_PUT(current, rest_body, &more);
        fuzz_check(err == NX_OK || err == NX_E_FULL || err == NX_E_CLOSED, "put");
        seen->was_full |= err == NX_E_FULL;
        fuzz_check(err != NX_E_FULL || nx_link_pending(current) + answer_size + 64 > QUEUE_MAX ||
                       current->unconsumed_size + answer_size + 64 > NX_BUS_WINDOW,
                   "full is full");
    }
    if (frame->payload.size == 13) {
        nx_link_close(current); /* an owner may close from inside */
    }
}

static void on_room(void *context)
{
    fuzz_check(context == current && current->is_up && !current->wants_room &&
                   nx_link_pending(current) <= QUEUE_MAX / 2,
               "room");
}

static void on_down(void *context, enum nx_err why)
{
    (void)why;
    fuzz_check(context == current && !current->is_up && nx_link_pending(current) == 0, "down");
    seen->is_down = true;
}

static const struct nx_link_events EVENTS = {
    .up = on_up, .frame = on_frame, .room = on_room, .down = on_down};

/* Everything sent is whole frames; CREDITs of the link itself are added up. */
static void check_sent(void)
{
    struct nx_bytes rest = nx_bytes_of(sent, sent_size);
    struct nx_bus_frame frame;
    while (rest.size != 0) {
        struct nx_bus_credit credit = {.size = 0};
        fuzz_check(nx_bus_frame_take(rest, &frame) == NX_OK, "sent frames are whole");
        fuzz_check(
            frame.number == NX_BUS_MSG_REST_BODY ||
                (frame.number == NX_BUS_MSG_CREDIT && nx_bus_credit_get(frame.payload, &credit) == NX_OK),
            "and those that were put");
        seen->credited += credit.size;
        seen->sent_frames++;
        rest = nx_bytes_slice(rest, frame.size, SIZE_MAX);
    }
}

static void run(struct nx_bytes input, uint8_t choice, uint32_t seed, struct seen *out)
{
    static struct nx_link link;
    struct nx_accepted accepted = {.fd = -1};
    memset(&link, 0, sizeof(link));
    *out = (struct seen){.hash = UINT64_C(0xcbf29ce484222325)};
    seen = out;
    current = &link;
    sent_size = 0;
    is_answering = (choice & 1) != 0;
    answer_size = choice & 16 ? (size_t)1 << (choice >> 5) * 2 : 0;
    fake_reset();
    fake.committed_see = see_sent;
    fake.taken_max = choice & 2 ? 701 : SIZE_MAX;
    if (choice & 32) {
        const struct nx_endpoint where = {.kind = NX_ENDPOINT_UNIX};
        struct nx_writer w;
        fuzz_check(nx_link_connect(&link, NULL, &where, QUEUE_MAX, &EVENTS, &link) == NX_OK, "connect");
        fuzz_check(nx_link_begin(&link, 8, &w) == NX_E_CLOSED && !nx_link_is_busy(&link), "not up yet");
        fake_connected();
    } else {
        fuzz_check(nx_link_accept(&link, NULL, &accepted, QUEUE_MAX, &EVENTS, &link) == NX_OK, "accept");
    }
    link.consumed_size = choice & 8 ? NX_BUS_WINDOW / 8 - 100 : 0; /* so that a small input earns credit */
    while (input.size != 0 && fake_is_open()) {
        seed = seed * 1664525U + 1013904223U;
        const size_t part = seed >> 30 == 0 ? 1 : seed >> 30 == 1 ? input.size : 1 + (seed >> 8) % input.size;
        fake_feed(nx_bytes_slice(input, 0, part));
        input = nx_bytes_slice(input, part, SIZE_MAX);
        fuzz_check(nx_link_pending(&link) <= QUEUE_MAX + NX_BUS_HEADER_SIZE + 4, "queue");
        fuzz_check(link.stash_size < NX_BUS_FRAME_MAX && link.stash_room <= 2 * NX_BUS_FRAME_MAX, "stash");
        if ((choice & 4) != 0) {
            const bool was_busy = nx_link_is_busy(&link);
            nx_link_pause(&link, was_busy);
            fake_settle();
        }
    }
    if ((choice & 64) != 0 && fake_is_open()) {
        fake_settle();
        fake.stream->on->ended(fake.stream->context); /* the other side ends it */
    }
    const bool was_open = fake_is_open();
    fake_settle();
    fake_end(NX_E_CLOSED);
    fuzz_check(out->is_down, "down is told");
    if (was_open) {
        check_sent();
    }
    nx_link_fini(&link);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct nx_bytes input = nx_bytes_of(bytes, size < INPUT_MAX ? size : INPUT_MAX);
    const uint8_t choice = fuzz_u8(&input);
    const uint32_t seed = (uint32_t)fuzz_number(&input, 4);
    struct seen one;
    struct seen two;
    run(input, choice, seed, &one);
    run(input, choice, ~seed * 7, &two);
    fuzz_check(one.frames == two.frames && one.hash == two.hash, "frames do not depend on the cuts");
    fuzz_check((one.credited == two.credited && one.sent_frames == two.sent_frames) || one.was_full ||
                   two.was_full,
               "nor does what is sent");
    return 0;
}
