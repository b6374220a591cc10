/* admin_state.h - one administrator's connection and the command that runs on it.
 *
 * Layer:   control/node (private to admin.c and seed.c)
 * Threads: the loop's
 */
#ifndef CTLD_NODE_ADMIN_STATE_H
#define CTLD_NODE_ADMIN_STATE_H

#include "control/node/state.h"
#include "engine/crypto/password.h"

enum {
    ADMIN_ARGUMENTS_MAX = 16,
    ADMIN_TEXT_SIZE = 4096,        /**< bytes of a command line */
    ADMIN_ARENA_SIZE = 512 * 1024, /**< rows of one page */
    ADMIN_PAGE = 500,
    CLOSE_AUTH_FAILED = 4004,
    CLOSE_DISABLED = 4103
};

/** What a command needs next. */
enum ctld_admin_next { CTLD_ADMIN_ENDED, CTLD_ADMIN_ASK, CTLD_ADMIN_HASH, CTLD_ADMIN_WAIT };

struct ctld_seed;

/** The connection. */
struct ctld_admin {
    struct nx_list_link member; /**< of node.admins */
    struct ctld_node *node;
    struct ctld_conn *conn;                                    /**< NULL when it is gone */
    enum ctld_admin_next (*command)(struct ctld_admin *admin); /**< NULL while none runs */
    uint32_t step;
    struct store_request store;
    struct nx_job job;
    enum nx_err job_verdict;
    bool is_hash; /**< the job hashes a password; else it is a backup */
    bool is_busy; /**< the store or a worker has it */
    struct nx_bytes password;
    char encoded[NX_PASSWORD_ENCODED_MAX];
    uint8_t name_key[256];
    size_t name_key_size;
    uint64_t user_id;
    uint64_t user_flags;
    uint64_t up_to;         /**< newest login id when the store was asked */
    struct ctld_seed *seed; /**< while seed runs */
    uint32_t arguments_count;
    char *arguments[ADMIN_ARGUMENTS_MAX];
    char text[ADMIN_TEXT_SIZE];
    struct nx_arena arena;
    uint8_t arena_memory[ADMIN_ARENA_SIZE];
};

/** Frees it, which nobody has any more. */
void ctld_admin_free(struct ctld_admin *admin);

/** Runs the command until it waits for something. */
void ctld_admin_advance(struct ctld_admin *admin);

/** Sends a piece of output. */
__attribute__((format(printf, 2, 3))) void ctld_admin_print(struct ctld_admin *admin, const char *format,
                                                            ...);

/** Ends the command with `code` and a last `text`. */
enum ctld_admin_next ctld_admin_end(struct ctld_admin *admin, int code, const char *text);

/** Ends the command with code 1 and "what: why". */
enum ctld_admin_next ctld_admin_fail(struct ctld_admin *admin, const char *what, enum nx_err err);

#endif
