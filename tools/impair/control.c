#include "tools/impair/control.h"

#include "tools/impair/socket.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static void client_close(struct impair_control_client *client)
{
    impair_poll_remove(&client->control->proxy->poll, &client->watch);
    (void)close(client->watch.fd);
    client->watch.fd = -1;
    client->size = 0;
}

/* Returns false, the client gone, when it has no room for the answer. */
static bool answer(struct impair_control_client *client, struct nx_bytes text)
{
    if (send(client->watch.fd, text.at, text.size, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)text.size) {
        client_close(client);
        return false;
    }
    return true;
}

static bool stats_answer(struct impair_control_client *client)
{
    static uint8_t text[IMPAIR_STATS_SIZE_MAX];
    struct nx_writer out = nx_writer_init(text, sizeof(text));
    nx_writer_text(&out, "ok ");
    impair_proxy_stats_write(client->control->proxy, &out);
    nx_writer_text(&out, "\n");
    return answer(client, nx_writer_bytes(&out));
}

static bool line_do(struct impair_control_client *client, struct nx_bytes line)
{
    struct impair_proxy *proxy = client->control->proxy;
    struct impair_command command;
    const char *why = NULL;
    char text[128];
    if (impair_command_parse(line, &command, &why) == NX_OK) {
        if (command.verb == IMPAIR_COMMAND_STATS && !command.has_time) {
            return stats_answer(client);
        }
        switch (impair_proxy_command(proxy, &command, impair_poll_now())) {
        case NX_OK:
            return answer(client, nx_bytes_text("ok\n"));
        case NX_E_NOT_FOUND:
            why = "there is no such route";
            break;
        default:
            why = "too many commands wait";
            break;
        }
    }
    (void)snprintf(text, sizeof(text), "error %s\n", why);
    return answer(client, nx_bytes_text(text));
}

/* Does the whole lines there are; false when the client is gone. */
static bool lines_do(struct impair_control_client *client)
{
    uint8_t *feed;
    while ((feed = memchr(client->line, '\n', client->size)) != NULL) {
        const size_t size = (size_t)(feed - client->line);
        if (!line_do(client, nx_bytes_of(client->line, size))) {
            return false;
        }
        client->size -= size + 1;
        memmove(client->line, feed + 1, client->size);
    }
    return true;
}

static void on_client_ready(struct impair_poll_watch *watch, uint32_t events)
{
    struct impair_control_client *client = NX_LIST_ITEM(watch, struct impair_control_client, watch);
    (void)events;
    const ssize_t size =
        recv(watch->fd, client->line + client->size, sizeof(client->line) - client->size, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (size <= 0) {
        client_close(client);
        return;
    }
    client->size += (size_t)size;
    if (lines_do(client) && client->size == sizeof(client->line)) {
        (void)answer(client, nx_bytes_text("error the line is too long\n"));
        if (client->watch.fd >= 0) {
            client_close(client);
        }
    }
}

static void on_listen_ready(struct impair_poll_watch *watch, uint32_t events)
{
    struct impair_control *control = NX_LIST_ITEM(watch, struct impair_control, watch);
    const int size = IMPAIR_STATS_SIZE_MAX * 2;
    const int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    (void)events;
    if (fd < 0) {
        return;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    for (size_t i = 0; i < IMPAIR_CONTROL_CLIENTS_MAX; i++) {
        struct impair_control_client *client = &control->clients[i];
        if (client->watch.fd < 0) {
            client->watch.fd = fd;
            impair_poll_set(&control->proxy->poll, &client->watch, EPOLLIN);
            return;
        }
    }
    (void)close(fd);
}

enum nx_err impair_control_open(struct impair_control *control, struct impair_proxy *proxy, const char *path)
{
    *control = (struct impair_control){.proxy = proxy, .path = path};
    for (size_t i = 0; i < IMPAIR_CONTROL_CLIENTS_MAX; i++) {
        control->clients[i].watch.fd = -1;
        control->clients[i].watch.on_ready = on_client_ready;
        control->clients[i].control = control;
    }
    control->watch.on_ready = on_listen_ready;
    control->watch.fd = impair_socket_listen_unix(path);
    if (control->watch.fd < 0) {
        return NX_E_IO;
    }
    impair_poll_set(&proxy->poll, &control->watch, EPOLLIN);
    return NX_OK;
}

void impair_control_close(struct impair_control *control)
{
    for (size_t i = 0; i < IMPAIR_CONTROL_CLIENTS_MAX; i++) {
        if (control->clients[i].watch.fd >= 0) {
            client_close(&control->clients[i]);
        }
    }
    impair_poll_remove(&control->proxy->poll, &control->watch);
    (void)close(control->watch.fd);
    (void)unlink(control->path);
}
