#include "gatewayd/node/node.h"

#include "engine/crypto/random.h"
#include "engine/io/clock.h"
#include "engine/io/cpu.h"
#include "engine/io/logger.h"
#include "engine/io/shard.h"
#include "engine/io/signal.h"
#include "gatewayd/node/shard.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One line for the operator, before there is a logger or when its thread is not worth waiting for. */
static void say(const struct gw_node_config *config, const char *what, const char *why)
{
    uint8_t line[512];
    struct nx_writer w = nx_writer_init(line, sizeof(line));
    nx_writer_text(&w, "gatewayd: ");
    nx_writer_text(&w, what);
    nx_writer_text(&w, ": ");
    nx_writer_text(&w, why);
    nx_writer_text(&w, "\n");
    (void)!write(config->log_fd, line, w.size);
}

static enum nx_err bind_one(const struct gw_node_config *config, const struct nx_endpoint *where,
                            bool is_shared, int *fd, struct nx_addr *bound)
{
    const enum nx_err err = nx_listener_bind(where, is_shared, fd, bound);
    if (err != NX_OK) {
        say(config, "cannot listen", nx_err_text(err));
    }
    return err;
}

static enum nx_err bind_all(struct gw_node *node)
{
    const struct gw_node_config *config = node->config;
    struct nx_endpoint where = config->listen;
    for (uint32_t i = 0; i < node->shards_count; i++) {
        if (config->listen_fds_count != 0) {
            const int fd = config->listen_fds[i % config->listen_fds_count];
            node->listen_fds[i] = i < config->listen_fds_count ? fd : dup(fd);
            if (node->listen_fds[i] < 0) {
                return NX_E_IO;
            }
            continue;
        }
        struct nx_addr bound;
        const enum nx_err err =
            bind_one(config, &where, node->shards_count > 1, &node->listen_fds[i], &bound);
        if (err != NX_OK) {
            return err;
        }
        where.addr = bound; /* Port 0 was any; the other shards share the one it became. */
        if (i == 0) {
            uint8_t text[NX_ADDR_TEXT_SIZE_MAX + 1] = {0};
            struct nx_writer w = nx_writer_init(text, sizeof(text) - 1);
            nx_addr_format(&bound, &w);
            say(config, "listening", (const char *)text);
        }
    }
    if (config->has_admin && config->admin.kind == NX_ENDPOINT_FD) {
        node->admin_fd = config->admin.fd;
    } else if (config->has_admin) {
        struct nx_addr bound;
        return bind_one(config, &config->admin, false, &node->admin_fd, &bound);
    }
    return NX_OK;
}

static enum nx_err open_tls(struct gw_node *node)
{
    const struct gw_node_config *config = node->config;
    char why[NX_TLS_WHY_SIZE] = "";
    if (config->tls_certificate == NULL) {
        return NX_OK;
    }
    const enum nx_err err = nx_tls_context_open(&node->tls, config->tls_certificate, config->tls_key, why);
    if (err != NX_OK) {
        say(config, "certificate", why);
    }
    return err;
}

static void wait_for_the_end(struct gw_node *node)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    for (;;) {
        int number = 0;
        if (sigwait(&set, &number) != 0) {
            continue;
        }
        if (number != SIGHUP) {
            return;
        }
        if (node->tls != NULL) {
            char why[NX_TLS_WHY_SIZE] = "";
            const bool is_loaded = nx_tls_context_reload(node->tls, why) == NX_OK;
            say(node->config, "certificate", is_loaded ? "loaded again" : why);
        }
    }
}

static enum nx_err run_shards(struct gw_node *node)
{
    const struct gw_node_config *config = node->config;
    struct nx_shard_set *set;
    char why[NX_LOOP_WHY_SIZE] = "";
    const struct nx_shard_config shards = {
        .count = node->shards_count,
        .is_pinned = config->is_pinned,
        .name = node->is_echo ? "echo" : "gateway",
        .loop = {.streams_max = config->sessions_max + config->sessions_max / 16 + 64,
                 .features = config->has_kernel_6_1_only ? NX_LOOP_FEATURES_6_1 : NX_LOOP_FEATURES_ALL},
        .context = node,
        .on_start = gw_shard_start,
        .on_stop = gw_shard_stop,
        .on_end = gw_shard_end};
    const enum nx_err err = nx_shard_open(&set, &shards, why);
    if (err != NX_OK) {
        say(config, "cannot start", why[0] != '\0' ? why : nx_err_text(err));
        return err;
    }
    if (config->ready_fd >= 0) {
        (void)!write(config->ready_fd, "1", 1);
    }
    wait_for_the_end(node);
    nx_shard_stop(set);
    nx_shard_close(set);
    return NX_OK;
}

enum nx_err gw_node_run_as(const struct gw_node_config *config, bool is_echo)
{
    struct gw_node node = {.config = config,
                           .admin_fd = -1,
                           .started_ms = nx_clock_wall_ms(),
                           .is_echo = is_echo,
                           .shards_count = config->shards != 0 ? config->shards : nx_cpu_count()};
    nx_signal_block();
    node.shards = calloc(node.shards_count, sizeof(*node.shards));
    node.listen_fds = calloc(node.shards_count, sizeof(*node.listen_fds));
    enum nx_err err = node.shards == NULL || node.listen_fds == NULL ? NX_E_NO_MEMORY : NX_OK;
    if (err == NX_OK) {
        err = nx_random_fill(&node.boot, sizeof(node.boot));
    }
    if (err == NX_OK) {
        err = nx_logger_open(&node.logger, config->log_fd);
    }
    if (err == NX_OK) {
        err = open_tls(&node);
    }
    if (err == NX_OK) {
        err = bind_all(&node);
    }
    if (err == NX_OK) {
        err = run_shards(&node);
    }
    if (node.tls != NULL) {
        nx_tls_context_close(node.tls);
    }
    if (node.logger != NULL) {
        nx_logger_close(node.logger);
    }
    free(node.shards);
    free(node.listen_fds);
    return err;
}

enum nx_err gw_node_run(const struct gw_node_config *config)
{
    return gw_node_run_as(config, false);
}
