#include "gatewayd/core/guild.h"

#include "engine/base/assert.h"
#include "engine/perm/limits.h"
#include "gatewayd/core/framelog.h"
#include "gatewayd/core/limits.h"

enum { GUILDS_FIRST = 64, CHANNELS_FIRST = 256, MEMBERS_FIRST = 4 };

void gw_guild_table_init(struct gw_guilds *guilds, const struct gw_memory *memory, uint64_t seed)
{
    *guilds =
        (struct gw_guilds){.memory = *memory, .guilds_free = GW_GUILD_NONE, .channels_free = GW_GUILD_NONE};
    gw_index_init(&guilds->guild_ids, memory, seed, GW_GUILDS_MAX);
    gw_index_init(&guilds->channel_ids, memory, seed, GW_CHANNELS_MAX);
}

void gw_guild_table_fini(struct gw_guilds *guilds)
{
    for (uint32_t i = 0; i < guilds->guilds_room; i++) {
        gw_memory_give(&guilds->memory, guilds->guilds[i].members,
                       guilds->guilds[i].members_room * sizeof(struct gw_member));
    }
    for (uint32_t i = 0; i < guilds->channels_room; i++) {
        gw_memory_give(&guilds->memory, guilds->channels[i].view,
                       guilds->channels[i].view_words * sizeof(uint64_t));
    }
    gw_memory_give(&guilds->memory, guilds->guilds, guilds->guilds_room * sizeof(struct gw_guild));
    gw_memory_give(&guilds->memory, guilds->channels, guilds->channels_room * sizeof(struct gw_channel));
    gw_index_fini(&guilds->guild_ids);
    gw_index_fini(&guilds->channel_ids);
    *guilds = (struct gw_guilds){.guilds_free = GW_GUILD_NONE, .channels_free = GW_GUILD_NONE};
}

uint32_t gw_guild_find(const struct gw_guilds *guilds, uint64_t id)
{
    uint32_t slot;
    return gw_index_get(&guilds->guild_ids, id, &slot) ? slot : GW_GUILD_NONE;
}

uint32_t gw_guild_channel_find(const struct gw_guilds *guilds, uint32_t guild, uint64_t id)
{
    uint32_t slot;
    return gw_index_get(&guilds->channel_ids, id, &slot) && guilds->channels[slot].guild == guild
               ? slot
               : GW_GUILD_NONE;
}

/* Doubles an array of `count` items of `size` bytes; NULL when it may not or cannot grow. */
static void *doubled(struct gw_guilds *guilds, void *old, uint32_t *room, uint32_t first, uint32_t most,
                     size_t size)
{
    if (*room >= most) {
        return NULL;
    }
    const uint32_t wanted = *room == 0 ? first : *room * 2;
    void *grown = gw_memory_take(&guilds->memory, wanted * size);
    if (grown != NULL) {
        if (old != NULL) {
            memcpy(grown, old, *room * size);
        }
        gw_memory_give(&guilds->memory, old, *room * size);
        *room = wanted;
    }
    return grown;
}

static enum nx_err guilds_grow(struct gw_guilds *guilds)
{
    const uint32_t before = guilds->guilds_room;
    struct gw_guild *grown =
        doubled(guilds, guilds->guilds, &guilds->guilds_room, GUILDS_FIRST, GW_GUILDS_MAX, sizeof(*grown));
    if (grown == NULL) {
        return before >= GW_GUILDS_MAX ? NX_E_FULL : NX_E_NO_MEMORY;
    }
    guilds->guilds = grown;
    for (uint32_t i = guilds->guilds_room; i-- > before;) {
        grown[i].queue_next = guilds->guilds_free;
        guilds->guilds_free = i;
    }
    return NX_OK;
}

enum nx_err gw_guild_add(struct gw_guilds *guilds, uint64_t id, uint32_t *slot)
{
    const uint32_t there = gw_guild_find(guilds, id);
    if (there != GW_GUILD_NONE) {
        *slot = there;
        return NX_OK;
    }
    if (guilds->guilds_free == GW_GUILD_NONE) {
        const enum nx_err err = guilds_grow(guilds);
        if (err != NX_OK) {
            return err;
        }
    }
    const uint32_t at = guilds->guilds_free;
    const enum nx_err err = gw_index_put(&guilds->guild_ids, id, at);
    if (err != NX_OK) {
        return err;
    }
    struct gw_guild *guild = &guilds->guilds[at];
    guilds->guilds_free = guild->queue_next;
    *guild = (struct gw_guild){.id = id,
                               .channels_first = GW_GUILD_NONE,
                               .queue_next = GW_GUILD_NONE,
                               .pending_first = GW_FRAMELOG_NONE,
                               .pending_last = GW_FRAMELOG_NONE,
                               .is_used = true};
    guilds->guilds_count++;
    *slot = at;
    return NX_OK;
}

