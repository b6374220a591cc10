#include "engine/wire/ws.h"

#include "engine/base/assert.h"

/* state of the stream              input                         next
 * between frames                   part of a header              between frames, bytes kept in `head`
 *                                  a header                      in a frame
 *                                  a header against the rules    done: FAILED 1002, 1008 or 1009
 * in a frame, no message open      control or whole message      between frames: its event, borrowed from the piece
 *                                  part of the payload           in a frame, bytes kept in the buffer
 * in a frame, message open         last byte, not final          between frames, message open
 *                                  last byte, final              between frames: TEXT or BINARY
 *                                  text that is no UTF-8         done: FAILED 1007
 * in a control frame               last byte                     between frames: PING, PONG; or done: CLOSE
 * done                             anything                      done, ignored
 * A control frame inside a fragmented message is gathered behind the message's bytes and leaves them alone. */
enum flag {
    HAS_DEFLATE = 1,
    IS_IN_FRAME = 2,
    IS_FRAME_FINAL = 4,
    IS_COMPRESSED = 8,
    IS_DONE = 16,
};

enum step { STEP_GO, STEP_WAIT, STEP_EVENT };

void nx_ws_init(struct nx_ws *ws, const struct nx_ws_config *config, bool is_deflate)
{
    NX_ASSERT(config->message_size_max <= NX_WS_MESSAGE_SIZE_MAX && config->fragments_max >= 1);
    *ws = (struct nx_ws){.config = config, .flags = is_deflate ? HAS_DEFLATE : 0};
}

void nx_ws_attach(struct nx_ws *ws, uint8_t *buffer, size_t room)
{
    NX_ASSERT(room >= nx_ws_used(ws));
    ws->buffer = buffer;
    ws->buffer_room = room < UINT32_MAX ? (uint32_t)room : UINT32_MAX;
}

uint8_t *nx_ws_detach(struct nx_ws *ws)
{
    NX_ASSERT(nx_ws_is_idle(ws));
    uint8_t *buffer = ws->buffer;
    ws->buffer = NULL;
    ws->buffer_room = 0;
    return buffer;
}

size_t nx_ws_used(const struct nx_ws *ws)
{
    return nx_ws_is_done(ws) ? 0 : ws->message_size + ws->control_size;
}

bool nx_ws_is_idle(const struct nx_ws *ws)
{
    return nx_ws_used(ws) == 0;
}

bool nx_ws_is_done(const struct nx_ws *ws)
{
    return (ws->flags & IS_DONE) != 0;
}

static bool is_control(const struct nx_ws *ws)
{
    return (ws->frame_opcode & 0x8) != 0;
}

static bool is_plain_text(const struct nx_ws *ws)
{
    return ws->message_opcode == NX_WS_OPCODE_TEXT && (ws->flags & IS_COMPRESSED) == 0;
}

static enum step fail(struct nx_ws *ws, uint16_t code, struct nx_ws_event *out)
{
    ws->flags |= IS_DONE;
    *out = (struct nx_ws_event){.kind = NX_WS_EVENT_FAILED, .code = code};
    return STEP_EVENT;
}

/* Opens the frame; returns the close code of the rule it breaks, or 0. */
static uint16_t frame_begin(struct nx_ws *ws, const struct nx_ws_frame *frame)
{
    const bool is_data = (frame->opcode & 0x8) == 0;
    if (is_data) {
        const bool is_first = frame->opcode != NX_WS_OPCODE_CONTINUATION;
        if (is_first != (ws->message_opcode == 0)) {
            return NX_WS_CLOSE_PROTOCOL;
        }
        if (frame->payload_size > ws->config->message_size_max - ws->message_size) {
            return NX_WS_CLOSE_TOO_BIG;
        }
        if (ws->fragments_count == ws->config->fragments_max) {
            return NX_WS_CLOSE_POLICY;
        }
        if (is_first) {
            ws->message_opcode = frame->opcode;
            ws->utf8 = (struct nx_text_utf8){0};
            ws->flags = (uint8_t)((ws->flags & ~IS_COMPRESSED) | (frame->has_rsv1 ? IS_COMPRESSED : 0));
        }
        ws->fragments_count++;
    }
    ws->frame_opcode = frame->opcode;
    ws->frame_size = (uint32_t)frame->payload_size;
    ws->frame_left = ws->frame_size;
    ws->flags =
        (uint8_t)((ws->flags & ~IS_FRAME_FINAL) | IS_IN_FRAME | (frame->is_final ? IS_FRAME_FINAL : 0));
    ws->head_size = 0;
    memcpy(ws->head, frame->mask, sizeof(frame->mask));
    return 0;
}

