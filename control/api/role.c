#include "control/api/error.h"
#include "control/api/handler.h"
#include "control/api/position.h"
#include "control/core/account.h"
#include "control/core/apply.h"
#include "control/core/community.h"
#include "control/core/guild.h"
#include "control/core/object.h"
#include "engine/perm/hierarchy.h"

enum { ROLE_SIZE = 2048 }; /* bytes that are enough for a role's JSON */

static enum api_next answer_list(struct api_request *r, const struct ctl_guild *guild)
{
    struct nx_json_out out = api_request_json(r, 200, 64 + (size_t)guild->roles_count * ROLE_SIZE);
    nx_json_out_array(&out);
    for (uint32_t i = 0; i < guild->roles_count; i++) {
        ctl_object_role(&out, guild, i);
    }
    nx_json_out_array_end(&out);
    return api_request_json_end(r, &out);
}

enum api_next api_role_list(struct api_request *r)
{
    return answer_list(r, ctl_directory_guild(&r->world->directory, r->ids[0]));
}

/* ---- create and update ---- */

struct edit {
    struct ctl_role_row row;
    uint64_t color;
    struct nx_json permissions;
    bool is_hoisted, is_mentionable;
};

static const struct nx_json_field fields[] = {
    {"name", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_NULLABLE, 1, CTL_NAME_MAX, offsetof(struct edit, row.name)},
    {"permissions", NX_JSON_FIELD_ANY, NX_JSON_FIELD_NULLABLE, 0, 0, offsetof(struct edit, permissions)},
    {"color", NX_JSON_FIELD_U64, NX_JSON_FIELD_NULLABLE, 0, 0xffffff, offsetof(struct edit, color)},
    {"hoist", NX_JSON_FIELD_BOOL, NX_JSON_FIELD_NULLABLE, 0, 0, offsetof(struct edit, is_hoisted)},
    {"mentionable", NX_JSON_FIELD_BOOL, NX_JSON_FIELD_NULLABLE, 0, 0, offsetof(struct edit, is_mentionable)},
};

/* Reads the body over what `edit` has; false with the error answered. */
static bool read_edit(struct api_request *r, struct edit *edit, const struct ctl_member *actor)
{
    struct nx_json_present present;
    const uint64_t before = edit->row.permissions;
    if (!api_request_fields(r, API_FIELDS(fields), edit, &present)) {
        return false;
    }
    if (!ctl_account_text_ok(edit->row.name, 1, CTL_NAME_MAX)) {
        (void)api_error_field(r, "name", NX_JSON_FAULT_CHOICE, 1, CTL_NAME_MAX);
        return false;
    }
    if (edit->permissions.kind != NX_JSON_NULL &&
        (nx_json_id(edit->permissions, &edit->row.permissions) != NX_OK ||
         edit->row.permissions > INT64_MAX)) {
        (void)api_error_field(r, "permissions", NX_JSON_FAULT_NUMBER, 0, 0);
        return false;
    }
    const uint64_t own = ctl_guild_permissions(actor, NULL, r->wall_ms);
    if (!perm_may_grant(own, edit->row.permissions ^ before)) {
        (void)api_error(r, API_ERROR_MISSING_PERMISSIONS);
        return false;
    }
    edit->row.color = (uint32_t)edit->color;
    edit->row.flags = (edit->row.flags & CTL_ROLE_MANAGED) | (edit->is_hoisted ? CTL_ROLE_HOIST : 0U) |
                      (edit->is_mentionable ? CTL_ROLE_MENTIONABLE : 0U);
    return true;
}

static enum api_next commit(struct api_request *r, const struct edit *edit)
{
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_GUILD);
    }
    if (ctl_apply_role(r->world, &edit->row) != NX_OK) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    const struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    const int32_t index = guild == NULL ? -1 : ctl_guild_role_index(guild, edit->row.id);
    if (index < 0) {
        return api_error(r, API_ERROR_UNKNOWN_GUILD);
    }
    struct nx_json_out out = api_request_json(r, 200, ROLE_SIZE);
    ctl_object_role(&out, guild, (uint32_t)index);
    return api_request_json_end(r, &out);
}

enum api_next api_role_create(struct api_request *r)
{
    struct edit *edit = api_request_state(r, sizeof(*edit));
    if (r->step == 1) {
        return commit(r, edit);
    }
    const struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    const struct ctl_member *actor = ctl_guild_member(guild, r->subject.user_id);
    if (guild->roles_count >= PERM_ROLES_PER_GUILD_MAX) {
        return api_error(r, API_ERROR_ROLES_FULL);
    }
    /* A new role starts like @everyone where its creator may give that, at the lowest place. */
    const uint64_t own = ctl_guild_permissions(actor, NULL, r->wall_ms);
    const uint64_t everyone = guild->perm_roles[ctl_guild_role_index(guild, guild->id)].permissions;
    edit->row = (struct ctl_role_row){.id = ctl_world_id(r->world, r->wall_ms),
                                      .guild_id = guild->id,
                                      .name = nx_bytes_text("new role"),
                                      .permissions = everyone & own,
                                      .position = 1};
    const uint64_t start = edit->row.permissions;
    if (!read_edit(r, edit, actor)) {
        return API_DONE;
    }
    if (!perm_may_grant(own, edit->row.permissions | start)) {
        return api_error(r, API_ERROR_MISSING_PERMISSIONS);
    }
    if (!api_request_lock(r, guild->id)) {
        return API_DONE;
    }
    r->question.role_put = edit->row;
    return api_request_ask(r, CTL_ASK_ROLE_PUT, 1);
}

