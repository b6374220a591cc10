/* ws.h - turns the bytes of one WebSocket connection into messages and control events, strictly and
 * without owning memory.
 *
 * Spec:    RFC 6455 sections 5 to 8, RFC 7692 section 6 (RSV1 is reported; inflating is deflate.h's)
 * Layer:   engine/wire (no I/O, no clock, no allocation)
 * Threads: any; a connection belongs to one shard
 * Limits:  message size (1009, decided at the frame header) and fragments (1008) from the configuration;
 *          64 bytes of state. The rate of pings and messages is the owner's to limit.
 * Idiom:   for every piece read: struct nx_ws_feed feed = {at, at + size}; while (nx_ws_next(&ws, &feed,
 *          &event)) { switch (event.kind) ... } A message that lies whole and unfragmented inside one
 *          piece is unmasked in place and borrowed from it; anything else is gathered in a buffer that
 *          the owner attaches when WANT_BUFFER asks and may take back whenever nx_ws_is_idle(). So an
 *          idle connection owns nothing but this struct. Text is checked as it arrives: FAILED 1007 comes
 *          with the byte that breaks it, also inside a frame.
 */
#ifndef NX_WIRE_WS_H
#define NX_WIRE_WS_H

#include "engine/base/text.h"
#include "engine/wire/ws_frame.h"

/** What all connections of one kind share; must outlive them. */
struct nx_ws_config {
    enum nx_ws_role role;
    uint32_t message_size_max; /**< bytes of one message as sent (compressed when it is), <=
                                  NX_WS_MESSAGE_SIZE_MAX */
    uint32_t fragments_max;    /**< frames of one message, >= 1 */
};

/** The reading half of one connection. */
struct nx_ws {
    const struct nx_ws_config *config; /**< given */
    uint8_t *buffer;                   /**< given by nx_ws_attach(); NULL when none */
    uint32_t buffer_room;              /**< bytes at `buffer` */
    uint32_t message_size;             /**< state: bytes of the unfinished message in `buffer` */
    uint32_t control_size; /**< state: bytes of the unfinished control frame, after the message in `buffer` */
    uint32_t frame_left;   /**< state: payload bytes of the current frame not seen yet */
    uint32_t frame_size;   /**< state: payload bytes of the current frame */
    uint32_t fragments_count;            /**< state: frames of the unfinished message */
    struct nx_text_utf8 utf8;            /**< state: where in a UTF-8 sequence the text is */
    uint8_t head[NX_WS_HEADER_SIZE_MAX]; /**< state: bytes of an unfinished header; mask of the current frame
                                            in its first 4 */
    uint8_t head_size;                   /**< state: bytes in `head` */
    uint8_t frame_opcode;                /**< state: opcode of the current frame */
    uint8_t message_opcode;              /**< state: text or binary while a message is open, else 0 */
    uint8_t flags;                       /**< state: see ws.c */
};

_Static_assert(sizeof(struct nx_ws) <= 64, "a connection's reading half fits one cache line");

/** A piece of the stream. The bytes are unmasked in place, so they must be writable and are spoiled. */
struct nx_ws_feed {
    uint8_t *at;  /**< next byte; moved by nx_ws_next() */
    uint8_t *end; /**< one past the last byte */
};

enum nx_ws_event_kind {
    NX_WS_EVENT_TEXT,   /**< a text message: `payload`, valid UTF-8 unless is_compressed */
    NX_WS_EVENT_BINARY, /**< a binary message: `payload` */
    NX_WS_EVENT_PING,   /**< answer with a pong of the same `payload` */
    NX_WS_EVENT_PONG,   /**< `payload` */
    NX_WS_EVENT_CLOSE, /**< the peer closes: `code` (1005 when it gave none), reason in `payload`; the rest is
                          ignored */
    NX_WS_EVENT_FAILED, /**< the peer broke a rule: close with `code`; everything that follows is ignored */
    NX_WS_EVENT_WANT_BUFFER, /**< attach a buffer with room for `size_needed` bytes and call again */
};

struct nx_ws_event {
    enum nx_ws_event_kind kind;
    struct nx_bytes payload; /**< borrowed from the piece or the buffer until the next nx_ws_next() */
    uint32_t size_needed;    /**< WANT_BUFFER: least room to go on with the bytes at hand */
    uint32_t size_wanted;    /**< WANT_BUFFER: room for the whole frame as declared; >= size_needed */
    uint16_t code;           /**< CLOSE and FAILED: a close code */
    bool is_compressed;      /**< TEXT and BINARY: inflate it (deflate.h), then check text for UTF-8 */
    bool is_buffered;        /**< `payload` lies in the attached buffer, not in the piece */
};

/** Starts a connection after its handshake; `is_deflate` tells that permessage-deflate was agreed. `config`
 * is kept. */
void nx_ws_init(struct nx_ws *ws, const struct nx_ws_config *config, bool is_deflate);

/**
 * Takes the next event out of `feed`. Returns false when all bytes are used up and nothing is to be told.
 * Every call returns an event, uses up the feed, or asks for a buffer; the events do not depend on how the
 * stream is cut into pieces, but for WANT_BUFFER and the moments. Cost: linear in the bytes.
 */
bool nx_ws_next(struct nx_ws *ws, struct nx_ws_feed *feed, struct nx_ws_event *out);

/**
 * Gives the connection `room` bytes at `buffer` to gather in. When a smaller one was attached, its first
 * nx_ws_used() bytes must have been copied over. The buffer stays the owner's.
 */
void nx_ws_attach(struct nx_ws *ws, uint8_t *buffer, size_t room);

/** Takes the buffer back; only while nx_ws_is_idle(). Returns it, or NULL when none was attached. */
uint8_t *nx_ws_detach(struct nx_ws *ws);

/** Returns how many bytes at the start of the attached buffer are in use. */
size_t nx_ws_used(const struct nx_ws *ws);

/** Returns whether the attached buffer holds nothing that is still needed (a payload just handed out aside).
 */
bool nx_ws_is_idle(const struct nx_ws *ws);

/** Returns whether CLOSE or FAILED was told: nothing more will come. */
bool nx_ws_is_done(const struct nx_ws *ws);

#endif
