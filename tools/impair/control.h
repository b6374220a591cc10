/* control.h - the control socket: command lines in, one line of answer each.
 *
 * Layer:   tools/impair
 * Threads: own thread
 * Limits:  IMPAIR_CONTROL_CLIENTS_MAX clients, IMPAIR_LINE_SIZE_MAX bytes per line
 * Idiom:   the answer is "ok", "ok JSON" (stats) or "error" and why. A client that does not read its answers is closed.
 */
#ifndef TOOLS_IMPAIR_CONTROL_H
#define TOOLS_IMPAIR_CONTROL_H

#include "tools/impair/proxy.h"

/** One who connected. */
struct impair_control_client {
    struct impair_poll_watch watch; /**< fd -1 when nobody is here */
    struct impair_control *control;
    uint8_t line[IMPAIR_LINE_SIZE_MAX + 1];
    size_t size;
};

/** The socket and its clients. */
struct impair_control {
    struct impair_poll_watch watch;
    struct impair_proxy *proxy;
    const char *path;
    struct impair_control_client clients[IMPAIR_CONTROL_CLIENTS_MAX];
};

/** Listens at `path`, borrowed until the end. Returns NX_E_IO with errno. */
NX_MUST_USE enum nx_err impair_control_open(struct impair_control *control, struct impair_proxy *proxy,
                                            const char *path);

/** Closes everything and removes the socket. */
void impair_control_close(struct impair_control *control);

#endif
