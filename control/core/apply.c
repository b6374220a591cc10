#include "control/core/apply.h"

#include "control/core/community.h"
#include "control/core/event.h"
#include "control/core/guild.h"
#include "control/core/presence.h"
#include "control/core/viewers.h"

static uint8_t member_kind(const struct ctl_guild *guild)
{
    return ctl_guild_is_large(guild) ? NX_BUS_EVENT_MEMBERS : NX_BUS_EVENT_PLAIN;
}

static void tell_member_updated(struct ctl_world *world, const struct ctl_member *member)
{
    struct nx_writer w = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(&w, "GUILD_MEMBER_UPDATE");
    ctl_object_member(&out, member, true);
    ctl_event_send(
        world, member->guild, &w, &out,
        (struct nx_bus_event){.intents = CTL_INTENT_GUILD_MEMBERS, .kind = member_kind(member->guild)});
}

/* ---- people ---- */

enum nx_err ctl_apply_user(struct ctl_world *world, const struct ctl_user_row *row)
{
    const enum nx_err err = ctl_directory_load_user(&world->directory, row);
    struct ctl_user *user = ctl_directory_user(&world->directory, row->id);
    if (err != NX_OK || user == NULL) {
        return err;
    }
    if (user->sessions != NULL) {
        struct nx_writer w = ctl_event_scratch(world);
        struct nx_json_out out = ctl_event_begin(&w, "USER_UPDATE");
        ctl_object_self(&out, user, row->email);
        ctl_event_send_user(world, user, &w, &out, 0);
    }
    for (const struct ctl_member *member = user->members; member != NULL; member = member->next) {
        if (member->guild->links != 0) {
            tell_member_updated(world, member);
        }
    }
    return NX_OK;
}

static void revoked(struct ctl_world *world, uint64_t user_id, uint64_t sid, uint64_t up_to,
                    uint16_t close_code, int64_t wall_ms)
{
    ctl_login_revoke(&world->logins, user_id, sid, up_to, wall_ms);
    /* Every shard: one that has no session of it now may be asked to resume one. */
    const struct nx_bus_revoke message = {
        .user_id = user_id, .sid = sid, .close_code = close_code, .at_ms = (uint64_t)wall_ms, .up_to = up_to};
    for (uint32_t link = 0; link < CTL_LINKS_MAX; link++) {
        if (world->sessions->links[link].is_open) {
            world->sink.revoke(world->sink.context, link, &message);
        }
    }
}

void ctl_apply_login_revoked(struct ctl_world *world, uint64_t user_id, uint64_t sid, uint16_t close_code,
                             int64_t wall_ms)
{
    revoked(world, user_id, sid, sid, close_code, wall_ms);
}

void ctl_apply_logins_revoked(struct ctl_world *world, uint64_t user_id, uint64_t up_to, uint16_t close_code,
                              int64_t wall_ms)
{
    revoked(world, user_id, 0, up_to, close_code, wall_ms);
}

/* ---- guilds ---- */

/* The sessions of somebody who has just become a member hear the guild from here on. */
static void joined(struct ctl_world *world, struct ctl_member *member)
{
    struct ctl_guild *guild = member->guild;
    const uint64_t before = guild->links;
    ctl_session_registry_count(member, 1);
    const uint64_t fresh = guild->links & ~before;
    const bool crossed = guild->members.count == CTL_LARGE_GUILD + 1;
    for (uint64_t links = crossed ? guild->links : fresh; links != 0; links &= links - 1) {
        ctl_event_guild_state(world, (uint32_t)__builtin_ctzll(links), guild);
    }
    ctl_viewers_tell_roleset(world, member);
    if (member->user->sessions != NULL) {
        uint64_t intents = 0;
        for (const struct ctl_session *s = member->user->sessions; s != NULL; s = s->next) {
            intents |= s->intents;
        }
        struct nx_writer w;
        struct nx_json_out out = ctl_event_guild_create(world, member, intents, &w);
        ctl_event_send_user(world, member->user, &w, &out, CTL_INTENT_GUILDS);
    }
}

