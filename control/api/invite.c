#include "control/core/invite.h"

#include "control/api/error.h"
#include "control/api/handler.h"
#include "control/core/apply.h"
#include "control/core/guild.h"
#include "control/core/object.h"

enum {
    INVITE_SIZE = 4096, /* bytes that are enough for an invitation's JSON */
    TRIES = 4           /* codes tried before giving up; one collision is already a wonder */
};

static enum api_next answer_invite(struct api_request *r, const struct ctl_invite_row *row, bool is_full)
{
    struct nx_json_out out = api_request_json(r, 200, INVITE_SIZE);
    ctl_object_invite(&out, &r->world->directory, row, is_full);
    return api_request_json_end(r, &out);
}

/* What a new invitation keeps until it is committed. */
struct create {
    struct ctl_invite_row row;
    uint64_t max_age_s, max_uses;
    char code[CTL_INVITE_CODE_SIZE];
};

static const struct nx_json_field create_fields[] = {
    {"max_age", NX_JSON_FIELD_U64, NX_JSON_FIELD_NULLABLE, 0, CTL_INVITE_AGE_S_MAX,
     offsetof(struct create, max_age_s)},
    {"max_uses", NX_JSON_FIELD_U64, NX_JSON_FIELD_NULLABLE, 0, CTL_INVITE_USES_MAX,
     offsetof(struct create, max_uses)},
};

static enum api_next create_ask(struct api_request *r, struct create *create)
{
    ctl_invite_code(r->random + (size_t)r->step * 16, create->code);
    create->row.code = nx_bytes_of(create->code, sizeof(create->code));
    r->question.invite_create = create->row;
    return api_request_ask(r, CTL_ASK_INVITE_CREATE, r->step + 1);
}

enum api_next api_invite_create(struct api_request *r)
{
    struct create *create = api_request_state(r, sizeof(*create));
    if (r->step == 0) {
        const struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, r->ids[0]);
        struct nx_json_present present;
        create->max_age_s = 86400;
        if (r->body.size != 0 && !api_request_fields(r, API_FIELDS(create_fields), create, &present)) {
            return API_DONE;
        }
        create->row = (struct ctl_invite_row){.guild_id = channel->guild->id,
                                              .channel_id = channel->id,
                                              .inviter_id = r->subject.user_id,
                                              .created_ms = r->wall_ms,
                                              .uses_max = (uint32_t)create->max_uses};
        create->row.expires_ms = create->max_age_s == 0 ? 0 : r->wall_ms + (int64_t)create->max_age_s * 1000;
        return create_ask(r, create);
    }
    if (r->answer->verdict == NX_E_CONFLICT && r->step < TRIES) {
        return create_ask(r, create);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_CHANNEL);
    }
    ctl_apply_invite(r->world, &create->row, true);
    return answer_invite(r, &create->row, true);
}

static enum api_next ask_get(struct api_request *r, uint32_t step)
{
    if (!ctl_invite_code_ok(r->text)) {
        return api_error(r, API_ERROR_UNKNOWN_INVITE);
    }
    r->question.invite_get.code = r->text;
    return api_request_ask(r, CTL_ASK_INVITE_GET, step);
}

/* Whether the answer is an invitation that leads somewhere. */
static bool is_living(const struct api_request *r)
{
    const struct ctl_invite_row *row = &r->answer->invite;
    return r->answer->verdict == NX_OK && (row->expires_ms == 0 || row->expires_ms > r->wall_ms) &&
           (row->uses_max == 0 || row->uses < row->uses_max) &&
           ctl_directory_guild(&r->world->directory, row->guild_id) != NULL;
}

static enum api_next answer_dead(struct api_request *r)
{
    const enum nx_err verdict = r->answer->verdict;
    return verdict == NX_E_UNAVAILABLE ? api_error(r, API_ERROR_OVERLOADED)
                                       : api_error(r, API_ERROR_UNKNOWN_INVITE);
}

enum api_next api_invite_get(struct api_request *r)
{
    if (r->step == 0) {
        return ask_get(r, 1);
    }
    return is_living(r) ? answer_invite(r, &r->answer->invite, false) : answer_dead(r);
}

