#include "control/api/error.h"
#include "control/api/handler.h"
#include "control/core/account.h"
#include "control/core/apply.h"
#include "control/core/community.h"
#include "control/core/event.h"
#include "control/core/guild.h"
#include "control/core/object.h"
#include "engine/perm/hierarchy.h"

/* Bytes that are enough for a channel's JSON. */
static size_t channel_size(const struct ctl_channel *channel)
{
    return 2048 + (channel->name.size + channel->topic.size) * 6 + (size_t)channel->overwrites_count * 160;
}

static enum api_next answer_channel(struct api_request *r, uint16_t status, const struct ctl_channel *channel)
{
    struct nx_json_out out = api_request_json(r, status, channel_size(channel));
    ctl_object_channel(&out, channel);
    return api_request_json_end(r, &out);
}

enum api_next api_channel_list(struct api_request *r)
{
    const struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    const struct ctl_member *member = ctl_guild_member(guild, r->subject.user_id);
    size_t size = 64;
    for (uint32_t i = 0; i < guild->channels_count; i++) {
        size += channel_size(guild->channels[i]);
    }
    struct nx_json_out out = api_request_json(r, 200, size);
    nx_json_out_array(&out);
    for (uint32_t i = 0; i < guild->channels_count; i++) {
        if (ctl_guild_may_view(member, guild->channels[i])) {
            ctl_object_channel(&out, guild->channels[i]);
        }
    }
    nx_json_out_array_end(&out);
    return api_request_json_end(r, &out);
}

enum api_next api_channel_get(struct api_request *r)
{
    return answer_channel(r, 200, ctl_directory_channel(&r->world->directory, r->ids[0]));
}

/* ---- create and update ---- */

/* What a new or changed channel keeps until it is committed. */
struct edit {
    struct ctl_channel_row row;
    uint64_t type, position, slowmode_s, bitrate_bps, user_limit;
    bool is_nsfw;
    struct nx_json overwrites;
    struct ctl_overwrite_row *rows;
    uint32_t rows_count;
};

static const struct nx_json_field fields[] = {
    {"name", NX_JSON_FIELD_TEXT, 0, 1, CTL_NAME_MAX, offsetof(struct edit, row.name)},
    {"topic", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_NULLABLE, 0, CTL_TOPIC_MAX, offsetof(struct edit, row.topic)},
    {"position", NX_JSON_FIELD_U64, NX_JSON_FIELD_NULLABLE, 0, 10000, offsetof(struct edit, position)},
    {"parent_id", NX_JSON_FIELD_ID, NX_JSON_FIELD_NULLABLE, 0, 0, offsetof(struct edit, row.parent_id)},
    {"rate_limit_per_user", NX_JSON_FIELD_U64, NX_JSON_FIELD_NULLABLE, 0, CTL_SLOWMODE_S_MAX,
     offsetof(struct edit, slowmode_s)},
    {"bitrate", NX_JSON_FIELD_U64, NX_JSON_FIELD_NULLABLE, 8000, 384000, offsetof(struct edit, bitrate_bps)},
    {"user_limit", NX_JSON_FIELD_U64, NX_JSON_FIELD_NULLABLE, 0, 10000, offsetof(struct edit, user_limit)},
    {"nsfw", NX_JSON_FIELD_BOOL, NX_JSON_FIELD_NULLABLE, 0, 0, offsetof(struct edit, is_nsfw)},
    {"type", NX_JSON_FIELD_U64, 0, 0, 100, offsetof(struct edit, type)},
    {"permission_overwrites", NX_JSON_FIELD_ARRAY, NX_JSON_FIELD_NULLABLE, 0, PERM_OVERWRITES_PER_CHANNEL_MAX,
     offsetof(struct edit, overwrites)},
};
enum { FIELD_NAME = 1, FIELD_TOPIC = 2, FIELD_PARENT = 8 };

