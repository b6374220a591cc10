#include "tools/impair/proxy.h"

#include "tools/impair/socket.h"
#include "tools/impair/tcp.h"
#include "tools/impair/udp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A command that waits for its time. */
struct waiting {
    struct impair_item item;
    struct impair_command command;
};

enum nx_err impair_proxy_open(struct impair_proxy *proxy, uint64_t seed, uint64_t memory_max, int64_t idle_ns)
{
    *proxy = (struct impair_proxy){.seed = seed, .memory_max = memory_max, .idle_ns = idle_ns};
    nx_list_init(&proxy->starved);
    if (impair_poll_open(&proxy->poll) != NX_OK) {
        return NX_E_IO;
    }
    proxy->items = calloc(IMPAIR_AGENDA_ITEMS_MAX, sizeof(struct impair_item *));
    proxy->scratch = malloc(IMPAIR_READ_SIZE_MAX);
    if (proxy->items == NULL || proxy->scratch == NULL || impair_udp_open(proxy) != NX_OK) {
        free(proxy->items);
        free(proxy->scratch);
        impair_poll_close(&proxy->poll);
        return NX_E_NO_MEMORY;
    }
    impair_agenda_init(&proxy->agenda, proxy->items, IMPAIR_AGENDA_ITEMS_MAX);
    proxy->end.kind = IMPAIR_PROXY_END;
    proxy->start = impair_poll_now();
    return NX_OK;
}

void impair_proxy_close(struct impair_proxy *proxy)
{
    struct impair_item *item;
    impair_udp_flush(proxy);
    /* Packets name their flows, so they go first; flows and connections are freed with their routes. */
    while ((item = impair_agenda_pop(&proxy->agenda, NX_TIME_NEVER)) != NULL) {
        if (item->kind == IMPAIR_PROXY_PARCEL) {
            impair_udp_parcel_drop(proxy, item);
        } else if (item->kind == IMPAIR_PROXY_COMMAND) {
            free(NX_LIST_ITEM(item, struct waiting, item));
        }
    }
    for (uint32_t i = 0; i < proxy->routes_count; i++) {
        struct impair_proxy_route *route = proxy->routes[i];
        if (route->protocol == IMPAIR_SETTING_UDP) {
            impair_udp_route_close(route);
        } else {
            impair_tcp_route_close(route);
        }
        free(route);
    }
    impair_udp_close(proxy);
    impair_poll_close(&proxy->poll);
    free(proxy->items);
    free(proxy->scratch);
}

enum nx_err impair_proxy_route(struct impair_proxy *proxy, enum impair_setting_protocol protocol,
                               const struct nx_addr *listen, const struct nx_addr *target)
{
    struct impair_proxy_route *route = calloc(1, sizeof(*route));
    if (route == NULL || proxy->routes_count == IMPAIR_ROUTES_MAX) {
        free(route);
        return route == NULL ? NX_E_NO_MEMORY : NX_E_FULL;
    }
    route->proxy = proxy;
    route->protocol = protocol;
    route->index = proxy->routes_count;
    route->listen = *listen;
    route->target = *target;
    nx_list_init(&route->list);
    for (uint32_t d = 0; d < IMPAIR_SETTING_DIRECTIONS; d++) {
        impair_setting_init(&route->settings[d]);
    }
    const enum nx_err err =
        protocol == IMPAIR_SETTING_UDP ? impair_udp_route_open(route) : impair_tcp_route_open(route);
    if (err != NX_OK) {
        free(route);
        return err;
    }
    route->listen = impair_socket_local(route->watch.fd);
    proxy->routes[proxy->routes_count++] = route;
    return NX_OK;
}

static void route_command(struct impair_proxy_route *route, const struct impair_command *command, nx_time now)
{
    const bool is_udp = route->protocol == IMPAIR_SETTING_UDP;
    if (command->verb == IMPAIR_COMMAND_REBIND) {
        if (is_udp) {
            impair_udp_rebind(route, command->flow);
        }
        return;
    }
    if (command->verb == IMPAIR_COMMAND_RESET) {
        if (!is_udp) {
            impair_tcp_reset(route, command->flow);
        }
        return;
    }
    for (enum impair_setting_direction d = 0; d < IMPAIR_SETTING_DIRECTIONS; d++) {
        if (impair_command_matches(command, route->protocol, route->index, d)) {
            impair_command_apply(command, &route->settings[d], now);
        }
    }
    if (!is_udp) {
        impair_tcp_wake(route);
    }
}

