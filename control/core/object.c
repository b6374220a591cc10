#include "control/core/object.h"

#include "control/core/event.h"
#include "control/core/guild.h"
#include "control/core/presence.h"
#include "engine/base/id.h"

static void key_text(struct nx_json_out *out, const char *key, struct nx_bytes text)
{
    nx_json_out_key(out, key);
    nx_json_out_string(out, text);
}

static void key_text_or_null(struct nx_json_out *out, const char *key, struct nx_bytes text)
{
    nx_json_out_key(out, key);
    if (text.size == 0) {
        nx_json_out_null(out);
    } else {
        nx_json_out_string(out, text);
    }
}

static void key_id(struct nx_json_out *out, const char *key, uint64_t id)
{
    nx_json_out_key(out, key);
    nx_json_out_id(out, id);
}

static void key_id_or_null(struct nx_json_out *out, const char *key, uint64_t id)
{
    nx_json_out_key(out, key);
    nx_json_out_id_or_null(out, id);
}

static void key_number(struct nx_json_out *out, const char *key, uint64_t value)
{
    nx_json_out_key(out, key);
    nx_json_out_u64(out, value);
}

static void key_bool(struct nx_json_out *out, const char *key, bool value)
{
    nx_json_out_key(out, key);
    nx_json_out_bool(out, value);
}

static void key_null(struct nx_json_out *out, const char *key)
{
    nx_json_out_key(out, key);
    nx_json_out_null(out);
}

static void key_empty(struct nx_json_out *out, const char *key)
{
    nx_json_out_key(out, key);
    nx_json_out_array(out);
    nx_json_out_array_end(out);
}

static void key_time(struct nx_json_out *out, const char *key, int64_t wall_ms)
{
    nx_json_out_key(out, key);
    if (wall_ms == 0) {
        nx_json_out_null(out);
    } else {
        nx_json_out_time(out, wall_ms);
    }
}

static void user_fields(struct nx_json_out *out, const struct ctl_user *user)
{
    key_id(out, "id", user->id);
    key_text(out, "username", user->username);
    key_text_or_null(out, "global_name", user->global_name);
    nx_json_out_key(out, "discriminator");
    nx_json_out_text(out, "0");
    key_null(out, "avatar");
    key_bool(out, "bot", (user->flags & CTL_USER_BOT) != 0);
    key_number(out, "public_flags", 0);
}

void ctl_object_user(struct nx_json_out *out, const struct ctl_user *user)
{
    nx_json_out_object(out);
    user_fields(out, user);
    nx_json_out_object_end(out);
}

void ctl_object_user_id(struct nx_json_out *out, const struct ctl_directory *directory, uint64_t user_id)
{
    const struct ctl_user *user = ctl_directory_user(directory, user_id);
    const struct ctl_user unknown = {.id = user_id, .username = nx_bytes_text("deleted-user")};
    ctl_object_user(out, user == NULL ? &unknown : user);
}

void ctl_object_self(struct nx_json_out *out, const struct ctl_user *user, struct nx_bytes email)
{
    nx_json_out_object(out);
    user_fields(out, user);
    key_text_or_null(out, "email", email);
    key_bool(out, "verified", false);
    key_bool(out, "mfa_enabled", false);
    nx_json_out_key(out, "locale");
    nx_json_out_text(out, "en-US");
    key_number(out, "flags", 0);
    nx_json_out_object_end(out);
}

static void permissions(struct nx_json_out *out, const char *key, uint64_t bits)
{
    nx_json_out_key(out, key);
    nx_json_out_id(out, bits);
}

void ctl_object_role(struct nx_json_out *out, const struct ctl_guild *guild, uint32_t index)
{
    const struct ctl_role *role = &guild->roles[index];
    nx_json_out_object(out);
    key_id(out, "id", role->id);
    key_text(out, "name", role->name);
    key_number(out, "color", role->color);
    key_bool(out, "hoist", (role->flags & CTL_ROLE_HOIST) != 0);
    key_null(out, "icon");
    key_null(out, "unicode_emoji");
    key_number(out, "position", (uint64_t)guild->perm_roles[index].position);
    permissions(out, "permissions", guild->perm_roles[index].permissions);
    key_bool(out, "managed", (role->flags & CTL_ROLE_MANAGED) != 0);
    key_bool(out, "mentionable", (role->flags & CTL_ROLE_MENTIONABLE) != 0);
    key_number(out, "flags", 0);
    nx_json_out_object_end(out);
}

