/* directory.h - users, guilds, channels and members in memory: what every decision is taken from.
 *
 * Layer:   control/core (pure)
 * Threads: the loop's
 * Limits:  limits.h; 100,000 users and 1,000,000 memberships are about 200 MiB
 * Idiom:   filled at start row by row (ctl_directory_load_*), afterwards changed only by control/core/apply.h, when the
 *          store has committed. Pointers stay valid until the thing itself is removed.
 */
#ifndef CTL_CORE_DIRECTORY_H
#define CTL_CORE_DIRECTORY_H

#include "control/core/limits.h"
#include "control/core/question.h"
#include "control/core/table.h"
#include "engine/perm/bitmap.h"
#include "engine/perm/perm.h"
#include "engine/perm/roleset.h"

struct ctl_session;
struct ctl_guild;

/** A person or bot. */
struct ctl_user {
    uint64_t id;
    struct nx_bytes username;
    struct nx_bytes global_name;
    uint64_t flags; /**< enum ctl_user_flag */
    int64_t created_ms;
    struct ctl_member *members;   /**< memberships, newest first */
    struct ctl_session *sessions; /**< gateway sessions, newest first */
    uint32_t members_count;
    uint32_t sessions_count;
    uint8_t status; /**< enum nx_bus_status that others see: never INVISIBLE */
};

/** One user in one guild. */
struct ctl_member {
    struct ctl_guild *guild;
    struct ctl_user *user;
    struct ctl_member *next; /**< of the same user */
    struct ctl_member *previous;
    struct nx_bytes nick; /**< empty: none */
    int64_t joined_ms;
    int64_t timeout_until_ms; /**< 0 none */
    uint32_t roleset;         /**< id in guild->rolesets */
};

/** What a role is beside its permissions. */
struct ctl_role {
    uint64_t id;
    struct nx_bytes name;
    uint32_t color;
    uint32_t flags; /**< enum ctl_role_flag */
};

/** A channel. */
struct ctl_channel {
    uint64_t id;
    struct ctl_guild *guild;
    struct nx_bytes name;
    struct nx_bytes topic;
    uint64_t parent_id;
    uint64_t last_seq;
    uint64_t last_message_id;
    struct perm_overwrite *overwrites; /**< owned */
    uint64_t *view_words;              /**< owned: role sets that may view */
    uint32_t overwrites_count;
    uint32_t overwrites_room;
    uint32_t view_words_count;
    uint32_t position;
    uint32_t slowmode_s;
    uint32_t bitrate_bps;
    uint32_t user_limit;
    uint32_t flags; /**< 1 nsfw */
    uint8_t type;   /**< 0 text, 2 voice, 4 category */
    bool view_is_fresh;
};

/** All overwrites of a channel; their channel_id is not looked at. */
struct ctl_overwrite_set {
    const struct ctl_overwrite_row
        *rows; /**< at most PERM_OVERWRITES_PER_CHANNEL_MAX, with different targets */
    uint32_t rows_count;
};

/** A community. */
struct ctl_guild {
    uint64_t id;
    uint64_t owner_id;
    struct nx_bytes name;
    struct nx_bytes description;
    struct perm_role *perm_roles;  /**< owned, ascending by id */
    struct ctl_role *roles;        /**< owned, same index */
    struct ctl_channel **channels; /**< owned, ascending by id */
    struct ctl_table members;      /**< user id to struct ctl_member */
    struct ctl_table named;        /**< user ids named by overwrites; the item is the number of them */
    struct perm_roleset_table rolesets;
    void *rolesets_memory;                 /**< owned */
    uint64_t links;                        /**< bit per link that has sessions in it */
    uint32_t link_sessions[CTL_LINKS_MAX]; /**< sessions per link */
    uint32_t roles_count, roles_room, perm_roles_room;
    uint32_t channels_count, channels_room;
    uint32_t online_count; /**< members whose status is not offline */
};

