#include "control/store/memory_data.h"

#include "engine/base/assert.h"

#include <stdlib.h>

struct nx_bytes store_memory_data_text(struct store_memory_data *data, struct nx_bytes text)
{
    struct nx_bytes copy = {0};
    if (data->arena != NULL && text.size != 0 && nx_arena_copy(data->arena, text, &copy) != NX_OK) {
        data->is_arena_full = true;
    }
    return copy;
}

void *store_memory_data_rows(struct store_memory_data *data, size_t size, size_t count)
{
    NX_ASSERT(data->arena != NULL);
    void *rows = nx_arena_take(data->arena, size * count, _Alignof(max_align_t));
    data->is_arena_full = data->is_arena_full || rows == NULL;
    return rows;
}

static void text_free(struct nx_bytes text)
{
    free((void *)(uintptr_t)text.at);
}

static void user_fini(void *row)
{
    struct ctl_user_row *user = row;
    text_free(user->username);
    text_free(user->name_key);
    text_free(user->global_name);
    text_free(user->email);
    text_free(user->password_hash);
}

static void login_fini(void *row)
{
    text_free(((struct store_memory_login *)row)->row.agent);
}

static void guild_fini(void *row)
{
    text_free(((struct ctl_guild_row *)row)->name);
    text_free(((struct ctl_guild_row *)row)->description);
}

static void role_fini(void *row)
{
    text_free(((struct ctl_role_row *)row)->name);
}

static void channel_fini(void *row)
{
    struct store_memory_channel *channel = row;
    for (uint64_t i = 0; i < channel->row.last_seq; i++) {
        text_free(channel->messages[i]->content);
        text_free(channel->messages[i]->nonce);
        free(channel->messages[i]);
    }
    free(channel->messages);
    text_free(channel->row.name);
    text_free(channel->row.topic);
}

static void member_fini(void *row)
{
    struct ctl_member_row *member = row;
    text_free(member->nick);
    free((void *)(uintptr_t)member->roles);
}

static void ban_fini(void *row)
{
    text_free(((struct ctl_ban_row *)row)->reason);
}

static void invite_fini(void *row)
{
    text_free(((struct ctl_invite_row *)row)->code);
}

void store_memory_data_init(struct store_memory_data *data, uint16_t node)
{
    *data = (struct store_memory_data){.users.fini = user_fini,
                                       .logins.fini = login_fini,
                                       .guilds.fini = guild_fini,
                                       .roles.fini = role_fini,
                                       .members.fini = member_fini,
                                       .channels.fini = channel_fini,
                                       .bans.fini = ban_fini,
                                       .invites.fini = invite_fini};
    nx_id_init(&data->mint, node, 0);
}

void store_memory_data_fini(struct store_memory_data *data)
{
    struct store_memory_table *const tables[] = {
        &data->users,   &data->names,  &data->logins,     &data->sids,       &data->tokens,
        &data->guilds,  &data->roles,  &data->overwrites, &data->members,    &data->bans,
        &data->invites, &data->nonces, &data->channels,   &data->read_states};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        store_memory_table_fini(tables[i]);
    }
}
