/* standin.h - a stand-in for control on the bus: opens every session, knows one channel per guild, injects events.
 *
 * Spec:    engine/wire/bus_msg.def
 * Layer:   loadtest
 * Threads: the loop's own
 * Limits:  LOAD_SHARDS_MAX shards of gatewayd; nothing durable, no rights, no REST (answered 503)
 * Idiom:   guild g has id LOAD_STANDIN_GUILD + g and one channel LOAD_STANDIN_CHANNEL + g; user u is in guild u % rooms; probes come after
 *          the users and are in the last guild, where nothing happens.
 */
#ifndef LOAD_STANDIN_H
#define LOAD_STANDIN_H

#include "engine/crypto/token.h"
#include "engine/io/link.h"
#include "engine/io/timer.h"
#include "loadtest/limits.h"

#define LOAD_STANDIN_USER    UINT64_C(100000000)
#define LOAD_STANDIN_GUILD   UINT64_C(200000000)
#define LOAD_STANDIN_CHANNEL UINT64_C(300000000)

struct load_standin;

/** One connection of gatewayd. */
struct load_standin_conn {
    struct nx_link link;
    struct load_standin *standin;
    struct load_standin_shard *shard; /**< NULL before HELLO */
    enum nx_bus_link kind;
};

/** One shard of gatewayd: its two links and the guilds it was told of. */
struct load_standin_shard {
    struct load_standin_conn *conns[2]; /**< by enum nx_bus_link */
    uint8_t *told;                      /**< owned: per guild, 1 when GUILD_STATE was sent */
    uint64_t boot;
    uint16_t number;
    bool is_online;
};

/** The stand-in. */
struct load_standin {
    struct nx_loop *loop; /**< given */
    struct nx_listener listener;
    struct nx_timer tick;
    struct nx_token_ring ring;
    struct load_standin_shard shards[LOAD_SHARDS_MAX];
    uint32_t users_count;  /**< given */
    uint32_t rooms_count;  /**< given: guilds of the users */
    uint32_t probes_count; /**< given */
    uint64_t boot;
    uint32_t online_count;
    uint64_t opened;     /**< SESSION_OPEN answered */
    uint64_t refused;    /**< of them: refused */
    uint64_t link_fulls; /**< messages that a link had no room for */
    bool is_listening;
};

/**
 * Listens on the Unix socket `path`.
 * Returns NX_OK; NX_E_IN_USE, NX_E_IO, NX_E_MALFORMED (path), NX_E_NO_MEMORY.
 */
NX_MUST_USE enum nx_err load_standin_open(struct load_standin *standin, struct nx_loop *loop,
                                          const char *path, uint32_t users_count, uint32_t rooms_count,
                                          uint32_t probes_count);

/** Ends the links; their memory goes with load_standin_fini() after a few turns. */
void load_standin_close(struct load_standin *standin);

/** Frees what it owns. */
void load_standin_fini(struct load_standin *standin);

/** Returns the number of the guild that user number `user` is in. */
uint32_t load_standin_guild_of(const struct load_standin *standin, uint32_t user);

/** Writes a token for user number `user` to `out`. Returns NX_OK; NX_E_FULL; NX_E_AUTH. */
NX_MUST_USE enum nx_err load_standin_token(struct load_standin *standin, uint32_t user,
                                           struct nx_writer *out);

/**
 * Sends a MESSAGE_CREATE with `content` to the channel of guild number `guild`, on every shard that has sessions in it;
 * the WebSocket payload that clients get is about `size` bytes.
 * Returns NX_OK; NX_E_UNAVAILABLE when no shard is there; NX_E_FULL when a link has no room.
 */
NX_MUST_USE enum nx_err load_standin_event(struct load_standin *standin, uint32_t guild, uint64_t seq,
                                           struct nx_bytes stamp, uint32_t size);

#endif
