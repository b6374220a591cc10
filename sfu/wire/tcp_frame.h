/* tcp_frame.h - packets in a byte stream: the framing of ICE over TCP.
 *
 * Spec:    RFC 4571 section 2, RFC 6544 section 3
 * Layer:   sfu/wire (no I/O, no clock, no allocation)
 * Threads: own shard
 * Limits:  SFU_TCP_FRAME_SIZE_MAX bytes of one packet; a longer one ends the connection, there is no way to go on
 * Idiom:   feed what was received until nothing is left; each call gives at most one packet.
 */
#ifndef SFU_WIRE_TCP_FRAME_H
#define SFU_WIRE_TCP_FRAME_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/base/writer.h"
#include "sfu/wire/limits.h"

enum { SFU_TCP_FRAME_HEADER_SIZE = 2 }; /* bytes of the length before each packet */

/** Where a stream stands between two pieces; zeroed memory is its start. */
struct sfu_tcp_frame {
    uint16_t held; /**< bytes of the packet being collected, header included */
    uint8_t bytes[SFU_TCP_FRAME_HEADER_SIZE + SFU_TCP_FRAME_SIZE_MAX]; /**< those bytes */
};

/**
 * Takes the next packet off `piece`, which is what was received, cut anywhere; `piece` becomes what is left of it.
 *
 * `packet` is borrowed from the piece when it lies there whole, else from `frame` until the next call; its size is 0 when
 * the piece ended before a packet did. Empty packets are skipped. Returns NX_E_FULL when a length is above
 * SFU_TCP_FRAME_SIZE_MAX: the connection is to be closed.
 */
NX_MUST_USE enum nx_err sfu_tcp_frame_take(struct sfu_tcp_frame *frame, struct nx_bytes *piece,
                                           struct nx_bytes *packet);

/** Writes the length that goes before a packet of `size` bytes, 1..65535. */
void sfu_tcp_frame_write(size_t size, struct nx_writer *out);

#endif
