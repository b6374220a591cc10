#include "control/store/sqlite_community.h"

#include "control/store/limits.h"
#include "engine/base/assert.h"

static enum nx_err put_role(struct store_sqlite_connection *c, const struct ctl_role_row *role)
{
    const enum nx_err err = STORE_SQL_WRITE(c, ROLE_PUT, STORE_SQL_INT(role->id),
                                            STORE_SQL_INT(role->guild_id), STORE_SQL_TEXT(role->name),
                                            STORE_SQL_INT(role->permissions), STORE_SQL_INT(role->position),
                                            STORE_SQL_INT(role->color), STORE_SQL_INT(role->flags));
    if (err != NX_OK) {
        return err;
    }
    return store_sqlite_sql_changed(c) == NX_OK ? NX_OK : NX_E_CONFLICT; /* The id is another guild's. */
}

static enum nx_err put_channel(struct store_sqlite_connection *c, const struct ctl_channel_row *channel)
{
    const enum nx_err err = STORE_SQL_WRITE(
        c, CHANNEL_PUT, STORE_SQL_INT(channel->id), STORE_SQL_INT(channel->guild_id),
        STORE_SQL_INT(channel->type), STORE_SQL_INT(channel->position), STORE_SQL_INT(channel->parent_id),
        STORE_SQL_INT(channel->slowmode_s), STORE_SQL_INT(channel->bitrate_bps),
        STORE_SQL_INT(channel->user_limit), STORE_SQL_INT(channel->flags), STORE_SQL_TEXT(channel->name),
        STORE_SQL_TEXT(channel->topic));
    if (err != NX_OK) {
        return err;
    }
    return store_sqlite_sql_changed(c) == NX_OK ? NX_OK : NX_E_CONFLICT;
}

static enum nx_err insert_roles(struct store_sqlite_connection *c, const struct ctl_member_row *member)
{
    for (uint32_t i = 0; i < member->roles_count; i++) {
        enum nx_err err = STORE_SQL_WRITE(c, MEMBER_ROLE_INSERT, STORE_SQL_INT(member->guild_id),
                                          STORE_SQL_INT(member->user_id), STORE_SQL_INT(member->roles[i]),
                                          STORE_SQL_INT(member->guild_id));
        if (err == NX_OK) {
            err = store_sqlite_sql_changed(c);
        }
        if (err != NX_OK) {
            return err;
        }
    }
    return NX_OK;
}

static enum nx_err insert_member(struct store_sqlite_connection *c, const struct ctl_member_row *member)
{
    const enum nx_err err =
        STORE_SQL_WRITE(c, MEMBER_INSERT, STORE_SQL_INT(member->guild_id), STORE_SQL_INT(member->user_id),
                        STORE_SQL_TEXT(member->nick), STORE_SQL_INT(member->joined_ms),
                        STORE_SQL_INT(member->timeout_until_ms));
    return err == NX_OK ? insert_roles(c, member) : err;
}

enum nx_err store_sqlite_community_join(struct store_sqlite_connection *c,
                                        const struct ctl_member_row *member)
{
    sqlite3_stmt *at = NULL;
    const enum nx_err err =
        STORE_SQL_ROW(c, &at, BAN_IS, STORE_SQL_INT(member->guild_id), STORE_SQL_INT(member->user_id));
    if (err != NX_E_NOT_FOUND) {
        return err == NX_OK ? NX_E_AUTH : err;
    }
    return insert_member(c, member);
}

