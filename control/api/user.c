#include "control/api/error.h"
#include "control/api/handler.h"
#include "control/core/account.h"
#include "control/core/apply.h"
#include "control/core/guild.h"
#include "control/core/object.h"

enum api_next api_user_self(struct api_request *r)
{
    if (r->step == 0) {
        r->question.user_get.user_id = r->subject.user_id;
        return api_request_ask(r, CTL_ASK_USER_GET, 1);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_USER);
    }
    struct nx_json_out out = api_request_json(r, 200, 4096);
    ctl_object_self(&out, r->subject.user, r->answer->user.email);
    return api_request_json_end(r, &out);
}

enum api_next api_user_get(struct api_request *r)
{
    const struct ctl_user *user = ctl_directory_user(&r->world->directory, r->ids[0]);
    if (user == NULL) {
        return api_error(r, API_ERROR_UNKNOWN_USER);
    }
    struct nx_json_out out = api_request_json(r, 200, 2048);
    ctl_object_user(&out, user);
    return api_request_json_end(r, &out);
}

static const struct nx_json_field update_fields[] = {
    {"username", NX_JSON_FIELD_TEXT, 0, CTL_USERNAME_MIN, CTL_USERNAME_MAX,
     offsetof(struct ctl_user_row, username)},
    {"global_name", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_NULLABLE, 0, CTL_GLOBAL_NAME_MAX,
     offsetof(struct ctl_user_row, global_name)},
    {"email", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_NULLABLE, 0, CTL_EMAIL_MAX,
     offsetof(struct ctl_user_row, email)},
};

/* What an update keeps until it is committed. */
struct update {
    struct ctl_user_row row;
    uint32_t fields;
};

static enum api_next update_read(struct api_request *r, struct update *update)
{
    struct nx_json_present present;
    struct nx_json_faults faults = {.count = 0};
    if (!api_request_fields(r, API_FIELDS(update_fields), &update->row, &present)) {
        return API_DONE;
    }
    const uint64_t seen = present.values | present.nulls;
    if ((seen & 1) != 0 && !ctl_account_username_ok(update->row.username)) {
        nx_json_fields_fault(&faults, "username", NX_JSON_FAULT_CHOICE, 0, 0);
    }
    if (!ctl_account_text_ok(update->row.global_name, 0, CTL_GLOBAL_NAME_MAX)) {
        nx_json_fields_fault(&faults, "global_name", NX_JSON_FAULT_CHOICE, 0, 0);
    }
    if (update->row.email.size != 0 && !ctl_account_email_ok(update->row.email)) {
        nx_json_fields_fault(&faults, "email", NX_JSON_FAULT_CHOICE, 0, 0);
    }
    if (faults.count != 0) {
        return api_error_form(r, &faults);
    }
    update->fields = ((seen & 1) != 0 ? CTL_USER_FIELD_USERNAME : 0U) |
                     ((seen & 2) != 0 ? CTL_USER_FIELD_GLOBAL_NAME : 0U) |
                     ((seen & 4) != 0 ? CTL_USER_FIELD_EMAIL : 0U);
    if (!api_request_lock(r, r->subject.user_id)) {
        return API_DONE;
    }
    struct nx_writer key = api_request_scratch(r, CTL_USERNAME_MAX);
    ctl_account_name_key(update->row.username, &key);
    update->row.id = r->subject.user_id;
    update->row.name_key = nx_writer_bytes(&key);
    r->question.user_update.user = update->row;
    r->question.user_update.fields = update->fields;
    return api_request_ask(r, CTL_ASK_USER_UPDATE, 1);
}

