#include "control/core/directory.h"

#include "control/core/guild.h"
#include "engine/base/assert.h"
#include "engine/perm/resolve.h"
#include "engine/wire/bus.h"

void ctl_directory_init(struct ctl_directory *directory, struct ctl_memory memory, uint64_t seed)
{
    *directory = (struct ctl_directory){.memory = memory, .seed = seed};
}

void ctl_directory_fini(struct ctl_directory *directory)
{
    while (directory->guilds.count != 0) {
        ctl_directory_drop_guild(directory, directory->guilds.entries[directory->guilds.count - 1].item);
    }
    for (uint32_t i = 0; i < directory->users.count; i++) {
        struct ctl_user *user = directory->users.entries[i].item;
        ctl_memory_text_drop(&directory->memory, &user->username);
        ctl_memory_text_drop(&directory->memory, &user->global_name);
        ctl_memory_give(&directory->memory, user, sizeof(*user));
    }
    ctl_table_fini(&directory->users, &directory->memory);
    ctl_table_fini(&directory->guilds, &directory->memory);
    ctl_table_fini(&directory->channels, &directory->memory);
}

struct ctl_user *ctl_directory_user(const struct ctl_directory *directory, uint64_t id)
{
    return ctl_table_get(&directory->users, id);
}

struct ctl_guild *ctl_directory_guild(const struct ctl_directory *directory, uint64_t id)
{
    return ctl_table_get(&directory->guilds, id);
}

struct ctl_channel *ctl_directory_channel(const struct ctl_directory *directory, uint64_t id)
{
    return ctl_table_get(&directory->channels, id);
}

static void all_stale(struct ctl_guild *guild)
{
    for (uint32_t i = 0; i < guild->channels_count; i++) {
        guild->channels[i]->view_is_fresh = false;
    }
}

/* A combination that has just come to life or died gets or loses its bit wherever the bitmaps are up to date. */
static void roleset_changed(struct ctl_guild *guild, uint32_t id, bool is_alive)
{
    const struct perm_guild perm = ctl_guild_perm(guild);
    for (uint32_t i = 0; i < guild->channels_count; i++) {
        struct ctl_channel *channel = guild->channels[i];
        if (!channel->view_is_fresh) {
            continue;
        }
        if (id / 64 >= channel->view_words_count) {
            channel->view_is_fresh = false;
            continue;
        }
        const struct perm_channel place = ctl_guild_channel_perm(channel);
        struct perm_bitmap view = {.words = channel->view_words, .words_count = channel->view_words_count};
        perm_bitmap_clear(&view, id);
        if (is_alive &&
            (perm_roleset_permissions(&guild->rolesets, id, &perm, &place) & PERM_VIEW_CHANNEL) != 0) {
            perm_bitmap_set(&view, id);
        }
    }
}

static enum nx_err rolesets_grow(struct ctl_directory *directory, struct ctl_guild *guild)
{
    const uint32_t before = guild->rolesets_memory == NULL ? 0 : guild->rolesets.capacity;
    if (before == PERM_ROLESETS_PER_GUILD_MAX) {
        return NX_E_FULL;
    }
    const uint32_t capacity = before == 0 ? 4 : before * 2;
    void *memory = ctl_memory_take(&directory->memory, perm_roleset_memory_size(capacity));
    if (memory == NULL) {
        return NX_E_NO_MEMORY;
    }
    if (before == 0) {
        perm_roleset_init(&guild->rolesets, memory, capacity, directory->seed);
    } else {
        perm_roleset_grow(&guild->rolesets, memory, capacity);
        ctl_memory_give(&directory->memory, guild->rolesets_memory, perm_roleset_memory_size(before));
    }
    guild->rolesets_memory = memory;
    return NX_OK;
}

static void roleset_drop(struct ctl_guild *guild, uint32_t id)
{
    if (id != PERM_ROLESET_NONE && perm_roleset_drop(&guild->rolesets, id)) {
        roleset_changed(guild, id, false);
    }
}

