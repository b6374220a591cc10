#include "control/api/error.h"
#include "control/api/handler.h"
#include "control/core/account.h"
#include "control/core/apply.h"
#include "control/core/community.h"
#include "control/core/guild.h"
#include "control/core/object.h"
#include "engine/base/text.h"
#include "engine/perm/hierarchy.h"

/* Bytes that are enough for a member's JSON. */
static size_t member_size(const struct ctl_member *member)
{
    uint32_t count;
    (void)ctl_guild_member_roles(member, &count);
    return 1024 + (member->nick.size + member->user->global_name.size) * 6 + (size_t)count * 24;
}

static enum api_next answer_member(struct api_request *r, const struct ctl_member *member)
{
    struct nx_json_out out = api_request_json(r, 200, member_size(member));
    ctl_object_member(&out, member, false);
    return api_request_json_end(r, &out);
}

enum api_next api_member_list(struct api_request *r)
{
    const struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    uint64_t after = 0;
    uint64_t limit = 1;
    bool has;
    if (!api_request_query_u64(r, "after", 0, INT64_MAX, &after, &has) ||
        !api_request_query_u64(r, "limit", 1, 1000, &limit, &has)) {
        return API_DONE;
    }
    /* The `limit` smallest ids above `after`, kept in order while walking over all. */
    const struct ctl_member **page = nx_arena_take(&r->arena, limit * sizeof(*page), 8);
    if (page == NULL) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    uint32_t count = 0;
    size_t size = 64;
    for (uint32_t i = 0; i < guild->members.count; i++) {
        const struct ctl_member *one = guild->members.entries[i].item;
        if (one->user->id <= after || (count == limit && one->user->id > page[count - 1]->user->id)) {
            continue;
        }
        uint32_t low = 0;
        uint32_t high = count;
        while (low < high) {
            const uint32_t middle = low + (high - low) / 2;
            if (page[middle]->user->id < one->user->id) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        count += count < limit;
        memmove(page + low + 1, page + low, (count - low - 1) * sizeof(*page));
        page[low] = one;
    }
    for (uint32_t i = 0; i < count; i++) {
        size += member_size(page[i]);
    }
    struct nx_json_out out = api_request_json(r, 200, size);
    nx_json_out_array(&out);
    for (uint32_t i = 0; i < count; i++) {
        ctl_object_member(&out, page[i], false);
    }
    nx_json_out_array_end(&out);
    return api_request_json_end(r, &out);
}

enum api_next api_member_get(struct api_request *r)
{
    const struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    const struct ctl_member *member = ctl_guild_member(guild, r->ids[1]);
    return member == NULL ? api_error(r, API_ERROR_UNKNOWN_MEMBER) : answer_member(r, member);
}

/* ---- change ---- */

struct edit {
    struct ctl_member_row row;
    uint64_t roles[PERM_ROLES_PER_MEMBER_MAX + 1];
    struct nx_json roles_list;
    struct nx_bytes timeout;
};

static const struct nx_json_field fields[] = {
    {"nick", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_NULLABLE, 0, CTL_NICK_MAX, offsetof(struct edit, row.nick)},
    {"roles", NX_JSON_FIELD_ARRAY, NX_JSON_FIELD_NULLABLE, 0, PERM_ROLES_PER_MEMBER_MAX,
     offsetof(struct edit, roles_list)},
    {"communication_disabled_until", NX_JSON_FIELD_TEXT, NX_JSON_FIELD_NULLABLE, 0, 40,
     offsetof(struct edit, timeout)},
};
enum { FIELD_NICK = 1, FIELD_ROLES = 2, FIELD_TIMEOUT = 4, SELF_FIELDS = 1 /* of the table */ };

/* Starts an edit from what the directory has, with bytes of its own. */
static bool edit_of(struct api_request *r, struct edit *edit, const struct ctl_member *member)
{
    edit->row = ctl_community_member_row(member);
    if (edit->row.roles_count != 0) {
        memcpy(edit->roles, edit->row.roles, edit->row.roles_count * sizeof(*edit->roles));
    }
    edit->row.roles = edit->roles;
    return nx_arena_copy(&r->arena, member->nick, &edit->row.nick) == NX_OK;
}

static enum api_next ask_update(struct api_request *r, const struct edit *edit)
{
    if (!ctl_guild_has_roleset_room(ctl_directory_guild(&r->world->directory, edit->row.guild_id), 1)) {
        return api_error(r, API_ERROR_ROLESETS_FULL);
    }
    if (!api_request_lock_member(r, edit->row.guild_id, edit->row.user_id)) {
        return API_DONE;
    }
    r->question.member_update = edit->row;
    return api_request_ask(r, CTL_ASK_MEMBER_UPDATE, 1);
}

static enum api_next commit(struct api_request *r, const struct edit *edit, bool has_body)
{
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_MEMBER);
    }
    const enum nx_err err = ctl_apply_member_updated(r->world, &edit->row);
    if (err != NX_OK) {
        return api_error(r, err == NX_E_FULL ? API_ERROR_ROLESETS_FULL : API_ERROR_INTERNAL);
    }
    const struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, edit->row.guild_id);
    const struct ctl_member *member = guild == NULL ? NULL : ctl_guild_member(guild, edit->row.user_id);
    if (member == NULL) {
        return api_error(r, API_ERROR_UNKNOWN_MEMBER);
    }
    return has_body ? answer_member(r, member) : api_request_empty(r);
}

