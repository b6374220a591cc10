/* timer.h - one-shot timers of a loop, embedded in their owner.
 *
 * Layer:   engine/io (implemented over engine/base/wheel by loop_uring.c and by engine/sim)
 * Threads: the loop's own
 * Limits:  resolution 1 ms; a timer never fires early
 */
#ifndef NX_IO_TIMER_H
#define NX_IO_TIMER_H

#include "engine/base/wheel.h"
#include "engine/io/loop.h"

/** A timer; zero-initialised before nx_timer_init(). */
struct nx_timer {
    struct nx_wheel_timer wheel; /**< the loop's */
    void (*on_due)(void *context);
    void *context;
};

/** Prepares `timer`; it is not set. */
void nx_timer_init(struct nx_timer *timer, void (*on_due)(void *context), void *context);

/** Sets (or moves) `timer` to fire once at `deadline`; a deadline in the past fires in the next turn. */
void nx_timer_set(struct nx_loop *loop, struct nx_timer *timer, nx_time deadline);

/** Sets (or moves) `timer` to fire `delay_ms` from now. */
void nx_timer_set_ms(struct nx_loop *loop, struct nx_timer *timer, int64_t delay_ms);

/** Cancels `timer`; no effect when it is not set. Safe inside any callback. */
void nx_timer_cancel(struct nx_loop *loop, struct nx_timer *timer);

/** Returns whether `timer` is set. */
bool nx_timer_is_set(const struct nx_timer *timer);

#endif
