/* Level l groups bits 6l..6l+5 of a tick. A timer waits in the level of the highest group in which its tick
 * differs from the wheel's, in the slot its own group says. So, while every waiting tick is later than the
 * wheel's:
 *   - in each level only slots above the wheel's own group are filled;
 *   - everything in a level comes before everything in the levels above;
 *   - the next thing to do is the lowest filled slot of the lowest filled level, found by two bit scans;
 *   - moving the wheel's tick up to, not past, that slot's start changes no timer's place. */
#include "engine/base/wheel.h"

enum { GROUP_BITS = 6, PLACE_DUE = NX_WHEEL_LEVELS * NX_WHEEL_SLOTS };

_Static_assert(1 << GROUP_BITS == NX_WHEEL_SLOTS, "a slot per value of a group");
_Static_assert(NX_WHEEL_LEVELS *GROUP_BITS >= 44, "every tick of an nx_time has a level");

static void place(struct nx_wheel *wheel, struct nx_wheel_timer *timer)
{
    if (timer->tick <= wheel->tick) {
        timer->place = PLACE_DUE;
        nx_list_push_back(&wheel->due, &timer->link);
        return;
    }
    const int highest = 63 - __builtin_clzll(timer->tick ^ wheel->tick);
    const int level = highest / GROUP_BITS;
    const unsigned slot = (unsigned)(timer->tick >> (level * GROUP_BITS)) % NX_WHEEL_SLOTS;
    timer->place = (uint32_t)level * NX_WHEEL_SLOTS + slot;
    wheel->filled[level] |= 1ULL << slot;
    nx_list_push_back(&wheel->slots[level][slot], &timer->link);
}

static void unplace(struct nx_wheel *wheel, struct nx_wheel_timer *timer)
{
    nx_list_remove(&timer->link);
    if (timer->place != PLACE_DUE) {
        const uint32_t level = timer->place / NX_WHEEL_SLOTS;
        const uint32_t slot = timer->place % NX_WHEEL_SLOTS;
        if (nx_list_is_empty(&wheel->slots[level][slot])) {
            wheel->filled[level] &= ~(1ULL << slot);
        }
    }
}

/* Finds the lowest filled slot and the tick it starts at; false when no timer waits. */
static bool next_slot(const struct nx_wheel *wheel, uint32_t *level, uint32_t *slot, uint64_t *start)
{
    for (uint32_t l = 0; l < NX_WHEEL_LEVELS; l++) {
        if (wheel->filled[l] != 0) {
            const uint32_t shift = l * GROUP_BITS;
            *level = l;
            *slot = (uint32_t)__builtin_ctzll(wheel->filled[l]);
            *start = wheel->tick >> (shift + GROUP_BITS) << (shift + GROUP_BITS) | (uint64_t)*slot << shift;
            return true;
        }
    }
    return false;
}

void nx_wheel_init(struct nx_wheel *wheel, nx_time now)
{
    wheel->tick = (uint64_t)now.ns / NX_WHEEL_TICK_NS;
    wheel->count = 0;
    nx_list_init(&wheel->due);
    for (int l = 0; l < NX_WHEEL_LEVELS; l++) {
        wheel->filled[l] = 0;
        for (int s = 0; s < NX_WHEEL_SLOTS; s++) {
            nx_list_init(&wheel->slots[l][s]);
        }
    }
}

void nx_wheel_set(struct nx_wheel *wheel, struct nx_wheel_timer *timer, nx_time deadline)
{
    nx_wheel_cancel(wheel, timer);
    if (deadline.ns == NX_TIME_NEVER.ns) {
        return;
    }
    const uint64_t ns = deadline.ns > 0 ? (uint64_t)deadline.ns : 0;
    timer->tick = (ns + NX_WHEEL_TICK_NS - 1) / NX_WHEEL_TICK_NS;
    wheel->count++;
    place(wheel, timer);
}

void nx_wheel_cancel(struct nx_wheel *wheel, struct nx_wheel_timer *timer)
{
    if (nx_wheel_is_set(timer)) {
        unplace(wheel, timer);
        wheel->count--;
    }
}

struct nx_wheel_timer *nx_wheel_pop(struct nx_wheel *wheel, nx_time now)
{
    const uint64_t now_tick = now.ns > 0 ? (uint64_t)now.ns / NX_WHEEL_TICK_NS : 0;
    uint32_t level;
    uint32_t slot;
    uint64_t start;
    while (nx_list_is_empty(&wheel->due) && next_slot(wheel, &level, &slot, &start) && start <= now_tick) {
        wheel->tick = start;
        wheel->filled[level] &= ~(1ULL << slot);
        struct nx_list_link *link;
        while ((link = nx_list_pop_front(&wheel->slots[level][slot])) != NULL) {
            /* Now in the slot's own group, so it goes at least one level down: the slot cannot refill
             * meanwhile. */
            place(wheel, NX_LIST_ITEM(link, struct nx_wheel_timer, link));
        }
    }
    struct nx_list_link *link = nx_list_pop_front(&wheel->due);
    if (link == NULL) {
        wheel->tick = now_tick > wheel->tick ? now_tick : wheel->tick;
        return NULL;
    }
    wheel->count--;
    return NX_LIST_ITEM(link, struct nx_wheel_timer, link);
}

nx_time nx_wheel_deadline(const struct nx_wheel *wheel)
{
    uint32_t level;
    uint32_t slot;
    uint64_t start;
    if (!nx_list_is_empty(&wheel->due)) {
        start = wheel->tick;
    } else if (!next_slot(wheel, &level, &slot, &start)) {
        return NX_TIME_NEVER;
    }
    return start <= (uint64_t)INT64_MAX / NX_WHEEL_TICK_NS ? (nx_time){(int64_t)start * NX_WHEEL_TICK_NS}
                                                           : NX_TIME_NEVER;
}