enum nx_err ctl_apply_guild_created(struct ctl_world *world, const struct ctl_guild_row *guild,
                                    const struct ctl_role_row *everyone,
                                    const struct ctl_channel_row *channel, int64_t joined_ms)
{
    enum nx_err err = ctl_directory_load_guild(&world->directory, guild);
    err = err != NX_OK ? err : ctl_directory_load_role(&world->directory, everyone);
    err = err != NX_OK ? err : ctl_directory_load_channel(&world->directory, channel);
    const struct ctl_member_row member = {
        .guild_id = guild->id, .user_id = guild->owner_id, .joined_ms = joined_ms};
    err = err != NX_OK ? err : ctl_directory_load_member(&world->directory, &member);
    if (err == NX_OK) {
        joined(world, ctl_guild_member(ctl_directory_guild(&world->directory, guild->id), guild->owner_id));
    }
    return err;
}

enum nx_err ctl_apply_guild_updated(struct ctl_world *world, const struct ctl_guild_row *row)
{
    struct ctl_guild *guild = ctl_directory_guild(&world->directory, row->id);
    if (guild == NULL) {
        return NX_OK;
    }
    ctl_viewers_refresh(world, guild);
    struct ctl_member *two[2] = {ctl_guild_member(guild, guild->owner_id),
                                 ctl_guild_member(guild, row->owner_id)};
    struct ctl_viewers before[2];
    for (int i = 0; i < 2; i++) {
        before[i] = two[i] == NULL ? (struct ctl_viewers){.bits = {0}} : ctl_viewers_of(guild, two[i]);
    }
    const bool is_handed_over = guild->owner_id != row->owner_id;
    const enum nx_err err = ctl_directory_load_guild(&world->directory, row);
    for (int i = 0; i < 2 && is_handed_over && err == NX_OK; i++) {
        if (two[i] != NULL) {
            ctl_viewers_tell_roleset(world, two[i]);
            ctl_viewers_tell(world, two[i], &before[i]);
        }
    }
    struct nx_writer w = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(&w, "GUILD_UPDATE");
    ctl_object_guild(&out, guild, NULL);
    ctl_event_send(world, guild, &w, &out, (struct nx_bus_event){.intents = CTL_INTENT_GUILDS});
    return err;
}

static void write_guild_delete(struct nx_json_out *out, uint64_t guild_id)
{
    nx_json_out_object(out);
    nx_json_out_key(out, "id");
    nx_json_out_id(out, guild_id);
    nx_json_out_object_end(out);
}

static void guild_gone(struct ctl_world *world, uint64_t guild_id, uint64_t links)
{
    const struct nx_bus_guild_gone message = {.guild_id = guild_id};
    for (; links != 0; links &= links - 1) {
        world->sink.guild_gone(world->sink.context, (uint32_t)__builtin_ctzll(links), &message);
    }
}

void ctl_apply_guild_deleted(struct ctl_world *world, struct ctl_guild *guild)
{
    struct nx_writer w = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(&w, "GUILD_DELETE");
    write_guild_delete(&out, guild->id);
    ctl_event_send(world, guild, &w, &out, (struct nx_bus_event){.intents = CTL_INTENT_GUILDS});
    guild_gone(world, guild->id, guild->links);
    ctl_directory_drop_guild(&world->directory, guild);
}

/* ---- roles ---- */

static void tell_role(struct ctl_world *world, const struct ctl_guild *guild, const char *name,
                      uint32_t index)
{
    struct nx_writer w = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(&w, name);
    nx_json_out_object(&out);
    nx_json_out_key(&out, "guild_id");
    nx_json_out_id(&out, guild->id);
    nx_json_out_key(&out, "role");
    ctl_object_role(&out, guild, index);
    nx_json_out_object_end(&out);
    ctl_event_send(world, guild, &w, &out, (struct nx_bus_event){.intents = CTL_INTENT_GUILDS});
}

enum nx_err ctl_apply_role(struct ctl_world *world, const struct ctl_role_row *row)
{
    struct ctl_guild *guild = ctl_directory_guild(&world->directory, row->guild_id);
    if (guild == NULL) {
        return NX_OK;
    }
    const bool is_new = ctl_guild_role_index(guild, row->id) < 0;
    ctl_viewers_refresh(world, guild);
    const enum nx_err err = ctl_directory_load_role(&world->directory, row);
    if (err == NX_OK) {
        ctl_viewers_roles_changed(world, guild);
        tell_role(world, guild, is_new ? "GUILD_ROLE_CREATE" : "GUILD_ROLE_UPDATE",
                  (uint32_t)ctl_guild_role_index(guild, row->id));
    }
    return err;
}

