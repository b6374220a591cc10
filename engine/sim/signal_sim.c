#include "engine/io/signal.h"

#include "engine/base/assert.h"
#include "engine/sim/state.h"

enum { SIGNALS_COUNT = 64 };

void nx_signal_block(void)
{
}

enum nx_err nx_signal_open(struct nx_loop *loop, struct nx_signal *signal,
                           void (*on_signal)(void *context, int number), void *context)
{
    NX_ASSERT(loop->signal == NULL);
    *signal = (struct nx_signal){.loop = loop, .on_signal = on_signal, .context = context, .fd = -1};
    loop->signal = signal;
    return NX_OK;
}

void nx_signal_deliver(struct nx_loop *loop)
{
    for (int number = 0; number < SIGNALS_COUNT && loop->signal != NULL; number++) {
        const uint64_t bit = UINT64_C(1) << number;
        if ((loop->signals & bit) != 0) {
            loop->signals &= ~bit;
            loop->signal->on_signal(loop->signal->context, number);
        }
    }
    if (loop->signal == NULL) {
        loop->signals = 0;
    }
}

void nx_signal_close(struct nx_signal *signal)
{
    signal->loop->signal = NULL;
}
