#include "control/core/world.h"

#include "control/core/doubt.h"

enum nx_err ctl_world_init(struct ctl_world *world, const struct ctl_world_config *config)
{
    *world = (struct ctl_world){.memory = config->memory,
                                .sink = config->sink,
                                .settings = config->settings,
                                .ring = config->ring,
                                .seed = config->seed};
    ctl_kept_init(&world->kept);
    ctl_directory_init(&world->directory, config->memory, config->seed);
    nx_id_init(&world->mint, config->node, config->last_id);
    world->sessions = ctl_memory_take(&world->memory, sizeof(*world->sessions));
    world->tail = world->memory.take(world->memory.context, CTL_TAIL_SIZE_MAX);
    if (world->sessions == NULL || world->tail == NULL ||
        ctl_login_init(&world->logins, &world->memory, config->seed) != NX_OK ||
        ctl_quota_init(&world->quotas, &world->memory, config->seed) != NX_OK) {
        ctl_world_fini(world);
        return NX_E_NO_MEMORY;
    }
    return NX_OK;
}

void ctl_world_fini(struct ctl_world *world)
{
    if (world->sessions != NULL) {
        for (uint32_t link = 0; link < CTL_LINKS_MAX; link++) {
            struct ctl_table *sessions = &world->sessions->links[link].sessions;
            while (sessions->count != 0) {
                ctl_session_registry_remove(world->sessions, &world->directory,
                                            sessions->entries[sessions->count - 1].item);
            }
            ctl_table_fini(sessions, &world->memory);
        }
    }
    ctl_doubt_fini(world);
    ctl_kept_fini(&world->kept, &world->memory);
    ctl_table_fini(&world->busy, &world->memory);
    ctl_directory_fini(&world->directory);
    ctl_login_fini(&world->logins, &world->memory);
    ctl_quota_fini(&world->quotas, &world->memory);
    ctl_memory_give(&world->memory, world->sessions, sizeof(*world->sessions));
    ctl_memory_give(&world->memory, world->tail, CTL_TAIL_SIZE_MAX);
    world->sessions = NULL;
    world->tail = NULL;
}

uint64_t ctl_world_id(struct ctl_world *world, int64_t wall_ms)
{
    return nx_id_next(&world->mint, wall_ms);
}

bool ctl_world_lock(struct ctl_world *world, uint64_t id)
{
    return ctl_table_get(&world->busy, id) == NULL &&
           ctl_table_put(&world->busy, &world->memory, world->seed, id, world) == NX_OK;
}

void ctl_world_unlock(struct ctl_world *world, uint64_t id)
{
    ctl_table_remove(&world->busy, id);
}