/* Gives `member` the id of its combination; the roles are ascending and may lie in the table itself. */
static enum nx_err intern(struct ctl_directory *directory, struct ctl_member *member, const uint64_t *roles,
                          uint32_t count)
{
    struct ctl_guild *guild = member->guild;
    uint64_t copy[PERM_ROLES_PER_MEMBER_MAX];
    NX_ASSERT(count <= PERM_ROLES_PER_MEMBER_MAX);
    if (count != 0) {
        memcpy(copy, roles, count * sizeof(*copy));
    }
    const uint64_t user_id = member->user->id;
    const struct perm_roleset_key key = {.role_ids = copy,
                                         .role_ids_count = count,
                                         .user_id =
                                             ctl_table_get(&guild->named, user_id) != NULL ? user_id : 0,
                                         .is_owner = guild->owner_id == user_id};
    uint32_t id;
    enum nx_err err =
        guild->rolesets_memory == NULL ? NX_E_FULL : perm_roleset_intern(&guild->rolesets, &key, &id);
    if (err == NX_E_FULL) {
        err = rolesets_grow(directory, guild);
        if (err == NX_OK) {
            err = perm_roleset_intern(&guild->rolesets, &key, &id);
        }
    }
    if (err != NX_OK) {
        return err;
    }
    if (perm_roleset_get(&guild->rolesets, id)->holders == 1) {
        roleset_changed(guild, id, true);
    }
    const uint32_t before = member->roleset;
    member->roleset = id;
    roleset_drop(guild, before);
    return NX_OK;
}

static enum nx_err intern_again(struct ctl_directory *directory, struct ctl_member *member)
{
    uint32_t count;
    const uint64_t *roles = ctl_guild_member_roles(member, &count);
    return intern(directory, member, roles, count);
}

enum nx_err ctl_directory_load_user(struct ctl_directory *directory, const struct ctl_user_row *row)
{
    struct ctl_user *user = ctl_directory_user(directory, row->id);
    if (user == NULL) {
        user = ctl_memory_take(&directory->memory, sizeof(*user));
        if (user == NULL) {
            return NX_E_NO_MEMORY;
        }
        user->id = row->id;
        user->status = NX_BUS_STATUS_OFFLINE;
        user->created_ms = row->created_ms;
        const enum nx_err err =
            ctl_table_put(&directory->users, &directory->memory, directory->seed, row->id, user);
        if (err != NX_OK) {
            ctl_memory_give(&directory->memory, user, sizeof(*user));
            return err;
        }
    }
    user->flags = row->flags;
    return ctl_memory_text_set(&directory->memory, &user->username, row->username) &&
                   ctl_memory_text_set(&directory->memory, &user->global_name, row->global_name)
               ? NX_OK
               : NX_E_NO_MEMORY;
}

static enum nx_err owner_changed(struct ctl_directory *directory, struct ctl_guild *guild, uint64_t before)
{
    struct ctl_member *two[] = {ctl_guild_member(guild, before), ctl_guild_member(guild, guild->owner_id)};
    for (size_t i = 0; i < 2; i++) {
        const enum nx_err err = two[i] == NULL ? NX_OK : intern_again(directory, two[i]);
        if (err != NX_OK) {
            return err;
        }
    }
    return NX_OK;
}

enum nx_err ctl_directory_load_guild(struct ctl_directory *directory, const struct ctl_guild_row *row)
{
    struct ctl_guild *guild = ctl_directory_guild(directory, row->id);
    if (guild == NULL) {
        guild = ctl_memory_take(&directory->memory, sizeof(*guild));
        if (guild == NULL) {
            return NX_E_NO_MEMORY;
        }
        guild->id = row->id;
        guild->owner_id = row->owner_id;
        const enum nx_err err =
            ctl_table_put(&directory->guilds, &directory->memory, directory->seed, row->id, guild);
        if (err != NX_OK) {
            ctl_memory_give(&directory->memory, guild, sizeof(*guild));
            return err;
        }
    }
    if (!ctl_memory_text_set(&directory->memory, &guild->name, row->name) ||
        !ctl_memory_text_set(&directory->memory, &guild->description, row->description)) {
        return NX_E_NO_MEMORY;
    }
    const uint64_t before = guild->owner_id;
    guild->owner_id = row->owner_id;
    return before == row->owner_id ? NX_OK : owner_changed(directory, guild, before);
}

