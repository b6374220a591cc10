#include "nexus/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(const char *role)
{
    printf("usage: nexus %s [options]\n\n  --data %-10s data directory [./data]\n  --config %-8s settings "
           "file [DATA/nexus.toml]\n"
           "  --bus %-11s Unix socket between gatewayd and control [DATA/bus.sock]\n"
           "  --no-rate-limit  for load tests; only while listening on loopback\n",
           role, "DIR", "FILE", "PATH");
    if (strcmp(role, "gatewayd") == 0) {
        printf("  --echo ADDR:PORT serve nothing but a WebSocket echo (conformance suites)\n");
    }
    nexus_settings_help();
    return NEXUS_EXIT_HELP;
}

static bool text_set(char *out, size_t room, const char *value)
{
    const size_t size = strlen(value);
    if (size >= room) {
        return false;
    }
    memcpy(out, value, size + 1);
    return true;
}

static bool fds_set(struct nexus_options *options, const char *value)
{
    options->listen_fds_count = 0;
    while (*value != '\0') {
        char *end = NULL;
        const long fd = strtol(value, &end, 10);
        if (end == value || fd < 3 || fd > 65535 || options->listen_fds_count == NEXUS_SHARDS_MAX) {
            return false;
        }
        options->listen_fds[options->listen_fds_count++] = (int)fd;
        value = *end == ',' ? end + 1 : end;
        if (*end != ',' && *end != '\0') {
            return false;
        }
    }
    return options->listen_fds_count != 0;
}

static bool fd_set_one(int *out, const char *value)
{
    char *end = NULL;
    const long fd = strtol(value, &end, 10);
    *out = (int)fd;
    return end != value && *end == '\0' && fd >= 3 && fd <= 65535;
}

/* Options that are no settings: 1 taken, 0 not one of these, -1 the value is wrong. */
static int own_option(struct nexus_options *options, const char *name, const char *value)
{
    bool ok;
    if (strcmp(name, "data") == 0) {
        ok = text_set(options->data, sizeof(options->data), value);
    } else if (strcmp(name, "config") == 0) {
        ok = text_set(options->config, sizeof(options->config), value);
    } else if (strcmp(name, "bus") == 0) {
        ok = text_set(options->bus, sizeof(options->bus), value);
    } else if (strcmp(name, "echo") == 0) {
        ok = text_set(options->echo, sizeof(options->echo), value);
    } else if (strcmp(name, "listen-fds") == 0) {
        ok = fds_set(options, value);
    } else if (strcmp(name, "admin-fd") == 0) {
        ok = fd_set_one(&options->admin_fd, value);
    } else if (strcmp(name, "bus-fd") == 0) {
        ok = fd_set_one(&options->bus_fd, value);
    } else if (strcmp(name, "ready-fd") == 0) {
        ok = fd_set_one(&options->ready_fd, value);
    } else {
        return 0;
    }
    return ok ? 1 : -1;
}

/* Two passes: the data directory and the file must be known before the options that override the file. */
static int arguments_read(struct nexus_options *options, const char *role, int count, char **arguments,
                          bool is_first)
{
    char why[NEXUS_SETTINGS_WHY_SIZE];
    for (int i = 0; i < count; i++) {
        const char *name = arguments[i];
        if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
            return usage(role);
        }
        if (strcmp(name, "--no-rate-limit") == 0) {
            options->settings.limits_rate_limits.number = 0;
            options->settings.limits_rate_limits.origin = NEXUS_SETTING_OPTION;
            continue;
        }
        if (strncmp(name, "--", 2) != 0) {
            fprintf(stderr, "nexus %s: what is \"%s\"? Try --help.\n", role, name);
            return NEXUS_EXIT_USAGE;
        }
        if (i + 1 == count) {
            fprintf(stderr, "nexus %s: %s needs a value.\n", role, name);
            return NEXUS_EXIT_USAGE;
        }
        const char *value = arguments[++i];
        const int own = own_option(options, name + 2, value);
        if (own < 0) {
            fprintf(stderr, "nexus %s: %s cannot be \"%s\".\n", role, name, value);
            return NEXUS_EXIT_USAGE;
        }
        if (own == 0 && !is_first &&
            nexus_settings_option(&options->settings, name + 2, value, why) != NX_OK) {
            fprintf(stderr, "nexus %s: %s. Try --help.\n", role, why);
            return NEXUS_EXIT_USAGE;
        }
    }
    return 0;
}

int nexus_options_read(struct nexus_options *options, const char *role, int count, char **arguments)
{
    char why[NEXUS_SETTINGS_WHY_SIZE];
    memset(options, 0, sizeof(*options));
    options->admin_fd = options->bus_fd = options->ready_fd = -1;
    nexus_settings_init(&options->settings);
    text_set(options->data, sizeof(options->data), "./data");
    int code = arguments_read(options, role, count, arguments, true);
    if (code != 0) {
        return code;
    }
    const bool is_named = options->config[0] != '\0';
    if (!is_named) {
        snprintf(options->config, sizeof(options->config), "%.480s/nexus.toml", options->data);
    }
    if (options->bus[0] == '\0') {
        snprintf(options->bus, sizeof(options->bus), "%.480s/bus.sock", options->data);
    }
    const enum nx_err err = nexus_settings_file(&options->settings, options->config, why);
    if (err != NX_OK && (is_named || err != NX_E_NOT_FOUND)) {
        fprintf(stderr, "nexus %s: %s\n", role, why);
        return NEXUS_EXIT_CONFIG;
    }
    if (nexus_settings_environment(&options->settings, why) != NX_OK) {
        fprintf(stderr, "nexus %s: %s\n", role, why);
        return NEXUS_EXIT_CONFIG;
    }
    code = arguments_read(options, role, count, arguments, false);
    if (code == 0 && nexus_settings_check(&options->settings, why) != NX_OK) {
        fprintf(stderr, "nexus %s: %s\n", role, why);
        return NEXUS_EXIT_CONFIG;
    }
    return code;
}
