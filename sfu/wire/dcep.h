/* dcep.h - the two messages by which a data channel is opened.
 *
 * Spec:    RFC 8832 section 5 (OPEN, ACK), section 8.2.1 (channel types); RFC 8831 section 8 (payload protocol ids)
 * Layer:   sfu/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Limits:  SFU_DCEP_TEXT_SIZE_MAX bytes of label and of protocol
 */
#ifndef SFU_WIRE_DCEP_H
#define SFU_WIRE_DCEP_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/base/writer.h"
#include "sfu/wire/limits.h"

/** Payload protocol ids (RFC 8831 section 8). */
enum {
    SFU_DCEP_PPID_CONTROL = 50,
    SFU_DCEP_PPID_TEXT = 51,
    SFU_DCEP_PPID_BINARY = 53,
    SFU_DCEP_PPID_TEXT_EMPTY = 56,
    SFU_DCEP_PPID_BINARY_EMPTY = 57
};

/** How a channel gives up on a message (RFC 8832 section 5.1). */
enum sfu_dcep_reliability { SFU_DCEP_RELIABLE = 0, SFU_DCEP_RETRANSMITS = 1, SFU_DCEP_LIFETIME = 2 };

enum { SFU_DCEP_STREAM_MAX = 65534 }; /* RFC 8832 section 6: 65535 is not a stream */

/** A channel that somebody opens. */
struct sfu_dcep {
    struct nx_bytes label;                 /**< UTF-8, may be empty; borrowed */
    struct nx_bytes protocol;              /**< UTF-8, may be empty; borrowed */
    uint32_t limit;                        /**< retransmissions or milliseconds, by reliability */
    uint16_t priority;                     /**< RFC 8831 section 6.4 */
    enum sfu_dcep_reliability reliability; /**< how hard to try */
    bool is_unordered;                     /**< messages may overtake one another */
};

/**
 * Reads an OPEN message.
 *
 * Returns NX_E_TRUNCATED when a part reaches past it, NX_E_MALFORMED for bytes left over or text that is no UTF-8,
 * NX_E_UNSUPPORTED for another message or channel type and for longer texts than we take.
 */
NX_MUST_USE enum nx_err sfu_dcep_parse(struct nx_bytes message, struct sfu_dcep *out);

/** Returns whether `message` is an ACK. */
bool sfu_dcep_is_ack(struct nx_bytes message);

/** Writes an OPEN message; texts are at most SFU_DCEP_TEXT_SIZE_MAX bytes. */
void sfu_dcep_write(const struct sfu_dcep *dcep, struct nx_writer *out);

/** Writes an ACK message: one byte. */
void sfu_dcep_write_ack(struct nx_writer *out);

#endif
