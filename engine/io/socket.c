#include "engine/io/socket.h"

#include "engine/io/limits.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/un.h>

enum nx_err nx_socket_address_of(const struct nx_endpoint *where, struct nx_socket_address *out)
{
    struct nx_socket_address result = {.size = 0};
    if (where->kind == NX_ENDPOINT_UNIX) {
        const size_t length = strnlen(where->path, sizeof(where->path));
        if (length == 0 || length == sizeof(where->path)) {
            return NX_E_MALFORMED;
        }
        struct sockaddr_un unix_address = {.sun_family = AF_UNIX};
        memcpy(unix_address.sun_path, where->path, length + 1);
        memcpy(&result.storage, &unix_address, sizeof(unix_address));
        result.size = (socklen_t)sizeof(unix_address);
    } else if (where->kind == NX_ENDPOINT_ADDR && where->addr.family == NX_ADDR_FAMILY_IPV4) {
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(where->addr.port)};
        memcpy(&v4.sin_addr, where->addr.ip, 4);
        memcpy(&result.storage, &v4, sizeof(v4));
        result.size = (socklen_t)sizeof(v4);
    } else if (where->kind == NX_ENDPOINT_ADDR && where->addr.family == NX_ADDR_FAMILY_IPV6) {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                                  .sin6_port = htons(where->addr.port),
                                  .sin6_scope_id = where->addr.scope};
        memcpy(&v6.sin6_addr, where->addr.ip, 16);
        memcpy(&result.storage, &v6, sizeof(v6));
        result.size = (socklen_t)sizeof(v6);
    } else {
        return NX_E_MALFORMED;
    }
    *out = result;
    return NX_OK;
}

struct nx_addr nx_socket_value_of(const struct sockaddr_storage *storage)
{
    struct nx_addr addr = {.family = NX_ADDR_FAMILY_NONE};
    if (storage->ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, storage, sizeof(v4));
        addr.family = NX_ADDR_FAMILY_IPV4;
        addr.port = ntohs(v4.sin_port);
        memcpy(addr.ip, &v4.sin_addr, 4);
    } else if (storage->ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, storage, sizeof(v6));
        addr.family = NX_ADDR_FAMILY_IPV6;
        addr.port = ntohs(v6.sin6_port);
        addr.scope = v6.sin6_scope_id;
        memcpy(addr.ip, &v6.sin6_addr, 16);
    }
    return addr;
}

struct nx_addr nx_socket_peer(int fd)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof(storage);
    (void)getpeername(fd, (struct sockaddr *)&storage, &size);
    return nx_socket_value_of(&storage);
}

struct nx_addr nx_socket_local(int fd)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof(storage);
    (void)getsockname(fd, (struct sockaddr *)&storage, &size);
    return nx_socket_value_of(&storage);
}

void nx_socket_tune(int fd, bool is_tcp)
{
    if (is_tcp) {
        const int one = 1;
        const int send_buffer = NX_STREAM_SEND_BUFFER;
        const int not_sent = NX_STREAM_NOTSENT_LOWAT;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &not_sent, sizeof(not_sent));
    }
}

enum nx_err nx_socket_err(int32_t result)
{
    switch (-result) {
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
    case ENOTCONN:
    case ESHUTDOWN:
        return NX_E_CLOSED;
    case ETIMEDOUT:
        return NX_E_TIMEOUT;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case ENOENT: /* a Unix socket that is not there (yet) */
    case EAGAIN: /* a Unix socket whose backlog is full */
        return NX_E_UNAVAILABLE;
    case ENOMEM:
    case ENOBUFS:
        return NX_E_NO_MEMORY;
    default:
        return NX_E_IO;
    }
}
