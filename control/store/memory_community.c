#include "control/store/memory_community.h"

#include "engine/base/assert.h"

#include <stdlib.h>

static void set_roles(struct ctl_member_row *member, const uint64_t *roles, uint32_t count)
{
    uint64_t *copy = NULL;
    if (count > 0) {
        copy = malloc(count * sizeof *copy);
        NX_ASSERT(copy != NULL);
        memcpy(copy, roles, count * sizeof *copy);
    }
    free((void *)(uintptr_t)member->roles);
    member->roles = copy;
    member->roles_count = count;
}

static enum nx_err check_roles(const struct store_memory_data *data, const struct ctl_member_row *member)
{
    for (uint32_t i = 0; i < member->roles_count; i++) {
        const struct ctl_role_row *role = store_memory_table_get(&data->roles, 0, member->roles[i]);
        if (role == NULL || role->guild_id != member->guild_id) {
            return NX_E_NOT_FOUND;
        }
    }
    return NX_OK;
}

enum nx_err store_memory_community_may_join(const struct store_memory_data *data,
                                            const struct ctl_member_row *member)
{
    if (store_memory_table_get(&data->bans, member->guild_id, member->user_id) != NULL) {
        return NX_E_AUTH;
    }
    if (store_memory_table_get(&data->members, member->guild_id, member->user_id) != NULL) {
        return NX_E_CONFLICT;
    }
    if (store_memory_table_get(&data->guilds, 0, member->guild_id) == NULL ||
        store_memory_table_get(&data->users, 0, member->user_id) == NULL) {
        return NX_E_NOT_FOUND;
    }
    return check_roles(data, member);
}

void store_memory_community_join(struct store_memory_data *data, const struct ctl_member_row *member)
{
    struct ctl_member_row *row =
        store_memory_table_add(&data->members, member->guild_id, member->user_id, sizeof *row);
    *row = *member;
    row->nick = store_memory_table_text(member->nick);
    row->roles = NULL;
    set_roles(row, member->roles, member->roles_count);
}

static enum nx_err may_put_role(const struct store_memory_data *data, const struct ctl_role_row *role)
{
    const struct ctl_role_row *old = store_memory_table_get(&data->roles, 0, role->id);
    if (old != NULL) {
        return old->guild_id == role->guild_id ? NX_OK : NX_E_CONFLICT;
    }
    return store_memory_table_get(&data->guilds, 0, role->guild_id) != NULL ? NX_OK : NX_E_NOT_FOUND;
}

static void put_role(struct store_memory_data *data, const struct ctl_role_row *role)
{
    struct ctl_role_row *row = store_memory_table_get(&data->roles, 0, role->id);
    if (row == NULL) {
        row = store_memory_table_add(&data->roles, 0, role->id, sizeof *row);
    }
    struct nx_bytes name = row->name;
    store_memory_table_replace(&name, role->name);
    *row = *role;
    row->name = name;
}

static enum nx_err may_put_channel(const struct store_memory_data *data,
                                   const struct ctl_channel_row *channel)
{
    const struct store_memory_channel *old = store_memory_table_get(&data->channels, 0, channel->id);
    if (old != NULL) {
        return old->row.guild_id == channel->guild_id ? NX_OK : NX_E_CONFLICT;
    }
    return store_memory_table_get(&data->guilds, 0, channel->guild_id) != NULL ? NX_OK : NX_E_NOT_FOUND;
}

static void put_channel(struct store_memory_data *data, const struct ctl_channel_row *channel)
{
    struct store_memory_channel *place = store_memory_table_get(&data->channels, 0, channel->id);
    if (place == NULL) {
        place = store_memory_table_add(&data->channels, 0, channel->id, sizeof *place);
    }
    const struct ctl_channel_row old = place->row;
    place->row = *channel;
    place->row.name = old.name;
    place->row.topic = old.topic;
    store_memory_table_replace(&place->row.name, channel->name);
    store_memory_table_replace(&place->row.topic, channel->topic);
    place->row.last_seq = old.last_seq;
    place->row.last_message_id = old.last_message_id;
}

