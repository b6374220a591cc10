/* signal.h - process signals as callbacks of a loop.
 *
 * Layer:   engine/io
 * Threads: the loop's own; call nx_signal_block() in main() before any thread starts
 */
#ifndef NX_IO_SIGNAL_H
#define NX_IO_SIGNAL_H

#include "engine/base/err.h"
#include "engine/io/loop.h"

/** Signals a loop watches for; embedded in its owner. */
struct nx_signal {
    struct nx_loop *loop;
    void (*on_signal)(void *context, int number);
    void *context;
    int fd;
    uint32_t slot;
    uint32_t generation;
};

/** Blocks SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGCHLD for this and all later threads, ignores SIGPIPE and SIGXFSZ. */
void nx_signal_block(void);

/** Delivers the blocked signals to `on_signal`. Returns NX_OK; NX_E_IO when the kernel gives no descriptor. */
NX_MUST_USE enum nx_err nx_signal_open(struct nx_loop *loop, struct nx_signal *signal,
                                       void (*on_signal)(void *context, int number), void *context);

/** Stops watching. */
void nx_signal_close(struct nx_signal *signal);

#endif