/** Everything. */
struct ctl_directory {
    /* given */
    struct ctl_memory memory;
    uint64_t seed; /**< of all hashes */
    /* owned */
    struct ctl_table users, guilds, channels;
    /* state */
    uint64_t members_count;
};

/** Makes an empty directory; `seed` should be unpredictable. */
void ctl_directory_init(struct ctl_directory *directory, struct ctl_memory memory, uint64_t seed);

/** Gives all memory back. */
void ctl_directory_fini(struct ctl_directory *directory);

/** Finds by id; NULL when there is none. */
struct ctl_user *ctl_directory_user(const struct ctl_directory *directory, uint64_t id);
/** Finds by id; NULL when there is none. */
struct ctl_guild *ctl_directory_guild(const struct ctl_directory *directory, uint64_t id);
/** Finds by id; NULL when there is none. */
struct ctl_channel *ctl_directory_channel(const struct ctl_directory *directory, uint64_t id);

/** Returns the overwrite of `target_id` in the channel, borrowed until they change; NULL when there is none. */
const struct perm_overwrite *ctl_directory_overwrite(const struct ctl_channel *channel, uint64_t target_id);

/* Rows at start, and of later changes: each inserts or replaces. The store's loader calls them in its order: guilds before
 * what is in them, users before members. They return NX_OK; NX_E_NO_MEMORY; NX_E_NOT_FOUND when what a row belongs to is
 * not there; NX_E_FULL when a cap of the directory is reached. */

/** Inserts or replaces a user (name, global name, flags). */
NX_MUST_USE enum nx_err ctl_directory_load_user(struct ctl_directory *directory,
                                                const struct ctl_user_row *row);
/** Inserts or replaces a guild. */
NX_MUST_USE enum nx_err ctl_directory_load_guild(struct ctl_directory *directory,
                                                 const struct ctl_guild_row *row);
/** Inserts or replaces a role. */
NX_MUST_USE enum nx_err ctl_directory_load_role(struct ctl_directory *directory,
                                                const struct ctl_role_row *row);
/** Inserts or replaces a channel; of an existing one last_seq and last_message_id stay. */
NX_MUST_USE enum nx_err ctl_directory_load_channel(struct ctl_directory *directory,
                                                   const struct ctl_channel_row *row);
/** Inserts or replaces an overwrite. */
NX_MUST_USE enum nx_err ctl_directory_load_overwrite(struct ctl_directory *directory,
                                                     const struct ctl_overwrite_row *row);
/** Inserts or replaces a membership; roles that do not exist are left out. */
NX_MUST_USE enum nx_err ctl_directory_load_member(struct ctl_directory *directory,
                                                  const struct ctl_member_row *row);

/** Removes a guild and everything in it. */
void ctl_directory_drop_guild(struct ctl_directory *directory, struct ctl_guild *guild);
/** Removes a channel. */
void ctl_directory_drop_channel(struct ctl_directory *directory, struct ctl_channel *channel);
/** Removes the role `id`, not @everyone, from the guild, its members and its channels' overwrites. */
NX_MUST_USE enum nx_err ctl_directory_drop_role(struct ctl_directory *directory, struct ctl_guild *guild,
                                                uint64_t id);
/** Makes the channel's overwrites exactly `set`. Returns what loading one does. */
NX_MUST_USE enum nx_err ctl_directory_set_overwrites(struct ctl_directory *directory,
                                                     struct ctl_channel *channel,
                                                     const struct ctl_overwrite_set *set);
/** Removes the overwrite of `target_id`; one that is not there is ignored. */
NX_MUST_USE enum nx_err ctl_directory_drop_overwrite(struct ctl_directory *directory,
                                                     struct ctl_channel *channel, uint64_t target_id);
/** Removes a membership. */
void ctl_directory_drop_member(struct ctl_directory *directory, struct ctl_member *member);

#endif
