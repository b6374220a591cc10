#include "control/node/node.h"

#include "control/node/admin.h"
#include "control/node/bus_server.h"
#include "control/node/effects.h"
#include "control/node/keys.h"
#include "control/node/rest_link.h"
#include "engine/crypto/random.h"
#include "engine/io/cpu.h"
#include "engine/io/signal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    EXIT_UNAVAILABLE = 69,
    CLOSE_WAIT_MS = 3000,
    STREAMS_MAX = 4 * CTL_LINKS_MAX,
    STREAMS_BUFFERS = 256,
    STREAMS_BUFFER_SIZE = 16384
};

static void *memory_take(void *context, size_t size)
{
    (void)context;
    return malloc(size);
}

static void memory_give(void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    free(memory);
}

/* ---- start: rows into the directory ---- */

struct loading {
    struct ctl_directory *directory;
    enum nx_err err;
    uint64_t orphans; /* rows whose owner is gone: left out, counted */
    uint64_t excess;  /* rows beyond a limit: one guild must not keep all others from being served */
};

#define LOAD(name)                                                                                           \
    static void load_##name(void *context, const struct ctl_##name##_row *row)                               \
    {                                                                                                        \
        struct loading *loading = context;                                                                   \
        const enum nx_err err = ctl_directory_load_##name(loading->directory, row);                          \
        if (err == NX_E_NOT_FOUND) {                                                                         \
            loading->orphans++;                                                                              \
        } else if (err == NX_E_FULL) {                                                                       \
            loading->excess++;                                                                               \
        } else if (err != NX_OK) {                                                                           \
            loading->err = err;                                                                              \
        }                                                                                                    \
    }

LOAD(user)
LOAD(guild)
LOAD(role)
LOAD(channel)
LOAD(overwrite)
LOAD(member)

static enum nx_err directory_load(struct ctld_node *node)
{
    struct loading loading = {.directory = &node->world.directory, .err = NX_OK};
    const struct store_loader loader = {
        .context = &loading,
        .user = load_user,
        .guild = load_guild,
        .role = load_role,
        .channel = load_channel,
        .overwrite = load_overwrite,
        .member = load_member,
    };
    const enum nx_err err = store_load(node->store, &loader);
    if (loading.orphans != 0) {
        fprintf(stderr, "control.rows_without_owner count=%llu\n", (unsigned long long)loading.orphans);
    }
    if (loading.excess != 0) {
        fprintf(stderr, "control.rows_beyond_limit count=%llu\n", (unsigned long long)loading.excess);
    }
    return err != NX_OK ? err : loading.err;
}

/* ---- open and close ---- */

static enum nx_err world_open(struct ctld_node *node, char why[CTLD_WHY_SIZE])
{
    const struct ctld_config *config = node->config;
    struct ctl_world_config world = {
        .memory = {.take = memory_take, .give = memory_give},
        .sink = ctld_effects_sink(node),
        .settings =
            {
                .name = nx_bytes_text("Nexus"),
                .version = nx_bytes_text(config->version),
                .gateway_url = nx_bytes_text(""),
                .is_loopback = config->is_loopback,
                .has_rate_limits = config->has_rate_limits,
                .has_registration = true,
            },
        .ring = &node->ring,
        .node = config->node,
    };
    enum nx_err err = nx_random_fill(&world.seed, sizeof(world.seed));
    if (err == NX_OK) {
        err = ctl_world_init(&node->world, &world);
    }
    if (err == NX_OK) {
        err = ctl_gateway_init(&node->gateway, &node->world);
    }
    if (err != NX_OK) {
        snprintf(why, CTLD_WHY_SIZE, "the directory cannot be made: %s", nx_err_text(err));
        return err;
    }
    err = directory_load(node);
    if (err != NX_OK) {
        snprintf(why, CTLD_WHY_SIZE, "the database cannot be read: %s", nx_err_text(err));
    }
    return err;
}

/** The database was changed behind what the directory holds: only starting anew makes them the same again. */
static void on_stale(void *context)
{
    struct ctld_node *node = context;
    fprintf(stderr, "control.starts_anew why=memory_is_stale\n");
    nx_loop_stop(node->loop);
}

static enum nx_err store_and_workers_open(struct ctld_node *node, char why[CTLD_WHY_SIZE])
{
    const struct ctld_config *config = node->config;
    char store_why[STORE_WHY_SIZE] = "";
    const struct store_config store = {
        .url = config->store_url,
        .loop = node->loop,
        .node = config->node,
        .commit_window_us = config->commit_window_us,
        .on_stale = on_stale,
        .stale_context = node,
    };
    enum nx_err err = store_open(&node->store, &store, store_why);
    if (err != NX_OK) {
        snprintf(why, CTLD_WHY_SIZE, "%s", store_why);
        return err;
    }
    const struct nx_worker_config passwords = {
        .name = "password",
        .threads = nx_cpu_count(),
        .queue_max = CTLD_PASSWORD_QUEUE_MAX,
        .sim_delay_us = 31000,
    };
    err = nx_worker_open(&node->passwords, node->loop, &passwords);
    if (err != NX_OK) {
        snprintf(why, CTLD_WHY_SIZE, "the password workers cannot be started: %s", nx_err_text(err));
    }
    return err;
}

