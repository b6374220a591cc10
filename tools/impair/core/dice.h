/* dice.h - the chances of one packet: numbers that depend on who the packet is and on nothing else.
 *
 * Layer:   tools/impair/core (no I/O, no clock, no allocation)
 * Threads: any; the dice belong to their caller
 * Idiom:   a key per flow and direction, dice per packet. The n-th packet of a flow meets the same numbers in
 *          every run with the same seed, whatever happened to other flows and whatever is set.
 */
#ifndef TOOLS_IMPAIR_CORE_DICE_H
#define TOOLS_IMPAIR_CORE_DICE_H

#include "engine/base/prng.h"

#include <stdbool.h>
#include <stdint.h>

/** Parts of a whole in which chances are given: parts per billion. */
enum { IMPAIR_DICE_CERTAIN = 1000000000 };

/** What the numbers are for; each purpose has a sequence of its own. */
enum impair_dice_purpose {
    IMPAIR_DICE_PACKET, /**< the fate of a UDP packet */
    IMPAIR_DICE_BLOCK,  /**< flips and resets in a block of a TCP stream */
    IMPAIR_DICE_CHUNK,  /**< sizes of the pieces a TCP stream is cut into */
    IMPAIR_DICE_SEGMENT /**< jitter of what was read from a TCP stream at once */
};

/** The numbers of one packet. */
struct impair_dice {
    struct nx_prng prng;
};

/** Returns the key of one flow and direction (0 or 1) of one route. */
uint64_t impair_dice_key(uint64_t seed, uint32_t route, uint32_t flow, uint32_t direction);

/** Starts the numbers of the `number`-th thing of that purpose under `key`. */
void impair_dice_init(struct impair_dice *dice, uint64_t key, enum impair_dice_purpose purpose,
                      uint64_t number);

/** Draws once and returns true with chance `ppb` (0..IMPAIR_DICE_CERTAIN). */
bool impair_dice_chance(struct impair_dice *dice, uint32_t ppb);

/** Returns a number in 0..bound-1, each equally likely; `bound` is at least 1. */
uint64_t impair_dice_below(struct impair_dice *dice, uint64_t bound);

/** Returns a number in -width..width, each equally likely; `width` is not negative. */
int64_t impair_dice_uniform(struct impair_dice *dice, int64_t width);

/** Returns a number of a bell curve around 0 with standard deviation `sigma`, never beyond 6 of them. */
int64_t impair_dice_normal(struct impair_dice *dice, int64_t sigma);

/** Returns a number of the exponential distribution with mean `mean`, at most 32 times the mean. */
int64_t impair_dice_exponential(struct impair_dice *dice, int64_t mean);

#endif
