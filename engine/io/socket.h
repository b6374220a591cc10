/* socket.h - addresses and sockets in the kernel's form.
 *
 * Layer:   engine/io, private
 * Threads: any
 */
#ifndef NX_IO_SOCKET_H
#define NX_IO_SOCKET_H

#include "engine/base/addr.h"
#include "engine/io/stream.h"

#include <stdbool.h>
#include <sys/socket.h>

/** A socket address and its size. */
struct nx_socket_address {
    struct sockaddr_storage storage;
    socklen_t size;
};

/** Converts `where` (ADDR or UNIX). Returns NX_OK; NX_E_MALFORMED for no address or a path that is too long or empty. */
NX_MUST_USE enum nx_err nx_socket_address_of(const struct nx_endpoint *where, struct nx_socket_address *out);

/** Returns the value of a kernel address; family NONE for Unix and unknown ones. */
struct nx_addr nx_socket_value_of(const struct sockaddr_storage *storage);

/** Returns the peer's address; family NONE when it has none. */
struct nx_addr nx_socket_peer(int fd);

/** Returns the local address; family NONE when it has none. */
struct nx_addr nx_socket_local(int fd);

/** Bounds what a slow reader costs and sends small writes at once; does nothing to Unix sockets. */
void nx_socket_tune(int fd, bool is_tcp);

/** Returns what a negative result of a stream operation (`-errno`) means to an owner. */
enum nx_err nx_socket_err(int32_t result);

#endif