void gw_guild_remove(struct gw_guilds *guilds, uint32_t slot)
{
    struct gw_guild *guild = &guilds->guilds[slot];
    NX_ASSERT(guild->is_used && guild->members_count == 0 && guild->pending_count == 0 && !guild->is_queued);
    while (guild->channels_first != GW_GUILD_NONE) {
        gw_guild_channel_remove(guilds, guild->channels_first);
    }
    gw_memory_give(&guilds->memory, guild->members, guild->members_room * sizeof(struct gw_member));
    guilds->members_bytes -= guild->members_room * sizeof(struct gw_member);
    gw_index_remove(&guilds->guild_ids, guild->id);
    *guild = (struct gw_guild){.queue_next = guilds->guilds_free};
    guilds->guilds_free = slot;
    guilds->guilds_count--;
}

static enum nx_err channel_new(struct gw_guilds *guilds, uint32_t guild, uint64_t id, uint32_t *slot)
{
    if (guilds->channels_free == GW_GUILD_NONE) {
        const uint32_t before = guilds->channels_room;
        struct gw_channel *grown = doubled(guilds, guilds->channels, &guilds->channels_room, CHANNELS_FIRST,
                                           GW_CHANNELS_MAX, sizeof(*grown));
        if (grown == NULL) {
            return before >= GW_CHANNELS_MAX ? NX_E_FULL : NX_E_NO_MEMORY;
        }
        guilds->channels = grown;
        for (uint32_t i = guilds->channels_room; i-- > before;) {
            grown[i].next = guilds->channels_free;
            guilds->channels_free = i;
        }
    }
    const uint32_t at = guilds->channels_free;
    const enum nx_err err = gw_index_put(&guilds->channel_ids, id, at);
    if (err != NX_OK) {
        return err;
    }
    struct gw_channel *channel = &guilds->channels[at];
    guilds->channels_free = channel->next;
    *channel = (struct gw_channel){
        .id = id, .guild = guild, .next = guilds->guilds[guild].channels_first, .is_used = true};
    guilds->guilds[guild].channels_first = at;
    guilds->channels_count++;
    *slot = at;
    return NX_OK;
}

/* Makes the view set of a channel at least `words` words wide. */
static enum nx_err view_widen(struct gw_guilds *guilds, struct gw_channel *channel, uint32_t words)
{
    if (words <= channel->view_words) {
        return NX_OK;
    }
    uint64_t *view = gw_memory_take(&guilds->memory, words * sizeof(*view));
    if (view == NULL) {
        return NX_E_NO_MEMORY;
    }
    if (channel->view != NULL) {
        memcpy(view, channel->view, channel->view_words * sizeof(*view));
    }
    gw_memory_give(&guilds->memory, channel->view, channel->view_words * sizeof(*view));
    guilds->views_bytes += (words - channel->view_words) * sizeof(*view);
    channel->view = view;
    channel->view_words = words;
    return NX_OK;
}

enum nx_err gw_guild_channel_set(struct gw_guilds *guilds, uint32_t guild, uint64_t id, uint8_t type,
                                 uint64_t last_seq, struct nx_bytes view)
{
    uint32_t slot;
    if (!gw_index_get(&guilds->channel_ids, id, &slot)) {
        const enum nx_err err = channel_new(guilds, guild, id, &slot);
        if (err != NX_OK) {
            return err;
        }
    }
    struct gw_channel *channel = &guilds->channels[slot];
    if (channel->guild != guild) {
        return NX_E_CONFLICT;
    }
    const size_t bytes =
        view.size < PERM_ROLESETS_PER_GUILD_MAX / 8 ? view.size : PERM_ROLESETS_PER_GUILD_MAX / 8;
    const enum nx_err err = view_widen(guilds, channel, (uint32_t)((bytes + 7) / 8));
    if (err != NX_OK) {
        return err;
    }
    for (uint32_t i = 0; i < channel->view_words; i++) {
        channel->view[i] = 0;
    }
    for (size_t i = 0; i < bytes; i++) {
        NX_ASSERT(channel->view != NULL); /* made for the size of `view` above */
        channel->view[i / 8] |= (uint64_t)view.at[i] << (i % 8 * 8);
    }
    channel->type = type;
    channel->last_seq = last_seq;
    return NX_OK;
}

void gw_guild_channel_remove(struct gw_guilds *guilds, uint32_t slot)
{
    struct gw_channel *channel = &guilds->channels[slot];
    uint32_t *link = &guilds->guilds[channel->guild].channels_first;
    while (*link != slot) {
        link = &guilds->channels[*link].next;
    }
    *link = channel->next;
    gw_index_remove(&guilds->channel_ids, channel->id);
    gw_memory_give(&guilds->memory, channel->view, channel->view_words * sizeof(uint64_t));
    guilds->views_bytes -= channel->view_words * sizeof(uint64_t);
    *channel = (struct gw_channel){.next = guilds->channels_free};
    guilds->channels_free = slot;
    guilds->channels_count--;
}

