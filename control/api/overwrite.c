#include "control/api/overwrite.h"

#include "control/api/error.h"
#include "control/api/handler.h"
#include "control/core/guild.h"
#include "engine/perm/hierarchy.h"

/* Reads one overwrite object or body; false with the error answered. `id` 0 means that it is in the object. */
static bool read_one(struct api_request *r, struct nx_json value, uint64_t id, struct ctl_overwrite_row *row)
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

/* Permissions that mean something else when `old` (NULL: nothing) becomes `row` (NULL: nothing). */
static uint64_t changed(const struct perm_overwrite *old, const struct ctl_overwrite_row *row)
{
    return ((old == NULL ? 0 : old->allow) ^ (row == NULL ? 0 : row->allow)) |
           ((old == NULL ? 0 : old->deny) ^ (row == NULL ? 0 : row->deny));
}

static bool is_same(const struct perm_overwrite *old, const struct ctl_overwrite_row *row)
{
    return old != NULL && changed(old, row) == 0 && (old->target == PERM_TARGET_MEMBER) == (row->type != 0);
}

/* Whether the target is there and who has `own` may make `row` of `old`; false with the error answered. */
static bool may_change(struct api_request *r, const struct ctl_guild *guild, const struct perm_overwrite *old,
                       const struct ctl_overwrite_row *row, uint64_t own)
{
    if (row->type == 0 && ctl_guild_role_index(guild, row->target_id) < 0) {
        (void)api_error(r, API_ERROR_UNKNOWN_ROLE);
        return false;
    }
    if (row->type == 1 && ctl_guild_member(guild, row->target_id) == NULL) {
        (void)api_error(r, API_ERROR_UNKNOWN_MEMBER);
        return false;
    }
    if (!perm_may_grant(own, changed(old, row))) {
        (void)api_error(r, API_ERROR_MISSING_PERMISSIONS);
        return false;
    }
    return true;
}

static bool has_target(const struct ctl_overwrite_row *rows, uint32_t count, uint64_t target_id)
{
    uint32_t at = 0;
    while (at < count && rows[at].target_id != target_id) {
        at++;
    }
    return at < count;
}

/* Whether who has `own` may take away what the channel has and `rows` have not; false with the error answered. */
static bool may_drop(struct api_request *r, const struct ctl_channel *channel,
                     const struct ctl_overwrite_row *rows, uint32_t count, uint64_t own)
{
    for (uint32_t i = 0; i < channel->overwrites_count; i++) {
        const struct perm_overwrite *old = &channel->overwrites[i];
        if (!has_target(rows, count, old->target_id) && !perm_may_grant(own, changed(old, NULL))) {
            (void)api_error(r, API_ERROR_MISSING_PERMISSIONS);
            return false;
        }
    }
    return true;
}

static bool read_rows(struct api_request *r, struct nx_json list, const struct ctl_guild *guild,
                      const struct ctl_channel *channel, uint64_t own, struct ctl_overwrite_row *rows)
{
    struct nx_json_walk walk = nx_json_walk(list);
    struct nx_json value;
    uint32_t new_members = 0;
    for (uint32_t count = 0; nx_json_array_next(&walk, &value); count++) {
        struct ctl_overwrite_row *row = &rows[count];
        if (!read_one(r, value, 0, row)) {
            return false;
        }
        if (has_target(rows, count, row->target_id)) {
            (void)api_error_field(r, "permission_overwrites", NX_JSON_FAULT_CHOICE, 0, 0);
            return false;
        }
        const struct perm_overwrite *old =
            channel == NULL ? NULL : ctl_directory_overwrite(channel, row->target_id);
        if (!is_same(old, row) && !may_change(r, guild, old, row, own)) {
            return false;
        }
        new_members += row->type != 0 && old == NULL ? 1 : 0;
    }
    if (new_members != 0 && !ctl_guild_has_roleset_room(guild, new_members)) {
        (void)api_error(r, API_ERROR_ROLESETS_FULL);
        return false;
    }
    return true;
}

