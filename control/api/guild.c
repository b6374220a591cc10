#include "control/core/guild.h"
#include "control/api/error.h"
#include "control/api/etag.h"
#include "control/api/handler.h"
#include "control/core/account.h"
#include "control/core/apply.h"
#include "control/core/community.h"
#include "control/core/object.h"

/* Bytes that are enough for a guild's JSON. */
static size_t guild_size(const struct ctl_guild *guild)
{
    return 8192 + (size_t)guild->roles_count * 3072 +
           (size_t)guild->channels_count * (8192 + (size_t)PERM_OVERWRITES_PER_CHANNEL_MAX * 128);
}

static enum api_next answer_guild(struct api_request *r, uint16_t status, struct ctl_guild *guild,
                                  bool has_channels)
{
    const struct ctl_member *viewer = ctl_guild_member(guild, r->subject.user_id);
    struct nx_json_out out = api_request_json(r, status, guild_size(guild));
    ctl_object_guild(&out, guild, has_channels ? viewer : NULL);
    return api_etag_answer(r, api_etag_guild(guild), api_request_json_end(r, &out));
}

/* What a new guild or a changed one keeps until it is committed. */
struct edit {
    struct ctl_guild_row row;
    struct ctl_role_row everyone;
    struct ctl_channel_row channel;
};

static const struct nx_json_field create_fields[] = {
    {"name", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_REQUIRED, 1, CTL_NAME_MAX, offsetof(struct edit, row.name)},
    {"description", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_NULLABLE, 0, CTL_DESCRIPTION_MAX,
     offsetof(struct edit, row.description)},
};

static enum api_next create_read(struct api_request *r, struct edit *edit)
{
    struct nx_json_present present;
    if (!api_request_fields(r, API_FIELDS(create_fields), edit, &present)) {
        return API_DONE;
    }
    if (!ctl_account_text_ok(edit->row.name, 1, CTL_NAME_MAX)) {
        return api_error_field(r, "name", NX_JSON_FAULT_CHOICE, 1, CTL_NAME_MAX);
    }
    if (!api_request_may_join(r)) {
        return API_DONE;
    }
    edit->row.id = ctl_world_id(r->world, r->wall_ms);
    edit->row.owner_id = r->subject.user_id;
    ctl_community_new(edit->row.id, ctl_world_id(r->world, r->wall_ms), &edit->everyone, &edit->channel);
    r->question.guild_create.guild = edit->row;
    r->question.guild_create.everyone = edit->everyone;
    r->question.guild_create.channel = edit->channel;
    r->question.guild_create.joined_ms = r->wall_ms;
    return api_request_ask(r, CTL_ASK_GUILD_CREATE, 1);
}

enum api_next api_guild_create(struct api_request *r)
{
    struct edit *edit = api_request_state(r, sizeof(*edit));
    if (r->step == 0) {
        return create_read(r, edit);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_INTERNAL);
    }
    if (ctl_apply_guild_created(r->world, &edit->row, &edit->everyone, &edit->channel,
                                r->question.guild_create.joined_ms) != NX_OK) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    uint8_t place[64];
    struct nx_writer w = nx_writer_init(place, sizeof(place));
    nx_writer_text(&w, "/api/v1/guilds/");
    nx_writer_decimal(&w, edit->row.id);
    api_request_header(r, "Location", nx_writer_bytes(&w));
    return answer_guild(r, 201, ctl_directory_guild(&r->world->directory, edit->row.id), true);
}

enum api_next api_guild_get(struct api_request *r)
{
    return answer_guild(r, 200, ctl_directory_guild(&r->world->directory, r->ids[0]), false);
}

static const struct nx_json_field update_fields[] = {
    {"name", NX_JSON_FIELD_TEXT, 0, 1, CTL_NAME_MAX, offsetof(struct edit, row.name)},
    {"description", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_NULLABLE, 0, CTL_DESCRIPTION_MAX,
     offsetof(struct edit, row.description)},
    {"owner_id", NX_JSON_FIELD_ID, 0, 0, 0, offsetof(struct edit, row.owner_id)},
};

static enum api_next update_read(struct api_request *r, struct edit *edit)
{
    const struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    struct nx_json_present present;
    if (!api_etag_matches(r, api_etag_guild(guild))) {
        return API_DONE;
    }
    edit->row = ctl_community_guild_row(guild);
    /* The directory's texts may be replaced by another write before this one is answered. */
    if (nx_arena_copy(&r->arena, guild->name, &edit->row.name) != NX_OK ||
        nx_arena_copy(&r->arena, guild->description, &edit->row.description) != NX_OK) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    if (!api_request_fields(r, API_FIELDS(update_fields), edit, &present)) {
        return API_DONE;
    }
    if ((present.nulls & 2) != 0) {
        edit->row.description = nx_bytes_of(NULL, 0);
    }
    if (!ctl_account_text_ok(edit->row.name, 1, CTL_NAME_MAX)) {
        return api_error_field(r, "name", NX_JSON_FAULT_CHOICE, 1, CTL_NAME_MAX);
    }
    if (edit->row.owner_id != guild->owner_id) {
        if (guild->owner_id != r->subject.user_id) {
            return api_error(r, API_ERROR_MISSING_PERMISSIONS);
        }
        if (ctl_guild_member(guild, edit->row.owner_id) == NULL) {
            return api_error(r, API_ERROR_UNKNOWN_MEMBER);
        }
        /* Who is made owner must not leave, or be made to, meanwhile. */
        if (!api_request_lock_member(r, guild->id, edit->row.owner_id)) {
            return API_DONE;
        }
    }
    if (!api_request_lock(r, guild->id)) {
        return API_DONE;
    }
    r->question.guild_update = edit->row;
    return api_request_ask(r, CTL_ASK_GUILD_UPDATE, 1);
}

enum api_next api_guild_update(struct api_request *r)
{
    struct edit *edit = api_request_state(r, sizeof(*edit));
    if (r->step == 0) {
        return update_read(r, edit);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_GUILD);
    }
    if (ctl_apply_guild_updated(r->world, &edit->row) != NX_OK) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    return guild == NULL ? api_error(r, API_ERROR_UNKNOWN_GUILD) : answer_guild(r, 200, guild, false);
}

enum api_next api_guild_delete(struct api_request *r)
{
    struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    if (r->step == 0) {
        if (guild->owner_id != r->subject.user_id) {
            return api_error(r, API_ERROR_MISSING_PERMISSIONS);
        }
        if (!api_request_lock(r, guild->id)) {
            return API_DONE;
        }
        r->question.guild_delete.guild_id = guild->id;
        return api_request_ask(r, CTL_ASK_GUILD_DELETE, 1);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_GUILD);
    }
    if (guild != NULL) {
        ctl_apply_guild_deleted(r->world, guild);
    }
    return api_request_empty(r);
}
