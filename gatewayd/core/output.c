#include "gatewayd/core/output.h"

#include "engine/base/assert.h"
#include "engine/wire/ws_frame.h"
#include "gatewayd/core/close_code.h"

enum { OWED_KINDS = 8, ITEM_HEAD_MAX = 160 };

/* One thing to say, in up to two pieces: head (built) and body (borrowed). */
struct item {
    uint8_t kind; /* enum gw_cut */
    uint8_t owed;
    uint32_t s;
    size_t burst_next; /* where the burst goes on */
    uint32_t tail_size;
    size_t head_size;
    struct nx_bytes body;
    uint8_t head[ITEM_HEAD_MAX];
};

/* Where in all that is to be said the next item is. */
struct cursor {
    uint8_t owed; /* kinds still to come */
    bool is_doomed;
    size_t burst_at;
    uint32_t burst_s;
    uint32_t s;
    uint32_t passed_tails; /* tails of frames passed over: void or said */
    bool is_lost;          /* a frame is gone from the log */
};

void gw_output_init(struct gw_output *output, struct gw_framelog *log, struct gw_sessions *sessions,
                    uint32_t heartbeat_ms)
{
    *output = (struct gw_output){.log = log, .sessions = sessions};
    struct nx_writer text = nx_writer_init(output->hello + 2, sizeof(output->hello) - 2);
    nx_writer_text(&text, "{\"op\":10,\"d\":{\"heartbeat_interval\":");
    nx_writer_decimal(&text, heartbeat_ms);
    nx_writer_text(&text, "}}");
    NX_ASSERT(nx_writer_ok(&text) && text.size < 126);
    output->hello[0] = 0x80 | NX_WS_OPCODE_TEXT;
    output->hello[1] = (uint8_t)text.size;
    output->hello_size = (uint32_t)text.size + 2;
}

static size_t owed_text(uint8_t *head, const char *text)
{
    const size_t size = strlen(text);
    head[0] = 0x80 | NX_WS_OPCODE_TEXT;
    head[1] = (uint8_t)size;
    memcpy(head + 2, text, size);
    return size + 2;
}

static size_t owed_close(const struct gw_session *session, uint8_t *head)
{
    struct nx_bytes reason = {0};
    if (session->close_reason != NULL) {
        reason = nx_bytes_text(session->close_reason);
    }
    const size_t size = nx_ws_frame_close(head + 2, session->close_code, reason);
    head[0] = 0x80 | NX_WS_OPCODE_CLOSE;
    head[1] = (uint8_t)size;
    return size + 2;
}

static void build_owed(const struct gw_output *output, const struct gw_session *session, uint8_t owed,
                       struct item *out)
{
    out->kind = GW_CUT_OWED;
    out->owed = owed;
    switch ((enum gw_owed)owed) {
    case GW_OWED_HELLO:
        out->body = nx_bytes_of(output->hello, output->hello_size);
        break;
    case GW_OWED_ACK:
        out->head_size = owed_text(out->head, "{\"op\":11}");
        break;
    case GW_OWED_PONG:
        out->head[0] = 0x80 | NX_WS_OPCODE_PONG;
        out->head[1] = session->pong != NULL ? session->pong[0] : 0;
        out->head_size = 2;
        if (session->pong != NULL) {
            out->body = nx_bytes_of(session->pong + 1, session->pong[0]);
        }
        break;
    case GW_OWED_PING:
        out->head[0] = 0x80 | NX_WS_OPCODE_PING;
        out->head[1] = 0;
        out->head_size = 2;
        break;
    case GW_OWED_INVALID:
        out->head_size = owed_text(out->head, "{\"op\":9,\"d\":false}");
        break;
    case GW_OWED_INVALID_TRUE:
        out->head_size = owed_text(out->head, "{\"op\":9,\"d\":true}");
        break;
    case GW_OWED_RECONNECT:
        out->head_size = owed_text(out->head, "{\"op\":7,\"d\":null}");
        break;
    case GW_OWED_CLOSE:
        out->head_size = owed_close(session, out->head);
        break;
    }
}

static size_t put_decimal(uint8_t *out, uint32_t value)
{
    uint8_t digits[10];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    memcpy(out, digits + at, sizeof(digits) - at);
    return sizeof(digits) - at;
}