static enum nx_err guild_create(struct store_memory_data *data, const struct ctl_question *q)
{
    const struct ctl_guild_row *guild = &q->guild_create.guild;
    struct ctl_role_row everyone = q->guild_create.everyone;
    struct ctl_channel_row channel = q->guild_create.channel;
    everyone.id = guild->id;
    everyone.guild_id = guild->id;
    channel.guild_id = guild->id;
    if (store_memory_table_get(&data->guilds, 0, guild->id) != NULL) {
        return NX_E_CONFLICT;
    }
    if (store_memory_table_get(&data->users, 0, guild->owner_id) == NULL) {
        return NX_E_NOT_FOUND;
    }
    if (store_memory_table_get(&data->roles, 0, guild->id) != NULL ||
        store_memory_table_get(&data->channels, 0, channel.id) != NULL) {
        return NX_E_CONFLICT;
    }
    struct ctl_guild_row *row = store_memory_table_add(&data->guilds, 0, guild->id, sizeof *row);
    *row = *guild;
    row->name = store_memory_table_text(guild->name);
    row->description = store_memory_table_text(guild->description);
    put_role(data, &everyone);
    put_channel(data, &channel);
    store_memory_community_join(data, &(struct ctl_member_row){.guild_id = guild->id,
                                                               .user_id = guild->owner_id,
                                                               .joined_ms = q->guild_create.joined_ms});
    return NX_OK;
}

static enum nx_err guild_update(struct store_memory_data *data, const struct ctl_question *q)
{
    struct ctl_guild_row *guild = store_memory_table_get(&data->guilds, 0, q->guild_update.id);
    if (guild == NULL || store_memory_table_get(&data->users, 0, q->guild_update.owner_id) == NULL) {
        return NX_E_NOT_FOUND;
    }
    guild->owner_id = q->guild_update.owner_id;
    store_memory_table_replace(&guild->name, q->guild_update.name);
    store_memory_table_replace(&guild->description, q->guild_update.description);
    return NX_OK;
}

static void drop_channel(struct store_memory_data *data, uint64_t id)
{
    store_memory_table_drop_all(&data->overwrites, id);
    for (size_t i = data->invites.count; i-- > 0;) {
        if (((struct ctl_invite_row *)data->invites.entries[i].row)->channel_id == id) {
            store_memory_table_remove(&data->invites, i);
        }
    }
    for (size_t i = data->read_states.count; i-- > 0;) {
        if (data->read_states.entries[i].b == id) {
            store_memory_table_remove(&data->read_states, i);
        }
    }
    for (size_t i = data->nonces.count; i-- > 0;) {
        if (((struct store_memory_nonce *)data->nonces.entries[i].row)->channel_id == id) {
            store_memory_table_remove(&data->nonces, i);
        }
    }
    (void)store_memory_table_drop(&data->channels, 0, id);
}

static enum nx_err guild_delete(struct store_memory_data *data, const struct ctl_question *q)
{
    const uint64_t id = q->guild_delete.guild_id;
    if (!store_memory_table_drop(&data->guilds, 0, id)) {
        return NX_E_NOT_FOUND;
    }
    for (size_t i = data->channels.count; i-- > 0;) {
        if (((struct store_memory_channel *)data->channels.entries[i].row)->row.guild_id == id) {
            drop_channel(data, data->channels.entries[i].b);
        }
    }
    for (size_t i = data->roles.count; i-- > 0;) {
        if (((struct ctl_role_row *)data->roles.entries[i].row)->guild_id == id) {
            store_memory_table_remove(&data->roles, i);
        }
    }
    store_memory_table_drop_all(&data->members, id);
    store_memory_table_drop_all(&data->bans, id);
    return NX_OK;
}

static void take_role(struct ctl_member_row *member, uint64_t role_id)
{
    uint64_t *roles = (uint64_t *)(uintptr_t)member->roles;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < member->roles_count; i++) {
        if (roles[i] != role_id) {
            roles[kept++] = roles[i];
        }
    }
    member->roles_count = kept;
}

static enum nx_err role_delete(struct store_memory_data *data, const struct ctl_question *q)
{
    const uint64_t id = q->role_delete.role_id;
    const uint64_t guild_id = q->role_delete.guild_id;
    const struct ctl_role_row *role = store_memory_table_get(&data->roles, 0, id);
    if (role == NULL || role->guild_id != guild_id) {
        return NX_E_NOT_FOUND;
    }
    for (size_t i = store_memory_table_from(&data->members, guild_id, 0);
         i < data->members.count && data->members.entries[i].a == guild_id; i++) {
        take_role(data->members.entries[i].row, id);
    }
    for (size_t i = data->overwrites.count; i-- > 0;) {
        const struct store_memory_entry *entry = &data->overwrites.entries[i];
        const struct store_memory_channel *channel = store_memory_table_get(&data->channels, 0, entry->a);
        if (entry->b == id && channel->row.guild_id == guild_id) {
            store_memory_table_remove(&data->overwrites, i);
        }
    }
    (void)store_memory_table_drop(&data->roles, 0, id);
    return NX_OK;
}

