#include "control/core/guild.h"

#include "engine/base/assert.h"
#include "engine/perm/preset.h"
#include "engine/perm/resolve.h"

struct ctl_member *ctl_guild_member(const struct ctl_guild *guild, uint64_t user_id)
{
    return ctl_table_get(&guild->members, user_id);
}

int32_t ctl_guild_role_index(const struct ctl_guild *guild, uint64_t id)
{
    uint32_t low = 0;
    uint32_t high = guild->roles_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (guild->roles[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < guild->roles_count && guild->roles[low].id == id ? (int32_t)low : -1;
}

struct perm_guild ctl_guild_perm(const struct ctl_guild *guild)
{
    return (struct perm_guild){
        .id = guild->id, .roles = guild->perm_roles, .roles_count = guild->roles_count};
}

struct perm_channel ctl_guild_channel_perm(const struct ctl_channel *channel)
{
    return (struct perm_channel){.overwrites = channel->overwrites,
                                 .overwrites_count = channel->overwrites_count};
}

struct perm_subject ctl_guild_subject(const struct ctl_guild *guild, const struct ctl_member *member,
                                      int64_t wall_ms)
{
    if (member == NULL || member->guild != guild) {
        return (struct perm_subject){.is_member = false};
    }
    uint32_t count;
    const uint64_t *roles = ctl_guild_member_roles(member, &count);
    return (struct perm_subject){.user_id = member->user->id,
                                 .role_ids = roles,
                                 .role_ids_count = count,
                                 .is_member = true,
                                 .is_owner = guild->owner_id == member->user->id,
                                 .is_timed_out = member->timeout_until_ms > wall_ms};
}

const uint64_t *ctl_guild_member_roles(const struct ctl_member *member, uint32_t *count)
{
    const struct perm_roleset_entry *entry = perm_roleset_get(&member->guild->rolesets, member->roleset);
    NX_ASSERT(entry != NULL);
    *count = entry->role_ids_count;
    return entry->role_ids;
}

uint64_t ctl_guild_permissions(const struct ctl_member *member, const struct ctl_channel *channel,
                               int64_t wall_ms)
{
    const struct perm_guild guild = ctl_guild_perm(member->guild);
    const struct perm_subject subject = ctl_guild_subject(member->guild, member, wall_ms);
    if (channel == NULL) {
        return perm_resolve_guild(&guild, &subject);
    }
    const struct perm_channel place = ctl_guild_channel_perm(channel);
    return perm_resolve_channel(&guild, &place, &subject);
}

int32_t ctl_guild_top(const struct ctl_member *member)
{
    const struct perm_guild guild = ctl_guild_perm(member->guild);
    const struct perm_subject subject = ctl_guild_subject(member->guild, member, 0);
    return perm_resolve_top(&guild, &subject);
}

bool ctl_guild_may_view(const struct ctl_member *member, struct ctl_channel *channel)
{
    /* Timeouts leave viewing alone, so the role set decides; a stale bitmap is answered by resolving. */
    if (!channel->view_is_fresh) {
        return (ctl_guild_permissions(member, channel, 0) & PERM_VIEW_CHANNEL) != 0;
    }
    const struct perm_bitmap view = {.words = channel->view_words, .words_count = channel->view_words_count};
    return perm_bitmap_get(&view, member->roleset);
}

bool ctl_guild_view_refresh(const struct ctl_memory *memory, struct ctl_channel *channel)
{
    const struct perm_roleset_table *table = &channel->guild->rolesets;
    if (channel->view_is_fresh) {
        return true;
    }
    const uint32_t words = PERM_BITMAP_WORDS(table->capacity);
    if (words != channel->view_words_count) {
        uint64_t *moved = words == 0 ? NULL : ctl_memory_take(memory, words * sizeof(*moved));
        if (moved == NULL && words != 0) {
            return false;
        }
        ctl_memory_give(memory, channel->view_words, channel->view_words_count * sizeof(*moved));
        channel->view_words = moved;
        channel->view_words_count = words;
    }
    if (words != 0) {
        const struct perm_guild guild = ctl_guild_perm(channel->guild);
        const struct perm_channel place = ctl_guild_channel_perm(channel);
        struct perm_bitmap view = perm_bitmap_init(channel->view_words, words);
        perm_roleset_map(table, &guild, &place, PERM_VIEW_CHANNEL, &view);
    }
    channel->view_is_fresh = true;
    return true;
}

bool ctl_guild_is_large(const struct ctl_guild *guild)
{
    return guild->members.count > CTL_LARGE_GUILD;
}

bool ctl_guild_has_roleset_room(const struct ctl_guild *guild, uint32_t more)
{
    return guild->rolesets.count + 63 + more < PERM_ROLESETS_PER_GUILD_MAX;
}

uint64_t ctl_guild_everyone(void)
{
    return PERM_PRESET_EVERYONE;
}
