#include "control/node/admin.h"

#include "control/core/account.h"
#include "control/core/apply.h"
#include "control/node/admin_state.h"
#include "control/node/seed.h"
#include "engine/crypto/password.h"
#include "engine/crypto/wipe.h"
#include "engine/wire/json_out.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- output ---- */

static void respond(struct ctld_admin *admin, struct nx_bytes text, bool is_error, bool is_last, int code)
{
    const struct nx_bus_admin_response message = {
        .is_last = is_last ? 1 : 0,
        .code = (uint8_t)code,
        .is_error = is_error ? 1 : 0,
        .text = text,
    };
    if (admin->conn != NULL && NX_LINK_PUT(&admin->conn->link, admin_response, &message) != NX_OK) {
        nx_link_close(&admin->conn->link);
    }
}

void ctld_admin_print(struct ctld_admin *admin, const char *format, ...)
{
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    const int size = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (size > 0) {
        respond(admin, nx_bytes_of(text, (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1),
                false, false, 0);
    }
}

static void command_reset(struct ctld_admin *admin)
{
    nx_wipe(admin->text, sizeof(admin->text));
    admin->command = NULL;
    admin->step = 0;
    admin->seed = NULL;
    nx_arena_init(&admin->arena, admin->arena_memory, sizeof(admin->arena_memory));
}

enum ctld_admin_next ctld_admin_end(struct ctld_admin *admin, int code, const char *text)
{
    respond(admin, nx_bytes_text(text), code != 0, true, code);
    command_reset(admin);
    return CTLD_ADMIN_ENDED;
}

enum ctld_admin_next ctld_admin_fail(struct ctld_admin *admin, const char *what, enum nx_err err)
{
    char text[256];
    snprintf(text, sizeof(text), "%s: %s\n", what, nx_err_text(err));
    return ctld_admin_end(admin, 1, text);
}

/* ---- commands; each is called again with the step it left ---- */

static enum ctld_admin_next ask(struct ctld_admin *admin, enum ctl_question_kind kind, uint32_t step)
{
    admin->store.question.kind = kind;
    admin->store.question.now_ms = nx_loop_wall_ms(admin->node->loop);
    admin->up_to = admin->node->world.mint.last;
    admin->step = step;
    return CTLD_ADMIN_ASK;
}

static const char *argument(const struct ctld_admin *admin, uint32_t index)
{
    return index < admin->arguments_count ? admin->arguments[index] : "";
}

static bool flag(const struct ctld_admin *admin, const char *name)
{
    for (uint32_t i = 0; i < admin->arguments_count; i++) {
        if (strcmp(admin->arguments[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool name_prepare(struct ctld_admin *admin, const char *name)
{
    struct nx_writer w = nx_writer_init(admin->name_key, sizeof(admin->name_key));
    ctl_account_name_key(nx_bytes_text(name), &w);
    admin->name_key_size = w.size;
    return ctl_account_username_ok(nx_bytes_text(name)) && nx_writer_ok(&w);
}

static bool password_prepare(struct ctld_admin *admin, const char *password)
{
    admin->password = nx_bytes_text(password);
    return ctl_account_password_ok(admin->password);
}

/* user create NAME PASSWORD [--admin] */
static enum ctld_admin_next user_create(struct ctld_admin *admin)
{
    struct ctl_user_row *user = &admin->store.question.user_create.user;
    switch (admin->step) {
    case 0:
        if (!name_prepare(admin, argument(admin, 2))) {
            return ctld_admin_end(admin, 1, "the name needs 2 to 32 letters, digits, _ . or -\n");
        }
        if (!password_prepare(admin, argument(admin, 3))) {
            return ctld_admin_end(admin, 1, "the password needs 8 to 128 characters\n");
        }
        admin->step = 1;
        admin->is_hash = true;
        return CTLD_ADMIN_HASH;
    case 1:
        if (admin->job_verdict != NX_OK) {
            return ctld_admin_fail(admin, "the password cannot be hashed", admin->job_verdict);
        }
        memset(&admin->store.question, 0, sizeof(admin->store.question));
        user->id = ctl_world_id(&admin->node->world, nx_loop_wall_ms(admin->node->loop));
        user->username = nx_bytes_text(argument(admin, 2));
        user->name_key = nx_bytes_of(admin->name_key, admin->name_key_size);
        user->password_hash = nx_bytes_text(admin->encoded);
        user->flags = flag(admin, "--admin") ? CTL_USER_ADMIN : 0;
        user->created_ms = nx_loop_wall_ms(admin->node->loop);
        return ask(admin, CTL_ASK_USER_CREATE, 2);
    default:
        if (admin->store.answer.verdict == NX_E_CONFLICT) {
            return ctld_admin_end(admin, 1, "that name is taken\n");
        }
        if (admin->store.answer.verdict != NX_OK) {
            return ctld_admin_fail(admin, "not stored", admin->store.answer.verdict);
        }
        user->id = admin->store.answer.user.id;
        if (ctl_apply_user(&admin->node->world, user) != NX_OK) {
            abort(); /* store and directory differ: start anew */
        }
        ctld_admin_print(admin, "%llu\n", (unsigned long long)user->id);
        return ctld_admin_end(admin, 0, "");
    }
}

/* user list */
static enum ctld_admin_next user_list(struct ctld_admin *admin)
{
    uint64_t after = 0;
    if (admin->step != 0) {
        const struct ctl_answer *answer = &admin->store.answer;
        if (answer->verdict != NX_OK) {
            return ctld_admin_fail(admin, "not read", answer->verdict);
        }
        const struct ctl_user_row *rows = answer->list.rows;
        for (uint32_t i = 0; i < answer->list.rows_count; i++) {
            ctld_admin_print(admin, "%llu %.*s%s%s\n", (unsigned long long)rows[i].id,
                             (int)rows[i].username.size, (const char *)rows[i].username.at,
                             (rows[i].flags & CTL_USER_ADMIN) != 0 ? " admin" : "",
                             (rows[i].flags & CTL_USER_DISABLED) != 0 ? " disabled" : "");
            after = rows[i].id;
        }
        if (answer->list.rows_count < ADMIN_PAGE) {
            return ctld_admin_end(admin, 0, "");
        }
        nx_arena_init(&admin->arena, admin->arena_memory, sizeof(admin->arena_memory));
    }
    memset(&admin->store.question, 0, sizeof(admin->store.question));
    admin->store.question.users_list.after_id = after;
    admin->store.question.users_list.limit = ADMIN_PAGE;
    return ask(admin, CTL_ASK_USERS_LIST, 1);
}

/* Step 0 and 1 of the commands about one user: finds it. Returns the user in the answer of step 1. */
static enum ctld_admin_next user_find(struct ctld_admin *admin, bool *is_found)
{
    *is_found = false;
    if (admin->step == 0) {
        if (!name_prepare(admin, argument(admin, 2))) {
            return ctld_admin_end(admin, 1, "there is no such user\n");
        }
        memset(&admin->store.question, 0, sizeof(admin->store.question));
        admin->store.question.user_by_name.name_key = nx_bytes_of(admin->name_key, admin->name_key_size);
        return ask(admin, CTL_ASK_USER_BY_NAME, 1);
    }
    if (admin->store.answer.verdict != NX_OK) {
        return ctld_admin_end(admin, 1, "there is no such user\n");
    }
    admin->user_id = admin->store.answer.user.id;
    admin->user_flags = admin->store.answer.user.flags;
    *is_found = true;
    return CTLD_ADMIN_ENDED;
}

/* user password NAME PASSWORD */
static enum ctld_admin_next user_password(struct ctld_admin *admin)
{
    bool is_found;
    switch (admin->step) {
    case 0:
    case 1: {
        const enum ctld_admin_next next = user_find(admin, &is_found);
        if (!is_found) {
            return next;
        }
        if (!password_prepare(admin, argument(admin, 3))) {
            return ctld_admin_end(admin, 1, "the password needs 8 to 128 characters\n");
        }
        admin->step = 2;
        admin->is_hash = true;
        return CTLD_ADMIN_HASH;
    }
    case 2:
        if (admin->job_verdict != NX_OK) {
            return ctld_admin_fail(admin, "the password cannot be hashed", admin->job_verdict);
        }
        memset(&admin->store.question, 0, sizeof(admin->store.question));
        admin->store.question.user_password.user_id = admin->user_id;
        admin->store.question.user_password.password_hash = nx_bytes_text(admin->encoded);
        return ask(admin, CTL_ASK_USER_PASSWORD, 3);
    default:
        if (admin->store.answer.verdict != NX_OK) {
            return ctld_admin_fail(admin, "not stored", admin->store.answer.verdict);
        }
        ctl_apply_logins_revoked(&admin->node->world, admin->user_id, admin->up_to, CLOSE_AUTH_FAILED,
                                 nx_loop_wall_ms(admin->node->loop));
        return ctld_admin_end(admin, 0, "changed; every login of the user has ended\n");
    }
}

/* user disable|enable NAME */
static enum ctld_admin_next user_flags(struct ctld_admin *admin, bool is_disabled)
{
    bool is_found;
    if (admin->step <= 1) {
        const enum ctld_admin_next next = user_find(admin, &is_found);
        if (!is_found) {
            return next;
        }
        const uint64_t flags = is_disabled ? admin->user_flags | CTL_USER_DISABLED
                                           : admin->user_flags & ~(uint64_t)CTL_USER_DISABLED;
        memset(&admin->store.question, 0, sizeof(admin->store.question));
        admin->store.question.user_update.user.id = admin->user_id;
        admin->store.question.user_update.user.flags = flags;
        admin->store.question.user_update.fields = CTL_USER_FIELD_FLAGS;
        return ask(admin, CTL_ASK_USER_UPDATE, 2);
    }
    if (admin->store.answer.verdict != NX_OK) {
        return ctld_admin_fail(admin, "not stored", admin->store.answer.verdict);
    }
    if (ctl_apply_user(&admin->node->world, &admin->store.answer.user) != NX_OK) {
        abort(); /* store and directory differ: start anew */
    }
    if (is_disabled) {
        ctl_apply_logins_revoked(&admin->node->world, admin->user_id, admin->up_to, CLOSE_DISABLED,
                                 nx_loop_wall_ms(admin->node->loop));
    }
    return ctld_admin_end(admin, 0, is_disabled ? "disabled\n" : "enabled\n");
}

static enum ctld_admin_next user_disable(struct ctld_admin *admin)
{
    return user_flags(admin, true);
}

static enum ctld_admin_next user_enable(struct ctld_admin *admin)
{
    return user_flags(admin, false);
}

/* user logout NAME */
static enum ctld_admin_next user_logout(struct ctld_admin *admin)
{
    bool is_found;
    if (admin->step <= 1) {
        const enum ctld_admin_next next = user_find(admin, &is_found);
        if (!is_found) {
            return next;
        }
        memset(&admin->store.question, 0, sizeof(admin->store.question));
        admin->store.question.login_revoke.user_id = admin->user_id;
        return ask(admin, CTL_ASK_LOGIN_REVOKE, 2);
    }
    if (admin->store.answer.verdict != NX_OK && admin->store.answer.verdict != NX_E_NOT_FOUND) {
        return ctld_admin_fail(admin, "not stored", admin->store.answer.verdict);
    }
    ctl_apply_logins_revoked(&admin->node->world, admin->user_id, admin->up_to, CLOSE_AUTH_FAILED,
                             nx_loop_wall_ms(admin->node->loop));
    return ctld_admin_end(admin, 0, "every login of the user has ended\n");
}

/* guild list */
static enum ctld_admin_next guild_list(struct ctld_admin *admin)
{
    const struct ctl_table *guilds = &admin->node->world.directory.guilds;
    for (uint32_t i = 0; i < guilds->count; i++) {
        const struct ctl_guild *guild = guilds->entries[i].item;
        ctld_admin_print(admin, "%llu %.*s members=%u channels=%u\n", (unsigned long long)guild->id,
                         (int)guild->name.size, (const char *)guild->name.at, guild->members.count,
                         guild->channels_count);
    }
    return ctld_admin_end(admin, 0, "");
}

/* guild delete ID */
static enum ctld_admin_next guild_delete(struct ctld_admin *admin)
{
    if (admin->step == 0) {
        const uint64_t id = strtoull(argument(admin, 2), NULL, 10);
        if (ctl_directory_guild(&admin->node->world.directory, id) == NULL) {
            return ctld_admin_end(admin, 1, "there is no such guild\n");
        }
        memset(&admin->store.question, 0, sizeof(admin->store.question));
        admin->store.question.guild_delete.guild_id = id;
        return ask(admin, CTL_ASK_GUILD_DELETE, 1);
    }
    if (admin->store.answer.verdict != NX_OK) {
        return ctld_admin_fail(admin, "not stored", admin->store.answer.verdict);
    }
    struct ctl_guild *guild =
        ctl_directory_guild(&admin->node->world.directory, admin->store.question.guild_delete.guild_id);
    if (guild != NULL) {
        ctl_apply_guild_deleted(&admin->node->world, guild);
    }
    return ctld_admin_end(admin, 0, "deleted\n");
}

/* stats */
static enum ctld_admin_next stats(struct ctld_admin *admin)
{
    if (admin->step == 0) {
        memset(&admin->store.question, 0, sizeof(admin->store.question));
        return ask(admin, CTL_ASK_STATS, 1);
    }
    const struct ctl_stats_row *row = &admin->store.answer.stats;
    if (admin->store.answer.verdict != NX_OK) {
        return ctld_admin_fail(admin, "not read", admin->store.answer.verdict);
    }
    const struct store_stats store = store_stats(admin->node->store);
    ctld_admin_print(
        admin,
        "{\"users\":%llu,\"guilds\":%llu,\"channels\":%llu,\"members\":%llu,\"messages\":%llu,\"logins\":%"
        "llu,"
        "\"database_bytes\":%llu,\"wal_bytes\":%llu,\"sessions\":%llu,\"commits\":%llu,\"commit_rows\":%llu,"
        "\"requests\":%u}\n",
        (unsigned long long)row->users, (unsigned long long)row->guilds, (unsigned long long)row->channels,
        (unsigned long long)row->members, (unsigned long long)row->messages, (unsigned long long)row->logins,
        (unsigned long long)row->database_bytes, (unsigned long long)row->wal_bytes,
        (unsigned long long)admin->node->world.sessions->sessions_count, (unsigned long long)store.commits,
        (unsigned long long)store.commit_rows, admin->node->requests_count);
    return ctld_admin_end(admin, 0, "");
}

/* backup PATH: the copy runs on a password worker, because it may take long. */
static enum ctld_admin_next backup(struct ctld_admin *admin)
{
    if (admin->step == 0) {
        if (argument(admin, 1)[0] == '\0') {
            return ctld_admin_end(admin, 1, "backup needs a path\n");
        }
        admin->step = 1;
        admin->is_hash = false;
        return CTLD_ADMIN_HASH;
    }
    if (admin->job_verdict != NX_OK) {
        return ctld_admin_fail(admin, "the backup failed", admin->job_verdict);
    }
    return ctld_admin_end(admin, 0, "written\n");
}

static const struct {
    const char *noun;
    const char *verb; /* NULL: the noun is the whole command */
    enum ctld_admin_next (*run)(struct ctld_admin *admin);
} COMMANDS[] = {
    {"user", "create", user_create},   {"user", "list", user_list},       {"user", "password", user_password},
    {"user", "disable", user_disable}, {"user", "enable", user_enable},   {"user", "logout", user_logout},
    {"guild", "list", guild_list},     {"guild", "delete", guild_delete}, {"stats", NULL, stats},
    {"backup", NULL, backup},          {"seed", NULL, ctld_seed_run},
};
enum { COMMANDS_COUNT = sizeof(COMMANDS) / sizeof(COMMANDS[0]) };

/* ---- running a command ---- */

/* A command whose caller is gone is carried to its end: what it wrote must be heard of. A seed frees itself. */
static void go_on(struct ctld_admin *admin)
{
    admin->node->busy_count--;
    admin->is_busy = false;
    const bool is_alone = admin->conn == NULL;
    ctld_admin_advance(admin);
    if (is_alone && !admin->is_busy) {
        ctld_admin_free(admin);
    }
}

static void on_answered(struct store_request *store)
{
    go_on(NX_LIST_ITEM(store, struct ctld_admin, store));
}

static void job_run(struct nx_job *job)
{
    struct ctld_admin *admin = NX_LIST_ITEM(job, struct ctld_admin, job);
    admin->job_verdict = admin->is_hash ? nx_password_hash(admin->password, admin->encoded)
                                        : store_backup(admin->node->store, admin->arguments[1]);
}

static void job_done(struct nx_job *job)
{
    go_on(NX_LIST_ITEM(job, struct ctld_admin, job));
}

void ctld_admin_advance(struct ctld_admin *admin)
{
    const enum ctld_admin_next next = admin->command(admin);
    if (next != CTLD_ADMIN_ASK && next != CTLD_ADMIN_HASH) {
        return;
    }
    admin->node->busy_count++;
    admin->is_busy = true;
    admin->store.arena = &admin->arena;
    admin->store.answered = on_answered;
    admin->job.run = job_run;
    admin->job.done = job_done;
    struct nx_worker *const workers = admin->node->passwords;
    const enum nx_err err = next == CTLD_ADMIN_ASK ? store_ask(admin->node->store, &admin->store)
                            : workers == NULL      ? NX_E_FULL
                                                   : nx_worker_submit(workers, &admin->job);
    if (err != NX_OK) {
        admin->node->busy_count--;
        admin->is_busy = false;
        (void)ctld_admin_fail(admin, "too much is waiting, try again", err);
    }
}

void ctld_admin_open(struct ctld_conn *conn)
{
    struct ctld_admin *admin = calloc(1, sizeof(*admin));
    if (admin == NULL) {
        nx_link_close(&conn->link);
        return;
    }
    admin->conn = conn;
    admin->node = conn->node;
    conn->admin = admin;
    nx_list_push_back(&conn->node->admins, &admin->member);
    nx_arena_init(&admin->arena, admin->arena_memory, sizeof(admin->arena_memory));
}

void ctld_admin_request(struct ctld_admin *admin, struct nx_bytes arguments)
{
    if (admin->command != NULL || arguments.size == 0 || arguments.size > sizeof(admin->text) ||
        arguments.at[arguments.size - 1] != '\0') {
        return;
    }
    memcpy(admin->text, arguments.at, arguments.size);
    admin->arguments_count = 0;
    for (size_t at = 0; at < arguments.size && admin->arguments_count < ADMIN_ARGUMENTS_MAX;
         at += strlen(admin->text + at) + 1) {
        admin->arguments[admin->arguments_count++] = admin->text + at;
    }
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        if (strcmp(COMMANDS[i].noun, argument(admin, 0)) == 0 &&
            (COMMANDS[i].verb == NULL || strcmp(COMMANDS[i].verb, argument(admin, 1)) == 0)) {
            admin->command = COMMANDS[i].run;
            ctld_admin_advance(admin);
            return;
        }
    }
    (void)ctld_admin_end(admin, 64, "there is no such command; try nexus admin --help\n");
}

void ctld_admin_room(struct ctld_admin *admin)
{
    if (admin->seed != NULL) {
        ctld_seed_go_on(admin);
    }
}

void ctld_admin_gone(struct ctld_admin *admin)
{
    admin->conn = NULL;
    if (admin->seed != NULL) {
        ctld_seed_stop(admin); /* frees the admin when its last question is answered */
    } else if (!admin->is_busy) {
        ctld_admin_free(admin);
    }
}

void ctld_admin_free(struct ctld_admin *admin)
{
    nx_list_remove(&admin->member);
    free(admin);
}

void ctld_admin_fini(struct ctld_node *node)
{
    NX_LIST_EACH(at, &node->admins)
    {
        ctld_admin_free(NX_LIST_ITEM(at, struct ctld_admin, member));
    }
}
