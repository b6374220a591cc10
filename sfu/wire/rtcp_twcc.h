/* rtcp_twcc.h - transport-wide feedback: which packets of a transport arrived, and when.
 *
 * Spec:    draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1
 * Layer:   sfu/wire (no I/O, no clock, no allocation)
 * Threads: any; no state
 * Limits:  SFU_RTCP_TWCC_MAX packets of one report; the reference time wraps after 12.4 days, the feedback count after 256
 * Idiom:   parse checks the whole, then sfu_rtcp_twcc_next() gives one packet after the other. Times come back relative to
 *          the reporter's clock: only their differences mean anything.
 */
#ifndef SFU_WIRE_RTCP_TWCC_H
#define SFU_WIRE_RTCP_TWCC_H

#include "sfu/wire/limits.h"
#include "sfu/wire/rtcp_feedback.h"

enum {
    SFU_RTCP_TWCC_TICK_US = 250,       /**< unit of arrival differences */
    SFU_RTCP_TWCC_REFERENCE_US = 64000 /**< unit of the reference time */
};

#define SFU_RTCP_TWCC_LOST INT64_MIN /**< instead of a time: not received */

/** One report. */
struct sfu_rtcp_twcc {
    struct nx_bytes chunks;  /**< packet status chunks, 2 bytes each; borrowed */
    struct nx_bytes deltas;  /**< receive deltas, padding included; borrowed */
    int32_t reference;       /**< in 64 ms, signed 24 bits */
    uint16_t sequence_first; /**< of the first packet reported */
    uint16_t count;          /**< packets reported, 1..SFU_RTCP_TWCC_MAX */
    uint8_t feedback_count;  /**< one more with every report, wraps */
};

/**
 * Reads a report and walks over it once.
 *
 * Returns NX_E_TRUNCATED when chunks or deltas reach past it, NX_E_MALFORMED when it reports no packet or more than
 * SFU_RTCP_TWCC_MAX, uses the reserved status, or `feedback` is no transport-wide feedback.
 */
NX_MUST_USE enum nx_err sfu_rtcp_twcc_parse(const struct sfu_rtcp_feedback *feedback,
                                            struct sfu_rtcp_twcc *out);

/** Where a walk over a report is. */
struct sfu_rtcp_twcc_walk {
    struct nx_reader chunks; /**< not read yet */
    struct nx_reader deltas; /**< not read yet */
    int64_t arrival_us;      /**< of the last packet that arrived */
    uint32_t chunk;          /**< the one being read */
    uint16_t sequence;       /**< of the next packet */
    uint16_t left;           /**< packets of the report */
    uint16_t chunk_left;     /**< packets of the chunk */
};

/** What the report says about one packet. */
struct sfu_rtcp_twcc_status {
    int64_t
        arrival_us; /**< on the reporter's clock, a multiple of 250; SFU_RTCP_TWCC_LOST when it did not arrive */
    uint16_t sequence; /**< transport-wide */
};

/** Starts a walk over a report that was parsed. */
struct sfu_rtcp_twcc_walk sfu_rtcp_twcc_walk(const struct sfu_rtcp_twcc *report);

/** Reads the next status; false at the end. */
bool sfu_rtcp_twcc_next(struct sfu_rtcp_twcc_walk *walk, struct sfu_rtcp_twcc_status *out);

/** What a report begins with. */
struct sfu_rtcp_twcc_head {
    uint32_t sender_ssrc;    /**< ours */
    uint32_t media_ssrc;     /**< any stream of the transport */
    uint16_t sequence_first; /**< transport-wide number of the packet that arrivals_us[0] is about */
    uint8_t feedback_count;  /**< counted by the caller */
};

/**
 * Writes a report about `count` packets from head->sequence_first on; arrivals_us has their times (0 or later, any
 * origin) or SFU_RTCP_TWCC_LOST.
 *
 * Returns how many of them the report covers: fewer when the room ends or two arrivals are more than 8 s apart, then the
 * caller goes on with the next report; 0, and nothing is written, when none arrived or not even one fits.
 */
unsigned sfu_rtcp_twcc_write(const struct sfu_rtcp_twcc_head *head, const int64_t *arrivals_us,
                             unsigned count, struct nx_writer *out);

#endif
