#include "control/api/error.h"
#include "control/api/etag.h"
#include "control/api/handler.h"
#include "control/api/overwrite.h"
#include "control/api/position.h"
#include "control/core/account.h"
#include "control/core/apply.h"
#include "control/core/community.h"
#include "control/core/event.h"
#include "control/core/guild.h"
#include "control/core/object.h"

/* Bytes that are enough for a channel's JSON. */
static size_t channel_size(const struct ctl_channel *channel)
{
    return 2048 + (channel->name.size + channel->topic.size) * 6 + (size_t)channel->overwrites_count * 160;
}

static enum api_next answer_channel(struct api_request *r, uint16_t status, const struct ctl_channel *channel)
{
    struct nx_json_out out = api_request_json(r, status, channel_size(channel));
    ctl_object_channel(&out, channel);
    return api_etag_answer(r, api_etag_channel(channel), api_request_json_end(r, &out));
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
    bool has_overwrites;
    struct ctl_overwrite_set set; /* when it has */
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

/* Whether a channel of `type` may be in `parent_id`; false with the error answered. */
static bool may_be_in(struct api_request *r, const struct ctl_guild *guild, uint64_t parent_id, uint64_t type)
{
    const struct ctl_channel *parent = ctl_directory_channel(&r->world->directory, parent_id);
    if (parent_id != 0 && (parent == NULL || parent->guild != guild || parent->type != 4 || type == 4)) {
        (void)api_error_field(r, "parent_id", NX_JSON_FAULT_CHOICE, 0, 0);
        return false;
    }
    return true;
}

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
    if (!may_be_in(r, guild, edit->row.parent_id, edit->row.type)) {
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

static enum api_next ask_put(struct api_request *r, struct edit *edit, const struct ctl_channel *channel)
{
    const struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, edit->row.guild_id);
    edit->has_overwrites = edit->overwrites.kind == NX_JSON_ARRAY;
    if (edit->has_overwrites && !api_overwrite_set(r, edit->overwrites, guild, channel, &edit->set)) {
        return API_DONE;
    }
    if (!api_request_lock(r, guild->id)) {
        return API_DONE;
    }
    r->question.channel_put = edit->row;
    r->question.channel_overwrites.is_given = edit->has_overwrites;
    r->question.channel_overwrites.rows = edit->set.rows;
    r->question.channel_overwrites.rows_count = edit->set.rows_count;
    return api_request_ask(r, CTL_ASK_CHANNEL_PUT, 1);
}

static enum nx_err apply(struct api_request *r, const struct edit *edit)
{
    return ctl_apply_channel(r->world, &edit->row, edit->has_overwrites ? &edit->set : NULL);
}

static enum api_next create_read(struct api_request *r, struct edit *edit)
{
    const struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    if (guild->channels_count >= CTL_CHANNELS_PER_GUILD_MAX) {
        return api_error(r, API_ERROR_CHANNELS_FULL);
    }
    edit->position = guild->channels_count;
    edit->bitrate_bps = 64000;
    edit->row.id = ctl_world_id(r->world, r->wall_ms);
    edit->row.guild_id = guild->id;
    return read_edit(r, edit, guild, true) ? ask_put(r, edit, NULL) : API_DONE;
}

enum api_next api_channel_create(struct api_request *r)
{
    struct edit *edit = api_request_state(r, sizeof(*edit));
    if (r->step == 0) {
        return create_read(r, edit);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_GUILD);
    }
    if (apply(r, edit) != NX_OK) {
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
    if (r->step == 0) {
        if (!api_etag_matches(r, api_etag_channel(channel))) {
            return API_DONE;
        }
        if (!edit_of(r, edit, channel)) {
            return api_error(r, API_ERROR_INTERNAL);
        }
        return read_edit(r, edit, channel->guild, false) ? ask_put(r, edit, channel) : API_DONE;
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_CHANNEL);
    }
    if (channel == NULL) {
        return api_error(r, API_ERROR_UNKNOWN_CHANNEL);
    }
    if (apply(r, edit) != NX_OK) {
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

static bool check_position(struct api_request *r, const struct api_position *given,
                           struct ctl_position_row *row)
{
    const struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    const struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, given->id);
    if (channel == NULL || channel->guild != guild) {
        (void)api_error(r, API_ERROR_UNKNOWN_CHANNEL);
        return false;
    }
    row->position = given->has_position ? (uint32_t)given->position : channel->position;
    row->parent_id = given->has_parent ? given->parent_id : channel->parent_id;
    return !given->has_parent || may_be_in(r, guild, given->parent_id, channel->type);
}

enum api_next api_channel_positions(struct api_request *r)
{
    struct api_positions *positions = api_request_state(r, sizeof(*positions));
    if (r->step == 0) {
        if (!api_position_read(r, API_POSITIONS_MAX, check_position, positions) ||
            !api_request_lock(r, r->ids[0])) {
            return API_DONE;
        }
        r->question.channels_move.guild_id = r->ids[0];
        r->question.channels_move.rows = positions->rows;
        r->question.channels_move.rows_count = positions->rows_count;
        return api_request_ask(r, CTL_ASK_CHANNELS_MOVE, 1);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_CHANNEL);
    }
    ctl_apply_channels_moved(r->world, positions->rows, positions->rows_count);
    return api_request_empty(r);
}

/* ---- typing ---- */

enum api_next api_channel_typing(struct api_request *r)
{
    const struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, r->ids[0]);
    ctl_event_typing(r->world, channel, ctl_guild_member(channel->guild, r->subject.user_id), r->wall_ms);
    return api_request_empty(r);
}