void ctl_object_overwrite(struct nx_json_out *out, const struct perm_overwrite *overwrite)
{
    nx_json_out_object(out);
    key_id(out, "id", overwrite->target_id);
    key_number(out, "type", overwrite->target == PERM_TARGET_ROLE ? 0 : 1);
    permissions(out, "allow", overwrite->allow);
    permissions(out, "deny", overwrite->deny);
    nx_json_out_object_end(out);
}

void ctl_object_channel(struct nx_json_out *out, const struct ctl_channel *channel)
{
    nx_json_out_object(out);
    key_id(out, "id", channel->id);
    key_number(out, "type", channel->type);
    key_id(out, "guild_id", channel->guild->id);
    key_text(out, "name", channel->name);
    key_number(out, "position", channel->position);
    key_id_or_null(out, "parent_id", channel->parent_id);
    key_bool(out, "nsfw", (channel->flags & 1) != 0);
    nx_json_out_key(out, "permission_overwrites");
    nx_json_out_array(out);
    for (uint32_t i = 0; i < channel->overwrites_count; i++) {
        ctl_object_overwrite(out, &channel->overwrites[i]);
    }
    nx_json_out_array_end(out);
    if (channel->type != 4) {
        key_text_or_null(out, "topic", channel->topic);
        key_number(out, "rate_limit_per_user", channel->slowmode_s);
        key_id_or_null(out, "last_message_id", channel->last_message_id);
        key_number(out, "last_seq", channel->last_seq);
    }
    if (channel->type == 2) {
        key_number(out, "bitrate", channel->bitrate_bps);
        key_number(out, "user_limit", channel->user_limit);
    }
    key_number(out, "flags", 0);
    nx_json_out_object_end(out);
}

void ctl_object_member(struct nx_json_out *out, const struct ctl_member *member, bool has_guild)
{
    uint32_t count;
    const uint64_t *roles = ctl_guild_member_roles(member, &count);
    nx_json_out_object(out);
    if (has_guild) {
        key_id(out, "guild_id", member->guild->id);
    }
    nx_json_out_key(out, "user");
    ctl_object_user(out, member->user);
    key_text_or_null(out, "nick", member->nick);
    key_null(out, "avatar");
    nx_json_out_key(out, "roles");
    nx_json_out_array(out);
    for (uint32_t i = 0; i < count; i++) {
        nx_json_out_id(out, roles[i]);
    }
    nx_json_out_array_end(out);
    key_time(out, "joined_at", member->joined_ms);
    key_null(out, "premium_since");
    key_bool(out, "deaf", false);
    key_bool(out, "mute", false);
    key_bool(out, "pending", false);
    key_time(out, "communication_disabled_until", member->timeout_until_ms);
    key_number(out, "flags", 0);
    nx_json_out_object_end(out);
}

void ctl_object_guild_fields(struct nx_json_out *out, const struct ctl_guild *guild)
{
    key_id(out, "id", guild->id);
    key_text(out, "name", guild->name);
    key_text_or_null(out, "description", guild->description);
    key_id(out, "owner_id", guild->owner_id);
    key_null(out, "icon");
    key_null(out, "splash");
    key_null(out, "banner");
    key_null(out, "discovery_splash");
    key_null(out, "afk_channel_id");
    key_number(out, "afk_timeout", 300);
    key_null(out, "system_channel_id");
    key_number(out, "system_channel_flags", 0);
    key_null(out, "rules_channel_id");
    key_null(out, "public_updates_channel_id");
    key_null(out, "application_id");
    key_null(out, "vanity_url_code");
    key_number(out, "verification_level", 0);
    key_number(out, "default_message_notifications", 0);
    key_number(out, "explicit_content_filter", 0);
    key_number(out, "mfa_level", 0);
    key_number(out, "nsfw_level", 0);
    key_number(out, "premium_tier", 0);
    key_number(out, "premium_subscription_count", 0);
    key_bool(out, "premium_progress_bar_enabled", false);
    nx_json_out_key(out, "preferred_locale");
    nx_json_out_text(out, "en-US");
    key_empty(out, "features");
    key_empty(out, "emojis");
    key_empty(out, "stickers");
    nx_json_out_key(out, "roles");
    nx_json_out_array(out);
    for (uint32_t i = 0; i < guild->roles_count; i++) {
        ctl_object_role(out, guild, i);
    }
    nx_json_out_array_end(out);
}