/* Checks what the tables cannot say; false with the error answered. */
static bool read_edit(struct api_request *r, struct edit *edit, const struct ctl_guild *guild, bool is_new)
{
    struct nx_json_present present;
    if (!api_request_fields(r, API_FIELDS(fields), edit, &present)) {
        return false;
    }
    if (is_new && (present.values & FIELD_NAME) == 0) {
        (void)api_error_field(r, "name", NX_JSON_FAULT_REQUIRED, 1, CTL_NAME_MAX);
        return false;
    }
    if (edit->type != edit->row.type && !is_new) {
        (void)api_error_field(r, "type", NX_JSON_FAULT_CHOICE, 0, 0);
        return false;
    }
    if (!ctl_community_channel_type_ok(edit->type)) {
        (void)api_error_field(r, "type", NX_JSON_FAULT_CHOICE, 0, 0);
        return false;
    }
    if (!ctl_account_text_ok(edit->row.name, 1, CTL_NAME_MAX)) {
        (void)api_error_field(r, "name", NX_JSON_FAULT_CHOICE, 1, CTL_NAME_MAX);
        return false;
    }
    edit->row.type = (uint8_t)edit->type;
    edit->row.topic = (present.nulls & FIELD_TOPIC) != 0 ? nx_bytes_of(NULL, 0) : edit->row.topic;
    edit->row.parent_id = (present.nulls & FIELD_PARENT) != 0 ? 0 : edit->row.parent_id;
    const struct ctl_channel *parent = ctl_directory_channel(&r->world->directory, edit->row.parent_id);
    if (edit->row.parent_id != 0 &&
        (parent == NULL || parent->guild != guild || parent->type != 4 || edit->row.type == 4)) {
        (void)api_error_field(r, "parent_id", NX_JSON_FAULT_CHOICE, 0, 0);
        return false;
    }
    struct nx_writer name = api_request_scratch(r, edit->row.name.size);
    ctl_community_channel_name(edit->row.name, edit->row.type, &name);
    edit->row.name = nx_writer_bytes(&name);
    edit->row.position = (uint32_t)edit->position;
    edit->row.slowmode_s = (uint32_t)edit->slowmode_s;
    edit->row.bitrate_bps = (uint32_t)edit->bitrate_bps;
    edit->row.user_limit = (uint32_t)edit->user_limit;
    edit->row.flags = edit->is_nsfw ? 1 : 0;
    return true;
}

/* Reads one overwrite object or body; false with the error answered. `id` 0 means that it is in the object. */
static bool read_overwrite(struct api_request *r, struct nx_json value, uint64_t id,
                           struct ctl_overwrite_row *row)
{
    struct body {
        uint64_t id, type;
        struct nx_json allow, deny;
    } body = {.id = id};
    static const struct nx_json_field table[] = {
        {"id", NX_JSON_FIELD_ID, 0, 0, 0, offsetof(struct body, id)},
        {"type", NX_JSON_FIELD_U64, NX_JSON_FIELD_REQUIRED, 0, 1, offsetof(struct body, type)},
        {"allow", NX_JSON_FIELD_ANY, NX_JSON_FIELD_NULLABLE, 0, 0, offsetof(struct body, allow)},
        {"deny", NX_JSON_FIELD_ANY, NX_JSON_FIELD_NULLABLE, 0, 0, offsetof(struct body, deny)},
    };
    struct nx_json_faults faults = {.count = 0};
    struct nx_json_present present = {.values = 0};
    struct nx_writer scratch = api_request_scratch(r, 64);
    if (nx_json_fields_read(value, API_FIELDS(table), &scratch, &body, &present, &faults) != NX_OK) {
        nx_json_fields_fault(&faults, "permission_overwrites", NX_JSON_FAULT_OBJECT, 0, 0);
    }
    *row = (struct ctl_overwrite_row){.target_id = id != 0 ? id : body.id, .type = (uint8_t)body.type};
    const uint64_t all = INT64_MAX;
    if (body.allow.kind != NX_JSON_NULL &&
        (nx_json_id(body.allow, &row->allow) != NX_OK || row->allow > all)) {
        nx_json_fields_fault(&faults, "allow", NX_JSON_FAULT_NUMBER, 0, 0);
    }
    if (body.deny.kind != NX_JSON_NULL && (nx_json_id(body.deny, &row->deny) != NX_OK || row->deny > all)) {
        nx_json_fields_fault(&faults, "deny", NX_JSON_FAULT_NUMBER, 0, 0);
    }
    if (row->target_id == 0) {
        nx_json_fields_fault(&faults, "id", NX_JSON_FAULT_REQUIRED, 0, 0);
    }
    if (faults.count != 0) {
        (void)api_error_form(r, &faults);
    }
    return faults.count == 0;
}