static enum nx_err command_do(struct impair_proxy *proxy, const struct impair_command *command, nx_time now)
{
    bool is_meant = false;
    switch (command->verb) {
    case IMPAIR_COMMAND_NOTHING:
        return NX_OK;
    case IMPAIR_COMMAND_STATS:
        impair_proxy_stats_print(proxy);
        return NX_OK;
    case IMPAIR_COMMAND_QUIT:
        proxy->is_over = true;
        return NX_OK;
    default:
        break;
    }
    for (uint32_t i = 0; i < proxy->routes_count; i++) {
        struct impair_proxy_route *route = proxy->routes[i];
        if (impair_command_matches(command, route->protocol, i, IMPAIR_SETTING_UP) ||
            impair_command_matches(command, route->protocol, i, IMPAIR_SETTING_DOWN)) {
            route_command(route, command, now);
            is_meant = true;
        }
    }
    return is_meant ? NX_OK : NX_E_NOT_FOUND;
}

enum nx_err impair_proxy_command(struct impair_proxy *proxy, const struct impair_command *command,
                                 nx_time base)
{
    if (!command->has_time) {
        return command_do(proxy, command, impair_poll_now());
    }
    struct waiting *waiting =
        proxy->commands_count < IMPAIR_SCRIPT_LINES_MAX && impair_agenda_has_room(&proxy->agenda)
            ? calloc(1, sizeof(*waiting))
            : NULL;
    if (waiting == NULL) {
        return NX_E_FULL;
    }
    waiting->item.kind = IMPAIR_PROXY_COMMAND;
    waiting->command = *command;
    proxy->commands_count++;
    impair_agenda_set(&proxy->agenda, &waiting->item, nx_time_add_ns(base, command->at_ns));
    return NX_OK;
}

static void command_due(struct impair_proxy *proxy, struct impair_item *item)
{
    struct waiting *waiting = NX_LIST_ITEM(item, struct waiting, item);
    /* The instant it was written for, not the one it is: windows begin and end as the script says. */
    (void)command_do(proxy, &waiting->command, item->due);
    if (waiting->command.every_ns != 0) {
        impair_agenda_set(&proxy->agenda, item, nx_time_add_ns(item->due, waiting->command.every_ns));
        return;
    }
    proxy->commands_count--;
    free(waiting);
}

void impair_proxy_end_at(struct impair_proxy *proxy, nx_time at)
{
    if (impair_agenda_is_set(&proxy->end) || impair_agenda_has_room(&proxy->agenda)) {
        impair_agenda_set(&proxy->agenda, &proxy->end, at);
    }
}

static void item_due(struct impair_proxy *proxy, struct impair_item *item, nx_time now)
{
    switch ((enum impair_proxy_kind)item->kind) {
    case IMPAIR_PROXY_PARCEL:
        impair_udp_parcel_due(proxy, item);
        break;
    case IMPAIR_PROXY_FLOW:
        impair_udp_flow_due(item, now);
        break;
    case IMPAIR_PROXY_STREAM:
        impair_tcp_stream_due(item);
        break;
    case IMPAIR_PROXY_ACCEPT:
        impair_tcp_accept_due(item);
        break;
    case IMPAIR_PROXY_COMMAND:
        command_due(proxy, item);
        break;
    case IMPAIR_PROXY_END:
        proxy->is_over = true;
        break;
    }
}

/* Does what is due at the instant it is called; what becomes due meanwhile waits for the next time. */
static void release(struct impair_proxy *proxy)
{
    const nx_time now = impair_poll_now();
    struct impair_item *item;
    while (!proxy->is_over && (item = impair_agenda_pop(&proxy->agenda, now)) != NULL) {
        item_due(proxy, item, now);
    }
    impair_udp_flush(proxy);
    impair_tcp_feed_starved(proxy);
}

