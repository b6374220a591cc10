/* options.h - the command line of the long-running roles (serve, gatewayd, control) on top of the settings.
 *
 * Layer:   nexus
 * Threads: before start
 * Idiom:   nexus_options_read() prints its own error lines and gives the exit code.
 */
#ifndef NEXUS_OPTIONS_H
#define NEXUS_OPTIONS_H

#include "nexus/settings.h"

#include <stdbool.h>

enum {
    NEXUS_EXIT_HELP = -1, /**< help was asked for and given: the role ends well */
    NEXUS_SHARDS_MAX = 256,
    NEXUS_PATH_MAX = 512,
    NEXUS_EXIT_USAGE = 64,       /**< sysexits: the command line is wrong */
    NEXUS_EXIT_UNAVAILABLE = 69, /**< something it needs is not there: kernel, port, disk */
    NEXUS_EXIT_CONFIG = 78       /**< a setting is wrong */
};

/** What a role was asked to do. */
struct nexus_options {
    struct nexus_settings settings;
    char data[NEXUS_PATH_MAX];        /**< data directory */
    char config[NEXUS_PATH_MAX];      /**< nexus.toml; by default in the data directory */
    char bus[NEXUS_PATH_MAX];         /**< Unix socket between gatewayd and control */
    char echo[64];                    /**< gatewayd --echo ADDR:PORT, else empty */
    int listen_fds[NEXUS_SHARDS_MAX]; /**< inherited listening sockets */
    uint32_t listen_fds_count;
    int admin_fd; /**< inherited; -1 none */
    int bus_fd;   /**< inherited; -1 none */
    int ready_fd; /**< a byte is written here when the role serves; -1 none */
};

/**
 * Reads defaults, nexus.toml, environment and `arguments` (`count` of them, after the role's name).
 * Returns 0, or an exit code after a clear line on standard error; NEXUS_EXIT_HELP after --help.
 */
int nexus_options_read(struct nexus_options *options, const char *role, int count, char **arguments);

#endif