static enum nx_err guild_create(struct store_sqlite_connection *c, const struct ctl_question *q)
{
    const struct ctl_guild_row *guild = &q->guild_create.guild;
    enum nx_err err =
        STORE_SQL_WRITE(c, GUILD_INSERT, STORE_SQL_INT(guild->id), STORE_SQL_INT(guild->owner_id),
                        STORE_SQL_TEXT(guild->name), STORE_SQL_TEXT(guild->description));
    if (err == NX_OK) {
        struct ctl_role_row everyone = q->guild_create.everyone;
        everyone.id = guild->id;
        everyone.guild_id = guild->id;
        err = put_role(c, &everyone);
    }
    if (err == NX_OK) {
        struct ctl_channel_row channel = q->guild_create.channel;
        channel.guild_id = guild->id;
        err = put_channel(c, &channel);
    }
    if (err == NX_OK) {
        err = insert_member(c, &(struct ctl_member_row){.guild_id = guild->id,
                                                        .user_id = guild->owner_id,
                                                        .joined_ms = q->guild_create.joined_ms});
    }
    return err;
}

static enum nx_err guild_update(struct store_sqlite_connection *c, const struct ctl_question *q)
{
    const struct ctl_guild_row *guild = &q->guild_update;
    const enum nx_err err =
        STORE_SQL_WRITE(c, GUILD_UPDATE, STORE_SQL_INT(guild->owner_id), STORE_SQL_TEXT(guild->name),
                        STORE_SQL_TEXT(guild->description), STORE_SQL_INT(guild->id));
    return err == NX_OK ? store_sqlite_sql_changed(c) : err;
}

static enum nx_err guild_delete(struct store_sqlite_connection *c, const struct ctl_question *q)
{
    const uint64_t id = q->guild_delete.guild_id;
    /* Messages go later, a few at a time: a transaction that removes millions would hold up everybody. */
    enum nx_err err = STORE_SQL_WRITE(c, GUILD_DEAD_CHANNELS, STORE_SQL_INT(id));
    if (err == NX_OK) {
        err = STORE_SQL_WRITE(c, GUILD_DELETE, STORE_SQL_INT(id));
    }
    if (err == NX_OK) {
        err = store_sqlite_sql_changed(c);
    }
    c->has_dead_channels = c->has_dead_channels || err == NX_OK;
    return err;
}

static enum nx_err role_delete(struct store_sqlite_connection *c, const struct ctl_question *q)
{
    const uint64_t guild_id = q->role_delete.guild_id;
    const uint64_t role_id = q->role_delete.role_id;
    enum nx_err err = STORE_SQL_WRITE(c, ROLE_DELETE, STORE_SQL_INT(role_id), STORE_SQL_INT(guild_id));
    if (err == NX_OK) {
        err = store_sqlite_sql_changed(c);
    }
    if (err == NX_OK) {
        err = STORE_SQL_WRITE(c, ROLE_OVERWRITES_DELETE, STORE_SQL_INT(role_id), STORE_SQL_INT(guild_id));
    }
    return err;
}

static enum nx_err channel_delete(struct store_sqlite_connection *c, const struct ctl_question *q)
{
    const uint64_t guild_id = q->channel_delete.guild_id;
    const uint64_t channel_id = q->channel_delete.channel_id;
    enum nx_err err = STORE_SQL_WRITE(c, CHANNEL_DELETE, STORE_SQL_INT(channel_id), STORE_SQL_INT(guild_id));
    if (err == NX_OK) {
        err = store_sqlite_sql_changed(c);
    }
    if (err == NX_OK) {
        err = STORE_SQL_WRITE(c, CHANNEL_ORPHANS, STORE_SQL_INT(guild_id), STORE_SQL_INT(channel_id));
    }
    if (err == NX_OK) {
        err = STORE_SQL_WRITE(c, CHANNEL_DEAD, STORE_SQL_INT(channel_id));
    }
    c->has_dead_channels = c->has_dead_channels || err == NX_OK;
    return err;
}

static enum nx_err roles_move(struct store_sqlite_connection *c, const struct ctl_question *q)
{
    enum nx_err err = NX_OK;
    for (uint32_t i = 0; i < q->roles_move.rows_count && err == NX_OK; i++) {
        const struct ctl_position_row *row = &q->roles_move.rows[i];
        err = STORE_SQL_WRITE(c, ROLE_MOVE, STORE_SQL_INT(row->position), STORE_SQL_INT(row->id),
                              STORE_SQL_INT(q->roles_move.guild_id));
        err = err == NX_OK ? store_sqlite_sql_changed(c) : err;
    }
    return err;
}