enum api_next api_invite_use(struct api_request *r)
{
    if (r->step == 0) {
        if (!ctl_invite_code_ok(r->text)) {
            return api_error(r, API_ERROR_UNKNOWN_INVITE);
        }
        if (!api_request_may_join(r)) {
            return API_DONE;
        }
        r->question.invite_use.code = r->text;
        r->question.invite_use.user_id = r->subject.user_id;
        return api_request_ask(r, CTL_ASK_INVITE_USE, 1);
    }
    if (r->answer->verdict == NX_E_AUTH) {
        return api_error(r, API_ERROR_BANNED);
    }
    if (r->answer->verdict != NX_OK && r->answer->verdict != NX_E_CONFLICT) {
        return answer_dead(r);
    }
    const struct ctl_invite_row row = r->answer->invite;
    if (r->answer->verdict == NX_OK) {
        const struct ctl_member_row member = {
            .guild_id = row.guild_id, .user_id = r->subject.user_id, .joined_ms = r->question.now_ms};
        if (ctl_apply_member_added(r->world, &member) != NX_OK) {
            return api_error(r, API_ERROR_INTERNAL);
        }
    }
    return answer_invite(r, &row, false);
}

/* Who may manage the channel or the guild of an invitation, or made it, may end it; a stranger learns nothing. */
static enum api_next delete_found(struct api_request *r)
{
    if (!is_living(r)) {
        return answer_dead(r);
    }
    const struct ctl_invite_row *row = &r->answer->invite;
    const struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, row->guild_id);
    const struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, row->channel_id);
    const struct ctl_member *member = ctl_guild_member(guild, r->subject.user_id);
    if (member == NULL) {
        return api_error(r, API_ERROR_UNKNOWN_INVITE);
    }
    const bool may_guild = (ctl_guild_permissions(member, NULL, r->wall_ms) & PERM_MANAGE_GUILD) != 0;
    const bool may_channel =
        channel != NULL && (ctl_guild_permissions(member, channel, r->wall_ms) & PERM_MANAGE_CHANNELS) != 0;
    if (!may_guild && !may_channel && row->inviter_id != r->subject.user_id) {
        return api_error(r, API_ERROR_MISSING_PERMISSIONS);
    }
    r->question.invite_delete.code = r->text;
    return api_request_ask(r, CTL_ASK_INVITE_DELETE, 2);
}

enum api_next api_invite_delete(struct api_request *r)
{
    switch (r->step) {
    case 0:
        return ask_get(r, 1);
    case 1:
        return delete_found(r);
    default:
        break;
    }
    if (r->answer->verdict != NX_OK) {
        return answer_dead(r);
    }
    const struct ctl_invite_row row = r->answer->invite;
    ctl_apply_invite(r->world, &row, false);
    return answer_invite(r, &row, true);
}

static enum api_next list(struct api_request *r, uint64_t guild_id, uint64_t channel_id)
{
    if (r->step == 0) {
        r->question.invites_list.guild_id = guild_id;
        r->question.invites_list.channel_id = channel_id;
        return api_request_ask(r, CTL_ASK_INVITES_LIST, 1);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_GUILD);
    }
    const struct ctl_invite_row *rows = r->answer->list.rows;
    const uint32_t count = r->answer->list.rows_count;
    struct nx_json_out out = api_request_json(r, 200, 64 + (size_t)count * INVITE_SIZE);
    nx_json_out_array(&out);
    for (uint32_t i = 0; i < count; i++) {
        if (rows[i].expires_ms == 0 || rows[i].expires_ms > r->wall_ms) {
            ctl_object_invite(&out, &r->world->directory, &rows[i], true);
        }
    }
    nx_json_out_array_end(&out);
    return api_request_json_end(r, &out);
}

enum api_next api_invite_guild_list(struct api_request *r)
{
    return list(r, r->ids[0], 0);
}

enum api_next api_invite_channel_list(struct api_request *r)
{
    const struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, r->ids[0]);
    return channel == NULL ? api_error(r, API_ERROR_UNKNOWN_CHANNEL)
                           : list(r, channel->guild->id, channel->id);
}