void impair_proxy_run(struct impair_proxy *proxy)
{
    while (!proxy->is_over) {
        impair_poll_wait(&proxy->poll, impair_agenda_deadline(&proxy->agenda));
        for (int events = 0; impair_poll_next(&proxy->poll);) {
            if (++events % IMPAIR_EVENTS_PER_RELEASE == 0) {
                release(proxy);
            }
        }
        release(proxy);
    }
}

void *impair_proxy_take(struct impair_proxy *proxy, size_t size)
{
    void *memory = impair_proxy_has_memory(proxy, size) ? malloc(size) : NULL;
    proxy->memory_used += memory != NULL ? size : 0;
    return memory;
}

void impair_proxy_give(struct impair_proxy *proxy, void *memory, size_t size)
{
    proxy->memory_used -= size;
    free(memory);
}

static void number(struct nx_writer *out, const char *name, uint64_t value)
{
    nx_writer_text(out, ",\"");
    nx_writer_text(out, name);
    nx_writer_text(out, "\":");
    nx_writer_decimal(out, value);
}

static void route_head(const struct impair_proxy_route *route, struct nx_writer *out)
{
    nx_writer_text(out, "{\"route\":");
    nx_writer_decimal(out, route->index);
    nx_writer_text(out, route->protocol == IMPAIR_SETTING_UDP ? ",\"protocol\":\"udp\",\"listen\":\""
                                                              : ",\"protocol\":\"tcp\",\"listen\":\"");
    nx_addr_format(&route->listen, out);
    nx_writer_text(out, "\",\"target\":\"");
    nx_addr_format(&route->target, out);
    nx_writer_text(out, "\"");
}

void impair_proxy_ready_write(const struct impair_proxy *proxy, struct nx_writer *out)
{
    nx_writer_text(out, "{\"ready\":true");
    number(out, "seed", proxy->seed);
    nx_writer_text(out, ",\"routes\":[");
    for (uint32_t i = 0; i < proxy->routes_count; i++) {
        nx_writer_text(out, i == 0 ? "" : ",");
        route_head(proxy->routes[i], out);
        nx_writer_text(out, "}");
    }
    nx_writer_text(out, "]}");
}

void impair_proxy_stats_write(struct impair_proxy *proxy, struct nx_writer *out)
{
    nx_writer_text(out, "{\"seed\":");
    nx_writer_decimal(out, proxy->seed);
    number(out, "elapsed_ms",
           (uint64_t)nx_time_since_ns(impair_poll_now(), proxy->start) / NX_TIME_NS_PER_MS);
    number(out, "memory_bytes", proxy->memory_used);
    number(out, "commands_waiting", proxy->commands_count);
    nx_writer_text(out, ",\"routes\":[");
    for (uint32_t i = 0; i < proxy->routes_count; i++) {
        struct impair_proxy_route *route = proxy->routes[i];
        if (route->protocol == IMPAIR_SETTING_UDP) {
            impair_udp_drops_collect(route);
        }
        nx_writer_text(out, i == 0 ? "" : ",");
        route_head(route, out);
        number(out, "flows", route->flows);
        number(out, "open", route->open);
        number(out, "rebinds", route->rebinds);
        number(out, "resets", route->resets);
        number(out, "refused", route->refused);
        nx_writer_text(out, ",\"up\":");
        impair_tally_write(&route->tallies[IMPAIR_SETTING_UP], out);
        nx_writer_text(out, ",\"down\":");
        impair_tally_write(&route->tallies[IMPAIR_SETTING_DOWN], out);
        nx_writer_text(out, "}");
    }
    nx_writer_text(out, "]}");
}

void impair_proxy_stats_print(struct impair_proxy *proxy)
{
    static char text[IMPAIR_STATS_SIZE_MAX];
    struct nx_writer out = nx_writer_init(text, sizeof(text));
    impair_proxy_stats_write(proxy, &out);
    (void)printf("%.*s\n", (int)out.size, text);
    (void)fflush(stdout);
}