/* Whether the target is there and the caller may give or take `changed`; false with the error answered. */
static bool may_overwrite(struct api_request *r, const struct ctl_guild *guild,
                          const struct ctl_overwrite_row *row, uint64_t own, uint64_t changed)
{
    if (row->type == 0 && ctl_guild_role_index(guild, row->target_id) < 0) {
        (void)api_error(r, API_ERROR_UNKNOWN_ROLE);
        return false;
    }
    if (row->type == 1 && ctl_guild_member(guild, row->target_id) == NULL) {
        (void)api_error(r, API_ERROR_UNKNOWN_MEMBER);
        return false;
    }
    if (row->type == 1 && !ctl_guild_has_roleset_room(guild)) {
        (void)api_error(r, API_ERROR_ROLESETS_FULL);
        return false;
    }
    if (!perm_may_grant(own, changed)) {
        (void)api_error(r, API_ERROR_MISSING_PERMISSIONS);
        return false;
    }
    return true;
}

static bool read_overwrites(struct api_request *r, struct edit *edit, const struct ctl_guild *guild,
                            uint64_t own)
{
    const size_t count = nx_json_count(edit->overwrites);
    edit->rows = nx_arena_take(&r->arena, (count + 1) * sizeof(*edit->rows), 8);
    if (edit->rows == NULL) {
        (void)api_error(r, API_ERROR_INTERNAL);
        return false;
    }
    struct nx_json_walk walk = nx_json_walk(edit->overwrites);
    struct nx_json value;
    while (edit->overwrites.kind == NX_JSON_ARRAY && nx_json_array_next(&walk, &value)) {
        struct ctl_overwrite_row *row = &edit->rows[edit->rows_count];
        if (!read_overwrite(r, value, 0, row) || !may_overwrite(r, guild, row, own, row->allow | row->deny)) {
            return false;
        }
        row->channel_id = edit->row.id;
        edit->rows_count++;
    }
    if (edit->rows_count != 0 && (own & (PERM_MANAGE_ROLES | PERM_ADMINISTRATOR)) == 0) {
        (void)api_error(r, API_ERROR_MISSING_PERMISSIONS);
        return false;
    }
    return true;
}

static enum api_next create_read(struct api_request *r, struct edit *edit)
{
    const struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    const struct ctl_member *member = ctl_guild_member(guild, r->subject.user_id);
    if (guild->channels_count >= CTL_CHANNELS_PER_GUILD_MAX) {
        return api_error(r, API_ERROR_CHANNELS_FULL);
    }
    edit->position = guild->channels_count;
    edit->bitrate_bps = 64000;
    edit->row.id = ctl_world_id(r->world, r->wall_ms);
    edit->row.guild_id = guild->id;
    if (!read_edit(r, edit, guild, true) ||
        !read_overwrites(r, edit, guild, ctl_guild_permissions(member, NULL, r->wall_ms)) ||
        !api_request_lock(r, guild->id)) {
        return API_DONE;
    }
    r->question.channel_put = edit->row;
    return api_request_ask(r, CTL_ASK_CHANNEL_PUT, 1);
}