void ctl_apply_roles_moved(struct ctl_world *world, struct ctl_guild *guild,
                           const struct ctl_position_row *rows, uint32_t rows_count)
{
    for (uint32_t i = 0; i < rows_count; i++) {
        const int32_t index = ctl_guild_role_index(guild, rows[i].id);
        if (index >= 0) {
            guild->perm_roles[index].position = (int32_t)rows[i].position;
            tell_role(world, guild, "GUILD_ROLE_UPDATE", (uint32_t)index);
        }
    }
}

enum nx_err ctl_apply_role_deleted(struct ctl_world *world, struct ctl_guild *guild, uint64_t role_id)
{
    const int32_t index = ctl_guild_role_index(guild, role_id);
    if (index < 0) {
        return NX_OK;
    }
    /* First the role means nothing any more, with all role set ids as they are; then it goes, which changes no right. */
    ctl_viewers_refresh(world, guild);
    struct ctl_role_row row = ctl_community_role_row(guild, (uint32_t)index);
    row.permissions = 0;
    enum nx_err err = ctl_directory_load_role(&world->directory, &row);
    for (uint32_t i = 0; i < guild->channels_count && err == NX_OK; i++) {
        err = ctl_directory_drop_overwrite(&world->directory, guild->channels[i], role_id);
    }
    if (err != NX_OK) {
        return err;
    }
    ctl_viewers_roles_changed(world, guild);
    err = ctl_directory_drop_role(&world->directory, guild, role_id);
    if (err != NX_OK) {
        return err;
    }
    for (uint64_t links = guild->links; links != 0; links &= links - 1) {
        ctl_event_guild_state(world, (uint32_t)__builtin_ctzll(links), guild);
    }
    for (uint32_t i = 0; i < guild->members.count && guild->links != 0; i++) {
        const struct ctl_member *member = guild->members.entries[i].item;
        if (member->user->sessions != NULL) {
            ctl_viewers_tell_roleset(world, member);
        }
    }
    struct nx_writer w = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(&w, "GUILD_ROLE_DELETE");
    nx_json_out_object(&out);
    nx_json_out_key(&out, "guild_id");
    nx_json_out_id(&out, guild->id);
    nx_json_out_key(&out, "role_id");
    nx_json_out_id(&out, role_id);
    nx_json_out_object_end(&out);
    ctl_event_send(world, guild, &w, &out, (struct nx_bus_event){.intents = CTL_INTENT_GUILDS});
    return NX_OK;
}

/* ---- channels ---- */

static void channel_event(struct ctl_world *world, const struct ctl_channel *channel, const char *name)
{
    struct nx_writer w = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(&w, name);
    ctl_object_channel(&out, channel);
    ctl_event_send(world, channel->guild, &w, &out,
                   (struct nx_bus_event){.channel_id = channel->id, .intents = CTL_INTENT_GUILDS});
}

enum nx_err ctl_apply_channel(struct ctl_world *world, const struct ctl_channel_row *row,
                              const struct ctl_overwrite_set *overwrites)
{
    const bool is_new = ctl_directory_channel(&world->directory, row->id) == NULL;
    if (ctl_directory_guild(&world->directory, row->guild_id) == NULL) {
        return NX_OK;
    }
    enum nx_err err = ctl_directory_load_channel(&world->directory, row);
    struct ctl_channel *channel = ctl_directory_channel(&world->directory, row->id);
    if (err == NX_OK && overwrites != NULL) {
        err = ctl_viewers_set_overwrites(world, channel, overwrites, is_new);
    } else if (err == NX_OK) {
        ctl_event_channel_state(world, channel);
    }
    if (err == NX_OK) {
        channel_event(world, channel, is_new ? "CHANNEL_CREATE" : "CHANNEL_UPDATE");
    }
    return err;
}

void ctl_apply_channels_moved(struct ctl_world *world, const struct ctl_position_row *rows,
                              uint32_t rows_count)
{
    for (uint32_t i = 0; i < rows_count; i++) {
        struct ctl_channel *channel = ctl_directory_channel(&world->directory, rows[i].id);
        if (channel != NULL) {
            channel->position = rows[i].position;
            channel->parent_id = rows[i].parent_id;
            channel_event(world, channel, "CHANNEL_UPDATE");
        }
    }
}