/* The head of a dispatch: WebSocket header and {"op":0,"s":N, ; with a compressed body as a stored block. */
static size_t build_head(uint8_t *head, uint32_t s, size_t body_size, bool is_compressed)
{
    static const char start[] = "{\"op\":0,\"s\":";
    uint8_t prefix[sizeof(start) + 10 + 1];
    memcpy(prefix, start, sizeof(start) - 1);
    size_t prefix_size = sizeof(start) - 1;
    prefix_size += put_decimal(prefix + prefix_size, s);
    prefix[prefix_size++] = ',';
    const size_t payload = (is_compressed ? NX_DEFLATE_PREFIX_OVERHEAD : 0U) + prefix_size + body_size;
    size_t at;
    head[0] = 0x80 | NX_WS_OPCODE_TEXT | (is_compressed ? 0x40 : 0);
    if (payload < 126) {
        head[1] = (uint8_t)payload;
        at = 2;
    } else if (payload <= UINT16_MAX) {
        head[1] = 126;
        head[2] = (uint8_t)(payload >> 8);
        head[3] = (uint8_t)payload;
        at = 4;
    } else {
        at = nx_ws_frame_header(head, NX_WS_OPCODE_TEXT, true, is_compressed, payload, NULL);
    }
    if (is_compressed) {
        struct nx_writer w = nx_writer_init(head + at, ITEM_HEAD_MAX - at);
        nx_deflate_prefix(&w, nx_bytes_of(prefix, prefix_size));
        return at + w.size;
    }
    memcpy(head + at, prefix, prefix_size);
    return at + prefix_size;
}

static bool next_burst(const struct gw_session *session, struct cursor *cursor, struct item *out)
{
    const struct gw_burst *burst = session->burst;
    if (burst == NULL || cursor->burst_at >= burst->size || session->state == GW_SESSION_OPENING) {
        return false;
    }
    uint32_t size;
    memcpy(&size, burst->bytes + cursor->burst_at, sizeof(size));
    out->kind = GW_CUT_BURST;
    out->s = cursor->burst_s++;
    out->body = nx_bytes_of(burst->bytes + cursor->burst_at + sizeof(size), size);
    out->head_size = build_head(out->head, out->s, size, false);
    cursor->burst_at += sizeof(size) + size;
    out->burst_next = cursor->burst_at;
    return true;
}

static bool next_frame(struct gw_output *output, const struct gw_session *session, struct cursor *cursor,
                       struct item *out)
{
    const bool is_cut = session->cut == GW_CUT_FRAME;
    while (cursor->s != session->head) {
        const uint32_t position = session->ring[cursor->s & session->ring_mask];
        if (!gw_framelog_has(output->log, position)) {
            cursor->is_lost = true;
            return false;
        }
        const struct gw_frame *frame = gw_framelog_at(output->log, position);
        const uint32_t s = cursor->s++;
        cursor->passed_tails += frame->size;
        /* A frame that has begun is finished even when a newer one replaces it. */
        if ((frame->flags & GW_FRAME_VOID) != 0 && !(is_cut && s == session->sent)) {
            continue;
        }
        out->kind = GW_CUT_FRAME;
        out->s = s;
        out->tail_size = frame->size;
        bool is_compressed = false;
        out->body = gw_framelog_tail(frame);
        if ((session->flags & GW_SESSION_COMPRESSED) != 0) {
            const struct nx_bytes deflated = gw_framelog_deflated(output->log, position);
            if (!gw_framelog_has(output->log, position)) {
                cursor->is_lost = true;
                return false;
            }
            if (deflated.size != 0) {
                out->body = deflated;
                is_compressed = true;
            }
        }
        out->head_size = build_head(out->head, s, out->body.size, is_compressed);
        return true;
    }
    return false;
}

static struct cursor cursor_start(const struct gw_session *session)
{
    struct cursor cursor = {
        .owed = session->owed, .is_doomed = (session->flags & GW_SESSION_DOOMED) != 0, .s = session->sent};
    if (session->burst != NULL) {
        cursor.burst_at = session->burst->start;
        cursor.burst_s = session->burst->first_s;
    }
    return cursor;
}

static void item_clear(struct item *item)
{
    item->owed = 0;
    item->burst_next = 0;
    item->tail_size = 0;
    item->head_size = 0;
    item->body = (struct nx_bytes){0};
}

