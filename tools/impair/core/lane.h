/* lane.h - one direction of one UDP flow: what becomes of each packet, and when it is sent.
 *
 * Layer:   tools/impair/core (no I/O, no clock, no allocation)
 * Threads: own thread
 * Idiom:   impair_lane_decide() for each packet that came; then a parcel for each copy into impair_lane_schedule(), all
 *          copies of a packet in order; impair_lane_sent() for each parcel that the agenda gives back. The order of
 *          what happens to a packet: blackout, rate limit, loss, duplication, flips, holding back or delay.
 */
#ifndef TOOLS_IMPAIR_CORE_LANE_H
#define TOOLS_IMPAIR_CORE_LANE_H

#include "engine/base/list.h"
#include "tools/impair/core/agenda.h"
#include "tools/impair/core/shape.h"

/** One direction of one flow; must not move while packets are held. */
struct impair_lane {
    uint64_t key;
    uint64_t count;  /**< packets decided: the number of the next one */
    uint64_t newest; /**< number of the newest packet sent plus 1 */
    bool is_bad;     /**< state of the Gilbert-Elliott model */
    nx_time last_due;
    struct impair_shape shape;
    struct nx_list held; /**< struct impair_parcel.held */
};

/** What became of a packet. */
enum impair_lane_end {
    IMPAIR_LANE_PASSES,
    IMPAIR_LANE_LOST,  /**< at random */
    IMPAIR_LANE_BURST, /**< by the Gilbert-Elliott model */
    IMPAIR_LANE_DARK,  /**< in a blackout */
    IMPAIR_LANE_QUEUE  /**< the queue before the rate limit is full */
};

enum { IMPAIR_LANE_COPIES_MAX = 2 };

/** The fate of one packet. */
struct impair_lane_fate {
    enum impair_lane_end end;
    uint64_t number; /**< of the packet in its lane, 0 is the first */
    nx_time due;     /**< of all copies; of a held one the latest */
    uint32_t copies; /**< 1 or 2; 0 when it does not pass */
    bool is_held;
    uint32_t gap;                               /**< packets that must overtake a held one */
    uint32_t bits[IMPAIR_LANE_COPIES_MAX];      /**< to be flipped in each copy */
    uint64_t bits_seed[IMPAIR_LANE_COPIES_MAX]; /**< says which */
};

/** A packet on its way; the owner embeds it beside the bytes. */
struct impair_parcel {
    struct impair_item item;
    struct nx_list_link held;
    uint64_t number;
    uint32_t gap_left; /**< of a held one: packets that still must overtake it */
};

/** Starts a lane with the key of its flow and direction. */
void impair_lane_init(struct impair_lane *lane, uint64_t key);

/** Decides about the next packet, of `size` bytes, that came at `now`. */
void impair_lane_decide(struct impair_lane *lane, const struct impair_setting *setting, nx_time now,
                        size_t size, struct impair_lane_fate *fate);

/** Flips the bits of copy number `copy` that `fate` names; `size` is the one decided about. Returns how many. */
uint32_t impair_lane_flip(const struct impair_lane_fate *fate, uint32_t copy, uint8_t *bytes, size_t size);

/** Puts one copy of a packet that passes on the agenda, which has room, and after the last copy (`is_last`) the held
 * packets that it overtakes behind it. */
void impair_lane_schedule(struct impair_lane *lane, struct impair_agenda *agenda,
                          const struct impair_lane_fate *fate, bool is_last, struct impair_parcel *parcel);

/** Lets go of a parcel that the agenda gave back, or that will never be sent. Returns whether a later packet of the
 * lane was sent before it. */
bool impair_lane_sent(struct impair_lane *lane, struct impair_parcel *parcel);

#endif
