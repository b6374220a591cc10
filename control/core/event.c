#include "control/core/event.h"

#include "control/core/guild.h"
#include "engine/base/hash.h"

struct nx_json_out ctl_event_begin(struct nx_writer *writer, const char *name)
{
    nx_writer_text(writer, "\"t\":\"");
    nx_writer_text(writer, name);
    nx_writer_text(writer, "\",\"d\":");
    return nx_json_out_init(writer);
}

bool ctl_event_end(struct nx_writer *writer, struct nx_json_out *out)
{
    const bool is_whole = nx_json_out_done(out);
    nx_writer_u8(writer, '}');
    return is_whole && nx_writer_ok(writer);
}

struct nx_writer ctl_event_scratch(struct ctl_world *world)
{
    return nx_writer_init(world->tail, CTL_TAIL_SIZE_MAX);
}

void ctl_event_send(struct ctl_world *world, const struct ctl_guild *guild, struct nx_writer *writer,
                    struct nx_json_out *out, struct nx_bus_event event)
{
    if (!ctl_event_end(writer, out)) {
        return;
    }
    event.guild_id = guild->id;
    event.tail = nx_writer_bytes(writer);
    for (uint64_t links = guild->links; links != 0; links &= links - 1) {
        world->sink.event(world->sink.context, (uint32_t)__builtin_ctzll(links), &event);
    }
}

void ctl_event_send_user(struct ctl_world *world, const struct ctl_user *user, struct nx_writer *writer,
                         struct nx_json_out *out, uint64_t intents)
{
    if (!ctl_event_end(writer, out)) {
        return;
    }
    const struct nx_bus_user_event event = {
        .user_id = user->id, .intents = intents, .tail = nx_writer_bytes(writer)};
    for (uint64_t links = ctl_session_registry_links(user); links != 0; links &= links - 1) {
        world->sink.user_event(world->sink.context, (uint32_t)__builtin_ctzll(links), &event);
    }
}

struct nx_json_out ctl_event_guild_create(struct ctl_world *world, const struct ctl_member *member,
                                          uint64_t intents, struct nx_writer *writer)
{
    *writer = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(writer, "GUILD_CREATE");
    ctl_object_guild_create(&out, member->guild, member, intents);
    return nx_json_out_done(&out) && writer->size < writer->room
               ? out
               : ctl_event_guild_unavailable(world, member->guild, writer);
}

struct nx_json_out ctl_event_guild_unavailable(struct ctl_world *world, const struct ctl_guild *guild,
                                               struct nx_writer *writer)
{
    *writer = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(writer, "GUILD_CREATE");
    nx_json_out_object(&out);
    nx_json_out_key(&out, "id");
    nx_json_out_id(&out, guild->id);
    nx_json_out_key(&out, "unavailable");
    nx_json_out_bool(&out, true);
    nx_json_out_object_end(&out);
    return out;
}

void ctl_event_typing(struct ctl_world *world, const struct ctl_channel *channel,
                      const struct ctl_member *member, int64_t wall_ms)
{
    struct nx_writer w = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(&w, "TYPING_START");
    nx_json_out_object(&out);
    nx_json_out_key(&out, "channel_id");
    nx_json_out_id(&out, channel->id);
    nx_json_out_key(&out, "guild_id");
    nx_json_out_id(&out, channel->guild->id);
    nx_json_out_key(&out, "user_id");
    nx_json_out_id(&out, member->user->id);
    nx_json_out_key(&out, "timestamp");
    nx_json_out_u64(&out, (uint64_t)(wall_ms / 1000));
    nx_json_out_key(&out, "member");
    ctl_object_member(&out, member, false);
    nx_json_out_object_end(&out);
    ctl_event_send(
        world, channel->guild, &w, &out,
        (struct nx_bus_event){.channel_id = channel->id,
                              .intents = CTL_INTENT_GUILD_MESSAGE_TYPING,
                              .except_user_id = member->user->id,
                              .key = nx_hash_u64(nx_hash_u64(world->seed, channel->id), member->user->id) | 1,
                              .kind = NX_BUS_EVENT_PLAIN});
}

static void channel_state(struct ctl_world *world, uint32_t link, const struct ctl_channel *channel)
{
    uint8_t view[PERM_ROLESETS_PER_GUILD_MAX / 8];
    size_t size = 0;
    for (uint32_t i = 0; i < channel->view_words_count; i++) {
        for (uint32_t k = 0; k < 8; k++) {
            view[size++] = (uint8_t)(channel->view_words[i] >> (8 * k));
        }
    }
    while (size != 0 && view[size - 1] == 0) {
        size--;
    }
    const struct nx_bus_channel_state message = {.guild_id = channel->guild->id,
                                                 .channel_id = channel->id,
                                                 .type = channel->type,
                                                 .last_seq = channel->last_seq,
                                                 .view = nx_bytes_of(view, size)};
    world->sink.channel_state(world->sink.context, link, &message);
}

void ctl_event_guild_state(struct ctl_world *world, uint32_t link, struct ctl_guild *guild)
{
    const struct nx_bus_guild_state message = {
        .guild_id = guild->id, .members_count = guild->members.count, .is_large = ctl_guild_is_large(guild)};
    world->sink.guild_state(world->sink.context, link, &message);
    for (uint32_t i = 0; i < guild->channels_count; i++) {
        /* Without memory the bitmap stays as it was for nobody new: no right is given by accident. */
        if (ctl_guild_view_refresh(&world->memory, guild->channels[i])) {
            channel_state(world, link, guild->channels[i]);
        }
    }
}

void ctl_event_channel_state(struct ctl_world *world, struct ctl_channel *channel)
{
    if (channel->guild->links == 0 || !ctl_guild_view_refresh(&world->memory, channel)) {
        return;
    }
    for (uint64_t links = channel->guild->links; links != 0; links &= links - 1) {
        channel_state(world, (uint32_t)__builtin_ctzll(links), channel);
    }
}

void ctl_event_roleset_view(struct ctl_world *world, struct ctl_guild *guild, uint32_t roleset)
{
    uint8_t ids[CTL_CHANNELS_PER_GUILD_MAX * 8];
    struct nx_writer w = nx_writer_init(ids, sizeof(ids));
    for (uint32_t i = 0; i < guild->channels_count; i++) {
        struct ctl_channel *channel = guild->channels[i];
        const bool is_fresh = ctl_guild_view_refresh(&world->memory, channel);
        const struct perm_bitmap view = {.words = channel->view_words,
                                         .words_count = channel->view_words_count};
        if (is_fresh && perm_bitmap_get(&view, roleset)) {
            nx_writer_u64(&w, channel->id);
        }
    }
    const struct nx_bus_roleset_view message = {
        .guild_id = guild->id, .roleset = roleset, .channels = nx_writer_bytes(&w)};
    for (uint64_t links = guild->links; links != 0; links &= links - 1) {
        world->sink.roleset_view(world->sink.context, (uint32_t)__builtin_ctzll(links), &message);
    }
}