/* The item that a previous write was cut in comes first, then what is owed, first dispatches, live ones, close. */
static bool next_item(struct gw_output *output, const struct gw_session *session, struct cursor *cursor,
                      bool is_first, struct item *out)
{
    item_clear(out);
    if (is_first && session->cut != GW_CUT_NONE) {
        switch ((enum gw_cut)session->cut) {
        case GW_CUT_OWED:
            cursor->owed &= (uint8_t)~session->cut_owed;
            build_owed(output, session, session->cut_owed, out);
            return true;
        case GW_CUT_BURST:
            return next_burst(session, cursor, out);
        case GW_CUT_FRAME:
            return next_frame(output, session, cursor, out);
        case GW_CUT_NONE:
            break;
        }
    }
    const uint8_t now = cursor->is_doomed ? cursor->owed & (GW_OWED_RECONNECT | GW_OWED_CLOSE) : cursor->owed;
    if (now != 0) {
        const uint8_t owed = (uint8_t)(now & -now);
        cursor->owed &= (uint8_t)~owed;
        build_owed(output, session, owed, out);
        return true;
    }
    if (cursor->is_doomed) {
        return false;
    }
    if (next_burst(session, cursor, out)) {
        return true;
    }
    return (session->flags & GW_SESSION_HOLD) == 0 && session->ring != NULL &&
           next_frame(output, session, cursor, out);
}

size_t gw_output_bound(const struct gw_session *session)
{
    size_t bound = 0;
    if (session->owed != 0 || session->cut == GW_CUT_OWED) {
        bound += GW_OUTPUT_HELLO_MAX + OWED_KINDS * 32 + 2 * 128;
    }
    if (session->burst != NULL && session->state != GW_SESSION_OPENING) {
        /* A burst's dispatch is preceded by its size: 4 bytes of it, up to 35 more of head. */
        bound += (session->burst->size - session->burst->start) * 2 + GW_OUTPUT_FRAME_OVERHEAD;
        bound = session->burst->size == session->burst->start ? bound - GW_OUTPUT_FRAME_OVERHEAD : bound;
    }
    if ((session->flags & (GW_SESSION_HOLD | GW_SESSION_DOOMED)) == 0 || session->cut == GW_CUT_FRAME) {
        const uint32_t unsent = gw_session_unsent(session);
        bound += unsent == 0 ? 0 : session->unsent_size + (size_t)unsent * GW_OUTPUT_FRAME_OVERHEAD;
    }
    return bound;
}

/* What `session` has said once `item` is said whole. */
static void commit_item(struct gw_session *session, const struct item *item, const struct cursor *cursor)
{
    switch ((enum gw_cut)item->kind) {
    case GW_CUT_OWED:
        session->commit_owed |= item->owed;
        break;
    case GW_CUT_BURST:
        session->burst->commit_start = item->burst_next;
        session->burst->commit_s = item->s + 1;
        break;
    case GW_CUT_FRAME:
        session->commit_head = item->s + 1;
        session->commit_tails = cursor->passed_tails;
        break;
    case GW_CUT_NONE:
        break;
    }
}

static void commit_begin(struct gw_session *session)
{
    session->commit_owed = 0;
    session->commit_head = session->sent;
    session->commit_tails = 0;
    session->commit_cut = GW_CUT_NONE;
    session->commit_cut_size = 0;
    if (session->burst != NULL) {
        session->burst->commit_start = session->burst->start;
        session->burst->commit_s = session->burst->first_s;
    }
}

static void lost(struct gw_session *session)
{
    if (session->cut != GW_CUT_NONE) {
        session->flags |= GW_SESSION_ABORT;
    }
    if ((session->flags & GW_SESSION_DOOMED) == 0) {
        session->flags |= GW_SESSION_DOOMED;
        session->owed |= GW_OWED_CLOSE;
        session->close_code = GW_CLOSE_SLOW;
        session->close_reason = "slow consumer";
    }
}

