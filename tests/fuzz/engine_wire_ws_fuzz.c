/* Property: the events of a stream are the same however it is cut into pieces; text is UTF-8, sizes stay below the cap, an
 * idle connection needs no buffer, and nothing comes after the end. The first bytes choose role, extension and cuts; the rest is
 * the stream. */
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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct log one;
    static struct log two;
    if (size < 5 || size > 8000) {
        return 0;
    }
    uint32_t seed;
    memcpy(&seed, bytes, sizeof(seed));
    run(bytes + 5, size - 5, bytes[4], seed, &one);
    run(bytes + 5, size - 5, bytes[4], ~seed * 7, &two);
    require(one.size == two.size && memcmp(one.bytes, two.bytes, one.size) == 0);
    return 0;
}