static void channels(struct nx_json_out *out, struct ctl_guild *guild, const struct ctl_member *viewer)
{
    nx_json_out_key(out, "channels");
    nx_json_out_array(out);
    for (uint32_t i = 0; i < guild->channels_count; i++) {
        if (ctl_guild_may_view(viewer, guild->channels[i])) {
            ctl_object_channel(out, guild->channels[i]);
        }
    }
    nx_json_out_array_end(out);
}

void ctl_object_guild(struct nx_json_out *out, struct ctl_guild *guild, const struct ctl_member *viewer)
{
    nx_json_out_object(out);
    ctl_object_guild_fields(out, guild);
    if (viewer != NULL) {
        channels(out, guild, viewer);
    }
    nx_json_out_object_end(out);
}

void ctl_object_message(struct nx_json_out *out, const struct ctl_directory *directory,
                        const struct ctl_channel *channel, const struct ctl_message_row *row,
                        struct nx_bytes nonce)
{
    nx_json_out_object(out);
    key_id(out, "id", row->id);
    if (row->is_deleted) {
        key_number(out, "seq", row->seq);
        key_bool(out, "deleted", true);
        nx_json_out_object_end(out);
        return;
    }
    key_id(out, "channel_id", channel->id);
    key_id(out, "guild_id", channel->guild->id);
    nx_json_out_key(out, "author");
    ctl_object_user_id(out, directory, row->author_id);
    key_text(out, "content", row->content);
    key_time(out, "timestamp", nx_id_ms(row->id));
    key_time(out, "edited_timestamp", row->edited_ms);
    key_number(out, "type", row->type);
    if (nonce.size != 0) {
        key_text(out, "nonce", nonce);
    }
    key_number(out, "seq", row->seq);
    key_bool(out, "mention_everyone", false);
    key_empty(out, "mentions");
    key_empty(out, "mention_roles");
    key_empty(out, "attachments");
    key_empty(out, "embeds");
    key_empty(out, "components");
    key_bool(out, "pinned", false);
    key_bool(out, "tts", false);
    key_number(out, "flags", 0);
    nx_json_out_object_end(out);
}

void ctl_object_invite(struct nx_json_out *out, const struct ctl_directory *directory,
                       const struct ctl_invite_row *row, bool is_full)
{
    const struct ctl_guild *guild = ctl_directory_guild(directory, row->guild_id);
    const struct ctl_channel *channel = ctl_directory_channel(directory, row->channel_id);
    nx_json_out_object(out);
    key_number(out, "type", 0);
    key_text(out, "code", row->code);
    key_id(out, "guild_id", row->guild_id);
    if (guild != NULL) {
        nx_json_out_key(out, "guild");
        nx_json_out_object(out);
        key_id(out, "id", guild->id);
        key_text(out, "name", guild->name);
        key_text_or_null(out, "description", guild->description);
        key_null(out, "icon");
        key_empty(out, "features");
        nx_json_out_object_end(out);
        key_number(out, "approximate_member_count", guild->members.count);
        key_number(out, "approximate_presence_count", guild->online_count);
    }
    if (channel != NULL) {
        nx_json_out_key(out, "channel");
        nx_json_out_object(out);
        key_id(out, "id", channel->id);
        key_text(out, "name", channel->name);
        key_number(out, "type", channel->type);
        nx_json_out_object_end(out);
    }
    nx_json_out_key(out, "inviter");
    ctl_object_user_id(out, directory, row->inviter_id);
    key_time(out, "expires_at", row->expires_ms);
    if (is_full) {
        key_number(out, "uses", row->uses);
        key_number(out, "max_uses", row->uses_max);
        key_number(out, "max_age",
                   row->expires_ms == 0 ? 0 : (uint64_t)((row->expires_ms - row->created_ms) / 1000));
        key_bool(out, "temporary", false);
        key_time(out, "created_at", row->created_ms);
    }
    nx_json_out_object_end(out);
}

