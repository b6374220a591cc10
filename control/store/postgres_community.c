#include "control/store/postgres_community.h"

#include "engine/base/assert.h"

static enum nx_err put_guild(PGconn *db, const struct ctl_question *q)
{
    const struct ctl_guild_row *guild = &q->guild_create.guild;
    const struct ctl_role_row *role = &q->guild_create.everyone;
    const struct ctl_channel_row *channel = &q->guild_create.channel;
    return STORE_PG_SEND(
        db, GUILD_CREATE, STORE_PG_INT(guild->id), STORE_PG_INT(guild->owner_id), STORE_PG_TEXT(guild->name),
        STORE_PG_TEXT(guild->description), STORE_PG_TEXT(role->name), STORE_PG_INT(role->permissions),
        STORE_PG_INT(role->position), STORE_PG_INT(role->color), STORE_PG_INT(role->flags),
        STORE_PG_INT(channel->id), STORE_PG_INT(channel->type), STORE_PG_INT(channel->position),
        STORE_PG_INT(channel->parent_id), STORE_PG_INT(channel->slowmode_s),
        STORE_PG_INT(channel->bitrate_bps), STORE_PG_INT(channel->user_limit), STORE_PG_INT(channel->flags),
        STORE_PG_TEXT(channel->name), STORE_PG_TEXT(channel->topic), STORE_PG_INT(q->guild_create.joined_ms));
}

static enum nx_err put_role(PGconn *db, const struct ctl_role_row *role)
{
    return STORE_PG_SEND(db, ROLE_PUT, STORE_PG_INT(role->id), STORE_PG_INT(role->guild_id),
                         STORE_PG_TEXT(role->name), STORE_PG_INT(role->permissions),
                         STORE_PG_INT(role->position), STORE_PG_INT(role->color), STORE_PG_INT(role->flags));
}

static enum nx_err put_channel(struct store_postgres_context *context, PGconn *db,
                               const struct ctl_question *q)
{
    const struct ctl_channel_row *channel = &q->channel_put;
    struct store_postgres_array *a = context->arrays;
    for (size_t i = 0; i < 4; i++) {
        store_postgres_sql_array_begin(&a[i], false);
    }
    for (uint32_t i = 0; q->channel_overwrites.is_given && i < q->channel_overwrites.rows_count; i++) {
        const struct ctl_overwrite_row *row = &q->channel_overwrites.rows[i];
        store_postgres_sql_array_int(&a[0], (int64_t)row->target_id);
        store_postgres_sql_array_int(&a[1], row->type);
        store_postgres_sql_array_int(&a[2], (int64_t)row->allow);
        store_postgres_sql_array_int(&a[3], (int64_t)row->deny);
    }
    return STORE_PG_SEND(
        db, CHANNEL_PUT, STORE_PG_INT(channel->id), STORE_PG_INT(channel->guild_id),
        STORE_PG_INT(channel->type), STORE_PG_INT(channel->position), STORE_PG_INT(channel->parent_id),
        STORE_PG_INT(channel->slowmode_s), STORE_PG_INT(channel->bitrate_bps),
        STORE_PG_INT(channel->user_limit), STORE_PG_INT(channel->flags), STORE_PG_TEXT(channel->name),
        STORE_PG_TEXT(channel->topic), STORE_PG_INT(q->channel_overwrites.is_given), STORE_PG_ARRAY(&a[0]),
        STORE_PG_ARRAY(&a[1]), STORE_PG_ARRAY(&a[2]), STORE_PG_ARRAY(&a[3]));
}

/** Fills arrays 0..2 with ids, categories and positions. */
static void fill_positions(struct store_postgres_context *context, const struct ctl_position_row *rows,
                           uint32_t count)
{
    struct store_postgres_array *a = context->arrays;
    for (size_t i = 0; i < 3; i++) {
        store_postgres_sql_array_begin(&a[i], false);
    }
    for (uint32_t i = 0; i < count; i++) {
        store_postgres_sql_array_int(&a[0], (int64_t)rows[i].id);
        store_postgres_sql_array_int(&a[1], (int64_t)rows[i].parent_id);
        store_postgres_sql_array_int(&a[2], rows[i].position);
    }
}

static struct store_postgres_value roles_of(struct store_postgres_context *context,
                                            const struct ctl_member_row *member)
{
    struct store_postgres_array *array = &context->arrays[0];
    store_postgres_sql_array_begin(array, false);
    for (uint32_t i = 0; i < member->roles_count; i++) {
        store_postgres_sql_array_int(array, (int64_t)member->roles[i]);
    }
    return STORE_PG_ARRAY(array);
}