void ctl_apply_channel_deleted(struct ctl_world *world, struct ctl_channel *channel)
{
    const struct nx_bus_channel_gone message = {.guild_id = channel->guild->id, .channel_id = channel->id};
    const uint64_t links = channel->guild->links;
    channel_event(world, channel, "CHANNEL_DELETE");
    ctl_directory_drop_channel(&world->directory, channel);
    for (uint64_t left = links; left != 0; left &= left - 1) {
        world->sink.channel_gone(world->sink.context, (uint32_t)__builtin_ctzll(left), &message);
    }
}

/* What the channel has, with one overwrite in another form or (NULL) without that of `target_id`. */
static enum nx_err overwrite_changed(struct ctl_world *world, struct ctl_channel *channel,
                                     const struct ctl_overwrite_row *row, uint64_t target_id)
{
    struct ctl_overwrite_row rows[PERM_OVERWRITES_PER_CHANNEL_MAX + 1];
    uint32_t count = 0;
    for (uint32_t i = 0; i < channel->overwrites_count; i++) {
        const struct perm_overwrite *old = &channel->overwrites[i];
        if (old->target_id != target_id) {
            rows[count++] = (struct ctl_overwrite_row){.target_id = old->target_id,
                                                       .type = old->target == PERM_TARGET_MEMBER,
                                                       .allow = old->allow,
                                                       .deny = old->deny};
        }
    }
    if (row != NULL) {
        rows[count++] = *row;
    }
    const struct ctl_overwrite_set set = {.rows = rows, .rows_count = count};
    const enum nx_err err = ctl_viewers_set_overwrites(world, channel, &set, false);
    if (err == NX_OK) {
        channel_event(world, channel, "CHANNEL_UPDATE");
    }
    return err;
}

enum nx_err ctl_apply_overwrite(struct ctl_world *world, const struct ctl_overwrite_row *row)
{
    struct ctl_channel *channel = ctl_directory_channel(&world->directory, row->channel_id);
    return channel == NULL ? NX_OK : overwrite_changed(world, channel, row, row->target_id);
}

enum nx_err ctl_apply_overwrite_deleted(struct ctl_world *world, struct ctl_channel *channel,
                                        uint64_t target_id)
{
    return overwrite_changed(world, channel, NULL, target_id);
}

/* ---- members ---- */

enum nx_err ctl_apply_member_added(struct ctl_world *world, const struct ctl_member_row *row)
{
    struct ctl_guild *guild = ctl_directory_guild(&world->directory, row->guild_id);
    if (guild == NULL || ctl_guild_member(guild, row->user_id) != NULL) {
        return NX_OK;
    }
    const enum nx_err err = ctl_directory_load_member(&world->directory, row);
    if (err != NX_OK) {
        return err;
    }
    struct ctl_member *member = ctl_guild_member(guild, row->user_id);
    joined(world, member);
    struct nx_writer w = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(&w, "GUILD_MEMBER_ADD");
    ctl_object_member(&out, member, true);
    ctl_event_send(world, guild, &w, &out,
                   (struct nx_bus_event){.intents = CTL_INTENT_GUILD_MEMBERS,
                                         .except_user_id = row->user_id,
                                         .kind = member_kind(guild)});
    if (member->user->status != NX_BUS_STATUS_OFFLINE) {
        ctl_presence_tell(world, member); /* GUILD_MEMBER_ADD does not say it */
    }
    return NX_OK;
}

enum nx_err ctl_apply_member_updated(struct ctl_world *world, const struct ctl_member_row *row)
{
    struct ctl_guild *guild = ctl_directory_guild(&world->directory, row->guild_id);
    struct ctl_member *member = guild == NULL ? NULL : ctl_guild_member(guild, row->user_id);
    if (member == NULL) {
        return NX_OK;
    }
    const uint32_t roleset = member->roleset;
    const struct ctl_viewers before = ctl_viewers_of(guild, member);
    const enum nx_err err = ctl_directory_load_member(&world->directory, row);
    if (err != NX_OK) {
        return err;
    }
    if (member->roleset != roleset) {
        ctl_viewers_tell_roleset(world, member);
        ctl_viewers_tell(world, member, &before);
    }
    tell_member_updated(world, member);
    return NX_OK;
}