bool api_overwrite_set(struct api_request *r, struct nx_json list, const struct ctl_guild *guild,
                       const struct ctl_channel *channel, struct ctl_overwrite_set *set)
{
    const uint64_t own =
        ctl_guild_permissions(ctl_guild_member(guild, r->subject.user_id), channel, r->wall_ms);
    const size_t count = nx_json_count(list);
    struct ctl_overwrite_row *rows = nx_arena_take(&r->arena, (count + 1) * sizeof(*rows), 8);
    if (rows == NULL) {
        (void)api_error(r, API_ERROR_INTERNAL);
        return false;
    }
    if ((count != 0 || channel != NULL) && (own & PERM_MANAGE_ROLES) == 0) {
        (void)api_error(r, API_ERROR_MISSING_PERMISSIONS);
        return false;
    }
    if (!read_rows(r, list, guild, channel, own, rows) ||
        (channel != NULL && !may_drop(r, channel, rows, (uint32_t)count, own))) {
        return false;
    }
    *set = (struct ctl_overwrite_set){.rows = rows, .rows_count = (uint32_t)count};
    return true;
}

/* ---- one overwrite ---- */

static enum api_next put_read(struct api_request *r, struct ctl_overwrite_row *row)
{
    const struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, r->ids[0]);
    const struct ctl_member *member = ctl_guild_member(channel->guild, r->subject.user_id);
    if (r->ids[1] == 0) {
        return api_error(r, API_ERROR_UNKNOWN_OVERWRITE);
    }
    if (!read_one(r, r->root, r->ids[1], row)) {
        return API_DONE;
    }
    const struct perm_overwrite *old = ctl_directory_overwrite(channel, row->target_id);
    if (!may_change(r, channel->guild, old, row, ctl_guild_permissions(member, channel, r->wall_ms))) {
        return API_DONE;
    }
    if (row->type != 0 && old == NULL && !ctl_guild_has_roleset_room(channel->guild, 1)) {
        return api_error(r, API_ERROR_ROLESETS_FULL);
    }
    if (old == NULL && channel->overwrites_count >= PERM_OVERWRITES_PER_CHANNEL_MAX) {
        return api_error(r, API_ERROR_OVERWRITES_FULL);
    }
    /* The guild's: the whole set of a channel, and the roles it names, may be on their way too. */
    if (!api_request_lock(r, channel->guild->id)) {
        return API_DONE;
    }
    row->channel_id = channel->id;
    r->question.overwrite_put = *row;
    return api_request_ask(r, CTL_ASK_OVERWRITE_PUT, 1);
}

enum api_next api_overwrite_put(struct api_request *r)
{
    struct ctl_overwrite_row *row = api_request_state(r, sizeof(*row));
    if (r->step == 0) {
        return put_read(r, row);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_CHANNEL);
    }
    return ctl_apply_overwrite(r->world, row) == NX_OK ? api_request_empty(r)
                                                       : api_error(r, API_ERROR_INTERNAL);
}

enum api_next api_overwrite_delete(struct api_request *r)
{
    struct ctl_channel *channel = ctl_directory_channel(&r->world->directory, r->ids[0]);
    if (r->step == 0) {
        const struct ctl_member *member = ctl_guild_member(channel->guild, r->subject.user_id);
        const struct perm_overwrite *old = ctl_directory_overwrite(channel, r->ids[1]);
        if (old == NULL) {
            return api_error(r, API_ERROR_UNKNOWN_OVERWRITE);
        }
        if (!perm_may_grant(ctl_guild_permissions(member, channel, r->wall_ms), changed(old, NULL))) {
            return api_error(r, API_ERROR_MISSING_PERMISSIONS);
        }
        if (!api_request_lock(r, channel->guild->id)) {
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
