/* question.h - everything control asks its store, as values: one struct per question, one per answer.
 *
 * Layer:   control/core (pure): the rules ask, control/store answers, control/node carries the questions there
 * Threads: a question is filled on the loop, answered on a store thread, and returns to the loop; nobody shares it
 * Limits:  rows of an answer are bounded by the question's limit
 * Idiom:   Borrowed bytes inside a question live in the asking request's arena until the answer is there. Answers
 *          borrow from the answer's arena. A question is one transaction: it happens whole or not at all; the answer
 *          of a writing question is given only after its commit is durable.
 *
 * Verdicts: NX_OK; NX_E_NOT_FOUND (the row it is about is not there), NX_E_CONFLICT (unique name or code taken, or
 * already so), NX_E_AUTH (a refresh token was reused or is unknown), NX_E_EXPIRED (invite or token past its time),
 * NX_E_FULL (invite used up, or a limit in the store), NX_E_UNAVAILABLE (the store is down, locked or its disk is full: may be
 * tried again, nothing was written).
 */
#ifndef CTL_CORE_QUESTION_H
#define CTL_CORE_QUESTION_H

#include "engine/base/arena.h"
#include "engine/base/bytes.h"
#include "engine/base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CTL_HASH_SIZE = 32,          /**< bytes of SHA-256: refresh tokens, bot tokens at rest */
    CTL_QUESTION_ROWS_MAX = 1000 /**< rows of one answer */
};

/** Kinds of questions. READ ones may run beside the writer on a snapshot; the others run on it in order. */
enum ctl_question_kind {
    /* accounts */
    CTL_ASK_USER_CREATE,   /**< with its first login session */
    CTL_ASK_USER_BY_NAME,  /**< READ; by name_key: for login */
    CTL_ASK_USER_GET,      /**< READ; by id: own profile with e-mail */
    CTL_ASK_USER_UPDATE,   /**< profile fields; NULL-able fields by `fields` bits */
    CTL_ASK_USER_PASSWORD, /**< new hash; revokes all sessions but `keep_sid` */
    CTL_ASK_USERS_LIST,    /**< READ; admin tool: by id after `after_id` */
    CTL_ASK_LOGIN_CREATE,  /**< a login session for an existing user */
    CTL_ASK_LOGIN_ROTATE,  /**< refresh token rotation with reuse detection */
    CTL_ASK_LOGINS_LIST,   /**< READ; sessions of a user */
    CTL_ASK_LOGIN_REVOKE,  /**< one sid, or all of a user (sid 0) */
    /* communities */
    CTL_ASK_GUILD_CREATE, /**< with @everyone role, first channel and owner membership */
    CTL_ASK_GUILD_UPDATE,
    CTL_ASK_GUILD_DELETE,
    CTL_ASK_ROLE_PUT,   /**< insert or replace */
    CTL_ASK_ROLES_MOVE, /**< new positions, of all rows or of none */
    CTL_ASK_ROLE_DELETE,
    CTL_ASK_CHANNEL_PUT, /**< insert or replace, with all its overwrites if wanted (last_seq and last_message_id are never touched by it) */
    CTL_ASK_CHANNELS_MOVE, /**< new positions and categories, of all rows or of none */
    CTL_ASK_CHANNEL_DELETE,
    CTL_ASK_OVERWRITE_PUT,
    CTL_ASK_OVERWRITE_DELETE,
    CTL_ASK_MEMBER_ADD,
    CTL_ASK_MEMBER_UPDATE, /**< nick, timeout and the whole role list */
    CTL_ASK_MEMBER_REMOVE,
    CTL_ASK_BAN_PUT, /**< also removes the membership */
    CTL_ASK_BAN_DELETE,
    CTL_ASK_BANS_LIST, /**< READ */
    CTL_ASK_INVITE_CREATE,
    CTL_ASK_INVITE_GET,   /**< READ */
    CTL_ASK_INVITES_LIST, /**< READ; of a guild, or of a channel when channel_id is not 0 */
    CTL_ASK_INVITE_USE,   /**< one winner per use: counts the use and adds the member in one transaction */
    CTL_ASK_INVITE_DELETE,
    /* messages */
    CTL_ASK_MESSAGE_CREATE, /**< mints id and seq in commit order; dedupes the nonce */
    CTL_ASK_MESSAGE_EDIT,
    CTL_ASK_MESSAGE_DELETE,   /**< leaves a tombstone that keeps id and seq */
    CTL_ASK_MESSAGE_GET,      /**< READ */
    CTL_ASK_MESSAGES_LIST,    /**< READ; before, after, around an id, or after_seq */
    CTL_ASK_READ_STATE_PUT,   /**< never moves backwards */
    CTL_ASK_READ_STATES_LIST, /**< READ; of a user */
    CTL_ASK_STATS,            /**< READ; row counts and sizes */
    CTL_ASK_KINDS_COUNT
};

