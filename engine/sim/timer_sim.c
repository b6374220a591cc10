#include "engine/sim/state.h"

void nx_timer_init(struct nx_timer *timer, void (*on_due)(void *context), void *context)
{
    *timer = (struct nx_timer){.on_due = on_due, .context = context};
}

void nx_timer_set(struct nx_loop *loop, struct nx_timer *timer, nx_time deadline)
{
    nx_wheel_set(&loop->wheel, &timer->wheel, deadline);
    nx_loop_poke(loop);
}

void nx_timer_set_ms(struct nx_loop *loop, struct nx_timer *timer, int64_t delay_ms)
{
    nx_timer_set(loop, timer, nx_time_add_ms(nx_loop_now(loop), delay_ms));
}

void nx_timer_cancel(struct nx_loop *loop, struct nx_timer *timer)
{
    nx_wheel_cancel(&loop->wheel, &timer->wheel);
}

bool nx_timer_is_set(const struct nx_timer *timer)
{
    return nx_wheel_is_set(&timer->wheel);
}
