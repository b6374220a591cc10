#include "engine/io/poll.h"

enum nx_err nx_poll_open(struct nx_loop *loop, struct nx_poll *poll, int fd,
                         void (*on_ready)(void *context, uint32_t events), void *context)
{
    (void)loop;
    (void)poll;
    (void)fd;
    (void)on_ready;
    (void)context;
    return NX_E_UNSUPPORTED;
}

void nx_poll_want(struct nx_poll *poll, uint32_t events)
{
    (void)poll;
    (void)events;
}

void nx_poll_close(struct nx_poll *poll)
{
    (void)poll;
}