/* ---- rows ---- */

struct ctl_user_row {
    uint64_t id;
    struct nx_bytes username;      /**< as shown: 2..32 characters */
    struct nx_bytes name_key;      /**< folded form that is unique */
    struct nx_bytes global_name;   /**< display name, may be empty */
    struct nx_bytes email;         /**< may be empty */
    struct nx_bytes password_hash; /**< argon2id PHC string; only in USER_BY_NAME, USER_GET and USER_CREATE */
    uint64_t flags;                /**< enum ctl_user_flag */
    int64_t created_ms;
};
enum ctl_user_flag { CTL_USER_DISABLED = 1, CTL_USER_BOT = 2, CTL_USER_ADMIN = 4, CTL_USER_LOAD_TEST = 8 };

struct ctl_login_row {
    uint64_t sid;
    uint64_t user_id;
    int64_t created_ms;
    int64_t used_ms;
    int64_t expires_ms;
    struct nx_bytes agent; /**< what the client called itself, cut to 200 bytes */
};

struct ctl_guild_row {
    uint64_t id;
    uint64_t owner_id;
    struct nx_bytes name;
    struct nx_bytes description;
};

struct ctl_role_row {
    uint64_t id; /**< equal to guild_id for @everyone */
    uint64_t guild_id;
    struct nx_bytes name;
    uint64_t permissions;
    uint32_t position;
    uint32_t color; /**< 0xRRGGBB */
    uint32_t flags; /**< enum ctl_role_flag */
};
enum ctl_role_flag { CTL_ROLE_HOIST = 1, CTL_ROLE_MENTIONABLE = 2, CTL_ROLE_MANAGED = 4 };

struct ctl_channel_row {
    uint64_t id;
    uint64_t guild_id;
    uint8_t type; /**< 0 text, 2 voice, 4 category */
    struct nx_bytes name;
    struct nx_bytes topic;
    uint32_t position;
    uint64_t parent_id;   /**< category, 0 none */
    uint32_t slowmode_s;  /**< rate_limit_per_user, 0..21600 */
    uint32_t bitrate_bps; /**< voice */
    uint32_t user_limit;  /**< voice, 0 none */
    uint32_t flags;       /**< 1 nsfw */
    uint64_t last_seq;
    uint64_t last_message_id;
};

struct ctl_overwrite_row {
    uint64_t channel_id;
    uint64_t target_id; /**< role or user */
    uint8_t type;       /**< 0 role, 1 member */
    uint64_t allow;
    uint64_t deny;
};

/** Where a role or channel is among the others. */
struct ctl_position_row {
    uint64_t id;
    uint64_t parent_id; /**< channels: category, 0 none */
    uint32_t position;
};

struct ctl_member_row {
    uint64_t guild_id;
    uint64_t user_id;
    struct nx_bytes nick;
    int64_t joined_ms;
    int64_t timeout_until_ms; /**< 0 none */
    const uint64_t *roles;    /**< without @everyone, ascending */
    uint32_t roles_count;
};