/* Whether the caller stands above the role of the second id; false with the error answered. */
static bool outranks(struct api_request *r, const struct ctl_guild *guild, const struct ctl_member *actor,
                     int32_t *index)
{
    *index = ctl_guild_role_index(guild, r->ids[1]);
    if (*index < 0) {
        (void)api_error(r, API_ERROR_UNKNOWN_ROLE);
        return false;
    }
    if (!perm_outranks(ctl_guild_top(actor), guild->owner_id == r->subject.user_id,
                       guild->perm_roles[*index].position, false)) {
        (void)api_error(r, API_ERROR_MISSING_PERMISSIONS);
        return false;
    }
    return true;
}

enum api_next api_role_update(struct api_request *r)
{
    struct edit *edit = api_request_state(r, sizeof(*edit));
    if (r->step == 1) {
        return commit(r, edit);
    }
    const struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    const struct ctl_member *actor = ctl_guild_member(guild, r->subject.user_id);
    int32_t index;
    if (!outranks(r, guild, actor, &index)) {
        return API_DONE;
    }
    edit->row = ctl_community_role_row(guild, (uint32_t)index);
    edit->color = edit->row.color;
    edit->is_hoisted = (edit->row.flags & CTL_ROLE_HOIST) != 0;
    edit->is_mentionable = (edit->row.flags & CTL_ROLE_MENTIONABLE) != 0;
    if (nx_arena_copy(&r->arena, edit->row.name, &edit->row.name) != NX_OK) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    if (!read_edit(r, edit, actor)) {
        return API_DONE;
    }
    if (edit->row.id == guild->id) {
        edit->row.name = nx_bytes_text("@everyone");
    }
    if (!api_request_lock(r, guild->id)) {
        return API_DONE;
    }
    r->question.role_put = edit->row;
    return api_request_ask(r, CTL_ASK_ROLE_PUT, 1);
}

enum api_next api_role_delete(struct api_request *r)
{
    struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    if (r->step == 0) {
        int32_t index;
        if (r->ids[1] == guild->id) {
            return api_error(r, API_ERROR_INVALID_ROLE);
        }
        if (!outranks(r, guild, ctl_guild_member(guild, r->subject.user_id), &index)) {
            return API_DONE;
        }
        if ((guild->roles[index].flags & CTL_ROLE_MANAGED) != 0) {
            return api_error(r, API_ERROR_INVALID_ROLE);
        }
        if (!api_request_lock(r, guild->id)) {
            return API_DONE;
        }
        r->question.role_delete.guild_id = guild->id;
        r->question.role_delete.role_id = r->ids[1];
        return api_request_ask(r, CTL_ASK_ROLE_DELETE, 1);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_ROLE);
    }
    if (guild != NULL && ctl_apply_role_deleted(r->world, guild, r->ids[1]) != NX_OK) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    return api_request_empty(r);
}

/* ---- positions ---- */

static bool check_position(struct api_request *r, const struct api_position *given,
                           struct ctl_position_row *row)
{
    const struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    const bool is_owner = guild->owner_id == r->subject.user_id;
    const int32_t top = ctl_guild_top(ctl_guild_member(guild, r->subject.user_id));
    const int32_t index = ctl_guild_role_index(guild, given->id);
    if (index < 0) {
        (void)api_error(r, API_ERROR_UNKNOWN_ROLE);
        return false;
    }
    if (!given->has_position || (given->position == 0) != (given->id == guild->id)) {
        (void)api_error_field(r, "position", NX_JSON_FAULT_NUMBER_RANGE, 1, 10000);
        return false;
    }
    if (!perm_outranks(top, is_owner, guild->perm_roles[index].position, false) ||
        !perm_outranks(top, is_owner, (int32_t)given->position, false)) {
        (void)api_error(r, API_ERROR_MISSING_PERMISSIONS);
        return false;
    }
    row->position = (uint32_t)given->position;
    return true;
}

enum api_next api_role_positions(struct api_request *r)
{
    struct api_positions *positions = api_request_state(r, sizeof(*positions));
    if (r->step == 0) {
        if (!api_position_read(r, PERM_ROLES_PER_GUILD_MAX, check_position, positions) ||
            !api_request_lock(r, r->ids[0])) {
            return API_DONE;
        }
        r->question.roles_move.guild_id = r->ids[0];
        r->question.roles_move.rows = positions->rows;
        r->question.roles_move.rows_count = positions->rows_count;
        return api_request_ask(r, CTL_ASK_ROLES_MOVE, 1);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_ROLE);
    }
    struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    if (guild == NULL) {
        return api_error(r, API_ERROR_UNKNOWN_GUILD);
    }
    ctl_apply_roles_moved(r->world, guild, positions->rows, positions->rows_count);
    return answer_list(r, guild);
}