static enum nx_err role_insert(struct ctl_directory *directory, struct ctl_guild *guild, uint64_t id,
                               uint32_t *index)
{
    if (guild->roles_count >= PERM_ROLES_PER_GUILD_MAX) {
        return NX_E_FULL;
    }
    void *roles = guild->roles;
    void *perms = guild->perm_roles;
    const bool fits = ctl_memory_grow(&directory->memory, &roles, sizeof(*guild->roles), guild->roles_count,
                                      &guild->roles_room) &&
                      ctl_memory_grow(&directory->memory, &perms, sizeof(*guild->perm_roles),
                                      guild->roles_count, &guild->perm_roles_room);
    guild->roles = roles;
    guild->perm_roles = perms;
    if (!fits) {
        return NX_E_NO_MEMORY;
    }
    uint32_t at = guild->roles_count;
    while (at != 0 && guild->roles[at - 1].id > id) {
        guild->roles[at] = guild->roles[at - 1];
        guild->perm_roles[at] = guild->perm_roles[at - 1];
        at--;
    }
    guild->roles[at] = (struct ctl_role){.id = id};
    guild->perm_roles[at] = (struct perm_role){.id = id};
    guild->roles_count++;
    *index = at;
    return NX_OK;
}

enum nx_err ctl_directory_load_role(struct ctl_directory *directory, const struct ctl_role_row *row)
{
    struct ctl_guild *guild = ctl_directory_guild(directory, row->guild_id);
    if (guild == NULL) {
        return NX_E_NOT_FOUND;
    }
    const int32_t found = ctl_guild_role_index(guild, row->id);
    uint32_t index = (uint32_t)found;
    if (found < 0) {
        const enum nx_err err = role_insert(directory, guild, row->id, &index);
        if (err != NX_OK) {
            return err;
        }
    }
    struct ctl_role *role = &guild->roles[index];
    role->color = row->color;
    role->flags = row->flags;
    guild->perm_roles[index].permissions = row->permissions;
    guild->perm_roles[index].position = (int32_t)row->position;
    all_stale(guild);
    return ctl_memory_text_set(&directory->memory, &role->name, row->name) ? NX_OK : NX_E_NO_MEMORY;
}

static enum nx_err channel_insert(struct ctl_directory *directory, struct ctl_guild *guild,
                                  struct ctl_channel **out, const struct ctl_channel_row *row)
{
    if (guild->channels_count >= CTL_CHANNELS_PER_GUILD_MAX) {
        return NX_E_FULL;
    }
    void *channels = guild->channels;
    const bool fits = ctl_memory_grow(&directory->memory, &channels, sizeof(struct ctl_channel *),
                                      guild->channels_count, &guild->channels_room);
    guild->channels = channels;
    struct ctl_channel *channel = fits ? ctl_memory_take(&directory->memory, sizeof(*channel)) : NULL;
    if (channel == NULL) {
        return NX_E_NO_MEMORY;
    }
    *channel = (struct ctl_channel){
        .id = row->id, .guild = guild, .last_seq = row->last_seq, .last_message_id = row->last_message_id};
    const enum nx_err err =
        ctl_table_put(&directory->channels, &directory->memory, directory->seed, row->id, channel);
    if (err != NX_OK) {
        ctl_memory_give(&directory->memory, channel, sizeof(*channel));
        return err;
    }
    uint32_t at = guild->channels_count++;
    while (at != 0 && guild->channels[at - 1]->id > row->id) {
        guild->channels[at] = guild->channels[at - 1];
        at--;
    }
    guild->channels[at] = channel;
    *out = channel;
    return NX_OK;
}

