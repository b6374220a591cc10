#include "tools/impair/core/agenda.h"

#include "engine/base/assert.h"

static bool is_before(const struct impair_item *a, const struct impair_item *b)
{
    return a->due.ns != b->due.ns ? a->due.ns < b->due.ns : a->order < b->order;
}

static void put(struct impair_agenda *agenda, uint32_t place, struct impair_item *item)
{
    agenda->items[place] = item;
    item->place = place + 1;
}

/* Moves the item at `place` to where it belongs. */
static void settle(struct impair_agenda *agenda, uint32_t place)
{
    struct impair_item *item = agenda->items[place];
    while (place > 0 && is_before(item, agenda->items[(place - 1) / 2])) {
        put(agenda, place, agenda->items[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    for (;;) {
        uint32_t child = 2 * place + 1;
        if (child >= agenda->count) {
            break;
        }
        if (child + 1 < agenda->count && is_before(agenda->items[child + 1], agenda->items[child])) {
            child++;
        }
        if (!is_before(agenda->items[child], item)) {
            break;
        }
        put(agenda, place, agenda->items[child]);
        place = child;
    }
    put(agenda, place, item);
}

void impair_agenda_init(struct impair_agenda *agenda, struct impair_item **items, uint32_t room)
{
    *agenda = (struct impair_agenda){.items = items, .room = room};
}

void impair_agenda_set(struct impair_agenda *agenda, struct impair_item *item, nx_time due)
{
    if (item->place == 0) {
        NX_ASSERT(impair_agenda_has_room(agenda));
        put(agenda, agenda->count++, item);
    }
    item->due = due;
    item->order = agenda->order++;
    settle(agenda, item->place - 1);
}

void impair_agenda_cancel(struct impair_agenda *agenda, struct impair_item *item)
{
    if (item->place == 0) {
        return;
    }
    const uint32_t place = item->place - 1;
    item->place = 0;
    struct impair_item *last = agenda->items[--agenda->count];
    if (last != item) {
        put(agenda, place, last);
        settle(agenda, place);
    }
}

struct impair_item *impair_agenda_pop(struct impair_agenda *agenda, nx_time now)
{
    if (agenda->count == 0 || nx_time_before(now, agenda->items[0]->due)) {
        return NULL;
    }
    struct impair_item *first = agenda->items[0];
    impair_agenda_cancel(agenda, first);
    return first;
}

nx_time impair_agenda_deadline(const struct impair_agenda *agenda)
{
    return agenda->count == 0 ? NX_TIME_NEVER : agenda->items[0]->due;
}