static enum step header_step(struct nx_ws *ws, struct nx_ws_feed *feed, struct nx_ws_event *out)
{
    const size_t kept = ws->head_size;
    const size_t size = (size_t)(feed->end - feed->at);
    struct nx_bytes bytes = nx_bytes_of(feed->at, size);
    if (kept != 0) {
        const size_t more = size < sizeof(ws->head) - kept ? size : sizeof(ws->head) - kept;
        if (more != 0) {
            memcpy(ws->head + kept, feed->at, more);
        }
        bytes = nx_bytes_of(ws->head, kept + more);
    }
    struct nx_ws_frame frame;
    const enum nx_err err =
        nx_ws_frame_parse(bytes, ws->config->role, (ws->flags & HAS_DEFLATE) != 0, &frame);
    if (err == NX_E_TRUNCATED) { /* then there are fewer bytes than a header's 14, and all of them are kept */
        if (kept == 0 && size != 0) {
            memcpy(ws->head, feed->at, size);
        }
        ws->head_size = (uint8_t)bytes.size;
        feed->at = feed->end;
        return STEP_WAIT;
    }
    if (err != NX_OK) {
        return fail(ws, NX_WS_CLOSE_PROTOCOL, out);
    }
    feed->at += frame.header_size - kept;
    const uint16_t code = frame_begin(ws, &frame);
    return code == 0 ? STEP_GO : fail(ws, code, out);
}

static enum step close_event(struct nx_ws *ws, struct nx_bytes payload, bool is_buffered,
                             struct nx_ws_event *out)
{
    uint16_t code = NX_WS_CLOSE_NONE;
    struct nx_bytes reason = {0};
    if (payload.size != 0) {
        code = (uint16_t)(payload.at[0] << 8);
        code = payload.size == 1 ? 0 : (uint16_t)(code | payload.at[1]);
        if (!nx_ws_frame_close_is_valid(code)) {
            return fail(ws, NX_WS_CLOSE_PROTOCOL, out);
        }
        reason = nx_bytes_slice(payload, 2, payload.size);
        if (!nx_text_is_utf8(reason)) {
            return fail(ws, NX_WS_CLOSE_INVALID_DATA, out);
        }
    }
    ws->flags |= IS_DONE;
    *out = (struct nx_ws_event){
        .kind = NX_WS_EVENT_CLOSE, .payload = reason, .code = code, .is_buffered = is_buffered};
    return STEP_EVENT;
}

static enum step control_event(struct nx_ws *ws, struct nx_bytes payload, bool is_buffered,
                               struct nx_ws_event *out)
{
    ws->flags &= (uint8_t)~IS_IN_FRAME;
    ws->control_size = 0;
    if (ws->frame_opcode == NX_WS_OPCODE_CLOSE) {
        return close_event(ws, payload, is_buffered, out);
    }
    *out = (struct nx_ws_event){.kind = ws->frame_opcode == NX_WS_OPCODE_PING ? NX_WS_EVENT_PING
                                                                              : NX_WS_EVENT_PONG,
                                .payload = payload,
                                .is_buffered = is_buffered};
    return STEP_EVENT;
}

static enum step message_event(struct nx_ws *ws, struct nx_bytes payload, bool is_buffered,
                               struct nx_ws_event *out)
{
    ws->flags &= (uint8_t)~IS_IN_FRAME;
    if (is_plain_text(ws) && !nx_text_utf8_done(&ws->utf8)) {
        return fail(ws, NX_WS_CLOSE_INVALID_DATA, out);
    }
    *out = (struct nx_ws_event){.kind = ws->message_opcode == NX_WS_OPCODE_TEXT ? NX_WS_EVENT_TEXT
                                                                                : NX_WS_EVENT_BINARY,
                                .payload = payload,
                                .is_compressed = (ws->flags & IS_COMPRESSED) != 0,
                                .is_buffered = is_buffered};
    ws->message_opcode = 0;
    ws->message_size = 0;
    ws->fragments_count = 0;
    return STEP_EVENT;
}

