/* agenda.h - what is to be done when: a heap of items in order of time, first come first served within one instant.
 *
 * Layer:   tools/impair/core (no I/O, no clock, no allocation)
 * Threads: own thread
 * Limits:  as many items as the caller's memory holds
 * Idiom:   embed a struct impair_item (zeroed: not set), set it, and each turn pop until NULL; then sleep until
 *          impair_agenda_deadline(). Nanoseconds, not ticks: a wheel's millisecond is what is to be measured.
 */
#ifndef TOOLS_IMPAIR_CORE_AGENDA_H
#define TOOLS_IMPAIR_CORE_AGENDA_H

#include "engine/base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** One thing to be done; all zero means not set. */
struct impair_item {
    nx_time due;
    uint64_t order; /**< when it was set, counted in settings */
    uint32_t place; /**< its place in the heap plus 1; 0 when not set */
    uint32_t kind;  /**< the owner's: what it is embedded in */
};

/** The heap. */
struct impair_agenda {
    struct impair_item **items; /**< the caller's memory */
    uint32_t count;
    uint32_t room;
    uint64_t order; /**< of the next setting */
};

/** Makes an empty agenda over `room` pointers at `items`, which must outlive it. */
void impair_agenda_init(struct impair_agenda *agenda, struct impair_item **items, uint32_t room);

/** Returns whether there is room for one more item. */
static inline bool impair_agenda_has_room(const struct impair_agenda *agenda)
{
    return agenda->count < agenda->room;
}

/** Sets `item` to `due`, or moves it there, behind all that is set to the same instant. A new item needs room. */
void impair_agenda_set(struct impair_agenda *agenda, struct impair_item *item, nx_time due);

/** Takes `item` off; nothing happens when it is not set. */
void impair_agenda_cancel(struct impair_agenda *agenda, struct impair_item *item);

/** Returns whether `item` is set. */
static inline bool impair_agenda_is_set(const struct impair_item *item)
{
    return item->place != 0;
}

/** Takes the first item off when it is due at `now` and returns it, else NULL. */
struct impair_item *impair_agenda_pop(struct impair_agenda *agenda, nx_time now);

/** Returns when the first item is due; NX_TIME_NEVER when there is none. */
nx_time impair_agenda_deadline(const struct impair_agenda *agenda);

#endif
