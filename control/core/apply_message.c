#include "control/core/apply.h"
#include "control/core/event.h"

void ctl_apply_message_created(struct ctl_world *world, struct ctl_channel *channel,
                               const struct ctl_message_row *row, struct nx_bytes nonce)
{
    if (row->seq <= channel->last_seq) {
        return; /* told already, or the next one was and showed the gap */
    }
    channel->last_seq = row->seq;
    channel->last_message_id = row->id;
    struct nx_writer w = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(&w, "MESSAGE_CREATE");
    ctl_object_message(&out, &world->directory, channel, row, nonce);
    ctl_event_send(world, channel->guild, &w, &out,
                   (struct nx_bus_event){
                       .channel_id = channel->id, .intents = CTL_INTENT_GUILD_MESSAGES, .seq = row->seq});
}

void ctl_apply_message_edited(struct ctl_world *world, struct ctl_channel *channel,
                              const struct ctl_message_row *row)
{
    struct nx_writer w = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(&w, "MESSAGE_UPDATE");
    ctl_object_message(&out, &world->directory, channel, row, nx_bytes_of(NULL, 0));
    ctl_event_send(world, channel->guild, &w, &out,
                   (struct nx_bus_event){.channel_id = channel->id, .intents = CTL_INTENT_GUILD_MESSAGES});
}

void ctl_apply_message_deleted(struct ctl_world *world, struct ctl_channel *channel, uint64_t message_id,
                               uint64_t seq)
{
    struct nx_writer w = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(&w, "MESSAGE_DELETE");
    nx_json_out_object(&out);
    nx_json_out_key(&out, "id");
    nx_json_out_id(&out, message_id);
    nx_json_out_key(&out, "channel_id");
    nx_json_out_id(&out, channel->id);
    nx_json_out_key(&out, "guild_id");
    nx_json_out_id(&out, channel->guild->id);
    nx_json_out_key(&out, "seq");
    nx_json_out_u64(&out, seq);
    nx_json_out_object_end(&out);
    ctl_event_send(world, channel->guild, &w, &out,
                   (struct nx_bus_event){.channel_id = channel->id, .intents = CTL_INTENT_GUILD_MESSAGES});
}