/* Walks the items over `size` bytes: with `at` they are written there, else only counted. Sets commit_*. */
static size_t walk(struct gw_output *output, struct gw_session *session, uint8_t *at, size_t size)
{
    struct cursor cursor = cursor_start(session);
    struct item item;
    size_t done = 0;
    size_t skip = session->cut != GW_CUT_NONE ? session->cut_size : 0;
    commit_begin(session);
    for (bool is_first = true; done < size && next_item(output, session, &cursor, is_first, &item);
         is_first = false) {
        const size_t whole = item.head_size + item.body.size;
        NX_ASSERT(skip < whole);
        const size_t left = whole - skip;
        const size_t now = left < size - done ? left : size - done;
        if (at != NULL) {
            size_t head = 0;
            if (skip < item.head_size) {
                head = item.head_size - skip < now ? item.head_size - skip : now;
                memcpy(at + done, item.head + skip, head);
            }
            if (now > head) {
                const size_t from = skip + head - item.head_size;
                memcpy(at + done + head, item.body.at + from, now - head);
            }
        }
        done += now;
        if (now == left) {
            commit_item(session, &item, &cursor);
        } else {
            session->commit_cut = item.kind;
            session->commit_cut_owed = item.owed;
            session->commit_cut_size = (uint32_t)(skip + now);
            if (item.kind == GW_CUT_FRAME) {
                /* Void frames before the one that is cut are passed for good. */
                session->commit_head = item.s;
                session->commit_tails = cursor.passed_tails - item.tail_size;
            }
        }
        skip = 0;
    }
    if (cursor.is_lost && at != NULL) {
        lost(session);
    } else if (done < size && session->commit_cut == GW_CUT_NONE && cursor.s == session->head &&
               !cursor.is_lost && (session->flags & (GW_SESSION_HOLD | GW_SESSION_DOOMED)) == 0 &&
               session->ring != NULL) {
        /* All is said, or void. */
        session->commit_head = session->head;
        session->commit_tails = cursor.passed_tails;
    }
    return done;
}

static void commit_apply(struct gw_output *output, struct gw_session *session)
{
    if ((session->commit_owed & GW_OWED_ACK) != 0 && session->acks_count > 1) {
        session->acks_count--;
        session->commit_owed &= (uint8_t)~GW_OWED_ACK;
    } else if ((session->commit_owed & GW_OWED_ACK) != 0) {
        session->acks_count = 0;
    }
    session->owed &= (uint8_t)~session->commit_owed;
    session->sent = session->commit_head;
    session->unsent_size -=
        session->commit_tails < session->unsent_size ? session->commit_tails : session->unsent_size;
    if (session->sent == session->head) {
        session->unsent_size = 0;
        session->unsent_limit = 0;
    }
    session->cut = session->commit_cut;
    session->cut_owed = session->commit_cut_owed;
    session->cut_size = session->commit_cut_size;
    struct gw_burst *burst = session->burst;
    if (burst != NULL) {
        burst->start = burst->commit_start;
        burst->first_s = burst->commit_s;
        if (burst->start == burst->size && burst->is_complete && session->state != GW_SESSION_OPENING) {
            gw_session_burst_close(output->sessions, session);
            session->flags &= (uint8_t)~GW_SESSION_HOLD;
        }
    }
}

size_t gw_output_write(struct gw_output *output, struct gw_session *session, uint8_t *at, size_t room)
{
    NX_ASSERT((session->flags & GW_SESSION_COMMITTED) == 0);
    size_t size = walk(output, session, at, room);
    if (size == 0) {
        if ((session->flags & GW_SESSION_ABORT) == 0) {
            commit_apply(output, session); /* Only void frames: nothing to say, but they are passed. */
        }
        if (room != 0 && (session->flags & GW_SESSION_DOOMED) != 0 &&
            (session->flags & GW_SESSION_ABORT) == 0 && (session->owed & GW_OWED_CLOSE) != 0) {
            size = walk(output, session, at, room); /* It was doomed just now. */
        }
        if (size == 0) {
            return 0;
        }
    }
    session->flags |= GW_SESSION_COMMITTED;
    session->commit_size = (uint32_t)size;
    session->commit_voids = (uint16_t)output->log->void_count;
    output->copied_bytes += size;
    return size;
}

void gw_output_sent(struct gw_output *output, struct gw_session *session, size_t size)
{
    NX_ASSERT((session->flags & GW_SESSION_COMMITTED) != 0 && size <= session->commit_size);
    session->flags &= (uint8_t)~GW_SESSION_COMMITTED;
    if (size != session->commit_size) {
        const size_t walked = walk(output, session, NULL, size);
        if (walked != size || session->commit_voids != (uint16_t)output->log->void_count) {
            session->flags |=
                GW_SESSION_ABORT; /* The frames changed under the write: never guess on a live stream. */
            return;
        }
        if (size == 0) {
            return;
        }
    }
    commit_apply(output, session);
}
