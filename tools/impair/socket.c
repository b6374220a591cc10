#include "tools/impair/socket.h"

#include "tools/impair/limits.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

enum { MEMINFO_DROPS = 8, MEMINFO_COUNT = 9 }; /* linux/sock_diag.h: SK_MEMINFO_DROPS, _VARS */

void impair_socket_address_of(const struct nx_addr *addr, struct impair_socket_address *out)
{
    *out = (struct impair_socket_address){0};
    if (addr->family == NX_ADDR_FAMILY_IPV4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(addr->port)};
        memcpy(&in.sin_addr, addr->ip, sizeof(in.sin_addr));
        memcpy(&out->storage, &in, sizeof(in));
        out->size = sizeof(in);
    } else {
        struct sockaddr_in6 in = {
            .sin6_family = AF_INET6, .sin6_port = htons(addr->port), .sin6_scope_id = addr->scope};
        memcpy(&in.sin6_addr, addr->ip, sizeof(in.sin6_addr));
        memcpy(&out->storage, &in, sizeof(in));
        out->size = sizeof(in);
    }
}

struct nx_addr impair_socket_local(int fd)
{
    struct sockaddr_storage storage = {0};
    socklen_t size = sizeof(storage);
    struct nx_addr addr = {0};
    if (getsockname(fd, (struct sockaddr *)&storage, &size) != 0) {
        return addr;
    }
    if (storage.ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, &storage, sizeof(in));
        addr.family = NX_ADDR_FAMILY_IPV4;
        addr.port = ntohs(in.sin_port);
        memcpy(addr.ip, &in.sin_addr, sizeof(in.sin_addr));
    } else if (storage.ss_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, &storage, sizeof(in));
        addr.family = NX_ADDR_FAMILY_IPV6;
        addr.port = ntohs(in.sin6_port);
        addr.scope = in.sin6_scope_id;
        memcpy(addr.ip, &in.sin6_addr, sizeof(in.sin6_addr));
    }
    return addr;
}

static int family_of(const struct nx_addr *addr)
{
    return addr->family == NX_ADDR_FAMILY_IPV4 ? AF_INET : AF_INET6;
}

/* Closes `fd` and keeps errno. */
static int failed(int fd)
{
    const int error = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    errno = error;
    return -1;
}

static void buffers_widen(int fd)
{
    const int size = IMPAIR_SOCKET_BUFFER_SIZE;
    /* FORCE goes beyond the system's limit where it is allowed to; less room is a loss that the statistics show. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    }
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    }
}

int impair_socket_listen(const struct nx_addr *addr, int type)
{
    struct impair_socket_address where;
    const int on = 1;
    const int fd = socket(family_of(addr), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    impair_socket_address_of(addr, &where);
    if (fd < 0) {
        return -1;
    }
    if (type == SOCK_STREAM) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    } else {
        buffers_widen(fd);
    }
    if (addr->family == NX_ADDR_FAMILY_IPV6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
    if (bind(fd, (const struct sockaddr *)&where.storage, where.size) != 0 ||
        (type == SOCK_STREAM && listen(fd, IMPAIR_BACKLOG) != 0)) {
        return failed(fd);
    }
    return fd;
}

int impair_socket_connect(const struct nx_addr *addr, int type, bool *is_pending)
{
    struct impair_socket_address where;
    const int fd = socket(family_of(addr), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    impair_socket_address_of(addr, &where);
    if (fd < 0) {
        return -1;
    }
    if (type == SOCK_STREAM) {
        impair_socket_undelayed(fd);
    } else {
        buffers_widen(fd);
    }
    *is_pending = false;
    if (connect(fd, (const struct sockaddr *)&where.storage, where.size) != 0) {
        if (errno != EINPROGRESS) {
            return failed(fd);
        }
        *is_pending = true;
    }
    return fd;
}

void impair_socket_undelayed(int fd)
{
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void impair_socket_reset(int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    (void)close(fd);
}

int impair_socket_error(int fd)
{
    int error = 0;
    socklen_t size = sizeof(error);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

uint32_t impair_socket_drops(int fd)
{
    uint32_t info[MEMINFO_COUNT] = {0};
    socklen_t size = sizeof(info);
    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &size) != 0 || size < sizeof(info)) {
        return 0;
    }
    return info[MEMINFO_DROPS];
}

int impair_socket_listen_unix(const char *path)
{
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    const size_t size = strlen(path);
    if (size == 0 || size >= sizeof(where.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(where.sun_path, path, size + 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    (void)unlink(path);
    if (bind(fd, (const struct sockaddr *)&where, sizeof(where)) != 0 ||
        listen(fd, IMPAIR_CONTROL_CLIENTS_MAX) != 0) {
        return failed(fd);
    }
    return fd;
}