static bool has_role(const struct edit *edit, uint64_t id)
{
    for (uint32_t i = 0; i < edit->row.roles_count; i++) {
        if (edit->roles[i] == id) {
            return true;
        }
    }
    return false;
}

/* Adds a role in order. */
static void add_role(struct edit *edit, uint64_t id)
{
    uint32_t at = edit->row.roles_count++;
    while (at != 0 && edit->roles[at - 1] > id) {
        edit->roles[at] = edit->roles[at - 1];
        at--;
    }
    edit->roles[at] = id;
}

/* Whether `actor` may give or take the role; false with the error answered. */
static bool may_move_role(struct api_request *r, const struct ctl_member *actor, uint64_t role_id)
{
    const struct ctl_guild *guild = actor->guild;
    const int32_t index = ctl_guild_role_index(guild, role_id);
    if (index < 0) {
        (void)api_error(r, API_ERROR_UNKNOWN_ROLE);
        return false;
    }
    if (role_id == guild->id || (guild->roles[index].flags & CTL_ROLE_MANAGED) != 0) {
        (void)api_error(r, API_ERROR_INVALID_ROLE);
        return false;
    }
    const bool has_right = (ctl_guild_permissions(actor, NULL, r->wall_ms) & PERM_MANAGE_ROLES) != 0;
    if (!has_right || !perm_outranks(ctl_guild_top(actor), guild->owner_id == actor->user->id,
                                     guild->perm_roles[index].position, false)) {
        (void)api_error(r, API_ERROR_MISSING_PERMISSIONS);
        return false;
    }
    return true;
}

