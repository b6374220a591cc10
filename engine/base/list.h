/* list.h - a doubly linked list whose links live inside the items.
 *
 * Layer:   engine/base (no I/O, no clock, no allocation)
 * Threads: own shard
 * Idiom:   embed a struct nx_list_link, get back to the item with NX_LIST_ITEM. A zeroed link is on no list.
 *          An item is on at most one list per link and must be removed before its memory is given back.
 *
 *              NX_LIST_EACH (link, &room->peers) {
 *                  struct peer *peer = NX_LIST_ITEM(link, struct peer, in_room);
 *              }
 */
#ifndef NX_BASE_LIST_H
#define NX_BASE_LIST_H

#include "engine/base/assert.h"

#include <stdbool.h>
#include <stddef.h>

/** The link an item embeds; both NULL while on no list. */
struct nx_list_link {
    struct nx_list_link *next;
    struct nx_list_link *prev;
};

/** A list; its root link closes the circle, so it must not be moved or copied while it has items. */
struct nx_list {
    struct nx_list_link root;
};

/** Returns the `type` whose member `member` is at `pointer` (not NULL). */
#define NX_LIST_ITEM(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/** Loops over `list` with `link` at each link; the body may remove that one link, and no other. */
#define NX_LIST_EACH(link, list)                                                                             \
    for (struct nx_list_link *link = (list)->root.next, *link##_next = link->next; link != &(list)->root;    \
         link = link##_next, link##_next = link->next)

/** Makes `list` empty, whatever it held. */
static inline void nx_list_init(struct nx_list *list)
{
    list->root.next = &list->root;
    list->root.prev = &list->root;
}

/** Returns whether the list has no item. */
static inline bool nx_list_is_empty(const struct nx_list *list)
{
    return list->root.next == &list->root;
}

/** Returns whether `link` is on some list. */
static inline bool nx_list_is_linked(const struct nx_list_link *link)
{
    return link->next != NULL;
}

/** Inserts `link`, which is on no list, behind `place`. */
static inline void nx_list_insert_after(struct nx_list_link *place, struct nx_list_link *link)
{
    NX_ASSERT(!nx_list_is_linked(link));
    link->prev = place;
    link->next = place->next;
    place->next->prev = link;
    place->next = link;
}

/** Makes `link`, which is on no list, the last of `list`. */
static inline void nx_list_push_back(struct nx_list *list, struct nx_list_link *link)
{
    nx_list_insert_after(list->root.prev, link);
}

/** Makes `link`, which is on no list, the first of `list`. */
static inline void nx_list_push_front(struct nx_list *list, struct nx_list_link *link)
{
    nx_list_insert_after(&list->root, link);
}

/** Takes `link` off its list; nothing happens when it is on none. */
static inline void nx_list_remove(struct nx_list_link *link)
{
    if (nx_list_is_linked(link)) {
        link->prev->next = link->next;
        link->next->prev = link->prev;
        link->next = NULL;
        link->prev = NULL;
    }
}

/** Returns the first link, still on the list, or NULL. */
static inline struct nx_list_link *nx_list_front(const struct nx_list *list)
{
    return nx_list_is_empty(list) ? NULL : list->root.next;
}

/** Takes the first link off the list and returns it, or NULL when there is none. */
static inline struct nx_list_link *nx_list_pop_front(struct nx_list *list)
{
    struct nx_list_link *link = nx_list_front(list);
    if (link != NULL) {
        nx_list_remove(link);
    }
    return link;
}

#endif