enum nx_err ctl_directory_load_channel(struct ctl_directory *directory, const struct ctl_channel_row *row)
{
    struct ctl_guild *guild = ctl_directory_guild(directory, row->guild_id);
    if (guild == NULL) {
        return NX_E_NOT_FOUND;
    }
    struct ctl_channel *channel = ctl_directory_channel(directory, row->id);
    if (channel == NULL) {
        const enum nx_err err = channel_insert(directory, guild, &channel, row);
        if (err != NX_OK) {
            return err;
        }
    }
    channel->type = row->type;
    channel->position = row->position;
    channel->parent_id = row->parent_id;
    channel->slowmode_s = row->slowmode_s;
    channel->bitrate_bps = row->bitrate_bps;
    channel->user_limit = row->user_limit;
    channel->flags = row->flags;
    return ctl_memory_text_set(&directory->memory, &channel->name, row->name) &&
                   ctl_memory_text_set(&directory->memory, &channel->topic, row->topic)
               ? NX_OK
               : NX_E_NO_MEMORY;
}

/* A member who is named by an overwrite has a role set of its own; `delta` overwrites more or less name them. */
static enum nx_err named_changed(struct ctl_directory *directory, struct ctl_guild *guild, uint64_t user_id,
                                 int delta)
{
    const uintptr_t before = (uintptr_t)ctl_table_get(&guild->named, user_id);
    const uintptr_t after = delta > 0 ? before + 1 : before - 1;
    if (after == 0) {
        ctl_table_remove(&guild->named, user_id);
    } else {
        const enum nx_err err =
            ctl_table_put(&guild->named, &directory->memory, directory->seed, user_id, (void *)after);
        if (err != NX_OK) {
            return err;
        }
    }
    struct ctl_member *member = ctl_guild_member(guild, user_id);
    return member != NULL && (before == 0 || after == 0) ? intern_again(directory, member) : NX_OK;
}

enum nx_err ctl_directory_load_overwrite(struct ctl_directory *directory, const struct ctl_overwrite_row *row)
{
    struct ctl_channel *channel = ctl_directory_channel(directory, row->channel_id);
    if (channel == NULL) {
        return NX_E_NOT_FOUND;
    }
    channel->view_is_fresh = false;
    for (uint32_t i = 0; i < channel->overwrites_count; i++) {
        if (channel->overwrites[i].target_id == row->target_id) {
            channel->overwrites[i].allow = row->allow;
            channel->overwrites[i].deny = row->deny;
            return NX_OK;
        }
    }
    if (channel->overwrites_count >= PERM_OVERWRITES_PER_CHANNEL_MAX) {
        return NX_E_FULL;
    }
    void *overwrites = channel->overwrites;
    const bool fits = ctl_memory_grow(&directory->memory, &overwrites, sizeof(*channel->overwrites),
                                      channel->overwrites_count, &channel->overwrites_room);
    channel->overwrites = overwrites;
    if (!fits) {
        return NX_E_NO_MEMORY;
    }
    channel->overwrites[channel->overwrites_count++] =
        (struct perm_overwrite){.target_id = row->target_id,
                                .allow = row->allow,
                                .deny = row->deny,
                                .target = row->type == 0 ? PERM_TARGET_ROLE : PERM_TARGET_MEMBER};
    return row->type == 0 ? NX_OK : named_changed(directory, channel->guild, row->target_id, 1);
}

static enum nx_err member_insert(struct ctl_directory *directory, struct ctl_guild *guild,
                                 struct ctl_user *user, const uint64_t *roles, uint32_t count,
                                 struct ctl_member **out)
{
    struct ctl_member *member = ctl_memory_take(&directory->memory, sizeof(*member));
    if (member == NULL) {
        return NX_E_NO_MEMORY;
    }
    *member = (struct ctl_member){.guild = guild, .user = user, .roleset = PERM_ROLESET_NONE};
    enum nx_err err = intern(directory, member, roles, count);
    if (err == NX_OK) {
        err = ctl_table_put(&guild->members, &directory->memory, directory->seed, user->id, member);
        if (err != NX_OK) {
            roleset_drop(guild, member->roleset);
        }
    }
    if (err != NX_OK) {
        ctl_memory_give(&directory->memory, member, sizeof(*member));
        return err;
    }
    member->next = user->members;
    if (member->next != NULL) {
        member->next->previous = member;
    }
    user->members = member;
    user->members_count++;
    directory->members_count++;
    guild->online_count += user->status != NX_BUS_STATUS_OFFLINE;
    *out = member;
    return NX_OK;
}

