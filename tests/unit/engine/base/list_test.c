/* Goal: order is kept, links are clean after removal, and loops survive removing the current item. */
#include "engine/base/list.h"
#include "tests/lib/check.h"

struct item {
    int number;
    struct nx_list_link link;
};

static int order(const struct nx_list *list)
{
    int digits = 0;
    NX_LIST_EACH(link, list)
    {
        digits = digits * 10 + NX_LIST_ITEM(link, struct item, link)->number;
    }
    return digits;
}

TEST(list, keeps_order_through_pushes_and_removals)
{
    struct item items[5] = {{.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}, {.number = 5}};
    struct nx_list list;
    nx_list_init(&list);
    CHECK(nx_list_is_empty(&list) && nx_list_front(&list) == NULL && nx_list_pop_front(&list) == NULL,
          "empty");
    nx_list_push_back(&list, &items[1].link);
    nx_list_push_back(&list, &items[2].link);
    nx_list_push_front(&list, &items[0].link);
    nx_list_insert_after(&items[0].link, &items[4].link);
    CHECK(order(&list) == 1523, "order %d", order(&list));
    CHECK(nx_list_is_linked(&items[4].link) && !nx_list_is_linked(&items[3].link), "linked");
    nx_list_remove(&items[4].link);
    nx_list_remove(&items[4].link);
    nx_list_remove(&items[3].link);
    CHECK(order(&list) == 123 && !nx_list_is_linked(&items[4].link), "order %d", order(&list));
    CHECK(nx_list_pop_front(&list) == &items[0].link && order(&list) == 23, "popped");
    nx_list_push_back(&list, &items[0].link);
    CHECK(order(&list) == 231, "pushed again");
}

TEST(list, a_loop_may_remove_its_item)
{
    struct item items[4] = {{.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
    struct nx_list list;
    nx_list_init(&list);
    for (int i = 0; i < 4; i++) {
        nx_list_push_back(&list, &items[i].link);
    }
    NX_LIST_EACH(link, &list)
    {
        if (NX_LIST_ITEM(link, struct item, link)->number % 2 == 0) {
            nx_list_remove(link);
        }
    }
    CHECK(order(&list) == 13, "order %d", order(&list));
    NX_LIST_EACH(link, &list)
    {
        nx_list_remove(link);
    }
    CHECK(nx_list_is_empty(&list), "emptied");
}