/* Replaces the roles; each that comes or goes must be the caller's to give. False with the error answered. */
static bool read_roles(struct api_request *r, struct edit *edit, const struct ctl_member *actor)
{
    struct edit wanted = {.row = {.roles_count = 0}};
    struct nx_json_walk walk = nx_json_walk(edit->roles_list);
    struct nx_json value;
    while (nx_json_array_next(&walk, &value)) {
        uint64_t id;
        if (nx_json_id(value, &id) != NX_OK || wanted.row.roles_count == PERM_ROLES_PER_MEMBER_MAX) {
            (void)api_error_field(r, "roles", NX_JSON_FAULT_ID, 0, 0);
            return false;
        }
        if (!has_role(&wanted, id) && id != actor->guild->id) {
            add_role(&wanted, id);
        }
    }
    for (uint32_t i = 0; i < wanted.row.roles_count; i++) {
        if (!has_role(edit, wanted.roles[i]) && !may_move_role(r, actor, wanted.roles[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; i < edit->row.roles_count; i++) {
        if (!has_role(&wanted, edit->roles[i]) && !may_move_role(r, actor, edit->roles[i])) {
            return false;
        }
    }
    memcpy(edit->roles, wanted.roles, sizeof(wanted.roles));
    edit->row.roles_count = wanted.row.roles_count;
    return true;
}

static bool outranks(const struct ctl_member *actor, const struct ctl_member *target)
{
    const struct ctl_guild *guild = actor->guild;
    return perm_outranks(ctl_guild_top(actor), guild->owner_id == actor->user->id, ctl_guild_top(target),
                         guild->owner_id == target->user->id);
}

/* Checks nick and timeout; false with the error answered. */
static bool read_rest(struct api_request *r, struct edit *edit, const struct ctl_member *actor,
                      const struct ctl_member *target, uint64_t seen)
{
    const uint64_t own = ctl_guild_permissions(actor, NULL, r->wall_ms);
    const bool is_self = actor == target;
    if ((seen & FIELD_NICK) != 0) {
        const bool may = is_self ? (own & (PERM_CHANGE_NICKNAME | PERM_MANAGE_NICKNAMES)) != 0
                                 : (own & PERM_MANAGE_NICKNAMES) != 0 && outranks(actor, target);
        if (!may) {
            (void)api_error(r, API_ERROR_MISSING_PERMISSIONS);
            return false;
        }
        if (!ctl_account_text_ok(edit->row.nick, 0, CTL_NICK_MAX)) {
            (void)api_error_field(r, "nick", NX_JSON_FAULT_CHOICE, 0, CTL_NICK_MAX);
            return false;
        }
    }
    if ((seen & FIELD_TIMEOUT) != 0) {
        const bool is_admin = (ctl_guild_permissions(target, NULL, 0) & PERM_ADMINISTRATOR) != 0;
        if ((own & PERM_MODERATE_MEMBERS) == 0 || is_self || !outranks(actor, target) || is_admin) {
            (void)api_error(r, API_ERROR_MISSING_PERMISSIONS);
            return false;
        }
        edit->row.timeout_until_ms = 0;
        if (edit->timeout.size != 0 &&
            (nx_text_time_parse(edit->timeout, &edit->row.timeout_until_ms) != NX_OK ||
             !ctl_community_timeout_ok(edit->row.timeout_until_ms, r->wall_ms))) {
            (void)api_error_field(r, "communication_disabled_until", NX_JSON_FAULT_CHOICE, 0, 0);
            return false;
        }
    }
    return true;
}

static enum api_next update(struct api_request *r, uint64_t target_id, bool is_nick_only)
{
    struct edit *edit = api_request_state(r, sizeof(*edit));
    struct nx_json_present present;
    if (r->step == 1) {
        return commit(r, edit, true);
    }
    const struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    const struct ctl_member *actor = ctl_guild_member(guild, r->subject.user_id);
    const struct ctl_member *target = ctl_guild_member(guild, target_id);
    if (target == NULL) {
        return api_error(r, API_ERROR_UNKNOWN_MEMBER);
    }
    if (!edit_of(r, edit, target)) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    if (!api_request_fields(r, fields, is_nick_only ? SELF_FIELDS : sizeof(fields) / sizeof(*fields), edit,
                            &present)) {
        return API_DONE;
    }
    const uint64_t seen = present.values | present.nulls;
    if ((present.nulls & FIELD_NICK) != 0) {
        edit->row.nick = nx_bytes_of(NULL, 0);
    }
    if ((present.nulls & FIELD_TIMEOUT) != 0) {
        edit->timeout = nx_bytes_of(NULL, 0);
    }
    if (!read_rest(r, edit, actor, target, seen) ||
        ((seen & FIELD_ROLES) != 0 && !read_roles(r, edit, actor))) {
        return API_DONE;
    }
    return ask_update(r, edit);
}

enum api_next api_member_update(struct api_request *r)
{
    return update(r, r->ids[1], false);
}

enum api_next api_member_self_update(struct api_request *r)
{
    return update(r, r->subject.user_id, true);
}

static enum api_next move_role(struct api_request *r, bool gives)
{
    struct edit *edit = api_request_state(r, sizeof(*edit));
    if (r->step == 1) {
        return commit(r, edit, false);
    }
    const struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    const struct ctl_member *target = ctl_guild_member(guild, r->ids[1]);
    if (target == NULL) {
        return api_error(r, API_ERROR_UNKNOWN_MEMBER);
    }
    if (!may_move_role(r, ctl_guild_member(guild, r->subject.user_id), r->ids[2])) {
        return API_DONE;
    }
    if (!edit_of(r, edit, target)) {
        return api_error(r, API_ERROR_INTERNAL);
    }
    if (has_role(edit, r->ids[2]) == gives) {
        return api_request_empty(r);
    }
    if (gives) {
        if (edit->row.roles_count == PERM_ROLES_PER_MEMBER_MAX) {
            return api_error_field(r, "roles", NX_JSON_FAULT_LENGTH, 0, PERM_ROLES_PER_MEMBER_MAX);
        }
        add_role(edit, r->ids[2]);
    } else {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < edit->row.roles_count; i++) {
            if (edit->roles[i] != r->ids[2]) {
                edit->roles[kept++] = edit->roles[i];
            }
        }
        edit->row.roles_count = kept;
    }
    return ask_update(r, edit);
}

enum api_next api_member_role_put(struct api_request *r)
{
    return move_role(r, true);
}

enum api_next api_member_role_delete(struct api_request *r)
{
    return move_role(r, false);
}

enum api_next api_member_remove(struct api_request *r)
{
    struct ctl_guild *guild = ctl_directory_guild(&r->world->directory, r->ids[0]);
    struct ctl_member *target = guild == NULL ? NULL : ctl_guild_member(guild, r->ids[1]);
    if (r->step == 0) {
        if (target == NULL) {
            return api_error(r, API_ERROR_UNKNOWN_MEMBER);
        }
        const struct ctl_member *actor = ctl_guild_member(guild, r->subject.user_id);
        if (actor == target || !outranks(actor, target)) {
            return api_error(r, API_ERROR_MISSING_PERMISSIONS);
        }
        if (!api_request_lock_member(r, guild->id, target->user->id)) {
            return API_DONE;
        }
        r->question.member_remove.guild_id = guild->id;
        r->question.member_remove.user_id = target->user->id;
        return api_request_ask(r, CTL_ASK_MEMBER_REMOVE, 1);
    }
    if (r->answer->verdict != NX_OK) {
        return api_error_store(r, r->answer->verdict, API_ERROR_UNKNOWN_MEMBER);
    }
    if (target != NULL) {
        ctl_apply_member_removed(r->world, target);
    }
    return api_request_empty(r);
}
