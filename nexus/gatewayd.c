#include "nexus/gatewayd.h"

#include "gatewayd/node/echo.h"
#include "gatewayd/node/node.h"

#include <stdio.h>
#include <string.h>

static enum nx_log_level level_of(const char *text)
{
    if (strcmp(text, "debug") == 0) {
        return NX_LOG_LEVEL_DEBUG;
    }
    if (strcmp(text, "warn") == 0) {
        return NX_LOG_LEVEL_WARN;
    }
    return strcmp(text, "error") == 0 ? NX_LOG_LEVEL_ERROR : NX_LOG_LEVEL_INFO;
}

/* Inherited sockets win over addresses: they are what the supervisor announced. */
static int sockets_fill(const struct nexus_options *options, struct gw_node_config *out)
{
    const struct nexus_settings *s = &options->settings;
    out->listen.kind = NX_ENDPOINT_ADDR;
    if (nx_addr_parse(nx_bytes_text(s->server_listen.text), &out->listen.addr) != NX_OK) {
        return NEXUS_EXIT_CONFIG;
    }
    if (options->listen_fds_count != 0) {
        out->listen_fds = options->listen_fds;
        out->listen_fds_count = options->listen_fds_count;
    }
    if (options->admin_fd >= 0) {
        out->admin = (struct nx_endpoint){.kind = NX_ENDPOINT_FD, .fd = options->admin_fd};
        out->has_admin = true;
    } else if (s->server_admin.text[0] != '\0') {
        out->admin.kind = NX_ENDPOINT_ADDR;
        out->has_admin = nx_addr_parse(nx_bytes_text(s->server_admin.text), &out->admin.addr) == NX_OK;
    }
    out->bus.kind = NX_ENDPOINT_UNIX;
    if (strlen(options->bus) >= sizeof(out->bus.path)) {
        fprintf(stderr, "nexus gatewayd: the path of the bus socket is longer than %zu bytes: %s\n",
                sizeof(out->bus.path) - 1, options->bus);
        return NEXUS_EXIT_CONFIG;
    }
    memcpy(out->bus.path, options->bus, strlen(options->bus) + 1);
    return 0;
}

static int exit_code(enum nx_err err)
{
    return err == NX_OK ? 0 : err == NX_E_MALFORMED ? NEXUS_EXIT_CONFIG : NEXUS_EXIT_UNAVAILABLE;
}

static int echo(const char *text)
{
    struct nx_endpoint where = {.kind = NX_ENDPOINT_ADDR};
    if (nx_addr_parse(nx_bytes_text(text), &where.addr) != NX_OK) {
        fprintf(stderr, "nexus gatewayd: --echo needs ADDRESS:PORT\n");
        return NEXUS_EXIT_USAGE;
    }
    return exit_code(gw_echo_run(&where, 2));
}

int nexus_gatewayd_run(const struct nexus_options *options)
{
    const struct nexus_settings *s = &options->settings;
    struct gw_node_config config;
    if (options->echo[0] != '\0') {
        return echo(options->echo);
    }
    gw_config_init(&config);
    const int code = sockets_fill(options, &config);
    if (code != 0) {
        return code;
    }
    if (gw_config_proxies(&config, nx_bytes_text(s->server_trusted_proxies.text)) != NX_OK) {
        fprintf(stderr, "nexus gatewayd: trusted_proxies must be addresses or networks, comma separated\n");
        return NEXUS_EXIT_CONFIG;
    }
    if (s->tls_cert.text[0] != '\0') {
        config.tls_certificate = s->tls_cert.text;
        config.tls_key = s->tls_key.text;
    }
    config.public_url = s->server_public_url.text;
    config.shards = (uint32_t)s->server_shards.number;
    config.node = (uint16_t)s->server_node.number;
    config.has_rate_limits = s->limits_rate_limits.number != 0;
    config.resume_s = (uint32_t)(s->limits_resume_window.number / NX_TIME_NS_PER_S);
    config.framelog_size = (uint64_t)s->limits_event_log.number;
    config.sessions_max = (uint32_t)s->limits_sessions.number;
    config.drain_s = (uint32_t)(s->server_drain.number / NX_TIME_NS_PER_S);
    config.has_kernel_6_1_only = s->server_kernel_6_1.number != 0;
    config.log_level = level_of(s->log_level.text);
    config.log_fd = 2;
    config.ready_fd = options->ready_fd;
    return exit_code(gw_node_run(&config));
}
