/* memory_data.h - the tables of the memory store and what the question under way needs.
 *
 * Layer:   control/store
 * Threads: the loop's
 * Idiom:   a question first finds out whether it can be done and what it will answer, then changes: so a refusal never
 *          leaves half of it behind
 */
#ifndef STORE_MEMORY_DATA_H
#define STORE_MEMORY_DATA_H

#include "control/core/question.h"
#include "control/store/memory_table.h"
#include "engine/base/id.h"

/** A login and how often its token was rotated. */
struct store_memory_login {
    struct ctl_login_row row;
    uint64_t generation;
};

/** A refresh token's hash, current (replaced_ms 0) or earlier. */
struct store_memory_token {
    uint64_t sid;
    uint64_t user_id;
    uint64_t generation;
    int64_t replaced_ms;
};

/** A channel with its messages; the message of seq n is at n - 1. */
struct store_memory_channel {
    struct ctl_channel_row row;
    struct ctl_message_row **messages;
    size_t messages_capacity;
};

/** A nonce and the seq of its message. */
struct store_memory_nonce {
    uint64_t channel_id;
    uint64_t seq;
    int64_t created_ms;
};

/** Everything. The key of each table is in its comment. */
struct store_memory_data {
    struct store_memory_table users;       /**< (0, id): ctl_user_row */
    struct store_memory_table names;       /**< (hash of name_key, user id): nothing */
    struct store_memory_table logins;      /**< (user id, sid): store_memory_login */
    struct store_memory_table sids;        /**< (0, sid): nothing */
    struct store_memory_table tokens;      /**< (hash, second hash): store_memory_token */
    struct store_memory_table guilds;      /**< (0, id): ctl_guild_row */
    struct store_memory_table roles;       /**< (0, id): ctl_role_row */
    struct store_memory_table channels;    /**< (0, id): store_memory_channel */
    struct store_memory_table overwrites;  /**< (channel, target): ctl_overwrite_row */
    struct store_memory_table members;     /**< (guild, user): ctl_member_row */
    struct store_memory_table bans;        /**< (guild, user): ctl_ban_row */
    struct store_memory_table invites;     /**< (hash of code, 0): ctl_invite_row */
    struct store_memory_table nonces;      /**< (hash, second hash): store_memory_nonce */
    struct store_memory_table read_states; /**< (user, channel): ctl_read_state_row */
    struct nx_id_mint mint;
    struct nx_arena *arena; /**< of the question under way; NULL: texts come back empty */
    bool is_arena_full;     /**< the answer did not fit */
};

/** Copies `text` for the answer; empty without an arena, is_arena_full when it does not fit. */
struct nx_bytes store_memory_data_text(struct store_memory_data *data, struct nx_bytes text);

/** Takes room for the rows of an answer; NULL, and is_arena_full, when they do not fit. */
void *store_memory_data_rows(struct store_memory_data *data, size_t size, size_t count);

/** Makes all tables empty; ids will be minted for `node`. */
void store_memory_data_init(struct store_memory_data *data, uint16_t node);

/** Frees everything. */
void store_memory_data_fini(struct store_memory_data *data);

#endif