enum api_next api_channel_create(struct api_request *r)
{
    struct edit *edit = api_request_state(r, sizeof(*edit));
    if (edit == NULL) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    if (r->step == 0) {
        return create_read(r, edit);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_GUILD);
    }
    /* Nobody is told of the channel before the last of its overwrites is committed. */
    if (r->step <= edit->rows_count) {
        r->question.overwrite_put = edit->rows[r->step - 1];
        return api_request_ask(r, CTL_ASK_OVERWRITE_PUT, r->step + 1);
    }
    if (ctl_apply_channel_created(r->world, &edit->row, edit->rows, edit->rows_count) != NX_OK) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    const struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, edit->row.id);
    if (channel == NULL) {
        return api_error(r, API_ERROR_UNKNOWN_GUILD);
    }
    uint8_t place[64];
    struct nx_writer w = nx_writer_init(place, sizeof(place));
    nx_writer_text(&w, "/api/v1/channels/");
    nx_writer_decimal(&w, channel->id);
    api_request_header(r, "Location", nx_writer_bytes(&w));
    return answer_channel(r, 201, channel);
}

/* Starts an edit from what the directory has, with texts of its own. */
static bool edit_of(struct api_request *r, struct edit *edit, const struct ctl_channel *channel)
{
    edit->row = ctl_community_channel_row(channel);
    edit->type = channel->type;
    edit->position = channel->position;
    edit->slowmode_s = channel->slowmode_s;
    edit->bitrate_bps = channel->bitrate_bps;
    edit->user_limit = channel->user_limit;
    edit->is_nsfw = (channel->flags & 1) != 0;
    return nx_arena_copy(&r->arena, channel->name, &edit->row.name) == NX_OK &&
           nx_arena_copy(&r->arena, channel->topic, &edit->row.topic) == NX_OK;
}

enum api_next api_channel_update(struct api_request *r)
{
    struct edit *edit = api_request_state(r, sizeof(*edit));
    const struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, r->ids[0]);
    if (edit == NULL) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    if (r->step == 0) {
        if (!edit_of(r, edit, channel)) {
            return api_error(r, API_ERROR_INTERNAL);
        }
        if (!read_edit(r, edit, channel->guild, false) || !api_request_lock(r, channel->guild->id)) {
            return API_DONE;
        }
        r->question.channel_put = edit->row;
        return api_request_ask(r, CTL_ASK_CHANNEL_PUT, 1);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_CHANNEL);
    }
    if (channel == NULL) {
        return api_error(r, API_ERROR_UNKNOWN_CHANNEL);
    }
    if (ctl_apply_channel(r->world, &edit->row) != NX_OK) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    return answer_channel(r, 200, channel);
}

enum api_next api_channel_delete(struct api_request *r)
{
    struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, r->ids[0]);
    if (r->step == 0) {
        /* A write of the row that is on its way would make the channel anew. */
        if (!api_request_lock(r, channel->guild->id)) {
            return API_DONE;
        }
        r->question.channel_delete.guild_id = channel->guild->id;
        r->question.channel_delete.channel_id = channel->id;
        return api_request_ask(r, CTL_ASK_CHANNEL_DELETE, 1);
    }
    if (r->answer->verdict != NX_OK || channel == NULL) {
        return api_error_store(r, channel == NULL ? NX_E_NOT_FOUND : r->answer->verdict,
                               API_ERROR_UNKNOWN_CHANNEL);
    }
    const enum api_next next = answer_channel(r, 200, channel);
    ctl_apply_channel_deleted(r->world, channel);
    return next;
}

/* ---- positions ---- */

struct positions {
    struct ctl_channel_row *rows;
    uint32_t rows_count;
};