struct ctl_ban_row {
    uint64_t guild_id;
    uint64_t user_id;
    struct nx_bytes reason;
};

struct ctl_invite_row {
    struct nx_bytes code;
    uint64_t guild_id;
    uint64_t channel_id;
    uint64_t inviter_id;
    int64_t created_ms;
    int64_t expires_ms; /**< 0 never */
    uint32_t uses_max;  /**< 0 no limit */
    uint32_t uses;
};

struct ctl_message_row {
    uint64_t id;
    uint64_t channel_id;
    uint64_t seq; /**< per channel, from 1, without gaps */
    uint64_t author_id;
    uint8_t type; /**< 0 default, 7 member joined */
    bool is_deleted;
    struct nx_bytes content;
    struct nx_bytes nonce;
    int64_t edited_ms; /**< 0 never */
};

struct ctl_read_state_row {
    uint64_t channel_id;
    uint64_t last_message_id;
    uint32_t mention_count;
};

struct ctl_stats_row {
    uint64_t users, guilds, channels, members, messages, logins;
    uint64_t database_bytes, wal_bytes;
};

/* ---- questions ---- */

struct ctl_question {
    enum ctl_question_kind kind;
    int64_t now_ms; /**< wall clock of the asker */
    union {
        struct {
            struct ctl_user_row user;   /**< id 0: the store mints one */
            struct ctl_login_row login; /**< sid 0: no login session is made */
            uint8_t refresh_hash[CTL_HASH_SIZE];
        } user_create;
        struct {
            struct nx_bytes name_key;
        } user_by_name;
        struct {
            uint64_t user_id;
        } user_get;
        struct {
            struct ctl_user_row user;
            uint32_t fields; /**< enum ctl_user_field bits */
        } user_update;
        struct {
            uint64_t user_id;
            struct nx_bytes password_hash;
            uint64_t keep_sid;
        } user_password;
        struct {
            uint64_t after_id;
            uint32_t limit;
        } users_list;
        struct {
            struct ctl_login_row login;
            uint8_t refresh_hash[CTL_HASH_SIZE];
        } login_create;
        struct {
            uint8_t old_hash
                [CTL_HASH_SIZE]; /**< an earlier hash of a family revokes the family, except within grace */
            uint8_t new_hash[CTL_HASH_SIZE];
            int64_t expires_ms;
            uint32_t
                grace_ms; /**< a reply may have been lost: the previous token still rotates this long (10,000) */
        } login_rotate;
        struct {
            uint64_t user_id;
        } logins_list;
        struct {
            uint64_t user_id;
            uint64_t sid; /**< 0: all */
        } login_revoke;
        struct {
            struct ctl_guild_row guild;
            struct ctl_role_row everyone;
            struct ctl_channel_row channel;
            int64_t joined_ms;
        } guild_create;
        struct ctl_guild_row guild_update;
        struct {
            uint64_t guild_id;
        } guild_delete;
        struct ctl_role_row role_put;
        struct {
            uint64_t guild_id;
            uint64_t role_id;
        } role_delete;
        struct {
            struct ctl_channel_row channel_put;
            struct {
                bool is_given; /**< the channel's overwrites become exactly the rows; else they stay */
                const struct ctl_overwrite_row
                    *rows; /**< channel_id is that of channel_put, whatever it says here */
                uint32_t rows_count;
            } channel_overwrites;
        };
        struct {
            uint64_t guild_id;
            const struct ctl_position_row *rows;
            uint32_t rows_count;
        } channels_move; /**< NX_E_NOT_FOUND: a row is no channel of the guild; then none is moved */
        struct {
            uint64_t guild_id;
            const struct ctl_position_row *rows;
            uint32_t rows_count;
        } roles_move; /**< NX_E_NOT_FOUND: a row is no role of the guild; then none is moved */
        struct {
            uint64_t guild_id;
            uint64_t channel_id;
        } channel_delete;
        struct ctl_overwrite_row overwrite_put;
        struct {
            uint64_t channel_id;
            uint64_t target_id;
        } overwrite_delete;
        struct ctl_member_row member_add; /**< NX_E_CONFLICT when already a member, NX_E_AUTH when banned */
        struct ctl_member_row member_update;
        struct {
            uint64_t guild_id;
            uint64_t user_id;
        } member_remove;
        struct ctl_ban_row ban_put;
        struct {
            uint64_t guild_id;
            uint64_t user_id;
        } ban_delete;
        struct {
            uint64_t guild_id;
            uint64_t after_user_id;
            uint32_t limit;
        } bans_list;
        struct ctl_invite_row invite_create;
        struct {
            struct nx_bytes code;
        } invite_get;
        struct {
            uint64_t guild_id;
            uint64_t channel_id;
        } invites_list;
        struct {
            struct nx_bytes code;
            uint64_t user_id;
        } invite_use; /**< NX_E_CONFLICT already a member (answer has the invite), NX_E_AUTH banned, EXPIRED, FULL */
        struct {
            struct nx_bytes code;
        } invite_delete;
        struct {
            uint64_t channel_id;
            uint64_t author_id;
            uint8_t type;
            struct nx_bytes content;
            struct nx_bytes nonce; /**< empty: no dedupe */
        } message_create;
        struct {
            uint64_t channel_id;
            uint64_t message_id;
            uint64_t author_id; /**< must be the author; else NX_E_AUTH */
            struct nx_bytes content;
        } message_edit;
        struct {
            uint64_t channel_id;
            uint64_t message_id;
        } message_delete;
        struct {
            uint64_t channel_id;
            uint64_t message_id;
        } message_get;
        struct {
            uint64_t channel_id;
            enum {
                CTL_PAGE_LATEST,
                CTL_PAGE_BEFORE,
                CTL_PAGE_AFTER,
                CTL_PAGE_AROUND,
                CTL_PAGE_AFTER_SEQ
            } page;
            uint64_t anchor; /**< id, or seq for AFTER_SEQ */
            uint32_t limit;  /**< 1..100 */
        } messages_list;     /**< newest first; AFTER_SEQ ascending and with tombstones, the others without */
        struct {
            uint64_t user_id;
            uint64_t channel_id;
            uint64_t message_id;
        } read_state_put;
        struct {
            uint64_t user_id;
        } read_states_list;
    };
};
enum ctl_user_field {
    CTL_USER_FIELD_USERNAME = 1,
    CTL_USER_FIELD_GLOBAL_NAME = 2,
    CTL_USER_FIELD_EMAIL = 4,
    CTL_USER_FIELD_FLAGS = 8
};