void ctl_apply_member_removed(struct ctl_world *world, struct ctl_member *member)
{
    struct ctl_guild *guild = member->guild;
    struct ctl_user *user = member->user;
    const uint64_t links = guild->links;
    const struct nx_bus_member_roleset message = {
        .guild_id = guild->id, .user_id = user->id, .roleset = NX_BUS_ROLESET_NONE};
    for (uint64_t left = ctl_session_registry_links(user); left != 0; left &= left - 1) {
        world->sink.member_roleset(world->sink.context, (uint32_t)__builtin_ctzll(left), &message);
    }
    ctl_session_registry_count(member, -1);
    ctl_directory_drop_member(&world->directory, member);
    struct nx_writer w = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(&w, "GUILD_DELETE");
    write_guild_delete(&out, guild->id);
    ctl_event_send_user(world, user, &w, &out, CTL_INTENT_GUILDS);
    guild_gone(world, guild->id, links & ~guild->links);
    if (guild->members.count == CTL_LARGE_GUILD) {
        for (uint64_t left = guild->links; left != 0; left &= left - 1) {
            ctl_event_guild_state(world, (uint32_t)__builtin_ctzll(left), guild);
        }
    }
    w = ctl_event_scratch(world);
    out = ctl_event_begin(&w, "GUILD_MEMBER_REMOVE");
    nx_json_out_object(&out);
    nx_json_out_key(&out, "guild_id");
    nx_json_out_id(&out, guild->id);
    nx_json_out_key(&out, "user");
    ctl_object_user(&out, user);
    nx_json_out_object_end(&out);
    ctl_event_send(world, guild, &w, &out,
                   (struct nx_bus_event){.intents = CTL_INTENT_GUILD_MEMBERS, .kind = member_kind(guild)});
}

void ctl_apply_ban(struct ctl_world *world, struct ctl_guild *guild, uint64_t user_id, bool is_banned)
{
    struct nx_writer w = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(&w, is_banned ? "GUILD_BAN_ADD" : "GUILD_BAN_REMOVE");
    nx_json_out_object(&out);
    nx_json_out_key(&out, "guild_id");
    nx_json_out_id(&out, guild->id);
    nx_json_out_key(&out, "user");
    ctl_object_user_id(&out, &world->directory, user_id);
    nx_json_out_object_end(&out);
    ctl_event_send(world, guild, &w, &out, (struct nx_bus_event){.intents = CTL_INTENT_GUILD_MODERATION});
}

/* ---- read states, invitations ---- */

void ctl_apply_read_state(struct ctl_world *world, const struct ctl_user *user,
                          const struct ctl_read_state_row *row)
{
    struct nx_writer w = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(&w, "MESSAGE_ACK");
    nx_json_out_object(&out);
    nx_json_out_key(&out, "channel_id");
    nx_json_out_id(&out, row->channel_id);
    nx_json_out_key(&out, "message_id");
    nx_json_out_id(&out, row->last_message_id);
    nx_json_out_object_end(&out);
    ctl_event_send_user(world, user, &w, &out, 0);
}

void ctl_apply_invite(struct ctl_world *world, const struct ctl_invite_row *row, bool is_new)
{
    const struct ctl_guild *guild = ctl_directory_guild(&world->directory, row->guild_id);
    if (guild == NULL) {
        return;
    }
    struct nx_writer w = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(&w, is_new ? "INVITE_CREATE" : "INVITE_DELETE");
    if (is_new) {
        ctl_object_invite(&out, &world->directory, row, true);
    } else {
        nx_json_out_object(&out);
        nx_json_out_key(&out, "guild_id");
        nx_json_out_id(&out, row->guild_id);
        nx_json_out_key(&out, "channel_id");
        nx_json_out_id(&out, row->channel_id);
        nx_json_out_key(&out, "code");
        nx_json_out_string(&out, row->code);
        nx_json_out_object_end(&out);
    }
    ctl_event_send(world, guild, &w, &out,
                   (struct nx_bus_event){.channel_id = row->channel_id, .intents = CTL_INTENT_GUILD_INVITES});
}