void ctl_object_presence(struct nx_json_out *out, const struct ctl_user *user, uint64_t guild_id)
{
    nx_json_out_object(out);
    nx_json_out_key(out, "user");
    nx_json_out_object(out);
    key_id(out, "id", user->id);
    nx_json_out_object_end(out);
    if (guild_id != 0) {
        key_id(out, "guild_id", guild_id);
    }
    nx_json_out_key(out, "status");
    nx_json_out_text(out, ctl_presence_word(user->status));
    key_empty(out, "activities");
    nx_json_out_key(out, "client_status");
    nx_json_out_object(out);
    nx_json_out_object_end(out);
    nx_json_out_object_end(out);
}

void ctl_object_read_state(struct nx_json_out *out, const struct ctl_read_state_row *row)
{
    nx_json_out_object(out);
    key_id(out, "channel_id", row->channel_id);
    key_id_or_null(out, "last_message_id", row->last_message_id);
    key_number(out, "mention_count", row->mention_count);
    nx_json_out_object_end(out);
}

/* Steps through the members GUILD_CREATE shows: all of a small guild; of a large one the viewer and those who are there. */
static const struct ctl_member *shown_next(const struct ctl_guild *guild, const struct ctl_member *viewer,
                                           bool is_all, bool is_online, uint32_t *cursor)
{
    while ((is_all || is_online) && *cursor < guild->members.count) {
        const struct ctl_member *one = guild->members.entries[(*cursor)++].item;
        if (one != viewer && (is_all || one->user->status != NX_BUS_STATUS_OFFLINE)) {
            return one;
        }
    }
    return NULL;
}

void ctl_object_guild_create(struct nx_json_out *out, struct ctl_guild *guild,
                             const struct ctl_member *member, uint64_t intents)
{
    const bool is_large = ctl_guild_is_large(guild);
    const bool has_presences = (intents & CTL_INTENT_GUILD_PRESENCES) != 0;
    nx_json_out_object(out);
    ctl_object_guild_fields(out, guild);
    channels(out, guild, member);
    key_time(out, "joined_at", member->joined_ms);
    key_bool(out, "large", is_large);
    key_bool(out, "unavailable", false);
    key_number(out, "member_count", guild->members.count);
    nx_json_out_key(out, "members");
    nx_json_out_array(out);
    ctl_object_member(out, member, false);
    uint32_t cursor = 0;
    const struct ctl_member *one;
    for (uint32_t n = 1; n < CTL_READY_MEMBERS_MAX &&
                         (one = shown_next(guild, member, !is_large, has_presences, &cursor)) != NULL;
         n++) {
        ctl_object_member(out, one, false);
    }
    nx_json_out_array_end(out);
    nx_json_out_key(out, "presences");
    nx_json_out_array(out);
    cursor = 0;
    if (has_presences && member->user->status != NX_BUS_STATUS_OFFLINE) {
        ctl_object_presence(out, member->user, 0);
    }
    for (uint32_t n = 1; n < CTL_READY_MEMBERS_MAX &&
                         (one = shown_next(guild, member, false, has_presences, &cursor)) != NULL;
         n++) {
        ctl_object_presence(out, one->user, 0);
    }
    nx_json_out_array_end(out);
    key_empty(out, "voice_states");
    key_empty(out, "threads");
    key_empty(out, "stage_instances");
    key_empty(out, "guild_scheduled_events");
    nx_json_out_object_end(out);
}
