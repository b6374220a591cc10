#include "engine/base/reader.h"
#include "gatewayd/core/hub_parts.h"

enum nx_err gw_hub_guild_state(struct gw_hub *hub, struct nx_bytes payload)
{
    GW_HUB_DECODE(guild_state)
    uint32_t slot;
    if (gw_guild_add(&hub->guilds, message.guild_id, &slot) != NX_OK) {
        hub->metrics.no_memory_total++;
        return NX_OK;
    }
    gw_fanout_settle(&hub->fanout, slot);
    struct gw_guild *guild = gw_guild_at(&hub->guilds, slot);
    guild->total_count = message.members_count;
    guild->is_large = message.is_large != 0;
    return NX_OK;
}

enum nx_err gw_hub_guild_channel_state(struct gw_hub *hub, struct nx_bytes payload)
{
    GW_HUB_DECODE(channel_state)
    const uint32_t slot = gw_guild_find(&hub->guilds, message.guild_id);
    if (slot == GW_GUILD_NONE) {
        hub->metrics.events_unknown_total++;
        return NX_OK;
    }
    gw_fanout_settle(&hub->fanout, slot);
    /* A control that died between a commit and its events: those who can fetch are told to, the others are let go. */
    const uint32_t at = gw_guild_channel_find(&hub->guilds, slot, message.channel_id);
    if (at != GW_GUILD_NONE && gw_guild_channel_at(&hub->guilds, at)->last_seq < message.last_seq) {
        gw_guild_at(&hub->guilds, slot)->has_missed = true;
    }
    if (gw_guild_channel_set(&hub->guilds, slot, message.channel_id, message.type, message.last_seq,
                             message.view) != NX_OK) {
        hub->metrics.no_memory_total++;
    }
    return NX_OK;
}

/* Nobody looks at the channel in `channel` any more. */
static void channel_forget(struct gw_hub *hub, uint32_t slot, uint32_t channel)
{
    struct gw_guild *guild = gw_guild_at(&hub->guilds, slot);
    for (uint32_t i = 0; i < guild->members_count; i++) {
        struct gw_member *member = &guild->members[i];
        if ((member->flags & GW_MEMBER_SELECTIVE) != 0) {
            gw_session_channel_remove(gw_session_at(&hub->sessions, member->session), channel);
            member->channel = member->channel == channel ? GW_GUILD_NONE : member->channel;
        }
    }
    gw_guild_channel_remove(&hub->guilds, channel);
}

enum nx_err gw_hub_guild_channel_gone(struct gw_hub *hub, struct nx_bytes payload)
{
    GW_HUB_DECODE(channel_gone)
    const uint32_t slot = gw_guild_find(&hub->guilds, message.guild_id);
    const uint32_t channel =
        slot == GW_GUILD_NONE ? GW_GUILD_NONE : gw_guild_channel_find(&hub->guilds, slot, message.channel_id);
    if (channel == GW_GUILD_NONE) {
        hub->metrics.events_unknown_total++;
        return NX_OK;
    }
    gw_fanout_settle(&hub->fanout, slot);
    channel_forget(hub, slot, channel);
    return NX_OK;
}

enum nx_err gw_hub_guild_gone(struct gw_hub *hub, struct nx_bytes payload)
{
    GW_HUB_DECODE(guild_gone)
    const uint32_t slot = gw_guild_find(&hub->guilds, message.guild_id);
    if (slot == GW_GUILD_NONE) {
        return NX_OK;
    }
    gw_fanout_settle(&hub->fanout, slot);
    while (gw_guild_at(&hub->guilds, slot)->members_count != 0) {
        gw_fanout_leave(&hub->fanout, slot, gw_guild_at(&hub->guilds, slot)->members_count - 1);
    }
    gw_guild_remove(&hub->guilds, slot);
    return NX_OK;
}

enum nx_err gw_hub_guild_roleset_view(struct gw_hub *hub, struct nx_bytes payload)
{
    GW_HUB_DECODE(roleset_view)
    const uint32_t slot = gw_guild_find(&hub->guilds, message.guild_id);
    if (slot == GW_GUILD_NONE) {
        hub->metrics.events_unknown_total++;
        return NX_OK;
    }
    gw_fanout_settle(&hub->fanout, slot);
    uint32_t at = gw_guild_at(&hub->guilds, slot)->channels_first;
    while (at != GW_GUILD_NONE) {
        (void)!gw_guild_channel_view(&hub->guilds, at, message.roleset, false);
        at = gw_guild_channel_at(&hub->guilds, at)->next;
    }
    struct nx_reader r = nx_reader_init(message.channels.at, message.channels.size);
    while (nx_reader_left(&r) >= sizeof(uint64_t)) {
        const uint32_t channel = gw_guild_channel_find(&hub->guilds, slot, nx_reader_u64(&r));
        if (channel != GW_GUILD_NONE &&
            gw_guild_channel_view(&hub->guilds, channel, message.roleset, true) == NX_E_NO_MEMORY) {
            hub->metrics.no_memory_total++;
        }
    }
    return NX_OK;
}

enum nx_err gw_hub_guild_member(struct gw_hub *hub, struct nx_bytes payload)
{
    GW_HUB_DECODE(member_roleset)
    uint32_t slot = gw_guild_find(&hub->guilds, message.guild_id);
    struct gw_session *session = gw_session_user_first(&hub->sessions, message.user_id);
    for (; session != NULL; session = gw_session_user_next(&hub->sessions, session)) {
        const struct gw_ref *ref = slot == GW_GUILD_NONE ? NULL : gw_session_ref(session, slot);
        if (message.roleset == NX_BUS_ROLESET_NONE) {
            if (ref != NULL) {
                gw_hub_input_subscribed(hub, session, ref);
                gw_fanout_leave(&hub->fanout, slot, ref->member);
            }
            continue;
        }
        if (ref != NULL) {
            gw_fanout_catch_up(&hub->fanout, slot, ref->member);
        } else if (gw_guild_add(&hub->guilds, message.guild_id, &slot) != NX_OK) {
            hub->metrics.no_memory_total++;
            continue;
        }
        if (gw_guild_join(&hub->guilds, &hub->sessions, slot, session, message.roleset) != NX_OK) {
            hub->metrics.no_memory_total++;
        }
    }
    return NX_OK;
}