static enum nx_err channel_delete(struct store_memory_data *data, const struct ctl_question *q)
{
    const struct store_memory_channel *channel =
        store_memory_table_get(&data->channels, 0, q->channel_delete.channel_id);
    if (channel == NULL || channel->row.guild_id != q->channel_delete.guild_id) {
        return NX_E_NOT_FOUND;
    }
    for (size_t i = 0; i < data->channels.count; i++) {
        struct store_memory_channel *other = data->channels.entries[i].row;
        if (other->row.parent_id == channel->row.id && other->row.guild_id == channel->row.guild_id) {
            other->row.parent_id = 0;
        }
    }
    drop_channel(data, q->channel_delete.channel_id);
    return NX_OK;
}

static enum nx_err roles_move(struct store_memory_data *data, const struct ctl_question *q)
{
    for (uint32_t i = 0; i < q->roles_move.rows_count; i++) {
        const struct ctl_role_row *role = store_memory_table_get(&data->roles, 0, q->roles_move.rows[i].id);
        if (role == NULL || role->guild_id != q->roles_move.guild_id) {
            return NX_E_NOT_FOUND;
        }
    }
    for (uint32_t i = 0; i < q->roles_move.rows_count; i++) {
        const struct ctl_position_row *row = &q->roles_move.rows[i];
        ((struct ctl_role_row *)store_memory_table_get(&data->roles, 0, row->id))->position = row->position;
    }
    return NX_OK;
}

static enum nx_err channels_move(struct store_memory_data *data, const struct ctl_question *q)
{
    for (uint32_t i = 0; i < q->channels_move.rows_count; i++) {
        const struct store_memory_channel *channel =
            store_memory_table_get(&data->channels, 0, q->channels_move.rows[i].id);
        if (channel == NULL || channel->row.guild_id != q->channels_move.guild_id) {
            return NX_E_NOT_FOUND;
        }
    }
    for (uint32_t i = 0; i < q->channels_move.rows_count; i++) {
        const struct ctl_position_row *row = &q->channels_move.rows[i];
        struct store_memory_channel *channel = store_memory_table_get(&data->channels, 0, row->id);
        channel->row.position = row->position;
        channel->row.parent_id = row->parent_id;
    }
    return NX_OK;
}

static void put_overwrite(struct store_memory_data *data, uint64_t channel_id,
                          const struct ctl_overwrite_row *wish)
{
    struct ctl_overwrite_row *row = store_memory_table_get(&data->overwrites, channel_id, wish->target_id);
    if (row == NULL) {
        row = store_memory_table_add(&data->overwrites, channel_id, wish->target_id, sizeof *row);
    }
    *row = *wish;
    row->channel_id = channel_id;
}

static enum nx_err overwrite_put(struct store_memory_data *data, const struct ctl_overwrite_row *wish)
{
    if (store_memory_table_get(&data->channels, 0, wish->channel_id) == NULL) {
        return NX_E_NOT_FOUND;
    }
    put_overwrite(data, wish->channel_id, wish);
    return NX_OK;
}

static enum nx_err channel_put(struct store_memory_data *data, const struct ctl_question *q)
{
    const uint64_t id = q->channel_put.id;
    const enum nx_err err = may_put_channel(data, &q->channel_put);
    if (err != NX_OK) {
        return err;
    }
    put_channel(data, &q->channel_put);
    if (q->channel_overwrites.is_given) {
        store_memory_table_drop_all(&data->overwrites, id);
        for (uint32_t i = 0; i < q->channel_overwrites.rows_count; i++) {
            put_overwrite(data, id, &q->channel_overwrites.rows[i]);
        }
    }
    return NX_OK;
}

static enum nx_err member_add(struct store_memory_data *data, const struct ctl_member_row *member)
{
    const enum nx_err err = store_memory_community_may_join(data, member);
    if (err == NX_OK) {
        store_memory_community_join(data, member);
    }
    return err;
}

static enum nx_err member_update(struct store_memory_data *data, const struct ctl_member_row *wish)
{
    struct ctl_member_row *member = store_memory_table_get(&data->members, wish->guild_id, wish->user_id);
    if (member == NULL || check_roles(data, wish) != NX_OK) {
        return NX_E_NOT_FOUND;
    }
    store_memory_table_replace(&member->nick, wish->nick);
    member->timeout_until_ms = wish->timeout_until_ms;
    set_roles(member, wish->roles, wish->roles_count);
    return NX_OK;
}

