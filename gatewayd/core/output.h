/* output.h - what a session has to say as bytes: control payloads, first dispatches, live dispatches, close.
 *
 * Spec:    RFC 6455 section 5, RFC 7692 section 7.2.3.4 (blocks concatenate), protocol.md section 3
 * Layer:   gatewayd/core (pure)
 * Threads: own shard
 * Limits:  none of its own; a write ends where the room ends, also inside a frame
 * Idiom:   bound() tells how much room to reserve, write() fills it, sent() tells how much of it the kernel took. Nothing
 *          is kept of what was written: what the kernel did not take is built again from the frames, from the byte it
 *          stopped at. One copy per delivery, from the log to where it leaves from.
 */
#ifndef GW_CORE_OUTPUT_H
#define GW_CORE_OUTPUT_H

#include "gatewayd/core/framelog.h"
#include "gatewayd/core/session.h"

enum {
    GW_OUTPUT_HELLO_MAX = 128,
    GW_OUTPUT_FRAME_OVERHEAD = 10 + 5 + 24
}; /* ws header, stored block, prefix */

/** What all sessions of a shard share. */
struct gw_output {
    struct gw_framelog *log;            /**< given */
    struct gw_sessions *sessions;       /**< given: burst memory goes back there */
    uint8_t hello[GW_OUTPUT_HELLO_MAX]; /**< the HELLO frame, WebSocket header included */
    uint32_t hello_size;
    uint64_t copied_bytes; /**< written, ever */
};

/** Binds the parts and builds HELLO. */
void gw_output_init(struct gw_output *output, struct gw_framelog *log, struct gw_sessions *sessions,
                    uint32_t heartbeat_ms);

/** Returns an upper bound of the bytes that write() would produce now; 0 when there is nothing to say. Cost: constant. */
size_t gw_output_bound(const struct gw_session *session);

/**
 * Writes as much as fits into the `room` bytes at `at`, for one write to the socket. A session whose frames are gone
 * from the log becomes doomed (GW_CLOSE_SLOW) or, inside a frame, flagged GW_SESSION_ABORT.
 * Returns the bytes written, 0 when there is nothing to say. Until sent() no other write may begin.
 */
size_t gw_output_write(struct gw_output *output, struct gw_session *session, uint8_t *at, size_t room);

/** The kernel took `size` bytes of the last write; what is left is unsent again. */
void gw_output_sent(struct gw_output *output, struct gw_session *session, size_t size);

/** Returns whether the close frame was taken whole: the connection may be ended. */
static inline bool gw_output_is_closed(const struct gw_session *session)
{
    return (session->flags & GW_SESSION_DOOMED) != 0 && (session->owed & GW_OWED_CLOSE) == 0;
}

#endif
