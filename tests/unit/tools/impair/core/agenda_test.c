/* Goal: items come in order of time, in order of setting within an instant, and moving or cancelling keeps that.
 * Method: small cases by hand, then random operations beside a list that is searched whole. */
#include "tools/impair/core/agenda.h"

#include "engine/base/prng.h"
#include "tests/lib/check.h"

enum { ITEMS = 300, STEPS = 20000 };

TEST(agenda, gives_items_in_order_of_time_and_of_setting)
{
    struct impair_item *room[4];
    struct impair_item items[4] = {0};
    struct impair_agenda agenda;
    impair_agenda_init(&agenda, room, 4);
    CHECK(impair_agenda_deadline(&agenda).ns == NX_TIME_NEVER.ns, "an empty agenda has a deadline");
    impair_agenda_set(&agenda, &items[0], (nx_time){20});
    impair_agenda_set(&agenda, &items[1], (nx_time){10});
    impair_agenda_set(&agenda, &items[2], (nx_time){20});
    impair_agenda_set(&agenda, &items[3], (nx_time){5});
    CHECK(!impair_agenda_has_room(&agenda), "room for a fifth");
    CHECK(impair_agenda_deadline(&agenda).ns == 5, "deadline");
    CHECK(impair_agenda_pop(&agenda, (nx_time){4}) == NULL, "popped before it is due");
    const int order[] = {3, 1, 0, 2};
    for (size_t i = 0; i < 4; i++) {
        CHECK(impair_agenda_pop(&agenda, (nx_time){20}) == &items[order[i]], "pop %zu", i);
    }
    CHECK(impair_agenda_pop(&agenda, NX_TIME_NEVER) == NULL, "a fifth");
}

TEST(agenda, moving_goes_behind_those_of_the_same_instant)
{
    struct impair_item *room[2];
    struct impair_item items[2] = {0};
    struct impair_agenda agenda;
    impair_agenda_init(&agenda, room, 2);
    impair_agenda_set(&agenda, &items[0], (nx_time){1});
    impair_agenda_set(&agenda, &items[1], (nx_time){2});
    impair_agenda_set(&agenda, &items[0], (nx_time){2});
    impair_agenda_set(&agenda, &items[1], (nx_time){2});
    CHECK(impair_agenda_pop(&agenda, (nx_time){2}) == &items[0], "the one moved last came first");
    impair_agenda_set(&agenda, &items[0], (nx_time){2});
    CHECK(impair_agenda_pop(&agenda, (nx_time){2}) == &items[1], "the one set last came first");
    impair_agenda_cancel(&agenda, &items[0]);
    impair_agenda_cancel(&agenda, &items[0]);
    CHECK(!impair_agenda_is_set(&items[0]) && agenda.count == 0, "cancelled but there");
}

/* Returns the item that should come first, NULL when none is set. */
static struct impair_item *first_of(struct impair_item *items)
{
    struct impair_item *first = NULL;
    for (size_t i = 0; i < ITEMS; i++) {
        struct impair_item *item = &items[i];
        if (impair_agenda_is_set(item) && (first == NULL || item->due.ns < first->due.ns ||
                                           (item->due.ns == first->due.ns && item->order < first->order))) {
            first = item;
        }
    }
    return first;
}

TEST(agenda, agrees_with_a_search_of_everything)
{
    static struct impair_item *room[ITEMS];
    static struct impair_item items[ITEMS];
    struct impair_agenda agenda;
    struct nx_prng prng;
    nx_prng_init(&prng, 7);
    impair_agenda_init(&agenda, room, ITEMS);
    for (int step = 0; step < STEPS; step++) {
        struct impair_item *item = &items[nx_prng_below(&prng, ITEMS)];
        struct impair_item *first;
        switch (nx_prng_below(&prng, 4)) {
        case 0:
            impair_agenda_cancel(&agenda, item);
            break;
        case 1:
            first = first_of(items);
            CHECK(impair_agenda_pop(&agenda, NX_TIME_NEVER) == first, "step %d", step);
            break;
        default:
            impair_agenda_set(&agenda, item, (nx_time){(int64_t)nx_prng_below(&prng, 50)});
            break;
        }
        first = first_of(items);
        CHECK(impair_agenda_deadline(&agenda).ns == (first != NULL ? first->due.ns : NX_TIME_NEVER.ns),
              "step %d", step);
    }
}