enum nx_err ctld_node_open(struct ctld_node **out, struct nx_loop *loop, const struct ctld_config *config,
                           char why[CTLD_WHY_SIZE])
{
    struct ctld_node *node = calloc(1, sizeof(*node));
    if (node == NULL) {
        snprintf(why, CTLD_WHY_SIZE, "out of memory");
        return NX_E_NO_MEMORY;
    }
    node->loop = loop;
    node->config = config;
    nx_list_init(&node->requests);
    nx_list_init(&node->conns);
    nx_list_init(&node->admins);
    enum nx_err err = nx_random_fill(&node->boot, sizeof(node->boot));
    if (err == NX_OK) {
        err = ctld_keys_load(config->data, &node->ring);
    }
    if (err != NX_OK) {
        snprintf(why, CTLD_WHY_SIZE, "the keys in %s/token.keys cannot be used: %s", config->data,
                 nx_err_text(err));
        free(node);
        return err;
    }
    err = store_and_workers_open(node, why);
    if (err == NX_OK) {
        err = world_open(node, why);
    }
    if (err == NX_OK) {
        err = ctld_bus_server_open(node);
        if (err != NX_OK) {
            snprintf(why, CTLD_WHY_SIZE, "the bus socket cannot be listened on: %s", nx_err_text(err));
        }
    }
    if (err != NX_OK) {
        /* The process ends with this error; what is open goes with it. Only the store must be closed in order. */
        if (node->store != NULL) {
            store_close(node->store);
        }
        return err;
    }
    *out = node;
    return NX_OK;
}

void ctld_node_close(struct ctld_node *node)
{
    node->is_closing = true;
    ctld_bus_server_close(node);
    const nx_time end = nx_time_add_ms(nx_loop_now(node->loop), CLOSE_WAIT_MS);
    while ((node->busy_count != 0 || !nx_list_is_empty(&node->conns)) &&
           nx_time_before(nx_loop_now(node->loop), end)) {
        nx_loop_turn(node->loop, end);
    }
    /* The workers end first, a backup among them reads the store. What waited for them is dropped; what the store still
     * answers may ask for a worker again and is refused. Then nobody has any of the requests. */
    nx_worker_close(node->passwords);
    node->passwords = NULL;
    store_close(node->store);
    ctld_rest_link_fini(node);
    ctld_admin_fini(node);
    ctld_effects_fini(node);
    ctl_gateway_fini(&node->gateway);
    ctl_world_fini(&node->world);
    nx_token_ring_fini(&node->ring);
    free(node);
}

/* ---- the process ---- */

static void on_signal(void *context, int number)
{
    struct nx_loop *loop = context;
    if (number == SIGTERM || number == SIGINT) {
        nx_loop_stop(loop);
    }
}

int ctld_node_run(const struct ctld_config *config)
{
    struct nx_loop *loop = NULL;
    struct ctld_node *node = NULL;
    struct nx_signal signals = {.loop = NULL};
    char loop_why[NX_LOOP_WHY_SIZE] = "";
    char why[CTLD_WHY_SIZE] = "";
    const struct nx_loop_config loop_config = {
        .streams_max = STREAMS_MAX,
        .receive_buffers_count = STREAMS_BUFFERS,
        .receive_buffer_size = STREAMS_BUFFER_SIZE,
        .slab_size = 16 * NX_STREAM_RESERVE_MAX,
        .features = config->has_kernel_6_1_only ? NX_LOOP_FEATURES_6_1 : NX_LOOP_FEATURES_ALL,
        .cpu = -1,
    };
    nx_signal_block();
    if (nx_loop_open(&loop, &loop_config, loop_why) != NX_OK) {
        fprintf(stderr, "nexus control: %s\n", loop_why);
        return EXIT_UNAVAILABLE;
    }
    if (ctld_node_open(&node, loop, config, why) != NX_OK) {
        fprintf(stderr, "nexus control: %s\n", why);
        return EXIT_UNAVAILABLE;
    }
    if (nx_signal_open(loop, &signals, on_signal, loop) != NX_OK) {
        fprintf(stderr, "nexus control: signals cannot be watched\n");
        return EXIT_UNAVAILABLE;
    }
    if (config->ready_fd >= 0) {
        (void)!write(config->ready_fd, "r", 1);
        close(config->ready_fd);
    }
    nx_loop_run(loop);
    nx_signal_close(&signals);
    ctld_node_close(node);
    nx_loop_close(loop);
    return 0;
}
