/* Property: the events of a stream are the same however it is cut into pieces; text is UTF-8, sizes stay below the cap, an
 * idle connection needs no buffer, and nothing comes after the end; a frame or close reason that is written reads back. The
 * first bytes choose role, extension and cuts; the rest is the stream, and the payload of what is written. */
#include "engine/wire/ws.h"

#include "engine/base/text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { MESSAGE_MAX = 700, FRAGMENTS_MAX = 6, LOG_SIZE = 1 << 16 };

struct log {
    size_t size;
    uint8_t bytes[LOG_SIZE];
};

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void note(struct log *log, const struct nx_ws_event *event)
{
    const uint8_t head[6] = {(uint8_t)event->kind,
                             event->is_compressed,
                             (uint8_t)(event->code >> 8),
                             (uint8_t)event->code,
                             (uint8_t)(event->payload.size >> 8),
                             (uint8_t)event->payload.size};
    require(log->size + sizeof(head) + event->payload.size <= sizeof(log->bytes));
    memcpy(log->bytes + log->size, head, sizeof(head));
    log->size += sizeof(head);
    if (event->payload.size != 0) {
        memcpy(log->bytes + log->size, event->payload.at, event->payload.size);
        log->size += event->payload.size;
    }
}

static void check_event(const struct nx_ws *ws, const struct nx_ws_event *event)
{
    const bool is_message = event->kind == NX_WS_EVENT_TEXT || event->kind == NX_WS_EVENT_BINARY;
    require(event->payload.size <= (is_message ? MESSAGE_MAX : NX_WS_CONTROL_SIZE_MAX));
    require(event->kind != NX_WS_EVENT_TEXT || event->is_compressed || nx_text_is_utf8(event->payload));
    require((event->kind == NX_WS_EVENT_CLOSE || event->kind == NX_WS_EVENT_FAILED) == nx_ws_is_done(ws));
    require(event->kind != NX_WS_EVENT_FAILED || event->code == 1002 || event->code == 1007 ||
            event->code == 1008 || event->code == 1009);
}

static void feed_piece(struct nx_ws *ws, const uint8_t *bytes, size_t size, struct log *log)
{
    uint8_t *piece = malloc(size);
    memcpy(piece, bytes, size);
    struct nx_ws_feed feed = {piece, piece + size};
    struct nx_ws_event event;
    const bool was_done = nx_ws_is_done(ws);
    while (nx_ws_next(ws, &feed, &event)) {
        require(!was_done);
        if (event.kind == NX_WS_EVENT_WANT_BUFFER) {
            require(event.size_needed > ws->buffer_room &&
                    event.size_wanted <= MESSAGE_MAX + NX_WS_CONTROL_SIZE_MAX);
            uint8_t *grown = malloc(event.size_needed);
            if (nx_ws_used(ws) != 0) {
                memcpy(grown, ws->buffer, nx_ws_used(ws));
            }
            free(ws->buffer);
            nx_ws_attach(ws, grown, event.size_needed);
            continue;
        }
        check_event(ws, &event);
        note(log, &event);
        if (nx_ws_is_idle(ws)) {
            free(nx_ws_detach(ws));
        }
    }
    require(feed.at == feed.end);
    free(piece);
}

static void run(const uint8_t *bytes, size_t size, uint8_t choice, uint32_t seed, struct log *log)
{
    static struct nx_ws_config config;
    config = (struct nx_ws_config){(choice & 1) != 0 ? NX_WS_ROLE_CLIENT : NX_WS_ROLE_SERVER, MESSAGE_MAX,
                                   FRAGMENTS_MAX};
    struct nx_ws ws;
    nx_ws_init(&ws, &config, (choice & 2) != 0);
    log->size = 0;
    while (size != 0) {
        seed = seed * 1664525U + 1013904223U;
        const size_t part = seed >> 30 == 0 ? 1 : seed >> 30 == 1 ? size : 1 + (seed >> 8) % size;
        feed_piece(&ws, bytes, part, log);
        bytes += part;
        size -= part;
    }
    free(ws.buffer);
}

/* What we write, the other side reads: any opcode, size and mask; a reason is cut at a character. */
static void check_written(const uint8_t *bytes, size_t size, uint8_t choice, const uint8_t mask[4])
{
    static const enum nx_ws_opcode opcodes[] = {NX_WS_OPCODE_BINARY, NX_WS_OPCODE_PING, NX_WS_OPCODE_PONG,
                                                NX_WS_OPCODE_CLOSE};
    static const struct nx_ws_config configs[] = {
        {NX_WS_ROLE_SERVER, 1 << 20, 1},
        {NX_WS_ROLE_CLIENT, 1 << 20, 1},
    };
    static uint8_t frame[NX_WS_HEADER_SIZE_MAX + 8192];
    uint8_t reason[NX_WS_CONTROL_SIZE_MAX];
    const bool is_masked = (choice & 1) == 0;
    const enum nx_ws_opcode opcode = opcodes[choice >> 2 & 3];
    const bool is_text = nx_text_is_utf8(nx_bytes_of(bytes, size));
    struct nx_bytes payload = nx_bytes_of(bytes, opcode == NX_WS_OPCODE_BINARY || size < 125 ? size : 125);
    if (opcode == NX_WS_OPCODE_CLOSE) {
        if (!is_text) {
            return;
        }
        payload = nx_bytes_of(reason, nx_ws_frame_close(reason, 1000, nx_bytes_of(bytes, size)));
        require(payload.size <= sizeof(reason) && (size > 123 || payload.size == size + 2));
    }
    const size_t head = nx_ws_frame_header(frame, opcode, true, false, payload.size, is_masked ? mask : NULL);
    require(head == nx_ws_frame_header_size(payload.size, is_masked));
    if (is_masked) {
        nx_ws_frame_mask_copy(frame + head, payload.at, payload.size, mask, 0);
    } else if (payload.size != 0) {
        memcpy(frame + head, payload.at, payload.size);
    }
    struct nx_ws ws;
    struct nx_ws_event event;
    struct nx_ws_feed feed = {frame, frame + head + payload.size};
    nx_ws_init(&ws, &configs[is_masked ? 0 : 1], false);
    require(nx_ws_next(&ws, &feed, &event) && feed.at == feed.end);
    if (opcode == NX_WS_OPCODE_CLOSE) {
        require(event.kind == NX_WS_EVENT_CLOSE && event.code == 1000);
    } else {
        require(nx_bytes_equal(event.payload, payload) && event.kind != NX_WS_EVENT_FAILED);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct log one;
    static struct log two;
    if (size < 5 || size > 8000) {
        return 0;
    }
    uint32_t seed;
    memcpy(&seed, bytes, sizeof(seed));
    check_written(bytes + 5, size - 5, bytes[4], bytes);
    run(bytes + 5, size - 5, bytes[4], seed, &one);
    run(bytes + 5, size - 5, bytes[4], ~seed * 7, &two);
    require(one.size == two.size && memcmp(one.bytes, two.bytes, one.size) == 0);
    return 0;
}
