#include "tools/impair/poll.h"

#include "engine/base/assert.h"

#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

nx_time impair_poll_now(void)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (nx_time){(int64_t)at.tv_sec * NX_TIME_NS_PER_S + at.tv_nsec};
}

enum nx_err impair_poll_open(struct impair_poll *poll)
{
    *poll = (struct impair_poll){.armed = NX_TIME_NEVER};
    poll->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    poll->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event timer = {.events = EPOLLIN, .data = {.ptr = NULL}};
    if (poll->epoll_fd < 0 || poll->timer_fd < 0 ||
        epoll_ctl(poll->epoll_fd, EPOLL_CTL_ADD, poll->timer_fd, &timer) != 0) {
        impair_poll_close(poll);
        return NX_E_IO;
    }
    return NX_OK;
}

void impair_poll_close(struct impair_poll *poll)
{
    if (poll->epoll_fd >= 0) {
        (void)close(poll->epoll_fd);
    }
    if (poll->timer_fd >= 0) {
        (void)close(poll->timer_fd);
    }
}

void impair_poll_set(struct impair_poll *poll, struct impair_poll_watch *watch, uint32_t events)
{
    if (watch->is_added && watch->events == events) {
        return;
    }
    struct epoll_event event = {.events = events, .data = {.ptr = watch}};
    const int how = watch->is_added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    NX_ASSERT(epoll_ctl(poll->epoll_fd, how, watch->fd, &event) == 0);
    watch->events = events;
    watch->is_added = true;
}

void impair_poll_remove(struct impair_poll *poll, struct impair_poll_watch *watch)
{
    if (!watch->is_added) {
        return;
    }
    (void)epoll_ctl(poll->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->is_added = false;
    for (int i = poll->events_next; i < poll->events_count; i++) {
        if (poll->events[i].data.ptr == watch) {
            poll->events[i].events = 0;
        }
    }
}

static void arm(struct impair_poll *poll, nx_time deadline)
{
    if (deadline.ns == poll->armed.ns) {
        return;
    }
    struct itimerspec spec = {0};
    if (deadline.ns != NX_TIME_NEVER.ns) {
        spec.it_value.tv_sec = deadline.ns / NX_TIME_NS_PER_S;
        spec.it_value.tv_nsec = deadline.ns % NX_TIME_NS_PER_S;
    }
    NX_ASSERT(timerfd_settime(poll->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) == 0);
    poll->armed = deadline;
}

void impair_poll_wait(struct impair_poll *poll, nx_time deadline)
{
    const bool is_due = !nx_time_before(impair_poll_now(), deadline);
    if (!is_due) {
        arm(poll, deadline);
    }
    const int count = epoll_wait(poll->epoll_fd, poll->events, IMPAIR_EVENTS_MAX, is_due ? 0 : -1);
    poll->events_count = count > 0 ? count : 0;
    poll->events_next = 0;
}

bool impair_poll_next(struct impair_poll *poll)
{
    while (poll->events_next < poll->events_count) {
        const struct epoll_event event = poll->events[poll->events_next++];
        struct impair_poll_watch *watch = event.data.ptr;
        if (event.events == 0) {
            continue;
        }
        if (watch == NULL) {
            uint64_t expirations;
            /* It has fired: the next deadline is armed anew even when it is the same. */
            (void)!read(poll->timer_fd, &expirations, sizeof(expirations));
            poll->armed = NX_TIME_NEVER;
            continue;
        }
        watch->on_ready(watch, event.events);
        return true;
    }
    return false;
}