/* A control frame or a message of one frame that is here completely: no copy. */
static enum step whole_frame(struct nx_ws *ws, struct nx_ws_feed *feed, struct nx_ws_event *out)
{
    uint8_t *at = feed->at;
    feed->at += ws->frame_size;
    ws->frame_left = 0;
    if (ws->config->role == NX_WS_ROLE_SERVER) {
        nx_ws_frame_mask(at, ws->frame_size, ws->head, 0);
    }
    const struct nx_bytes payload = nx_bytes_of(at, ws->frame_size);
    if (is_control(ws)) {
        return control_event(ws, payload, false, out);
    }
    if (is_plain_text(ws) && !nx_text_utf8_feed(&ws->utf8, payload)) {
        return fail(ws, NX_WS_CLOSE_INVALID_DATA, out);
    }
    return message_event(ws, payload, false, out);
}

/* Moves what is here of the frame into the buffer. */
static enum step part_frame(struct nx_ws *ws, struct nx_ws_feed *feed, struct nx_ws_event *out)
{
    const size_t here = (size_t)(feed->end - feed->at);
    const uint32_t size = here < ws->frame_left ? (uint32_t)here : ws->frame_left;
    const uint32_t used = ws->message_size + ws->control_size;
    if (size == 0 && ws->frame_left != 0) {
        return STEP_WAIT;
    }
    if (size > ws->buffer_room - used) {
        *out = (struct nx_ws_event){.kind = NX_WS_EVENT_WANT_BUFFER,
                                    .size_needed = used + size,
                                    .size_wanted = used + ws->frame_left};
        return STEP_EVENT;
    }
    struct nx_bytes part = {0};
    if (size != 0) {
        nx_ws_frame_mask_copy(ws->buffer + used, feed->at, size, ws->head, ws->frame_size - ws->frame_left);
        part = nx_bytes_of(ws->buffer + used, size);
    }
    feed->at += size;
    ws->frame_left -= size;
    if (is_control(ws)) {
        ws->control_size += size;
        const struct nx_bytes payload =
            nx_bytes_of(ws->control_size != 0 ? ws->buffer + ws->message_size : NULL, ws->control_size);
        return ws->frame_left == 0 ? control_event(ws, payload, true, out) : STEP_WAIT;
    }
    ws->message_size += size;
    if (is_plain_text(ws) && !nx_text_utf8_feed(&ws->utf8, part)) {
        return fail(ws, NX_WS_CLOSE_INVALID_DATA, out);
    }
    if (ws->frame_left != 0) {
        return STEP_WAIT;
    }
    if ((ws->flags & IS_FRAME_FINAL) == 0) {
        ws->flags &= (uint8_t)~IS_IN_FRAME;
        return STEP_GO;
    }
    return message_event(ws, nx_bytes_of(ws->buffer, ws->message_size), true, out);
}

static enum step payload_step(struct nx_ws *ws, struct nx_ws_feed *feed, struct nx_ws_event *out)
{
    const bool is_alone = is_control(ws) || ((ws->flags & IS_FRAME_FINAL) != 0 && ws->fragments_count == 1);
    const bool is_here = ws->frame_left == ws->frame_size && (size_t)(feed->end - feed->at) >= ws->frame_size;
    return is_alone && is_here ? whole_frame(ws, feed, out) : part_frame(ws, feed, out);
}

bool nx_ws_next(struct nx_ws *ws, struct nx_ws_feed *feed, struct nx_ws_event *out)
{
    enum step step = STEP_GO;
    while (step == STEP_GO) {
        if (nx_ws_is_done(ws)) {
            feed->at = feed->end;
            return false;
        }
        step = (ws->flags & IS_IN_FRAME) != 0 ? payload_step(ws, feed, out) : header_step(ws, feed, out);
    }
    return step == STEP_EVENT;
}
