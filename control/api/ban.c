#include "control/api/error.h"
#include "control/api/handler.h"
#include "control/core/apply.h"
#include "control/core/guild.h"
#include "control/core/object.h"
#include "engine/base/assert.h"
#include "engine/base/text.h"
#include "engine/perm/hierarchy.h"

_Static_assert(CTL_QUESTION_ROWS_MAX *(sizeof(struct ctl_ban_row) + CTL_REASON_MAX * 4) <= API_ROWS_SIZE,
               "a page of bans with the longest reasons fits into a request's arena");

static void write_ban(struct api_request *r, struct nx_json_out *out, const struct ctl_ban_row *row)
{
    nx_json_out_object(out);
    nx_json_out_key(out, "reason");
    if (row->reason.size == 0) {
        nx_json_out_null(out);
    } else {
        nx_json_out_string(out, row->reason);
    }
    nx_json_out_key(out, "user");
    ctl_object_user_id(out, &r->world->directory, row->user_id);
    nx_json_out_object_end(out);
}

enum api_next api_ban_list(struct api_request *r)
{
    uint64_t after = 0;
    uint64_t limit = 1000;
    bool has;
    if (r->step == 0) {
        if (!api_request_query_u64(r, "after", 0, INT64_MAX, &after, &has) ||
            !api_request_query_u64(r, "limit", 1, CTL_QUESTION_ROWS_MAX, &limit, &has)) {
            return API_DONE;
        }
        r->question.bans_list.guild_id = r->ids[0];
        r->question.bans_list.after_user_id = after;
        r->question.bans_list.limit = (uint32_t)limit;
        return api_request_ask(r, CTL_ASK_BANS_LIST, 1);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_GUILD);
    }
    const struct ctl_ban_row *rows = r->answer->list.rows;
    size_t size = 64;
    for (uint32_t i = 0; i < r->answer->list.rows_count; i++) {
        size += 1024 + rows[i].reason.size * 6;
    }
    struct nx_json_out out = api_request_json(r, 200, size);
    nx_json_out_array(&out);
    for (uint32_t i = 0; i < r->answer->list.rows_count; i++) {
        write_ban(r, &out, &rows[i]);
    }
    nx_json_out_array_end(&out);
    return api_request_json_end(r, &out);
}

enum api_next api_ban_get(struct api_request *r)
{
    if (r->step == 0) {
        if (r->ids[1] == 0) {
            return api_error(r, API_ERROR_UNKNOWN_BAN);
        }
        r->question.bans_list.guild_id = r->ids[0];
        r->question.bans_list.after_user_id = r->ids[1] - 1;
        r->question.bans_list.limit = 1;
        return api_request_ask(r, CTL_ASK_BANS_LIST, 1);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_GUILD);
    }
    const struct ctl_ban_row *rows = r->answer->list.rows;
    if (r->answer->list.rows_count == 0 || rows[0].user_id != r->ids[1]) {
        return api_error(r, API_ERROR_UNKNOWN_BAN);
    }
    struct nx_json_out out = api_request_json(r, 200, 1024 + rows[0].reason.size * 6);
    write_ban(r, &out, &rows[0]);
    return api_request_json_end(r, &out);
}

/* The reason of the audit header, decoded; anything that is no decent text is left out. */
static struct nx_bytes reason_of(struct api_request *r)
{
    struct nx_writer scratch = api_request_scratch(r, r->headers.audit_reason.size);
    struct nx_bytes reason;
    if (nx_url_decode(r->headers.audit_reason, false, &scratch, &reason) != NX_OK ||
        !nx_text_is_utf8(reason) || nx_text_points(reason) > CTL_REASON_MAX) {
        return nx_bytes_of(NULL, 0);
    }
    return reason;
}

enum api_next api_ban_put(struct api_request *r)
{
    struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    struct ctl_member *target = guild == NULL ? NULL : ctl_guild_member(guild, r->ids[1]);
    if (r->step == 0) {
        NX_ASSERT(guild != NULL); /* the router has found it in this step */
        const struct ctl_member *actor = ctl_guild_member(guild, r->subject.user_id);
        if (ctl_directory_user(&r->world->directory, r->ids[1]) == NULL) {
            return api_error(r, API_ERROR_UNKNOWN_USER);
        }
        if (r->ids[1] == r->subject.user_id || r->ids[1] == guild->owner_id ||
            (target != NULL && !perm_outranks(ctl_guild_top(actor), guild->owner_id == r->subject.user_id,
                                              ctl_guild_top(target), false))) {
            return api_error(r, API_ERROR_MISSING_PERMISSIONS);
        }
        if (!api_request_lock_member(r, guild->id, r->ids[1])) {
            return API_DONE;
        }
        r->question.ban_put =
            (struct ctl_ban_row){.guild_id = guild->id, .user_id = r->ids[1], .reason = reason_of(r)};
        return api_request_ask(r, CTL_ASK_BAN_PUT, 1);
    }
    if (r->answer->verdict != NX_OK && r->answer->verdict != NX_E_CONFLICT) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_GUILD);
    }
    if (target != NULL) {
        ctl_apply_member_removed(r->world, target);
    }
    if (guild != NULL && r->answer->verdict == NX_OK) {
        ctl_apply_ban(r->world, guild, r->ids[1], true);
    }
    return api_request_empty(r);
}

enum api_next api_ban_delete(struct api_request *r)
{
    if (r->step == 0) {
        r->question.ban_delete.guild_id = r->ids[0];
        r->question.ban_delete.user_id = r->ids[1];
        return api_request_ask(r, CTL_ASK_BAN_DELETE, 1);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_BAN);
    }
    struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    if (guild != NULL) {
        ctl_apply_ban(r->world, guild, r->ids[1], false);
    }
    return api_request_empty(r);
}
