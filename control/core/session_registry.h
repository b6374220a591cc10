/* session_registry.h - the gateway sessions that are alive, by link, by user, by login; and which links hear a guild.
 *
 * Layer:   control/core (pure)
 * Threads: the loop's
 * Limits:  CTL_LINKS_MAX links; CTL_SESSIONS_PER_USER_MAX sessions of a user and one that replaces another; about 130
 *          bytes per session
 * Idiom:   a session counts in every guild of its user: guild->links says who must hear, guild->link_sessions how many
 */
#ifndef CTL_CORE_SESSION_REGISTRY_H
#define CTL_CORE_SESSION_REGISTRY_H

#include "control/core/directory.h"

/** One gateway session. */
struct ctl_session {
    uint64_t handle; /**< gatewayd's, unique per link */
    uint64_t sid;
    uint64_t intents;
    uint64_t origin; /**< handle in the session id that its client holds: of the shard it began on */
    struct ctl_user *user;
    struct ctl_session *next; /**< of the same user */
    struct ctl_session *previous;
    uint32_t link;
    uint32_t capabilities;
    uint16_t origin_shard;
    uint64_t detached; /**< number of its detaching, counted over all sessions; 0: it has a client */
    uint8_t status;    /**< enum nx_bus_status */
};

/** One shard of gatewayd. */
struct ctl_link {
    struct ctl_table sessions; /**< handle to struct ctl_session */
    uint16_t node, shard;
    bool is_open;
};

/** All of them. */
struct ctl_session_registry {
    struct ctl_link links[CTL_LINKS_MAX];
    uint64_t sessions_count;
    uint64_t detached_count; /**< detachings, ever */
};

/** Opens link `link` (0..CTL_LINKS_MAX - 1) for a shard; it must be closed. */
void ctl_session_registry_link_open(struct ctl_session_registry *registry, uint32_t link, uint16_t node,
                                    uint16_t shard);

/** Returns the open link of a shard, or -1. */
int32_t ctl_session_registry_link_of(const struct ctl_session_registry *registry, uint16_t node,
                                     uint16_t shard);

/**
 * Adds a session and counts it in the user's guilds. Returns NX_OK; NX_E_CONFLICT when the handle is in use; NX_E_FULL when
 * the user has too many; NX_E_NO_MEMORY.
 */
NX_MUST_USE enum nx_err ctl_session_registry_add(struct ctl_session_registry *registry,
                                                 struct ctl_directory *directory, uint32_t link,
                                                 const struct ctl_session *session, struct ctl_session **out);

/** Sets the status of a session; OFFLINE says that its client is gone and may come back. */
void ctl_session_registry_status_set(struct ctl_session_registry *registry, struct ctl_session *session,
                                     uint8_t status);

/** Returns the session of `user` whose client has been gone longest, or NULL when all have theirs. */
struct ctl_session *ctl_session_registry_oldest_detached(const struct ctl_user *user);

/** Finds a session; NULL when there is none. */
struct ctl_session *ctl_session_registry_find(const struct ctl_session_registry *registry, uint32_t link,
                                              uint64_t handle);

/** Removes a session, counting it out of its user's guilds. Returns nothing; guilds whose link bit fell are for the caller. */
void ctl_session_registry_remove(struct ctl_session_registry *registry, struct ctl_directory *directory,
                                 struct ctl_session *session);

/** Counts all sessions of the member's user into (`sign` 1) or out of (-1) the member's guild. */
void ctl_session_registry_count(struct ctl_member *member, int sign);

/** Returns a bit per link on which `user` has sessions. */
uint64_t ctl_session_registry_links(const struct ctl_user *user);

/** Returns what others see of `user`: the strongest of its sessions; invisible counts as offline. */
uint8_t ctl_session_registry_status(const struct ctl_user *user);

#endif
