#include "nexus/control.h"

#include "control/node/node.h"
#include "engine/base/addr.h"

#include <stdio.h>
#include <string.h>

int nexus_control_config(const struct nexus_options *options, char *url, size_t url_room,
                         struct ctld_config *out)
{
    const struct nexus_settings *s = &options->settings;
    struct nx_addr listen;
    if (s->database_url.text[0] != '\0') {
        snprintf(url, url_room, "%s", s->database_url.text);
    } else {
        snprintf(url, url_room, "sqlite:%s/nexus.db", options->data);
    }
    *out = (struct ctld_config){
        .data = options->data,
        .store_url = url,
        .public_url = s->server_public_url.text,
        .version = NEXUS_VERSION,
        .commit_window_us = (uint32_t)(s->database_commit_window.number / 1000),
        .node = (uint16_t)s->server_node.number,
        .ready_fd = options->ready_fd,
        .has_rate_limits = s->limits_rate_limits.number != 0,
        .is_loopback = nx_addr_parse(nx_bytes_text(s->server_listen.text), &listen) == NX_OK &&
                       nx_addr_is_loopback(&listen),
        .has_kernel_6_1_only = s->server_kernel_6_1.number != 0,
    };
    if (options->bus_fd >= 0) {
        out->bus = (struct nx_endpoint){.kind = NX_ENDPOINT_FD, .fd = options->bus_fd};
        return 0;
    }
    out->bus = (struct nx_endpoint){.kind = NX_ENDPOINT_UNIX};
    if (strlen(options->bus) >= sizeof(out->bus.path)) {
        fprintf(stderr, "nexus: the path of the bus socket is longer than %zu bytes: %s\n",
                sizeof(out->bus.path) - 1, options->bus);
        return NEXUS_EXIT_CONFIG;
    }
    memcpy(out->bus.path, options->bus, strlen(options->bus) + 1);
    return 0;
}

int nexus_control_run(const struct nexus_options *options)
{
    struct ctld_config config;
    char url[NEXUS_PATH_MAX + 16];
    const int code = nexus_control_config(options, url, sizeof(url), &config);
    return code != 0 ? code : ctld_node_run(&config);
}
