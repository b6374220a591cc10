/* NEXUS_UNREAD: sessions that chose channels to look at (op 64) hear of the others that there is something new, not what it is. One
 * frame per channel, for all of them: at once for the first message, then at most one per GW_UNREAD_MS. */
#include "engine/base/hash.h"
#include "gatewayd/core/hub_parts.h"

static void tell(struct gw_hub *hub, nx_time now, struct gw_channel *channel, uint64_t intents)
{
    const uint64_t guild_id = gw_guild_at(&hub->guilds, channel->guild)->id;
    const struct gw_frame_info info = {.guild_id = guild_id,
                                       .channel_id = channel->id,
                                       .intents = intents,
                                       .key = nx_hash_u64(hub->config.seed ^ guild_id, channel->id) | 1,
                                       .flags = GW_FRAME_UNREAD};
    uint8_t tail[192];
    struct nx_writer w = nx_writer_init(tail, sizeof(tail));
    nx_writer_text(&w, "\"t\":\"NEXUS_UNREAD\",\"d\":{\"guild_id\":\"");
    nx_writer_decimal(&w, guild_id);
    nx_writer_text(&w, "\",\"channel_id\":\"");
    nx_writer_decimal(&w, channel->id);
    nx_writer_text(&w, "\",\"last_seq\":");
    nx_writer_decimal(&w, channel->last_seq);
    nx_writer_text(&w, "}}");
    channel->unread_at = now;
    channel->is_unread = false;
    if (gw_fanout_publish(&hub->fanout, channel->guild, &info, nx_writer_bytes(&w)) != NX_OK) {
        hub->metrics.no_memory_total++;
    }
}

static bool is_due(const struct gw_channel *channel, nx_time now)
{
    return nx_time_since_ns(now, channel->unread_at) >= (int64_t)GW_UNREAD_MS * NX_TIME_NS_PER_MS;
}

static bool put(struct gw_hub *hub, uint64_t channel_id)
{
    struct gw_hub_unread *unread = &hub->unread;
    if (unread->channels == NULL) {
        unread->channels =
            gw_memory_take(&hub->config.memory, GW_UNREAD_CHANNELS_MAX * sizeof(*unread->channels));
    }
    if (unread->channels == NULL || unread->next - unread->first == GW_UNREAD_CHANNELS_MAX) {
        return false;
    }
    unread->channels[unread->next++ % GW_UNREAD_CHANNELS_MAX] = channel_id;
    return true;
}

void gw_hub_unread_note(struct gw_hub *hub, nx_time now, uint32_t slot, uint64_t intents)
{
    struct gw_channel *channel = gw_guild_channel_at(&hub->guilds, slot);
    if (gw_guild_at(&hub->guilds, channel->guild)->selective_count == 0) {
        return;
    }
    hub->unread.intents |= intents;
    if (is_due(channel, now)) {
        tell(hub, now, channel, intents);
    } else if (!channel->is_unread) {
        channel->is_unread = put(hub, channel->id);
        if (!channel->is_unread) {
            tell(hub, now, channel, intents);
        }
    }
}

void gw_hub_unread_flush(struct gw_hub *hub, nx_time now, uint32_t slot)
{
    const struct gw_guild *guild = gw_guild_at(&hub->guilds, slot);
    if (guild->selective_count == 0) {
        return;
    }
    for (uint32_t at = guild->channels_first; at != GW_GUILD_NONE;
         at = gw_guild_channel_at(&hub->guilds, at)->next) {
        struct gw_channel *channel = gw_guild_channel_at(&hub->guilds, at);
        if (channel->is_unread) {
            tell(hub, now, channel, hub->unread.intents);
        }
    }
}

void gw_hub_unread_tick(struct gw_hub *hub, nx_time now)
{
    struct gw_hub_unread *unread = &hub->unread;
    for (uint32_t left = unread->next - unread->first; left != 0; left--) {
        const uint64_t id = unread->channels[unread->first++ % GW_UNREAD_CHANNELS_MAX];
        uint32_t slot;
        if (!gw_index_get(&hub->guilds.channel_ids, id, &slot)) {
            continue; /* deleted meanwhile */
        }
        struct gw_channel *channel = gw_guild_channel_at(&hub->guilds, slot);
        if (!channel->is_unread) {
            continue; /* another one with the same id by now, or told for want of room */
        }
        if (is_due(channel, now)) {
            tell(hub, now, channel, unread->intents);
        } else {
            unread->channels[unread->next++ % GW_UNREAD_CHANNELS_MAX] = id;
        }
    }
}

void gw_hub_unread_fini(struct gw_hub *hub)
{
    gw_memory_give(&hub->config.memory, hub->unread.channels,
                   GW_UNREAD_CHANNELS_MAX * sizeof(*hub->unread.channels));
    hub->unread = (struct gw_hub_unread){0};
}