enum api_next api_user_update(struct api_request *r)
{
    struct update *update = api_request_state(r, sizeof(*update));
    if (r->step == 0) {
        return update_read(r, update);
    }
    if (r->answer->verdict == NX_E_CONFLICT) {
        return api_error_taken(r, "username");
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_USER);
    }
    /* The directory's own texts are replaced while the row is applied: what stays is copied first. */
    const struct ctl_user *user = r->subject.user;
    struct ctl_user_row row = {.id = user->id, .flags = user->flags, .email = r->answer->user.email};
    const bool has_name = (update->fields & CTL_USER_FIELD_USERNAME) != 0;
    const bool has_global = (update->fields & CTL_USER_FIELD_GLOBAL_NAME) != 0;
    if (nx_arena_copy(&r->arena, has_name ? update->row.username : user->username, &row.username) != NX_OK ||
        nx_arena_copy(&r->arena, has_global ? update->row.global_name : user->global_name,
                      &row.global_name) != NX_OK ||
        ctl_apply_user(r->world, &row) != NX_OK) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    struct nx_json_out out = api_request_json(r, 200, 4096);
    ctl_object_self(&out, user, row.email);
    return api_request_json_end(r, &out);
}

static void write_partial(struct nx_json_out *out, const struct ctl_member *member, int64_t wall_ms)
{
    const struct ctl_guild *guild = member->guild;
    nx_json_out_object(out);
    nx_json_out_key(out, "id");
    nx_json_out_id(out, guild->id);
    nx_json_out_key(out, "name");
    nx_json_out_string(out, guild->name);
    nx_json_out_key(out, "icon");
    nx_json_out_null(out);
    nx_json_out_key(out, "owner");
    nx_json_out_bool(out, guild->owner_id == member->user->id);
    nx_json_out_key(out, "permissions");
    nx_json_out_id(out, ctl_guild_permissions(member, NULL, wall_ms));
    nx_json_out_key(out, "features");
    nx_json_out_array(out);
    nx_json_out_array_end(out);
    nx_json_out_object_end(out);
}

enum api_next api_user_guilds(struct api_request *r)
{
    uint64_t before = UINT64_MAX;
    uint64_t after = 0;
    uint64_t limit = 200;
    bool has;
    if (!api_request_query_u64(r, "before", 1, INT64_MAX, &before, &has) ||
        !api_request_query_u64(r, "after", 0, INT64_MAX, &after, &has) ||
        !api_request_query_u64(r, "limit", 1, 200, &limit, &has)) {
        return API_DONE;
    }
    const struct ctl_member *sorted[CTL_GUILDS_PER_USER_MAX];
    uint32_t count = 0;
    for (const struct ctl_member *m = r->subject.user->members; m != NULL && count < CTL_GUILDS_PER_USER_MAX;
         m = m->next) {
        if (m->guild->id <= after || m->guild->id >= before) {
            continue;
        }
        uint32_t at = count++;
        while (at != 0 && sorted[at - 1]->guild->id > m->guild->id) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = m;
    }
    struct nx_json_out out = api_request_json(r, 200, 64 + (size_t)count * 1024);
    nx_json_out_array(&out);
    for (uint32_t i = 0; i < count && i < limit; i++) {
        write_partial(&out, sorted[i], r->wall_ms);
    }
    nx_json_out_array_end(&out);
    return api_request_json_end(r, &out);
}

enum api_next api_user_leave(struct api_request *r)
{
    struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    struct ctl_member *member = guild == NULL ? NULL : ctl_guild_member(guild, r->subject.user_id);
    if (r->step == 0) {
        if (member == NULL) {
            return api_error(r, API_ERROR_UNKNOWN_GUILD);
        }
        if (guild->owner_id == r->subject.user_id) {
            return api_error(r, API_ERROR_OWNER_LEAVES);
        }
        if (!api_request_lock_member(r, guild->id, r->subject.user_id)) {
            return API_DONE;
        }
        r->question.member_remove.guild_id = guild->id;
        r->question.member_remove.user_id = r->subject.user_id;
        return api_request_ask(r, CTL_ASK_MEMBER_REMOVE, 1);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_GUILD);
    }
    if (member != NULL) {
        ctl_apply_member_removed(r->world, member);
    }
    return api_request_empty(r);
}