static enum nx_err put_members(struct store_postgres_context *context, PGconn *db,
                               const struct ctl_question *q)
{
    const struct ctl_member_row *member = &q->member_add;
    switch (q->kind) {
    case CTL_ASK_MEMBER_ADD:
        return STORE_PG_SEND(db, MEMBER_ADD, STORE_PG_INT(member->guild_id), STORE_PG_INT(member->user_id),
                             STORE_PG_TEXT(member->nick), STORE_PG_INT(member->joined_ms),
                             STORE_PG_INT(member->timeout_until_ms), roles_of(context, member));
    case CTL_ASK_MEMBER_UPDATE:
        member = &q->member_update;
        return STORE_PG_SEND(db, MEMBER_UPDATE, STORE_PG_INT(member->guild_id), STORE_PG_INT(member->user_id),
                             STORE_PG_TEXT(member->nick), STORE_PG_INT(member->timeout_until_ms),
                             roles_of(context, member));
    case CTL_ASK_MEMBER_REMOVE:
        return STORE_PG_SEND(db, MEMBER_REMOVE, STORE_PG_INT(q->member_remove.guild_id),
                             STORE_PG_INT(q->member_remove.user_id));
    case CTL_ASK_BAN_PUT:
        return STORE_PG_SEND(db, BAN_PUT, STORE_PG_INT(q->ban_put.guild_id), STORE_PG_INT(q->ban_put.user_id),
                             STORE_PG_TEXT(q->ban_put.reason));
    case CTL_ASK_BAN_DELETE:
        return STORE_PG_SEND(db, BAN_DELETE, STORE_PG_INT(q->ban_delete.guild_id),
                             STORE_PG_INT(q->ban_delete.user_id));
    case CTL_ASK_BANS_LIST:
        return STORE_PG_SEND(
            db, BANS_LIST, STORE_PG_INT(q->bans_list.guild_id), STORE_PG_INT(q->bans_list.after_user_id),
            STORE_PG_INT(q->bans_list.limit < CTL_QUESTION_ROWS_MAX ? q->bans_list.limit
                                                                    : CTL_QUESTION_ROWS_MAX));
    default:
        NX_ASSERT(false);
        return NX_E_UNSUPPORTED;
    }
}

enum nx_err store_postgres_community_put(struct store_postgres_context *context, PGconn *db,
                                         const struct ctl_question *question)
{
    const struct ctl_question *q = question;
    struct store_postgres_array *a = context->arrays;
    switch (q->kind) {
    case CTL_ASK_GUILD_CREATE:
        return put_guild(db, q);
    case CTL_ASK_GUILD_UPDATE:
        return STORE_PG_SEND(db, GUILD_UPDATE, STORE_PG_INT(q->guild_update.id),
                             STORE_PG_INT(q->guild_update.owner_id), STORE_PG_TEXT(q->guild_update.name),
                             STORE_PG_TEXT(q->guild_update.description));
    case CTL_ASK_GUILD_DELETE:
        return STORE_PG_SEND(db, GUILD_DELETE, STORE_PG_INT(q->guild_delete.guild_id));
    case CTL_ASK_ROLE_PUT:
        return put_role(db, &q->role_put);
    case CTL_ASK_ROLES_MOVE:
        fill_positions(context, q->roles_move.rows, q->roles_move.rows_count);
        return STORE_PG_SEND(db, ROLES_MOVE, STORE_PG_INT(q->roles_move.guild_id), STORE_PG_ARRAY(&a[0]),
                             STORE_PG_ARRAY(&a[2]));
    case CTL_ASK_ROLE_DELETE:
        return STORE_PG_SEND(db, ROLE_DELETE, STORE_PG_INT(q->role_delete.guild_id),
                             STORE_PG_INT(q->role_delete.role_id));
    case CTL_ASK_CHANNEL_PUT:
        return put_channel(context, db, q);
    case CTL_ASK_CHANNELS_MOVE:
        fill_positions(context, q->channels_move.rows, q->channels_move.rows_count);
        return STORE_PG_SEND(db, CHANNELS_MOVE, STORE_PG_INT(q->channels_move.guild_id),
                             STORE_PG_ARRAY(&a[0]), STORE_PG_ARRAY(&a[1]), STORE_PG_ARRAY(&a[2]));
    case CTL_ASK_CHANNEL_DELETE:
        return STORE_PG_SEND(db, CHANNEL_DELETE, STORE_PG_INT(q->channel_delete.guild_id),
                             STORE_PG_INT(q->channel_delete.channel_id));
    case CTL_ASK_OVERWRITE_PUT:
        return STORE_PG_SEND(db, OVERWRITE_PUT, STORE_PG_INT(q->overwrite_put.channel_id),
                             STORE_PG_INT(q->overwrite_put.target_id), STORE_PG_INT(q->overwrite_put.type),
                             STORE_PG_INT(q->overwrite_put.allow), STORE_PG_INT(q->overwrite_put.deny));
    case CTL_ASK_OVERWRITE_DELETE:
        return STORE_PG_SEND(db, OVERWRITE_DELETE, STORE_PG_INT(q->overwrite_delete.channel_id),
                             STORE_PG_INT(q->overwrite_delete.target_id));
    default:
        return put_members(context, db, q);
    }
}

enum nx_err store_postgres_community_take(struct store_postgres_context *context,
                                          struct store_postgres_rows *rows,
                                          const struct ctl_question *question, struct ctl_answer *answer)
{
    if (question->kind != CTL_ASK_BANS_LIST) {
        const enum nx_err verdict = store_postgres_sql_verdict(rows);
        const bool is_delete =
            question->kind == CTL_ASK_GUILD_DELETE || question->kind == CTL_ASK_CHANNEL_DELETE;
        context->has_dead_channels = context->has_dead_channels || (is_delete && verdict == NX_OK);
        return verdict;
    }
    const int count = PQntuples(rows->result);
    struct ctl_ban_row *list = store_postgres_sql_list(rows, answer, sizeof *list, (uint32_t)count);
    for (; list != NULL && rows->row < count; rows->row++) {
        list[rows->row] = (struct ctl_ban_row){.guild_id = store_postgres_sql_u64(rows, 0),
                                               .user_id = store_postgres_sql_u64(rows, 1),
                                               .reason = store_postgres_sql_text(rows, 2)};
    }
    return NX_OK;
}