enum nx_err gw_guild_channel_view(struct gw_guilds *guilds, uint32_t slot, uint32_t roleset, bool may)
{
    struct gw_channel *channel = &guilds->channels[slot];
    if (roleset >= PERM_ROLESETS_PER_GUILD_MAX) {
        return NX_E_MALFORMED;
    }
    if (may) {
        const enum nx_err err = view_widen(guilds, channel, roleset / 64 + 1);
        if (err != NX_OK) {
            return err;
        }
        channel->view[roleset / 64] |= UINT64_C(1) << (roleset % 64);
    } else if (roleset / 64 < channel->view_words) {
        channel->view[roleset / 64] &= ~(UINT64_C(1) << (roleset % 64));
    }
    return NX_OK;
}

enum nx_err gw_guild_join(struct gw_guilds *guilds, struct gw_sessions *sessions, uint32_t slot,
                          struct gw_session *session, uint32_t roleset)
{
    struct gw_guild *guild = &guilds->guilds[slot];
    struct gw_ref *ref = gw_session_ref(session, slot);
    if (ref != NULL) {
        guild->members[ref->member].roleset = roleset;
        return NX_OK;
    }
    if (guild->members_count == guild->members_room) {
        const uint32_t before = guild->members_room;
        struct gw_member *grown = doubled(guilds, guild->members, &guild->members_room, MEMBERS_FIRST,
                                          GW_MEMBERS_MAX, sizeof(*grown));
        if (grown == NULL) {
            return before >= GW_MEMBERS_MAX ? NX_E_FULL : NX_E_NO_MEMORY;
        }
        guilds->members_bytes += (guild->members_room - before) * sizeof(*grown);
        guild->members = grown;
    }
    const enum nx_err err = gw_session_ref_add(sessions, session, slot, guild->members_count);
    if (err != NX_OK) {
        return err;
    }
    guild->members[guild->members_count++] = (struct gw_member){.intents = session->intents,
                                                                .session = session->index,
                                                                .roleset = roleset,
                                                                .since = guild->next_number,
                                                                .channel = GW_GUILD_NONE};
    return NX_OK;
}

static void unsubscribe(struct gw_guilds *guilds, struct gw_session *session, uint32_t slot)
{
    for (uint32_t i = session->channels_count; i-- > 0;) {
        if (guilds->channels[session->channels[i]].guild == slot) {
            session->channels[i] = session->channels[--session->channels_count];
        }
    }
}

void gw_guild_leave(struct gw_guilds *guilds, struct gw_sessions *sessions, uint32_t slot, uint32_t index)
{
    struct gw_guild *guild = &guilds->guilds[slot];
    NX_ASSERT(index < guild->members_count);
    struct gw_session *session = gw_session_at(sessions, guild->members[index].session);
    unsubscribe(guilds, session, slot);
    guild->selective_count -= (guild->members[index].flags & GW_MEMBER_SELECTIVE) != 0;
    gw_session_ref_remove(session, slot);
    const uint32_t last = --guild->members_count;
    if (index != last) {
        guild->members[index] = guild->members[last];
        struct gw_ref *ref = gw_session_ref(gw_session_at(sessions, guild->members[index].session), slot);
        NX_ASSERT(ref != NULL && ref->member == last);
        ref->member = index;
    }
}

enum nx_err gw_guild_subscribe(struct gw_guilds *guilds, struct gw_sessions *sessions, uint32_t slot,
                               uint32_t index, const uint32_t *channels, uint32_t channels_count,
                               bool wants_members)
{
    struct gw_member *member = &guilds->guilds[slot].members[index];
    struct gw_session *session = gw_session_at(sessions, member->session);
    if (channels_count > GW_SUBSCRIPTIONS_MAX) {
        return NX_E_FULL;
    }
    unsubscribe(guilds, session, slot);
    guilds->guilds[slot].selective_count -= (member->flags & GW_MEMBER_SELECTIVE) != 0;
    guilds->guilds[slot].selective_count += channels != NULL;
    member->flags = (channels != NULL ? GW_MEMBER_SELECTIVE : 0U) | (wants_members ? GW_MEMBER_MEMBERS : 0U);
    member->channel = channels != NULL && channels_count != 0 ? channels[0] : GW_GUILD_NONE;
    for (uint32_t i = 0; channels != NULL && i < channels_count; i++) {
        const enum nx_err err = gw_session_channel_add(sessions, session, channels[i]);
        if (err != NX_OK) {
            return err;
        }
    }
    if (channels_count > 1) {
        member->flags |= GW_MEMBER_SEVERAL;
    }
    return NX_OK;
}

uint64_t gw_guild_bytes(const struct gw_guilds *guilds)
{
    return guilds->guilds_room * sizeof(struct gw_guild) + guilds->channels_room * sizeof(struct gw_channel) +
           guilds->members_bytes + guilds->views_bytes + guilds->guild_ids.block_size +
           guilds->channel_ids.block_size;
}