static enum api_next positions_read(struct api_request *r, struct positions *positions)
{
    const struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    const size_t count = nx_json_count(r->root);
    if (r->root.kind != NX_JSON_ARRAY || count == 0 || count > API_POSITIONS_MAX) {
        return api_error_field(r, "_list", NX_JSON_FAULT_LIST, 1, API_POSITIONS_MAX);
    }
    positions->rows = nx_arena_take(&r->arena, count * sizeof(*positions->rows), 8);
    if (positions->rows == NULL) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    struct nx_json_walk walk = nx_json_walk(r->root);
    struct nx_json value, member;
    while (nx_json_array_next(&walk, &value)) {
        uint64_t id = 0;
        const bool has_id = nx_json_find(value, "id", &member) && nx_json_id(member, &id) == NX_OK;
        const struct ctl_channel *channel = has_id ? ctl_directory_channel(&r->world->directory, id) : NULL;
        if (channel == NULL || channel->guild != guild) {
            return api_error(r, API_ERROR_UNKNOWN_CHANNEL);
        }
        struct edit *edit = nx_arena_take(&r->arena, sizeof(*edit), 16);
        if (edit == NULL || !edit_of(r, edit, channel)) {
            return api_error(r, API_ERROR_INTERNAL);
        }
        uint64_t position = channel->position;
        if (nx_json_find(value, "position", &member) && member.kind != NX_JSON_NULL &&
            (nx_json_u64(member, &position) != NX_OK || position > 10000)) {
            return api_error_field(r, "position", NX_JSON_FAULT_NUMBER_RANGE, 0, 10000);
        }
        edit->row.position = (uint32_t)position;
        if (nx_json_find(value, "parent_id", &member)) {
            uint64_t parent_id = 0;
            const bool is_id = member.kind == NX_JSON_NULL || nx_json_id(member, &parent_id) == NX_OK;
            const struct ctl_channel *parent = ctl_directory_channel(&r->world->directory, parent_id);
            if (!is_id || (parent_id != 0 && (parent == NULL || parent->guild != guild || parent->type != 4 ||
                                              channel->type == 4))) {
                return api_error_field(r, "parent_id", NX_JSON_FAULT_CHOICE, 0, 0);
            }
            edit->row.parent_id = parent_id;
        }
        positions->rows[positions->rows_count++] = edit->row;
    }
    if (!api_request_lock(r, guild->id)) {
        return API_DONE;
    }
    r->question.channel_put = positions->rows[0];
    return api_request_ask(r, CTL_ASK_CHANNEL_PUT, 1);
}

enum api_next api_channel_positions(struct api_request *r)
{
    struct positions *positions = api_request_state(r, sizeof(*positions));
    if (positions == NULL) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    if (r->step == 0) {
        return positions_read(r, positions);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_CHANNEL);
    }
    if (ctl_directory_channel(&r->world->directory, positions->rows[r->step - 1].id) != NULL &&
        ctl_apply_channel(r->world, &positions->rows[r->step - 1]) != NX_OK) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    if (r->step < positions->rows_count) {
        r->question.channel_put = positions->rows[r->step];
        return api_request_ask(r, CTL_ASK_CHANNEL_PUT, r->step + 1);
    }
    return api_request_empty(r);
}

/* ---- overwrites ---- */

static const struct perm_overwrite *find_overwrite(const struct ctl_channel *channel, uint64_t target_id)
{
    for (uint32_t i = 0; i < channel->overwrites_count; i++) {
        if (channel->overwrites[i].target_id == target_id) {
            return &channel->overwrites[i];
        }
    }
    return NULL;
}

