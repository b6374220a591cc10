#include "control/store/sqlite_load.h"

/** Runs a loading statement; *more says whether it stands on a row. */
static enum nx_err start(struct store_sqlite_connection *c, enum store_sqlite_sql name, sqlite3_stmt **at,
                         bool *more)
{
    const enum nx_err err = store_sqlite_sql_row(c, name, NULL, 0, at);
    *more = err == NX_OK;
    return err == NX_E_NOT_FOUND ? NX_OK : err;
}

static int64_t column_ms(sqlite3_stmt *at, int column)
{
    return (int64_t)store_sqlite_sql_u64(at, column);
}

static enum nx_err load_users(struct store_sqlite_connection *c, const struct store_loader *loader)
{
    sqlite3_stmt *at = NULL;
    bool more;
    const enum nx_err err = start(c, STORE_SQL_LOAD_USERS, &at, &more);
    for (; more; more = store_sqlite_sql_next(c, at)) {
        const struct ctl_user_row row = {
            .id = store_sqlite_sql_u64(at, 0),
            .username = store_sqlite_sql_borrow(at, 1),
            .name_key = store_sqlite_sql_borrow(at, 2),
            .global_name = store_sqlite_sql_borrow(at, 3),
            .email = store_sqlite_sql_borrow(at, 4),
            .flags = store_sqlite_sql_u64(at, 5),
            .created_ms = column_ms(at, 6),
        };
        loader->user(loader->context, &row);
    }
    return err;
}

static enum nx_err load_guilds(struct store_sqlite_connection *c, const struct store_loader *loader)
{
    sqlite3_stmt *at = NULL;
    bool more;
    const enum nx_err err = start(c, STORE_SQL_LOAD_GUILDS, &at, &more);
    for (; more; more = store_sqlite_sql_next(c, at)) {
        const struct ctl_guild_row row = {.id = store_sqlite_sql_u64(at, 0),
                                          .owner_id = store_sqlite_sql_u64(at, 1),
                                          .name = store_sqlite_sql_borrow(at, 2),
                                          .description = store_sqlite_sql_borrow(at, 3)};
        loader->guild(loader->context, &row);
    }
    return err;
}

static enum nx_err load_roles(struct store_sqlite_connection *c, const struct store_loader *loader)
{
    sqlite3_stmt *at = NULL;
    bool more;
    const enum nx_err err = start(c, STORE_SQL_LOAD_ROLES, &at, &more);
    for (; more; more = store_sqlite_sql_next(c, at)) {
        const struct ctl_role_row row = {
            .id = store_sqlite_sql_u64(at, 0),
            .guild_id = store_sqlite_sql_u64(at, 1),
            .name = store_sqlite_sql_borrow(at, 2),
            .permissions = store_sqlite_sql_u64(at, 3),
            .position = store_sqlite_sql_u32(at, 4),
            .color = store_sqlite_sql_u32(at, 5),
            .flags = store_sqlite_sql_u32(at, 6),
        };
        loader->role(loader->context, &row);
    }
    return err;
}

static enum nx_err load_channels(struct store_sqlite_connection *c, const struct store_loader *loader)
{
    sqlite3_stmt *at = NULL;
    bool more;
    const enum nx_err err = start(c, STORE_SQL_LOAD_CHANNELS, &at, &more);
    for (; more; more = store_sqlite_sql_next(c, at)) {
        const struct ctl_channel_row row = {
            .id = store_sqlite_sql_u64(at, 0),
            .guild_id = store_sqlite_sql_u64(at, 1),
            .type = (uint8_t)store_sqlite_sql_u32(at, 2),
            .name = store_sqlite_sql_borrow(at, 3),
            .topic = store_sqlite_sql_borrow(at, 4),
            .position = store_sqlite_sql_u32(at, 5),
            .parent_id = store_sqlite_sql_u64(at, 6),
            .slowmode_s = store_sqlite_sql_u32(at, 7),
            .bitrate_bps = store_sqlite_sql_u32(at, 8),
            .user_limit = store_sqlite_sql_u32(at, 9),
            .flags = store_sqlite_sql_u32(at, 10),
            .last_seq = store_sqlite_sql_u64(at, 11),
            .last_message_id = store_sqlite_sql_u64(at, 12),
        };
        loader->channel(loader->context, &row);
    }
    return err;
}

static enum nx_err load_overwrites(struct store_sqlite_connection *c, const struct store_loader *loader)
{
    sqlite3_stmt *at = NULL;
    bool more;
    const enum nx_err err = start(c, STORE_SQL_LOAD_OVERWRITES, &at, &more);
    for (; more; more = store_sqlite_sql_next(c, at)) {
        const struct ctl_overwrite_row row = {.channel_id = store_sqlite_sql_u64(at, 0),
                                              .target_id = store_sqlite_sql_u64(at, 1),
                                              .type = (uint8_t)store_sqlite_sql_u32(at, 2),
                                              .allow = store_sqlite_sql_u64(at, 3),
                                              .deny = store_sqlite_sql_u64(at, 4)};
        loader->overwrite(loader->context, &row);
    }
    return err;
}

/** Both cursors go in the order (guild, user): the roles of a member are the next rows of the second one. */
static enum nx_err load_members(struct store_sqlite_connection *c, const struct store_loader *loader)
{
    const uint32_t roles_max = (uint32_t)CTL_QUESTION_ROWS_MAX * STORE_SQLITE_ROW_SIZE_MAX / sizeof(uint64_t);
    uint64_t *roles = (void *)c->rows;
    sqlite3_stmt *at = NULL;
    sqlite3_stmt *role_at = NULL;
    bool more;
    bool more_roles;
    enum nx_err err = start(c, STORE_SQL_LOAD_MEMBER_ROLES, &role_at, &more_roles);
    if (err != NX_OK) {
        return err;
    }
    err = start(c, STORE_SQL_LOAD_MEMBERS, &at, &more);
    for (; more; more = store_sqlite_sql_next(c, at)) {
        struct ctl_member_row row = {.guild_id = store_sqlite_sql_u64(at, 0),
                                     .user_id = store_sqlite_sql_u64(at, 1),
                                     .nick = store_sqlite_sql_borrow(at, 2),
                                     .joined_ms = column_ms(at, 3),
                                     .timeout_until_ms = column_ms(at, 4),
                                     .roles = roles};
        while (more_roles && store_sqlite_sql_u64(role_at, 0) == row.guild_id &&
               store_sqlite_sql_u64(role_at, 1) == row.user_id) {
            if (row.roles_count < roles_max) {
                roles[row.roles_count++] = store_sqlite_sql_u64(role_at, 2);
            }
            more_roles = store_sqlite_sql_next(c, role_at);
        }
        loader->member(loader->context, &row);
    }
    return err;
}

enum nx_err store_sqlite_load(struct store_sqlite_connection *c, const struct store_loader *loader)
{
    static enum nx_err (*const steps[])(struct store_sqlite_connection *, const struct store_loader *) = {
        load_users, load_guilds, load_roles, load_channels, load_overwrites, load_members};
    enum nx_err err = store_sqlite_sql_plain(c, STORE_SQL_BEGIN_READ);
    for (size_t i = 0; i < sizeof steps / sizeof *steps && err == NX_OK; i++) {
        err = steps[i](c, loader);
        store_sqlite_sql_end(c);
    }
    const enum nx_err end = store_sqlite_sql_plain(c, STORE_SQL_COMMIT);
    const bool is_good = err == NX_OK && end == NX_OK && !c->is_broken;
    c->is_broken = false;
    return is_good ? NX_OK : NX_E_IO;
}