enum nx_err ctl_directory_load_member(struct ctl_directory *directory, const struct ctl_member_row *row)
{
    struct ctl_guild *guild = ctl_directory_guild(directory, row->guild_id);
    struct ctl_user *user = ctl_directory_user(directory, row->user_id);
    if (guild == NULL || user == NULL) {
        return NX_E_NOT_FOUND;
    }
    uint64_t roles[PERM_ROLES_PER_MEMBER_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < row->roles_count && count < PERM_ROLES_PER_MEMBER_MAX; i++) {
        if (row->roles[i] != guild->id && ctl_guild_role_index(guild, row->roles[i]) >= 0) {
            roles[count++] = row->roles[i];
        }
    }
    struct ctl_member *member = ctl_guild_member(guild, row->user_id);
    const enum nx_err err = member == NULL ? member_insert(directory, guild, user, roles, count, &member)
                                           : intern(directory, member, roles, count);
    if (err != NX_OK) {
        return err;
    }
    member->joined_ms = row->joined_ms;
    member->timeout_until_ms = row->timeout_until_ms;
    return ctl_memory_text_set(&directory->memory, &member->nick, row->nick) ? NX_OK : NX_E_NO_MEMORY;
}

static void channel_free(struct ctl_directory *directory, struct ctl_channel *channel)
{
    ctl_table_remove(&directory->channels, channel->id);
    ctl_memory_text_drop(&directory->memory, &channel->name);
    ctl_memory_text_drop(&directory->memory, &channel->topic);
    ctl_memory_give(&directory->memory, channel->overwrites,
                    channel->overwrites_room * sizeof(*channel->overwrites));
    ctl_memory_give(&directory->memory, channel->view_words,
                    channel->view_words_count * sizeof(*channel->view_words));
    ctl_memory_give(&directory->memory, channel, sizeof(*channel));
}

void ctl_directory_drop_guild(struct ctl_directory *directory, struct ctl_guild *guild)
{
    for (uint32_t i = guild->channels_count; i-- != 0;) {
        channel_free(directory, guild->channels[i]);
    }
    guild->channels_count = 0;
    while (guild->members.count != 0) {
        ctl_directory_drop_member(directory, guild->members.entries[guild->members.count - 1].item);
    }
    for (uint32_t i = 0; i < guild->roles_count; i++) {
        ctl_memory_text_drop(&directory->memory, &guild->roles[i].name);
    }
    const struct ctl_memory *memory = &directory->memory;
    ctl_memory_give(memory, guild->channels, guild->channels_room * sizeof(struct ctl_channel *));
    ctl_memory_give(memory, guild->roles, guild->roles_room * sizeof(*guild->roles));
    ctl_memory_give(memory, guild->perm_roles, guild->perm_roles_room * sizeof(*guild->perm_roles));
    if (guild->rolesets_memory != NULL) {
        ctl_memory_give(memory, guild->rolesets_memory, perm_roleset_memory_size(guild->rolesets.capacity));
    }
    ctl_table_fini(&guild->members, memory);
    ctl_table_fini(&guild->named, memory);
    ctl_memory_text_drop(memory, &guild->name);
    ctl_memory_text_drop(memory, &guild->description);
    ctl_table_remove(&directory->guilds, guild->id);
    ctl_memory_give(memory, guild, sizeof(*guild));
}

void ctl_directory_drop_channel(struct ctl_directory *directory, struct ctl_channel *channel)
{
    struct ctl_guild *guild = channel->guild;
    while (channel->overwrites_count != 0) {
        /* Memory for a role set may run out here; the member then keeps one that is merely finer than needed. */
        const enum nx_err err = ctl_directory_drop_overwrite(
            directory, channel, channel->overwrites[channel->overwrites_count - 1].target_id);
        (void)err;
    }
    uint32_t at = 0;
    while (guild->channels[at] != channel) {
        at++;
    }
    for (guild->channels_count--; at < guild->channels_count; at++) {
        guild->channels[at] = guild->channels[at + 1];
    }
    for (uint32_t i = 0; i < guild->channels_count; i++) {
        if (guild->channels[i]->parent_id == channel->id) {
            guild->channels[i]->parent_id = 0;
        }
    }
    channel_free(directory, channel);
}

