/* poll.h - waits for sockets and for one instant: epoll and a timerfd.
 *
 * Layer:   tools/impair
 * Threads: own thread
 * Limits:  IMPAIR_EVENTS_MAX sockets a turn; the instant is met to the kernel's timer, tens of microseconds on a free
 *          machine
 * Idiom:   the proxy tests the product's own loop, so it stands on another one.
 */
#ifndef TOOLS_IMPAIR_POLL_H
#define TOOLS_IMPAIR_POLL_H

#include "engine/base/err.h"
#include "engine/base/time.h"
#include "tools/impair/limits.h"

#include <stdbool.h>
#include <sys/epoll.h>

/** A descriptor that is waited for; embedded in what owns it. */
struct impair_poll_watch {
    int fd;          /**< -1 when there is none */
    uint32_t events; /**< waited for: EPOLLIN, EPOLLOUT */
    bool is_added;
    void (*on_ready)(struct impair_poll_watch *watch, uint32_t events);
};

/** The waiting. */
struct impair_poll {
    int epoll_fd;
    int timer_fd;
    nx_time armed; /**< what the timer is set to */
    struct epoll_event events[IMPAIR_EVENTS_MAX];
    int events_count; /**< of this turn */
    int events_next;  /**< the first not handled yet */
};

/** Returns the current instant. */
nx_time impair_poll_now(void);

/** Opens. Returns NX_E_IO with errno when the kernel refuses. */
NX_MUST_USE enum nx_err impair_poll_open(struct impair_poll *poll);

/** Closes; the watches' descriptors are their owners'. */
void impair_poll_close(struct impair_poll *poll);

/** Waits for `events` on `watch->fd`; errors and hang-ups are always told. */
void impair_poll_set(struct impair_poll *poll, struct impair_poll_watch *watch, uint32_t events);

/** Forgets `watch`, also what it was to be told in this turn; its descriptor may be closed and its memory freed then. */
void impair_poll_remove(struct impair_poll *poll, struct impair_poll_watch *watch);

/** Sleeps until a descriptor is ready or `deadline` has come. */
void impair_poll_wait(struct impair_poll *poll, nx_time deadline);

/** Tells the next ready watch of this turn; false when there is none. */
bool impair_poll_next(struct impair_poll *poll);

#endif
