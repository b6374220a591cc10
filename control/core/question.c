#include "control/core/question.h"

#include "engine/base/assert.h"

/* One line per kind, so that a kind without a name or without a place to run does not compile unnoticed. */
static const struct {
    const char *name;
    bool is_read;
} kinds[CTL_ASK_KINDS_COUNT] = {
    [CTL_ASK_USER_CREATE] = {"user_create", false},
    [CTL_ASK_USER_BY_NAME] = {"user_by_name", true},
    [CTL_ASK_USER_GET] = {"user_get", true},
    [CTL_ASK_USER_UPDATE] = {"user_update", false},
    [CTL_ASK_USER_PASSWORD] = {"user_password", false},
    [CTL_ASK_USERS_LIST] = {"users_list", true},
    [CTL_ASK_LOGIN_CREATE] = {"login_create", false},
    [CTL_ASK_LOGIN_ROTATE] = {"login_rotate", false},
    [CTL_ASK_LOGINS_LIST] = {"logins_list", true},
    [CTL_ASK_LOGIN_REVOKE] = {"login_revoke", false},
    [CTL_ASK_GUILD_CREATE] = {"guild_create", false},
    [CTL_ASK_GUILD_UPDATE] = {"guild_update", false},
    [CTL_ASK_GUILD_DELETE] = {"guild_delete", false},
    [CTL_ASK_ROLE_PUT] = {"role_put", false},
    [CTL_ASK_ROLES_MOVE] = {"roles_move", false},
    [CTL_ASK_ROLE_DELETE] = {"role_delete", false},
    [CTL_ASK_CHANNEL_PUT] = {"channel_put", false},
    [CTL_ASK_CHANNELS_MOVE] = {"channels_move", false},
    [CTL_ASK_CHANNEL_DELETE] = {"channel_delete", false},
    [CTL_ASK_OVERWRITE_PUT] = {"overwrite_put", false},
    [CTL_ASK_OVERWRITE_DELETE] = {"overwrite_delete", false},
    [CTL_ASK_MEMBER_ADD] = {"member_add", false},
    [CTL_ASK_MEMBER_UPDATE] = {"member_update", false},
    [CTL_ASK_MEMBER_REMOVE] = {"member_remove", false},
    [CTL_ASK_BAN_PUT] = {"ban_put", false},
    [CTL_ASK_BAN_DELETE] = {"ban_delete", false},
    [CTL_ASK_BANS_LIST] = {"bans_list", true},
    [CTL_ASK_INVITE_CREATE] = {"invite_create", false},
    [CTL_ASK_INVITE_GET] = {"invite_get", true},
    [CTL_ASK_INVITES_LIST] = {"invites_list", true},
    [CTL_ASK_INVITE_USE] = {"invite_use", false},
    [CTL_ASK_INVITE_DELETE] = {"invite_delete", false},
    [CTL_ASK_MESSAGE_CREATE] = {"message_create", false},
    [CTL_ASK_MESSAGE_EDIT] = {"message_edit", false},
    [CTL_ASK_MESSAGE_DELETE] = {"message_delete", false},
    [CTL_ASK_MESSAGE_GET] = {"message_get", true},
    [CTL_ASK_MESSAGES_LIST] = {"messages_list", true},
    [CTL_ASK_READ_STATE_PUT] = {"read_state_put", false},
    [CTL_ASK_READ_STATES_LIST] = {"read_states_list", true},
    [CTL_ASK_STATS] = {"stats", true},
};

bool ctl_question_is_read(enum ctl_question_kind kind)
{
    NX_ASSERT((unsigned)kind < CTL_ASK_KINDS_COUNT);
    return kinds[kind].is_read;
}

const char *ctl_question_name(enum ctl_question_kind kind)
{
    NX_ASSERT((unsigned)kind < CTL_ASK_KINDS_COUNT);
    return kinds[kind].name;
}
