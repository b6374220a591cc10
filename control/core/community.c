#include "control/core/community.h"

#include "control/core/guild.h"

bool ctl_community_channel_type_ok(uint64_t type)
{
    return type == 0 || type == 2 || type == 4;
}

void ctl_community_channel_name(struct nx_bytes name, uint8_t type, struct nx_writer *out)
{
    if (type != 0) {
        nx_writer_bytes_put(out, name);
        return;
    }
    for (size_t i = 0; i < name.size; i++) {
        const uint8_t c = name.at[i];
        nx_writer_u8(out, c == ' ' ? '-' : c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c);
    }
}

bool ctl_community_timeout_ok(int64_t until_ms, int64_t wall_ms)
{
    return until_ms > wall_ms && until_ms - wall_ms <= (int64_t)CTL_TIMEOUT_DAYS_MAX * 24 * 3600 * 1000;
}

void ctl_community_new(uint64_t guild_id, uint64_t channel_id, struct ctl_role_row *everyone,
                       struct ctl_channel_row *channel)
{
    *everyone = (struct ctl_role_row){.id = guild_id,
                                      .guild_id = guild_id,
                                      .name = nx_bytes_text("@everyone"),
                                      .permissions = ctl_guild_everyone()};
    *channel =
        (struct ctl_channel_row){.id = channel_id, .guild_id = guild_id, .name = nx_bytes_text("general")};
}

struct ctl_guild_row ctl_community_guild_row(const struct ctl_guild *guild)
{
    return (struct ctl_guild_row){
        .id = guild->id, .owner_id = guild->owner_id, .name = guild->name, .description = guild->description};
}

struct ctl_role_row ctl_community_role_row(const struct ctl_guild *guild, uint32_t index)
{
    const struct ctl_role *role = &guild->roles[index];
    return (struct ctl_role_row){.id = role->id,
                                 .guild_id = guild->id,
                                 .name = role->name,
                                 .permissions = guild->perm_roles[index].permissions,
                                 .position = (uint32_t)guild->perm_roles[index].position,
                                 .color = role->color,
                                 .flags = role->flags};
}

struct ctl_channel_row ctl_community_channel_row(const struct ctl_channel *channel)
{
    return (struct ctl_channel_row){.id = channel->id,
                                    .guild_id = channel->guild->id,
                                    .type = channel->type,
                                    .name = channel->name,
                                    .topic = channel->topic,
                                    .position = channel->position,
                                    .parent_id = channel->parent_id,
                                    .slowmode_s = channel->slowmode_s,
                                    .bitrate_bps = channel->bitrate_bps,
                                    .user_limit = channel->user_limit,
                                    .flags = channel->flags,
                                    .last_seq = channel->last_seq,
                                    .last_message_id = channel->last_message_id};
}

struct ctl_member_row ctl_community_member_row(const struct ctl_member *member)
{
    struct ctl_member_row row = {.guild_id = member->guild->id,
                                 .user_id = member->user->id,
                                 .nick = member->nick,
                                 .joined_ms = member->joined_ms,
                                 .timeout_until_ms = member->timeout_until_ms};
    row.roles = ctl_guild_member_roles(member, &row.roles_count);
    return row;
}