static enum nx_err ban_put(struct store_memory_data *data, const struct ctl_ban_row *wish)
{
    if (store_memory_table_get(&data->guilds, 0, wish->guild_id) == NULL ||
        store_memory_table_get(&data->users, 0, wish->user_id) == NULL) {
        return NX_E_NOT_FOUND;
    }
    struct ctl_ban_row *ban = store_memory_table_get(&data->bans, wish->guild_id, wish->user_id);
    if (ban == NULL) {
        ban = store_memory_table_add(&data->bans, wish->guild_id, wish->user_id, sizeof *ban);
        ban->guild_id = wish->guild_id;
        ban->user_id = wish->user_id;
    }
    store_memory_table_replace(&ban->reason, wish->reason);
    (void)store_memory_table_drop(&data->members, wish->guild_id, wish->user_id);
    return NX_OK;
}

static enum nx_err bans_list(struct store_memory_data *data, const struct ctl_question *q,
                             struct ctl_answer *answer)
{
    const uint64_t guild_id = q->bans_list.guild_id;
    const size_t limit =
        q->bans_list.limit < CTL_QUESTION_ROWS_MAX ? q->bans_list.limit : CTL_QUESTION_ROWS_MAX;
    const size_t first = store_memory_table_from(&data->bans, guild_id, q->bans_list.after_user_id + 1);
    const size_t left = store_memory_table_from(&data->bans, guild_id + 1, 0) - first;
    const size_t count = left < limit ? left : limit;
    struct ctl_ban_row *rows = store_memory_data_rows(data, sizeof *rows, count);
    for (size_t i = 0; rows != NULL && i < count; i++) {
        rows[i] = *(struct ctl_ban_row *)data->bans.entries[first + i].row;
        rows[i].reason = store_memory_data_text(data, rows[i].reason);
    }
    answer->list.rows = rows;
    answer->list.rows_count = (uint32_t)count;
    return NX_OK;
}

static enum nx_err drop(struct store_memory_table *table, uint64_t a, uint64_t b)
{
    return store_memory_table_drop(table, a, b) ? NX_OK : NX_E_NOT_FOUND;
}

enum nx_err store_memory_community(struct store_memory_data *data, const struct ctl_question *question,
                                   struct ctl_answer *answer)
{
    enum nx_err err;
    switch (question->kind) {
    case CTL_ASK_GUILD_CREATE:
        return guild_create(data, question);
    case CTL_ASK_GUILD_UPDATE:
        return guild_update(data, question);
    case CTL_ASK_GUILD_DELETE:
        return guild_delete(data, question);
    case CTL_ASK_ROLE_PUT:
        err = may_put_role(data, &question->role_put);
        if (err == NX_OK) {
            put_role(data, &question->role_put);
        }
        return err;
    case CTL_ASK_ROLES_MOVE:
        return roles_move(data, question);
    case CTL_ASK_ROLE_DELETE:
        return role_delete(data, question);
    case CTL_ASK_CHANNEL_PUT:
        return channel_put(data, question);
    case CTL_ASK_CHANNELS_MOVE:
        return channels_move(data, question);
    case CTL_ASK_CHANNEL_DELETE:
        return channel_delete(data, question);
    case CTL_ASK_OVERWRITE_PUT:
        return overwrite_put(data, &question->overwrite_put);
    case CTL_ASK_OVERWRITE_DELETE:
        return drop(&data->overwrites, question->overwrite_delete.channel_id,
                    question->overwrite_delete.target_id);
    case CTL_ASK_MEMBER_ADD:
        return member_add(data, &question->member_add);
    case CTL_ASK_MEMBER_UPDATE:
        return member_update(data, &question->member_update);
    case CTL_ASK_MEMBER_REMOVE:
        return drop(&data->members, question->member_remove.guild_id, question->member_remove.user_id);
    case CTL_ASK_BAN_PUT:
        return ban_put(data, &question->ban_put);
    case CTL_ASK_BAN_DELETE:
        return drop(&data->bans, question->ban_delete.guild_id, question->ban_delete.user_id);
    case CTL_ASK_BANS_LIST:
        return bans_list(data, question, answer);
    default:
        NX_ASSERT(false);
        return NX_E_UNSUPPORTED;
    }
}
