#include "control/core/presence.h"

#include "control/core/event.h"
#include "control/core/guild.h"
#include "engine/base/hash.h"

const char *ctl_presence_word(uint8_t status)
{
    switch (status) {
    case NX_BUS_STATUS_ONLINE:
        return "online";
    case NX_BUS_STATUS_IDLE:
        return "idle";
    case NX_BUS_STATUS_DND:
        return "dnd";
    default:
        return "offline";
    }
}

void ctl_presence_tell(struct ctl_world *world, const struct ctl_member *member)
{
    const struct ctl_guild *guild = member->guild;
    if (guild->links == 0) {
        return;
    }
    struct nx_writer w = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(&w, "PRESENCE_UPDATE");
    ctl_object_presence(&out, member->user, guild->id);
    const uint64_t key = nx_hash_u64(nx_hash_u64(world->seed, guild->id), member->user->id) | 1;
    ctl_event_send(
        world, guild, &w, &out,
        (struct nx_bus_event){.intents = CTL_INTENT_GUILD_PRESENCES,
                              .key = key,
                              .kind = ctl_guild_is_large(guild) ? NX_BUS_EVENT_MEMBERS : NX_BUS_EVENT_PLAIN});
}

void ctl_presence_refresh(struct ctl_world *world, struct ctl_user *user)
{
    const uint8_t before = user->status;
    const uint8_t after = ctl_session_registry_status(user);
    if (before == after) {
        return;
    }
    user->status = after;
    for (struct ctl_member *member = user->members; member != NULL; member = member->next) {
        if (before == NX_BUS_STATUS_OFFLINE) {
            member->guild->online_count++;
        } else if (after == NX_BUS_STATUS_OFFLINE) {
            member->guild->online_count--;
        }
        ctl_presence_tell(world, member);
    }
}