static enum api_next overwrite_read(struct api_request *r, struct ctl_overwrite_row *row)
{
    const struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, r->ids[0]);
    const struct ctl_member *member = ctl_guild_member(channel->guild, r->subject.user_id);
    if (r->ids[1] == 0) {
        return api_error(r, API_ERROR_UNKNOWN_OVERWRITE);
    }
    if (!read_overwrite(r, r->root, r->ids[1], row)) {
        return API_DONE;
    }
    const struct perm_overwrite *old = find_overwrite(channel, row->target_id);
    const uint64_t changed =
        ((old == NULL ? 0 : old->allow) ^ row->allow) | ((old == NULL ? 0 : old->deny) ^ row->deny);
    if (!may_overwrite(r, channel->guild, row, ctl_guild_permissions(member, channel, r->wall_ms), changed)) {
        return API_DONE;
    }
    if (old == NULL && channel->overwrites_count >= PERM_OVERWRITES_PER_CHANNEL_MAX) {
        return api_error(r, API_ERROR_OVERWRITES_FULL);
    }
    if (!api_request_lock(r, channel->id)) {
        return API_DONE;
    }
    row->channel_id = channel->id;
    r->question.overwrite_put = *row;
    return api_request_ask(r, CTL_ASK_OVERWRITE_PUT, 1);
}

enum api_next api_channel_overwrite_put(struct api_request *r)
{
    struct ctl_overwrite_row *row = api_request_state(r, sizeof(*row));
    if (row == NULL) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    if (r->step == 0) {
        return overwrite_read(r, row);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_CHANNEL);
    }
    return ctl_apply_overwrite(r->world, row) == NX_OK ? api_request_empty(r)
                                                       : api_error(r, API_ERROR_INTERNAL);
}

enum api_next api_channel_overwrite_delete(struct api_request *r)
{
    struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, r->ids[0]);
    if (r->step == 0) {
        const struct ctl_member *member = ctl_guild_member(channel->guild, r->subject.user_id);
        const struct perm_overwrite *old = find_overwrite(channel, r->ids[1]);
        if (old == NULL) {
            return api_error(r, API_ERROR_UNKNOWN_OVERWRITE);
        }
        if (!perm_may_grant(ctl_guild_permissions(member, channel, r->wall_ms), old->allow | old->deny)) {
            return api_error(r, API_ERROR_MISSING_PERMISSIONS);
        }
        if (!api_request_lock(r, channel->id)) {
            return API_DONE;
        }
        r->question.overwrite_delete.channel_id = channel->id;
        r->question.overwrite_delete.target_id = r->ids[1];
        return api_request_ask(r, CTL_ASK_OVERWRITE_DELETE, 1);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_OVERWRITE);
    }
    if (channel != NULL && ctl_apply_overwrite_deleted(r->world, channel, r->ids[1]) != NX_OK) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    return api_request_empty(r);
}

/* ---- typing, read state ---- */

enum api_next api_channel_typing(struct api_request *r)
{
    const struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, r->ids[0]);
    ctl_event_typing(r->world, channel, ctl_guild_member(channel->guild, r->subject.user_id), r->wall_ms);
    return api_request_empty(r);
}

enum api_next api_channel_read(struct api_request *r)
{
    struct read {
        uint64_t message_id;
    };
    static const struct nx_json_field table[] = {
        {"message_id", NX_JSON_FIELD_ID, NX_JSON_FIELD_REQUIRED, 0, 0, offsetof(struct read, message_id)}};
    const struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, r->ids[0]);
    if (r->step == 0) {
        struct read body = {.message_id = 0};
        struct nx_json_present present;
        if (!api_request_fields(r, API_FIELDS(table), &body, &present)) {
            return API_DONE;
        }
        r->question.read_state_put.user_id = r->subject.user_id;
        r->question.read_state_put.channel_id = channel->id;
        /* Nobody has read what is not written yet. */
        r->question.read_state_put.message_id =
            body.message_id < channel->last_message_id ? body.message_id : channel->last_message_id;
        return api_request_ask(r, CTL_ASK_READ_STATE_PUT, 1);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_CHANNEL);
    }
    const struct ctl_read_state_row row = {.channel_id = r->ids[0],
                                           .last_message_id = r->answer->read_state.last_message_id};
    ctl_apply_read_state(r->world, r->subject.user, &row);
    struct nx_json_out out = api_request_json(r, 200, 256);
    ctl_object_read_state(&out, &row);
    return api_request_json_end(r, &out);
}
