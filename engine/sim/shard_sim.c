#include "engine/io/shard.h"

#include "engine/base/assert.h"
#include "engine/io/limits.h"
#include "engine/io/mem.h"
#include "engine/sim/state.h"

struct shard {
    struct nx_shard_set *set;
    struct nx_loop *loop;
    void *state;
};

struct nx_shard_set {
    struct nx_shard_config config;
    struct nx_host *host;
    uint32_t count;
    struct shard shards[];
};

static void set_end(struct nx_shard_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->config.on_end != NULL) {
            set->config.on_end(set->shards[i].state);
        }
        nx_loop_close(set->shards[i].loop);
    }
    nx_mem_give(set);
}

enum nx_err nx_shard_open(struct nx_shard_set **out, const struct nx_shard_config *config,
                          char why[NX_LOOP_WHY_SIZE])
{
    const uint32_t wanted = config->count != 0 ? config->count : 1;
    NX_ASSERT(wanted <= NX_SHARD_COUNT_MAX);
    struct nx_shard_set *set = nx_mem_take(sizeof(*set) + wanted * sizeof(set->shards[0]));
    if (set == NULL) {
        return NX_E_NO_MEMORY;
    }
    set->config = *config;
    set->host = nx_host_current();
    while (set->count < wanted) {
        struct shard *shard = &set->shards[set->count];
        shard->set = set;
        enum nx_err err = nx_loop_open(&shard->loop, &config->loop, why);
        if (err == NX_OK) {
            err = config->on_start(config->context, set->count, shard->loop, &shard->state);
            if (err != NX_OK) {
                nx_loop_close(shard->loop);
            }
        }
        if (err != NX_OK) {
            set_end(set);
            return err;
        }
        set->count++;
    }
    *out = set;
    return NX_OK;
}

uint32_t nx_shard_count(const struct nx_shard_set *set)
{
    return set->count;
}

static void stop_asked(struct nx_sim *sim, const struct nx_sim_event *event)
{
    /* The set lives as long as its loops do. */
    if (nx_sim_place_of(sim, event->id, event->generation) == NULL) {
        return;
    }
    struct shard *shard = event->pointer;
    struct nx_host *before = nx_host_enter(shard->set->host);
    if (shard->set->config.on_stop != NULL) {
        shard->set->config.on_stop(shard->state);
    } else {
        nx_loop_stop(shard->loop);
    }
    (void)nx_host_enter(before);
}

void nx_shard_stop(struct nx_shard_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        struct nx_loop *loop = set->shards[i].loop;
        const struct nx_sim_event event = {.at_ns = loop->sim->now_ns,
                                           .run = stop_asked,
                                           .id = loop->id,
                                           .generation = loop->generation,
                                           .pointer = &set->shards[i]};
        nx_sim_add(loop->sim, &event);
    }
}

void nx_shard_close(struct nx_shard_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        while (!set->shards[i].loop->is_stopping) {
            nx_loop_turn(set->shards[i].loop, NX_TIME_NEVER);
        }
    }
    set_end(set);
}
