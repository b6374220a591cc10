/* world.h - everything that control decides with, in one place: made once by the node, passed to api and gateway.
 *
 * Layer:   control/core (pure)
 * Threads: the loop's
 * Idiom:   init, load rows into world.directory, then serve
 */
#ifndef CTL_CORE_WORLD_H
#define CTL_CORE_WORLD_H

#include "control/core/directory.h"
#include "control/core/kept.h"
#include "control/core/login.h"
#include "control/core/quota.h"
#include "control/core/session_registry.h"
#include "control/core/sink.h"
#include "engine/base/id.h"
#include "engine/crypto/token.h"

/** What the operator decided. */
struct ctl_settings {
    struct nx_bytes name;    /**< of the instance */
    struct nx_bytes version; /**< of the program */
    struct nx_bytes
        gateway_url;  /**< "ws://host:port/gateway" for GET gateway; empty: made from nothing, "/gateway" */
    bool is_loopback; /**< listens on loopback only: load-test tokens are accepted */
    bool has_rate_limits;
    bool has_registration; /**< people may make accounts */
};

/** Everything; about 5 MiB and what the directory holds. */
struct ctl_world {
    /* given */
    struct ctl_memory memory;
    struct ctl_sink sink;
    struct ctl_settings settings;
    struct nx_token_ring *ring; /**< borrowed: signs and verifies access tokens */
    uint64_t seed;
    /* owned */
    struct ctl_directory directory;
    struct ctl_session_registry *sessions;
    struct ctl_login logins;
    struct ctl_quota quotas;
    struct ctl_kept kept;    /**< by Idempotency-Key */
    struct nx_id_mint mint;  /**< ids of everything but messages */
    struct ctl_table doubts; /**< id of a channel to struct ctl_doubt */
    struct ctl_table busy;   /**< ids of things that a write is on its way for, see ctl_world_lock() */
    uint8_t *tail;           /**< CTL_TAIL_SIZE_MAX bytes in which events are written */
};

/** What a world is made of. */
struct ctl_world_config {
    struct ctl_memory memory;
    struct ctl_sink sink;
    struct ctl_settings settings; /**< texts borrowed for the life of the world */
    struct nx_token_ring *ring;
    uint64_t seed;    /**< unpredictable */
    uint16_t node;    /**< node number of minted ids */
    uint64_t last_id; /**< largest id of this node that the store knows, 0 none */
};

/** Makes a world with an empty directory. Returns NX_OK; NX_E_NO_MEMORY (nothing is left taken). */
NX_MUST_USE enum nx_err ctl_world_init(struct ctl_world *world, const struct ctl_world_config *config);

/** Gives everything back. */
void ctl_world_fini(struct ctl_world *world);

/** Makes the next id at `wall_ms`. */
uint64_t ctl_world_id(struct ctl_world *world, int64_t wall_ms);

/**
 * Marks the thing `id` as being written; false when it is already, or there is no memory. Rows are written whole, so two
 * writes of one thing must not be on their way at once: the second would undo the first.
 */
bool ctl_world_lock(struct ctl_world *world, uint64_t id);

/** Ends the mark. */
void ctl_world_unlock(struct ctl_world *world, uint64_t id);

#endif