/* ---- answers ---- */

struct ctl_answer {
    enum nx_err verdict;
    union {
        struct ctl_user_row user; /**< USER_CREATE (id, created_ms), USER_BY_NAME, USER_GET, USER_UPDATE */
        struct ctl_login_row
            login; /**< LOGIN_CREATE, LOGIN_ROTATE (sid and user_id; with NX_E_AUTH and sid != 0: revoke it) */
        struct ctl_invite_row invite; /**< INVITE_GET, INVITE_USE (also with NX_E_CONFLICT), INVITE_DELETE */
        struct ctl_stats_row stats;
        struct {
            uint64_t id;
            uint64_t seq;
            bool
                is_duplicate; /**< the nonce was known: id and seq are those of the first message; content in row */
            struct ctl_message_row row;
        } message; /**< MESSAGE_CREATE, MESSAGE_EDIT, MESSAGE_DELETE, MESSAGE_GET */
        struct {
            uint64_t last_message_id;
        } read_state;
        struct {
            const void *rows; /**< array of the row type of the question, borrowed from the answer's arena */
            uint32_t rows_count;
        } list;
    };
};

/** Returns whether a question of this kind only reads. */
bool ctl_question_is_read(enum ctl_question_kind kind);

/** Returns a short name for logs and metrics, such as "message_create". */
const char *ctl_question_name(enum ctl_question_kind kind);

#endif
