#include "control/store/memory_invite.h"

#include "control/store/memory_community.h"
#include "engine/base/assert.h"
#include "engine/base/hash.h"

static uint64_t hash_of(struct nx_bytes code)
{
    static const uint8_t key[16] = "memory invites ";
    return nx_hash_sip(key, code.at, code.size);
}

static struct ctl_invite_row *find(const struct store_memory_data *data, struct nx_bytes code)
{
    return store_memory_table_get(&data->invites, hash_of(code), 0);
}

static bool is_expired(const struct ctl_invite_row *invite, int64_t now_ms)
{
    return invite->expires_ms != 0 && invite->expires_ms <= now_ms;
}

static enum nx_err invite_create(struct store_memory_data *data, const struct ctl_question *q)
{
    const struct ctl_invite_row *wish = &q->invite_create;
    const struct store_memory_channel *channel = store_memory_table_get(&data->channels, 0, wish->channel_id);
    if (channel == NULL || channel->row.guild_id != wish->guild_id) {
        return NX_E_NOT_FOUND;
    }
    if (find(data, wish->code) != NULL) {
        return NX_E_CONFLICT;
    }
    struct ctl_invite_row *row = store_memory_table_add(&data->invites, hash_of(wish->code), 0, sizeof *row);
    *row = *wish;
    row->code = store_memory_table_text(wish->code);
    row->uses = 0;
    return NX_OK;
}

/** Answers with the invite; its code is borrowed from the question. */
static void answer_invite(struct ctl_answer *answer, const struct ctl_invite_row *invite,
                          struct nx_bytes code)
{
    answer->invite = *invite;
    answer->invite.code = code;
}

static enum nx_err invite_get(struct store_memory_data *data, const struct ctl_question *q,
                              struct ctl_answer *answer)
{
    const struct ctl_invite_row *invite = find(data, q->invite_get.code);
    if (invite == NULL) {
        return NX_E_NOT_FOUND;
    }
    answer_invite(answer, invite, q->invite_get.code);
    return is_expired(invite, q->now_ms) ? NX_E_EXPIRED : NX_OK;
}

static bool is_before(struct nx_bytes a, struct nx_bytes b)
{
    const size_t size = a.size < b.size ? a.size : b.size;
    const int order = size != 0 ? memcmp(a.at, b.at, size) : 0;
    return order < 0 || (order == 0 && a.size < b.size);
}

static enum nx_err invites_list(struct store_memory_data *data, const struct ctl_question *q,
                                struct ctl_answer *answer)
{
    const size_t room =
        data->invites.count < CTL_QUESTION_ROWS_MAX ? data->invites.count : CTL_QUESTION_ROWS_MAX;
    struct ctl_invite_row *rows = store_memory_data_rows(data, sizeof *rows, room);
    uint32_t count = 0;
    for (size_t i = 0; rows != NULL && i < data->invites.count && count < room; i++) {
        const struct ctl_invite_row *invite = data->invites.entries[i].row;
        const bool is_asked = q->invites_list.channel_id != 0
                                  ? invite->channel_id == q->invites_list.channel_id
                                  : invite->guild_id == q->invites_list.guild_id;
        if (!is_asked || is_expired(invite, q->now_ms)) {
            continue;
        }
        uint32_t at = count++;
        for (; at > 0 && is_before(invite->code, rows[at - 1].code); at--) {
            rows[at] = rows[at - 1];
        }
        rows[at] = *invite;
    }
    for (uint32_t i = 0; i < count; i++) {
        rows[i].code = store_memory_data_text(data, rows[i].code);
    }
    answer->list.rows = rows;
    answer->list.rows_count = count;
    return NX_OK;
}

static enum nx_err invite_use(struct store_memory_data *data, const struct ctl_question *q,
                              struct ctl_answer *answer)
{
    struct ctl_invite_row *invite = find(data, q->invite_use.code);
    if (invite == NULL) {
        return NX_E_NOT_FOUND;
    }
    if (is_expired(invite, q->now_ms)) {
        return NX_E_EXPIRED;
    }
    const struct ctl_member_row member = {
        .guild_id = invite->guild_id, .user_id = q->invite_use.user_id, .joined_ms = q->now_ms};
    const enum nx_err err = store_memory_community_may_join(data, &member);
    if (err == NX_OK && invite->uses_max != 0 && invite->uses >= invite->uses_max) {
        return NX_E_FULL;
    }
    if (err == NX_OK) {
        invite->uses++;
        store_memory_community_join(data, &member);
    }
    if (err == NX_OK || err == NX_E_CONFLICT) {
        answer_invite(answer, invite, q->invite_use.code);
    }
    return err;
}

static enum nx_err invite_delete(struct store_memory_data *data, const struct ctl_question *q,
                                 struct ctl_answer *answer)
{
    const struct ctl_invite_row *invite = find(data, q->invite_delete.code);
    if (invite == NULL) {
        return NX_E_NOT_FOUND;
    }
    answer_invite(answer, invite, q->invite_delete.code);
    (void)store_memory_table_drop(&data->invites, hash_of(q->invite_delete.code), 0);
    return NX_OK;
}

enum nx_err store_memory_invite(struct store_memory_data *data, const struct ctl_question *question,
                                struct ctl_answer *answer)
{
    switch (question->kind) {
    case CTL_ASK_INVITE_CREATE:
        return invite_create(data, question);
    case CTL_ASK_INVITE_GET:
        return invite_get(data, question, answer);
    case CTL_ASK_INVITES_LIST:
        return invites_list(data, question, answer);
    case CTL_ASK_INVITE_USE:
        return invite_use(data, question, answer);
    case CTL_ASK_INVITE_DELETE:
        return invite_delete(data, question, answer);
    default:
        NX_ASSERT(false);
        return NX_E_UNSUPPORTED;
    }
}
