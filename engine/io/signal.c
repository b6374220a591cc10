#include "engine/io/signal.h"

#include "engine/io/loop_uring.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { SIGNALS_AT_ONCE = 16 };

static void blocked_set(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
    (void)sigaddset(set, SIGUSR1);
    (void)sigaddset(set, SIGCHLD);
}

void nx_signal_block(void)
{
    sigset_t set;
    blocked_set(&set);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ,
                 SIG_IGN); /* A file that may not grow is an error of its write, as a full disk is. */
}

enum nx_err nx_signal_open(struct nx_loop *loop, struct nx_signal *signal,
                           void (*on_signal)(void *context, int number), void *context)
{
    sigset_t set;
    blocked_set(&set);
    const int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        return NX_E_IO;
    }
    uint32_t slot;
    if (nx_loop_slot_take(loop, NX_LOOP_SLOT_SIGNAL, signal, &slot) != NX_OK) {
        (void)close(fd);
        return NX_E_IO;
    }
    loop->slots[slot].fd = fd;
    *signal = (struct nx_signal){.loop = loop,
                                 .on_signal = on_signal,
                                 .context = context,
                                 .fd = fd,
                                 .slot = slot,
                                 .generation = loop->slots[slot].generation};
    nx_loop_slot_want(loop, slot, NX_LOOP_WANT_POLL);
    return NX_OK;
}

void nx_signal_completed(struct nx_loop *loop, uint32_t slot, const struct nx_uring_done *done)
{
    struct nx_signal *signal = loop->slots[slot].owner;
    const uint32_t generation = done->tag.generation;
    struct signalfd_siginfo infos[SIGNALS_AT_ONCE];
    const ssize_t size = read(signal->fd, infos, sizeof(infos));
    nx_loop_slot_want(loop, slot, NX_LOOP_WANT_POLL);
    for (size_t i = 0; size > 0 && i < (size_t)size / sizeof(infos[0]); i++) {
        signal->on_signal(signal->context, (int)infos[i].ssi_signo);
        if (loop->slots[slot].generation != generation || loop->slots[slot].owner != signal) {
            return;
        }
    }
}

void nx_signal_close(struct nx_signal *signal)
{
    struct nx_loop *loop = signal->loop;
    struct nx_loop_slot *slot = &loop->slots[signal->slot];
    slot->owner = NULL;
    slot->kind = NX_LOOP_SLOT_ENDING;
    slot->wants = 0;
    nx_loop_slot_want(loop, signal->slot, NX_LOOP_WANT_CANCEL_POLL | NX_LOOP_WANT_CLOSE);
    signal->fd = -1;
}
