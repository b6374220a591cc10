#include "control/core/gateway.h"

#include "control/core/event.h"
#include "control/core/gateway_parts.h"
#include "control/core/guild.h"
#include "engine/base/text.h"

static bool starts_with(struct nx_bytes text, struct nx_bytes start)
{
    for (size_t i = 0; i < start.size; i++) {
        const uint8_t a = i < text.size ? text.at[i] : 0;
        const uint8_t b = start.at[i];
        const uint8_t a_low = a >= 'A' && a <= 'Z' ? (uint8_t)(a + 32) : a;
        const uint8_t b_low = b >= 'A' && b <= 'Z' ? (uint8_t)(b + 32) : b;
        if (i >= text.size || a_low != b_low) {
            return false;
        }
    }
    return true;
}

static bool is_asked(const struct ctl_member *member, struct nx_bytes query)
{
    return starts_with(member->user->username, query) || starts_with(member->nick, query) ||
           starts_with(member->user->global_name, query);
}

/* What one op 8 asks for, and where its chunks stand. */
struct chunks {
    struct ctl_gateway *gateway;
    const struct nx_bus_members_request *message;
    struct ctl_guild *guild;
    const struct ctl_member **found;
    const uint64_t *missing;
    uint32_t found_count, missing_count;
    uint32_t link;
};

static void send_chunk(const struct chunks *c, uint32_t index, uint32_t count)
{
    const uint32_t first = index * CTL_MEMBERS_CHUNK;
    const uint32_t end =
        first + CTL_MEMBERS_CHUNK < c->found_count ? first + CTL_MEMBERS_CHUNK : c->found_count;
    struct nx_writer w = ctl_event_scratch(c->gateway->world);
    struct nx_json_out out = ctl_event_begin(&w, "GUILD_MEMBERS_CHUNK");
    nx_json_out_object(&out);
    nx_json_out_key(&out, "guild_id");
    nx_json_out_id(&out, c->guild->id);
    nx_json_out_key(&out, "members");
    nx_json_out_array(&out);
    for (uint32_t i = first; i < end; i++) {
        ctl_object_member(&out, c->found[i], false);
    }
    nx_json_out_array_end(&out);
    nx_json_out_key(&out, "chunk_index");
    nx_json_out_u64(&out, index);
    nx_json_out_key(&out, "chunk_count");
    nx_json_out_u64(&out, count);
    if (c->missing_count != 0) {
        nx_json_out_key(&out, "not_found");
        nx_json_out_array(&out);
        for (uint32_t i = 0; i < c->missing_count; i++) {
            nx_json_out_id(&out, c->missing[i]);
        }
        nx_json_out_array_end(&out);
    }
    if (c->message->presences != 0) {
        nx_json_out_key(&out, "presences");
        nx_json_out_array(&out);
        for (uint32_t i = first; i < end; i++) {
            if (c->found[i]->user->status != NX_BUS_STATUS_OFFLINE) {
                ctl_object_presence(&out, c->found[i]->user, 0);
            }
        }
        nx_json_out_array_end(&out);
    }
    if (c->message->nonce.size != 0 && c->message->nonce.size <= CTL_NONCE_MAX &&
        nx_text_is_utf8(c->message->nonce)) {
        nx_json_out_key(&out, "nonce");
        nx_json_out_string(&out, c->message->nonce);
    }
    nx_json_out_object_end(&out);
    ctl_gateway_tell(c->gateway, c->link, c->message->session, 0, &w, &out);
}

static void find_named(struct chunks *c, uint32_t limit, uint64_t missing[CTL_MEMBERS_QUERY_IDS_MAX])
{
    const size_t ids = c->message->user_ids.size / 8;
    if (ids == 0) {
        for (uint32_t i = 0; i < c->guild->members.count && c->found_count < limit; i++) {
            const struct ctl_member *one = c->guild->members.entries[i].item;
            if (is_asked(one, c->message->query)) {
                c->found[c->found_count++] = one;
            }
        }
        return;
    }
    for (size_t i = 0; i < ids && i < CTL_MEMBERS_QUERY_IDS_MAX; i++) {
        uint64_t id = 0;
        for (size_t k = 0; k < 8; k++) {
            id = id << 8 | c->message->user_ids.at[i * 8 + k];
        }
        const struct ctl_member *one = ctl_guild_member(c->guild, id);
        if (one == NULL) {
            missing[c->missing_count++] = id;
        } else if (c->found_count < limit) {
            c->found[c->found_count++] = one;
        }
    }
}

void ctl_gateway_members_request(struct ctl_gateway *gateway, uint32_t link,
                                 const struct nx_bus_members_request *message, int64_t wall_ms)
{
    (void)wall_ms;
    struct ctl_world *world = gateway->world;
    const struct ctl_session *session = ctl_session_registry_find(world->sessions, link, message->session);
    struct ctl_guild *guild = ctl_directory_guild(&world->directory, message->guild_id);
    if (session == NULL || guild == NULL || ctl_guild_member(guild, session->user->id) == NULL) {
        return;
    }
    /* Everybody at once is for those whose intents say so; a search answers at most a hundred. */
    const bool is_all = message->query.size == 0 && message->user_ids.size == 0;
    uint32_t limit = message->limit != 0 && message->limit < CTL_MEMBERS_QUERY_IDS_MAX
                         ? message->limit
                         : CTL_MEMBERS_QUERY_IDS_MAX;
    if (is_all && message->limit == 0 && (session->intents & CTL_INTENT_GUILD_MEMBERS) != 0) {
        limit = guild->members.count;
    }
    const size_t size =
        ((size_t)guild->members.count + CTL_MEMBERS_QUERY_IDS_MAX) * sizeof(struct ctl_member *);
    uint64_t missing[CTL_MEMBERS_QUERY_IDS_MAX];
    struct chunks c = {
        .gateway = gateway, .message = message, .guild = guild, .missing = missing, .link = link};
    c.found = world->memory.take(world->memory.context, size);
    if (c.found == NULL) {
        return;
    }
    find_named(&c, limit, missing);
    const uint32_t count =
        c.found_count == 0 ? 1 : (c.found_count + CTL_MEMBERS_CHUNK - 1) / CTL_MEMBERS_CHUNK;
    for (uint32_t i = 0; i < count; i++) {
        send_chunk(&c, i, count);
    }
    ctl_memory_give(&world->memory, c.found, size);
}
