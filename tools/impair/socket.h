/* socket.h - the sockets of the impairment proxy: opened, bound, connected, never blocking.
 *
 * Layer:   tools/impair
 * Threads: any
 */
#ifndef TOOLS_IMPAIR_SOCKET_H
#define TOOLS_IMPAIR_SOCKET_H

#include "engine/base/addr.h"

#include <sys/socket.h>

/** An address in the kernel's form. */
struct impair_socket_address {
    struct sockaddr_storage storage;
    socklen_t size;
};

/** Converts an address with a family. */
void impair_socket_address_of(const struct nx_addr *addr, struct impair_socket_address *out);

/** Returns the local address of a socket; family NONE when it has none. */
struct nx_addr impair_socket_local(int fd);

/** Opens a socket bound to `addr`, of SOCK_DGRAM or a listening one of SOCK_STREAM. Returns it, or -1 with errno. */
int impair_socket_listen(const struct nx_addr *addr, int type);

/** Opens a socket of SOCK_DGRAM or SOCK_STREAM and connects it, from a port that the kernel chooses. Returns it, or -1
 * with errno; `is_pending` says whether a connection is still being made. */
int impair_socket_connect(const struct nx_addr *addr, int type, bool *is_pending);

/** Makes small writes go at once. */
void impair_socket_undelayed(int fd);

/** Closes a TCP socket so that the other side gets a reset. */
void impair_socket_reset(int fd);

/** Returns and clears the error of a socket, 0 for none. */
int impair_socket_error(int fd);

/** Returns how many packets the kernel has dropped for want of room in the socket's receive buffer. */
uint32_t impair_socket_drops(int fd);

/** Opens a listening Unix socket at `path`, replacing a socket that is there. Returns it, or -1 with errno. */
int impair_socket_listen_unix(const char *path);

#endif