static enum nx_err channels_move(struct store_sqlite_connection *c, const struct ctl_question *q)
{
    enum nx_err err = NX_OK;
    for (uint32_t i = 0; i < q->channels_move.rows_count && err == NX_OK; i++) {
        const struct ctl_position_row *row = &q->channels_move.rows[i];
        err = STORE_SQL_WRITE(c, CHANNEL_MOVE, STORE_SQL_INT(row->position), STORE_SQL_INT(row->parent_id),
                              STORE_SQL_INT(row->id), STORE_SQL_INT(q->channels_move.guild_id));
        err = err == NX_OK ? store_sqlite_sql_changed(c) : err;
    }
    return err;
}

static enum nx_err put_overwrite(struct store_sqlite_connection *c, uint64_t channel_id,
                                 const struct ctl_overwrite_row *row)
{
    return STORE_SQL_WRITE(c, OVERWRITE_PUT, STORE_SQL_INT(channel_id), STORE_SQL_INT(row->target_id),
                           STORE_SQL_INT(row->type), STORE_SQL_INT(row->allow), STORE_SQL_INT(row->deny));
}

static enum nx_err channel_put(struct store_sqlite_connection *c, const struct ctl_question *q)
{
    const uint64_t id = q->channel_put.id;
    enum nx_err err = put_channel(c, &q->channel_put);
    if (err != NX_OK || !q->channel_overwrites.is_given) {
        return err;
    }
    err = STORE_SQL_WRITE(c, OVERWRITES_DELETE, STORE_SQL_INT(id));
    for (uint32_t i = 0; i < q->channel_overwrites.rows_count && err == NX_OK; i++) {
        err = put_overwrite(c, id, &q->channel_overwrites.rows[i]);
    }
    return err;
}

static enum nx_err overwrite_delete(struct store_sqlite_connection *c, const struct ctl_question *q)
{
    const enum nx_err err =
        STORE_SQL_WRITE(c, OVERWRITE_DELETE, STORE_SQL_INT(q->overwrite_delete.channel_id),
                        STORE_SQL_INT(q->overwrite_delete.target_id));
    return err == NX_OK ? store_sqlite_sql_changed(c) : err;
}

static enum nx_err member_update(struct store_sqlite_connection *c, const struct ctl_question *q)
{
    const struct ctl_member_row *member = &q->member_update;
    enum nx_err err = STORE_SQL_WRITE(c, MEMBER_UPDATE, STORE_SQL_TEXT(member->nick),
                                      STORE_SQL_INT(member->timeout_until_ms),
                                      STORE_SQL_INT(member->guild_id), STORE_SQL_INT(member->user_id));
    if (err == NX_OK) {
        err = store_sqlite_sql_changed(c);
    }
    if (err == NX_OK) {
        err = STORE_SQL_WRITE(c, MEMBER_ROLES_DELETE, STORE_SQL_INT(member->guild_id),
                              STORE_SQL_INT(member->user_id));
    }
    return err == NX_OK ? insert_roles(c, member) : err;
}

static enum nx_err member_remove(struct store_sqlite_connection *c, const struct ctl_question *q)
{
    const enum nx_err err = STORE_SQL_WRITE(c, MEMBER_DELETE, STORE_SQL_INT(q->member_remove.guild_id),
                                            STORE_SQL_INT(q->member_remove.user_id));
    return err == NX_OK ? store_sqlite_sql_changed(c) : err;
}

