#include "engine/io/loop_uring.h"

#include <unistd.h>

void nx_loop_waker_open(struct nx_loop *loop, struct nx_loop_waker *waker, void (*on_woken)(void *context),
                        void *context)
{
    *waker = (struct nx_loop_waker){.on_woken = on_woken, .context = context};
    nx_list_push_back(&loop->wakers, &waker->link);
}

void nx_loop_waker_close(struct nx_loop_waker *waker)
{
    nx_list_remove(&waker->link);
}

void nx_loop_waker_ring(struct nx_loop *loop, struct nx_loop_waker *waker)
{
    if (!atomic_exchange(&waker->is_rung, true)) {
        const uint64_t one = 1;
        (void)!write(loop->wake_fd, &one, sizeof(one));
    }
}

void nx_loop_waker_run(struct nx_loop *loop)
{
    NX_LIST_EACH(link, &loop->wakers)
    {
        struct nx_loop_waker *waker = NX_LIST_ITEM(link, struct nx_loop_waker, link);
        if (atomic_exchange(&waker->is_rung, false)) {
            waker->on_woken(waker->context);
        }
    }
}
