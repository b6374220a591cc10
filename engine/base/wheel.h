/* wheel.h - timers in hierarchical slots: set, cancel and expiry cost the same however many there are.
 *
 * Layer:   engine/base (no I/O, no clock, no allocation)
 * Threads: own shard
 * Limits:  ticks of 1 ms; 8 levels of 64 slots, 8 KiB, reach as far as nx_time does; a timer is moved at
 *          most once per level on its way down
 * Idiom:   embed a struct nx_wheel_timer (zeroed: not set), set it, and each turn
 *
 *              while ((timer = nx_wheel_pop(&wheel, now)) != NULL) {
 *                  struct conn *conn = NX_LIST_ITEM(timer, struct conn, idle);
 *              }
 *
 *          then sleep until nx_wheel_deadline(). A timer never fires early and at most one tick late; timers
 *          of one tick come in no promised order, those of different ticks in order.
 */
#ifndef NX_BASE_WHEEL_H
#define NX_BASE_WHEEL_H

#include "engine/base/list.h"
#include "engine/base/time.h"

enum { NX_WHEEL_LEVELS = 8, NX_WHEEL_SLOTS = 64, NX_WHEEL_TICK_NS = NX_TIME_NS_PER_MS };

/** One timer, embedded in what it wakes; all zero means not set. Its memory must outlive its being set. */
struct nx_wheel_timer {
    struct nx_list_link link;
    uint64_t tick;  /**< the tick it fires in */
    uint32_t place; /**< level * 64 + slot it waits in, or that it is due */
};

/** The timers of one shard; not to be moved or copied once initialised. */
struct nx_wheel {
    uint64_t tick;                    /**< every timer up to this tick is due or gone */
    uint64_t filled[NX_WHEEL_LEVELS]; /**< per level, bit s: slot s has timers */
    struct nx_list slots[NX_WHEEL_LEVELS][NX_WHEEL_SLOTS];
    struct nx_list due; /**< expired, not popped yet */
    uint32_t count;     /**< timers set */
};

/** Makes an empty wheel whose time starts at `now`. */
void nx_wheel_init(struct nx_wheel *wheel, nx_time now);

/**
 * Sets `timer`, or moves it when it is set already, to fire at `deadline` rounded up to the next tick. A
 * deadline not after the wheel's time is due at once: whoever sets such timers while popping never finishes
 * popping. NX_TIME_NEVER cancels. Cost: constant.
 */
void nx_wheel_set(struct nx_wheel *wheel, struct nx_wheel_timer *timer, nx_time deadline);

/** Cancels `timer`; nothing happens when it is not set. Cost: constant. */
void nx_wheel_cancel(struct nx_wheel *wheel, struct nx_wheel_timer *timer);

/** Returns whether `timer` is set and has not been popped. */
static inline bool nx_wheel_is_set(const struct nx_wheel_timer *timer)
{
    return nx_list_is_linked(&timer->link);
}

/**
 * Moves the wheel's time up to `now` (an earlier `now` changes nothing) and returns one timer that has
 * expired, no longer set and free to be set again; NULL when no other has. Timers may be set and cancelled
 * between calls.
 */
struct nx_wheel_timer *nx_wheel_pop(struct nx_wheel *wheel, nx_time now);

/**
 * Returns a lower bound of when the next timer fires: popping earlier yields nothing, popping then yields a
 * timer or raises the bound. NX_TIME_NEVER when no timer is set. Cost: constant.
 */
nx_time nx_wheel_deadline(const struct nx_wheel *wheel);

/** Returns the number of timers set. */
static inline uint32_t nx_wheel_count(const struct nx_wheel *wheel)
{
    return wheel->count;
}

#endif