enum nx_err ctl_directory_drop_overwrite(struct ctl_directory *directory, struct ctl_channel *channel,
                                         uint64_t target_id)
{
    for (uint32_t i = 0; i < channel->overwrites_count; i++) {
        if (channel->overwrites[i].target_id == target_id) {
            const bool is_member = channel->overwrites[i].target == PERM_TARGET_MEMBER;
            channel->overwrites[i] = channel->overwrites[--channel->overwrites_count];
            channel->view_is_fresh = false;
            return is_member ? named_changed(directory, channel->guild, target_id, -1) : NX_OK;
        }
    }
    return NX_OK;
}

const struct perm_overwrite *ctl_directory_overwrite(const struct ctl_channel *channel, uint64_t target_id)
{
    for (uint32_t i = 0; i < channel->overwrites_count; i++) {
        if (channel->overwrites[i].target_id == target_id) {
            return &channel->overwrites[i];
        }
    }
    return NULL;
}

enum nx_err ctl_directory_set_overwrites(struct ctl_directory *directory, struct ctl_channel *channel,
                                         const struct ctl_overwrite_set *set)
{
    enum nx_err err = NX_OK;
    for (uint32_t i = channel->overwrites_count; i-- != 0 && err == NX_OK;) {
        const uint64_t target_id = channel->overwrites[i].target_id;
        uint32_t at = 0;
        while (at < set->rows_count && set->rows[at].target_id != target_id) {
            at++;
        }
        if (at == set->rows_count) {
            err = ctl_directory_drop_overwrite(directory, channel, target_id); /* The last takes its place. */
        }
    }
    for (uint32_t i = 0; i < set->rows_count && err == NX_OK; i++) {
        struct ctl_overwrite_row row = set->rows[i];
        row.channel_id = channel->id;
        err = ctl_directory_load_overwrite(directory, &row);
    }
    return err;
}

enum nx_err ctl_directory_drop_role(struct ctl_directory *directory, struct ctl_guild *guild, uint64_t id)
{
    const int32_t index = ctl_guild_role_index(guild, id);
    NX_ASSERT(index >= 0 && id != guild->id);
    for (uint32_t i = 0; i < guild->channels_count; i++) {
        const enum nx_err err = ctl_directory_drop_overwrite(directory, guild->channels[i], id);
        NX_ASSERT(err == NX_OK);
    }
    ctl_memory_text_drop(&directory->memory, &guild->roles[index].name);
    guild->roles_count--;
    for (uint32_t i = (uint32_t)index; i < guild->roles_count; i++) {
        guild->roles[i] = guild->roles[i + 1];
        guild->perm_roles[i] = guild->perm_roles[i + 1];
    }
    all_stale(guild);
    for (uint32_t i = 0; i < guild->members.count; i++) {
        struct ctl_member *member = guild->members.entries[i].item;
        uint64_t kept[PERM_ROLES_PER_MEMBER_MAX];
        uint32_t count;
        uint32_t kept_count = 0;
        const uint64_t *roles = ctl_guild_member_roles(member, &count);
        for (uint32_t k = 0; k < count; k++) {
            if (roles[k] != id) {
                kept[kept_count++] = roles[k];
            }
        }
        const enum nx_err err = kept_count == count ? NX_OK : intern(directory, member, kept, kept_count);
        if (err != NX_OK) {
            return err;
        }
    }
    return NX_OK;
}

void ctl_directory_drop_member(struct ctl_directory *directory, struct ctl_member *member)
{
    struct ctl_guild *guild = member->guild;
    struct ctl_user *user = member->user;
    if (member->previous != NULL) {
        member->previous->next = member->next;
    } else {
        user->members = member->next;
    }
    if (member->next != NULL) {
        member->next->previous = member->previous;
    }
    user->members_count--;
    directory->members_count--;
    guild->online_count -= user->status != NX_BUS_STATUS_OFFLINE;
    ctl_table_remove(&guild->members, user->id);
    roleset_drop(guild, member->roleset);
    ctl_memory_text_drop(&directory->memory, &member->nick);
    ctl_memory_give(&directory->memory, member, sizeof(*member));
}