static enum nx_err ban_put(struct store_sqlite_connection *c, const struct ctl_question *q)
{
    const struct ctl_ban_row *ban = &q->ban_put;
    const enum nx_err err = STORE_SQL_WRITE(c, BAN_PUT, STORE_SQL_INT(ban->guild_id),
                                            STORE_SQL_INT(ban->user_id), STORE_SQL_TEXT(ban->reason));
    if (err != NX_OK) {
        return err;
    }
    return STORE_SQL_WRITE(c, MEMBER_DELETE, STORE_SQL_INT(ban->guild_id), STORE_SQL_INT(ban->user_id));
}

static enum nx_err ban_delete(struct store_sqlite_connection *c, const struct ctl_question *q)
{
    const enum nx_err err = STORE_SQL_WRITE(c, BAN_DELETE, STORE_SQL_INT(q->ban_delete.guild_id),
                                            STORE_SQL_INT(q->ban_delete.user_id));
    return err == NX_OK ? store_sqlite_sql_changed(c) : err;
}

static enum nx_err bans_list(struct store_sqlite_connection *c, const struct ctl_question *q,
                             struct ctl_answer *answer)
{
    const uint32_t limit =
        q->bans_list.limit < CTL_QUESTION_ROWS_MAX ? q->bans_list.limit : CTL_QUESTION_ROWS_MAX;
    struct ctl_ban_row *rows = (void *)c->rows;
    uint32_t count = 0;
    sqlite3_stmt *at = NULL;
    const enum nx_err err = STORE_SQL_ROW(c, &at, BANS_LIST, STORE_SQL_INT(q->bans_list.guild_id),
                                          STORE_SQL_INT(q->bans_list.after_user_id), STORE_SQL_INT(limit));
    if (err != NX_OK && err != NX_E_NOT_FOUND) {
        return err;
    }
    for (bool more = err == NX_OK; more; more = store_sqlite_sql_next(c, at)) {
        rows[count++] = (struct ctl_ban_row){.guild_id = store_sqlite_sql_u64(at, 0),
                                             .user_id = store_sqlite_sql_u64(at, 1),
                                             .reason = store_sqlite_sql_text(c, at, 2)};
    }
    return store_sqlite_sql_list(c, answer, sizeof *rows, count);
}

enum nx_err store_sqlite_community(struct store_sqlite_connection *c, const struct ctl_question *question,
                                   struct ctl_answer *answer)
{
    switch (question->kind) {
    case CTL_ASK_GUILD_CREATE:
        return guild_create(c, question);
    case CTL_ASK_GUILD_UPDATE:
        return guild_update(c, question);
    case CTL_ASK_GUILD_DELETE:
        return guild_delete(c, question);
    case CTL_ASK_ROLE_PUT:
        return put_role(c, &question->role_put);
    case CTL_ASK_ROLES_MOVE:
        return roles_move(c, question);
    case CTL_ASK_ROLE_DELETE:
        return role_delete(c, question);
    case CTL_ASK_CHANNEL_PUT:
        return channel_put(c, question);
    case CTL_ASK_CHANNELS_MOVE:
        return channels_move(c, question);
    case CTL_ASK_CHANNEL_DELETE:
        return channel_delete(c, question);
    case CTL_ASK_OVERWRITE_PUT:
        return put_overwrite(c, question->overwrite_put.channel_id, &question->overwrite_put);
    case CTL_ASK_OVERWRITE_DELETE:
        return overwrite_delete(c, question);
    case CTL_ASK_MEMBER_ADD:
        return store_sqlite_community_join(c, &question->member_add);
    case CTL_ASK_MEMBER_UPDATE:
        return member_update(c, question);
    case CTL_ASK_MEMBER_REMOVE:
        return member_remove(c, question);
    case CTL_ASK_BAN_PUT:
        return ban_put(c, question);
    case CTL_ASK_BAN_DELETE:
        return ban_delete(c, question);
    case CTL_ASK_BANS_LIST:
        return bans_list(c, question, answer);
    default:
        NX_ASSERT(false);
        return NX_E_UNSUPPORTED;
    }
}
